//! The engine of a single server: redb over sealed pages, one writer thread, group commit.
//!
//! Commits queue up for the writer thread, which turns all that wait into one transaction and one sync. Readers
//! share a snapshot of the last commit. A page that cannot be read fails what needs it; what else may fail, and what
//! follows from it, is in [`view::Failure`].

mod batch;
mod open;
mod room;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, StorageError};
use tokio::sync::oneshot;

use crate::engine::{Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot};
use crate::journal::journal_in_use;
use crate::pages::{PageKeys, SealedPages};
pub use open::OpenError;
pub(crate) use room::Room;
use view::HeldView;
pub(crate) use view::{Failure, View, Views};
use writer::Writer;
pub(crate) use writer::{Outcome, Refusal, Request, next_batch};

/// An [`Engine`] in one file of sealed pages. Nothing of keys or values is readable in it.
///
/// Dropping it finishes the commits that wait, as [`RedbEngine::close`] does.
pub struct RedbEngine {
    views: Arc<Views>,
    /// Gone when the engine is closed, and with them the lock of the file.
    pages: Weak<SealedPages>,
    /// The mark when the file was opened.
    mark: Option<Bytes>,
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
    /// Whether every batch of commits makes a checkpoint. Default: no. It costs a second sync and grows with the file,
    /// and is for whoever commits rarely and much.
    pub checkpoint_always: bool,
}

impl Default for RedbSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            checkpoint_after: Duration::from_secs(1),
            checkpoint_always: false,
        }
    }
}

impl RedbEngine {
    /// Opens the file at `path`, or makes it. After a crash this may walk through the whole file.
    ///
    /// # Errors
    /// [`OpenError`]. A file that was sealed under another key, or that another engine has open, is not touched.
    pub fn open(path: &Path, keys: PageKeys, settings: RedbSettings) -> Result<Self, OpenError> {
        let engine = Self::open_with_mark(path, keys, settings)?;
        match engine.mark().is_some_and(|mark| journal_in_use(mark)) {
            true => Err(OpenError::HasJournal),
            false => Ok(engine),
        }
    }

    /// As [`RedbEngine::open`], for whoever knows what the mark means.
    pub(crate) fn open_with_mark(path: &Path, keys: PageKeys, settings: RedbSettings) -> Result<Self, OpenError> {
        let (pages, database) = open::open_or_create(path, keys, &settings)?;
        Self::start(pages, database, settings)
    }

    fn start(pages: Arc<SealedPages>, database: Database, settings: RedbSettings) -> Result<Self, OpenError> {
        let views = Arc::new(Views::new(Arc::clone(pages.faults()), open::first_view(&pages, &database)?));
        let mark = open::read_mark(&pages, &database)?;
        let weak = Arc::downgrade(&pages);
        let (requests, queue) = channel();
        let writer = Writer::new(pages, database, Arc::clone(&views), settings, queue);
        let thread = std::thread::Builder::new().name("metadata-writer".into()).spawn(|| writer.run())?;
        Ok(Self { views, pages: weak, mark, writer: Mutex::new(Some(Running { requests, thread })) })
    }

    /// Opens the engine on a disk that holds a file.
    #[cfg(test)]
    pub(crate) fn open_on(
        disk: &crate::pages::sim_disk::SimDisk,
        keys: PageKeys,
        settings: RedbSettings,
    ) -> Result<Self, OpenError> {
        let pages = Arc::new(SealedPages::open(Box::new(disk.clone()), keys)?);
        let database = open::open_database(&pages, &settings)?;
        Self::start(pages, database, settings)
    }

    /// Makes the engine's file of a disk that holds no pages.
    #[cfg(test)]
    pub(crate) fn create_on(
        disk: &crate::pages::sim_disk::SimDisk,
        keys: PageKeys,
        settings: RedbSettings,
    ) -> Result<Self, OpenError> {
        SealedPages::create(disk, &keys, 0)?;
        let pages = Arc::new(SealedPages::open(Box::new(disk.clone()), keys)?);
        let database = open::create_database(&pages, &settings)?;
        Self::start(pages, database, settings)
    }

    /// A few bytes that are committed together with entries and are none of them, as they were when the file was opened.
    pub(crate) fn mark(&self) -> Option<&Bytes> {
        self.mark.as_ref()
    }

    /// What readers share.
    pub(crate) fn views(&self) -> &Views {
        &self.views
    }

    /// What refuses commits when less than `reserve_bytes` are left on the file system.
    pub(crate) fn room(&self, reserve_bytes: u64) -> Room {
        Room::new(Weak::clone(&self.pages), Arc::clone(&self.views), reserve_bytes)
    }

    /// Queues a commit, whose outcome arrives where this returns; that place is dropped when the engine is closed.
    pub(crate) fn request(&self, commit: Commit, mark: Option<Bytes>) -> oneshot::Receiver<Outcome> {
        let (request, outcome) = Request::new(commit, mark);
        if let Some(running) = &*self.running() {
            // One that the writer does not take is dropped, and with it the way back.
            let _ = running.requests.send(request);
        }
        outcome
    }

    /// A snapshot of the latest view.
    pub(crate) fn hold(&self) -> Result<RedbSnapshot, EngineError> {
        Ok(RedbSnapshot { views: Arc::clone(&self.views), held: self.views.hold()? })
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
        let outcome = self.request(commit, None);
        outcome.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.hold()?))
    }
}

/// A read transaction of redb, which the engine may end.
pub(crate) struct RedbSnapshot {
    views: Arc<Views>,
    held: Arc<HeldView>,
}

impl RedbSnapshot {
    /// Reads from its view.
    pub(crate) fn read<T>(&self, read: impl Fn(&View) -> Result<T, StorageError>) -> Result<T, EngineError> {
        self.views.read_held(&self.held, read)
    }
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
pub(crate) async fn off_worker<T: Send + 'static>(
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
