//! What is refused while the disk is nearly full.

use std::sync::{Arc, Weak};

use super::view::Views;
use super::writer::Request;
use crate::engine::EngineError;
use crate::pages::SealedPages;

/// Keeps commits from a file system that has little room left.
pub(crate) struct Room {
    /// Gone when the engine is closed.
    pages: Weak<SealedPages>,
    views: Arc<Views>,
    reserve_bytes: u64,
}

impl Room {
    pub(super) fn new(pages: Weak<SealedPages>, views: Arc<Views>, reserve_bytes: u64) -> Self {
        Self { pages, views, reserve_bytes }
    }

    /// Answers the commits for which the disk is too full, and returns the others.
    ///
    /// redb takes room as it goes and serves nothing after it found none. That can be mended, but it costs a walk
    /// through the file, so the engine stops before.
    pub(crate) fn refuse_without(&self, batch: Vec<Request>) -> Vec<Request> {
        // A file system that does not tell is taken at its word when it refuses.
        let available = self.pages.upgrade().and_then(|pages| pages.available().ok()).unwrap_or(u64::MAX);
        let reserve = self.reserve_bytes;
        // Before commits are refused for want of room, snapshots give back the pages that they hold.
        if available < reserve.saturating_add(reserve / 4) {
            self.views.end_snapshots();
        }
        if available >= reserve {
            return batch;
        }
        let mut accepted = Vec::new();
        for request in batch {
            let writes = &request.commit.writes;
            let deletes = writes.iter().any(|write| write.value.is_none());
            if writes.is_empty() || (deletes && available >= reserve / 2) {
                accepted.push(request);
            } else {
                request.answer(Err(EngineError::NoSpace.into()));
            }
        }
        accepted
    }
}
