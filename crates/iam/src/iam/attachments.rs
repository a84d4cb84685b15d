//! Managed policies of users, groups and roles: Attach, Detach and ListAttached of each, and ListEntitiesForPolicy.

use std::collections::HashMap;

use super::holder::{Holder, named, set_boundary};
use super::policies::{self, Usage};
use crate::account::View;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::page::Page;
use crate::records::{GroupRecord, RoleRecord, UserRecord};
use crate::xml::Xml;
use crate::{arn, predefined};

/// The most managed policies of a user, group or role.
pub(super) const MOST: usize = 10;

pub(super) async fn attach<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let arn = policies::arn_of(request)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut holder = named::<T>(request, change.view(), |context, holder| {
        set_boundary(context, holder);
        context.set("iam:PolicyARN", arn);
    })
    .await?;
    if change.view().managed_document(arn).await?.is_none() {
        return Err(policies::not_attachable(arn));
    }
    let managed = &mut holder.policies_mut().managed;
    if managed.iter().any(|attached| attached == arn) {
        return Ok(String::new());
    }
    if managed.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for {}: {MOST}", T::QUOTA)));
    }
    managed.push(arn.to_owned());
    change.put(&holder);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn detach<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let arn = policies::arn_of(request)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut holder = named::<T>(request, change.view(), |context, holder| {
        set_boundary(context, holder);
        context.set("iam:PolicyARN", arn);
    })
    .await?;
    let managed = &mut holder.policies_mut().managed;
    let before = managed.len();
    managed.retain(|attached| attached != arn);
    if managed.len() == before {
        return Err(ApiError::no_such_entity(format!("Policy {arn} was not found.")));
    }
    change.put(&holder);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let prefix = policies::path_prefix(request)?;
    let holder = named::<T>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    let mut arns = holder.policies().managed.clone();
    arns.retain(|arn| arn::path_and_name(arn).is_some_and(|(path, _)| path.starts_with(prefix)));
    arns.sort_by_key(|arn| arn.to_lowercase());
    let page = Page::of(arns, &request.params, |arn| arn)?;
    let mut xml = Xml::new();
    xml.list("AttachedPolicies", &page.items, |xml, arn| {
        xml.text("PolicyName", arn::path_and_name(arn).map_or("", |(_, name)| name)).text("PolicyArn", arn);
    });
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// Somebody whom a policy is attached to.
struct Entity {
    /// `Groups/NAME`, `Roles/NAME`, `Users/NAME`: the order of the list.
    key: String,
    kind: Kind,
    name: String,
    id: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    Role,
    User,
}

pub(super) async fn entities(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let arn = policies::arn_of(request)?;
    let account = request.account()?;
    let view = request.iam.view(account);
    policies::existing(request, &view, arn).await?;
    let prefix = request.params.get("PathPrefix").unwrap_or("/");
    let usage = policies::usage_filter(&request.params)?;
    let filter = request.params.one_of("EntityFilter", &ENTITY_FILTERS)?;
    let wanted = |kind: Kind| match filter {
        Some("User") => kind == Kind::User,
        Some("Role") => kind == Kind::Role,
        Some("Group") => kind == Kind::Group,
        Some("LocalManagedPolicy") => predefined::find(arn).is_none(),
        Some("AWSManagedPolicy") => predefined::find(arn).is_some(),
        _ => true,
    };
    let mut entities = Vec::new();
    if wanted(Kind::Group) {
        entities.extend(users_of::<GroupRecord>(&view, arn, prefix, usage, Kind::Group).await?);
    }
    if wanted(Kind::Role) {
        entities.extend(users_of::<RoleRecord>(&view, arn, prefix, usage, Kind::Role).await?);
    }
    if wanted(Kind::User) {
        entities.extend(users_of::<UserRecord>(&view, arn, prefix, usage, Kind::User).await?);
    }
    let page = Page::of(entities, &request.params, |entity| &entity.key)?;
    let mut xml = Xml::new();
    for (list, noun, kind) in [
        ("PolicyGroups", "Group", Kind::Group),
        ("PolicyUsers", "User", Kind::User),
        ("PolicyRoles", "Role", Kind::Role),
    ] {
        xml.list(list, page.items.iter().filter(|entity| entity.kind == kind), |xml, entity| {
            xml.text(&format!("{noun}Name"), &entity.name).text(&format!("{noun}Id"), &entity.id);
        });
    }
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// What `EntityFilter` may say.
const ENTITY_FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

/// Those of a kind who use a policy, by name.
async fn users_of<T: Holder>(
    view: &View<'_>,
    arn: &str,
    prefix: &str,
    usage: Option<Usage>,
    kind: Kind,
) -> Result<Vec<Entity>, ApiError> {
    let mut holders = view.all::<T>().await?;
    holders.retain(|holder| {
        let attached = holder.policies().managed.iter().any(|attached| attached == arn);
        let bounds = holder.boundary() == Some(arn);
        let used = match usage {
            None => attached || bounds,
            Some(Usage::Permissions) => attached,
            Some(Usage::Boundary) => bounds,
        };
        used && holder.path().starts_with(prefix)
    });
    let entity = |holder: &T| Entity {
        key: format!("{}/{}", T::NOUN, holder.name()),
        kind,
        name: holder.name().to_owned(),
        id: holder.id().to_owned(),
    };
    Ok(holders.iter().map(entity).collect())
}

/// How often each managed policy is used in an account, by ARN.
#[derive(Default)]
pub(super) struct UseCounts {
    attached: HashMap<String, usize>,
    boundaries: HashMap<String, usize>,
}

impl UseCounts {
    /// Counts in all users, groups and roles.
    pub(super) async fn of(view: &View<'_>) -> Result<Self, ApiError> {
        let mut counts = Self::default();
        counts.add(&view.all::<UserRecord>().await?);
        counts.add(&view.all::<GroupRecord>().await?);
        counts.add(&view.all::<RoleRecord>().await?);
        Ok(counts)
    }

    fn add<T: Holder>(&mut self, holders: &[T]) {
        for holder in holders {
            for arn in &holder.policies().managed {
                *self.attached.entry(arn.clone()).or_default() += 1;
            }
            if let Some(arn) = holder.boundary() {
                *self.boundaries.entry(arn.to_owned()).or_default() += 1;
            }
        }
    }

    /// How many have the policy attached.
    pub(super) fn attached(&self, arn: &str) -> usize {
        self.attached.get(arn).copied().unwrap_or(0)
    }

    /// How many have it as their boundary.
    pub(super) fn boundaries(&self, arn: &str) -> usize {
        self.boundaries.get(arn).copied().unwrap_or(0)
    }
}
