//! A store that was restored from a backup: what keeps its blobs until somebody has looked at them.

use coffer_meta::Commit;
use minicbor::{Decode, Encode};

use crate::error::{Committed, StoreError};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};

/// The backup that a store was restored from.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct Restored {
    /// The id of the backup.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub backup: [u8; 16],
    /// When the backup was taken, in milliseconds since 1970.
    #[n(1)]
    pub taken_ms: u64,
    /// When it was restored, in milliseconds since 1970.
    #[n(2)]
    pub restored_ms: u64,
}

/// The name of the row among those of jobs.
pub(crate) const ROW: &[u8] = b"restored";

impl Store {
    /// The backup that the store was restored from, until that is accepted: meanwhile no blob is removed.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn restored(&self) -> Result<Option<Restored>, StoreError> {
        Ok(self.system_row(Table::Job, &tables::job(ROW)).await?.map(|(restored, _)| restored))
    }

    /// Accepts what a restore brought: from now on blobs that no record names are garbage. Returns what was accepted.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn accept_restore(&self) -> Result<Option<Restored>, StoreError> {
        let row = tables::job(ROW);
        for _ in 0..MOST_TRIES {
            let Some((restored, sealed)) = self.system_row(Table::Job, &row).await? else { return Ok(None) };
            let mut commit = Commit::new();
            commit.check(row.clone(), Some(sealed)).delete(row.clone());
            if let Committed::Yes = self.commit(commit).await? {
                return Ok(Some(restored));
            }
        }
        Err(StoreError::Contention)
    }
}
