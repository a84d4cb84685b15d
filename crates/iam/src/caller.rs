//! Principals with their policies, ready to ask.

use std::sync::Arc;

use coffer_access::{Caller, Policy, PolicyKind, Principal};

use crate::account::View;
use crate::arn;
use crate::error::ApiError;
use crate::predefined;
use crate::records::{
    AttachedRecord, GroupRecord, ManagedPolicyRecord, RoleRecord, SessionRecord, TagRecord, UserRecord,
};
use crate::time::iso8601;

/// The most bytes of a document: the limits of each kind do not count white space.
pub(crate) const MAX_DOCUMENT_LEN: usize = 256 << 10;

impl View<'_> {
    /// A user, with its policies and those of its groups.
    pub(crate) async fn user_caller(&self, user: &UserRecord) -> Result<Caller, ApiError> {
        let principal = Principal::User {
            account: self.account.clone(),
            path: user.path.clone(),
            name: user.name.clone(),
            id: user.id.clone(),
        };
        let mut caller = Caller::bare(principal, "User");
        set_tags(&mut caller, &user.tags);
        caller.identity_policies = self.policies(&user.policies).await?;
        for name in &user.groups {
            if let Some(group) = self.get::<GroupRecord>(name).await? {
                caller.identity_policies.extend(self.policies(&group.policies).await?);
            }
        }
        caller.boundary = self.boundary(user.boundary.as_deref()).await?;
        Ok(caller)
    }

    /// A session of a role, with the role's policies.
    pub(crate) async fn role_caller(&self, role: &RoleRecord, session_name: &str) -> Result<Caller, ApiError> {
        let principal = Principal::Session {
            account: self.account.clone(),
            role_path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            session_name: session_name.to_owned(),
        };
        let mut caller = Caller::bare(principal, "AssumedRole");
        set_tags(&mut caller, &role.tags);
        caller.identity_policies = self.policies(&role.policies).await?;
        caller.boundary = self.boundary(role.boundary.as_deref()).await?;
        Ok(caller)
    }

    /// Adds what a session says about itself, and its limits.
    pub(crate) async fn limit_to_session(&self, caller: &mut Caller, session: &SessionRecord) -> Result<(), ApiError> {
        // A tag of the session stands in for one of the role.
        set_tags(caller, &session.tags);
        for key in &session.context {
            caller.context.set(&key.key, &key.value);
        }
        caller.context.set("aws:TokenIssueTime", iso8601(session.issued_ms));
        caller.context.set_if("aws:SourceIdentity", session.source_identity.as_deref());
        if caller.context.get("aws:MultiFactorAuthPresent").is_none() {
            caller.context.set("aws:MultiFactorAuthPresent", "false");
        }
        if let Some(policies) = &session.policies {
            caller.session_policies = Some(self.policies(policies).await?);
        }
        Ok(())
    }

    /// The document of a managed policy: AWS's, or this account's.
    pub(crate) async fn managed_document(&self, arn: &str) -> Result<Option<String>, ApiError> {
        if let Some(policy) = predefined::find(arn) {
            return Ok(Some(policy.document.to_owned()));
        }
        let Some(policy) = self.managed_policy(arn).await? else { return Ok(None) };
        let default = policy.versions.into_iter().find(|version| version.number == policy.default_version);
        Ok(default.map(|version| version.document))
    }

    /// A managed policy of this account, by its ARN to the letter.
    pub(crate) async fn managed_policy(&self, arn: &str) -> Result<Option<ManagedPolicyRecord>, ApiError> {
        let Some((account, name)) = arn::parse(arn, "policy") else { return Ok(None) };
        if account != self.account {
            return Ok(None);
        }
        let found = self.get::<ManagedPolicyRecord>(name).await?;
        Ok(found.filter(|policy| arn::policy(account, &policy.path, &policy.name) == arn))
    }

    async fn policies(&self, attached: &AttachedRecord) -> Result<Vec<Arc<Policy>>, ApiError> {
        let mut policies = Vec::with_capacity(attached.inline.len() + attached.managed.len());
        for inline in &attached.inline {
            policies.push(parsed(&inline.document)?);
        }
        for arn in &attached.managed {
            if let Some(document) = self.managed_document(arn).await? {
                policies.push(parsed(&document)?);
            }
        }
        Ok(policies)
    }

    /// A boundary that is gone allows nothing: the policy of a session that no policy allows anything.
    async fn boundary(&self, arn: Option<&str>) -> Result<Option<Arc<Policy>>, ApiError> {
        let Some(arn) = arn else { return Ok(None) };
        match self.managed_document(arn).await? {
            Some(document) => parsed(&document).map(Some),
            None => parsed(NOTHING).map(Some),
        }
    }
}

/// A policy that denies everything.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

/// A document that was accepted once.
pub(crate) fn parsed(document: &str) -> Result<Arc<Policy>, ApiError> {
    match Policy::parse(document, PolicyKind::Identity, MAX_DOCUMENT_LEN) {
        Ok(policy) => Ok(Arc::new(policy)),
        Err(error) => {
            // Left out, a policy that denies would allow: so nobody whom it concerns may do anything.
            tracing::error!(%error, "a policy that was accepted once is not valid");
            Err(ApiError::service_failure())
        }
    }
}

fn set_tags(caller: &mut Caller, tags: &[TagRecord]) {
    for tag in tags {
        caller.context.set(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
    }
}
