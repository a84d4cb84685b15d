//! Replication: which versions have to be brought to other buckets, and how far that is.
//!
//! A version that a rule is about is queued in the commit that makes it, once for each destination. The rows of one key
//! and destination are in the order of its versions. What a row asks for is that the replica become as the version is:
//! whether it has to be made or changed is seen when that is done, so a row that is there already is simply written anew.

use coffer_configuration::ReplicationConfiguration;
use coffer_crypto::sha256;
use coffer_meta::{Commit, Direction, KeyRange};

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::events::{ChangedBy, Origin};
use crate::names::{BucketName, ObjectKey, VersionId};
use crate::object::{ObjectInfo, tags_of};
use crate::records::{
    ObjectRecord, ProgressRecord, ReplicaRecord, ReplicationRecord, ReplicationScanRecord, ReplicationTaskRecord,
};
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::versions::{Content, DeleteMarkerInfo, ObjectVersion};

mod scan;

/// How far the replication of a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationStatus {
    /// A replica is still to be made or changed.
    Pending,
    /// Every replica is as the version is.
    Completed,
    /// A replica was given up.
    Failed,
    /// The version is a replica itself.
    Replica,
}

/// A version that has to be brought to a destination.
#[derive(Clone)]
pub struct ReplicationTask {
    /// The key of the object.
    pub key: ObjectKey,
    /// The version.
    pub version: VersionId,
    /// The name of the bucket that it goes to.
    pub destination: String,
    /// When it was asked for, in milliseconds since 1970.
    pub queued_ms: u64,
    /// The multipart upload at the destination that was begun for it and is perhaps still there.
    pub upload_id: Option<String>,
    bucket: String,
    row: Vec<u8>,
    sealed: bytes::Bytes,
}

/// What a task is about, as it is now.
pub enum ReplicationSubject {
    /// An object.
    Object {
        /// What is known of it. Its headers are not opened.
        info: Box<ObjectInfo>,
        /// The version ID of its replica; `None`: there is none yet.
        replica: Option<String>,
    },
    /// A delete marker.
    Marker(DeleteMarkerInfo),
    /// Nothing: the version is gone, or nobody wants it to be replicated any more.
    Nothing,
}

/// How a task ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationEnd {
    /// The replica is as the version is, and has this version ID.
    Completed(Option<String>),
    /// It is given up.
    Failed,
}

impl Bucket {
    /// Where the bucket is replicated to; `None`: nowhere.
    #[must_use]
    pub fn replication(&self) -> Option<&ReplicationConfiguration> {
        self.settings()?.replication.as_ref()
    }
}

impl ReplicationTask {
    /// The name of the bucket that the version is in.
    #[must_use]
    pub fn bucket_name(&self) -> &str {
        &self.bucket
    }
}

impl ReplicationRecord {
    /// That of a new version; `None` if no rule is about it.
    pub(crate) fn of_new(
        bucket: &Bucket,
        key: &ObjectKey,
        tags: &[(String, String)],
        mode: EncryptionMode,
        origin: &Origin,
    ) -> Option<Self> {
        if origin.is_replication {
            return Some(Self { is_replica: true, replicas: Vec::new() });
        }
        if !is_selected(mode) {
            return None;
        }
        let rules = bucket.replication()?.rules_for(key.as_str(), tags);
        let replicas = rules.into_iter().map(|rule| ReplicaRecord::pending(&rule.destination.bucket)).collect();
        Some(Self { is_replica: false, replicas }).filter(|record| !record.replicas.is_empty())
    }

    /// Notes that the version has changed. Replicas that were given up stay so.
    pub(crate) fn changed(&mut self) {
        for replica in self.replicas.iter_mut().filter(|replica| replica.progress == ProgressRecord::Completed) {
            replica.progress = ProgressRecord::Pending;
        }
    }

    fn status(&self) -> Option<ReplicationStatus> {
        let any = |progress| self.replicas.iter().any(|replica| replica.progress == progress);
        match self {
            _ if self.is_replica => Some(ReplicationStatus::Replica),
            _ if self.replicas.is_empty() => None,
            _ if any(ProgressRecord::Failed) => Some(ReplicationStatus::Failed),
            _ if any(ProgressRecord::Pending) => Some(ReplicationStatus::Pending),
            _ => Some(ReplicationStatus::Completed),
        }
    }

    fn replica(&self, destination: &str) -> Option<&ReplicaRecord> {
        self.replicas.iter().find(|replica| replica.destination == destination)
    }
}

