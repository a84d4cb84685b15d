//! Who may do what: policies, access control lists, and one pure question.
//!
//! There is no IO, no async, no clock and no HTTP here: everything that a decision depends on is an argument. Whoever
//! asks gathers the [`Caller`], the resource's policy and the request's [`Context`], and [`evaluate`] answers as AWS
//! does: an explicit deny anywhere wins, then an allow is needed, and nothing said means no.

mod acl;
mod arn;
mod caller;
mod condition;
mod context;
mod document;
mod evaluate;
mod pattern;
mod policy;
mod principal;
mod principals;
mod public;
mod s3_actions;
mod s3_keys;
mod statement;
mod template;

#[cfg(test)]
mod tests;

pub use acl::{Acl, AclGrant, AclPermission, Grant, Grantee};
pub use caller::Caller;
pub use context::Context;
pub use evaluate::{Decision, Denial, PolicyType, Question, evaluate};
pub use policy::{Policy, PolicyError, PolicyKind};
pub use principal::{Principal, account_of_arn};
pub use s3_actions::{S3_ACTIONS, S3Action, S3Resource};
