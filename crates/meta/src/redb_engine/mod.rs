//! The engine of a single server: redb over sealed pages, one writer thread, group commit.
//!
//! Commits queue up for the writer thread, which turns all that wait into one transaction and one sync. Readers
//! share a snapshot of the last commit. A page that cannot be read fails what needs it; what else may fail, and what
//! follows from it, is in [`view::Failure`].

mod batch;
mod open;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redb::Database;
use tokio::sync::oneshot;

use crate::engine::{Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot};
use crate::pages::{PageKeys, SealedPages};
pub use open::OpenError;
use view::{Failure, HeldView, Views};
use writer::{Request, Writer};

/// An [`Engine`] in one file of sealed pages. Nothing of keys or values is readable in it.
///
/// Dropping it finishes the commits that wait, as [`RedbEngine::close`] does.
pub struct RedbEngine {
    views: Arc<Views>,
    writer: Mutex<Option<Running>>,
}

struct Running {
    requests: Sender<Request>,
    thread: JoinHandle<Result<(), EngineError>>,
}

/// Numbers that suit a server with 256 MiB of memory.
#[derive(Debug, Clone)]
pub struct RedbSettings {
    /// Bytes of opened pages kept in memory. Default: 64 MiB.
    pub cache_bytes: usize,
    /// Free bytes of the file system below which commits are refused as [`EngineError::NoSpace`]. Commits that
    /// delete something pass down to half of it, so that a full store can be emptied. Default: 64 MiB.
    pub reserve_bytes: u64,
    /// How long no commit must come before the engine makes a checkpoint, after which a crash costs no walk
    /// through the file. Default: one second.
    pub checkpoint_after: Duration,
}

impl Default for RedbSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, reserve_bytes: 64 << 20, checkpoint_after: Duration::from_secs(1) }
    }
}

impl RedbEngine {
    /// Opens the file at `path`, or makes it. After a crash this may walk through the whole file.
    ///
    /// # Errors
    /// [`OpenError`]. A file that was sealed under another key, or that another engine has open, is not touched.
    pub fn open(path: &Path, keys: PageKeys, settings: RedbSettings) -> Result<Self, OpenError> {
        let (pages, database) = open::open_or_create(path, keys, &settings)?;
        Self::start(pages, database, settings)
    }

    fn start(pages: Arc<SealedPages>, database: Database, settings: RedbSettings) -> Result<Self, OpenError> {
        let views = Arc::new(Views::new(Arc::clone(pages.faults()), open::first_view(&pages, &database)?));
        let (requests, queue) = channel();
        let writer = Writer::new(pages, database, Arc::clone(&views), settings, queue);
        let thread = std::thread::Builder::new().name("metadata-writer".into()).spawn(|| writer.run())?;
        Ok(Self { views, writer: Mutex::new(Some(Running { requests, thread })) })
    }

    /// Finishes the commits that wait and closes the file, so that the next open is quick. The engine refuses work
    /// afterwards; to close it again is no error.
    ///
    /// # Errors
    /// [`EngineError`] when the file could not be closed cleanly; what was acknowledged is safe all the same.
    pub fn close(&self) -> Result<(), EngineError> {
        let Some(Running { requests, thread }) = self.running().take() else { return Ok(()) };
        drop(requests);
        thread.join().unwrap_or_else(|_| Err(Failure::Poisoned("the writer panicked".into()).into()))
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> CommitError {
        let failure = self.views.failure().unwrap_or_else(|| Failure::Poisoned("the writer has stopped".into()));
        EngineError::from(failure).into()
    }
}

/// Scans of more entries than this leave the async worker: they may read many pages.
const INLINE_SCAN_LIMIT: usize = 128;

#[async_trait]
impl Engine for RedbEngine {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.views.read(|view| view.get(key))
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let views = Arc::clone(&self.views);
        let scan = move || views.read(|view| view.scan(&range, limit, direction));
        if limit > INLINE_SCAN_LIMIT { off_worker(scan).await } else { scan() }
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (reply, outcome) = oneshot::channel();
        let sent = match &*self.running() {
            Some(running) => running.requests.send(Request { commit, reply }).is_ok(),
            None => false,
        };
        if !sent {
            return Err(self.stopped());
        }
        outcome.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(RedbSnapshot { views: Arc::clone(&self.views), held: self.views.hold()? }))
    }
}

/// A read transaction of redb, which the engine may end.
struct RedbSnapshot {
    views: Arc<Views>,
    held: Arc<HeldView>,
}

#[async_trait]
impl Snapshot for RedbSnapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.views.read_held(&self.held, |view| view.get(key))
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (views, held) = (Arc::clone(&self.views), Arc::clone(&self.held));
        let scan = move || views.read_held(&held, |view| view.scan(&range, limit, direction));
        if limit > INLINE_SCAN_LIMIT { off_worker(scan).await } else { scan() }
    }
}

/// Runs what may wait for the disk off the async workers, where there are any.
async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|error| EngineError::Io(error.into()))?,
        Err(_) => work(),
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the metadata file was not closed cleanly");
        }
    }
}
