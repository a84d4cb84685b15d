//! Errors of IAM and STS, in their own codes and words.

use std::borrow::Cow;
use std::fmt;

use coffer_store::StoreError;
use http::StatusCode;

/// An error answer.
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
}

impl ApiError {
    /// An error.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code, as in `<Code>`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message, as in `<Message>`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The caller may not do this.
    pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// A parameter that is there and is not what it should be.
    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    /// IAM's `InvalidInput`.
    pub(crate) fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidInput", message)
    }

    /// What the request is about is not there.
    pub(crate) fn no_such_entity(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchEntity", message)
    }

    /// What the request would make is there already.
    pub(crate) fn entity_already_exists(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "EntityAlreadyExists", message)
    }

    /// What the request would delete is still in use.
    pub(crate) fn delete_conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "DeleteConflict", message)
    }

    /// There are as many as there may be.
    pub(crate) fn limit_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "LimitExceeded", message)
    }

    /// A policy document that is none.
    pub(crate) fn malformed_policy_document(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MalformedPolicyDocument", message)
    }

    /// Somebody else changed the account at the same time.
    pub(crate) fn concurrent_modification() -> Self {
        let message = "The request was rejected because multiple requests to change this object were submitted \
                       simultaneously. Wait a few minutes and submit your request again.";
        Self::new(StatusCode::CONFLICT, "ConcurrentModification", message)
    }

    /// An action that there is not.
    pub(crate) fn invalid_action(action: &str, version: &str) -> Self {
        let message = format!("Could not find operation {action} for version {version}");
        Self::new(StatusCode::BAD_REQUEST, "InvalidAction", message)
    }

    /// Something is wrong here, not there.
    pub(crate) fn service_failure() -> Self {
        let message = "The request processing has failed because of an unknown error, exception or failure.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceFailure", message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed behind the IAM API");
        match error {
            StoreError::Unavailable(_) => {
                let message = "The request has failed due to a temporary failure of the server.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
            }
            _ => Self::service_failure(),
        }
    }
}

/// Status and code only: the message may quote the client.
impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiError({} {})", self.status.as_u16(), self.code)
    }
}
