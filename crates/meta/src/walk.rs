//! Going through all entries of a snapshot, with bounded memory.

use std::ops::Bound;

use crate::engine::{Direction, EngineError, Entry, KeyRange, Snapshot};

/// Entries of the first page, whose size nobody knows.
const FIRST_PAGE: usize = 64;
/// Bytes that a page should have.
const PAGE_BYTES: usize = 1 << 20;
/// The most entries of a page.
const MOST_ENTRIES: usize = 4096;

/// The entries of a snapshot in the order of their keys, about a mebibyte at a time.
pub struct Pages<'a> {
    snapshot: &'a dyn Snapshot,
    /// Where the next page starts; `None` after the last one.
    start: Option<Bound<Vec<u8>>>,
    limit: usize,
}

impl<'a> Pages<'a> {
    /// Starts with the first entry of `snapshot`.
    pub fn of(snapshot: &'a dyn Snapshot) -> Self {
        Self { snapshot, start: Some(Bound::Unbounded), limit: FIRST_PAGE }
    }

    /// The next entries, at least one; `None` when there are no more.
    ///
    /// # Errors
    /// [`EngineError`] when the snapshot cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, EngineError> {
        let Some(start) = self.start.take() else { return Ok(None) };
        let page =
            self.snapshot.scan(KeyRange { start, end: Bound::Unbounded }, self.limit, Direction::Forward).await?;
        let Some(last) = page.last() else { return Ok(None) };
        if page.len() == self.limit {
            self.start = Some(Bound::Excluded(last.key.to_vec()));
        }
        let bytes = page.iter().map(|entry| entry.key.len() + entry.value.len()).sum();
        self.limit = next_limit(self.limit, bytes);
        Ok(Some(page))
    }
}

/// The entries of the next page, from how large they were in this one.
fn next_limit(limit: usize, bytes: usize) -> usize {
    let fitting = limit.saturating_mul(PAGE_BYTES) / bytes.max(1);
    // Entries may be of another kind soon: a page grows slowly, and shrinks at once.
    fitting.clamp(1, limit.saturating_mul(2)).min(MOST_ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commit, Engine as _, MemoryEngine};

    #[test]
    fn pages_grow_slowly_and_shrink_at_once() {
        assert_eq!(next_limit(64, 64), 128);
        assert_eq!(next_limit(4096, 4096), MOST_ENTRIES);
        assert_eq!(next_limit(4096, 4096 << 16), 16);
        assert_eq!(next_limit(1, 100 << 20), 1);
    }

    #[tokio::test]
    async fn every_entry_comes_once_and_in_order() {
        for count in [0, 1, FIRST_PAGE - 1, FIRST_PAGE, FIRST_PAGE + 1, 3 * FIRST_PAGE, 1000] {
            let engine = MemoryEngine::new();
            let mut commit = Commit::new();
            for number in 0..count {
                commit.put(format!("{number:05}"), vec![0; number]);
            }
            engine.commit(commit).await.unwrap();
            let snapshot = engine.snapshot().await.unwrap();
            let mut pages = Pages::of(&*snapshot);
            let mut found = Vec::new();
            while let Some(page) = pages.next().await.unwrap() {
                assert!(!page.is_empty());
                found.extend(page);
            }
            assert!(pages.next().await.unwrap().is_none());
            assert!(found.is_sorted_by(|a, b| a.key < b.key));
            assert_eq!(found.len(), count);
        }
    }
}
