//! Keeping what is wrapped by a generation of the root key from appearing after everything was wrapped anew.

use bytes::Bytes;
use coffer_meta::Commit;

use crate::error::StoreError;
use crate::records::RootFenceRecord;
use crate::rows::RowChanges;
use crate::store::Store;
use crate::tables::{self, Table};

const ROW: &[u8] = b"root-key";

/// That no rotation of the root key came to its second half since this was read: whoever wraps a key reads it before,
/// and checks it in the commit that stores the wrapped key. The job that wraps everything anew changes it first.
pub struct RootFence(Option<Bytes>);

impl RootFence {
    pub(crate) fn check(&self, commit: &mut Commit) {
        commit.check(tables::job(ROW), self.0.clone());
    }
}

impl RowChanges {
    /// Makes the commit fail if the root key was rotated since `fence` was read.
    pub fn check_root_fence(&mut self, fence: &RootFence) -> &mut Self {
        fence.check(self.commit());
        self
    }
}

impl Store {
    /// Reads the fence; to be done before a key is wrapped.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn root_fence(&self) -> Result<RootFence, StoreError> {
        Ok(RootFence(self.0.engine.get(&tables::job(ROW)).await?))
    }

    /// Makes commits fail of whoever wrapped a key before this.
    pub(crate) async fn move_root_fence(&self) -> Result<(), StoreError> {
        let row = tables::job(ROW);
        let description = self.0.root.describe();
        let record = RootFenceRecord {
            root_id: description.root_id,
            generation: description.generation,
            moved_ms: self.now_ms(),
        };
        let mut commit = Commit::new();
        commit.put(row.clone(), self.seal_system(Table::Job, &row, &record));
        self.commit(commit).await.map(drop)
    }
}
