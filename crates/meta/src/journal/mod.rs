//! The engine of a server: a sealed journal, and behind it a tree.
//!
//! A commit is durable once the journal has it, which is one write and one sync for all commits that wait. Its rows stay
//! in memory, in the [`overlay`], until the [`filler`] brings them into the tree, many at once and in order. Readers see
//! the overlay over the tree. After a crash the overlay is read back from the journal.

mod committer;
mod filler;
mod frame;
mod journal_file;
mod log;
mod overlay;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_crypto::Key32;

use crate::engine::{Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot, Write};
use crate::pages::PageKeys;
use crate::redb_engine::{
    Failure, OpenError, RedbEngine, RedbSettings, RedbSnapshot, Refusal, Request, Room, off_worker,
};
use committer::Committer;
use frame::FrameKeys;
use journal_file::{JournalFile, RealFile};
use log::{Log, LogError, Position};
use overlay::{Frozen, Overlay, Rows};

/// An [`Engine`] in two files: the metadata file, and while it is open the journal beside it, under its name with
/// `.journal` appended. Nothing of keys or values is readable in either.
///
/// Dropping it finishes the commits that wait, as [`JournaledEngine::close`] does.
pub struct JournaledEngine {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    requests: Sender<Request>,
    committer: JoinHandle<()>,
    filler: JoinHandle<()>,
    file: Arc<dyn JournalFile>,
}

/// Numbers that suit a server with 256 MiB of memory.
#[derive(Debug, Clone)]
pub struct JournalSettings {
    /// Those of the tree.
    pub tree: RedbSettings,
    /// Bytes up to which the journal grows. Default: 64 MiB.
    pub journal_bytes: u64,
    /// Bytes of rows in memory at which they are brought into the tree. While that is under way as many may come.
    /// Default: 16 MiB.
    pub overlay_bytes: usize,
    /// How long a row waits for others before it is brought into the tree. Default: two seconds.
    pub fill_after: Duration,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            tree: RedbSettings::default(),
            journal_bytes: 64 << 20,
            overlay_bytes: 16 << 20,
            fill_after: Duration::from_secs(2),
        }
    }
}

/// What readers and both threads share.
struct Shared {
    tree: RedbEngine,
    room: Room,
    journal_key: Key32,
    /// The id of the journal, which binds its frames to this tree.
    id: [u8; 16],
    overlay: Overlay,
    settings: JournalSettings,
    control: Mutex<Control>,
    /// Told of every change of `control`.
    changed: Condvar,
}

/// What the two threads tell each other.
#[derive(Default)]
struct Control {
    /// Up to where the tree has every row of the journal, durably.
    taken: Position,
    /// Whether the tree may know that there is a journal.
    in_use: bool,
    /// Whether the tree is to take rows now.
    wanted: bool,
    /// Whether there are rows since a moment ago.
    began: bool,
    /// Why the tree did not take rows the last time.
    stuck: Option<Refusal>,
    /// Whether no commit comes any more.
    closing: bool,
}

impl JournaledEngine {
    /// Opens the file at `path` and its journal, or makes the file. After a crash the journal is read.
    ///
    /// # Errors
    /// [`OpenError`]. A file that was sealed under another key, or that another engine has open, is not touched.
    pub fn open(path: &Path, keys: PageKeys, settings: JournalSettings) -> Result<Self, OpenError> {
        let journal_key = keys.journal_key();
        let tree = RedbEngine::open_with_mark(path, keys, settings.tree())?;
        Self::start(tree, Arc::new(RealFile::beside(path)), journal_key, settings)
    }

    fn start(
        tree: RedbEngine,
        file: Arc<dyn JournalFile>,
        journal_key: Key32,
        settings: JournalSettings,
    ) -> Result<Self, OpenError> {
        let mark = match tree.mark() {
            Some(mark) => Mark::parse(mark).ok_or_else(|| damaged("its mark is not one"))?,
            None => Mark { id: coffer_crypto::random_array(), taken: Position::default(), in_use: false },
        };
        let (log, rows) = if mark.in_use {
            let disk = file.open()?.ok_or_else(|| damaged("it is missing"))?;
            let keys = FrameKeys::new(&journal_key, mark.id);
            let opened = Log::open(disk, keys, mark.taken, settings.journal_bytes);
            let (log, rows) = opened.map_err(|error| match error {
                LogError::Damaged(what) => damaged(what),
                LogError::Io(error) => OpenError::Io(error),
            })?;
            (Some(log), rows)
        } else {
            // What a crash left while the journal was made or removed: nobody was told of anything in it.
            file.remove()?;
            (None, Rows::new())
        };
        let overlay = Overlay::new(rows, log.as_ref().map_or(mark.taken, Log::head));
        let control = Control { taken: mark.taken, in_use: mark.in_use, ..Control::default() };
        let shared = Arc::new(Shared {
            room: tree.room(settings.tree.reserve_bytes),
            tree,
            journal_key,
            id: mark.id,
            overlay,
            settings,
            control: Mutex::new(control),
            changed: Condvar::new(),
        });
        let (requests, queue) = channel();
        let committer = Committer::new(Arc::clone(&shared), queue, Arc::clone(&file), log);
        let committer = std::thread::Builder::new().name("metadata-journal".into()).spawn(|| committer.run())?;
        let filler = std::thread::Builder::new().name("metadata-filler".into()).spawn({
            let shared = Arc::clone(&shared);
            move || filler::run(&shared)
        })?;
        Ok(Self { shared, running: Mutex::new(Some(Running { requests, committer, filler, file })) })
    }

