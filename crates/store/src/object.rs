//! Objects: what is known of one, and how one takes the place of another.

use bytes::Bytes;
use coffer_blob::BlobId;
use coffer_configuration::{ObjectLock, VersioningStatus};
use coffer_meta::Commit;
use coffer_seal::{Checksums, SumsType};

use crate::access::ObjectAccess;
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::events::{ObjectChange, ObjectEvent, Origin};
use crate::kms::KmsInfo;
use crate::names::{InstanceId, ObjectKey, VersionId};
use crate::records::{
    FieldRecord, KmsSealRecord, ObjectAccessRecord, ObjectRecord, PartListRecord, PartRecord, ReplicationRecord,
};
use crate::replication::ReplicationStatus;
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::versions::{Content, Found, ObjectVersion, next_order};

/// What is known of an object without its data.
#[derive(Clone)]
pub struct ObjectInfo {
    /// Which version this is.
    pub instance_id: InstanceId,
    /// Length of the plaintext in bytes.
    pub size: u64,
    /// The ETag, without quotes.
    pub etag: String,
    /// When it was stored, in milliseconds since 1970.
    pub last_modified_ms: u64,
    /// As the client named it.
    pub storage_class: String,
    /// Content headers and user metadata: lower-case names, values as they go into the answer. Empty in listings.
    pub headers: Vec<(String, String)>,
    /// Whose key protects it.
    pub mode: EncryptionMode,
    /// The KMS key, in the modes that have one.
    pub kms: Option<KmsInfo>,
    /// How many parts it was uploaded in; `None` for an object that was not a multipart upload.
    pub part_count: Option<u32>,
    /// The multipart upload named a checksum algorithm.
    pub parts_show_checksums: bool,
    /// Tags, in the order given.
    pub tags: Vec<(String, String)>,
    /// Whose it is, and its access control list.
    pub access: ObjectAccess,
    /// Its version; `Null` also where there is no versioning.
    pub version: VersionId,
    /// When the next version took its place, in milliseconds since 1970; `None` for the current one.
    pub noncurrent_since_ms: Option<u64>,
    /// What keeps it from being removed.
    pub lock: ObjectLock,
    /// How far its replication is; `None`: it is not replicated, and no replica.
    pub replication: Option<ReplicationStatus>,
}

/// The checksums of an object and what they are taken over.
pub type ObjectSums = (SumsType, Checksums);

/// What a write asks of the object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// `If-None-Match: *`: there must be none.
    pub if_none_match: bool,
    /// `If-Match`: there must be one, and this one.
    pub if_match: Option<ETagMatch>,
}

/// Which object `If-Match` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any.
    Any,
    /// One with one of these ETags, without quotes.
    OneOf(Vec<String>),
}

impl ETagMatch {
    pub(crate) fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(etags) => etags.iter().any(|known| known == etag),
        }
    }
}

impl WriteConditions {
    fn check(&self, current: Option<&ObjectRecord>) -> Result<(), StoreError> {
        match (current, &self.if_match) {
            (Some(_), _) if self.if_none_match => Err(StoreError::PreconditionFailed("If-None-Match")),
            (None, Some(_)) => Err(StoreError::PreconditionNoSuchKey),
            (Some(current), Some(wanted)) if !wanted.matches(&current.etag) => {
                Err(StoreError::PreconditionFailed("If-Match"))
            }
            _ => Ok(()),
        }
    }
}

/// An object as it was found.
pub(crate) struct FoundObject {
    pub(crate) record: ObjectRecord,
    pub(crate) parts: Vec<PartRecord>,
    /// Where it was found.
    pub(crate) found: Found,
}

/// An object about to be committed.
pub(crate) struct NewObject {
    pub(crate) record: ObjectRecord,
    /// All its parts: they move to rows of their own if there are many.
    pub(crate) parts: Vec<PartRecord>,
    /// The sealed bytes of its one part, if they go into the engine.
    pub(crate) inline: Option<(BlobId, Bytes)>,
    /// Blobs that no record names yet.
    pub(crate) fresh: Vec<BlobId>,
    /// Blobs that other records name too.
    pub(crate) shared: Vec<BlobId>,
}

impl NewObject {
    /// Notes which generation of the bucket's key keys that were drawn for this object are first stored under. A
    /// completion draws none: those of an upload are stored already.
    fn note_generation(&mut self, generation: u32) {
        let has_new_parts = self.inline.is_some() || !self.fresh.is_empty();
        if has_new_parts {
            self.parts.iter_mut().for_each(|part| part.since = Some(generation));
        }
        if has_new_parts || !self.shared.is_empty() {
            self.record.seal.since = Some(generation);
        }
    }
}

/// Parts that an object's own row holds at the most: listings read that row.
const MOST_PARTS_IN_ROW: usize = 4;

/// Parts in one row of the part-list table, about 30 KiB.
const PARTS_A_ROW: usize = 256;

