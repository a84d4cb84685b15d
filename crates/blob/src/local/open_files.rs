//! Files that stay open between reads, so that a long sequential read does not open its blob for every piece.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::store::BlobId;

/// The most recently read files, at most `limit` of them.
pub(super) struct OpenFiles {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: HashMap<BlobId, Held>,
    uses: u64,
    removals: u64,
}

struct Held {
    file: Arc<File>,
    last_use: u64,
}

/// A moment between two removals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl OpenFiles {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Returns the file of a blob if it is held, and otherwise the moment, which [`OpenFiles::hold`] asks for.
    pub(super) fn find(&self, id: BlobId) -> Result<Arc<File>, Moment> {
        let mut state = self.lock();
        state.uses += 1;
        let now = state.uses;
        let removals = state.removals;
        let held = state.files.get_mut(&id).ok_or(Moment(removals))?;
        held.last_use = now;
        Ok(Arc::clone(&held.file))
    }

    /// Holds a file that was opened after `moment`, in place of the one that was not read for longest.
    ///
    /// A blob may have been removed since it was opened, and held it would keep its space and stay readable. So a
    /// file is held only if nothing was removed since.
    pub(super) fn hold(&self, id: BlobId, file: Arc<File>, moment: Moment) {
        let mut state = self.lock();
        if self.limit == 0 || moment != Moment(state.removals) {
            return;
        }
        if state.files.len() >= self.limit
            && let Some(oldest) = state.files.iter().min_by_key(|(_, held)| held.last_use).map(|(id, _)| *id)
        {
            state.files.remove(&oldest);
        }
        state.uses += 1;
        let last_use = state.uses;
        state.files.insert(id, Held { file, last_use });
    }

    /// Lets go of a blob. Call this after its name is removed.
    pub(super) fn forget(&self, id: BlobId) {
        let held = {
            let mut state = self.lock();
            state.removals += 1;
            state.files.remove(&id)
        };
        // Closing a removed file frees its blocks, which takes long: not under the lock.
        drop(held);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BlobId = BlobId([1; 16]);
    const B: BlobId = BlobId([2; 16]);
    const C: BlobId = BlobId([3; 16]);

    fn file() -> Arc<File> {
        Arc::new(File::open("/dev/null").unwrap())
    }

    fn hold(files: &OpenFiles, id: BlobId) {
        let Err(moment) = files.find(id) else { panic!("held already") };
        files.hold(id, file(), moment);
    }

    #[test]
    fn the_file_read_longest_ago_makes_room() {
        let files = OpenFiles::new(2);
        hold(&files, A);
        hold(&files, B);
        assert!(files.find(A).is_ok());
        hold(&files, C);
        assert!(files.find(A).is_ok());
        assert!(files.find(B).is_err());
        assert!(files.find(C).is_ok());
    }

    #[test]
    fn a_file_opened_before_its_removal_is_not_held() {
        let files = OpenFiles::new(2);
        let Err(moment) = files.find(A) else { panic!("nothing is held yet") };
        files.forget(A);
        files.hold(A, file(), moment);
        assert!(files.find(A).is_err());
    }

    #[test]
    fn a_removed_file_is_let_go() {
        let files = OpenFiles::new(2);
        hold(&files, A);
        files.forget(A);
        assert!(files.find(A).is_err());
    }

    #[test]
    fn a_limit_of_zero_holds_nothing() {
        let files = OpenFiles::new(0);
        hold(&files, A);
        assert!(files.find(A).is_err());
    }
}
