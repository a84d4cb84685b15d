//! The one question: may this caller do this action on this resource?

use std::sync::Arc;

use crate::acl::AclGrant;
use crate::caller::Caller;
use crate::context::{Context, Keys};
use crate::policy::Policy;
use crate::principal::Principal;
use crate::principals::Named;
use crate::statement::{Effect, Request};

/// A question. Everything that the answer depends on is in it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What they want to do, such as `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of what they want to do it to, such as `arn:aws:s3:::photos/cat.jpg`; `*` for actions on nothing in
    /// particular, such as `s3:ListAllMyBuckets`.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub owner: &'a str,
    /// The policy of the resource: of a bucket or a KMS key, or the trust policy of a role.
    pub resource_policy: Option<&'a Policy>,
    /// What the access control list of the resource says about the action: see [`Acl::allows`](crate::Acl::allows).
    pub acl: AclGrant,
    /// What the request says about itself. The caller's own keys need not be repeated here.
    pub context: &'a Context,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No.
    Deny(Denial),
}

impl Decision {
    /// Whether the answer is yes.
    #[must_use]
    pub fn is_allow(self) -> bool {
        self == Self::Allow
    }
}

/// Why the answer is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Whether a statement says no, or none says yes.
    pub explicit: bool,
    /// The kind of policy that says no, or fails to say yes.
    pub by: PolicyType,
}

impl Denial {
    /// The end of AWS's sentence about who is not authorized to perform `action` on what.
    #[must_use]
    pub fn reason(&self, action: &str) -> String {
        let is_trust = self.by == PolicyType::Resource && action.starts_with("sts:AssumeRole");
        let policy = match self.by {
            PolicyType::Identity => "identity-based policy",
            PolicyType::Resource if is_trust => "role trust policy",
            PolicyType::Resource => "resource-based policy",
            PolicyType::Boundary => "permissions boundary",
            PolicyType::Session => "session policy",
        };
        if !self.explicit {
            return format!("because no {policy} allows the {action} action");
        }
        let article = match self.by {
            PolicyType::Identity => "an",
            PolicyType::Resource if is_trust => "the",
            _ => "a",
        };
        format!("with an explicit deny in {article} {policy}")
    }
}

/// A kind of policy, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyType {
    /// `identity-based policy`
    Identity,
    /// `resource-based policy`
    Resource,
    /// `permissions boundary`
    Boundary,
    /// `session policy`
    Session,
}

/// Answers a question as AWS does.
///
/// A statement that denies wins, wherever it is. Else somebody has to allow:
///
/// - Within the account of the resource its root user may do anything. For others an identity-based policy is enough, if
///   boundary and session policies allow the same. So is a policy of the resource that names the caller: a user or a
///   session by its own ARN, which boundary and session policies do not limit, or the role of a session, which they
///   do. One that names the account leaves it to the identity-based policies.
/// - From another account both sides have to allow.
/// - Who has no account, as somebody who does not sign, needs a policy or a list of the resource.
/// - A role's trust policy and the policy of a KMS key have to name the caller, or its account, even within the account
///   and even its root user. A key is nothing for who does not sign.
#[must_use]
pub fn evaluate(question: &Question<'_>) -> Decision {
    let action = question.action.to_ascii_lowercase();
    let keys = Keys { caller: &question.caller.context, request: question.context };
    let request = Request { action: &action, resource: question.resource, keys };
    let sides = Sides::of(question, &request);
    match sides.denied().map_or_else(|| sides.missing(question), |by| Some(Denial { explicit: true, by })) {
        None => Decision::Allow,
        Some(denial) => Decision::Deny(denial),
    }
}

/// What each kind of policy says to a request.
struct Sides {
    identity: Verdict,
    boundary: Verdict,
    session: Verdict,
    is_denied_by_resource: bool,
    /// The strongest that a policy or a list of the resource allows.
    resource: Named,
}

/// What policies say that are about the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Denied,
    Silent,
    Allowed,
}

