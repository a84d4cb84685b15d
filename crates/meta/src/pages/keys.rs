//! The keys of the pages: one per epoch, all from the metadata key.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use coffer_crypto::{AeadKey, Key32};

/// The keys of a store's metadata pages.
pub struct PageKeys {
    metadata_key: Key32,
    /// Keys of epochs that have opened a page. Nothing else gets in, so that a disk full of invented epochs
    /// takes no memory.
    known: RwLock<HashMap<u32, Arc<AeadKey>>>,
}

impl PageKeys {
    /// The page keys that follow from `metadata_key`.
    #[must_use]
    pub fn new(metadata_key: Key32) -> Self {
        Self { metadata_key, known: RwLock::default() }
    }

    /// The key from which those of the journal are derived.
    pub(crate) fn journal_key(&self) -> Key32 {
        coffer_seal::journal_key(&self.metadata_key)
    }

    /// Derives the key of `epoch`.
    pub(super) fn derive(&self, epoch: u32) -> Arc<AeadKey> {
        Arc::new(AeadKey::new(&coffer_seal::page_key(&self.metadata_key, epoch)))
    }

    /// Opens `run` where it lies; `None` when it was not sealed in `epoch` with `aad`.
    pub(super) fn open<'a>(&self, epoch: u32, aad: &[u8], run: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&epoch).cloned();
        if let Some(key) = known {
            return key.open_in_place(aad, run).ok();
        }
        let key = self.derive(epoch);
        let page = key.open_in_place(aad, run).ok()?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(epoch, key);
        Some(page)
    }
}
