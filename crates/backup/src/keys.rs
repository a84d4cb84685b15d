//! Whether the keys in a backup can be unwrapped: rows alone open nothing.

use std::collections::{BTreeMap, BTreeSet};

use coffer_keyring::{RootId, RootKeys};
use coffer_meta::Entry;
use coffer_store::{ColdRows, KeysOfBuckets, KeysOfRows, StoreError};

/// What unwraps the keys in a backup.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The root key: the metadata key and the keys of buckets.
    pub root: &'a dyn RootKeys,
    /// Who knows keys in other rows.
    pub others: &'a [&'a dyn KeysOfRows],
}

/// What was found of the keys in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysFound {
    /// How many have keys, by what they are: `bucket`, `KMS key`.
    pub of: BTreeMap<&'static str, u64>,
    /// The generations of root keys that the backup needs: its manifest, and keys in it.
    pub wrapped_by: BTreeSet<(RootId, u32)>,
    /// What lacks a key that can be unwrapped, and why; empty: nothing.
    pub closed: Vec<ClosedKey>,
}

/// A key that nothing unwraps that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedKey {
    /// Of what it is: `bucket`, `KMS key`.
    pub of: &'static str,
    /// Of which one.
    pub name: String,
    /// Why.
    pub why: String,
}

impl KeysFound {
    /// Unwraps the keys in a row.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the root key cannot be asked.
    pub(crate) async fn look(&mut self, rows: &ColdRows, keys: Keys<'_>, row: &Entry) -> Result<(), StoreError> {
        let buckets = KeysOfBuckets(keys.root);
        for kind in std::iter::once(&buckets as &dyn KeysOfRows).chain(keys.others.iter().copied()) {
            let Some(checked) = kind.check(rows, row).await? else { continue };
            *self.of.entry(checked.of).or_default() += 1;
            self.wrapped_by.extend(checked.wrapped_by);
            let closed = |why| ClosedKey { of: checked.of, name: checked.name.clone(), why };
            self.closed.extend(checked.closed.into_iter().map(closed));
        }
        Ok(())
    }
}
