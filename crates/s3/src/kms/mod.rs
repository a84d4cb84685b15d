//! Whom S3 asks for the data keys of SSE-KMS, and on whose behalf.

mod bucket_keys;
mod on_behalf;

use std::collections::BTreeMap;

use async_trait::async_trait;
use coffer_access::Caller;
use coffer_crypto::Key32;
use coffer_keyring::{KmsError, SealedDataKey};

pub(crate) use bucket_keys::{BucketKeyFor, BucketKeys};
pub(crate) use on_behalf::{NOT_SIGNED, OVER_HTTP, OnBehalf};

/// A KMS. It decides anew with every call whether the caller may, and whether the key can be used.
///
/// Keys are named as requests name them: by ID, ARN or alias, and `None` is `aws/s3`, the key of the caller's account
/// that protects what names no other. An encryption context is whole: what S3 adds to it is there.
#[async_trait]
pub trait Kms: Send + Sync {
    /// Draws a data key under a key.
    ///
    /// # Errors
    /// What the KMS says.
    async fn generate_data_key(
        &self,
        by: KmsCaller<'_>,
        key: Option<&str>,
        context: BTreeMap<String, String>,
    ) -> Result<(Key32, SealedDataKey), KmsError>;

    /// Opens a data key.
    ///
    /// # Errors
    /// What the KMS says.
    async fn decrypt_data_key(&self, by: KmsCaller<'_>, sealed: &SealedDataKey) -> Result<Key32, KmsError>;

    /// Refuses what the caller may not do with a key, and everything with one that cannot be used; draws nothing. Returns
    /// the ARN of the key. `actions` are such as `kms:GenerateDataKey`.
    ///
    /// # Errors
    /// What the KMS says.
    async fn authorize(
        &self,
        by: KmsCaller<'_>,
        actions: &[&'static str],
        key: Option<&str>,
        context: &BTreeMap<String, String>,
    ) -> Result<String, KmsError>;

    /// The ARN of the key that is meant, whoever may use it: policies are asked about it before anybody may do anything.
    ///
    /// # Errors
    /// What the KMS says.
    async fn key_arn(&self, by: KmsCaller<'_>, key: Option<&str>) -> Result<String, KmsError>;
}

/// Who asks, by way of S3. They are known by their signature, and nobody on the way could read the request.
#[derive(Clone, Copy)]
pub struct KmsCaller<'a> {
    /// Who it is.
    pub caller: &'a Caller,
    /// The ID of the request.
    pub request_id: &'a str,
    /// When it came, in milliseconds since 1970.
    pub now_ms: u64,
}

/// For a server without a KMS.
pub(crate) struct NoKms;

#[async_trait]
impl Kms for NoKms {
    async fn generate_data_key(
        &self,
        _: KmsCaller<'_>,
        _: Option<&str>,
        _: BTreeMap<String, String>,
    ) -> Result<(Key32, SealedDataKey), KmsError> {
        Err(absent())
    }

    async fn decrypt_data_key(&self, _: KmsCaller<'_>, _: &SealedDataKey) -> Result<Key32, KmsError> {
        Err(absent())
    }

    async fn authorize(
        &self,
        _: KmsCaller<'_>,
        _: &[&'static str],
        _: Option<&str>,
        _: &BTreeMap<String, String>,
    ) -> Result<String, KmsError> {
        Err(absent())
    }

    async fn key_arn(&self, _: KmsCaller<'_>, _: Option<&str>) -> Result<String, KmsError> {
        Err(absent())
    }
}

fn absent() -> KmsError {
    KmsError::new("DependencyTimeoutException", "There is no KMS.")
}
