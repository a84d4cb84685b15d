//! Going through every row of a bucket.

use std::collections::BTreeMap;

use coffer_meta::{Commit, Direction, Entry, KeyRange};
use coffer_seal::{Envelope, Mode, record_generation};
use tokio::task::JoinSet;

use super::runner::JobRunner;
use super::stage::Failure;
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::names::InstanceId;
use crate::records::{JobPosition, JobRecord, ObjectRecord, SealRecord, UploadRecord};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::versions::{Content, open_noncurrent};

/// Every table whose rows are sealed under a bucket's key.
pub(super) const TABLES: [Table; 7] = [
    Table::Upload,
    Table::Part,
    Table::Object,
    Table::DeleteMarker,
    Table::NullVersion,
    Table::Version,
    Table::PartList,
];
/// Rows that are looked at in one batch.
const BATCH: usize = 256;
/// Changes that are made at once, so that their commits share syncs.
const AT_ONCE: usize = 32;

/// What became of a row.
enum Resealed {
    Yes,
    /// It needs no change, or is gone.
    Not,
}

impl JobRunner {
    /// Brings some rows of the bucket under the newest generation of its key, with the envelopes that they hold.
    pub(super) async fn reseal_rows(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let bucket = self.bucket_of(job).await?;
        let (table, rows, next) = self.batch(&bucket, &job.position, &TABLES, BATCH).await?;
        let mut tasks = JoinSet::new();
        job.counts.looked_at += rows.len() as u64;
        for row in rows {
            if record_generation(&row.value).is_ok_and(|generation| generation == bucket.keys().generation()) {
                job.counts.left_alone += 1;
                continue;
            }
            tasks.spawn(reseal_row(self.store.clone(), bucket.clone(), table, row));
            if tasks.len() >= AT_ONCE {
                take_all(&mut tasks, job).await?;
            }
        }
        take_all(&mut tasks, job).await?;
        Ok(next)
    }

    /// Opens some rows of the bucket and counts which generation each needs, envelope included.
    pub(super) async fn count_rows(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let bucket = self.bucket_of(job).await?;
        if job.position.part == 0 && job.position.after.is_empty() {
            job.facts.references = bucket.wrapped_keys().iter().map(|key| (key.generation, 0)).collect();
            job.facts.unreadable = 0;
            job.facts.counted = Some("bucket key".to_owned());
        }
        let (table, rows, next) = self.batch(&bucket, &job.position, &TABLES, BATCH).await?;
        job.counts.looked_at += rows.len() as u64;
        for row in rows {
            match unless_damaged("counting by generation", generations_of(&bucket, table, &row))? {
                Some(generations) => {
                    for generation in generations.into_keys() {
                        *job.facts.references.entry(generation).or_default() += 1;
                    }
                }
                None => job.facts.unreadable += 1,
            }
        }
        Ok(next)
    }

    /// The next rows of the bucket in `tables`, at most `most`, which are all of one table, and where to go on after them.
    pub(super) async fn batch(
        &self,
        bucket: &Bucket,
        position: &JobPosition,
        tables: &[Table],
        most: usize,
    ) -> Result<(Table, Vec<Entry>, Option<JobPosition>), StoreError> {
        let table = tables[(position.part as usize).min(tables.len() - 1)];
        let prefix = tables::of_bucket(table, bucket.id());
        let range = match &position.after[..] {
            [] => KeyRange::prefix(&prefix),
            after => KeyRange::prefix_after(&prefix, after),
        };
        let rows = self.store.0.engine.scan(range, most, Direction::Forward).await?;
        let next = match rows.last().filter(|_| rows.len() == most) {
            Some(last) => Some(JobPosition { after: last.key.to_vec(), ..position.clone() }),
            None if position.part as usize + 1 < tables.len() => {
                Some(JobPosition { part: position.part + 1, after: Vec::new(), ..position.clone() })
            }
            None => None,
        };
        Ok((table, rows, next))
    }
}

