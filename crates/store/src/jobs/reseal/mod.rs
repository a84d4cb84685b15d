//! New keys for the data of a bucket, which is written again under them.
//!
//! A version or an upload is changed in one or more commits. Before each, new data is durable under new part keys; the
//! commit holds only while the record is as it was read, names the new data, and makes the old one garbage. So a crash
//! leaves either, and at the most blobs that no record names, which are found at the next start.
//!
//! Every record says since which generation of the bucket's key its keys are: the job makes a new generation first, and
//! whatever says less is old. It goes through everything until a count of one moment finds nothing more that it can change.

mod count;
mod data;
mod upload;
mod version;

use std::sync::Arc;

use coffer_meta::Entry;
use tokio::task::JoinSet;

use self::data::{Resealed, Resealer};
use super::runner::JobRunner;
use super::stage::{Failure, Stage};
use crate::bucket::Bucket;
use crate::error::{StoreError, unless_damaged};
use crate::names::{InstanceId, ObjectKey};
use crate::records::{JobPosition, JobRecord, ObjectRecord, ResealFacts, UploadRecord};
use crate::tables::{self, Table};
use crate::versions::{Content, open_noncurrent};

/// Where there are keys that were drawn for data, in the order in which most things move from one to the other.
pub(super) const WITH_KEYS: [Table; 3] = [Table::Upload, Table::Object, Table::Version];
/// Versions that are written again at once, so that their commits share syncs.
const AT_ONCE: usize = 32;
/// How many bytes versions may have together that are written again at once.
const BYTES_AT_ONCE: u64 = 64 << 20;
/// How often everything is gone through: what is moved meanwhile may escape a round.
pub(super) const MOST_ROUNDS: u32 = 10;
/// A version or an upload, which may have old keys.
pub(super) struct Subject {
    /// The object's key.
    key: ObjectKey,
    what: What,
    /// How many bytes of data there are, as far as the row says.
    bytes: u64,
}

#[derive(Clone, Copy)]
enum What {
    Version(crate::names::VersionId),
    Upload(InstanceId),
}

impl Subject {
    /// What a row is about; `None`: a delete marker.
    pub(super) fn of(bucket: &Bucket, table: Table, row: &Entry) -> Result<Option<Self>, StoreError> {
        let impossible = || StoreError::Damaged("a row has an impossible key".to_owned());
        if table == Table::Upload {
            let record: UploadRecord = bucket.keys().open(table, &row.key, &row.value)?;
            let key = ObjectKey::new(record.key).map_err(|_| impossible())?;
            return Ok(Some(Self { key, what: What::Upload(InstanceId(record.upload_id)), bytes: BYTES_AT_ONCE }));
        }
        let content = match table {
            Table::Object => Content::Object(Box::new(bucket.keys().open(table, &row.key, &row.value)?)),
            _ => open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?.content,
        };
        let Content::Object(record) = content else { return Ok(None) };
        let key = tables::object_key_of(&row.key).and_then(|key| String::from_utf8(key).ok());
        let key = key.and_then(|key| ObjectKey::new(key).ok()).ok_or_else(impossible)?;
        let ObjectRecord { size: bytes, .. } = *record;
        Ok(Some(Self { key, what: What::Version(record.version()), bytes }))
    }

    /// What it is, for a report.
    pub(super) fn words(&self) -> String {
        match self.what {
            What::Version(version) => format!("{} (version {version})", self.key.as_str()),
            What::Upload(upload_id) => format!("{} (upload {upload_id})", self.key.as_str()),
        }
    }

    async fn reseal(&self, resealer: &Resealer, bucket: Bucket) -> Result<Resealed, StoreError> {
        match self.what {
            What::Version(version) => resealer.reseal_version(bucket, &self.key, version).await,
            What::Upload(upload_id) => resealer.reseal_upload(bucket, &self.key, upload_id).await,
        }
    }
}

impl JobRunner {
    fn resealer(&self, job: &JobRecord) -> Result<Resealer, Failure> {
        let target = job.facts.generation.ok_or_else(|| Failure::Final("the job has no generation".to_owned()))?;
        Ok(Resealer { store: self.store.clone(), data_keys: Arc::clone(&self.environment.data_keys), target })
    }