    /// Finishes the commits that wait, brings everything into the tree, removes the journal and closes the file. The
    /// engine refuses work afterwards; to close it again is no error.
    ///
    /// # Errors
    /// [`EngineError`] when that was not possible; what was acknowledged is safe all the same, in the journal.
    pub fn close(&self) -> Result<(), EngineError> {
        let Some(Running { requests, committer, filler, file }) = self.running().take() else { return Ok(()) };
        drop(requests);
        let panicked = |_| EngineError::Poisoned("a thread of the engine panicked".into());
        let committed = committer.join().map_err(panicked);
        self.shared.control().closing = true;
        self.shared.changed.notify_all();
        let emptied = committed.and(filler.join().map_err(panicked)).and_then(|()| self.shared.retire(&*file));
        emptied.and(self.shared.tree.close())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged(format!("the journal: {what}"))
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row of `key`, from the overlay or from the tree.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.tree.views().read_with(
            || {
                let layers = self.overlay.read();
                let row = layers.get(key);
                // The view must be of the time of the look into the overlay: rows leave that for the tree.
                Ok((self.tree.views().current()?, row))
            },
            |view, row| match row {
                Some(row) => Ok(row.clone()),
                None => view.get(key),
            },
        )
    }

    /// Entries of the overlay over the tree. `range` must not be empty.
    fn scan(&self, range: &KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        self.tree.views().read_with(
            || {
                let layers = self.overlay.read();
                let rows = layers.collect(range, limit, direction);
                Ok((self.tree.views().current()?, rows))
            },
            |view, rows| view.scan_under(rows, range, limit, direction),
        )
    }

    fn snapshot(&self) -> Result<JournaledSnapshot, EngineError> {
        let mut layers = self.overlay.write();
        let frozen = layers.freeze();
        let depth = layers.depth();
        let tree = self.tree.hold()?;
        drop(layers);
        if depth > MOST_LAYERS {
            self.want_fill();
        }
        Ok(JournaledSnapshot { frozen: Arc::new(frozen), tree: Arc::new(tree) })
    }

    /// Reads the page of `key` in the tree, if the overlay does not have the row.
    fn touch(&self, key: &[u8]) -> Result<(), EngineError> {
        self.tree.views().read_with(
            || {
                let layers = self.overlay.read();
                let known = layers.get(key).is_some();
                Ok((self.tree.views().current()?, known))
            },
            |view, known| if *known { Ok(()) } else { view.touch(key) },
        )
    }

    /// Up to where the tree has every row of the journal.
    fn taken(&self) -> Position {
        self.control().taken
    }

    fn frame_keys(&self) -> FrameKeys {
        FrameKeys::new(&self.journal_key, self.id)
    }

    /// Tells the tree that there is a journal, whose frames follow `taken`.
    fn begin_journal(&self, taken: Position) -> Result<(), Refusal> {
        // Should this fail, it is unknown what the tree knows.
        self.control().in_use = true;
        self.write_to_tree(Vec::new(), Some(Mark { id: self.id, taken, in_use: true }))?;
        self.overlay.write().apply(Rows::new(), taken);
        self.control().taken = taken;
        Ok(())
    }

    /// Shows the rows of a durable frame to readers. `hurry`: the journal wants them in the tree soon.
    fn show(&self, rows: Rows, end: Position, hurry: bool) {
        let mut layers = self.overlay.write();
        let began = layers.since().is_none();
        layers.apply(rows, end);
        let wanted = hurry || layers.bytes() >= self.settings.overlay_bytes;
        drop(layers);
        if began || wanted {
            let mut control = self.control();
            control.began |= began;
            control.wanted |= wanted;
            drop(control);
            self.changed.notify_all();
        }
    }

    /// Whether there are so many rows in memory that commits must wait for the tree.
    fn is_crowded(&self) -> bool {
        self.overlay.read().bytes() >= self.settings.overlay_bytes.saturating_mul(2)
    }

    /// Has the tree take rows, and waits until it has taken some, or for `patience`.
    ///
    /// # Errors
    /// Why it could not take any the last time.
    fn wait_for_tree(&self, patience: Duration) -> Result<(), Refusal> {
        let mut control = self.control();
        control.wanted = true;
        self.changed.notify_all();
        let taken = control.taken;
        let control = self.wait_while(control, patience, |control| control.taken == taken && control.stuck.is_none());
        control.stuck.clone().map_or(Ok(()), Err)
    }

