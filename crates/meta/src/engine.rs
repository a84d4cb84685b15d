//! The seam between the domain and where its records live.

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// An ordered map of byte keys to byte values, changed only by whole commits.
///
/// Readers see the state as of the last commit, never a part of one. A commit that returned `Ok` is on
/// stable storage and survives any crash; one that did not return is wholly there or wholly absent.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Returns the value of `key` as of the last commit.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot read.
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Returns the first `limit` entries of `range`, from its start or (in reverse) from its end.
    ///
    /// The entries are of one commit, in the order asked for.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot read.
    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError>;

    /// Makes every write of `commit` durable if every check holds; otherwise changes nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] names the first check that failed; [`CommitError::Engine`] when the engine
    /// cannot write. After the latter it is unknown whether the commit will be there after a restart.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Returns a view of the state as of the last commit, which later commits do not change.
    ///
    /// An engine may need room for what is changed while a snapshot is held: drop it soon. It holds up nobody else.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot read.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;
}

/// The state of an [`Engine`] as of one commit.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Returns the value of `key` as of that commit.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot read; [`EngineError::SnapshotEnded`].
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Returns the first `limit` entries of `range` as of that commit, as [`Engine::scan`] does.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot read; [`EngineError::SnapshotEnded`].
    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError>;
}

/// A key and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Reverse,
}

/// A run of keys in byte order.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where the range starts.
    pub start: Bound<Vec<u8>>,
    /// Where the range ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key that starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: Bound::Included(prefix.to_vec()), end: end_of_prefix(prefix) }
    }

    /// Every key that starts with `prefix` and comes after `key`.
    #[must_use]
    pub fn prefix_after(prefix: &[u8], key: &[u8]) -> Self {
        Self { start: Bound::Excluded(key.to_vec()), ..Self::prefix(prefix) }
    }

    /// Every key that starts with `prefix` and is `key` or comes after it.
    #[must_use]
    pub fn prefix_from(prefix: &[u8], key: &[u8]) -> Self {
        Self { start: Bound::Included(key.to_vec()), ..Self::prefix(prefix) }
    }

    /// Whether no key can be inside: the start does not come before the end.
    ///
    /// Maps of the standard library and redb panic on such ranges.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
                start >= end
            }
        }
    }
}

/// The first key after every key that starts with `prefix`.
fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// A change as a value: what must hold, and what is then written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must hold, of the state just before the writes.
    pub checks: Vec<Check>,
    /// What is written, in order; a later write of the same key wins.
    pub writes: Vec<Write>,
}

/// A condition on one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Check {
    /// The key.
    pub key: Bytes,
    /// The value it must have; `None`: it must have none.
    pub expected: Option<Bytes>,
}

/// A write to one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Bytes,
    /// Its new value; `None` deletes it.
    pub value: Option<Bytes>,
}

impl Commit {
    /// An empty commit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the condition that `key` has the value `expected`, or none.
    pub fn check(&mut self, key: impl Into<Bytes>, expected: Option<Bytes>) -> &mut Self {
        self.checks.push(Check { key: key.into(), expected });
        self
    }

    /// Adds a write of `value` to `key`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write { key: key.into(), value: Some(value.into()) });
        self
    }

    /// Adds the deletion of `key`, whether it exists or not.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write { key: key.into(), value: None });
        self
    }
}

/// Why the engine cannot read or write.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The disk is full: nothing was changed; reads go on, and writes work again once there is room.
    #[error("no space left for metadata")]
    NoSpace,
    /// Stored bytes are not what was written: restore from a backup. What does not need them goes on.
    #[error("metadata is damaged: {0}")]
    Damaged(String),
    /// An earlier write failed, so it is unknown what is on disk: restart.
    #[error("metadata refuses work after a failed write: {0}")]
    Poisoned(String),
    /// The engine gave up the snapshot, because the disk is nearly full or the engine was closed: take another one.
    #[error("the snapshot of the metadata has ended")]
    SnapshotEnded,
    /// The disk or the system failed.
    #[error("metadata cannot be read or written")]
    Io(#[source] std::io::Error),
}

/// Why a commit did not happen.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The check with this index did not hold: read again, decide again.
    #[error("check {0} did not hold")]
    Conflict(usize),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
