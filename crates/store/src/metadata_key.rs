//! A new metadata key, and every row of the store brought under it: into another engine, while nobody uses the store.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use coffer_crypto::{Key32, Sha256};
use coffer_keyring::RootKeys;
use coffer_meta::{Commit, Engine, Entry, Pages, Snapshot};
use coffer_seal::RecordKey;
use zeroize::Zeroizing;

use crate::bootstrap::{BootstrapError, BootstrapKey};
use crate::error::{Committed, StoreError, committed};
use crate::records::encode;
use crate::rows::RowTable;
use crate::tables::Table;

/// Bytes of rows in one commit.
const COMMIT_BYTES: usize = 2 << 20;

/// The metadata key that is to take the place of the one in use.
pub struct NextMetadataKey {
    stored: BootstrapKey,
    metadata_key: Key32,
    current: RecordKey,
    next: RecordKey,
}

/// What was brought under a new metadata key.
#[derive(Clone, PartialEq, Eq)]
pub struct CopiedRows {
    /// Rows that there are.
    pub rows: u64,
    /// Rows that were sealed anew.
    pub resealed: u64,
    /// The rows that were not copied but put in the place of others.
    put: Vec<Entry>,
    /// A hash of the others, and of what they hold.
    digest: [u8; 32],
}

impl NextMetadataKey {
    /// Draws the next metadata key of the store in `data`, and has `root` wrap it. Nothing is written.
    ///
    /// # Errors
    /// [`BootstrapError`]
    pub async fn draw(data: &Path, root: &dyn RootKeys) -> Result<Self, BootstrapError> {
        let mut stored = BootstrapKey::read(data)?;
        let [current, next] = stored.draw_next(root).await?;
        let metadata_key = Key32::from_slice(next.metadata_key.expose()).expect("a key has the length of a key");
        let current = RecordKey::new(current.metadata_key, current.generation);
        Ok(Self { stored, metadata_key, current, next: RecordKey::new(next.metadata_key, next.generation) })
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &Key32 {
        &self.metadata_key
    }

    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.next.generation()
    }

    /// What it is called in the audit log.
    #[must_use]
    pub fn audit_name(&self) -> String {
        self.stored.next_name().expect("it was drawn")
    }

    /// Seals a row under the new key.
    pub fn row<T: minicbor::Encode<()>>(&self, table: RowTable, key: &[u8], record: &T) -> Entry {
        let row = table.row(key);
        let sealed = self.next.seal(table.table().name(), &row, &Zeroizing::new(encode(record)));
        Entry { key: row.into(), value: sealed.into() }
    }

    /// Copies all rows to an engine that has none: those of system tables under the new key, others as they are, and
    /// `put` in the place of what has their keys. `progress` is told how many rows there are.
    ///
    /// # Errors
    /// [`StoreError`] when an engine fails; [`StoreError::Damaged`] when a row is of no known table, or is not what was
    /// written.
    pub async fn copy_rows(
        &self,
        from: &dyn Snapshot,
        to: &dyn Engine,
        put: Vec<Entry>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<CopiedRows, StoreError> {
        let keys: BTreeSet<_> = put.iter().map(|entry| &entry.key[..]).collect();
        let mut digest = Digest::default();
        let (mut commit, mut bytes, mut rows, mut resealed) = (Commit::new(), 0, 0, 0);
        let mut pages = Pages::of(from);
        while let Some(page) = pages.next().await? {
            for Entry { key, value } in page {
                if keys.contains(&key[..]) {
                    continue;
                }
                let value = match self.open(&self.current, &key, &value)? {
                    Some((table, record)) => {
                        digest.add(&key, &record);
                        resealed += 1;
                        Bytes::from(self.next.seal(table.name(), &key, &record))
                    }
                    None => {
                        digest.add(&key, &value);
                        value
                    }
                };
                rows += 1;
                bytes += key.len() + value.len();
                commit.put(key, value);
                if bytes >= COMMIT_BYTES {
                    bytes = 0;
                    write(to, std::mem::take(&mut commit)).await?;
                    progress(rows);
                }
            }
        }
        for Entry { key, value } in &put {
            commit.put(key.clone(), value.clone());
        }
        write(to, commit).await?;
        rows += put.len() as u64;
        progress(rows);
        Ok(CopiedRows { rows, resealed, put, digest: digest.finish() })
    }

    /// Reads every row that was copied, and opens those of system tables.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] unless all of them hold what they held before; [`StoreError`] when the engine fails.
    pub async fn check_rows(
        &self,
        copied: &CopiedRows,
        copy: &dyn Snapshot,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        let other = || StoreError::Damaged("the rows under the new metadata key are not what they were".to_owned());
        let mut digest = Digest::default();
        let mut rows = 0;
        let mut pages = Pages::of(copy);
        while let Some(page) = pages.next().await? {
            rows += page.len() as u64;
            for entry in page {
                if let Some(put) = copied.put.iter().find(|put| put.key == entry.key) {
                    if put.value != entry.value {
                        return Err(other());
                    }
                } else {
                    match self.open(&self.next, &entry.key, &entry.value)? {
                        Some((_, record)) => digest.add(&entry.key, &record),
                        None => digest.add(&entry.key, &entry.value),
                    }
                }
            }
            progress(rows);
        }
        if (rows, digest.finish()) == (copied.rows, copied.digest) { Ok(()) } else { Err(other()) }
    }

    /// Writes the new key into the bootstrap file, beside the one in use: from now on the metadata file may be sealed
    /// under either.
    ///
    /// # Errors
    /// [`BootstrapError::Io`]
    pub fn announce(&self) -> Result<(), BootstrapError> {
        self.stored.write()
    }

    /// Opens a row of a system table; `None` for others.
    fn open(&self, key: &RecordKey, row: &[u8], sealed: &[u8]) -> Result<Option<OpenedRow>, StoreError> {
        let table = Table::of(row).ok_or_else(|| StoreError::Damaged("a row is of no known table".to_owned()))?;
        if !table.is_system() {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(table.name());
        let record = key
            .open(table.name(), row, sealed)
            .map_err(|error| StoreError::Damaged(format!("a row of table {name}: {error}")))?;
        Ok(Some((table, Zeroizing::new(record))))
    }
}

/// A row of a system table, and what it holds.
type OpenedRow = (Table, Zeroizing<Vec<u8>>);

async fn write(engine: &dyn Engine, commit: Commit) -> Result<(), StoreError> {
    match committed(engine.commit(commit).await)? {
        Committed::Yes => Ok(()),
        Committed::Conflict(_) => unreachable!("the commit has no checks"),
    }
}

/// A hash of rows and of what they hold.
#[derive(Default)]
struct Digest(Sha256);

impl Digest {
    fn add(&mut self, row: &[u8], value: &[u8]) {
        for field in [row, value] {
            self.0.update(&(field.len() as u64).to_be_bytes());
            self.0.update(field);
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finish()
    }
}