impl Store {
    /// Reads the record of a version of an object.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub(crate) async fn object_version(
        &self,
        bucket: &Bucket,
        target: ObjectVersion<'_>,
    ) -> Result<(ObjectRecord, Found), StoreError> {
        let absent = || if target.version.is_some() { StoreError::NoSuchVersion } else { StoreError::NoSuchKey };
        let found = self.find_version(bucket, target).await?.ok_or_else(absent)?;
        match &found.content {
            Content::Object(record) => Ok((ObjectRecord::clone(record), found)),
            Content::Marker(record) => Err(StoreError::DeleteMarker(record.info(found.noncurrent_since_ms))),
        }
    }

    /// Reads the record of a version of an object and all its parts, as of one moment.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub(crate) async fn find_object(
        &self,
        bucket: &Bucket,
        target: ObjectVersion<'_>,
    ) -> Result<FoundObject, StoreError> {
        let mut incomplete: Option<Bytes> = None;
        for _ in 0..MOST_TRIES {
            let (record, found) = self.object_version(bucket, target).await?;
            match self.parts_of(bucket, &record).await {
                // The object may have been replaced between two reads: look again.
                Err(StoreError::Damaged(_)) if incomplete.as_ref() != Some(&found.sealed) => {
                    incomplete = Some(found.sealed);
                }
                parts => return Ok(FoundObject { parts: parts?, record, found }),
            }
        }
        Err(StoreError::Contention)
    }

    /// Checks conditions before a body is read, so that a client need not send it in vain.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::PreconditionNoSuchKey`].
    pub async fn check_write_conditions(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        conditions: &WriteConditions,
    ) -> Result<(), StoreError> {
        if *conditions == WriteConditions::default() {
            return Ok(());
        }
        let current = self.current_version(bucket, key).await?;
        conditions.check(current.as_ref().and_then(Found::object))
    }

    /// Puts an object in the place of the one that is there, if any. `extra` joins the same commit.
    ///
    /// When this returns, the object is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`] when a check of `extra` does not hold: completions and copies that share have some.
    pub(crate) async fn commit_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        mut new: NewObject,
        conditions: &WriteConditions,
        origin: &Origin,
        extra: impl Fn(&mut Commit),
    ) -> Result<ObjectRecord, StoreError> {
        let instance = InstanceId(new.record.instance_id);
        let row = tables::object(bucket.id(), key);
        let mut bucket = bucket.clone();
        new.note_generation(bucket.keys().generation());
        let mut part_rows = self.place_parts(&bucket, instance, &mut new.record, &new.parts);
        let tags = tags_of(&new.record);
        let asked_lock = new.record.lock;
        let mode = new.record.seal.mode()?;
        let mut attempts = self.0.turns.attempts();
        loop {
            let current = self.current_version(&bucket, key).await?;
            conditions.check(current.as_ref().and_then(Found::object))?;
            let mut commit = Commit::new();
            bucket.check(&mut commit);
            self.check_current(&mut commit, &bucket, key, current.as_ref());
            new.record.order = next_order(self.now_ms(), current.as_ref());
            new.record.versioned = bucket.versioning() == Some(VersioningStatus::Enabled);
            new.record.replication = ReplicationRecord::of_new(&bucket, key, &tags, mode, origin);
            new.record.lock = lock_of_new(&bucket, asked_lock, new.record.last_modified_ms);
            let released = match (bucket.versioning(), current) {
                (Some(status), current) => {
                    let now_ms = new.record.last_modified_ms;
                    self.make_room(&mut commit, &bucket, key, current, status, now_ms).await?
                }
                (None, Some(current)) => self.remove(&mut commit, &bucket, &current, false).await?,
                (None, None) => Vec::new(),
            };
            let (kept, released): (Vec<_>, Vec<_>) = released.into_iter().partition(|id| new.shared.contains(id));
            self.queue_garbage(&mut commit, &released);
            for id in &new.fresh {
                self.put_first_reference(&mut commit, *id);
            }
            for id in new.shared.iter().filter(|id| !kept.contains(id)) {
                self.add_reference(&mut commit, *id).await?;
            }
            for (part_row, sealed) in &part_rows {
                commit.put(part_row.clone(), sealed.clone());
            }
            if let Some((id, sealed)) = &new.inline {
                commit.put(tables::inline_data(*id), sealed.clone());
            }
            new.record.seal.renew(&bucket, key.as_bytes(), instance)?;
            commit.put(row.clone(), bucket.keys().seal(Table::Object, &row, &new.record));
            self.queue_replicas(&mut commit, &bucket, key, &new.record);
            let event = ObjectEvent {
                change: ObjectChange::Created,
                key,
                version: new.record.version(),
                order: new.record.order,
                size: new.record.size,
                etag: &new.record.etag,
                tags: &tags,
                origin,
            };
            self.queue_event(&mut commit, &bucket, &event);
            let checked: Vec<_> = commit.checks.iter().map(|check| check.key.clone()).collect();
            extra(&mut commit);
            match self.commit(commit).await? {
                Committed::Yes => return Ok(new.record),
                Committed::Conflict(check) => {
                    let lost = checked.get(check).ok_or(StoreError::NoSuchUpload)?;
                    let generation = bucket.keys().generation();
                    bucket = self.same_bucket(&bucket).await?;
                    if bucket.keys().generation() != generation {
                        new.note_generation(bucket.keys().generation());
                        part_rows = self.place_parts(&bucket, instance, &mut new.record, &new.parts);
                    }
                    attempts.lost(lost).await?;
                }
            }
        }
    }

    /// The bucket as it is now; it must be the same one, not another of the same name.
    pub(crate) async fn same_bucket(&self, bucket: &Bucket) -> Result<Bucket, StoreError> {
        let now = self.bucket(bucket.name()).await?;
        if now.id() == bucket.id() { Ok(now) } else { Err(StoreError::NoSuchBucket) }
    }

    /// Moves the parts of an object into its record or, if there are many, into rows of their own, sealed here.
    pub(crate) fn place_parts(
        &self,
        bucket: &Bucket,
        instance: InstanceId,
        record: &mut ObjectRecord,
        parts: &[PartRecord],
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        record.part_count = u32::try_from(parts.len()).expect("an object has at most 10,000 parts");
        if parts.len() <= MOST_PARTS_IN_ROW {
            record.parts = parts.to_vec();
            return Vec::new();
        }
        let rows: Vec<_> = (0..)
            .zip(parts.chunks(PARTS_A_ROW))
            .map(|(index, run)| {
                let row = tables::part_list(bucket.id(), instance, index);
                let sealed = bucket.keys().seal(Table::PartList, &row, &PartListRecord { parts: run.to_vec() });
                (row, sealed)
            })
            .collect();
        record.part_list_rows = u32::try_from(rows.len()).expect("an object has at most 10,000 parts");
        rows
    }

    /// The parts of an object, wherever they are.
    pub(crate) async fn parts_of(&self, bucket: &Bucket, record: &ObjectRecord) -> Result<Vec<PartRecord>, StoreError> {
        if record.part_list_rows == 0 {
            return Ok(record.parts.clone());
        }
        let mut parts = Vec::with_capacity(record.part_count as usize);
        for index in 0..record.part_list_rows {
            let row = tables::part_list(bucket.id(), InstanceId(record.instance_id), index);
            let sealed = self.0.engine.get(&row).await?;
            let sealed = sealed.ok_or_else(|| StoreError::Damaged("a part list is missing".to_owned()))?;
            let run: PartListRecord = bucket.keys().open(Table::PartList, &row, &sealed)?;
            parts.extend(run.parts);
        }
        Ok(parts)
    }
}