/// Whether rules can be about objects that are sealed so: as on S3, not under a key of a KMS without
/// `SseKmsEncryptedObjects`, which no rule has `Enabled`.
fn is_selected(mode: EncryptionMode) -> bool {
    matches!(mode, EncryptionMode::SseS3 | EncryptionMode::SseC)
}

impl ReplicaRecord {
    fn pending(destination: &str) -> Self {
        Self { destination: destination.to_owned(), progress: ProgressRecord::Pending, version_id: None }
    }
}

impl ObjectRecord {
    pub(crate) fn replication_status(&self) -> Option<ReplicationStatus> {
        self.replication.as_ref()?.status()
    }
}

impl Store {
    /// Queues what is pending of a version, in the commit that changes it.
    pub(crate) fn queue_replicas(&self, commit: &mut Commit, bucket: &Bucket, key: &ObjectKey, record: &ObjectRecord) {
        let replicas = record.replication.iter().flat_map(|replication| &replication.replicas);
        for replica in replicas.filter(|replica| replica.progress == ProgressRecord::Pending) {
            self.queue_task(commit, bucket, key, (record.version(), record.order), &replica.destination);
        }
    }

    /// Queues a new delete marker, in the commit that makes it. Those of lifecycle rules stay where they are, as on S3.
    pub(crate) fn queue_marker(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        marker: (VersionId, u64),
        origin: &Origin,
    ) {
        let Some(configuration) = bucket.replication() else { return };
        if origin.is_replication || origin.by == ChangedBy::Lifecycle {
            return;
        }
        let rules = configuration.rules_for(key.as_str(), &[]);
        for rule in rules.into_iter().filter(|rule| rule.replicates_delete_markers()) {
            self.queue_task(commit, bucket, key, marker, &rule.destination.bucket);
        }
    }

    fn queue_task(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        (version, order): (VersionId, u64),
        destination: &str,
    ) {
        let record = ReplicationTaskRecord {
            bucket: bucket.name().as_str().to_owned(),
            key: key.as_str().to_owned(),
            version_id: version.to_string(),
            destination: destination.to_owned(),
            queued_ms: self.now_ms(),
            upload_id: None,
        };
        let row = tables::replication_task(bucket.id(), &tag_of(destination), key, order);
        let sealed = self.seal_system(Table::Replication, &row, &record);
        commit.put(row, sealed);
    }

