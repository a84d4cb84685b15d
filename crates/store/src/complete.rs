//! CompleteMultipartUpload.

use std::collections::HashMap;

use bytes::Bytes;
use coffer_crypto::md5;
use coffer_meta::{Direction, KeyRange};
use coffer_seal::{ChecksumAlgorithm, Checksums, Kind, SumsType};

use crate::bucket::Bucket;
use crate::checksum;
use crate::error::StoreError;
use crate::events::Origin;
use crate::kms::Keys;
use crate::layers::LayerKeys;
use crate::names::{InstanceId, ObjectKey};
use crate::object::{KIND_MULTIPART, NewObject, ObjectSums, WriteConditions};
use crate::put::StoredObject;
use crate::records::{ObjectRecord, UploadPartRecord};
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::upload::FoundUpload;
use crate::versions::Content;

/// Every part but the last has at least this many bytes: 5 MiB.
pub const MIN_PART_LEN: u64 = 5 << 20;

/// What CompleteMultipartUpload names.
pub struct CompleteUpload<'a> {
    /// The upload.
    pub upload_id: InstanceId,
    /// The parts, in order.
    pub parts: Vec<CompletedPart>,
    /// What opens the upload; S3 does not need its customer key if the upload names no checksum algorithm.
    pub keys: Keys<'a>,
    /// What the object's size must be.
    pub expected_size: Option<u64>,
    /// What the object's checksum must be.
    pub expected_checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
    /// What must hold of the object that is there.
    pub conditions: WriteConditions,
    /// Who completes it.
    pub origin: Origin,
}

/// A part as a completion names it.
pub struct CompletedPart {
    /// Its number.
    pub number: u32,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksums.
    pub checksums: Checksums,
}

/// A part that a completion takes.
struct TakenPart {
    row: Bytes,
    sealed: Bytes,
    record: UploadPartRecord,
    /// From its part box; empty if that cannot be opened.
    checksums: Checksums,
}

