//! DeleteObject.

use coffer_configuration::VersioningStatus;
use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::events::{ObjectChange, ObjectEvent, Origin};
use crate::names::{InstanceId, ObjectKey, VersionId};
use crate::object::{ETagMatch, tags_of};
use crate::records::MarkerRecord;
use crate::store::Store;
use crate::tables::{self, Table};
use crate::versions::{Content, Found, ObjectVersion, next_order};

/// How an object is deleted.
#[derive(Clone, Default)]
pub struct DeleteObject {
    /// What must be there; `None`: anything or nothing.
    pub if_match: Option<ETagMatch>,
    /// A retention of mode `GOVERNANCE` does not count.
    pub bypass_governance: bool,
    /// The account that owns a delete marker that is made; `None`: the bucket's owner.
    pub owner: Option<String>,
    /// Who deletes it.
    pub origin: Origin,
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeletedObject {
    /// The version that is gone, or the delete marker that was made; `None` where there is no versioning.
    pub version: Option<VersionId>,
    /// A delete marker was made, or what is gone is one.
    pub delete_marker: bool,
}

impl Store {
    /// Deletes an object. What is not there is no error, unless a condition asks for it.
    ///
    /// Without a version, in a bucket with versioning, a delete marker becomes the current version; if versioning is
    /// suspended it takes the place of the version `null`. With a version, that is gone for ever.
    ///
    /// No key is needed. When this returns, the deletion is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::PreconditionNoSuchKey`], [`StoreError::ObjectLocked`].
    pub async fn delete_object(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        delete: &DeleteObject,
    ) -> Result<DeletedObject, StoreError> {
        let target = target.into();
        let mut bucket = bucket.clone();
        let row = tables::object(bucket.id(), target.key);
        let mut attempts = self.0.turns.attempts();
        loop {
            let mut commit = Commit::new();
            // A deletion that did not know of versioning must not remove for ever.
            bucket.check(&mut commit);
            let deleted = match (target.version, bucket.versioning()) {
                (None, Some(status)) => {
                    let current = self.current_version(&bucket, target.key).await?;
                    check_condition(current.as_ref(), delete.if_match.as_ref())?;
                    self.mark_deleted(&mut commit, &bucket, target.key, current, status, delete).await?
                }
                (version, _) => {
                    let target = ObjectVersion { key: target.key, version };
                    match self.delete_version(&mut commit, &bucket, target, delete).await? {
                        Some(deleted) => deleted,
                        None => return Ok(DeletedObject { version: target.version, delete_marker: false }),
                    }
                }
            };
            match self.commit(commit).await? {
                Committed::Yes => return Ok(deleted),
                Committed::Conflict(_) => {
                    bucket = self.same_bucket(&bucket).await?;
                    attempts.lost(&row).await?;
                }
            }
        }
    }

    /// Adds to `commit` that a delete marker takes the place of the current version.
    ///
    /// # Errors
    /// [`StoreError::ObjectLocked`] if a lock keeps the version `null` that it would replace.
    pub(crate) async fn mark_deleted(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        current: Option<Found>,
        status: VersioningStatus,
        delete: &DeleteObject,
    ) -> Result<DeletedObject, StoreError> {
        self.check_current(commit, bucket, key, current.as_ref());
        let now_ms = self.now_ms();
        let marker = MarkerRecord {
            instance_id: InstanceId::new(now_ms).0,
            order: next_order(now_ms, current.as_ref()),
            versioned: status == VersioningStatus::Enabled,
            last_modified_ms: now_ms,
            owner: delete.owner.clone(),
        };
        let released = self.make_room(commit, bucket, key, current, status, now_ms).await?;
        self.queue_garbage(commit, &released);
        let row = tables::delete_marker(bucket.id(), key);
        let sealed = bucket.keys().seal(Table::DeleteMarker, &row, &marker);
        commit.put(row, sealed);
        let version = Content::Marker(marker.clone()).version();
        self.queue_marker(commit, bucket, key, (version, marker.order), &delete.origin);
        let event = ObjectEvent {
            change: ObjectChange::MarkerCreated,
            key,
            version,
            order: marker.order,
            size: 0,
            etag: "",
            tags: &[],
            origin: &delete.origin,
        };
        self.queue_event(commit, bucket, &event);
        Ok(DeletedObject { version: Some(version), delete_marker: true })
    }

    /// Adds to `commit` that a version is gone; `None` if there is none such.
    async fn delete_version(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        target: ObjectVersion<'_>,
        delete: &DeleteObject,
    ) -> Result<Option<DeletedObject>, StoreError> {
        let found = self.find_version(bucket, target).await?;
        check_condition(found.as_ref(), delete.if_match.as_ref())?;
        let Some(found) = found else { return Ok(None) };
        self.remove_found(commit, bucket, target.key, &found, delete).await?;
        let version = Some(found.content.version()).filter(|_| target.version.is_some());
        Ok(Some(DeletedObject { version, delete_marker: found.object().is_none() }))
    }

    /// Adds to `commit` that a version is gone, if it is still as it was found.
    ///
    /// # Errors
    /// [`StoreError::ObjectLocked`] if a lock keeps it.
    pub(crate) async fn remove_found(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        found: &Found,
        delete: &DeleteObject,
    ) -> Result<(), StoreError> {
        commit.check(found.row.clone(), Some(found.sealed.clone()));
        let released = self.remove(commit, bucket, found, delete.bypass_governance).await?;
        self.queue_garbage(commit, &released);
        let version = found.content.version();
        if found.is_current() {
            if bucket.versioning().is_some() {
                self.promote(commit, bucket, key).await?;
            }
        } else if version == VersionId::Null {
            commit.delete(tables::null_version(bucket.id(), key));
        }
        let record = found.object();
        let tags = record.map(tags_of).unwrap_or_default();
        let event = ObjectEvent {
            change: ObjectChange::Removed,
            key,
            version,
            order: found.content.order(),
            size: record.map_or(0, |record| record.size),
            etag: record.map_or("", |record| &record.etag),
            tags: &tags,
            origin: &delete.origin,
        };
        self.queue_event(commit, bucket, &event);
        Ok(())
    }
}

/// Checks `If-Match`: there must be an object, and it must be this one.
fn check_condition(found: Option<&Found>, if_match: Option<&ETagMatch>) -> Result<(), StoreError> {
    let Some(wanted) = if_match else { return Ok(()) };
    match found.and_then(Found::object) {
        None => Err(StoreError::PreconditionNoSuchKey),
        Some(record) if !wanted.matches(&record.etag) => Err(StoreError::PreconditionFailed("If-Match")),
        Some(_) => Ok(()),
    }
}
