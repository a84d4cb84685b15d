//! Drawing and opening object keys: whose key protects an object, and what is sealed under it.

use std::ops::Deref;
use std::sync::Arc;

use coffer_crypto::Key32;
use coffer_seal::{Envelope, KekRef, Mode, OpenError, Scope, canonical_context, unwrap, wrap};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::kms::{Keys, KmsEncryption};
use crate::layers::LayerKeys;
use crate::names::{InstanceId, ObjectKey};
use crate::records::{ByteRecord, FieldRecord, KmsSealRecord, SealRecord};

/// How a new object is to be sealed.
#[derive(Clone, Copy)]
pub enum Encryption<'a> {
    /// SSE-S3: under the bucket's key.
    SseS3,
    /// SSE-C: under the client's key, which is not kept.
    SseC(&'a Key32),
    /// SSE-KMS: under a data key of a KMS.
    SseKms(&'a KmsEncryption),
    /// DSSE-KMS: under a data key of a KMS, and again under the bucket's key.
    DsseKms(&'a KmsEncryption),
}

/// How an object or upload is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionMode {
    /// Under the bucket's key.
    SseS3,
    /// Under a client's key.
    SseC,
    /// Under a data key of a KMS.
    SseKms,
    /// Under a data key of a KMS, and again under the bucket's key.
    DsseKms,
}

impl Encryption<'_> {
    /// How objects are sealed that are sealed so.
    #[must_use]
    pub fn mode(&self) -> EncryptionMode {
        match self {
            Self::SseS3 => EncryptionMode::SseS3,
            Self::SseC(_) => EncryptionMode::SseC,
            Self::SseKms(_) => EncryptionMode::SseKms,
            Self::DsseKms(_) => EncryptionMode::DsseKms,
        }
    }
}

impl EncryptionMode {
    /// How many independent layers seal an object.
    pub(crate) fn layers(self) -> usize {
        match self {
            Self::SseS3 | Self::SseC | Self::SseKms => 1,
            Self::DsseKms => 2,
        }
    }

    /// The ETag of what is written is the MD5 of the plaintext. What was written with another mode keeps its ETag.
    pub(crate) fn has_md5_etags(self) -> bool {
        self == Self::SseS3
    }

    /// The mode of the envelope of each layer.
    fn of_layers(self) -> &'static [Mode] {
        match self {
            Self::SseS3 => &[Mode::SseS3],
            Self::SseC => &[Mode::SseC],
            Self::SseKms => &[Mode::SseKms],
            Self::DsseKms => &[Mode::SseKms, Mode::SseS3],
        }
    }
}

/// Fresh object keys and their envelopes.
pub(crate) struct Sealing {
    pub(crate) keys: LayerKeys,
    pub(crate) record: SealRecord,
}

impl Sealing {
    /// Draws the object keys of a new object or upload and wraps them; headers go under the customer's key if there is
    /// one.
    pub(crate) fn begin(
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        encryption: Encryption<'_>,
        headers: Vec<(String, String)>,
    ) -> Self {
        let mode = encryption.mode();
        let object_keys: Vec<_> = (0..mode.layers()).map(|_| Key32::generate()).collect();
        let keys = LayerKeys::derive(&object_keys);
        let record = SealRecord::wrapping(&object_keys, bucket, key, instance, encryption);
        let record = match mode {
            EncryptionMode::SseC => SealRecord { head_box: keys.first().seal_head_box(&headers), ..record },
            EncryptionMode::SseS3 | EncryptionMode::SseKms | EncryptionMode::DsseKms => {
                let headers = headers.into_iter().map(|(name, value)| FieldRecord { name, value }).collect();
                SealRecord { headers, ..record }
            }
        };
        Self { keys, record }
    }
}

