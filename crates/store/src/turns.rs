//! Taking turns at rows that many want to change at once.
//!
//! An engine that gathers commits lets one of all that were decided on the same state hold. Whoever has lost a race
//! for a row therefore waits until those who lost before are done; whoever has not lost yet waits for nobody.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::error::StoreError;
use crate::store::MOST_TRIES;

/// The queues of those who wait. Several rows share one, which costs time and nothing else.
pub(crate) struct Turns {
    queues: [Mutex<()>; 64],
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { queues: [const { Mutex::const_new(()) }; 64], hasher: RandomState::new() }
    }
}

/// A change that is tried until it holds.
pub(crate) struct Attempts<'a> {
    turns: &'a Turns,
    left: usize,
    turn: Option<MutexGuard<'a, ()>>,
}

impl Turns {
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { turns: self, left: MOST_TRIES, turn: None }
    }
}

impl Attempts<'_> {
    /// Waits for the turn at `row`, for which the race was lost. It lasts until the next loss or the end.
    ///
    /// # Errors
    /// [`StoreError::Contention`] after [`MOST_TRIES`].
    pub(crate) async fn lost(&mut self, row: &[u8]) -> Result<(), StoreError> {
        // One turn at a time: two that wait for each other's would wait for ever.
        self.turn = None;
        self.left = self.left.checked_sub(1).ok_or(StoreError::Contention)?;
        let queue = self.turns.hasher.hash_one(row) as usize % self.turns.queues.len();
        self.turn = Some(self.turns.queues[queue].lock().await);
        Ok(())
    }
}
