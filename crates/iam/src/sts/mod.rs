//! The actions of STS.

mod caller_identity;

use crate::api::ApiRequest;
use crate::error::ApiError;

/// Every action that there is, by name.
pub(crate) const ACTIONS: &[&str] = &["GetCallerIdentity"];

/// Whether an action needs no signature: what it brings proves who asks.
pub(crate) fn is_unsigned(action: &str) -> bool {
    action == "AssumeRoleWithWebIdentity"
}

/// Does what is asked.
pub(crate) async fn call(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    match request.action {
        "GetCallerIdentity" => caller_identity::get(request),
        _ => Err(ApiError::service_failure()),
    }
}
