//! What users, groups and roles have in common: a name, and policies.

use coffer_access::Context;

use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::records::{AttachedRecord, GroupRecord, RoleRecord, TagRecord, UserRecord};
use crate::rows::Entity;

/// The longest name of any of them.
const MAX_NAME_LEN: usize = 128;

/// A user, a group or a role.
pub(crate) trait Holder: Entity {
    /// The parameter that names it.
    const PARAM: &'static str;
    /// What it is, in messages.
    const NOUN: &'static str;
    /// The quota of managed policies.
    const QUOTA: &'static str;
    /// The most characters of all its inline policies together, without white space.
    const MAX_INLINE_LEN: usize;

    /// The ARN of one of this path and name.
    fn arn_of(account: &str, path: &str, name: &str) -> String;

    fn path(&self) -> &str;
    fn id(&self) -> &str;
    fn tags(&self) -> &[TagRecord];
    fn boundary(&self) -> Option<&str>;
    fn policies(&self) -> &AttachedRecord;
    fn policies_mut(&mut self) -> &mut AttachedRecord;

    /// Its ARN.
    fn arn(&self, account: &str) -> String {
        Self::arn_of(account, self.path(), self.name())
    }

    /// There is none of this name.
    fn not_found(name: &str) -> ApiError {
        ApiError::no_such_entity(format!("The {} with name {name} cannot be found.", Self::NOUN))
    }
}

macro_rules! holder {
    ($record:ty, $noun:literal, $quota:literal, $param:literal, $inline_len:literal, $arn:path,
     $self:ident, $tags:expr, $boundary:expr) => {
        impl Holder for $record {
            const PARAM: &'static str = $param;
            const NOUN: &'static str = $noun;
            const QUOTA: &'static str = $quota;
            const MAX_INLINE_LEN: usize = $inline_len;

            fn arn_of(account: &str, path: &str, name: &str) -> String {
                $arn(account, path, name)
            }

            fn path(&self) -> &str {
                &self.path
            }

            fn id(&self) -> &str {
                &self.id
            }

            fn tags(&$self) -> &[TagRecord] {
                $tags
            }

            fn boundary(&$self) -> Option<&str> {
                $boundary
            }

            fn policies(&self) -> &AttachedRecord {
                &self.policies
            }

            fn policies_mut(&mut self) -> &mut AttachedRecord {
                &mut self.policies
            }
        }
    };
}

holder!(UserRecord, "user", "PoliciesPerUser", "UserName", 2048, arn::user, self, &self.tags, self.boundary.as_deref());
holder!(GroupRecord, "group", "PoliciesPerGroup", "GroupName", 5120, arn::group, self, &[], None);
holder!(
    RoleRecord,
    "role",
    "PoliciesPerRole",
    "RoleName",
    10_240,
    arn::role,
    self,
    &self.tags,
    self.boundary.as_deref()
);

/// The user, group or role that the request names, if the caller may do what it asks for. Whether there is one is told
/// only to who may.
///
/// # Errors
/// `AccessDenied`, `NoSuchEntity`.
pub(crate) async fn named<T: Holder>(
    request: &ApiRequest<'_>,
    view: &View<'_>,
    describe: impl FnOnce(&mut Context, Option<&T>),
) -> Result<T, ApiError> {
    let name = request.params.name(T::PARAM, MAX_NAME_LEN)?;
    called(request, view, name, describe).await
}

/// As [`named`], with a name that comes from elsewhere.
///
/// # Errors
/// `AccessDenied`, `NoSuchEntity`.
pub(crate) async fn called<T: Holder>(
    request: &ApiRequest<'_>,
    view: &View<'_>,
    name: &str,
    describe: impl FnOnce(&mut Context, Option<&T>),
) -> Result<T, ApiError> {
    let entity = view.get::<T>(name).await?;
    let arn = match &entity {
        Some(entity) => entity.arn(&view.account),
        None => T::arn_of(&view.account, "/", name),
    };
    request.authorize_with(&format!("iam:{}", request.action), &arn, |context| {
        set_resource_tags(context, entity.as_ref().map_or(&[], Holder::tags));
        describe(context, entity.as_ref());
    })?;
    entity.ok_or_else(|| T::not_found(name))
}

/// Sets the condition keys of the tags that a resource has.
pub(crate) fn set_resource_tags(context: &mut Context, tags: &[TagRecord]) {
    for tag in tags {
        context.set(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
        context.set(&format!("iam:ResourceTag/{}", tag.key), &tag.value);
    }
}

/// Sets the condition key of the boundary that somebody has: who may change what others may do can be held to those
/// who have one.
pub(crate) fn set_boundary<T: Holder>(context: &mut Context, holder: Option<&T>) {
    context.set_if("iam:PermissionsBoundary", holder.and_then(Holder::boundary));
}
