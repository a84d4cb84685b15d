//! The versions of an object: where they are, and how one takes the place of another.
//!
//! A key that has any version has a current one: an object in the object table, or a delete marker in a table of its
//! own. Every other version is in the version table. So the rows of the current version are what every change of a key
//! is checked against, and a listing of objects meets neither markers nor old versions.

use std::fmt;

use bytes::Bytes;
use coffer_blob::BlobId;
use coffer_configuration::VersioningStatus;
use coffer_meta::{Commit, Direction, KeyRange};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::names::{InstanceId, ObjectKey, VersionId};
use crate::reads::Reads;
use crate::records::{MarkerRecord, NoncurrentRecord, NullVersionRecord, ObjectRecord, PartRecord};
use crate::store::Store;
use crate::tables::{self, Table};

/// An object, and which version of it.
#[derive(Clone, Copy)]
pub struct ObjectVersion<'a> {
    /// The key.
    pub key: &'a ObjectKey,
    /// The version; `None`: the current one.
    pub version: Option<VersionId>,
}

impl<'a> From<&'a ObjectKey> for ObjectVersion<'a> {
    fn from(key: &'a ObjectKey) -> Self {
        Self { key, version: None }
    }
}

/// What is known of a delete marker.
#[derive(Clone, PartialEq, Eq)]
pub struct DeleteMarkerInfo {
    /// Its version.
    pub version: VersionId,
    /// When it was made, in milliseconds since 1970.
    pub last_modified_ms: u64,
    /// The account that made it; `None`: the bucket's owner.
    pub owner: Option<String>,
    /// When the next version took its place, in milliseconds since 1970; `None` for the current one.
    pub noncurrent_since_ms: Option<u64>,
}

impl fmt::Debug for DeleteMarkerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteMarkerInfo").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a version is.
#[derive(Clone)]
pub(crate) enum Content {
    Object(Box<ObjectRecord>),
    Marker(MarkerRecord),
}

/// A version as it was found.
pub(crate) struct Found {
    pub(crate) content: Content,
    pub(crate) row: Vec<u8>,
    /// The sealed record, for a check.
    pub(crate) sealed: Bytes,
    /// When the next version took its place; `None` for the current one.
    pub(crate) noncurrent_since_ms: Option<u64>,
}

impl Content {
    pub(crate) fn version(&self) -> VersionId {
        match self {
            Self::Object(record) => record.version(),
            Self::Marker(record) => version_id(record.versioned, record.order, record.instance_id),
        }
    }

    pub(crate) fn order(&self) -> u64 {
        match self {
            Self::Object(record) => record.order,
            Self::Marker(record) => record.order,
        }
    }

    pub(crate) fn instance(&self) -> InstanceId {
        match self {
            Self::Object(record) => InstanceId(record.instance_id),
            Self::Marker(record) => InstanceId(record.instance_id),
        }
    }

    /// Wraps the object key anew if an older generation of the bucket's key wraps it. Says whether it did.
    pub(crate) fn renew(&mut self, bucket: &Bucket, key: &[u8]) -> Result<bool, StoreError> {
        match self {
            Self::Object(record) => record.seal.renew(bucket, key, InstanceId(record.instance_id)),
            Self::Marker(_) => Ok(false),
        }
    }

    /// Seals it for the row of a current version.
    pub(crate) fn seal_current(&self, bucket: &Bucket, row: &[u8]) -> Vec<u8> {
        match self {
            Self::Object(record) => bucket.keys().seal(Table::Object, row, &**record),
            Self::Marker(record) => bucket.keys().seal(Table::DeleteMarker, row, record),
        }
    }

    pub(crate) fn noncurrent(self, since_ms: u64) -> NoncurrentRecord {
        match self {
            Self::Object(record) => NoncurrentRecord { object: Some(*record), marker: None, since_ms },
            Self::Marker(record) => NoncurrentRecord { object: None, marker: Some(record), since_ms },
        }
    }
}

impl Found {
    pub(crate) fn is_current(&self) -> bool {
        self.noncurrent_since_ms.is_none()
    }