    /// Gives some versions new keys, or an upload, or some parts of either.
    pub(in crate::jobs) async fn reseal_data(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let (bucket, resealer) = (self.bucket_of(job).await?, self.resealer(job)?);
        let (table, rows, next) = self.batch(&bucket, &job.position, &WITH_KEYS, AT_ONCE).await?;
        let all = rows.len();
        let (mut bytes, mut taken) = (0_u64, 0);
        let mut tasks = JoinSet::new();
        for row in &rows {
            let subject = unless_damaged("drawing new keys", Subject::of(&bucket, table, row))?;
            match subject {
                None => job.counts.failed += 1,
                Some(None) => job.counts.left_alone += 1,
                Some(Some(subject)) => {
                    if taken > 0 && bytes.saturating_add(subject.bytes) > BYTES_AT_ONCE {
                        break;
                    }
                    bytes = bytes.saturating_add(subject.bytes);
                    let (resealer, bucket) = (resealer.clone(), bucket.clone());
                    tasks.spawn(async move { (subject.reseal(&resealer, bucket).await, subject) });
                }
            }
            taken += 1;
        }
        let mut is_done = true;
        while let Some(task) = tasks.join_next().await {
            let (result, subject) = task.map_err(|_| StoreError::Unavailable("the store is stopping".to_owned()))?;
            is_done &= job.note_resealed(&subject, result)?;
        }
        // What is too large to be written again at once is alone.
        if !is_done {
            return Ok(Some(job.position.clone()));
        }
        job.counts.looked_at += taken as u64;
        if taken == all {
            return Ok(next);
        }
        let last = taken.checked_sub(1).and_then(|last| rows.get(last));
        Ok(last.map(|last| JobPosition { after: last.key.to_vec(), ..job.position.clone() }))
    }

    /// Finds out how much there is to write again.
    pub(in crate::jobs) async fn measure_data(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let found = self.find_old_keys(job).await?;
        job.counts.total = Some(found.with_keys + 2 * found.rows);
        job.counts.bytes_total = Some(found.bytes);
        job.facts.reseal = Some(ResealFacts { old: found.old, customers: found.customers, ..ResealFacts::default() });
        Ok(None)
    }

    /// Counts what still has old keys, as of one moment; goes through everything again if that may help.
    pub(in crate::jobs) async fn count_old_keys(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let found = self.find_old_keys(job).await?;
        let facts = job.facts.reseal.get_or_insert_default();
        (facts.old, facts.customers) = (found.old, found.customers);
        if found.old == 0 || facts.changed_in_round == 0 || facts.rounds >= MOST_ROUNDS {
            return Ok(None);
        }
        facts.rounds += 1;
        facts.changed_in_round = 0;
        job.facts.left.clear();
        job.facts.left_objects.clear();
        job.counts.total = job.counts.total.map(|total| total + found.with_keys);
        job.counts.bytes_total = Some(job.counts.bytes + found.bytes);
        Ok(Some(Stage::ResealData.start()))
    }
}

impl JobRecord {
    /// Notes what became of a version or an upload. Returns whether there is no more to do there.
    fn note_resealed(&mut self, subject: &Subject, result: Result<Resealed, StoreError>) -> Result<bool, Failure> {
        let facts = self.facts.reseal.get_or_insert_default();
        match result {
            Err(StoreError::CustomerKeyMissing) => {
                self.counts.left_alone += 1;
                *self.facts.left.entry("under customers' keys (SSE-C)".to_owned()).or_default() += 1;
            }
            Err(StoreError::Kms(error)) => self.note_refused(|| subject.words(), &error),
            result => match unless_damaged("drawing new keys", result)? {
                Some(Resealed::InPart(bytes)) => {
                    self.counts.bytes += bytes;
                    return Ok(false);
                }
                Some(Resealed::Yes(bytes)) => {
                    self.counts.bytes += bytes;
                    self.counts.changed += 1;
                    facts.changed += 1;
                    facts.changed_in_round += 1;
                }
                Some(Resealed::Not) => self.counts.left_alone += 1,
                None => self.counts.failed += 1,
            },
        }
        Ok(true)
    }
}