impl SealRecord {
    /// The envelopes of `object_keys`, one a layer, without any headers.
    fn wrapping(
        object_keys: &[Key32],
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        encryption: Encryption<'_>,
    ) -> Self {
        let of_bucket = bucket.keys().current_kek();
        let (keks, kms) = match encryption {
            Encryption::SseS3 => (vec![of_bucket], None),
            Encryption::SseC(kek) => (vec![(KekRef::CUSTOMER, kek)], None),
            Encryption::SseKms(kms) => (vec![kms.kek()], Some(KmsSealRecord::of(kms))),
            Encryption::DsseKms(kms) => (vec![kms.kek(), of_bucket], Some(KmsSealRecord::of(kms))),
        };
        assert_eq!(keks.len(), object_keys.len(), "there is an object key for each layer");
        let context = context_of(kms.as_ref());
        let scope = scope(bucket, key, instance, &context);
        let envelopes = keks
            .into_iter()
            .zip(object_keys)
            .map(|((by, kek), object_key)| ByteRecord(wrap(kek, by, &scope, object_key).as_bytes().to_vec()))
            .collect();
        Self { envelopes, head_box: Vec::new(), headers: Vec::new(), kms, since: None }
    }

    /// The same object keys under a data key of a KMS. There is one layer, and it is not under a customer's key.
    ///
    /// # Errors
    /// As [`SealRecord::open_object_keys`].
    pub(crate) async fn rewrapped(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        keys: Keys<'_>,
        encryption: &KmsEncryption,
    ) -> Result<Self, StoreError> {
        let object_keys = self.open_object_keys(bucket, key, instance, keys).await?;
        let wrapped = Self::wrapping(&object_keys, bucket, key, instance, Encryption::SseKms(encryption));
        Ok(Self { head_box: self.head_box.clone(), headers: self.headers.clone(), since: self.since, ..wrapped })
    }

    /// The envelopes, as they are stored.
    pub(crate) fn envelopes(&self) -> Result<Vec<Envelope>, StoreError> {
        self.envelopes.iter().map(|envelope| Ok(Envelope::from_bytes(&envelope.0)?)).collect()
    }

    /// Whose key protects the object.
    pub(crate) fn mode(&self) -> Result<EncryptionMode, StoreError> {
        let of_layers: Vec<_> = self.envelopes()?.iter().map(|envelope| envelope.kek().mode).collect();
        let with_kms = [EncryptionMode::SseKms, EncryptionMode::DsseKms];
        let without_kms = [EncryptionMode::SseS3, EncryptionMode::SseC];
        let possible = if self.kms.is_some() { with_kms } else { without_kms };
        let mode = possible.into_iter().find(|mode| mode.of_layers() == of_layers);
        mode.ok_or_else(|| StoreError::Damaged("an object has an unknown mode".to_owned()))
    }

    /// Checks that a customer key was given exactly if the object is sealed under one.
    pub(crate) fn check_key_given(&self, customer_key: Option<&Key32>) -> Result<EncryptionMode, StoreError> {
        let mode = self.mode()?;
        match (mode, customer_key) {
            (EncryptionMode::SseC, None) => Err(StoreError::CustomerKeyMissing),
            (EncryptionMode::SseS3 | EncryptionMode::SseKms | EncryptionMode::DsseKms, Some(_)) => {
                Err(StoreError::CustomerKeyNotApplicable)
            }
            _ => Ok(mode),
        }
    }

    /// Asks the KMS for the data key; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Kms`].
    pub(crate) async fn data_key(&self, keys: Keys<'_>) -> Result<Option<Key32>, StoreError> {
        match &self.kms {
            Some(kms) => Ok(Some(kms.open(keys.data_keys).await?)),
            None => Ok(None),
        }
    }

