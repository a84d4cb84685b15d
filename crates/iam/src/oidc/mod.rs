//! OpenID Connect: tokens of identity providers, and the keys that verify them.

mod documents;
mod keys;
mod provider_keys;
mod token;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use documents::{DocumentError, Documents};
pub(crate) use provider_keys::ProviderKeys;
pub(crate) use token::{Token, WebIdentity};

use http::StatusCode;

use crate::error::ApiError;

/// `InvalidIdentityToken`.
pub(crate) fn invalid_token(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message)
}
