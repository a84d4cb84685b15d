//! Sealed rows for what lies above the store and belongs to no bucket: accounts, users, access keys.

use bytes::Bytes;
use coffer_crypto::Key32;
use coffer_meta::{Commit, Direction, Engine, KeyRange};
use coffer_seal::RecordKey;

use crate::bootstrap::Bootstrap;
use crate::error::{Committed, StoreError};
use crate::keys::open_with;
use crate::store::Store;
use crate::tables::Table;

/// A table of rows whose meaning the store does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowTable {
    /// `H`: how far the audit log of keys was signed.
    Audit,
    /// `I`: accounts and who is in them.
    Identity,
    /// `K` + access key ID: access keys.
    AccessKey,
    /// `W`: keys of the KMS, their aliases and grants.
    Kms,
    /// `Y`: which backup of the root key was verified.
    KeyBackup,
}

impl RowTable {
    pub(crate) fn table(self) -> Table {
        match self {
            Self::Audit => Table::Audit,
            Self::Identity => Table::Identity,
            Self::AccessKey => Table::AccessKey,
            Self::Kms => Table::Kms,
            Self::KeyBackup => Table::KeyBackup,
        }
    }

    pub(crate) fn row(self, key: &[u8]) -> Vec<u8> {
        let mut row = self.table().prefix();
        row.extend_from_slice(key);
        row
    }
}

/// What a row was when it was read: a commit that checks it fails if the row has changed since.
#[derive(Clone, PartialEq, Eq)]
pub struct RowVersion(Option<Bytes>);

/// Changes to rows, to be made together or not at all.
#[derive(Default)]
pub struct RowChanges(Commit);

impl Store {
    /// Reads a row. Also returns its version, of a missing one too.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails or the row is damaged.
    pub async fn row<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: RowTable,
        key: &[u8],
    ) -> Result<(Option<T>, RowVersion), StoreError> {
        Ok(match self.system_row(table.table(), &table.row(key)).await? {
            Some((record, sealed)) => (Some(record), RowVersion(Some(sealed))),
            None => (None, RowVersion(None)),
        })
    }

    /// The version of a row, without opening it.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn row_version(&self, table: RowTable, key: &[u8]) -> Result<RowVersion, StoreError> {
        Ok(RowVersion(self.0.engine.get(&table.row(key)).await?))
    }

    /// Reads up to `limit` rows whose keys start with `prefix` and come after `after`, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails or a row is damaged.
    pub async fn rows<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: RowTable,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let start = table.row(prefix);
        let range = match after {
            Some(after) => KeyRange::prefix_after(&start, &table.row(after)),
            None => KeyRange::prefix(&start),
        };
        let entries = self.0.engine.scan(range, limit, Direction::Forward).await?;
        let open = |entry: coffer_meta::Entry| {
            let record = self.open_system(table.table(), &entry.key, &entry.value)?;
            Ok((entry.key[1..].to_vec(), record))
        };
        entries.into_iter().map(open).collect()
    }

    /// Makes changes durable. Returns `false`, and changes nothing, if a check fails.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn commit_rows(&self, changes: RowChanges) -> Result<bool, StoreError> {
        Ok(matches!(self.commit(changes.0).await?, Committed::Yes))
    }

    /// Seals a record for somebody who brings it back, such as a session token. `bound_to` must be the same then.
    #[must_use]
    pub fn seal_token<T: minicbor::Encode<()>>(&self, bound_to: &[u8], record: &T) -> Vec<u8> {
        self.seal_system(Table::Token, bound_to, record)
    }

    /// Opens what [`Store::seal_token`] sealed; `None` for anything else.
    #[must_use]
    pub fn open_token<T: for<'b> minicbor::Decode<'b, ()>>(&self, bound_to: &[u8], token: &[u8]) -> Option<T> {
        self.open_system(Table::Token, bound_to, token).ok()
    }
}

impl Bootstrap {
    /// Reads a row before there is a store over them.
    ///
    /// # Errors
    /// [`StoreError`] when the engine fails or the row is damaged.
    pub async fn row<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        engine: &dyn Engine,
        table: RowTable,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let row = table.row(key);
        let Some(sealed) = engine.get(&row).await? else { return Ok(None) };
        let metadata_key = Key32::from_slice(self.metadata_key.expose()).expect("a key has the length of a key");
        open_with(&RecordKey::new(metadata_key, self.generation), table.table(), &row, &sealed).map(Some)
    }
}

impl RowChanges {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the commit fail unless the row is as it was at `version`.
    pub fn check(&mut self, table: RowTable, key: &[u8], version: RowVersion) -> &mut Self {
        self.0.check(table.row(key), version.0);
        self
    }

    /// Writes a row.
    pub fn put<T: minicbor::Encode<()>>(
        &mut self,
        store: &Store,
        table: RowTable,
        key: &[u8],
        record: &T,
    ) -> &mut Self {
        let row = table.row(key);
        let sealed = store.seal_system(table.table(), &row, record);
        self.0.put(row, sealed);
        self
    }

    pub(crate) fn commit(&mut self) -> &mut Commit {
        &mut self.0
    }

    /// Writes a row that is sealed already.
    pub(crate) fn put_sealed(&mut self, row: Vec<u8>, sealed: Vec<u8>) -> &mut Self {
        self.0.put(row, sealed);
        self
    }

    /// Removes a row.
    pub fn delete(&mut self, table: RowTable, key: &[u8]) -> &mut Self {
        self.0.delete(table.row(key));
        self
    }
}
