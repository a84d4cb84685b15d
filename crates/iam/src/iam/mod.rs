//! The actions of IAM.
//!
//! An action reads its parameters, asks whether the caller may do it, changes the account, and writes what goes into
//! its `Result` element; an empty text for actions without one.

mod users;

use crate::api::ApiRequest;
use crate::error::ApiError;

/// Every action that there is, by name.
pub(crate) const ACTIONS: &[&str] = &["CreateUser", "DeleteUser", "GetUser", "ListUsers", "UpdateUser"];

/// Does what is asked.
pub(crate) async fn call(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    match request.action {
        "CreateUser" => users::create(request).await,
        "DeleteUser" => users::delete(request).await,
        "GetUser" => users::get(request).await,
        "ListUsers" => users::list(request).await,
        "UpdateUser" => users::update(request).await,
        _ => Err(ApiError::service_failure()),
    }
}
