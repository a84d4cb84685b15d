//! New keys for an upload in progress and its parts.

use std::collections::BTreeSet;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use super::data::{Fresh, Resealed, Resealer};
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::names::{InstanceId, ObjectKey};
use crate::pins::Pin;
use crate::records::{PartRecord, UploadPartRecord, UploadRecord};
use crate::sealing::EncryptionMode;
use crate::store::MOST_TRIES;
use crate::tables::{self, Table};
use crate::upload::FoundUpload;

/// A part of an upload, as it was found.
struct FoundPart {
    row: Entry,
    record: UploadPartRecord,
}

impl Resealer {
    /// Gives an upload new object keys, and its parts new part keys and their data with them. Parts keep their ETags, and
    /// can be uploaded meanwhile.
    ///
    /// # Errors
    /// As for a version.
    pub(super) async fn reseal_upload(
        &self,
        bucket: Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
    ) -> Result<Resealed, StoreError> {
        let mut fresh = Fresh::new(self.store.clone());
        let resealed = self.try_upload(bucket, key, upload_id, &mut fresh).await;
        fresh.discard(&resealed).await;
        resealed
    }

    async fn try_upload(
        &self,
        mut bucket: Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
        fresh: &mut Fresh,
    ) -> Result<Resealed, StoreError> {
        for _ in 0..MOST_TRIES {
            let upload = match self.store.find_upload(&bucket, key, upload_id).await {
                Err(StoreError::NoSuchUpload) => return Ok(Resealed::Not),
                upload => upload?,
            };
            let parts = self.parts_of_upload(&bucket, upload_id).await?;
            let draws = self.is_old(upload.record.seal.since);
            let picked: BTreeSet<usize> = self.pick(parts.iter().map(|part| &part.record.part)).into_iter().collect();
            if picked.is_empty() && !draws {
                return Ok(Resealed::Not);
            }
            if upload.record.seal.mode()? == EncryptionMode::SseC {
                return Err(StoreError::CustomerKeyMissing);
            }
            if draws && upload.record.turn.is_none() {
                // From here on no part comes to be under the old keys unnoticed.
                self.wait_for_turn(&bucket, key, &upload).await?;
                continue;
            }
            let Some(pins) = self.pin_parts(&parts, &picked).await? else { continue };
            let commit = self.replacement_of_upload(&bucket, key, &upload, &parts, &picked, fresh).await?;
            let committed = self.store.commit(commit).await?;
            drop(pins);
            match committed {
                Committed::Yes => {
                    let bytes = fresh.take(picked.iter().map(|&index| parts[index].record.part.blob()));
                    let old = parts.iter().filter(|part| self.is_old(part.record.part.since)).count();
                    let resealed = if old > picked.len() { Resealed::InPart } else { Resealed::Yes };
                    return Ok(resealed(bytes));
                }
                // A part came or was replaced, the upload has ended, or the bucket was changed.
                Committed::Conflict(_) => bucket = self.store.same_bucket(&bucket).await?,
            }
        }
        Err(StoreError::Contention)
    }

    async fn parts_of_upload(&self, bucket: &Bucket, upload_id: InstanceId) -> Result<Vec<FoundPart>, StoreError> {
        let range = KeyRange::prefix(&tables::parts_of(bucket.id(), upload_id));
        let rows = self.store.0.engine.scan(range, usize::MAX, Direction::Forward).await?;
        let open = |row: Entry| {
            let record = bucket.keys().open(Table::Part, &row.key, &row.value)?;
            Ok(FoundPart { row, record })
        };
        rows.into_iter().map(open).collect()
    }

    /// Has every change of a part change the upload as well, until it has its new keys.
    async fn wait_for_turn(&self, bucket: &Bucket, key: &ObjectKey, upload: &FoundUpload) -> Result<(), StoreError> {
        let mut commit = Commit::new();
        let waiting = UploadRecord { turn: Some(0), ..upload.record.clone() };
        self.put_upload(&mut commit, bucket, key, upload, waiting)?;
        self.store.commit(commit).await?;
        Ok(())
    }

    /// Adds to `commit` that an upload becomes `record`, if it is as it was found.
    fn put_upload(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &FoundUpload,
        mut record: UploadRecord,
    ) -> Result<(), StoreError> {
        record.seal.renew(bucket, key.as_bytes(), InstanceId(record.upload_id))?;
        bucket.check(commit);
        let sealed = bucket.keys().seal(Table::Upload, &upload.row, &record);
        commit.check(upload.row.clone(), Some(upload.sealed.clone())).put(upload.row.clone(), sealed);
        Ok(())
    }

    /// Keeps the blobs of parts from going away; `None` if one may have gone already.
    async fn pin_parts(&self, parts: &[FoundPart], picked: &BTreeSet<usize>) -> Result<Option<Vec<Pin>>, StoreError> {
        let mut pins = Vec::with_capacity(picked.len());
        for &index in picked {
            let FoundPart { row, record } = &parts[index];
            pins.push(self.store.0.pins.pin(record.part.blob()));
            if self.store.0.engine.get(&row.key).await?.as_ref() != Some(&row.value) {
                return Ok(None);
            }
        }
        Ok(Some(pins))
    }

    /// The commit that gives an upload its new keys. The data of the parts that are `picked` is durable by then.
    async fn replacement_of_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &FoundUpload,
        parts: &[FoundPart],
        picked: &BTreeSet<usize>,
        fresh: &mut Fresh,
    ) -> Result<Commit, StoreError> {
        let upload_id = InstanceId(upload.record.upload_id);
        let old_keys = upload.record.seal.open(bucket, key, upload_id, self.keys()).await?;
        for &index in picked {
            let part = &parts[index].record.part;
            if fresh.get(part.blob()).is_none() {
                let (part_keys, ..) = old_keys.open_part(part)?;
                fresh.write(part, part_keys, None).await?;
            }
        }
        let draws = self.is_old(upload.record.seal.since);
        let mut record = upload.record.clone();
        let drawn = match draws {
            true => Some(self.draw(bucket, key, upload_id, &record.seal).await?),
            false => None,
        };
        let keys = drawn.as_ref().map_or(&old_keys, |drawn| &drawn.keys);

        let mut commit = Commit::new();
        let mut released: Vec<BlobId> = Vec::new();
        for (index, FoundPart { row, record }) in parts.iter().enumerate() {
            let old = &record.part;
            let is_picked = picked.contains(&index);
            if !is_picked && !draws {
                continue;
            }
            let (old_part_keys, flags, checksums) = old_keys.open_part(old)?;
            let (part, part_keys) = if is_picked {
                fresh.put_in_place(&mut commit, old, &mut released);
                fresh.moved(old, bucket.keys().generation())
            } else {
                (old.clone(), &old_part_keys)
            };
            let boxes = keys.seal_part_boxes(old.number, part_keys, old.plain_len, flags, &checksums);
            let part = UploadPartRecord { part: PartRecord { boxes, ..part }, ..record.clone() };
            let sealed = bucket.keys().seal(Table::Part, &row.key, &part);
            commit.check(row.key.clone(), Some(row.value.clone())).put(row.key.clone(), sealed);
        }
        self.store.queue_garbage(&mut commit, &released);
        if let Some(drawn) = drawn {
            record = UploadRecord { seal: drawn.record, turn: None, ..record };
        }
        self.put_upload(&mut commit, bucket, key, upload, record)?;
        Ok(commit)
    }
}