impl Store {
    /// Makes an object of the parts of an upload. No data is touched.
    ///
    /// When this returns, the object is on stable storage. Completing again with the same parts gives the same answer
    /// while the object is there.
    ///
    /// # Errors
    /// [`StoreError`]: no such upload, customer keys, the KMS, the parts, checksums, conditions.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        complete: CompleteUpload<'_>,
    ) -> Result<StoredObject, StoreError> {
        for _ in 0..MOST_TRIES {
            let upload = match self.find_upload(bucket, key, complete.upload_id).await {
                Err(StoreError::NoSuchUpload) => return self.completed_before(bucket, key, &complete).await,
                upload => upload?,
            };
            match self.complete_found(bucket, key, &complete, &upload).await {
                // The upload has ended or a part was replaced meanwhile: look again.
                Err(StoreError::NoSuchUpload) => {}
                // Or it got other object keys between two reads.
                Err(StoreError::Damaged(_)) if self.has_changed(&upload).await? => {}
                Err(error @ StoreError::InvalidPart { .. }) => {
                    // Or is the part gone because the upload has ended meanwhile?
                    match self.find_upload(bucket, key, complete.upload_id).await {
                        Err(StoreError::NoSuchUpload) => {}
                        _ => return Err(error),
                    }
                }
                completed => return completed,
            }
        }
        Err(StoreError::Contention)
    }

    async fn complete_found(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        complete: &CompleteUpload<'_>,
        upload: &FoundUpload,
    ) -> Result<StoredObject, StoreError> {
        let keys = self.completion_keys(bucket, key, upload, complete.keys).await?;
        if complete.parts.is_empty() {
            // Without a part there is nothing to authenticate that the object is empty.
            return Err(StoreError::InvalidPart { part_number: 1, etag: String::new() });
        }
        if !complete.parts.is_sorted_by(|a, b| a.number < b.number) {
            return Err(StoreError::InvalidPartOrder);
        }
        let parts = self.take_parts(bucket, complete, keys.as_ref(), upload).await?;
        let size: u64 = parts.iter().map(|part| part.record.part.plain_len).sum();
        if let Some(expected) = complete.expected_size.filter(|expected| *expected != size) {
            return Err(StoreError::ObjectSizeMismatch { expected, computed: size });
        }
        let sums = keys.as_ref().and_then(|_| whole_sums(upload, &parts));
        if let Some((algorithm, value)) = &complete.expected_checksum {
            match &sums {
                Some((_, sums)) if sums.get(*algorithm) == Some(&value[..]) => {}
                None if keys.is_none() => return Err(StoreError::CustomerKeyMissing),
                _ => return Err(StoreError::ChecksumMismatch(*algorithm)),
            }
        }

        let record = seal_object(upload, &parts, keys.as_ref(), sums.as_ref(), size, self.now_ms())?;
        let object = NewObject {
            record,
            parts: parts.iter().map(|part| part.record.part.clone()).collect(),
            inline: None,
            fresh: Vec::new(),
            shared: Vec::new(),
        };
        let committed = self.commit_object(bucket, key, object, &complete.conditions, &complete.origin, |commit| {
            commit.check(upload.row.clone(), Some(upload.sealed.clone())).delete(upload.row.clone());
            for part in &parts {
                commit.check(part.row.clone(), Some(part.sealed.clone())).delete(part.row.clone());
            }
            self.put_ended_upload(commit, bucket, complete.upload_id);
        });
        let record = committed.await?;
        // The parts that the completion left out go now; else the next collection of garbage removes them.
        if let Err(error) = self.remove_left_parts(bucket, complete.upload_id).await {
            tracing::warn!(%error, "the parts that a completion left out stay for now");
        }
        let headers = record.seal.open_headers(keys.as_ref())?;
        Ok(StoredObject { info: record.info(headers)?, sums })
    }

    /// The keys of the upload: always there but for a customer key that was not sent and is not needed.
    async fn completion_keys(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &FoundUpload,
        keys: Keys<'_>,
    ) -> Result<Option<LayerKeys>, StoreError> {
        let keyless = upload.record.seal.mode()? == EncryptionMode::SseC
            && keys.customer.is_none()
            && !upload.record.is_layout_bound()?;
        if keyless {
            return Ok(None);
        }
        let instance = InstanceId(upload.record.upload_id);
        upload.record.seal.open(bucket, key, instance, keys).await.map(Some)
    }

    /// Finds the parts that a completion names and checks each against what it says.
    async fn take_parts(
        &self,
        bucket: &Bucket,
        complete: &CompleteUpload<'_>,
        keys: Option<&LayerKeys>,
        upload: &FoundUpload,
    ) -> Result<Vec<TakenPart>, StoreError> {
        let prefix = tables::parts_of(bucket.id(), complete.upload_id);
        let mut rows: HashMap<u32, (Bytes, Bytes)> = HashMap::new();
        for entry in self.0.engine.scan(KeyRange::prefix(&prefix), usize::MAX, Direction::Forward).await? {
            if let Some(number) = tables::parse_part_number(&entry.key) {
                rows.insert(number, (entry.key, entry.value));
            }
        }
        let mut parts = Vec::with_capacity(complete.parts.len());
        for (index, named) in complete.parts.iter().enumerate() {
            let invalid = || StoreError::InvalidPart { part_number: named.number, etag: named.etag.clone() };
            let (row, sealed) = rows.remove(&named.number).ok_or_else(invalid)?;
            let record: UploadPartRecord = bucket.keys().open(Table::Part, &row, &sealed)?;
            let etag = hex::encode(record.etag);
            if etag != named.etag {
                return Err(invalid());
            }
            let checksums = match keys {
                Some(keys) => keys.checksums_of(&record.part)?,
                None => Checksums::new(),
            };
            check_part_checksums(named, &checksums, upload)?;
            if index + 1 < complete.parts.len() && record.part.plain_len < MIN_PART_LEN {
                return Err(StoreError::PartTooSmall { part_number: named.number, size: record.part.plain_len, etag });
            }
            parts.push(TakenPart { row, sealed, record, checksums });
        }
        Ok(parts)
    }

    /// Answers a completion that was carried out already, as long as its object is the current one.
    async fn completed_before(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        complete: &CompleteUpload<'_>,
    ) -> Result<StoredObject, StoreError> {
        let current = self.current_version(bucket, key).await?;
        let Some(Content::Object(record)) = current.map(|found| found.content) else {
            return Err(StoreError::NoSuchUpload);
        };
        let etags: Option<Vec<[u8; 16]>> =
            complete.parts.iter().map(|part| hex::decode(&part.etag).ok()?.try_into().ok()).collect();
        let same = record.instance_id == complete.upload_id.0
            && etags.is_some_and(|etags| multipart_etag(&etags) == record.etag);
        if !same {
            return Err(StoreError::NoSuchUpload);
        }
        let keys = match (record.seal.mode()?, complete.keys.customer) {
            (EncryptionMode::SseC, None) => None,
            _ => Some(record.seal.open(bucket, key, InstanceId(record.instance_id), complete.keys).await?),
        };
        let sums = match &keys {
            Some(keys) if !record.sums_box.is_empty() => Some(keys.first().open_sums_box(&record.sums_box)?),
            _ => None,
        };
        Ok(StoredObject { info: record.info(Vec::new())?, sums })
    }
}

