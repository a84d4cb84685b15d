//! New keys for a version of an object.

use std::collections::BTreeSet;

use coffer_blob::BlobId;
use coffer_meta::Commit;
use coffer_seal::{FLAG_LAYOUT, Kind, OpenedPart, PartKeys};

use super::data::{Fresh, Resealed, Resealer};
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::layers::LayerKeys;
use crate::names::{InstanceId, ObjectKey, VersionId};
use crate::object::KIND_MULTIPART;
use crate::read::ObjectReader;
use crate::records::PartRecord;
use crate::sealing::EncryptionMode;
use crate::store::MOST_TRIES;
use crate::versions::{Content, ObjectVersion};

impl Resealer {
    /// Gives a version new object keys, and parts of it new part keys and their data with them. It stays readable all the
    /// time, and is the same version with the same ETag, times and checksums.
    ///
    /// # Errors
    /// [`StoreError::CustomerKeyMissing`] under a customer's key; [`StoreError::Kms`]; damage; no space.
    pub(super) async fn reseal_version(
        &self,
        bucket: Bucket,
        key: &ObjectKey,
        version: VersionId,
    ) -> Result<Resealed, StoreError> {
        let mut fresh = Fresh::new(self.store.clone());
        let resealed = self.try_version(bucket, key, version, &mut fresh).await;
        fresh.discard(&resealed).await;
        resealed
    }

    async fn try_version(
        &self,
        mut bucket: Bucket,
        key: &ObjectKey,
        version: VersionId,
        fresh: &mut Fresh,
    ) -> Result<Resealed, StoreError> {
        let target = ObjectVersion { key, version: Some(version) };
        for _ in 0..MOST_TRIES {
            if self.is_customers(&bucket, target).await? {
                return Err(StoreError::CustomerKeyMissing);
            }
            let reader = match self.store.get_object(&bucket, target, self.keys()).await {
                Err(StoreError::NoSuchKey | StoreError::NoSuchVersion | StoreError::DeleteMarker(_)) => {
                    return Ok(Resealed::Not);
                }
                // It is one of a customer's only now.
                Err(StoreError::CustomerKeyMissing) => continue,
                reader => reader?,
            };
            let picked: BTreeSet<usize> = self.pick(reader.parts().iter()).into_iter().collect();
            if picked.is_empty() && !self.is_old(reader.record().seal.since) {
                return Ok(Resealed::Not);
            }
            let commit = self.replacement(&bucket, key, &reader, &picked, fresh).await?;
            match self.store.commit(commit).await? {
                Committed::Yes => {
                    let bytes = fresh.take(picked.iter().map(|&index| reader.parts()[index].blob()));
                    let old = reader.parts().iter().filter(|part| self.is_old(part.since)).count();
                    let resealed = if old > picked.len() { Resealed::InPart } else { Resealed::Yes };
                    return Ok(resealed(bytes));
                }
                // It was changed meanwhile, or the bucket was.
                Committed::Conflict(_) => bucket = self.store.same_bucket(&bucket).await?,
            }
        }
        Err(StoreError::Contention)
    }

    /// Whether a version is under a customer's key, and has old keys.
    async fn is_customers(&self, bucket: &Bucket, target: ObjectVersion<'_>) -> Result<bool, StoreError> {
        let found = match self.store.find_object(bucket, target).await {
            Err(StoreError::NoSuchKey | StoreError::NoSuchVersion | StoreError::DeleteMarker(_)) => return Ok(false),
            found => found?,
        };
        let seal = &found.record.seal;
        let has_old = self.is_old(seal.since) || found.parts.iter().any(|part| self.is_old(part.since));
        Ok(seal.mode()? == EncryptionMode::SseC && has_old)
    }

    /// The commit that gives a version its new keys. The data of the parts that are `picked` is durable by then.
    async fn replacement(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        reader: &ObjectReader<'_>,
        picked: &BTreeSet<usize>,
        fresh: &mut Fresh,
    ) -> Result<Commit, StoreError> {
        let opened = reader.open_all().await?;
        let mut parts = Vec::with_capacity(opened.parts.len());
        for OpenedPart { index, keys, checksums, .. } in opened.parts {
            let record = &reader.parts()[index];
            if !picked.contains(&index) {
                parts.push((record, Some(keys), checksums));
                continue;
            }
            if fresh.get(record.blob()).is_none() {
                fresh.write(record, keys, reader.inline().cloned()).await?;
            }
            parts.push((record, None, checksums));
        }
        let mut record = reader.record().clone();
        let instance = InstanceId(record.instance_id);
        let draws = self.is_old(record.seal.since);
        let keys = if draws {
            let drawn = self.draw(bucket, key, instance, &record.seal).await?;
            record.seal = drawn.record;
            if let Some((sums_type, sums)) = &opened.sums {
                record.sums_box = drawn.keys.first().seal_sums_box(*sums_type, sums);
            }
            drawn.keys
        } else {
            LayerKeys::of(opened.keys)
        };

        let mut commit = Commit::new();
        let mut released: Vec<BlobId> = Vec::new();
        let flags = if record.layout_tags.is_empty() { 0 } else { FLAG_LAYOUT };
        let mut replaced = Vec::with_capacity(parts.len());
        for (old, old_keys, checksums) in parts {
            let boxes_of =
                |part_keys: &PartKeys| keys.seal_part_boxes(old.number, part_keys, old.plain_len, flags, &checksums);
            replaced.push(match old_keys {
                None => {
                    fresh.put_in_place(&mut commit, old, &mut released);
                    let (part, part_keys) = fresh.moved(old, bucket.keys().generation());
                    PartRecord { boxes: boxes_of(part_keys), ..part }
                }
                Some(part_keys) if draws => PartRecord { boxes: boxes_of(&part_keys), ..old.clone() },
                Some(_) => old.clone(),
            });
        }
        if !record.layout_tags.is_empty() {
            let kind = if record.kind == KIND_MULTIPART { Kind::Multipart } else { Kind::Single };
            let head_box = &record.seal.head_box;
            record.layout_tags = keys.layout_tags(kind, head_box, &record.sums_box, replaced.iter())?;
        }
        for (row, sealed) in self.store.place_parts(bucket, instance, &mut record, &replaced) {
            commit.put(row, sealed);
        }
        self.store.queue_garbage(&mut commit, &released);
        let content = Content::Object(Box::new(record));
        self.store.replace_content(&mut commit, bucket, reader.found(), content)?;
        Ok(commit)
    }
}
