//! The search for versions that were there before a rule: `ExistingObjectReplication`.

use super::is_selected;
use super::*;
use crate::list_versions::{ListVersions, VersionEntry};

/// Versions that are looked at in one commit.
const PAGE: usize = 100;
/// How long a search waits for the configuration that asks for it, in milliseconds.
const PATIENCE_MS: u64 = 60_000;

impl Store {
    /// Begins to search a bucket for versions that were there before its rules, or begins again.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn begin_replication_scan(&self, bucket: &Bucket) -> Result<(), StoreError> {
        let row = tables::replication_scan(bucket.id());
        let record = ReplicationScanRecord {
            bucket: bucket.name().as_str().to_owned(),
            queued_ms: self.now_ms(),
            key_marker: None,
            version_id_marker: None,
            key_is_done: false,
        };
        let sealed = self.seal_system(Table::Replication, &row, &record);
        let mut commit = Commit::new();
        commit.put(row, sealed);
        self.commit(commit).await.map(drop)
    }

    /// Goes on with every search by one page. Returns the names of the buckets that are still searched: until a search
    /// is over, what is queued of its bucket is not in the order of the versions.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn continue_replication_scans(&self) -> Result<Vec<String>, StoreError> {
        const MOST_SCANS: usize = 1000;
        let scans = KeyRange::prefix(&tables::replication_scans());
        let mut going_on = Vec::new();
        for entry in self.0.engine.scan(scans, MOST_SCANS, Direction::Forward).await? {
            let opened = self.open_system(Table::Replication, &entry.key, &entry.value);
            let Some(record) = unless_damaged::<ReplicationScanRecord>("replication", opened)? else { continue };
            let name = record.bucket.clone();
            if self.continue_scan(entry.key.to_vec(), entry.value, record).await? {
                going_on.push(name);
            }
        }
        Ok(going_on)
    }

    /// Returns whether it goes on.
    async fn continue_scan(
        &self,
        row: Vec<u8>,
        sealed: bytes::Bytes,
        mut scan: ReplicationScanRecord,
    ) -> Result<bool, StoreError> {
        let mut commit = Commit::new();
        commit.check(row.clone(), Some(sealed));
        let bucket = match BucketName::for_lookup(&scan.bucket) {
            Some(name) => match self.bucket(&name).await {
                Err(StoreError::NoSuchBucket) => None,
                found => Some(found?).filter(|bucket| tables::replication_scan(bucket.id()) == row),
            },
            None => None,
        };
        let rules = bucket.as_ref().and_then(Bucket::replication).filter(|rules| rules.replicates_existing_objects());
        let (Some(bucket), Some(_)) = (&bucket, rules) else {
            // The configuration is written after this is begun.
            if bucket.is_some() && self.now_ms() < scan.queued_ms.saturating_add(PATIENCE_MS) {
                return Ok(true);
            }
            commit.delete(row);
            self.commit(commit).await?;
            return Ok(false);
        };
        let list = ListVersions {
            key_marker: scan.key_marker.clone(),
            version_id_marker: scan.version_id_marker.as_deref().and_then(VersionId::parse),
            max_keys: PAGE,
            ..ListVersions::default()
        };
        let page = self.list_versions(bucket, &list).await?;
        for entry in &page.entries {
            if scan.key_marker.as_deref() != Some(entry.name()) {
                scan.key_is_done = false;
            }
            scan.key_is_done |= !self.queue_existing(&mut commit, bucket, entry, scan.key_is_done).await?;
            scan.key_marker = Some(entry.name().to_owned());
            scan.version_id_marker = entry.version().map(|version| version.to_string());
        }
        if page.truncated {
            let sealed = self.seal_system(Table::Replication, &row, &scan);
            commit.put(row, sealed);
        } else {
            commit.delete(row);
        }
        // If a version has changed meanwhile, the page is looked at again.
        let committed = matches!(self.commit(commit).await?, Committed::Yes);
        Ok(page.truncated || !committed)
    }

    /// Queues a version if a rule for existing objects is about it. Returns `false` for one that has been replicated:
    /// an earlier one that came after it would take its place at the destination.
    async fn queue_existing(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        entry: &VersionEntry,
        key_is_done: bool,
    ) -> Result<bool, StoreError> {
        let (Some(version), Ok(key)) = (entry.version(), ObjectKey::new(entry.name())) else { return Ok(true) };
        let Some(configuration) = bucket.replication() else { return Ok(true) };
        let Some(found) = self.find_version(bucket, ObjectVersion { key: &key, version: Some(version) }).await? else {
            return Ok(true);
        };
        match &found.content {
            Content::Marker(record) => {
                let rules = configuration.rules_for(key.as_str(), &[]).into_iter().filter(|_| !key_is_done);
                for rule in rules.filter(|rule| rule.existing_objects == Some(true)) {
                    if rule.replicates_delete_markers() {
                        self.queue_task(commit, bucket, &key, (version, record.order), &rule.destination.bucket);
                    }
                }
                Ok(true)
            }
            Content::Object(record) => {
                if let Some(replication) = &record.replication {
                    return Ok(replication.replicas.iter().all(|replica| replica.version_id.is_none()));
                }
                if key_is_done || !is_selected(record.seal.mode()?) {
                    return Ok(true);
                }
                let replicas: Vec<_> = configuration
                    .rules_for(key.as_str(), &tags_of(record))
                    .into_iter()
                    .filter(|rule| rule.existing_objects == Some(true))
                    .map(|rule| ReplicaRecord::pending(&rule.destination.bucket))
                    .collect();
                if !replicas.is_empty() {
                    let mut record = record.clone();
                    record.replication = Some(ReplicationRecord { is_replica: false, replicas });
                    self.queue_replicas(commit, bucket, &key, &record);
                    self.replace_content(commit, bucket, &found, Content::Object(record))?;
                }
                Ok(true)
            }
        }
    }
}
