//! Whether somebody may ask for an action of IAM or STS.

use coffer_access::{AclGrant, Context, Decision, Policy, Question, evaluate};

use crate::api::ApiRequest;
use crate::error::ApiError;

impl ApiRequest<'_> {
    /// Refuses the request unless the caller may do `action` on the resource with this ARN, in its own account.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn authorize(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        self.authorize_with(action, resource, |_| {})
    }

    /// As [`ApiRequest::authorize`], with more condition keys.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn authorize_with(
        &self,
        action: &str,
        resource: &str,
        describe: impl FnOnce(&mut Context),
    ) -> Result<(), ApiError> {
        let account = self.account()?.to_owned();
        self.ask(action, resource, &account, None, describe)
    }

    /// Refuses the request unless the caller may do `action` on a resource of `owner` that has a policy of its own.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn ask(
        &self,
        action: &str,
        resource: &str,
        owner: &str,
        resource_policy: Option<&Policy>,
        describe: impl FnOnce(&mut Context),
    ) -> Result<(), ApiError> {
        let mut context = self.context.clone();
        context.set("aws:ResourceAccount", owner);
        context.set("aws:ResourceOrgID", self.iam.organization_id());
        describe(&mut context);
        let question = Question {
            caller: &self.caller,
            action,
            resource,
            owner,
            resource_policy,
            acl: AclGrant::None,
            context: &context,
        };
        match evaluate(&question) {
            Decision::Allow => Ok(()),
            Decision::Deny(denial) => {
                let (who, why) = (self.caller.principal.arn(), denial.reason(action));
                Err(ApiError::access_denied(format!(
                    "User: {who} is not authorized to perform: {action} on resource: {resource} {why}"
                )))
            }
        }
    }
}
