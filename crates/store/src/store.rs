//! The store: engine, blobs and keys brought together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coffer_blob::BlobStore;
use coffer_crypto::{Key32, hmac_sha256};
use coffer_keyring::RootKeys;
use coffer_meta::{Commit, Engine};
use coffer_seal::{RecordKey, pseudonym_key};
use zeroize::Zeroizing;

use crate::bootstrap::Bootstrap;
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::error::{Committed, StoreError, committed};
use crate::keys::{KeyPools, open_with};
use crate::notifications::{Queues, is_queued_in};
use crate::pins::Pins;
use crate::records::encode;
use crate::tables::Table;
use crate::turns::Turns;

/// Numbers that shape a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Parts of at most this many bytes lie beside their record instead of in a blob.
    pub inline_max: usize,
    /// How long a blob that nothing refers to any more is kept for readers that are still at it, in milliseconds.
    pub garbage_grace_ms: u64,
    /// New buckets refuse uploads under customer keys.
    pub block_sse_c_on_new_buckets: bool,
    /// How long after it was asked for a generation of a key is destroyed at the earliest, in milliseconds.
    pub key_destruction_delay_ms: u64,
    /// Nobody else has the store as long as this process has it: whatever an earlier one kept for itself, such as a job,
    /// is free at once.
    pub is_alone: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inline_max: 64 << 10,
            garbage_grace_ms: 10 * 60 * 1000,
            block_sse_c_on_new_buckets: false,
            key_destruction_delay_ms: 7 * 24 * 60 * 60 * 1000,
            is_alone: false,
        }
    }
}

/// Buckets, objects and uploads, sealed before they leave the process.
///
/// It is cheap to clone, and every clone is the same store.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    store_id: [u8; 16],
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) root: Arc<dyn RootKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) system: RecordKey,
    pseudonym_key: Key32,
    /// What is known of buckets, valid while their row is still the same bytes.
    pub(crate) buckets: Mutex<HashMap<String, Bucket>>,
    pub(crate) key_pools: KeyPools,
    pub(crate) pins: Pins,
    pub(crate) turns: Turns,
    pub(crate) queues: Queues,
    pub(crate) started_ms: u64,
}

impl Store {
    /// Brings a store together. `bootstrap` is the one of the store that `engine` and `blobs` hold.
    pub fn new(
        bootstrap: Bootstrap,
        engine: Arc<dyn Engine>,
        blobs: Arc<dyn BlobStore>,
        root: Arc<dyn RootKeys>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let pseudonym_key = pseudonym_key(&bootstrap.metadata_key);
        let system = RecordKey::new(bootstrap.metadata_key, bootstrap.generation);
        let started_ms = clock.now_ms();
        Self(Arc::new(Inner {
            store_id: bootstrap.store_id,
            engine,
            blobs,
            root,
            clock,
            settings,
            system,
            pseudonym_key,
            buckets: Mutex::default(),
            key_pools: KeyPools::default(),
            pins: Pins::default(),
            turns: Turns::default(),
            queues: Queues::default(),
            started_ms,
        }))
    }

    /// The id of the store, drawn when it was made.
    #[must_use]
    pub fn id(&self) -> &[u8; 16] {
        &self.0.store_id
    }

    /// The generation of the metadata key.
    #[must_use]
    pub fn metadata_key_generation(&self) -> u32 {
        self.0.system.generation()
    }

    /// What stands for a name where nothing is sealed, such as in a log: 16 hexadecimal digits, the same for the same
    /// `name` within the same `scope` for as long as the store has its metadata key.
    #[must_use]
    pub fn pseudonym(&self, scope: &str, name: &str) -> String {
        let scope_len = u32::try_from(scope.len()).unwrap_or(u32::MAX).to_be_bytes();
        let bound = [&scope_len[..], scope.as_bytes(), name.as_bytes()].concat();
        hex::encode(&hmac_sha256(self.0.pseudonym_key.expose(), &bound)[..8])
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Reads a row of a system table; also returns its sealed bytes, for a check.
    pub(crate) async fn system_row<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: Table,
        row: &[u8],
    ) -> Result<Option<(T, Bytes)>, StoreError> {
        let Some(sealed) = self.0.engine.get(row).await? else { return Ok(None) };
        Ok(Some((self.open_system(table, row, &sealed)?, sealed)))
    }

    /// Opens a row of a system table.
    pub(crate) fn open_system<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: Table,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<T, StoreError> {
        open_with(&self.0.system, table, row, sealed)
    }

    /// Seals a row of a system table.
    pub(crate) fn seal_system<T: minicbor::Encode<()>>(&self, table: Table, row: &[u8], record: &T) -> Vec<u8> {
        self.0.system.seal(table.name(), row, &Zeroizing::new(encode(record)))
    }

    /// Commits, and tells a lost race from a failure.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let queues = is_queued_in(&commit);
        let committed = committed(self.0.engine.commit(commit).await)?;
        if queues && matches!(committed, Committed::Yes) {
            self.0.queues.changed();
        }
        Ok(committed)
    }

    /// Whether another process may still be at a job that it has until `lease_until_ms`; no process takes one for longer
    /// than `longest_ms`.
    pub(crate) fn is_leased(&self, lease_until_ms: u64, longest_ms: u64) -> bool {
        // A lease that is longer than any was given by a clock that has been set back since.
        let left_ms = lease_until_ms.saturating_sub(self.now_ms());
        !self.0.settings.is_alone && (1..=longest_ms).contains(&left_ms)
    }

    pub(crate) fn cached_bucket(&self, name: &str) -> Option<Bucket> {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn cache_bucket(&self, bucket: &Bucket) {
        const MOST: usize = 10_000;
        let mut buckets = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            buckets.clear();
        }
        buckets.insert(bucket.name().as_str().to_owned(), bucket.clone());
    }

    pub(crate) fn forget_bucket(&self, name: &str) {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// How often a change that loses races is tried again before it gives up.
pub(crate) const MOST_TRIES: usize = 100;
