//! Somebody who asks, with what is known of them before they ask.

use std::sync::Arc;

use crate::context::Context;
use crate::policy::Policy;
use crate::principal::Principal;

/// A principal, and the policies that go with it wherever it asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// The identity-based policies: the principal's own and those of its groups.
    pub identity_policies: Vec<Arc<Policy>>,
    /// The permissions boundary, if there is one.
    pub boundary: Option<Arc<Policy>>,
    /// The policies that the session was limited by; `None` for no such limit.
    pub session_policies: Option<Vec<Arc<Policy>>>,
    /// The condition keys that describe the principal: `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`,
    /// `aws:username`, `aws:userid`, `aws:PrincipalTag/...`, `aws:TokenIssueTime` ...
    pub context: Context,
}

impl Caller {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::bare(Principal::Anonymous, "Anonymous")
    }

    /// The root user of an account, who needs no policies.
    #[must_use]
    pub fn root(account: &str) -> Self {
        Self::bare(Principal::Root { account: account.to_owned() }, "Account")
    }

    /// A principal with no policies of its own. `principal_type` is the value of `aws:PrincipalType`.
    #[must_use]
    pub fn bare(principal: Principal, principal_type: &str) -> Self {
        let mut context = Context::new();
        context.set("aws:PrincipalType", principal_type);
        context.set("aws:userid", principal.user_id());
        if let Some(account) = principal.account() {
            context.set("aws:PrincipalArn", principal.principal_arn());
            context.set("aws:PrincipalAccount", account);
        }
        if let Principal::User { name, .. } = &principal {
            context.set("aws:username", name);
        }
        if let Principal::Service { name } = &principal {
            context.set("aws:PrincipalServiceName", name);
        }
        let is_service = matches!(principal, Principal::Service { .. });
        context.set("aws:PrincipalIsAWSService", if is_service { "true" } else { "false" });
        Self { principal, identity_policies: Vec::new(), boundary: None, session_policies: None, context }
    }
}
