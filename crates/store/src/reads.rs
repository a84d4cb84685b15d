//! Several reads of one state.

use bytes::Bytes;
use coffer_meta::{Direction, Engine, EngineError, Entry, KeyRange, Snapshot};

/// Where rows are read: all as of one commit, or each as of the latest one.
pub(crate) struct Reads<'a> {
    engine: &'a dyn Engine,
    snapshot: Option<Box<dyn Snapshot>>,
}

impl<'a> Reads<'a> {
    /// Each read is of the latest state.
    pub(crate) fn latest(engine: &'a dyn Engine) -> Self {
        Self { engine, snapshot: None }
    }

    /// All reads are of the state as it is now. Only if the engine gives up the snapshot, as it does when the disk is
    /// nearly full, reads from then on are of the latest state: better than none.
    pub(crate) async fn of_now(engine: &'a dyn Engine) -> Result<Self, EngineError> {
        Ok(Self { engine, snapshot: Some(engine.snapshot().await?) })
    }

    pub(crate) async fn get(&self, row: &[u8]) -> Result<Option<Bytes>, EngineError> {
        if let Some(snapshot) = &self.snapshot {
            match snapshot.get(row).await {
                Err(EngineError::SnapshotEnded) => {}
                read => return read,
            }
        }
        self.engine.get(row).await
    }

    /// Reads the first `limit` rows of a range.
    pub(crate) async fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<Entry>, EngineError> {
        if let Some(snapshot) = &self.snapshot {
            match snapshot.scan(range.clone(), limit, Direction::Forward).await {
                Err(EngineError::SnapshotEnded) => {}
                read => return read,
            }
        }
        self.engine.scan(range.clone(), limit, Direction::Forward).await
    }
}
