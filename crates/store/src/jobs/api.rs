//! Starting jobs, looking at them, and steering them.

use bytes::Bytes;
use coffer_keyring::GenerationState;
use coffer_meta::{Commit, Direction, KeyRange};
use thiserror::Error;

use super::spec::{JobId, JobInfo, JobReport, JobSpec, JobState, NewKeys};
use super::stage::Stage;
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::names::BucketName;
use crate::records::{JobFacts, JobRecord, ResealFacts, ShredFacts};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};

/// Why a job was not started or not steered. Nothing was changed.
#[derive(Debug, Error)]
pub enum JobError {
    /// There is no such job.
    #[error("there is no such job")]
    NoSuchJob,
    /// It cannot be done as asked; the sentence says why.
    #[error("{0}")]
    NotPossible(String),
    /// The store failed, or there is no such bucket.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job as its row has it.
pub(super) struct FoundJob {
    pub(super) id: JobId,
    pub(super) row: Vec<u8>,
    pub(super) sealed: Bytes,
    pub(super) record: JobRecord,
}

/// What rows of jobs that are not over start with, before their id.
const LIVE: &[u8] = b"job/";
/// What rows of jobs that are over start with, before their id.
const OVER: &[u8] = b"over/";

/// How many jobs that are over are kept, the latest.
const MOST_OVER: usize = 100;

fn row(prefix: &[u8], id: JobId) -> Vec<u8> {
    tables::job(&[prefix, &id.0].concat())
}

impl Store {
    /// Starts a job, which runs from then on. The same job that is not over yet is not started twice: its id is returned.
    ///
    /// # Errors
    /// [`JobError::NotPossible`]: a generation that does not exist or is in use, a time that the settings forbid, or what
    /// may not be shredded; [`StoreError::NoSuchBucket`]; of what is to be shredded [`StoreError::NoSuchKey`],
    /// [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn start_job(&self, mut spec: JobSpec) -> Result<JobId, JobError> {
        let facts = self.check_spec(&mut spec).await?;
        for job in self.found_jobs(LIVE).await? {
            let JobFacts { bucket_id, shred, .. } = &job.record.facts;
            let instance = |shred: &Option<ShredFacts>| shred.as_ref().and_then(|shred| shred.instance);
            let is_same = *bucket_id == facts.bucket_id && instance(shred) == instance(&facts.shred);
            if job.record.spec == spec && is_same {
                return Ok(job.id);
            }
        }
        let now_ms = self.now_ms();
        let first = Stage::plan(&spec)[0];
        let record = JobRecord {
            position: first.start(),
            spec,
            state: JobState::Running,
            created_ms: now_ms,
            updated_ms: now_ms,
            holder: [0; 16],
            lease_until_ms: 0,
            counts: Default::default(),
            facts,
            trouble: None,
        };
        for _ in 0..MOST_TRIES {
            let id = JobId::new(now_ms);
            let row = row(LIVE, id);
            let mut commit = Commit::new();
            commit.check(row.clone(), None).put(row.clone(), self.seal_system(Table::Job, &row, &record));
            if let Committed::Yes = self.commit(commit).await? {
                return Ok(id);
            }
        }
        Err(StoreError::Contention.into())
    }

