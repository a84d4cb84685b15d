//! What is due for one row, as a commit that holds only while row and rules are as they were.

use coffer_configuration::{
    CurrentVersion, LifecycleAction, LifecycleConfiguration, NoncurrentVersion, TransitionStorageClass,
};
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use crate::bucket::Bucket;
use crate::delete::DeleteObject;
use crate::error::StoreError;
use crate::events::{ChangedBy, ObjectChange, ObjectEvent, Origin};
use crate::names::{InstanceId, ObjectKey};
use crate::object::tags_of;
use crate::records::{ObjectRecord, UploadRecord};
use crate::store::Store;
use crate::tables::{self, Table};
use crate::versions::{Content, Found, open_noncurrent};

/// What is to be done about a row.
pub(super) enum Plan {
    Nothing,
    /// Something, but for a lock.
    Locked,
    Change(Commit, Effect),
}

/// What a change does.
pub(super) enum Effect {
    Expired,
    Transitioned,
    /// Parts of this upload are left to be removed.
    Aborted(InstanceId),
}

/// The rules of a bucket, if it has any.
pub(super) fn rules(bucket: &Bucket) -> Option<&LifecycleConfiguration> {
    bucket.settings()?.lifecycle.as_ref()
}

/// Decides about a row of `table`. `newer` is how many noncurrent versions of its key are newer.
pub(super) async fn plan(
    store: &Store,
    bucket: &Bucket,
    table: Table,
    row: &Entry,
    newer: u32,
    day_ms: u64,
) -> Result<Plan, StoreError> {
    let Some(rules) = rules(bucket) else { return Ok(Plan::Nothing) };
    let now_ms = store.now_ms();
    let planned = Planned { store, bucket, rules, now_ms, day_ms };
    let plan = match table {
        Table::Upload => return planned.upload(row),
        Table::Version => planned.noncurrent(row, newer).await,
        Table::DeleteMarker => planned.marker(row).await,
        _ => planned.current(row).await,
    };
    match plan {
        Err(StoreError::ObjectLocked) => Ok(Plan::Locked),
        plan => plan,
    }
}

struct Planned<'a> {
    store: &'a Store,
    bucket: &'a Bucket,
    rules: &'a LifecycleConfiguration,
    now_ms: u64,
    day_ms: u64,
}

