//! Snapshots for readers, and what becomes of them when the file fails.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase, StorageError};

use super::open::TABLE;
use crate::engine::{Direction, EngineError, Entry, KeyRange};
use crate::pages::{Fault, Faults, catch};

/// Runs `work` on redb; the inner error when a page that it needs cannot be read, which leaves redb in order.
///
/// A transaction that wrote must be aborted then.
pub(super) fn reading<T>(work: impl FnOnce() -> Result<T, StorageError>) -> Result<Result<T, Fault>, StorageError> {
    match catch(work) {
        Ok(Ok(value)) => Ok(Ok(value)),
        // The page opens, but is not one that redb can have put there.
        Ok(Err(StorageError::Corrupted(what))) => Ok(Err(Fault::Damaged(what))),
        Ok(Err(error)) => Err(error),
        Err(fault) => Ok(Err(fault)),
    }
}

/// The state as of one commit.
pub(crate) struct View(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl View {
    pub(super) fn new(database: &Database) -> Result<Self, redb::Error> {
        Ok(Self(database.begin_read()?.open_table(TABLE)?))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.get(key)?.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// Reads the page of `key`.
    pub(crate) fn touch(&self, key: &[u8]) -> Result<(), StorageError> {
        self.0.get(key).map(drop)
    }

    /// `range` must not be empty: redb panics on a range whose start lies after its end.
    pub(super) fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Entry>, StorageError> {
        self.scan_under(&[], range, limit, direction)
    }

    /// As [`View::scan`], with `rows` over it: in the order of `direction`, inside of `range`, `None` for what is
    /// deleted; as many as hold `limit` that are not, if they are not all.
    pub(crate) fn scan_under(
        &self,
        rows: &[(Bytes, Option<Bytes>)],
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Entry>, StorageError> {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (range.start.as_ref().map(Vec::as_slice), range.end.as_ref().map(Vec::as_slice));
        let found = self.0.range::<&[u8]>(bounds)?;
        match direction {
            Direction::Forward => merge(rows, found, limit, |row, key| row.cmp(key)),
            Direction::Reverse => merge(rows, found.rev(), limit, |row, key| key.cmp(row)),
        }
    }
}

/// A key and a value as redb lends them.
type Lent = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

/// The first `limit` entries of `rows` and `found` together; where both have a key, `rows` counts.
fn merge(
    rows: &[(Bytes, Option<Bytes>)],
    mut found: impl Iterator<Item = Result<Lent, StorageError>>,
    limit: usize,
    order: impl Fn(&[u8], &[u8]) -> Ordering,
) -> Result<Vec<Entry>, StorageError> {
    let mut entries = Vec::new();
    let mut rows = rows.iter();
    let mut row = rows.next();
    let mut lent = None;
    while entries.len() < limit {
        if lent.is_none() {
            lent = found.next().transpose()?;
        }
        let first = match (row, &lent) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) => order(key, other.value()),
        };
        if first == Ordering::Greater {
            let (key, value) = lent.take().expect("it comes first");
            entries
                .push(Entry { key: Bytes::copy_from_slice(key.value()), value: Bytes::copy_from_slice(value.value()) });
            continue;
        }
        if first == Ordering::Equal {
            lent = None;
        }
        let (key, value) = row.expect("it comes first");
        if let Some(value) = value {
            entries.push(Entry { key: key.clone(), value: value.clone() });
        }
        row = rows.next();
    }
    Ok(entries)
}

/// Why the engine refuses all work until it is opened again.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Damaged(String),
    Poisoned(String),
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Damaged(what) => Self::Damaged(what),
            Failure::Poisoned(what) => Self::Poisoned(what),
        }
    }
}

/// The view that readers share.
///
/// A page that cannot be read fails the call that needs it and no other. After any other failed operation redb serves
/// nothing from the file: if that was for want of room, the writer opens the database anew, and readers wait for it;
/// anything else is final.
pub(crate) struct Views {
    faults: Arc<Faults>,
    state: Mutex<State>,
    changed: Condvar,
    snapshots: Mutex<Snapshots>,
}

/// The snapshots that there are.
#[derive(Default)]
struct Snapshots {
    held: Vec<Weak<HeldView>>,
    /// How often they were ended: a view from before the last time is not held any more.
    endings: u64,
}

/// The view of a snapshot, until the engine takes it back.
///
/// redb frees no page that an open view may still need, so the file grows by what is changed meanwhile.
pub(super) struct HeldView(Mutex<Option<Arc<View>>>);

impl HeldView {
    /// The view; `None` once it was taken back.
    fn view(&self) -> Option<Arc<View>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

enum State {
    Open(Arc<View>),
    /// The writer is opening the database anew.
    Reopening,
    Failed(Failure),
}

impl Views {
    pub(super) fn new(faults: Arc<Faults>, view: View) -> Self {
        let state = Mutex::new(State::Open(Arc::new(view)));
        Self { faults, state, changed: Condvar::new(), snapshots: Mutex::default() }
    }

    /// Gives readers the state as of the latest commit. A failure stays.
    pub(super) fn publish(&self, view: View) {
        self.replace(State::Open(Arc::new(view)));
    }

