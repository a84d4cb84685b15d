//! An engine that forgets: for tests of what is built on engines.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;

use crate::engine::{Check, Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot};

/// An [`Engine`] in memory. What it calls durable is gone with the process.
#[derive(Default)]
pub struct MemoryEngine {
    /// Copied by the commit after a snapshot, if that is still there.
    entries: RwLock<Arc<BTreeMap<Bytes, Bytes>>>,
}

impl MemoryEngine {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        Ok(scan(&self.entries.read().unwrap_or_else(PoisonError::into_inner), &range, limit, direction))
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let holds = |check: &Check| entries.get(&check.key) == check.expected.as_ref();
        if let Some(failed) = commit.checks.iter().position(|check| !holds(check)) {
            return Err(CommitError::Conflict(failed));
        }
        let entries = Arc::make_mut(&mut entries);
        for write in commit.writes {
            match write.value {
                Some(value) => entries.insert(write.key, value),
                None => entries.remove(&write.key),
            };
        }
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(MemorySnapshot(Arc::clone(&self.entries.read().unwrap_or_else(PoisonError::into_inner)))))
    }
}

/// Everything, as it was.
struct MemorySnapshot(Arc<BTreeMap<Bytes, Bytes>>);

#[async_trait]
impl Snapshot for MemorySnapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(key).cloned())
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        Ok(scan(&self.0, &range, limit, direction))
    }
}

fn scan(entries: &BTreeMap<Bytes, Bytes>, range: &KeyRange, limit: usize, direction: Direction) -> Vec<Entry> {
    if range.is_empty() {
        return Vec::new();
    }
    let bounds = (range.start.as_ref().map(Vec::as_slice), range.end.as_ref().map(Vec::as_slice));
    let found = entries.range::<[u8], _>(bounds).map(|(key, value)| Entry { key: key.clone(), value: value.clone() });
    match direction {
        Direction::Forward => found.take(limit).collect(),
        Direction::Reverse => found.rev().take(limit).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::conformance!(MemoryEngine::new());
}
