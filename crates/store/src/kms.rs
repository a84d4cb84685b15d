//! Data keys of a KMS: what a writer brings along, what a reader opens them with, and what is known of them.

use std::collections::BTreeMap;

use coffer_crypto::Key32;
use coffer_keyring::{DataKeys, NoDataKeys, SealedDataKey};

use crate::error::StoreError;
use crate::records::KmsSealRecord;

/// A data key of a KMS to seal an object under, and what is stored of it.
pub struct KmsEncryption {
    /// The data key itself. It is not stored.
    pub data_key: Key32,
    /// What the KMS made of it.
    pub sealed: SealedDataKey,
    /// Tells it from other data keys. Random; the same for every object that is sealed under it.
    pub id: [u8; 16],
    /// It is shared by objects of the bucket (S3 Bucket Keys).
    pub bucket_key_enabled: bool,
}

/// What a caller has to open objects with.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The customer key that came with the request.
    pub customer: Option<&'a Key32>,
    /// Opens data keys of a KMS, on behalf of whoever asks. An object is opened with one call at most.
    pub data_keys: &'a dyn DataKeys,
}

impl Keys<'static> {
    /// Opens what the store has the key to, and nothing else.
    pub const NONE: Self = Self { customer: None, data_keys: &NoDataKeys };
}

/// Which key of a KMS protects an object or upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsInfo {
    /// The ARN of the KMS key.
    pub key_arn: String,
    /// The data key is shared by objects of the bucket (S3 Bucket Keys).
    pub bucket_key_enabled: bool,
    /// The whole encryption context, the pair that S3 adds included.
    pub context: BTreeMap<String, String>,
}

impl KmsSealRecord {
    pub(crate) fn of(encryption: &KmsEncryption) -> Self {
        let SealedDataKey { key_arn, ciphertext, context } = encryption.sealed.clone();
        Self { key_arn, ciphertext, context, bucket_key_enabled: encryption.bucket_key_enabled }
    }

    pub(crate) fn info(&self) -> KmsInfo {
        KmsInfo {
            key_arn: self.key_arn.clone(),
            bucket_key_enabled: self.bucket_key_enabled,
            context: self.context.clone(),
        }
    }

    /// Asks for the data key.
    ///
    /// # Errors
    /// [`StoreError::Kms`].
    pub(crate) async fn open(&self, data_keys: &dyn DataKeys) -> Result<Key32, StoreError> {
        data_keys.open(&self.data_key()).await.map_err(StoreError::Kms)
    }

    /// The data key as the KMS encrypted it.
    pub(crate) fn data_key(&self) -> SealedDataKey {
        let Self { key_arn, ciphertext, context, .. } = self.clone();
        SealedDataKey { key_arn, ciphertext, context }
    }
}
