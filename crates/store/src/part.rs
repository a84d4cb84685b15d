//! UploadPart and UploadPartCopy.

use coffer_crypto::Key32;
use coffer_meta::Commit;
use coffer_seal::{ChecksumAlgorithm, Checksums, FLAG_LAYOUT, opaque_etag};

use crate::body::{Body, WantedDigests};
use crate::bucket::Bucket;
use crate::checksum::Hasher;
use crate::error::{Committed, StoreError};
use crate::kms::Keys;
use crate::layers::LayerKeys;
use crate::names::{InstanceId, ObjectKey};
use crate::put::MAX_PUT_LEN;
use crate::records::{ByteRecord, PartRecord, UploadPartRecord, UploadRecord};
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::upload::{FoundUpload, UploadInfo};

/// A part to upload.
pub struct UploadPart<'a> {
    /// The upload.
    pub upload_id: InstanceId,
    /// 1 to 10,000.
    pub number: u32,
    /// What opens the upload.
    pub keys: Keys<'a>,
    /// Which hashes the client wants.
    pub wanted: WantedDigests,
}

/// A part that was stored.
pub struct StoredPart {
    /// The ETag, without quotes.
    pub etag: String,
    /// When it was stored, in milliseconds since 1970.
    pub last_modified_ms: u64,
    /// Every checksum that was computed.
    pub checksums: Checksums,
}

impl Store {
    /// Checks that a part can be uploaded, before its body is read: the upload exists and the customer key is its key. No
    /// KMS is asked: [`Store::upload_part`] does that, before it reads the body.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], and those about customer keys.
    pub async fn check_upload_key(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
        customer_key: Option<&Key32>,
    ) -> Result<UploadInfo, StoreError> {
        let upload = self.find_upload(bucket, key, upload_id).await?;
        if upload.record.seal.check_key_given(customer_key)? == EncryptionMode::SseC {
            let keys = Keys { customer: customer_key, ..Keys::NONE };
            upload.record.seal.open(bucket, key, upload_id, keys).await?;
        }
        upload.record.info()
    }

    /// Seals a part under keys of its own and puts it in the place of the part with its number, if there is one.
    ///
    /// When this returns, the part is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], those about customer keys, [`StoreError::Kms`], digests, the body's own error, no space.
    pub async fn upload_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        put: UploadPart<'_>,
        body: &mut dyn Body,
    ) -> Result<StoredPart, StoreError> {
        let upload = self.find_upload(bucket, key, put.upload_id).await?;
        let keys = upload.record.seal.open(bucket, key, put.upload_id, put.keys).await?;
        let etag_is_md5 = upload.record.seal.mode()?.has_md5_etags();
        let mut algorithms = vec![upload.record.algorithm().unwrap_or(ChecksumAlgorithm::Crc64Nvme)];
        algorithms.extend(put.wanted.algorithm.filter(|wanted| !algorithms.contains(wanted)));
        let hasher = Hasher::new(etag_is_md5 || put.wanted.md5, &algorithms);
        let part = self.ingest_blob(body, hasher, keys.count(), MAX_PUT_LEN).await?;

        let flags = if upload.record.is_layout_bound()? { FLAG_LAYOUT } else { 0 };
        let checksums = &part.digests.checksums;
        let boxes_under =
            |keys: &LayerKeys| keys.seal_part_boxes(put.number, &part.keys, part.plain_len, flags, checksums);
        let boxes = boxes_under(&keys);
        let md5 = etag_is_md5.then_some(part.digests.md5).flatten();
        let record = UploadPartRecord {
            etag: md5.unwrap_or_else(|| opaque_etag(&boxes[0].0)),
            last_modified_ms: self.now_ms(),
            part: PartRecord {
                number: put.number,
                plain_len: part.plain_len,
                locator: part.location.id().0,
                inline: part.location.is_inline(),
                boxes,
                since: None,
            },
        };
        let (etag, last_modified_ms) = (hex::encode(record.etag), record.last_modified_ms);
        // `part` holds the pin of the blob until its reference is committed.
        if let Err(error) = self.commit_part(bucket, key, upload, put.keys, record, boxes_under).await {
            self.discard(part.location.id(), &error).await;
            return Err(error);
        }
        Ok(StoredPart { etag, last_modified_ms, checksums: part.digests.checksums })
    }

    /// Puts a part in the place of the one with its number, if there is one, while the upload is in progress.
    async fn commit_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        mut upload: FoundUpload,
        keys: Keys<'_>,
        mut record: UploadPartRecord,
        boxes_under: impl Fn(&LayerKeys) -> Vec<ByteRecord>,
    ) -> Result<(), StoreError> {
        let upload_id = InstanceId(upload.record.upload_id);
        let row = tables::part(bucket.id(), upload_id, record.part.number);
        let mut bucket = bucket.clone();
        for _ in 0..MOST_TRIES {
            let old = self.0.engine.get(&row).await?;
            let mut commit = Commit::new();
            bucket.check(&mut commit);
            commit.check(upload.row.clone(), Some(upload.sealed.clone())).check(row.clone(), old.clone());
            if let Some(turn) = upload.record.turn {
                let mut waiting = UploadRecord { turn: Some(turn.wrapping_add(1)), ..upload.record.clone() };
                waiting.seal.renew(&bucket, key.as_bytes(), upload_id)?;
                commit.put(upload.row.clone(), bucket.keys().seal(Table::Upload, &upload.row, &waiting));
            }
            if let Some(old) = old {
                let old: UploadPartRecord = bucket.keys().open(Table::Part, &row, &old)?;
                self.queue_garbage(&mut commit, &[old.part.blob()]);
            }
            self.put_first_reference(&mut commit, record.part.blob());
            record.part.since = Some(bucket.keys().generation());
            commit.put(row.clone(), bucket.keys().seal(Table::Part, &row, &record));
            match self.commit(commit).await? {
                Committed::Yes => return Ok(()),
                // Another attempt at the same part, another key of the bucket, or the upload has ended, which shows here.
                Committed::Conflict(_) => {
                    bucket = self.same_bucket(&bucket).await?;
                    let before = upload.record.seal.since;
                    upload = self.find_upload(&bucket, key, upload_id).await?;
                    if upload.record.seal.since != before {
                        // The upload has other object keys.
                        let keys = upload.record.seal.open(&bucket, key, upload_id, keys).await?;
                        record.part.boxes = boxes_under(&keys);
                    }
                }
            }
        }
        Err(StoreError::Contention)
    }
}