impl Verdict {
    fn of<'a>(policies: impl Iterator<Item = &'a Policy>, request: &Request<'_>) -> Self {
        let mut verdict = Self::Silent;
        for statement in policies.flat_map(Policy::statements).filter(|statement| statement.applies(request)) {
            match statement.effect {
                Effect::Deny => return Self::Denied,
                Effect::Allow => verdict = Self::Allowed,
            }
        }
        verdict
    }
}

impl Sides {
    fn of(question: &Question<'_>, request: &Request<'_>) -> Self {
        let caller = question.caller;
        let is_root = matches!(caller.principal, Principal::Root { .. });
        let limit = |policies: Option<&[Arc<Policy>]>| {
            policies.map_or(Verdict::Allowed, |policies| Verdict::of(policies.iter().map(AsRef::as_ref), request))
        };
        let identity = Verdict::of(caller.identity_policies.iter().map(AsRef::as_ref), request);
        let mut sides = Self {
            identity: if is_root && identity == Verdict::Silent { Verdict::Allowed } else { identity },
            boundary: limit(caller.boundary.as_ref().map(std::slice::from_ref)),
            session: limit(caller.session_policies.as_deref()),
            is_denied_by_resource: false,
            resource: named_by_list(question),
        };
        for statement in question.resource_policy.into_iter().flat_map(Policy::statements) {
            let named = statement.names(caller);
            if named == Named::No || !statement.applies(request) {
                continue;
            }
            match statement.effect {
                Effect::Deny => sides.is_denied_by_resource = true,
                Effect::Allow => sides.resource = sides.resource.max(named),
            }
        }
        sides
    }

    /// The kind of policy that denies.
    fn denied(&self) -> Option<PolicyType> {
        let own = [
            (self.identity, PolicyType::Identity),
            (self.boundary, PolicyType::Boundary),
            (self.session, PolicyType::Session),
        ];
        let own = own.iter().find(|(verdict, _)| *verdict == Verdict::Denied).map(|(_, by)| *by);
        own.or(self.is_denied_by_resource.then_some(PolicyType::Resource))
    }

    /// The kind of policy that would have to allow and does not; `None` when all do.
    fn missing(&self, question: &Question<'_>) -> Option<Denial> {
        let denial = |by| Some(Denial { explicit: false, by });
        let must_name_caller = question.resource_policy.is_some_and(Policy::must_name_caller);
        let Some(account) = question.caller.principal.account() else {
            if must_name_caller && question.caller.principal == Principal::Anonymous {
                return denial(PolicyType::Resource);
            }
            return if self.resource == Named::Itself { None } else { denial(PolicyType::Resource) };
        };
        let limit = match (self.boundary, self.session) {
            (Verdict::Allowed, Verdict::Allowed) => None,
            (Verdict::Allowed, _) => Some(PolicyType::Session),
            _ => Some(PolicyType::Boundary),
        };
        let must_be_named = account != question.owner || must_name_caller;
        let is_enough = match self.resource {
            _ if account != question.owner => false,
            Named::Itself => return None,
            Named::Role => true,
            Named::No | Named::Account => false,
        };
        if self.identity != Verdict::Allowed && !is_enough {
            return denial(PolicyType::Identity);
        }
        if must_be_named && self.resource == Named::No {
            return denial(PolicyType::Resource);
        }
        limit.and_then(denial)
    }
}

/// What a list grants, in the words of a policy: to everybody, or to an account, whose root user has what it has.
fn named_by_list(question: &Question<'_>) -> Named {
    match (question.acl, &question.caller.principal) {
        (AclGrant::None, _) => Named::No,
        (AclGrant::Account, Principal::Root { .. }) => Named::Itself,
        (AclGrant::Account, _) => Named::Account,
        (AclGrant::Everyone, Principal::Session { .. }) => Named::Role,
        (AclGrant::Everyone, _) => Named::Itself,
    }
}
