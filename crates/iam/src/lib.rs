//! Accounts, users, roles, access keys and sessions, and the APIs of IAM, STS and Organizations.
//!
//! [`Iam`] keeps everything in sealed rows of the store. It answers two questions: who has this access key
//! ([`Iam::identify`]), and what an administrator's request says ([`Iam::handle`]). Every account has a stamp, a row that
//! changes with every change in the account: whoever keeps something in memory looks at the stamp to see whether it
//! still holds, and a change that finds another stamp than it started from does not happen.

mod account;
mod api;
mod arn;
mod authorize;
mod bootstrap;
mod caller;
mod directory;
mod error;
mod iam;
mod identify;
mod ids;
mod last_used;
mod oidc;
mod organizations;
mod page;
mod params;
mod predefined;
mod principals;
mod records;
mod rows;
mod session;
mod settings;
mod signature;
mod sts;
#[cfg(test)]
mod testing;
mod time;
mod trust;
mod xml;

pub use api::{ApiAnswer, ApiConnection, ApiService, ServiceRequest, is_api_request, is_kms_request};
pub use error::ApiError;
pub use identify::{Credential, Identified};
pub use oidc::{DocumentError, Documents};
pub use settings::{Iam, IamSettings};
