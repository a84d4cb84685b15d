//! Who may do what: policies, access control lists, and one pure question.
//!
//! There is no IO, no async, no clock and no HTTP here: everything that a decision depends on is an argument. Whoever
//! asks gathers the [`Caller`], the resource's policy and the request's [`Context`], and [`evaluate`] answers as AWS
//! does: an explicit deny anywhere wins, then an allow is needed, and nothing said means no.

mod acl;
mod caller;
mod context;
mod evaluate;
mod policy;
mod principal;

pub use acl::{Acl, AclGrant, AclPermission, Grant, Grantee};
pub use caller::Caller;
pub use context::Context;
pub use evaluate::{Decision, Denial, PolicyType, Question, evaluate};
pub use policy::{Policy, PolicyError, PolicyKind};
pub use principal::{Principal, account_of_arn};
