//! Shredding a bucket with all that it holds.

use std::collections::BTreeMap;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use super::runner::JobRunner;
use super::shred_version::shared_by;
use super::spec::{JobId, JobSpec};
use super::stage::Failure;
use super::walk::TABLES;
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::names::BucketName;
use crate::records::{
    Deletion, JobPosition, JobRecord, ObjectRecord, PartListRecord, PartRecord, ShredFacts, UploadPartRecord,
    UploadRecord,
};
use crate::sealing::EncryptionMode;
use crate::store::MOST_TRIES;
use crate::tables::{self, Table};
use crate::versions::open_noncurrent;

/// Rows that are looked at in one batch.
const LOOKED_AT: usize = 256;
/// Rows that are removed in one commit.
const BATCH: usize = 128;

/// What a row of a bucket is, for who removes it.
#[derive(Default)]
struct Content {
    parts: Vec<PartRecord>,
    is_locked: bool,
    is_version: bool,
    is_upload: bool,
    is_under_customers_key: bool,
}

impl JobRunner {
    /// Has nobody find the bucket any more: no writer's commit holds from then on.
    pub(super) async fn mark_bucket(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        for _ in 0..MOST_TRIES {
            let bucket = self.doomed_bucket(job).await?;
            if bucket.is_being_shredded() {
                return Ok(None);
            }
            if bucket.is_being_deleted() {
                // Somebody is about to decide whether it goes, or is waited for.
                self.store.bucket(bucket.name()).await?;
                continue;
            }
            self.store.mark_bucket(&bucket, Deletion::Shredding).await?;
        }
        Err(StoreError::Contention.into())
    }

    /// Looks for what may not go, and for who else names what would go. If there is any, the bucket is given back.
    pub(super) async fn look_through_bucket(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let bucket = self.marked_bucket(job).await?;
        if job.position == super::stage::Stage::LookThroughBucket.start() {
            job.facts.shred = Some(ShredFacts::default());
        }
        let mut facts = job.facts.shred.take().unwrap_or_default();
        let (table, rows, next) = self.batch(&bucket, &job.position, &TABLES, LOOKED_AT).await?;
        let mut is_locked = false;
        for row in &rows {
            let Some(content) = unless_damaged("shredding", content_of(self.store.now_ms(), &bucket, table, row))?
            else {
                facts.unreadable += 1;
                continue;
            };
            is_locked |= content.is_locked;
            facts.versions += u64::from(content.is_version);
            facts.uploads += u64::from(content.is_upload);
            facts.under_customers_keys += u64::from(content.is_under_customers_key);
            self.store.note_candidates(&mut facts, &content.parts).await?;
        }
        job.counts.looked_at += rows.len() as u64;
        if is_locked {
            let why = "the bucket holds a version that a retention or a legal hold keeps: nothing was destroyed";
            return Err(self.give_back(&bucket, why.to_owned()).await);
        }
        if next.is_none() {
            facts.shared = self.store.sharing(&facts.candidates).await?.others + u64::from(facts.too_many_candidates);
            facts.candidates = BTreeMap::new();
            if facts.shared > 0 && !matches!(job.spec, JobSpec::Shred { even_if_shared: true, .. }) {
                return Err(self.give_back(&bucket, shared_by(facts.shared)).await);
            }
        }
        job.facts.shred = Some(facts);
        Ok(next)
    }

    /// Has everybody find the bucket again, as it was.
    async fn give_back(&self, bucket: &Bucket, why: String) -> Failure {
        match self.store.mark_bucket(bucket, Deletion::No).await {
            Ok(Committed::Yes) => Failure::Final(why),
            Ok(Committed::Conflict(_)) => StoreError::Contention.into(),
            Err(error) => error.into(),
        }
    }

    /// Removes some rows of the bucket, and lets go of the blobs that they name.
    pub(super) async fn remove_rows(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let bucket = self.marked_bucket(job).await?;
        // What is removed is not there the next time: each batch is the first.
        let start = JobPosition { after: Vec::new(), ..job.position.clone() };
        let (table, rows, next) = self.batch(&bucket, &start, &TABLES, LOOKED_AT).await?;
        for rows in rows.chunks(BATCH) {
            let mut commit = Commit::new();
            let mut blobs = Vec::new();
            for row in rows {
                // The data of a row that does not open is as lost as it was.
                let content = content_of(self.store.now_ms(), &bucket, table, row);
                let content = unless_damaged("shredding", content)?.unwrap_or_default();
                release(&mut commit, &mut blobs, &content.parts);
                commit.check(row.key.clone(), Some(row.value.clone())).delete(row.key.clone());
            }
            for blobs in without_repetitions(blobs) {
                self.store.queue_garbage(&mut commit, &blobs);
            }
            if let Committed::Yes = self.store.commit(commit).await? {
                job.counts.looked_at += rows.len() as u64;
                job.counts.changed += rows.len() as u64;
            }
        }
        Ok(if rows.is_empty() { next } else { Some(start) })
    }

