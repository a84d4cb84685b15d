//! A store that was restored from a backup: what keeps its blobs until somebody has looked at them.

use coffer_keyring::{KeyError, Purpose, RootKeys, WrapContext};
use coffer_meta::{Commit, Entry};
use coffer_seal::RecordKey;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::bootstrap::Bootstrap;
use crate::error::{Committed, StoreError};
use crate::keys::open_with;
use crate::records::{BucketRecord, encode};
use crate::rows::RowTable;
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
const ROW: &[u8] = b"restored";

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

/// What a backup has to know of rows, without a store over them.
pub struct ColdRows {
    system: RecordKey,
}

impl ColdRows {
    /// The rows of the store with this bootstrap file.
    #[must_use]
    pub fn new(bootstrap: Bootstrap) -> Self {
        Self { system: RecordKey::new(bootstrap.metadata_key, bootstrap.generation) }
    }

    /// The row that says that the store was restored.
    #[must_use]
    pub fn mark(&self, restored: &Restored) -> Entry {
        let row = tables::job(ROW);
        let sealed = self.system.seal(Table::Job.name(), &row, &Zeroizing::new(encode(restored)));
        Entry { key: row.into(), value: sealed.into() }
    }

    /// Whether a row says how far the audit log beside the store was signed.
    #[must_use]
    pub fn is_audit_checkpoint(&self, key: &[u8]) -> bool {
        key == RowTable::Audit.row(b"checkpoint")
    }

    /// Whether a row is a bucket; if so, its keys were found to be wrapped by root keys that there are.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the row is not what was written, or the root key cannot unwrap a key of it;
    /// [`StoreError::Unavailable`] when the root key cannot be asked.
    pub async fn check_bucket(&self, root: &dyn RootKeys, row: &Entry) -> Result<bool, StoreError> {
        if !row.key.starts_with(&Table::Bucket.prefix()) {
            return Ok(false);
        }
        let record: BucketRecord = open_with(&self.system, Table::Bucket, &row.key, &row.value)?;
        for wrapped in &record.keys {
            let purpose = Purpose::BucketKey { bucket_id: record.id };
            let context = WrapContext { purpose, key_id: wrapped.id, generation: wrapped.generation };
            root.unwrap(&context, &wrapped.wrapped).await.map_err(|error| match error {
                KeyError::Unavailable(_) | KeyError::Denied(_) => error.into(),
                error => StoreError::Damaged(error.to_string()),
            })?;
        }
        Ok(true)
    }
}