    /// Makes readers wait for the next [`Views::publish`] or [`Views::fail`].
    ///
    /// Snapshots are of the database that is given up, and end.
    pub(super) fn suspend(&self) {
        self.end_snapshots();
        self.replace(State::Reopening);
    }

    /// Refuses all work from now on; the first failure counts.
    pub(super) fn fail(&self, failure: Failure) {
        self.end_snapshots();
        self.replace(State::Failed(failure));
    }

    /// Why the engine refuses work, if it does.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match &*self.lock() {
            State::Failed(failure) => Some(failure.clone()),
            State::Open(_) | State::Reopening => None,
        }
    }

    /// What `error` means for the engine: `None` that it wants room, which the writer can mend.
    pub(super) fn judge(&self, error: &redb::Error) -> Option<Failure> {
        match (self.faults.first(), error) {
            (Some(Fault::NoSpace), _) => None,
            (Some(Fault::Damaged(what)), _) => Some(Failure::Damaged(what)),
            (None, redb::Error::Corrupted(what)) => Some(Failure::Damaged(what.clone())),
            (Some(Fault::Io(what)), _) => Some(Failure::Poisoned(what)),
            (None, error) => Some(Failure::Poisoned(error.to_string())),
        }
    }

    /// Holds the latest view for a snapshot.
    pub(super) fn hold(&self) -> Result<Arc<HeldView>, EngineError> {
        loop {
            let endings = self.snapshots().endings;
            let view = self.current()?;
            let mut snapshots = self.snapshots();
            if snapshots.endings == endings {
                let held = Arc::new(HeldView(Mutex::new(Some(view))));
                snapshots.held.retain(|snapshot| snapshot.strong_count() > 0);
                snapshots.held.push(Arc::downgrade(&held));
                return Ok(held);
            }
        }
    }

    /// Takes back the views of all snapshots, so that redb can free what they hold.
    pub(super) fn end_snapshots(&self) {
        let mut snapshots = self.snapshots();
        snapshots.endings += 1;
        for held in snapshots.held.drain(..).filter_map(|snapshot| snapshot.upgrade()) {
            drop(held.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from a view that is held. What fails is the snapshot's trouble: whoever reads the latest view finds out
    /// whether it is the engine's.
    pub(super) fn read_held<T>(
        &self,
        held: &HeldView,
        read: impl Fn(&View) -> Result<T, StorageError>,
    ) -> Result<T, EngineError> {
        let view = held.view().ok_or(EngineError::SnapshotEnded)?;
        let outcome = reading(|| read(&view));
        // The database under a view that was taken back may be another one by now.
        if held.view().is_none() {
            return Err(EngineError::SnapshotEnded);
        }
        match outcome {
            Ok(outcome) => outcome.map_err(EngineError::from),
            Err(error) => Err(EngineError::Io(std::io::Error::other(error))),
        }
    }

    /// Reads from the latest view.
    pub(super) fn read<T>(&self, read: impl Fn(&View) -> Result<T, StorageError>) -> Result<T, EngineError> {
        self.read_with(|| Ok((self.current()?, ())), |view, ()| read(view))
    }

    /// Reads from a view that `pick` chose, which must be the latest, and from what it found beside it. Both are called
    /// again when the database has been opened anew meanwhile.
    pub(crate) fn read_with<T, B>(
        &self,
        pick: impl Fn() -> Result<(Arc<View>, B), EngineError>,
        read: impl Fn(&View, &B) -> Result<T, StorageError>,
    ) -> Result<T, EngineError> {
        loop {
            let (view, beside) = pick()?;
            let error = match reading(|| read(&view, &beside)) {
                Ok(outcome) => return outcome.map_err(EngineError::from),
                Err(error) => redb::Error::from(error),
            };
            let mut state = self.lock();
            // Another view may be of a database opened anew: only an error of the latest one tells anything.
            if !state.is(&view) {
                continue;
            }
            match self.judge(&error) {
                Some(failure) => {
                    tracing::error!(?failure, "metadata cannot be read");
                    *state = State::Failed(failure);
                }
                None => drop(self.changed.wait_while(state, |state| state.is(&view))),
            }
        }
    }

    /// The latest view.
    pub(crate) fn current(&self) -> Result<Arc<View>, EngineError> {
        let state = self.changed.wait_while(self.lock(), |state| matches!(state, State::Reopening));
        match &*state.unwrap_or_else(PoisonError::into_inner) {
            State::Open(view) => Ok(Arc::clone(view)),
            State::Reopening => unreachable!("the wait ends with another state"),
            State::Failed(failure) => Err(failure.clone().into()),
        }
    }

    fn replace(&self, next: State) {
        let mut state = self.lock();
        if matches!(*state, State::Failed(_)) {
            return;
        }
        let last = std::mem::replace(&mut *state, next);
        drop(state);
        self.changed.notify_all();
        // Ending a read transaction takes locks of redb; no reader waits for that.
        drop(last);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is(&self, view: &Arc<View>) -> bool {
        matches!(self, Self::Open(current) if Arc::ptr_eq(current, view))
    }
}