impl Planned<'_> {
    async fn current(&self, row: &Entry) -> Result<Plan, StoreError> {
        let key = self.key_after_bucket(row)?;
        let record: ObjectRecord = self.bucket.keys().open(Table::Object, &row.key, &row.value)?;
        let version = CurrentVersion {
            key: key.as_str(),
            size: record.size,
            tags: &tags_of(&record),
            storage_class: &record.storage_class,
            made_ms: record.last_modified_ms,
        };
        let keeps_versions = self.bucket.versioning().is_some();
        let action = self.rules.current(&version, keeps_versions, self.now_ms, self.day_ms);
        let found = found(row, Content::Object(Box::new(record)));
        let (mut commit, delete) = (self.commit(), by_lifecycle());
        match (action, self.bucket.versioning()) {
            (None, _) => return Ok(Plan::Nothing),
            (Some(LifecycleAction::Transition(class)), _) => return self.transition(&key, found, class).await,
            (Some(LifecycleAction::Expire), Some(status)) => {
                let current = Some(found);
                self.store.mark_deleted(&mut commit, self.bucket, &key, current, status, &delete).await?;
            }
            (Some(LifecycleAction::Expire), None) => {
                self.store.remove_found(&mut commit, self.bucket, &key, &found, &delete).await?;
            }
        }
        Ok(Plan::Change(commit, Effect::Expired))
    }

    async fn noncurrent(&self, row: &Entry, newer: u32) -> Result<Plan, StoreError> {
        let key = tables::parse_version(&row.key).and_then(|(key, ..)| object_key(&key));
        let key = key.ok_or_else(impossible_key)?;
        let found = open_noncurrent(self.bucket, row.key.to_vec(), row.value.clone())?;
        let record = found.object();
        let version = NoncurrentVersion {
            key: key.as_str(),
            size: record.map_or(0, |record| record.size),
            tags: &record.map(tags_of).unwrap_or_default(),
            storage_class: record.map(|record| record.storage_class.as_str()),
            noncurrent_since_ms: found.noncurrent_since_ms.unwrap_or(self.now_ms),
            newer_noncurrent_versions: newer,
        };
        match self.rules.noncurrent(&version, self.now_ms, self.day_ms) {
            None => Ok(Plan::Nothing),
            Some(LifecycleAction::Transition(class)) => self.transition(&key, found, class).await,
            Some(LifecycleAction::Expire) => self.remove(&key, &found).await,
        }
    }

    /// A delete marker goes if it hides no version. A version that comes to be hidden meanwhile takes its place first.
    async fn marker(&self, row: &Entry) -> Result<Plan, StoreError> {
        let key = self.key_after_bucket(row)?;
        let content = Content::Marker(self.bucket.keys().open(Table::DeleteMarker, &row.key, &row.value)?);
        let Content::Marker(record) = &content else { return Ok(Plan::Nothing) };
        if !self.rules.removes_expired_marker(key.as_str(), record.last_modified_ms, self.now_ms, self.day_ms) {
            return Ok(Plan::Nothing);
        }
        let hidden = KeyRange::prefix(&tables::versions_of(self.bucket.id(), key.as_bytes()));
        if !self.store.0.engine.scan(hidden, 1, Direction::Forward).await?.is_empty() {
            return Ok(Plan::Nothing);
        }
        self.remove(&key, &found(row, content)).await
    }

    fn upload(&self, row: &Entry) -> Result<Plan, StoreError> {
        let record: UploadRecord = self.bucket.keys().open(Table::Upload, &row.key, &row.value)?;
        let due = self.rules.abort(&record.key, record.initiated_ms, self.day_ms);
        if due.is_none_or(|due| due.at_ms > self.now_ms) {
            return Ok(Plan::Nothing);
        }
        let upload_id = InstanceId(record.upload_id);
        let mut commit = self.commit();
        commit.check(row.key.clone(), Some(row.value.clone())).delete(row.key.clone());
        self.store.put_ended_upload(&mut commit, self.bucket, upload_id);
        Ok(Plan::Change(commit, Effect::Aborted(upload_id)))
    }

    async fn remove(&self, key: &ObjectKey, found: &Found) -> Result<Plan, StoreError> {
        let mut commit = self.commit();
        self.store.remove_found(&mut commit, self.bucket, key, found, &by_lifecycle()).await?;
        Ok(Plan::Change(commit, Effect::Expired))
    }

    async fn transition(
        &self,
        key: &ObjectKey,
        found: Found,
        class: TransitionStorageClass,
    ) -> Result<Plan, StoreError> {
        let Some(mut record) = found.object().cloned() else { return Ok(Plan::Nothing) };
        class.name().clone_into(&mut record.storage_class);
        let (mut commit, origin) = (self.commit(), by_lifecycle().origin);
        let event = ObjectEvent {
            change: ObjectChange::Transitioned,
            key,
            version: record.version(),
            order: record.order,
            size: record.size,
            etag: &record.etag,
            tags: &tags_of(&record),
            origin: &origin,
        };
        self.store.queue_event(&mut commit, self.bucket, &event);
        self.store.replace_content(&mut commit, self.bucket, &found, Content::Object(Box::new(record)))?;
        Ok(Plan::Change(commit, Effect::Transitioned))
    }

    /// A commit that holds only while the rules are the same.
    fn commit(&self) -> Commit {
        let mut commit = Commit::new();
        self.bucket.check(&mut commit);
        commit
    }

    fn key_after_bucket(&self, row: &Entry) -> Result<ObjectKey, StoreError> {
        let table_len = tables::of_bucket(Table::Object, self.bucket.id()).len();
        row.key.get(table_len..).and_then(object_key).ok_or_else(impossible_key)
    }
}

/// The current version that a row holds.
fn found(row: &Entry, content: Content) -> Found {
    Found { content, row: row.key.to_vec(), sealed: row.value.clone(), noncurrent_since_ms: None }
}

fn by_lifecycle() -> DeleteObject {
    let origin = Origin { by: ChangedBy::Lifecycle, ..Origin::default() };
    DeleteObject { origin, ..DeleteObject::default() }
}

fn object_key(key: &[u8]) -> Option<ObjectKey> {
    ObjectKey::new(std::str::from_utf8(key).ok()?).ok()
}

fn impossible_key() -> StoreError {
    StoreError::Damaged("a version has an impossible key".to_owned())
}
