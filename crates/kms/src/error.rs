//! Errors in the codes and words of AWS KMS.

use coffer_iam::ApiError;
use coffer_keyring::{KeyError, KmsError};
use coffer_store::StoreError;
use http::StatusCode;

pub(crate) fn not_found(message: String) -> KmsError {
    KmsError::new("NotFoundException", message)
}

pub(crate) fn disabled(arn: &str) -> KmsError {
    KmsError::new("DisabledException", format!("{arn} is disabled."))
}

pub(crate) fn pending_deletion(arn: &str) -> KmsError {
    KmsError::new("KMSInvalidStateException", format!("{arn} is pending deletion."))
}

pub(crate) fn invalid_ciphertext() -> KmsError {
    KmsError::new("InvalidCiphertextException", "")
}

pub(crate) fn invalid_grant_token() -> KmsError {
    KmsError::new("InvalidGrantTokenException", "The grant token is not valid.")
}

pub(crate) fn invalid_arn(arn: &str) -> KmsError {
    KmsError::new("InvalidArnException", format!("ARN does not refer to a valid principal: {arn}"))
}

pub(crate) fn incorrect_key() -> KmsError {
    let message = "The key ID in the request does not identify a CMK that can perform this operation.";
    KmsError::new("IncorrectKeyException", message)
}

pub(crate) fn dry_run() -> KmsError {
    let message = "The request would have succeeded, but the DryRun option is set.";
    KmsError::new("DryRunOperationException", message)
}

pub(crate) fn validation(message: impl Into<std::borrow::Cow<'static, str>>) -> KmsError {
    KmsError::new("ValidationException", message)
}

pub(crate) fn access_denied(message: String) -> KmsError {
    KmsError::new("AccessDeniedException", message)
}

pub(crate) fn malformed_policy(message: String) -> KmsError {
    KmsError::new("MalformedPolicyDocumentException", message)
}

pub(crate) fn unsupported(message: impl Into<std::borrow::Cow<'static, str>>) -> KmsError {
    KmsError::new("UnsupportedOperationException", message)
}

pub(crate) fn limit_exceeded(message: String) -> KmsError {
    KmsError::new("LimitExceededException", message)
}

/// The failure of whoever knows the principals; the cause is in the log already.
pub(crate) fn from_iam(error: &ApiError) -> KmsError {
    if error.status() == StatusCode::SERVICE_UNAVAILABLE {
        return KmsError::new("DependencyTimeoutException", "The store is not available. Try again.");
    }
    KmsError::new("KMSInternalException", "An internal error occurred.")
}

pub(crate) fn key_store_not_found(id: &str) -> KmsError {
    KmsError::new("CustomKeyStoreNotFoundException", format!("There is no custom key store {id}."))
}

/// Somebody else changed the same thing at the same time.
pub(crate) fn contention() -> KmsError {
    KmsError::new("DependencyTimeoutException", "The key is being changed. Try again.")
}

/// The failure of the store.
pub(crate) fn from_store(error: &StoreError) -> KmsError {
    tracing::error!(%error, "a key of the KMS cannot be read or written");
    match error {
        StoreError::Unavailable(_) | StoreError::Contention | StoreError::NoSpace => {
            KmsError::new("DependencyTimeoutException", "The store is not available. Try again.")
        }
        _ => KmsError::new("KMSInternalException", "An internal error occurred."),
    }
}

/// The failure of whoever wraps the material of keys.
pub(crate) fn from_provider(error: &KeyError) -> KmsError {
    tracing::error!(%error, "the material of a KMS key cannot be unwrapped");
    match error {
        KeyError::Unavailable(_) => {
            KmsError::new("DependencyTimeoutException", "The provider of the key is not available. Try again.")
        }
        KeyError::Denied(_) | KeyError::UnknownGeneration(_) | KeyError::WrongKey => KmsError::new(
            "KeyUnavailableException",
            "The request was rejected because the key that protects the specified KMS key is not available.",
        ),
        _ => KmsError::new("KMSInternalException", "An internal error occurred."),
    }
}

/// The error as the API answers it.
pub(crate) fn api_error(error: KmsError) -> ApiError {
    let status = match error.code {
        "DependencyTimeoutException" => StatusCode::SERVICE_UNAVAILABLE,
        "KMSInternalException" | "KeyUnavailableException" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    ApiError::new(status, error.code, error.message)
}
