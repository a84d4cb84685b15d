//! Drawing and opening object keys: whose key protects an object, and what is sealed under it.

use coffer_crypto::Key32;
use coffer_seal::{Envelope, KekRef, Mode, ObjectKeys, OpenError, Scope, unwrap, wrap};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::names::{InstanceId, ObjectKey};
use crate::records::{ByteRecord, FieldRecord, SealRecord};

/// How a new object is to be sealed.
#[derive(Clone, Copy)]
pub enum Encryption<'a> {
    /// SSE-S3: under the bucket's key.
    SseS3,
    /// SSE-C: under the client's key, which is not kept.
    SseC(&'a Key32),
}

/// How an object or upload is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionMode {
    /// Under the bucket's key.
    SseS3,
    /// Under a client's key.
    SseC,
}

/// A fresh object key and its envelope.
pub(crate) struct Sealing {
    pub(crate) keys: ObjectKeys,
    pub(crate) record: SealRecord,
}

impl Sealing {
    /// Draws the object key of a new object or upload and wraps it; headers go under the customer's key if there is one.
    pub(crate) fn begin(
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        encryption: Encryption<'_>,
        headers: Vec<(String, String)>,
    ) -> Self {
        let object_key = Key32::generate();
        let keys = ObjectKeys::derive(&object_key);
        let scope = scope(bucket, key, instance);
        let (envelope, head_box, headers) = match encryption {
            Encryption::SseS3 => {
                let (by, kek) = bucket.keys().current_kek();
                let headers = headers.into_iter().map(|(name, value)| FieldRecord { name, value }).collect();
                (wrap(kek, by, &scope, &object_key), Vec::new(), headers)
            }
            Encryption::SseC(kek) => {
                let by = KekRef { mode: Mode::SseC, id: [0; 16], generation: 0 };
                (wrap(kek, by, &scope, &object_key), keys.seal_head_box(&headers), Vec::new())
            }
        };
        let envelopes = vec![ByteRecord(envelope.as_bytes().to_vec())];
        Self { keys, record: SealRecord { envelopes, head_box, headers } }
    }
}

impl SealRecord {
    fn envelope(&self) -> Result<Envelope, StoreError> {
        match &self.envelopes[..] {
            [envelope] => Ok(Envelope::from_bytes(&envelope.0)?),
            _ => Err(StoreError::Damaged("an object has an unknown number of layers".to_owned())),
        }
    }

    /// Whose key protects the object.
    pub(crate) fn mode(&self) -> Result<EncryptionMode, StoreError> {
        match self.envelope()?.kek().mode {
            Mode::SseS3 => Ok(EncryptionMode::SseS3),
            Mode::SseC => Ok(EncryptionMode::SseC),
            _ => Err(StoreError::Damaged("an object has an unknown mode".to_owned())),
        }
    }

    /// Checks that a customer key was given exactly if the object is sealed under one.
    pub(crate) fn check_key_given(&self, customer_key: Option<&Key32>) -> Result<EncryptionMode, StoreError> {
        let mode = self.mode()?;
        match (mode, customer_key) {
            (EncryptionMode::SseC, None) => Err(StoreError::CustomerKeyMissing),
            (EncryptionMode::SseS3, Some(_)) => Err(StoreError::CustomerKeyNotApplicable),
            _ => Ok(mode),
        }
    }

    /// Opens the object key.
    pub(crate) fn open(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        customer_key: Option<&Key32>,
    ) -> Result<Key32, StoreError> {
        let mode = self.check_key_given(customer_key)?;
        let envelope = self.envelope()?;
        let scope = scope(bucket, key, instance);
        match (mode, customer_key) {
            (EncryptionMode::SseC, Some(kek)) => match unwrap(kek, &envelope, &scope) {
                Err(OpenError::WrongKey) => Err(StoreError::CustomerKeyMismatch),
                opened => Ok(opened?),
            },
            _ => {
                let by = envelope.kek();
                let kek = bucket.keys().kek(by).ok_or_else(|| {
                    StoreError::Damaged(format!("no bucket key of generation {} is known", by.generation))
                })?;
                Ok(unwrap(kek, &envelope, &scope)?)
            }
        }
    }

    /// The content headers and user metadata; `keys` are those of the object key, needed under a customer's key.
    pub(crate) fn open_headers(&self, keys: Option<&ObjectKeys>) -> Result<Vec<(String, String)>, StoreError> {
        match keys {
            Some(keys) if !self.head_box.is_empty() => Ok(keys.open_head_box(&self.head_box)?),
            _ => Ok(self.headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect()),
        }
    }
}

pub(crate) fn scope<'a>(bucket: &Bucket, key: &'a ObjectKey, instance: InstanceId) -> Scope<'a> {
    Scope { bucket_id: *bucket.id(), instance_id: instance.0, object_key: key.as_bytes(), context: &[] }
}
