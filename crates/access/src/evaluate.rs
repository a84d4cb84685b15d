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

impl Denial {
    /// The end of AWS's sentence: `because no identity-based policy allows the s3:GetObject action`.
    #[must_use]
    pub fn reason(&self, action: &str) -> String {
        let by = match self.by {
            PolicyType::Identity => "identity-based policy",
            PolicyType::Resource => "resource-based policy",
            PolicyType::Boundary => "permissions boundary",
            PolicyType::Session => "session policy",
        };
        if self.explicit {
            let article = if self.by == PolicyType::Identity { "an" } else { "a" };
            format!("with an explicit deny in {article} {by}")
        } else {
            format!("because no {by} allows the {action} action")
        }
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
#[must_use]
pub fn evaluate(question: &Question<'_>) -> Decision {
    let _ = question;
    Decision::Deny(Denial { explicit: false, by: PolicyType::Identity })
}
