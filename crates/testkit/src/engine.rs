//! A metadata engine that fails on demand.

use std::convert::identity;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_meta::{Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot};

use crate::faults::Faults;

/// The calls of an [`Engine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum EngineCall {
    Get,
    Scan,
    Commit,
    Snapshot,
}

/// An engine whose calls go wrong as its [`Faults`] say, and otherwise do what `E` does.
///
/// Injected errors are of the type of commits: `EngineError::NoSpace.into()` suits every call,
/// `CommitError::Conflict(0)` suits commits only.
pub struct FailingEngine<E> {
    engine: E,
    faults: Faults<EngineCall, CommitError>,
}

impl<E> FailingEngine<E> {
    /// Wraps `engine`; no call fails yet.
    pub fn new(engine: E) -> Self {
        Self { engine, faults: Faults::new() }
    }

    /// Returns the faults, to add some, or to keep before the engine is given away.
    pub fn faults(&self) -> &Faults<EngineCall, CommitError> {
        &self.faults
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<E: Engine> Engine for FailingEngine<E> {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.faults.around(EngineCall::Get, of_read, self.engine.get(key)).await
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        self.faults.around(EngineCall::Scan, of_read, self.engine.scan(range, limit, direction)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.faults.around(EngineCall::Commit, identity, self.engine.commit(commit)).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.faults.around(EngineCall::Snapshot, of_read, self.engine.snapshot()).await?;
        Ok(Box::new(FailingSnapshot { snapshot, faults: self.faults.clone() }))
    }
}

/// A snapshot whose reads count, and go wrong, as those of the engine.
struct FailingSnapshot {
    snapshot: Box<dyn Snapshot>,
    faults: Faults<EngineCall, CommitError>,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Snapshot for FailingSnapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.faults.around(EngineCall::Get, of_read, self.snapshot.get(key)).await
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        self.faults.around(EngineCall::Scan, of_read, self.snapshot.scan(range, limit, direction)).await
    }
}

fn of_read(error: CommitError) -> EngineError {
    match error {
        CommitError::Engine(error) => error,
        CommitError::Conflict(_) => panic!("a test injects a conflict into a read, which has no checks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fault, When};
    use coffer_meta::MemoryEngine;

    fn full() -> CommitError {
        EngineError::NoSpace.into()
    }

    fn put() -> Commit {
        let mut commit = Commit::new();
        commit.put("key", "value");
        commit
    }

    #[tokio::test]
    async fn a_failed_commit_changes_nothing_unless_it_fails_afterwards() {
        for (fault, expected) in [(Fault::Fail(full), None), (Fault::FailAfter(full), Some(Bytes::from("value")))] {
            let engine = FailingEngine::new(MemoryEngine::default());
            engine.faults().inject(When::Nth(EngineCall::Commit, 1), fault);
            assert!(matches!(engine.commit(put()).await, Err(CommitError::Engine(EngineError::NoSpace))));
            assert_eq!(engine.get(b"key").await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_conflict_can_be_made_up() {
        let engine = FailingEngine::new(MemoryEngine::default());
        engine.faults().inject(When::Nth(EngineCall::Commit, 1), Fault::Fail(|| CommitError::Conflict(3)));
        assert!(matches!(engine.commit(put()).await, Err(CommitError::Conflict(3))));
        assert!(engine.commit(put()).await.is_ok());
    }

    #[tokio::test]
    async fn reads_fail_with_the_error_of_reads() {
        let engine = FailingEngine::new(MemoryEngine::default());
        for call in [EngineCall::Get, EngineCall::Scan] {
            engine.faults().inject(When::Every(call), Fault::Fail(full));
        }
        assert!(matches!(engine.get(b"key").await, Err(EngineError::NoSpace)));
        let scan = engine.scan(KeyRange::prefix(b""), 1, Direction::Forward).await;
        assert!(matches!(scan, Err(EngineError::NoSpace)));
        assert_eq!(engine.faults().calls(), [EngineCall::Get, EngineCall::Scan]);
    }
}
