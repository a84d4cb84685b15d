//! Rows without a store over them: what a backup has to know of them.

use async_trait::async_trait;
use coffer_keyring::{KeyError, Purpose, RootId, RootKeys, WrapContext};
use coffer_meta::Entry;
use coffer_seal::RecordKey;
use zeroize::Zeroizing;

use crate::bootstrap::Bootstrap;
use crate::error::StoreError;
use crate::keys::open_with;
use crate::records::{BucketRecord, encode};
use crate::restored::{ROW, Restored};
use crate::rows::RowTable;
use crate::tables::{self, Table};

/// The rows of the store with a bootstrap file.
pub struct ColdRows {
    system: RecordKey,
}

/// The keys in a row, and whether those can be unwrapped that wrap them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedKeys {
    /// Of what they are: `bucket`, `KMS key`.
    pub of: &'static str,
    /// Of which one.
    pub name: String,
    /// What wraps them.
    pub wrapped_by: Vec<(RootId, u32)>,
    /// Why some of them cannot be unwrapped, a sentence for each.
    pub closed: Vec<String>,
}

/// Knows the keys in some rows.
#[async_trait]
pub trait KeysOfRows: Send + Sync {
    /// Unwraps the keys in a row; `None` when it is another kind of row.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when a root key cannot be asked.
    async fn check(&self, rows: &ColdRows, row: &Entry) -> Result<Option<CheckedKeys>, StoreError>;
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

    /// Opens a row if it is of this table and its key starts with `prefix` there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not what was written.
    pub fn open<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: RowTable,
        prefix: &[u8],
        row: &Entry,
    ) -> Option<Result<T, StoreError>> {
        let table = table.table();
        let is_of_it = row.key.strip_prefix(&table.prefix()[..]).is_some_and(|key| key.starts_with(prefix));
        is_of_it.then(|| open_with(&self.system, table, &row.key, &row.value))
    }
}

/// The keys of buckets.
pub struct KeysOfBuckets<'a>(pub &'a dyn RootKeys);

#[async_trait]
impl KeysOfRows for KeysOfBuckets<'_> {
    async fn check(&self, rows: &ColdRows, row: &Entry) -> Result<Option<CheckedKeys>, StoreError> {
        let Some(name) = row.key.strip_prefix(&Table::Bucket.prefix()[..]) else { return Ok(None) };
        let mut checked = CheckedKeys::new("bucket", String::from_utf8_lossy(name).into_owned());
        match open_with::<BucketRecord>(&rows.system, Table::Bucket, &row.key, &row.value) {
            Ok(record) => {
                for wrapped in &record.keys {
                    let purpose = Purpose::BucketKey { bucket_id: record.id };
                    let context = WrapContext { purpose, key_id: wrapped.id, generation: wrapped.generation };
                    checked.unwrap(self.0, &context, &wrapped.wrapped).await?;
                }
            }
            Err(error) => checked.closed.push(error.to_string()),
        }
        Ok(Some(checked))
    }
}

impl CheckedKeys {
    /// None checked yet.
    #[must_use]
    pub fn new(of: &'static str, name: String) -> Self {
        Self { of, name, wrapped_by: Vec::new(), closed: Vec::new() }
    }

    /// Unwraps one of the keys.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the root key cannot be asked.
    pub async fn unwrap(
        &mut self,
        root: &dyn RootKeys,
        context: &WrapContext,
        wrapped: &[u8],
    ) -> Result<(), StoreError> {
        self.wrapped_by.extend(root.generation_of(wrapped).ok());
        match root.unwrap(context, wrapped).await {
            Ok(_) => {}
            Err(error @ KeyError::Unavailable(_)) => return Err(error.into()),
            Err(KeyError::UnknownGeneration(generation)) => self.closed.push(format!(
                "it needs generation {generation} of the root key, which was destroyed or is not in this keyring"
            )),
            Err(error) => self.closed.push(error.to_string()),
        }
        Ok(())
    }
}