    /// Removes what else is kept of the bucket, and last its row, with every generation of its key.
    pub(super) async fn remove_bucket(&self, id: JobId, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        if job.position.part == 0 {
            let bucket = self.marked_bucket(job).await?;
            self.remove_leftovers(&bucket).await?;
            job.facts.references = bucket.wrapped_keys().iter().map(|key| (key.generation, 0)).collect();
            return Ok(Some(JobPosition { part: 1, ..job.position.clone() }));
        }
        if !self.is_bucket_gone(job).await? {
            let bucket = self.marked_bucket(job).await?;
            if let Committed::Conflict(_) = self.store.remove_bucket_row(&bucket).await? {
                // Its key was wrapped anew meanwhile: the next turn looks again.
                return Ok(Some(job.position.clone()));
            }
        }
        let bucket = hex::encode(job.facts.bucket_id.unwrap_or_default());
        for generation in job.facts.references.clone().into_keys() {
            self.keep_destroyed(job, "bucket key", bucket.clone(), generation);
        }
        self.note("coffer:ShredBucket", &format!("bucket/{bucket}"), id);
        self.keep_removed(job, "bucket", bucket);
        Ok(None)
    }

    async fn remove_leftovers(&self, bucket: &Bucket) -> Result<(), StoreError> {
        let left = [
            tables::replication_of(bucket.id()),
            tables::replication_scan(bucket.id()),
            tables::of_bucket(Table::EndedUpload, bucket.id()),
        ];
        for prefix in left {
            loop {
                let rows = self.store.0.engine.scan(KeyRange::prefix(&prefix), BATCH, Direction::Forward).await?;
                if rows.is_empty() {
                    break;
                }
                let mut commit = Commit::new();
                for row in rows {
                    commit.delete(row.key);
                }
                self.store.commit(commit).await?;
            }
        }
        Ok(())
    }

    /// The bucket of a job, whoever else finds it.
    async fn doomed_bucket(&self, job: &JobRecord) -> Result<Bucket, StoreError> {
        let name = job.spec.bucket().and_then(BucketName::for_lookup).ok_or(StoreError::NoSuchBucket)?;
        let bucket = self.store.bucket_even_if_deleting(&name).await?;
        if Some(*bucket.id()) == job.facts.bucket_id { Ok(bucket) } else { Err(StoreError::NoSuchBucket) }
    }

    async fn marked_bucket(&self, job: &JobRecord) -> Result<Bucket, Failure> {
        let bucket = self.doomed_bucket(job).await?;
        // It is given back when it may not go, and a crash comes before that is noted.
        let given_back = || Failure::Final("the bucket holds what may not go: nothing was destroyed".to_owned());
        if bucket.is_being_shredded() { Ok(bucket) } else { Err(given_back()) }
    }
}

/// What a row of the bucket holds.
fn content_of(now_ms: u64, bucket: &Bucket, table: Table, row: &Entry) -> Result<Content, StoreError> {
    let keys = bucket.keys();
    let of_version = |record: &ObjectRecord| -> Result<Content, StoreError> {
        Ok(Content {
            parts: record.parts.clone(),
            is_locked: record.lock.is_some_and(|lock| !lock.permits_removal(now_ms, false)),
            is_version: true,
            is_under_customers_key: record.seal.mode()? == EncryptionMode::SseC,
            ..Content::default()
        })
    };
    let of_parts = |parts| Content { parts, ..Content::default() };
    Ok(match table {
        Table::Object => of_version(&keys.open(table, &row.key, &row.value)?)?,
        Table::Version => match open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?.object() {
            Some(record) => of_version(record)?,
            None => Content { is_version: true, ..Content::default() },
        },
        Table::DeleteMarker => Content { is_version: true, ..Content::default() },
        Table::Upload => {
            let record: UploadRecord = keys.open(table, &row.key, &row.value)?;
            let is_under_customers_key = record.seal.mode()? == EncryptionMode::SseC;
            Content { is_upload: true, is_under_customers_key, ..Content::default() }
        }
        Table::PartList => of_parts(keys.open::<PartListRecord>(table, &row.key, &row.value)?.parts),
        Table::Part => of_parts(vec![keys.open::<UploadPartRecord>(table, &row.key, &row.value)?.part]),
        _ => Content::default(),
    })
}

/// Several lists that have each blob at most once: who collects garbage counts a row once for each.
fn without_repetitions(blobs: Vec<BlobId>) -> Vec<Vec<BlobId>> {
    let (mut lists, mut times) = (Vec::<Vec<BlobId>>::new(), BTreeMap::<BlobId, usize>::new());
    for blob in blobs {
        let place = times.entry(blob).or_default();
        if *place == lists.len() {
            lists.push(Vec::new());
        }
        lists[*place].push(blob);
        *place += 1;
    }
    lists
}

/// Lets go of parts: those that lie in the engine are removed with their row.
fn release(commit: &mut Commit, blobs: &mut Vec<BlobId>, parts: &[PartRecord]) {
    for part in parts {
        if part.inline {
            commit.delete(tables::inline_data(part.blob()));
        } else {
            blobs.push(part.blob());
        }
    }
}