    /// The object, unless it is a delete marker.
    pub(crate) fn object(&self) -> Option<&ObjectRecord> {
        match &self.content {
            Content::Object(record) => Some(record),
            Content::Marker(_) => None,
        }
    }
}

impl ObjectRecord {
    pub(crate) fn version(&self) -> VersionId {
        version_id(self.versioned, self.order, self.instance_id)
    }
}

impl MarkerRecord {
    pub(crate) fn info(&self, noncurrent_since_ms: Option<u64>) -> DeleteMarkerInfo {
        DeleteMarkerInfo {
            version: version_id(self.versioned, self.order, self.instance_id),
            last_modified_ms: self.last_modified_ms,
            owner: self.owner.clone(),
            noncurrent_since_ms,
        }
    }
}

fn version_id(versioned: bool, order: u64, instance_id: [u8; 16]) -> VersionId {
    if versioned { VersionId::Made { order, instance: InstanceId(instance_id) } } else { VersionId::Null }
}

/// The order of a version made at `now_ms` after one of the order `before`: later, even if the clock went back.
pub(crate) fn next_order(now_ms: u64, before: Option<&Found>) -> u64 {
    let by_clock = now_ms.saturating_mul(1 << 16);
    before.map_or(by_clock, |found| by_clock.max(found.content.order().saturating_add(1)))
}

/// The current version of a key: an object, a delete marker, or `None` if the key has no version.
pub(crate) async fn current_version(
    reads: &Reads<'_>,
    bucket: &Bucket,
    key: &ObjectKey,
) -> Result<Option<Found>, StoreError> {
    let row = tables::object(bucket.id(), key);
    if let Some(sealed) = reads.get(&row).await? {
        let content = Content::Object(Box::new(bucket.keys().open(Table::Object, &row, &sealed)?));
        return Ok(Some(Found { content, row, sealed, noncurrent_since_ms: None }));
    }
    if bucket.versioning().is_none() {
        return Ok(None);
    }
    let row = tables::delete_marker(bucket.id(), key);
    let Some(sealed) = reads.get(&row).await? else { return Ok(None) };
    let content = Content::Marker(bucket.keys().open(Table::DeleteMarker, &row, &sealed)?);
    Ok(Some(Found { content, row, sealed, noncurrent_since_ms: None }))
}

/// The row of the version `null` while it is not current, and the sealed row that says so.
pub(crate) async fn null_version(
    reads: &Reads<'_>,
    bucket: &Bucket,
    key: &ObjectKey,
) -> Result<Option<(Vec<u8>, Bytes)>, StoreError> {
    let pointer = tables::null_version(bucket.id(), key);
    let Some(sealed) = reads.get(&pointer).await? else { return Ok(None) };
    let NullVersionRecord { order, instance_id } = bucket.keys().open(Table::NullVersion, &pointer, &sealed)?;
    Ok(Some((tables::version(bucket.id(), key.as_bytes(), order, InstanceId(instance_id)), sealed)))
}

