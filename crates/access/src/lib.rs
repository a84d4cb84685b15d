//! Who may do what: policies, access control lists, and one pure question.
//!
//! There is no IO, no async, no clock and no HTTP here: everything that a decision depends on is an argument. Whoever
//! asks gathers the [`Caller`], the resource's policy and the request's [`Context`], and [`evaluate`] answers as AWS
//! does: an explicit deny anywhere wins, then an allow is needed, and nothing said means no.
//!
//! ```
//! use coffer_access::{AclGrant, Caller, Context, Policy, PolicyKind, Question, evaluate};
//!
//! let document = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
//!     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/public/*"}}"#;
//! let policy = Policy::parse(document, PolicyKind::Bucket { name: "photos" }, 20_480)?;
//! assert!(policy.is_public());
//!
//! let (caller, context) = (Caller::anonymous(), Context::new());
//! let may_get = |resource| {
//!     let question = Question {
//!         caller: &caller,
//!         action: "s3:GetObject",
//!         resource,
//!         owner: "111122223333",
//!         resource_policy: Some(&policy),
//!         acl: AclGrant::None,
//!         context: &context,
//!     };
//!     evaluate(&question).is_allow()
//! };
//! assert!(may_get("arn:aws:s3:::photos/public/cat.jpg"));
//! assert!(!may_get("arn:aws:s3:::photos/private/cat.jpg"));
//! # Ok::<(), coffer_access::PolicyError>(())
//! ```

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
pub use principal::{NamedPrincipal, Principal, account_of_arn};
pub use s3_actions::{S3_ACTIONS, S3Action, S3Resource};