/// The lock of a version made at `now_ms`: what was asked for, and the bucket's default where no retention was.
fn lock_of_new(bucket: &Bucket, asked: Option<ObjectLock>, now_ms: u64) -> Option<ObjectLock> {
    let default = bucket.object_lock().and_then(|configuration| configuration.default_retention);
    let asked = asked.unwrap_or_default();
    let retention = asked.retention.or_else(|| default.map(|default| default.from(now_ms)));
    Some(ObjectLock { retention, ..asked }).filter(|lock| *lock != ObjectLock::default())
}

impl ObjectRecord {
    /// What is known of the object; its headers only if they were opened.
    pub(crate) fn info(&self, headers: Vec<(String, String)>) -> Result<ObjectInfo, StoreError> {
        Ok(ObjectInfo {
            instance_id: InstanceId(self.instance_id),
            size: self.size,
            etag: self.etag.clone(),
            last_modified_ms: self.last_modified_ms,
            storage_class: self.storage_class.clone(),
            headers,
            mode: self.seal.mode()?,
            kms: self.seal.kms.as_ref().map(KmsSealRecord::info),
            part_count: (self.kind == KIND_MULTIPART).then_some(self.part_count),
            parts_show_checksums: self.parts_show_checksums,
            tags: tags_of(self),
            access: self.object_access()?,
            version: self.version(),
            noncurrent_since_ms: None,
            lock: self.lock.unwrap_or_default(),
            replication: self.replication_status(),
        })
    }

    pub(crate) fn object_access(&self) -> Result<ObjectAccess, StoreError> {
        self.access.as_ref().map_or_else(|| Ok(ObjectAccess::default()), ObjectAccessRecord::access)
    }
}

/// [`ObjectRecord::kind`] of an object with one part, numbered 0.
pub(crate) const KIND_SINGLE: u8 = 0;
/// [`ObjectRecord::kind`] of a completed multipart upload.
pub(crate) const KIND_MULTIPART: u8 = 1;

/// The tags of an object.
pub(crate) fn tags_of(record: &ObjectRecord) -> Vec<(String, String)> {
    record.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect()
}

/// Tags as they are stored.
pub(crate) fn tag_records(tags: &[(String, String)]) -> Vec<FieldRecord> {
    tags.iter().map(|(name, value)| FieldRecord { name: name.clone(), value: value.clone() }).collect()
}
