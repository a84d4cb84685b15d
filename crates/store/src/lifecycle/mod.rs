//! The job that does what lifecycle rules say.
//!
//! A run goes through every bucket with rules, table by table, in batches. After each batch it notes in a row how far
//! it is: whoever comes next, after a crash or on another machine, goes on from there. The row is a lease as well, so
//! that one process runs at a time; if two did, nothing worse would happen than that both look at the same rows. What a
//! rule asks for is one check-and-commit per version, decided on the very row that it changes and on the very rules
//! that the bucket has when it holds.

mod plan;
mod walk;

use std::ops::AddAssign;

use coffer_crypto::random_array;
use coffer_meta::Commit;

use self::walk::Carry;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::records::{LifecycleJobRecord, LifecyclePosition};
use crate::store::Store;
use crate::tables::{self, Table};

/// When runs begin, and what a day is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleSettings {
    /// A run begins whenever so many milliseconds since 1970 have passed again, or as soon as it can after that.
    pub interval_ms: u64,
    /// The length of the days that rules count, in milliseconds: [`DAY_MS`](coffer_configuration::DAY_MS) but in tests.
    pub day_ms: u64,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifecycleProgress {
    /// Versions, delete markers and uploads that were looked at.
    pub looked_at: u64,
    /// Versions and delete markers that expired.
    pub expired: u64,
    /// Versions that changed their storage class.
    pub transitioned: u64,
    /// Uploads that were aborted.
    pub aborted: u64,
    /// Versions that a lock kept.
    pub locked: u64,
}

impl AddAssign for LifecycleProgress {
    fn add_assign(&mut self, other: Self) {
        self.looked_at += other.looked_at;
        self.expired += other.expired;
        self.transitioned += other.transitioned;
        self.aborted += other.aborted;
        self.locked += other.locked;
    }
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleStep {
    /// There is nothing to do now.
    Idle,
    /// A piece of a run was done: take the next step.
    Worked(LifecycleProgress),
    /// As [`Worked`](Self::Worked), and the run is over.
    Finished(LifecycleProgress),
}

/// The job, as one process has it.
pub struct LifecycleJob {
    store: Store,
    settings: LifecycleSettings,
    holder: [u8; 16],
    /// Where this process is within a key whose start the job's row names.
    carry: Option<Carry>,
}

const JOB: &[u8] = b"lifecycle";
/// How long a process that takes no step keeps the job from others, in milliseconds.
const LEASE_MS: u64 = 60_000;

impl LifecycleJob {
    /// The job on `store`.
    #[must_use]
    pub fn new(store: Store, settings: LifecycleSettings) -> Self {
        Self { store, settings, holder: random_array(), carry: None }
    }

    /// Does the next piece of work, if there is any and nobody else is at it.
    ///
    /// It may be interrupted anywhere: what it has not done, the next step does.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails. Damaged rows are logged and left alone.
    pub async fn step(&mut self) -> Result<LifecycleStep, StoreError> {
        let store = self.store.clone();
        let now_ms = store.now_ms();
        let row = tables::job(JOB);
        let sealed = store.0.engine.get(&row).await?;
        let record = match &sealed {
            Some(sealed) => unless_damaged("lifecycle", store.open_system(Table::Job, &row, sealed))?,
            None => None,
        };
        let record: LifecycleJobRecord = record.unwrap_or_default();
        let is_ours = record.holder == self.holder;
        if !is_ours && store.is_leased(record.lease_until_ms, LEASE_MS) {
            return Ok(LifecycleStep::Idle);
        }
        let (position, started_ms, progress) = match record.position {
            Some(position) if is_ours => {
                let (position, progress) = self.walk(position).await?;
                (position, record.started_ms, progress)
            }
            Some(position) => (Some(position), record.started_ms, LifecycleProgress::default()),
            None if self.slot(record.started_ms) == self.slot(now_ms) => return Ok(LifecycleStep::Idle),
            None => (Some(LifecyclePosition::default()), now_ms, LifecycleProgress::default()),
        };
        let is_over = position.is_none();
        let lease_until_ms = if is_over { 0 } else { store.now_ms().saturating_add(LEASE_MS) };
        let record = LifecycleJobRecord { holder: self.holder, lease_until_ms, started_ms, position };
        let next = store.seal_system(Table::Job, &row, &record);
        let mut commit = Commit::new();
        commit.check(row.clone(), sealed).put(row, next);
        match store.commit(commit).await? {
            Committed::Yes if is_over => Ok(LifecycleStep::Finished(progress)),
            Committed::Yes => Ok(LifecycleStep::Worked(progress)),
            // Somebody else has it now.
            Committed::Conflict(_) => Ok(LifecycleStep::Idle),
        }
    }

    /// Lets others have the job at once.
    ///
    /// A step that was interrupted may still have a commit under way, which takes the lease anew. It comes before
    /// whatever is committed here: this commits until nothing came in between.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then they have it once the lease is over.
    pub async fn release(self) -> Result<(), StoreError> {
        let row = tables::job(JOB);
        loop {
            let found = self.store.system_row::<LifecycleJobRecord>(Table::Job, &row).await?;
            let mut commit = Commit::new();
            commit.check(row.clone(), found.as_ref().map(|(_, sealed)| sealed.clone()));
            if let Some((record, _)) = found.filter(|(record, _)| record.holder == self.holder) {
                let next = LifecycleJobRecord { lease_until_ms: 0, ..record };
                commit.put(row.clone(), self.store.seal_system(Table::Job, &row, &next));
            }
            if let Committed::Yes = self.store.commit(commit).await? {
                return Ok(());
            }
        }
    }

    /// Which of the times between the beginnings of runs this is.
    fn slot(&self, at_ms: u64) -> u64 {
        at_ms / self.settings.interval_ms.max(1)
    }
}