async fn take_all(tasks: &mut JoinSet<Result<Resealed, StoreError>>, job: &mut JobRecord) -> Result<(), StoreError> {
    while let Some(task) = tasks.join_next().await {
        let result = task.map_err(|_| StoreError::Unavailable("the store is stopping".to_owned()))?;
        match unless_damaged("sealing records anew", result)? {
            Some(Resealed::Yes) => job.counts.changed += 1,
            Some(Resealed::Not) => job.counts.left_alone += 1,
            None => job.counts.failed += 1,
        }
    }
    Ok(())
}

/// Brings a row under the newest generation, whatever it holds by then.
async fn reseal_row(store: Store, mut bucket: Bucket, table: Table, mut row: Entry) -> Result<Resealed, StoreError> {
    for _ in 0..MOST_TRIES {
        if record_generation(&row.value)? == bucket.keys().generation() {
            return Ok(Resealed::Not);
        }
        let sealed = resealed(&bucket, table, &row)?;
        let mut commit = Commit::new();
        // Or else it might come to be under a generation that is destroyed meanwhile.
        bucket.check(&mut commit);
        commit.check(row.key.clone(), Some(row.value.clone())).put(row.key.clone(), sealed);
        if let Committed::Yes = store.commit(commit).await? {
            return Ok(Resealed::Yes);
        }
        bucket = store.same_bucket(&bucket).await?;
        let Some(value) = store.0.engine.get(&row.key).await? else { return Ok(Resealed::Not) };
        row.value = value;
    }
    Err(StoreError::Contention)
}

fn resealed(bucket: &Bucket, table: Table, row: &Entry) -> Result<Vec<u8>, StoreError> {
    let keys = bucket.keys();
    let object_key = || {
        tables::object_key_of(&row.key).ok_or_else(|| StoreError::Damaged("a version has an impossible key".to_owned()))
    };
    match table {
        Table::Upload => {
            let mut record: UploadRecord = keys.open(table, &row.key, &row.value)?;
            let upload_id = InstanceId(record.upload_id);
            record.seal.renew(bucket, record.key.as_bytes(), upload_id)?;
            Ok(keys.seal(table, &row.key, &record))
        }
        Table::Object => {
            let mut content = Content::Object(Box::new(keys.open(table, &row.key, &row.value)?));
            content.renew(bucket, &object_key()?)?;
            Ok(content.seal_current(bucket, &row.key))
        }
        Table::Version => {
            let mut found = open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?;
            found.content.renew(bucket, &object_key()?)?;
            let since_ms = found.noncurrent_since_ms.unwrap_or(0);
            Ok(keys.seal(table, &row.key, &found.content.noncurrent(since_ms)))
        }
        _ => keys.reseal(table, &row.key, &row.value),
    }
}

/// The generations of the bucket's key that a row needs.
fn generations_of(bucket: &Bucket, table: Table, row: &Entry) -> Result<BTreeMap<u32, ()>, StoreError> {
    let keys = bucket.keys();
    let mut generations = BTreeMap::from([(record_generation(&row.value)?, ())]);
    let mut add = |seal: &SealRecord| -> Result<(), StoreError> {
        for envelope in &seal.envelopes {
            let by = Envelope::from_bytes(&envelope.0)?.kek();
            if by.mode == Mode::SseS3 {
                generations.insert(by.generation, ());
            }
        }
        Ok(())
    };
    match table {
        Table::Upload => add(&keys.open::<UploadRecord>(table, &row.key, &row.value)?.seal)?,
        Table::Object => add(&keys.open::<ObjectRecord>(table, &row.key, &row.value)?.seal)?,
        Table::Version => {
            let found = open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?;
            if let Some(record) = found.object() {
                add(&record.seal)?;
            }
        }
        _ => keys.check(table, &row.key, &row.value)?,
    }
    Ok(generations)
}