/// Compares the checksums that a completion names with those that were computed at upload.
fn check_part_checksums(named: &CompletedPart, computed: &Checksums, upload: &FoundUpload) -> Result<(), StoreError> {
    let algorithm = upload.record.algorithm();
    if let Some(algorithm) =
        algorithm.filter(|algorithm| upload.record.composite && named.checksums.get(*algorithm).is_none())
    {
        return Err(StoreError::PartChecksumMissing { part_number: named.number, algorithm });
    }
    for (given, value) in named.checksums.iter() {
        let holds = computed.get(given) == Some(value);
        match algorithm {
            Some(algorithm) if holds && given == algorithm => {}
            Some(_) => {
                return Err(StoreError::PartChecksumMismatch { part_number: named.number, algorithm: given });
            }
            // Without an algorithm of the upload, only the checksum that S3 computes by itself can be named.
            None if holds && given == ChecksumAlgorithm::Crc64Nvme => {}
            None => {
                return Err(StoreError::InvalidPart { part_number: named.number, etag: named.etag.clone() });
            }
        }
    }
    Ok(())
}

/// The checksum of the object: of the type that the upload chose, over the parts' own.
fn whole_sums(upload: &FoundUpload, parts: &[TakenPart]) -> Option<ObjectSums> {
    let algorithm = upload.record.algorithm().unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let of_parts: Option<Vec<_>> =
        parts.iter().map(|part| Some((part.checksums.get(algorithm)?, part.record.part.plain_len))).collect();
    let of_parts = of_parts?;
    let (sums_type, value) = if upload.record.composite {
        (SumsType::Composite, checksum::composite(algorithm, of_parts.iter().map(|(value, _)| *value))?)
    } else {
        (SumsType::FullObject, checksum::combine(algorithm, &of_parts)?)
    };
    let mut sums = Checksums::new();
    sums.insert(algorithm, value);
    Some((sums_type, sums))
}

/// S3's ETag of a multipart object, in every mode: `hex(MD5(part ETags as bytes))-N`.
fn multipart_etag(etags: &[[u8; 16]]) -> String {
    format!("{}-{}", hex::encode(md5(&etags.concat())), etags.len())
}

fn seal_object(
    upload: &FoundUpload,
    parts: &[TakenPart],
    keys: Option<&LayerKeys>,
    sums: Option<&ObjectSums>,
    size: u64,
    now_ms: u64,
) -> Result<ObjectRecord, StoreError> {
    let sums_box = match (keys, sums) {
        (Some(keys), Some((sums_type, checksums))) => keys.first().seal_sums_box(*sums_type, checksums),
        _ => Vec::new(),
    };
    let of_upload = &upload.record.seal;
    let layout_tags = match keys {
        Some(keys) => {
            let parts = parts.iter().map(|part| &part.record.part);
            keys.layout_tags(Kind::Multipart, &of_upload.head_box, &sums_box, parts)?
        }
        None => Vec::new(),
    };
    let etags: Vec<_> = parts.iter().map(|part| part.record.etag).collect();
    Ok(ObjectRecord {
        instance_id: upload.record.upload_id,
        kind: KIND_MULTIPART,
        seal: upload.record.seal.clone(),
        layout_tags,
        sums_box,
        size,
        etag: multipart_etag(&etags),
        last_modified_ms: now_ms,
        storage_class: upload.record.storage_class.clone(),
        parts: Vec::new(),
        part_list_rows: 0,
        part_count: 0,
        parts_show_checksums: upload.record.checksum_algorithm.is_some(),
        tags: upload.record.tags.clone(),
        access: upload.record.access.clone(),
        order: 0,
        versioned: false,
        lock: upload.record.lock,
        replication: None,
    })
}