    /// Up to `limit` tasks after `after`, by bucket, destination, key and version; none: there are no more. Damaged ones
    /// are logged and left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn replication_tasks(
        &self,
        after: Option<&ReplicationTask>,
        limit: usize,
    ) -> Result<Vec<ReplicationTask>, StoreError> {
        let all = tables::replication_tasks();
        let mut range = match after {
            Some(after) => KeyRange::prefix_after(&all, &after.row),
            None => KeyRange::prefix(&all),
        };
        loop {
            let rows = self.0.engine.scan(range, limit, Direction::Forward).await?;
            let next = rows.last().filter(|_| rows.len() == limit).map(|last| KeyRange::prefix_after(&all, &last.key));
            let mut tasks = Vec::new();
            for entry in rows {
                let opened = self.open_task(entry.key.to_vec(), entry.value);
                tasks.extend(unless_damaged("replication", opened)?);
            }
            match next {
                Some(next) if tasks.is_empty() => range = next,
                _ => return Ok(tasks),
            }
        }
    }

    fn open_task(&self, row: Vec<u8>, sealed: bytes::Bytes) -> Result<ReplicationTask, StoreError> {
        let record: ReplicationTaskRecord = self.open_system(Table::Replication, &row, &sealed)?;
        let damaged = || StoreError::Damaged("a replication task names no version".to_owned());
        Ok(ReplicationTask {
            key: ObjectKey::new(record.key).map_err(|_| damaged())?,
            version: VersionId::parse(&record.version_id).ok_or_else(damaged)?,
            destination: record.destination,
            queued_ms: record.queued_ms,
            upload_id: record.upload_id,
            bucket: record.bucket,
            row,
            sealed,
        })
    }

    /// The bucket of a task; `None` if it is gone.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn replication_source(&self, task: &ReplicationTask) -> Result<Option<Bucket>, StoreError> {
        let Some(name) = BucketName::for_lookup(&task.bucket) else { return Ok(None) };
        match self.bucket(&name).await {
            Ok(bucket) => Ok(Some(bucket).filter(|bucket| task.row.starts_with(&tables::replication_of(bucket.id())))),
            Err(StoreError::NoSuchBucket) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a task is about.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn replication_subject(
        &self,
        bucket: &Bucket,
        task: &ReplicationTask,
    ) -> Result<ReplicationSubject, StoreError> {
        let target = ObjectVersion { key: &task.key, version: Some(task.version) };
        let Some(found) = self.find_version(bucket, target).await? else { return Ok(ReplicationSubject::Nothing) };
        match &found.content {
            Content::Marker(record) => Ok(ReplicationSubject::Marker(record.info(found.noncurrent_since_ms))),
            Content::Object(record) => {
                let replica = record.replication.as_ref().and_then(|record| record.replica(&task.destination));
                let Some(replica) = replica.filter(|replica| replica.progress == ProgressRecord::Pending) else {
                    return Ok(ReplicationSubject::Nothing);
                };
                let info = ObjectInfo { noncurrent_since_ms: found.noncurrent_since_ms, ..record.info(Vec::new())? };
                Ok(ReplicationSubject::Object { info: Box::new(info), replica: replica.version_id.clone() })
            }
        }
    }

    /// Notes in a task which multipart upload was begun for it, so that it is not left behind. Returns `false` if the
    /// task has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_replication_upload(
        &self,
        task: &mut ReplicationTask,
        upload_id: Option<String>,
    ) -> Result<bool, StoreError> {
        let record = ReplicationTaskRecord {
            bucket: task.bucket.clone(),
            key: task.key.as_str().to_owned(),
            version_id: task.version.to_string(),
            destination: task.destination.clone(),
            queued_ms: task.queued_ms,
            upload_id: upload_id.clone(),
        };
        let sealed = self.seal_system(Table::Replication, &task.row, &record);
        let mut commit = Commit::new();
        commit.check(task.row.clone(), Some(task.sealed.clone())).put(task.row.clone(), sealed.clone());
        let noted = matches!(self.commit(commit).await?, Committed::Yes);
        if noted {
            task.sealed = sealed.into();
            task.upload_id = upload_id;
        }
        Ok(noted)
    }

    /// Ends a task, and notes with the version how. If the version has changed since the task was read, the task stays.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn end_replication(
        &self,
        bucket: &Bucket,
        task: &ReplicationTask,
        end: &ReplicationEnd,
    ) -> Result<(), StoreError> {
        let target = ObjectVersion { key: &task.key, version: Some(task.version) };
        let mut bucket = bucket.clone();
        for _ in 0..MOST_TRIES {
            let unchanged = self.0.engine.get(&task.row).await?.as_ref() == Some(&task.sealed);
            let mut commit = Commit::new();
            if unchanged {
                commit.check(task.row.clone(), Some(task.sealed.clone())).delete(task.row.clone());
            }
            if let Some(found) = self.find_version(&bucket, target).await?
                && let Content::Object(record) = &found.content
            {
                let mut record = record.clone();
                let replicas = record.replication.iter_mut().flat_map(|replication| &mut replication.replicas);
                for replica in replicas.filter(|replica| replica.destination == task.destination) {
                    replica.end(end, unchanged);
                }
                self.replace_content(&mut commit, &bucket, &found, Content::Object(record))?;
            }
            if let Committed::Yes = self.commit(commit).await? {
                return Ok(());
            }
            bucket = match self.same_bucket(&bucket).await {
                // Its versions are gone with it: the next look at the task drops it.
                Err(StoreError::NoSuchBucket) => return Ok(()),
                bucket => bucket?,
            };
        }
        Err(StoreError::Contention)
    }

    /// Drops a task that there is nothing to do for.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn drop_replication(&self, task: &ReplicationTask) -> Result<(), StoreError> {
        let mut commit = Commit::new();
        commit.check(task.row.clone(), Some(task.sealed.clone())).delete(task.row.clone());
        // If it has changed meanwhile, it is looked at again.
        self.commit(commit).await.map(drop)
    }

    /// How many tasks there are, counted up to `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn count_replication_tasks(&self, most: usize) -> Result<usize, StoreError> {
        let all = KeyRange::prefix(&tables::replication_tasks());
        Ok(self.0.engine.scan(all, most, Direction::Forward).await?.len())
    }
}

impl ReplicaRecord {
    /// Notes how its task ended. If the version has changed meanwhile, something is left to do.
    fn end(&mut self, end: &ReplicationEnd, version_is_unchanged: bool) {
        if let ReplicationEnd::Completed(version_id) = end {
            self.version_id.clone_from(version_id);
        }
        if version_is_unchanged {
            self.progress = match end {
                ReplicationEnd::Completed(_) => ProgressRecord::Completed,
                ReplicationEnd::Failed => ProgressRecord::Failed,
            };
        }
    }
}

/// What stands for a destination in the keys of rows: of a fixed length.
fn tag_of(destination: &str) -> [u8; 8] {
    *sha256(destination.as_bytes()).first_chunk().expect("a hash has 32 bytes")
}
