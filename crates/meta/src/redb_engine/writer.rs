//! The writer thread: its queue, checkpoints, and what to do when writing fails.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use super::batch::{Outcomes, commit_batch};
use super::open::open_database;
use super::room::Room;
use super::view::{Failure, View, Views};
use super::{OpenError, RedbSettings};
use crate::engine::{Commit, CommitError, EngineError};
use crate::pages::{Fault, SealedPages, catch};

/// A commit and where its outcome goes.
pub(crate) struct Request {
    pub(crate) commit: Commit,
    /// What becomes the mark with it: see [`super::RedbEngine::mark`].
    pub(super) mark: Option<Bytes>,
    reply: oneshot::Sender<Outcome>,
}

/// What became of a commit.
pub(crate) type Outcome = Result<(), CommitError>;

/// Commits in one transaction, at most.
const BATCH_COMMITS: usize = 1024;
/// Bytes of values at which a transaction takes no further commit: memory is bounded, and so is the wait.
const BATCH_BYTES: usize = 8 << 20;

/// What the writer thread owns.
pub(super) struct Writer {
    pages: Arc<SealedPages>,
    /// `None` after a failure.
    database: Option<Database>,
    /// Why commits are refused while reads go on: a page of redb's own bookkeeping cannot be read.
    read_only: Option<Failure>,
    views: Arc<Views>,
    room: Room,
    settings: RedbSettings,
    queue: Receiver<Request>,
    /// Whether a crash now would cost a walk through the file.
    checkpoint_due: bool,
}

impl Writer {
    pub(super) fn new(
        pages: Arc<SealedPages>,
        database: Database,
        views: Arc<Views>,
        settings: RedbSettings,
        queue: Receiver<Request>,
    ) -> Self {
        let room = Room::new(Arc::downgrade(&pages), Arc::clone(&views), settings.reserve_bytes);
        Self { pages, database: Some(database), read_only: None, views, room, settings, queue, checkpoint_due: true }
    }

    /// Serves the queue until its other end is dropped, then closes the file.
    pub(super) fn run(mut self) -> Result<(), EngineError> {
        while let Some(batch) = self.next_batch() {
            self.serve(batch);
        }
        self.close()
    }

    /// Waits for commits and takes those that are there; `None` at the end of the queue.
    fn next_batch(&mut self) -> Option<Vec<Request>> {
        let first = if self.checkpoint_due {
            match self.queue.recv_timeout(self.settings.checkpoint_after) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    self.checkpoint();
                    self.queue.recv().ok()?
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        } else {
            self.queue.recv().ok()?
        };
        Some(next_batch(first, &self.queue))
    }

    fn serve(&mut self, batch: Vec<Request>) {
        let batch = self.room.refuse_without(batch);
        if batch.is_empty() {
            return;
        }
        match self.apply(&batch) {
            Ok(outcomes) => {
                for (request, outcome) in batch.into_iter().zip(outcomes) {
                    request.answer(outcome);
                }
            }
            Err(refusal) => {
                for request in batch {
                    request.answer(Err(EngineError::from(refusal.clone()).into()));
                }
            }
        }
    }

    /// Makes what holds of `batch` durable, in one transaction, and visible to readers.
    fn apply(&mut self, batch: &[Request]) -> Result<Outcomes, Refusal> {
        if let Some(failure) = self.views.failure().or_else(|| self.read_only.clone()) {
            return Err(Refusal::Failed(failure));
        }
        let Some(database) = &self.database else { return Err(Refusal::Failed(stopped())) };
        let always = self.settings.checkpoint_always;
        match catch(|| commit_batch(database, batch, self.pages.faults(), always)) {
            Ok(Ok((outcomes, None))) => Ok(outcomes),
            Ok(Ok((outcomes, Some(view)))) => {
                self.views.publish(view);
                self.checkpoint_due = !always;
                Ok(outcomes)
            }
            Ok(Err(error)) => Err(self.recover(&error)),
            Err(fault) => Err(self.end_commits(fault)),
        }
    }

