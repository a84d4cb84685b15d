//! The seam between the store and a KMS: opening the data keys under which SSE-KMS objects are sealed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use coffer_crypto::Key32;
use thiserror::Error;

/// A data key of a KMS as it is stored with what it protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedDataKey {
    /// The ARN of the KMS key that encrypted it.
    pub key_arn: String,
    /// What the KMS made of it.
    pub ciphertext: Vec<u8>,
    /// The whole encryption context that it was encrypted with, the pairs that S3 adds included.
    pub context: BTreeMap<String, String>,
}

/// Opens data keys for one caller: whoever implements it has the KMS decide anew each time whether they may.
#[async_trait]
pub trait DataKeys: Send + Sync {
    /// Returns the data key.
    ///
    /// # Errors
    /// What the KMS says.
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError>;
}

/// For callers that have no KMS.
pub struct NoDataKeys;

#[async_trait]
impl DataKeys for NoDataKeys {
    async fn open(&self, _: &SealedDataKey) -> Result<Key32, KmsError> {
        Err(KmsError::new("DependencyTimeoutException", "There is no KMS."))
    }
}

/// A refusal or a failure of a KMS, in the code and words of AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct KmsError {
    /// The name of the exception, such as `NotFoundException`.
    pub code: &'static str,
    /// What it says. It may go to the client, and holds no secret.
    pub message: Cow<'static, str>,
}

impl KmsError {
    /// An error.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether the same request may do better later: the provider of the key cannot be asked, or something failed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, "DependencyTimeoutException" | "KMSInternalException" | "KeyUnavailableException")
    }
}