    /// The jobs, in the order in which they were started: first those that are over, of which the last hundred are kept,
    /// then the others.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn jobs(&self) -> Result<Vec<JobInfo>, StoreError> {
        let mut jobs = self.found_jobs(OVER).await?;
        jobs.extend(self.found_jobs(LIVE).await?);
        Ok(jobs.into_iter().map(|job| job.record.info(job.id)).collect())
    }

    /// A job.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`].
    pub async fn job(&self, id: JobId) -> Result<JobInfo, JobError> {
        // One that ends while this looks has its other row before the first one is gone.
        for prefix in [LIVE, OVER] {
            if let Some(job) = self.found_job(prefix, id).await? {
                return Ok(job.record.info(id));
            }
        }
        Err(JobError::NoSuchJob)
    }

    /// Has a job wait until it is resumed. A batch that is under way is finished, and may be done again.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`]; [`JobError::NotPossible`] when it is over.
    pub async fn pause_job(&self, id: JobId) -> Result<(), JobError> {
        self.steer(id, JobState::Paused).await
    }

    /// Has a job go on.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`]; [`JobError::NotPossible`] when it is over.
    pub async fn resume_job(&self, id: JobId) -> Result<(), JobError> {
        self.steer(id, JobState::Running).await
    }

    /// Ends a job where it is. What it has done stays done, and everything is readable.
    ///
    /// # Errors
    /// [`JobError::NoSuchJob`]; [`JobError::NotPossible`] when it is over, or shreds.
    pub async fn cancel_job(&self, id: JobId) -> Result<(), JobError> {
        if self.job(id).await?.spec.shreds().is_some() {
            return Err(JobError::NotPossible("what is half shredded helps nobody: it can only go on".to_owned()));
        }
        self.steer(id, JobState::Cancelled).await
    }

    async fn steer(&self, id: JobId, state: JobState) -> Result<(), JobError> {
        for _ in 0..MOST_TRIES {
            let Some(job) = self.found_job(LIVE, id).await? else {
                let over = self.found_job(OVER, id).await?.is_some();
                return Err(if over {
                    JobError::NotPossible("the job is over".to_owned())
                } else {
                    JobError::NoSuchJob
                });
            };
            if job.record.state == state {
                return Ok(());
            }
            let record = JobRecord { state, updated_ms: self.now_ms(), ..job.record.clone() };
            if let Committed::Yes = self.put_job(&job, &record).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contention.into())
    }

    /// Writes what has become of a job, if it is as it was found. One that is over moves to where those are.
    pub(super) async fn put_job(&self, found: &FoundJob, record: &JobRecord) -> Result<Committed, StoreError> {
        let mut commit = Commit::new();
        commit.check(found.row.clone(), Some(found.sealed.clone()));
        let row = if record.state.is_over() {
            commit.delete(found.row.clone());
            self.forget_oldest_jobs(&mut commit).await?;
            row(OVER, found.id)
        } else {
            found.row.clone()
        };
        let sealed = self.seal_system(Table::Job, &row, record);
        commit.put(row, sealed);
        self.commit(commit).await
    }

    /// Adds to `commit`, in which one more job is over, that no more of those are kept than [`MOST_OVER`].
    async fn forget_oldest_jobs(&self, commit: &mut Commit) -> Result<(), StoreError> {
        let range = KeyRange::prefix(&tables::job(OVER));
        let rows = self.0.engine.scan(range, usize::MAX, Direction::Forward).await?;
        let too_many = (rows.len() + 1).saturating_sub(MOST_OVER);
        for row in rows.into_iter().take(too_many) {
            commit.delete(row.key);
        }
        Ok(())
    }

    /// The jobs that are not over.
    pub(super) async fn live_jobs(&self) -> Result<Vec<FoundJob>, StoreError> {
        self.found_jobs(LIVE).await
    }

    async fn found_jobs(&self, prefix: &[u8]) -> Result<Vec<FoundJob>, StoreError> {
        let start = tables::job(prefix);
        let rows = self.0.engine.scan(KeyRange::prefix(&start), usize::MAX, Direction::Forward).await?;
        let mut jobs = Vec::with_capacity(rows.len());
        for entry in rows {
            let impossible = || StoreError::Damaged("a job has an impossible id".to_owned());
            let id = JobId(entry.key[start.len()..].try_into().map_err(|_| impossible())?);
            let record = self.open_system(Table::Job, &entry.key, &entry.value)?;
            jobs.push(FoundJob { id, row: entry.key.to_vec(), sealed: entry.value, record });
        }
        Ok(jobs)
    }

    async fn found_job(&self, prefix: &[u8], id: JobId) -> Result<Option<FoundJob>, StoreError> {
        let row = row(prefix, id);
        let found = self.system_row::<JobRecord>(Table::Job, &row).await?;
        Ok(found.map(|(record, sealed)| FoundJob { id, row, sealed, record }))
    }

    /// Refuses what cannot be done, and fills in what was left to the settings.
    async fn check_spec(&self, spec: &mut JobSpec) -> Result<JobFacts, JobError> {
        let earliest_ms = self.now_ms().saturating_add(self.0.settings.key_destruction_delay_ms);
        if let Some(not_before_ms) = spec.not_before_mut() {
            if not_before_ms.is_some_and(|asked_ms| asked_ms < earliest_ms) {
                let hours = self.0.settings.key_destruction_delay_ms.div_ceil(3_600_000);
                return Err(JobError::NotPossible(format!(
                    "keys are destroyed {hours} hours from now at the earliest"
                )));
            }
            *not_before_ms = Some(not_before_ms.unwrap_or(earliest_ms));
        }
        let bucket = match spec.bucket() {
            Some(name) => Some(self.bucket_named(name).await?),
            None => None,
        };
        match (&*spec, &bucket) {
            (JobSpec::DestroyRootGeneration { generation, .. }, _) => self.check_root_generation(*generation).await?,
            (JobSpec::DestroyBucketKeyGeneration { generation, .. }, Some(bucket)) => {
                check_bucket_generation(bucket, *generation)?;
            }
            _ => {}
        }
        let bucket_id = bucket.as_ref().map(|bucket| *bucket.id());
        let shred = match spec.shreds() {
            Some(target) => Some(self.check_shred(target, bucket.as_ref()).await?),
            None => None,
        };
        Ok(JobFacts { bucket_id, shred, ..JobFacts::default() })
    }

    async fn check_root_generation(&self, generation: u32) -> Result<(), JobError> {
        let all = self.0.root.generations().await.map_err(StoreError::from)?;
        let found = all.iter().find(|known| known.generation == generation);
        match found.map(|known| known.state) {
            Some(GenerationState::DecryptOnly) => Ok(()),
            Some(GenerationState::Active) => Err(JobError::NotPossible(format!(
                "generation {generation} of the root key is in use: rotate it first"
            ))),
            Some(GenerationState::Destroyed) => {
                Err(JobError::NotPossible(format!("generation {generation} of the root key is destroyed already")))
            }
            None => Err(JobError::NotPossible(format!("the root key has no generation {generation}"))),
        }
    }

    async fn bucket_named(&self, name: &str) -> Result<Bucket, StoreError> {
        let name = BucketName::for_lookup(name).ok_or(StoreError::NoSuchBucket)?;
        self.bucket(&name).await
    }
}