    /// Refuses commits from now on: one was under way in redb's own tables when it met a page that cannot be read.
    ///
    /// The database stays open for the sake of readers, whose view is of the last commit that was acknowledged.
    fn end_commits(&mut self, fault: Fault) -> Refusal {
        let failure = match fault {
            Fault::Damaged(what) => Failure::Damaged(what),
            Fault::Io(what) => Failure::Poisoned(what),
            Fault::NoSpace => unreachable!("a read takes no room"),
        };
        tracing::error!(?failure, "metadata cannot be written any more");
        self.read_only = Some(failure.clone());
        Refusal::Failed(failure)
    }

    /// Records the allocator's state on disk, so that a crash before the next commit costs no walk.
    fn checkpoint(&mut self) {
        self.checkpoint_due = false;
        let room = self.pages.available().is_ok_and(|available| available >= self.settings.reserve_bytes);
        if let (true, None, Some(database)) = (room, &self.read_only, &self.database) {
            let record = || {
                let mut transaction = database.begin_write()?;
                transaction.set_quick_repair(true);
                transaction.commit()?;
                View::new(database)
            };
            match catch(record) {
                Ok(Ok(view)) => self.views.publish(view),
                Ok(Err(error)) => drop(self.recover(&error)),
                Err(fault) => drop(self.end_commits(fault)),
            }
        }
    }

    /// Decides what follows from a failed transaction: after want of room the database is opened anew as of the
    /// last commit; after anything else the engine refuses work.
    fn recover(&mut self, error: &redb::Error) -> Refusal {
        let failure = match self.views.judge(error) {
            None => match self.reopen() {
                Ok(()) => return Refusal::NoSpace,
                Err(error) => Failure::Poisoned(error.to_string()),
            },
            Some(failure) => failure,
        };
        tracing::error!(?failure, "metadata cannot be written");
        self.views.fail(failure.clone());
        self.database = None;
        Refusal::Failed(failure)
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        tracing::warn!("no space left for metadata: returning to the last commit");
        self.views.suspend();
        self.database = None;
        self.pages.rewind()?;
        let database = open_database(&self.pages, &self.settings)?;
        let view = View::new(&database).map_err(|error| OpenError::Io(std::io::Error::other(error)))?;
        self.database = Some(database);
        self.views.publish(view);
        self.checkpoint_due = true;
        Ok(())
    }

    fn close(self) -> Result<(), EngineError> {
        if let Some(failure) = self.views.failure() {
            return Err(failure.into());
        }
        self.views.fail(stopped());
        let closed = self.database.map_or(Ok(()), Database::close);
        match (self.read_only, closed) {
            (Some(failure), _) => Err(failure.into()),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => match self.pages.faults().first() {
                Some(fault) => Err(fault.into()),
                None => Err(EngineError::Io(std::io::Error::other(error))),
            },
        }
    }
}

impl Request {
    /// A commit, with a mark or without, and where its outcome arrives.
    pub(crate) fn new(commit: Commit, mark: Option<Bytes>) -> (Self, oneshot::Receiver<Outcome>) {
        let (reply, outcome) = oneshot::channel();
        (Self { commit, mark, reply }, outcome)
    }

    pub(crate) fn answer(self, outcome: Outcome) {
        // Nobody waits for the outcome of a commit whose future was dropped.
        let _ = self.reply.send(outcome);
    }
}

/// `first` and the commits that wait behind it, as many as one batch takes.
pub(crate) fn next_batch(first: Request, queue: &Receiver<Request>) -> Vec<Request> {
    let mut bytes = value_bytes(&first.commit);
    let mut batch = vec![first];
    while batch.len() < BATCH_COMMITS && bytes < BATCH_BYTES {
        let Ok(next) = queue.try_recv() else { break };
        bytes += value_bytes(&next.commit);
        batch.push(next);
    }
    batch
}

/// Why a whole batch was refused.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    NoSpace,
    Failed(Failure),
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSpace => Self::NoSpace,
            Refusal::Failed(failure) => failure.into(),
        }
    }
}

fn stopped() -> Failure {
    Failure::Poisoned("the engine is closed".into())
}

fn value_bytes(commit: &Commit) -> usize {
    commit.writes.iter().filter_map(|write| write.value.as_ref()).map(|value| value.len()).sum()
}
