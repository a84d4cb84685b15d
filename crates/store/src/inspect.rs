//! How an object is sealed, for a person, and what of it verifies.

use coffer_configuration::ObjectLock;
use coffer_keyring::{RootId, SealedDataKey};
use coffer_seal::{ChecksumAlgorithm, Envelope, Mode, sealed_len, segment_count};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::kms::{Keys, KmsInfo};
use crate::names::{InstanceId, VersionId};
use crate::object::{FoundObject, KIND_MULTIPART};
use crate::read::ObjectReader;
use crate::records::{KmsSealRecord, ObjectRecord, PartRecord, WrappedKeyRecord};
use crate::sealing::EncryptionMode;
use crate::store::Store;
use crate::tables;
use crate::versions::ObjectVersion;

/// How a version of an object is sealed. It holds no key and nothing that a client stored.
pub struct Inspection {
    /// The version.
    pub version: VersionId,
    /// Who it is.
    pub instance: InstanceId,
    /// Whose key protects it.
    pub mode: EncryptionMode,
    /// Plaintext bytes.
    pub size: u64,
    /// When it was stored, in milliseconds since 1970.
    pub last_modified_ms: u64,
    /// It was a multipart upload.
    pub is_multipart: bool,
    /// What keeps it from being removed.
    pub lock: ObjectLock,
    /// The key of each layer, the innermost first.
    pub layers: Vec<LayerKey>,
    /// The key of the KMS, if one protects it.
    pub kms: Option<KmsInfo>,
    /// The data key that the KMS encrypted.
    pub data_key: Option<SealedDataKey>,
    /// Layout tags, one a layer; none in an upload that was completed without its customer key.
    pub layout_tags: usize,
    /// Its parts, in order.
    pub parts: Vec<PartInspection>,
    /// The algorithms of the checksums of the whole object; `None` where they could not be opened.
    pub checksums: Option<Vec<ChecksumAlgorithm>>,
    /// What was checked, in order.
    pub checks: Vec<Check>,
}

/// What wraps an object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKey {
    /// A generation of the bucket's key, which a generation of the root key wraps.
    Bucket {
        /// The generation of the bucket's key.
        generation: u32,
        /// The root key, and its generation; `None` when the bucket has no such key any more.
        root: Option<(RootId, u32)>,
    },
    /// A client's key, which is not kept.
    Customer,
    /// A data key of the KMS.
    DataKey,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInspection {
    /// Its number; 0 is the whole of an object that was not a multipart upload.
    pub number: u32,
    /// Plaintext bytes.
    pub size: u64,
    /// Segments in each layer.
    pub segments: u64,
    /// Bytes as they are stored.
    pub sealed_size: u64,
    /// The name of its blob; `None`: it is beside its record.
    pub blob: Option<String>,
}

/// Something that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, such as `envelopes`.
    pub what: &'static str,
    /// What came of it.
    pub outcome: CheckOutcome,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It is as it was written.
    Verified,
    /// It is not, or cannot be read, and why.
    Failed(String),
    /// It could not be checked, and why.
    NotChecked(String),
}

