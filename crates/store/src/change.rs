//! Changing what is known of a version without touching its data: tags, lock, encryption, storage class.

use coffer_configuration::{ObjectLock, Retention};
use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::events::{ObjectChange, ObjectEvent, Origin};
use crate::kms::{Keys, KmsEncryption};
use crate::names::InstanceId;
use crate::object::{ObjectInfo, tag_records, tags_of};
use crate::records::ObjectRecord;
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::versions::{Content, Found, ObjectVersion};

/// A change of what keeps a version from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockChange {
    /// Sets or removes the retention.
    Retention {
        /// The new one.
        retention: Option<Retention>,
        /// A retention of mode `GOVERNANCE` does not count.
        bypass_governance: bool,
    },
    /// Sets the legal hold.
    LegalHold(bool),
}

impl Store {
    /// Sets the tags of a version; no tags deletes them.
    ///
    /// No key is needed. When this returns, the change is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn put_object_tags(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        tags: &[(String, String)],
        origin: &Origin,
    ) -> Result<ObjectInfo, StoreError> {
        let change = if tags.is_empty() { ObjectChange::Untagged } else { ObjectChange::Tagged };
        self.change_version(bucket, target.into(), change, origin, |record| {
            record.tags = tag_records(tags);
            Ok(())
        })
        .await
    }

    /// Changes the retention or the legal hold of a version.
    ///
    /// No key is needed. When this returns, the change is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::ObjectLocked`] when the retention that holds forbids it; [`StoreError::NoSuchKey`],
    /// [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn put_object_lock(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        change: LockChange,
        origin: &Origin,
    ) -> Result<ObjectInfo, StoreError> {
        self.change_version(bucket, target.into(), ObjectChange::LockSet, origin, |record| {
            let lock = record.lock.get_or_insert_with(ObjectLock::default);
            match change {
                LockChange::LegalHold(held) => lock.legal_hold = Some(held),
                LockChange::Retention { retention, bypass_governance } => {
                    let held = lock.retention;
                    let permitted =
                        |held: Retention| held.may_become(retention.as_ref(), self.now_ms(), bypass_governance);
                    if !held.is_none_or(permitted) {
                        return Err(StoreError::ObjectLocked);
                    }
                    lock.retention = retention;
                }
            }
            Ok(())
        })
        .await
    }

    /// Seals an object under a data key of a KMS in place of the key that seals it now. No data is touched: version, ETag,
    /// times and checksums stay, and so do copies that share its data.
    ///
    /// When this returns, the change is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::EncryptionNotUpdatable`] under a customer key and in two layers; [`StoreError::ObjectLocked`] under
    /// a retention or a legal hold; [`StoreError::Kms`] of the data key that seals it now; [`StoreError::NoSuchKey`],
    /// [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn update_object_encryption(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        keys: Keys<'_>,
        encryption: &KmsEncryption,
        origin: &Origin,
    ) -> Result<ObjectInfo, StoreError> {
        let target = target.into();
        for _ in 0..MOST_TRIES {
            let (record, _) = self.object_version(bucket, target).await?;
            match record.seal.mode()? {
                EncryptionMode::SseS3 | EncryptionMode::SseKms => {}
                EncryptionMode::SseC | EncryptionMode::DsseKms => return Err(StoreError::EncryptionNotUpdatable),
            }
            self.check_removable(&record)?;
            let instance = InstanceId(record.instance_id);
            let seal = record.seal.rewrapped(bucket, target.key, instance, keys, encryption).await?;
            let change = ObjectChange::EncryptionUpdated;
            let changed = self.change_version(bucket, target, change, origin, |current| {
                self.check_removable(current)?;
                if current.instance_id != record.instance_id || current.seal != record.seal {
                    return Err(StoreError::Contention);
                }
                current.seal = seal.clone();
                Ok(())
            });
            match changed.await {
                // Something else is there, or sealed otherwise, since the data key was opened.
                Err(StoreError::Contention) => {}
                changed => return changed,
            }
        }
        Err(StoreError::Contention)
    }

    fn check_removable(&self, record: &ObjectRecord) -> Result<(), StoreError> {
        let lock = record.lock.unwrap_or_default();
        if lock.permits_removal(self.now_ms(), false) { Ok(()) } else { Err(StoreError::ObjectLocked) }
    }

    /// Changes the record of a version, where it is, and says so in the same commit.
    ///
    /// `change` sees the record as it is when the change holds; it may be called again.
    pub(crate) async fn change_version(
        &self,
        bucket: &Bucket,
        target: ObjectVersion<'_>,
        what: ObjectChange,
        origin: &Origin,
        change: impl Fn(&mut ObjectRecord) -> Result<(), StoreError>,
    ) -> Result<ObjectInfo, StoreError> {
        let mut bucket = bucket.clone();
        let mut attempts = self.0.turns.attempts();
        loop {
            let (mut record, found) = self.object_version(&bucket, target).await?;
            change(&mut record)?;
            let mut commit = Commit::new();
            if let Some(replication) = record.replication.as_mut().filter(|_| is_followed(what)) {
                replication.changed();
                self.queue_replicas(&mut commit, &bucket, target.key, &record);
            }
            self.replace_content(&mut commit, &bucket, &found, Content::Object(Box::new(record.clone())))?;
            let Found { row, noncurrent_since_ms, .. } = found;
            let tags = tags_of(&record);
            let event = ObjectEvent {
                change: what,
                key: target.key,
                version: record.version(),
                order: record.order,
                size: record.size,
                etag: &record.etag,
                tags: &tags,
                origin,
            };
            self.queue_event(&mut commit, &bucket, &event);
            match self.commit(commit).await? {
                Committed::Yes => return Ok(ObjectInfo { noncurrent_since_ms, ..record.info(Vec::new())? }),
                Committed::Conflict(_) => {
                    bucket = self.same_bucket(&bucket).await?;
                    attempts.lost(&row).await?;
                }
            }
        }
    }
}

/// Whether replicas follow a change, as on S3, where lists stay with their owners and transitions where they are ruled.
fn is_followed(change: ObjectChange) -> bool {
    matches!(change, ObjectChange::Tagged | ObjectChange::Untagged | ObjectChange::LockSet)
}
