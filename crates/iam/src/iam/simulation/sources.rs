//! Where the policies of a simulation come from.

use std::sync::Arc;

use coffer_access::Policy;

use crate::account::View;
use crate::arn;
use crate::caller::parsed;
use crate::error::ApiError;
use crate::iam::holder::Holder;
use crate::records::{GroupRecord, UserRecord};

/// A policy, and what it is called.
pub(super) struct Source {
    /// The name of a managed policy, `user_NAME_POLICY` of an inline one, `PolicyInputList.1` of one in the request.
    pub(super) id: String,
    pub(super) policy: Arc<Policy>,
    /// The bytes of the document.
    pub(super) len: usize,
}

/// The policies of a user and those of its groups.
pub(super) async fn of_user(view: &View<'_>, user: &UserRecord) -> Result<Vec<Source>, ApiError> {
    let mut sources = of(view, user).await?;
    for name in &user.groups {
        if let Some(group) = view.get::<GroupRecord>(name).await? {
            sources.extend(of(view, &group).await?);
        }
    }
    Ok(sources)
}

/// The policies of a user, group or role alone.
pub(super) async fn of<T: Holder>(view: &View<'_>, holder: &T) -> Result<Vec<Source>, ApiError> {
    let mut sources = Vec::new();
    for inline in &holder.policies().inline {
        let id = format!("{}_{}_{}", T::NOUN, holder.name(), inline.name);
        sources.push(Source { id, policy: parsed(&inline.document)?, len: inline.document.len() });
    }
    for policy_arn in &holder.policies().managed {
        if let Some(document) = view.managed_document(policy_arn).await? {
            let name = arn::path_and_name(policy_arn).map_or(policy_arn.as_str(), |(_, name)| name);
            sources.push(Source { id: name.to_owned(), policy: parsed(&document)?, len: document.len() });
        }
    }
    Ok(sources)
}