impl Store {
    /// Says how an object is sealed, and verifies what can be with `keys`; every segment of its data if `read_data`.
    ///
    /// # Errors
    /// Those of looking an object up. What does not verify is no error, but a check that failed; only a record that
    /// does not open is [`StoreError::Damaged`].
    pub async fn inspect_object(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        keys: Keys<'_>,
        read_data: bool,
    ) -> Result<Inspection, StoreError> {
        let target = target.into();
        let FoundObject { record, parts, .. } = self.find_object(bucket, target).await?;
        let mode = record.seal.mode()?;
        let mut inspection = Inspection {
            version: record.version(),
            instance: InstanceId(record.instance_id),
            mode,
            size: record.size,
            last_modified_ms: record.last_modified_ms,
            is_multipart: record.kind == KIND_MULTIPART,
            lock: record.lock.unwrap_or_default(),
            layers: self.layers(bucket, &record)?,
            kms: record.seal.kms.as_ref().map(KmsSealRecord::info),
            data_key: record.seal.kms.as_ref().map(KmsSealRecord::data_key),
            layout_tags: record.layout_tags.len(),
            parts: parts.iter().map(|part| part_inspection(part, mode)).collect(),
            checksums: None,
            // It was opened just now, and is bound to its row.
            checks: vec![Check { what: "record", outcome: CheckOutcome::Verified }],
        };
        let stored = self.check_lengths(&parts, mode).await;
        inspection.check("stored lengths", stored);
        if mode == EncryptionMode::SseC && keys.customer.is_none() {
            for what in ["envelopes", "parts and layout", "data"] {
                let why = "only the client has the key (SSE-C)".to_owned();
                inspection.checks.push(Check { what, outcome: CheckOutcome::NotChecked(why) });
            }
            return Ok(inspection);
        }
        let envelopes = record.seal.open(bucket, target.key, InstanceId(record.instance_id), keys).await.map(drop);
        let opens = envelopes.is_ok();
        inspection.check("envelopes", envelopes);
        if !opens {
            return Ok(inspection);
        }
        let version = target.version.or(Some(inspection.version));
        let reader = self.get_object(bucket, ObjectVersion { key: target.key, version }, keys).await?;
        if reader.info().instance_id != inspection.instance {
            // Another one took the place of the version `null`.
            return Err(StoreError::Contention);
        }
        match reader.part_infos().await {
            Ok(_) => {
                let sums = reader.sums().await?;
                inspection.checksums =
                    Some(sums.map_or_else(Vec::new, |(_, sums)| sums.iter().map(|(a, _)| a).collect()));
                inspection.check("parts and layout", Ok(()));
            }
            Err(error) => {
                inspection.check("parts and layout", Err(error));
                return Ok(inspection);
            }
        }
        if read_data {
            inspection.check("data", read_all(reader, record.size).await);
        } else {
            let why = "not asked for".to_owned();
            inspection.checks.push(Check { what: "data", outcome: CheckOutcome::NotChecked(why) });
        }
        Ok(inspection)
    }

    fn layers(&self, bucket: &Bucket, record: &ObjectRecord) -> Result<Vec<LayerKey>, StoreError> {
        let layer = |envelope: Envelope| {
            let by = envelope.kek();
            match by.mode {
                Mode::SseC => LayerKey::Customer,
                Mode::SseKms => LayerKey::DataKey,
                Mode::SseS3 | Mode::BucketKey | Mode::MetadataKey | Mode::KmsKey => {
                    let is_it = |key: &&WrappedKeyRecord| (key.id, key.generation) == (by.id, by.generation);
                    let wrapped = bucket.wrapped_keys().iter().find(is_it);
                    let root = wrapped.and_then(|key| self.0.root.generation_of(&key.wrapped).ok());
                    LayerKey::Bucket { generation: by.generation, root }
                }
            }
        };
        Ok(record.seal.envelopes()?.into_iter().map(layer).collect())
    }

    /// Compares what is stored of each part with its length.
    async fn check_lengths(&self, parts: &[PartRecord], mode: EncryptionMode) -> Result<(), StoreError> {
        for part in parts {
            let stored = if part.inline {
                let data = self.0.engine.get(&tables::inline_data(part.blob())).await?;
                data.ok_or_else(|| StoreError::Damaged("the data of a small object is missing".to_owned()))?.len()
                    as u64
            } else {
                self.0.blobs.len(part.blob()).await?
            };
            let expected = sealed_len(part.plain_len, mode.layers());
            if stored != expected {
                return Err(StoreError::Damaged(format!(
                    "part {} has {stored} bytes where it is stored, and should have {expected}",
                    part.number
                )));
            }
        }
        Ok(())
    }
}

impl Inspection {
    /// Whether nothing failed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| !matches!(check.outcome, CheckOutcome::Failed(_)))
    }

    fn check(&mut self, what: &'static str, result: Result<(), StoreError>) {
        let outcome = match result {
            Ok(()) => CheckOutcome::Verified,
            // The key may be fine, and the KMS does not give it.
            Err(StoreError::Kms(error)) => CheckOutcome::NotChecked(error.to_string()),
            Err(error) => CheckOutcome::Failed(error.to_string()),
        };
        self.checks.push(Check { what, outcome });
    }
}

/// Opens every segment.
async fn read_all(reader: ObjectReader<'_>, size: u64) -> Result<(), StoreError> {
    let (mut stream, _) = reader.read(0..size).await?;
    let mut read = 0;
    while let Some(piece) = stream.next().await? {
        read += piece.len() as u64;
    }
    if read == size { Ok(()) } else { Err(StoreError::Damaged(format!("{read} of {size} bytes were there"))) }
}

fn part_inspection(part: &PartRecord, mode: EncryptionMode) -> PartInspection {
    PartInspection {
        number: part.number,
        size: part.plain_len,
        segments: segment_count(part.plain_len),
        sealed_size: sealed_len(part.plain_len, mode.layers()),
        blob: (!part.inline).then(|| part.blob().to_string()),
    }
}