impl Store {
    /// The current version of a key: an object, a delete marker, or `None` if the key has no version.
    pub(crate) async fn current_version(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Option<Found>, StoreError> {
        current_version(&Reads::latest(&*self.0.engine), bucket, key).await
    }

    /// Finds a version, wherever it is.
    pub(crate) async fn find_version(
        &self,
        bucket: &Bucket,
        target: ObjectVersion<'_>,
    ) -> Result<Option<Found>, StoreError> {
        let Some(wanted) = target.version else { return self.current_version(bucket, target.key).await };
        // A version that is not among the older ones may have become the current one since that was looked at.
        for _ in 0..2 {
            let current = self.current_version(bucket, target.key).await?;
            if let Some(current) = current.filter(|current| current.content.version() == wanted) {
                return Ok(Some(current));
            }
            let row = match wanted {
                VersionId::Made { order, instance } => {
                    Some(tables::version(bucket.id(), target.key.as_bytes(), order, instance))
                }
                VersionId::Null => self.null_version(bucket, target.key).await?.map(|(row, _)| row),
            };
            let found = match row {
                Some(row) => self.noncurrent_version(bucket, row).await?,
                None => None,
            };
            // A row of this order and instance may belong to the version `null`, which has no other name.
            if let Some(found) = found.filter(|found| found.content.version() == wanted) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Opens a row of the version table.
    async fn noncurrent_version(&self, bucket: &Bucket, row: Vec<u8>) -> Result<Option<Found>, StoreError> {
        let Some(sealed) = self.0.engine.get(&row).await? else { return Ok(None) };
        open_noncurrent(bucket, row, sealed).map(Some)
    }

    /// The row of the version `null` while it is not current, and the sealed row that says so.
    pub(crate) async fn null_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<(Vec<u8>, Bytes)>, StoreError> {
        null_version(&Reads::latest(&*self.0.engine), bucket, key).await
    }

    /// Makes a commit hold only while `current` is the current version of the key.
    pub(crate) fn check_current(&self, commit: &mut Commit, bucket: &Bucket, key: &ObjectKey, current: Option<&Found>) {
        let expected = |row: &[u8]| current.filter(|found| found.row == row).map(|found| found.sealed.clone());
        let object = tables::object(bucket.id(), key);
        let sealed = expected(&object);
        commit.check(object, sealed);
        if bucket.versioning().is_some() {
            let marker = tables::delete_marker(bucket.id(), key);
            let sealed = expected(&marker);
            commit.check(marker, sealed);
        }
    }

    /// Adds to `commit` that `current` makes room for a new version at `now_ms`, in a bucket with versioning. Returns
    /// the blobs that are let go of.
    ///
    /// If the new version has an ID, every other one stays. If it is `null`, it takes the place of the `null` before.
    ///
    /// # Errors
    /// [`StoreError::ObjectLocked`] if the version `null` may not be removed.
    pub(crate) async fn make_room(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        current: Option<Found>,
        status: VersioningStatus,
        now_ms: u64,
    ) -> Result<Vec<BlobId>, StoreError> {
        let mut released = Vec::new();
        if status == VersioningStatus::Suspended {
            match &current {
                Some(found) if found.content.version() == VersionId::Null => {
                    released = self.remove(commit, bucket, found, false).await?;
                    return Ok(released);
                }
                _ => released = self.remove_noncurrent_null(commit, bucket, key).await?,
            }
        }
        if let Some(found) = current {
            self.retire(commit, bucket, key, found, now_ms)?;
        }
        Ok(released)
    }

    /// Moves the current version to where older versions are.
    fn retire(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        mut current: Found,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        current.content.renew(bucket, key.as_bytes())?;
        let (order, instance) = (current.content.order(), current.content.instance());
        if current.content.version() == VersionId::Null {
            let pointer = tables::null_version(bucket.id(), key);
            let record = NullVersionRecord { order, instance_id: instance.0 };
            let sealed = bucket.keys().seal(Table::NullVersion, &pointer, &record);
            commit.put(pointer, sealed);
        }
        let row = tables::version(bucket.id(), key.as_bytes(), order, instance);
        let sealed = bucket.keys().seal(Table::Version, &row, &current.content.noncurrent(now_ms));
        commit.put(row, sealed).delete(current.row);
        Ok(())
    }

    /// Removes the version `null` from among the older versions, if it is there.
    async fn remove_noncurrent_null(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Vec<BlobId>, StoreError> {
        let pointer = tables::null_version(bucket.id(), key);
        let Some((row, sealed_pointer)) = self.null_version(bucket, key).await? else {
            commit.check(pointer, None);
            return Ok(Vec::new());
        };
        commit.check(pointer.clone(), Some(sealed_pointer)).delete(pointer);
        let found = self.noncurrent_version(bucket, row).await?;
        let found = found.ok_or_else(|| StoreError::Damaged("the version null is missing".to_owned()))?;
        commit.check(found.row.clone(), Some(found.sealed.clone()));
        self.remove(commit, bucket, &found, false).await
    }

    /// Adds to `commit` that a version goes: the one way for any to go. Returns the blobs that it lets go of.
    ///
    /// The caller's checks make the commit hold only while the version is as it was found.
    ///
    /// # Errors
    /// [`StoreError::ObjectLocked`] if a retention or a legal hold keeps it.
    pub(crate) async fn remove(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        found: &Found,
        bypass_governance: bool,
    ) -> Result<Vec<BlobId>, StoreError> {
        commit.delete(found.row.clone());
        let Some(record) = found.object() else { return Ok(Vec::new()) };
        let lock = record.lock.unwrap_or_default();
        if !lock.permits_removal(self.now_ms(), bypass_governance) {
            return Err(StoreError::ObjectLocked);
        }
        let parts = match self.parts_of(bucket, record).await {
            // It has gone meanwhile, with its part list: the commit will not hold.
            Err(StoreError::Damaged(_)) if self.0.engine.get(&found.row).await?.as_ref() != Some(&found.sealed) => {
                return Ok(Vec::new());
            }
            parts => parts?,
        };
        for index in 0..record.part_list_rows {
            commit.delete(tables::part_list(bucket.id(), InstanceId(record.instance_id), index));
        }
        for part in parts.iter().filter(|part| part.inline) {
            commit.delete(tables::inline_data(part.blob()));
        }
        Ok(parts.iter().filter(|part| !part.inline).map(PartRecord::blob).collect())
    }

    /// Adds to `commit` that the latest of the older versions becomes the current one, if there is any.
    pub(crate) async fn promote(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<(), StoreError> {
        let older = KeyRange::prefix(&tables::versions_of(bucket.id(), key.as_bytes()));
        let Some(entry) = self.0.engine.scan(older, 1, Direction::Forward).await?.into_iter().next() else {
            return Ok(());
        };
        let mut found = open_noncurrent(bucket, entry.key.to_vec(), entry.value)?;
        found.content.renew(bucket, key.as_bytes())?;
        if found.content.version() == VersionId::Null {
            let pointer = tables::null_version(bucket.id(), key);
            commit.delete(pointer);
        }
        commit.check(found.row.clone(), Some(found.sealed)).delete(found.row);
        let row = match &found.content {
            Content::Object(_) => tables::object(bucket.id(), key),
            Content::Marker(_) => tables::delete_marker(bucket.id(), key),
        };
        let sealed = found.content.seal_current(bucket, &row);
        commit.put(row, sealed);
        Ok(())
    }

    /// Adds to `commit` that a version becomes `content`, where it is, as long as the bucket is as it was looked up.
    pub(crate) fn replace_content(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        found: &Found,
        mut content: Content,
    ) -> Result<(), StoreError> {
        let key = tables::object_key_of(&found.row);
        let key = key.ok_or_else(|| StoreError::Damaged("a version has an impossible key".to_owned()))?;
        content.renew(bucket, &key)?;
        let sealed = match found.noncurrent_since_ms {
            Some(since_ms) => bucket.keys().seal(Table::Version, &found.row, &content.noncurrent(since_ms)),
            None => content.seal_current(bucket, &found.row),
        };
        bucket.check(commit);
        commit.check(found.row.clone(), Some(found.sealed.clone())).put(found.row.clone(), sealed);
        Ok(())
    }
}

/// Opens a row of the version table.
pub(crate) fn open_noncurrent(bucket: &Bucket, row: Vec<u8>, sealed: Bytes) -> Result<Found, StoreError> {
    let record: NoncurrentRecord = bucket.keys().open(Table::Version, &row, &sealed)?;
    let content = match (record.object, record.marker) {
        (Some(object), None) => Content::Object(Box::new(object)),
        (None, Some(marker)) => Content::Marker(marker),
        _ => return Err(StoreError::Damaged("a version is not one thing".to_owned())),
    };
    Ok(Found { content, row, sealed, noncurrent_since_ms: Some(record.since_ms) })
}