fn check_bucket_generation(bucket: &Bucket, generation: u32) -> Result<(), JobError> {
    if generation == bucket.keys().generation() {
        return Err(JobError::NotPossible(format!(
            "generation {generation} of the bucket's key is in use: rotate it first"
        )));
    }
    if bucket.wrapped_keys().iter().all(|key| key.generation != generation) {
        return Err(JobError::NotPossible(format!("the bucket's key has no generation {generation}")));
    }
    Ok(())
}

impl JobRecord {
    fn info(&self, id: JobId) -> JobInfo {
        let JobFacts { references, unreadable, left, destroyed, counted, reseal, .. } = self.facts.clone();
        let JobFacts { rewrap, left_objects, .. } = self.facts.clone();
        let new_keys = |ResealFacts { changed, old, customers, .. }| NewKeys { changed, old, customers };
        let kms_keys = rewrap.map(|rewrap| rewrap.keys).unwrap_or_default();
        JobInfo {
            id,
            spec: self.spec.clone(),
            state: self.state,
            stage: Stage::from_number(self.position.stage).map_or("", Stage::words),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            not_before_ms: self.spec.not_before_ms(),
            counts: self.counts,
            trouble: self.trouble.clone(),
            report: JobReport {
                counted,
                references: references.into_iter().collect(),
                unreadable,
                left: left.into_iter().collect(),
                new_keys: reseal.map(new_keys),
                found: self.found_by_shredding(),
                kms_keys: kms_keys.into_iter().map(|(key_arn, count)| count.references(key_arn)).collect(),
                left_objects,
                destroyed,
                cannot_promise: Stage::limits(self),
            },
        }
    }
}
