//! The thread that makes commits durable: it checks them, writes their rows to the journal, and shows them to readers.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::frame::frame_len;
use super::log::{Appended, Log, Position, is_full};
use super::overlay::Rows;
use super::{JournalFile, Refusal, Shared};
use crate::engine::{Commit, CommitError, EngineError, Write};
use crate::redb_engine::{Failure, Request, next_batch};

/// What the thread owns.
pub(super) struct Committer {
    shared: Arc<Shared>,
    queue: Receiver<Request>,
    file: Arc<dyn JournalFile>,
    /// The journal, which is made when there is something to write.
    log: Option<Log>,
    /// Why commits are refused while reads go on: it is unknown what the journal holds.
    broken: Option<Failure>,
}

/// How long a commit that needs room waits for the tree before it looks again.
const PATIENCE: Duration = Duration::from_millis(100);

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Receiver<Request>,
        file: Arc<dyn JournalFile>,
        log: Option<Log>,
    ) -> Self {
        Self { shared, queue, file, log, broken: None }
    }

    /// Serves the queue until its other end is dropped.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let batch = self.shared.room.refuse_without(next_batch(first, &self.queue));
            if !batch.is_empty() {
                self.serve(batch);
            }
        }
    }

    fn serve(&mut self, batch: Vec<Request>) {
        if let Some(failure) = self.broken.clone().or_else(|| self.shared.tree.views().failure()) {
            for request in batch {
                request.answer(Err(EngineError::from(failure.clone()).into()));
            }
            return;
        }
        let (rows, mut outcomes) = self.check(&batch);
        if !rows.is_empty()
            && let Err(refusal) = self.keep(rows)
        {
            for (outcome, request) in outcomes.iter_mut().zip(&batch) {
                if outcome.is_ok() && !request.commit.writes.is_empty() {
                    *outcome = Err(EngineError::from(refusal.clone()).into());
                }
            }
        }
        for (request, outcome) in batch.into_iter().zip(outcomes) {
            request.answer(outcome);
        }
    }

    /// Decides about each commit, as of the state that the ones before it leave; returns the rows that they leave.
    fn check(&self, batch: &[Request]) -> (Rows, Vec<Result<(), CommitError>>) {
        let mut rows = Rows::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for Request { commit, .. } in batch {
            outcomes.push(match self.first_failed(&rows, commit) {
                Err(error) => Err(error.into()),
                Ok(Some(check)) => Err(CommitError::Conflict(check)),
                Ok(None) => {
                    rows.extend(commit.writes.iter().map(|write| (write.key.clone(), write.value.clone())));
                    Ok(())
                }
            });
        }
        (rows, outcomes)
    }

    /// The first check that fails.
    ///
    /// What is to be written is looked at, too: a row whose page in the tree is damaged could never get there.
    fn first_failed(&self, rows: &Rows, commit: &Commit) -> Result<Option<usize>, EngineError> {
        for (index, check) in commit.checks.iter().enumerate() {
            let value = match rows.get(&check.key) {
                Some(value) => value.clone(),
                None => self.shared.get(&check.key)?,
            };
            if value != check.expected {
                return Ok(Some(index));
            }
        }
        for write in &commit.writes {
            let known = rows.contains_key(&write.key) || commit.checks.iter().any(|check| check.key == write.key);
            if !known {
                self.shared.touch(&write.key)?;
            }
        }
        Ok(None)
    }

    /// Makes `rows` durable and shows them to readers.
    fn keep(&mut self, rows: Rows) -> Result<(), Refusal> {
        while self.shared.is_crowded() {
            self.shared.wait_for_tree(PATIENCE)?;
        }
        if frame_len(&rows).is_none_or(|len| len > self.shared.settings.journal_bytes / 2) {
            return self.keep_in_tree(rows);
        }
        if self.log.is_none() {
            self.log = Some(self.make_log()?);
        }
        let Self { shared, log: Some(log), broken, .. } = self else { unreachable!("it was made above") };
        loop {
            log.free(shared.taken());
            match log.append(&rows) {
                Ok(Appended::Durable(end)) => {
                    shared.show(rows, end, log.is_half_full());
                    return Ok(());
                }
                Ok(Appended::Full) => shared.wait_for_tree(PATIENCE)?,
                Err(error) => {
                    tracing::error!(%error, "the journal of the metadata cannot be written");
                    let failure = Failure::Poisoned(format!("the journal: {error}"));
                    *broken = Some(failure.clone());
                    return Err(Refusal::Failed(failure));
                }
            }
        }
    }

    /// Makes rows durable that are too many for the journal. Nothing may be in the overlay then, which would hide them.
    fn keep_in_tree(&self, rows: Rows) -> Result<(), Refusal> {
        while self.shared.overlay.read().bytes() > 0 {
            self.shared.wait_for_tree(PATIENCE)?;
        }
        self.shared.write_to_tree(rows.into_iter().map(|(key, value)| Write { key, value }).collect(), None)
    }

    /// Makes the journal. The tree knows of it before anybody is told that something is in it.
    fn make_log(&self) -> Result<Log, Refusal> {
        let Shared { settings, .. } = &*self.shared;
        let taken = Position { seq: self.shared.taken().seq, ..Position::default() };
        let make = || Log::create(self.file.create()?, self.shared.frame_keys(), taken.seq, settings.journal_bytes);
        let log = make().map_err(|error| {
            tracing::error!(%error, "the journal of the metadata cannot be made");
            match is_full(&error) {
                true => Refusal::NoSpace,
                false => Refusal::Failed(Failure::Poisoned(format!("the journal: {error}"))),
            }
        })?;
        self.shared.begin_journal(taken)?;
        Ok(log)
    }
}