    /// Waits for as long as `condition` holds, at most `patience`.
    fn wait_while<'a>(
        &self,
        control: MutexGuard<'a, Control>,
        patience: Duration,
        condition: impl Fn(&Control) -> bool,
    ) -> MutexGuard<'a, Control> {
        let waited = self.changed.wait_timeout_while(control, patience, |control| condition(control));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes rows, and what is known of the journal, to the tree, and returns when they are durable.
    fn write_to_tree(&self, writes: Vec<Write>, mark: Option<Mark>) -> Result<(), Refusal> {
        let commit = Commit { checks: Vec::new(), writes };
        let outcome = self.tree.request(commit, mark.map(Mark::to_bytes));
        let Ok(outcome) = outcome.blocking_recv() else {
            return Err(Refusal::Failed(Failure::Poisoned("the tree is closed".into())));
        };
        outcome.map_err(|error| match error {
            CommitError::Engine(EngineError::NoSpace) => Refusal::NoSpace,
            CommitError::Engine(EngineError::Damaged(what)) => Refusal::Failed(Failure::Damaged(what)),
            error => Refusal::Failed(Failure::Poisoned(error.to_string())),
        })
    }

    /// Has the filler start at once.
    fn want_fill(&self) {
        self.control().wanted = true;
        self.changed.notify_all();
    }

    /// Removes the journal, once the tree has everything in it.
    fn retire(&self, file: &dyn JournalFile) -> Result<(), EngineError> {
        match &self.control().stuck {
            Some(refusal) => Err(refusal.clone().into()),
            None => file.remove().map_err(EngineError::Io),
        }
    }
}

impl JournalSettings {
    /// The tree's settings. It has room for what the journal took: commits are refused long before it finds none. And it
    /// opens quickly after a crash, because it writes rarely.
    fn tree(&self) -> RedbSettings {
        RedbSettings { reserve_bytes: self.tree.reserve_bytes / 4, checkpoint_always: true, ..self.tree.clone() }
    }
}

/// Layers of the overlay above which the tree takes them at once: every reader looks through all.
const MOST_LAYERS: usize = 6;
/// Scans of more entries than this leave the async worker: they may read many pages.
const INLINE_SCAN_LIMIT: usize = 128;

#[async_trait]
impl Engine for JournaledEngine {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.shared.get(key)
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let shared = Arc::clone(&self.shared);
        let scan = move || shared.scan(&range, limit, direction);
        if limit > INLINE_SCAN_LIMIT { off_worker(scan).await } else { scan() }
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (request, outcome) = Request::new(commit, None);
        let sent = match &*self.running() {
            Some(running) => running.requests.send(request).is_ok(),
            None => false,
        };
        let stopped = || EngineError::Poisoned("the engine is closed".into()).into();
        if !sent {
            return Err(stopped());
        }
        outcome.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.shared.snapshot()?))
    }
}

/// The overlay and the tree as of one commit.
struct JournaledSnapshot {
    frozen: Arc<Frozen>,
    tree: Arc<RedbSnapshot>,
}

#[async_trait]
impl Snapshot for JournaledSnapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.frozen.get(key) {
            // Read for the sake of the end of the snapshot alone.
            Some(row) => self.tree.read(|_| Ok(row.clone())),
            None => self.tree.read(|view| view.get(key)),
        }
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (frozen, tree) = (Arc::clone(&self.frozen), Arc::clone(&self.tree));
        off_worker(move || {
            let rows = frozen.collect(&range, limit, direction);
            tree.read(|view| view.scan_under(&rows, &range, limit, direction))
        })
        .await
    }
}

impl Drop for JournaledEngine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the metadata file was not closed cleanly");
        }
    }
}

/// What the tree knows of its journal: written with the rows that it takes.
#[derive(Clone, Copy)]
struct Mark {
    id: [u8; 16],
    taken: Position,
    /// Whether there is a journal that may have more rows.
    in_use: bool,
}

impl Mark {
    fn to_bytes(self) -> Bytes {
        let fields =
            [&self.id[..], &self.taken.seq.to_be_bytes(), &self.taken.offset.to_be_bytes(), &[self.in_use.into()]];
        fields.concat().into()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let taken = Position { seq: u64::from_be_bytes(*seq), offset: u64::from_be_bytes(*offset) };
        match rest {
            [in_use @ (0 | 1)] => Some(Self { id: *id, taken, in_use: *in_use == 1 }),
            _ => None,
        }
    }
}

/// Whether the tree with this mark may be without commits that its journal has.
pub(crate) fn journal_in_use(mark: &[u8]) -> bool {
    Mark::parse(mark).is_none_or(|mark| mark.in_use)
}

/// A path with `.journal` appended to its name.
fn journal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}
