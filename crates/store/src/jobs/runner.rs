//! Whoever does the work of jobs.

use std::sync::Arc;

use coffer_crypto::random_array;
use coffer_keyring::{KeyAudit, KeyEvent, KeyOutcome, NoAudit, NoDataKeys};

use super::api::FoundJob;
use super::service_keys::ServiceDataKeys;
use super::shred_kms::KmsKeys;
use super::spec::{Destroyed, JobId, JobState};
use super::stage::{Failure, Stage};
use super::wrapped::WrappedKeys;
use crate::error::{Committed, StoreError};
use crate::records::JobRecord;
use crate::store::Store;

/// What jobs need besides the store.
#[derive(Clone)]
pub struct JobEnvironment {
    /// Who keeps keys that the root key wraps, besides buckets: the [bootstrap file](super::BootstrapFile), the KMS.
    pub elsewhere: Vec<Arc<dyn WrappedKeys>>,
    /// Opens and draws data keys of the KMS.
    pub data_keys: Arc<dyn ServiceDataKeys>,
    /// The keys of the KMS; `None`: none can be shredded.
    pub kms_keys: Option<Arc<dyn KmsKeys>>,
    /// Takes note of what is done with bucket keys.
    pub audit: Arc<dyn KeyAudit>,
}

impl Default for JobEnvironment {
    /// Nothing but the store.
    fn default() -> Self {
        Self { elsewhere: Vec::new(), data_keys: Arc::new(NoDataKeys), kms_keys: None, audit: Arc::new(NoAudit) }
    }
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStep {
    /// There is nothing to do now.
    Idle,
    /// A batch of this job was done: take the next step.
    Worked(JobId),
    /// This job is over.
    Ended(JobId, JobState),
}

/// Does the work of jobs, batch by batch, as one process has it.
pub struct JobRunner {
    pub(super) store: Store,
    pub(super) environment: JobEnvironment,
    holder: [u8; 16],
    /// The job that had the last turn.
    last: Option<JobId>,
}

/// How long a process that takes no step keeps a job from others, in milliseconds.
const LEASE_MS: u64 = 60_000;

impl JobRunner {
    /// A runner of the jobs of `store`.
    #[must_use]
    pub fn new(store: Store, environment: JobEnvironment) -> Self {
        Self { store, environment, holder: random_array(), last: None }
    }

    /// Does the next batch of the job whose turn it is, if there is one that is due and that nobody else is at.
    ///
    /// It may be interrupted anywhere: what it has not done, the next step does.
    ///
    /// # Errors
    /// [`StoreError`] when the store or the provider of a key fails: the job goes on where it was the next time.
    pub async fn step(&mut self) -> Result<JobStep, StoreError> {
        let Some(found) = self.next().await? else { return Ok(JobStep::Idle) };
        self.last = Some(found.id);
        let mut job = found.record.clone();
        let worked = if job.holder == self.holder { self.work(found.id, &mut job).await } else { Ok(()) };
        let failed = match worked {
            Ok(()) => None,
            Err(Failure::Final(why)) => {
                job = found.record.clone();
                job.state = JobState::Failed;
                job.trouble = Some(why);
                None
            }
            Err(Failure::Later(error)) => {
                job = found.record.clone();
                job.trouble = Some(error.to_string());
                Some(error)
            }
        };
        job.holder = self.holder;
        job.updated_ms = self.store.now_ms();
        job.lease_until_ms = job.updated_ms.saturating_add(LEASE_MS);
        let committed = self.store.put_job(&found, &job).await;
        if let Some(error) = failed {
            return Err(error);
        }
        match committed? {
            Committed::Yes if job.state.is_over() => Ok(JobStep::Ended(found.id, job.state)),
            // It was paused or cancelled meanwhile, or somebody else has it now.
            Committed::Yes | Committed::Conflict(_) => Ok(JobStep::Worked(found.id)),
        }
    }

    /// Lets others have every job at once.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then they have them once the leases are over.
    pub async fn release(self) -> Result<(), StoreError> {
        for found in self.store.live_jobs().await? {
            if found.record.holder == self.holder {
                let job = JobRecord { lease_until_ms: 0, ..found.record.clone() };
                self.store.put_job(&found, &job).await?;
            }
        }
        Ok(())
    }

    /// The job whose turn it is.
    async fn next(&self) -> Result<Option<FoundJob>, StoreError> {
        let now_ms = self.store.now_ms();
        // Somebody may still want another backup, which needs the older keys.
        let is_restored = self.store.restored().await?.is_some();
        let is_due = |job: &JobRecord| {
            if is_restored && job.spec.destroys() {
                return false;
            }
            let taken = job.holder != self.holder && self.store.is_leased(job.lease_until_ms, LEASE_MS);
            job.state == JobState::Running && !taken && job.spec.not_before_ms() <= now_ms
        };
        let mut due: Vec<_> = self.store.live_jobs().await?.into_iter().filter(|job| is_due(&job.record)).collect();
        let turn = due.iter().position(|job| Some(job.id) > self.last).unwrap_or(0);
        Ok((!due.is_empty()).then(|| due.swap_remove(turn)))
    }

    /// Does a batch, and goes to the next stage when one is over.
    async fn work(&self, id: JobId, job: &mut JobRecord) -> Result<(), Failure> {
        let plan = Stage::plan(&job.spec);
        let is_here = |stage: &Stage| *stage as u8 == job.position.stage;
        let Some(place) = plan.iter().position(is_here) else {
            return Err(Failure::Final("the job is at a stage that it does not have".to_owned()));
        };
        let stage = plan[place];
        let next = match stage.step(self, id, job).await {
            Err(Failure::Final(_)) if self.has_lost_bucket(stage, job).await? => None,
            next => next?,
        };
        job.trouble = None;
        if let Some(position) = next {
            job.position = position;
            return Ok(());
        }
        if matches!(stage, Stage::RewrapElsewhere | Stage::ResealRows) && job.counts.total.is_none() {
            // All of it is looked at once more.
            job.counts.total = Some(job.counts.looked_at * 2);
        }
        match plan.get(place + 1) {
            Some(next) => job.position = next.start(),
            None => {
                job.counts.total = Some(job.counts.looked_at);
                job.trouble = job.left_over();
                job.state = if job.trouble.is_some() { JobState::Failed } else { JobState::Done };
            }
        }
        Ok(())
    }

    /// Notes that something was done with a key.
    pub(super) fn note(&self, action: &'static str, key: &str, job: JobId) {
        self.environment.audit.record(KeyEvent {
            action,
            key: key.to_owned(),
            who: "coffer".to_owned(),
            outcome: KeyOutcome::Done,
            details: vec![("job".to_owned(), job.to_string())],
        });
    }

    /// Keeps for the report that a generation of a key was destroyed.
    pub(super) fn keep_destroyed(&self, job: &mut JobRecord, what: &str, id: String, generation: u32) {
        let at_ms = self.store.now_ms();
        job.facts.destroyed.push(Destroyed { what: what.to_owned(), id, generation: Some(generation), at_ms });
    }
}

impl JobRecord {
    /// Why the job has not come to its end although it did everything; `None`: it has.
    fn left_over(&self) -> Option<String> {
        let target = self.facts.generation?;
        let older: u64 = self.facts.references.range(..target).map(|(_, count)| count).sum();
        if older == 0 && self.facts.unreadable == 0 {
            return None;
        }
        Some(format!(
            "{older} still refer to older generations than {target}, and {} could not be opened: the log says which",
            self.facts.unreadable
        ))
    }
}