    /// The key that unwraps each of `envelopes`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when one is missing: [`SealRecord::check_key_given`] comes before.
    pub(crate) fn keks<'k>(
        envelopes: &[Envelope],
        bucket: &Bucket,
        customer_key: Option<&'k Key32>,
        data_key: Option<&'k Key32>,
    ) -> Result<Vec<Kek<'k>>, StoreError> {
        let kek = |envelope: &Envelope| {
            let by = envelope.kek();
            let found = match by.mode {
                Mode::SseS3 => bucket.keys().kek(by).map(Kek::OfBucket),
                Mode::SseC => customer_key.map(Kek::Given),
                Mode::SseKms => data_key.map(Kek::Given),
                Mode::BucketKey | Mode::MetadataKey | Mode::KmsKey => None,
            };
            found.ok_or_else(|| no_key(by))
        };
        envelopes.iter().map(kek).collect()
    }

    /// Opens the object key of each layer. The KMS is asked once, if at all.
    ///
    /// # Errors
    /// Those about customer keys, [`StoreError::Kms`], [`StoreError::Damaged`].
    async fn open_object_keys(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        keys: Keys<'_>,
    ) -> Result<Vec<Key32>, StoreError> {
        let mode = self.check_key_given(keys.customer)?;
        let data_key = self.data_key(keys).await?;
        let envelopes = self.envelopes()?;
        let keks = Self::keks(&envelopes, bucket, keys.customer, data_key.as_ref())?;
        let context = self.context();
        let scope = scope(bucket, key, instance, &context);
        let open =
            |(kek, envelope): (&Kek<'_>, _)| unwrap(kek, envelope, &scope).map_err(|error| open_error(error, mode));
        keks.iter().zip(&envelopes).map(open).collect()
    }

    /// Opens the object key of each layer, and derives what is below them.
    ///
    /// # Errors
    /// Those about customer keys, [`StoreError::Kms`], [`StoreError::Damaged`].
    pub(crate) async fn open(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        keys: Keys<'_>,
    ) -> Result<LayerKeys, StoreError> {
        Ok(LayerKeys::derive(&self.open_object_keys(bucket, key, instance, keys).await?))
    }

    /// Wraps object keys anew that are wrapped by an older generation of the bucket's key. Says whether there were any.
    ///
    /// Whatever writes a record that was written before does this first: so no record holds an envelope of an older
    /// generation than the one that it is sealed under.
    pub(crate) fn renew(&mut self, bucket: &Bucket, key: &[u8], instance: InstanceId) -> Result<bool, StoreError> {
        let (current, current_kek) = bucket.keys().current_kek();
        let context = self.context();
        let mut renewed = false;
        for stored in &mut self.envelopes {
            let envelope = Envelope::from_bytes(&stored.0)?;
            let by = envelope.kek();
            if by.mode != Mode::SseS3 || by == current {
                continue;
            }
            let kek = bucket.keys().kek(by).ok_or_else(|| no_key(by))?;
            let scope = Scope { bucket_id: *bucket.id(), instance_id: instance.0, object_key: key, context: &context };
            let object_key = unwrap(&kek, &envelope, &scope)?;
            stored.0 = wrap(current_kek, current, &scope, &object_key).as_bytes().to_vec();
            renewed = true;
        }
        Ok(renewed)
    }

    /// The content headers and user metadata; `keys` are those of the object, needed under a customer's key.
    pub(crate) fn open_headers(&self, keys: Option<&LayerKeys>) -> Result<Vec<(String, String)>, StoreError> {
        match keys {
            Some(keys) if !self.head_box.is_empty() => Ok(keys.first().open_head_box(&self.head_box)?),
            _ => Ok(self.headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect()),
        }
    }

    /// The encryption context that envelopes are bound to; empty without a KMS.
    pub(crate) fn context(&self) -> Vec<u8> {
        context_of(self.kms.as_ref())
    }
}

impl KmsEncryption {
    fn kek(&self) -> (KekRef, &Key32) {
        (KekRef { mode: Mode::SseKms, id: self.id, generation: 0 }, &self.data_key)
    }
}

/// A key that unwraps an object key.
pub(crate) enum Kek<'k> {
    OfBucket(Arc<Key32>),
    Given(&'k Key32),
}

impl Deref for Kek<'_> {
    type Target = Key32;

    fn deref(&self) -> &Key32 {
        match self {
            Self::OfBucket(key) => key,
            Self::Given(key) => key,
        }
    }
}

fn no_key(by: KekRef) -> StoreError {
    StoreError::Damaged(format!("no key of generation {} is known", by.generation))
}

/// What it means that an object does not open: a wrong customer key is the client's mistake, all else is damage.
pub(crate) fn open_error(error: OpenError, mode: EncryptionMode) -> StoreError {
    match (error, mode) {
        (OpenError::WrongKey, EncryptionMode::SseC) => StoreError::CustomerKeyMismatch,
        (error, _) => error.into(),
    }
}

pub(crate) fn scope<'a>(bucket: &Bucket, key: &'a ObjectKey, instance: InstanceId, context: &'a [u8]) -> Scope<'a> {
    Scope { bucket_id: *bucket.id(), instance_id: instance.0, object_key: key.as_bytes(), context }
}

fn context_of(kms: Option<&KmsSealRecord>) -> Vec<u8> {
    kms.map_or_else(Vec::new, |kms| canonical_context(&kms.context))
}

#[cfg(test)]
#[path = "sealing_tests.rs"]
mod tests;
