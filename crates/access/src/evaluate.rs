//! The one question: may this caller do this action on this resource?

use crate::acl::AclGrant;
use crate::caller::Caller;
use crate::context::Context;
use crate::policy::Policy;

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
    /// The policy of the resource: of a bucket, or the trust policy of a role.
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
#[must_use]
pub fn evaluate(question: &Question<'_>) -> Decision {
    let _ = question;
    Decision::Deny(Denial { explicit: false, by: PolicyType::Identity })
}
