//! Data written again under new keys, before any record names it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use coffer_blob::BlobId;
use coffer_crypto::random_array;
use coffer_meta::Commit;
use coffer_seal::PartKeys;

use crate::bucket::Bucket;
use crate::checksum::Hasher;
use crate::copy::ReadBody;
use crate::error::StoreError;
use crate::ingest::{IngestedPart, Location};
use crate::jobs::ServiceDataKeys;
use crate::kms::{Keys, KmsEncryption};
use crate::names::{InstanceId, ObjectKey};
use crate::read::ObjectStream;
use crate::records::{PartRecord, SealRecord};
use crate::sealing::{Encryption, EncryptionMode, Sealing};
use crate::store::Store;
use crate::tables;

/// Gives versions and uploads new keys, and their data with them.
#[derive(Clone)]
pub(super) struct Resealer {
    pub(super) store: Store,
    pub(super) data_keys: Arc<dyn ServiceDataKeys>,
    /// Keys are new that were first stored under this generation of the bucket's key, or a later one.
    pub(super) target: u32,
}

/// What became of a version or an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resealed {
    /// All its keys are new. So many bytes were written again.
    Yes(u64),
    /// Some of its keys are new, and there is more to do. So many bytes were written again.
    InPart(u64),
    /// It needs no change, or is gone.
    Not,
}

/// How many bytes of one version or upload are written again before its record is: what a crash has to repeat, and what a
/// job that is paused still does. A part is not divided.
const BYTES_AT_A_TIME: u64 = 64 << 20;
/// What a part counts for at the least.
const LEAST_COST: u64 = 256 << 10;

impl Resealer {
    /// What opens everything that is not under a customer's key.
    pub(super) fn keys(&self) -> Keys<'_> {
        Keys { customer: None, data_keys: &*self.data_keys }
    }

    pub(super) fn is_old(&self, since: Option<u32>) -> bool {
        since.is_none_or(|since| since < self.target)
    }

    /// The parts with old keys that are to get new ones now, by their places.
    pub(super) fn pick<'a>(&self, parts: impl Iterator<Item = &'a PartRecord>) -> Vec<usize> {
        let mut left = BYTES_AT_A_TIME;
        let mut picked = Vec::new();
        for (index, part) in parts.enumerate().filter(|(_, part)| self.is_old(part.since)) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(part.plain_len.max(LEAST_COST));
            picked.push(index);
        }
        picked
    }

    /// Draws new object keys, in the mode that there is; a KMS key protects them with another data key.
    ///
    /// # Errors
    /// [`StoreError::Kms`].
    pub(super) async fn draw(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        instance: InstanceId,
        old: &SealRecord,
    ) -> Result<Sealing, StoreError> {
        let data_key = match &old.kms {
            None => None,
            Some(kms) => {
                let (data_key, sealed) = self.data_keys.draw(&kms.data_key()).await.map_err(StoreError::Kms)?;
                let bucket_key_enabled = kms.bucket_key_enabled;
                Some(KmsEncryption { data_key, sealed, id: random_array(), bucket_key_enabled })
            }
        };
        let encryption = match (old.mode()?, &data_key) {
            (EncryptionMode::SseS3, None) => Encryption::SseS3,
            (EncryptionMode::SseKms, Some(kms)) => Encryption::SseKms(kms),
            (EncryptionMode::DsseKms, Some(kms)) => Encryption::DsseKms(kms),
            _ => return Err(StoreError::CustomerKeyMissing),
        };
        let mut sealing = Sealing::begin(bucket, key, instance, encryption, old.open_headers(None)?);
        sealing.record.since = Some(bucket.keys().generation());
        Ok(sealing)
    }
}

/// Parts that are sealed under new keys and durable, and that no record names yet, by where the old ones are.
pub(super) struct Fresh {
    store: Store,
    parts: HashMap<BlobId, IngestedPart>,
}

impl Fresh {
    pub(super) fn new(store: Store) -> Self {
        Self { store, parts: HashMap::new() }
    }

    /// The part that takes the place of the one at `old`.
    pub(super) fn get(&self, old: BlobId) -> Option<&IngestedPart> {
        self.parts.get(&old)
    }

    /// Writes the data of a part again under part keys that are drawn for it. `keys` are the old ones, `sealed` the sealed
    /// bytes if they lie in the engine; its blob must be kept from going away.
    pub(super) async fn write(
        &mut self,
        part: &PartRecord,
        keys: PartKeys,
        sealed: Option<Bytes>,
    ) -> Result<(), StoreError> {
        let layers = keys.layers();
        let mut body = ReadBody::new(ObjectStream::of_part(&self.store, part, keys, sealed)?);
        let hasher = Hasher::new(false, &[]);
        let written = match part.inline {
            true => self.store.ingest(&mut body, hasher, layers, part.plain_len).await,
            false => self.store.ingest_blob(&mut body, hasher, layers, part.plain_len).await,
        };
        let written = written.map_err(|error| match error {
            StoreError::Body(source) => match source.downcast::<StoreError>() {
                Ok(of_source) => *of_source,
                Err(source) => StoreError::Body(source),
            },
            error => error,
        })?;
        // Every segment there is was opened: a stream that ends too early is a mistake of this program.
        assert_eq!(written.plain_len, part.plain_len, "the data of a part is as long as its box says");
        self.parts.insert(part.blob(), written);
        Ok(())
    }

    /// Adds to `commit` that a part has its data where it was written again, and lets go of where it was.
    pub(super) fn put_in_place(&self, commit: &mut Commit, old: &PartRecord, released: &mut Vec<BlobId>) {
        match &self.parts[&old.blob()].location {
            Location::Inline(id, sealed) => {
                commit.put(tables::inline_data(*id), sealed.clone());
            }
            Location::Blob(id, _) => self.store.put_first_reference(commit, *id),
        }
        if old.inline {
            commit.delete(tables::inline_data(old.blob()));
        } else {
            released.push(old.blob());
        }
    }

    /// The record of a part that has its data where it was written again, without its boxes; and its new keys.
    pub(super) fn moved(&self, old: &PartRecord, since: u32) -> (PartRecord, &PartKeys) {
        let IngestedPart { location, keys, .. } = &self.parts[&old.blob()];
        let part = PartRecord {
            number: old.number,
            plain_len: old.plain_len,
            locator: location.id().0,
            inline: location.is_inline(),
            boxes: Vec::new(),
            since: Some(since),
        };
        (part, keys)
    }

    /// Records name these now: they are no longer to be removed. Returns how many bytes of data they have.
    pub(super) fn take(&mut self, old: impl Iterator<Item = BlobId>) -> u64 {
        old.filter_map(|id| self.parts.remove(&id)).map(|part| part.plain_len).sum()
    }

    /// Removes what no record has come to name.
    pub(super) async fn discard<T>(self, result: &Result<T, StoreError>) {
        for part in self.parts.into_values().filter(|part| !part.location.is_inline()) {
            let why = match result {
                Ok(_) => &StoreError::Contention,
                Err(error) => error,
            };
            self.store.discard(part.location.id(), why).await;
        }
    }
}
