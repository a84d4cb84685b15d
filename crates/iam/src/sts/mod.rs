//! The actions of STS.

mod access_key_info;
mod assume_role;
mod caller_identity;
mod input;
mod limits;
mod session_token;
mod web_identity;

use crate::api::ApiRequest;
use crate::error::ApiError;

/// Every action that there is, by name.
pub(crate) const ACTIONS: &[&str] =
    &["AssumeRole", "AssumeRoleWithWebIdentity", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"];

/// Whether an action needs no signature: what it brings proves who asks.
pub(crate) fn is_unsigned(action: &str) -> bool {
    action == "AssumeRoleWithWebIdentity"
}

/// Does what is asked.
pub(crate) async fn call(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    session_token::check(request)?;
    match request.action {
        "AssumeRole" => assume_role::assume(request).await,
        "AssumeRoleWithWebIdentity" => web_identity::assume(request).await,
        "GetAccessKeyInfo" => access_key_info::get(request).await,
        "GetCallerIdentity" => caller_identity::get(request),
        "GetSessionToken" => session_token::get(request),
        _ => Err(ApiError::service_failure()),
    }
}

#[cfg(test)]
mod tests;
