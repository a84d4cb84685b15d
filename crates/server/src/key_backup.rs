//! Whether there is a backup of the root key that somebody proved to be one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use coffer_keyring::{LocalKeyring, RootDescription, RootKeys};
use coffer_store::{Clock as _, RowChanges, RowTable, Store, StoreError, SystemClock};
use minicbor::{Decode, Encode};

use crate::data::Data;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The key of the row of the last verification.
const VERIFIED: &[u8] = b"verified";
/// How often the metric is brought up to date.
const PAUSE: Duration = Duration::from_secs(5);

/// A backup that was verified. It is of use for as long as the root key is the same generation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct VerifiedBackup {
    /// The id of the root key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) root_id: [u8; 16],
    /// The generation of it that the backup has, and that wrapped then.
    #[n(1)]
    pub(crate) generation: u32,
    /// When, in milliseconds since 1970.
    #[n(2)]
    pub(crate) verified_ms: u64,
}

impl VerifiedBackup {
    /// Whether the backup has the root key as it is now.
    pub(crate) fn is_of(&self, root: &RootDescription) -> bool {
        (self.root_id, self.generation) == (root.root_id, root.generation)
    }
}

/// The backup that was verified last.
///
/// # Errors
/// When the store fails.
pub(crate) async fn verified(store: &Store) -> Result<Option<VerifiedBackup>, StoreError> {
    Ok(store.row(RowTable::KeyBackup, VERIFIED).await?.0)
}

/// Notes that a backup of the root key as it is now was verified.
///
/// # Errors
/// When the store fails.
pub(crate) async fn note_verified(store: &Store, root: &RootDescription) -> Result<VerifiedBackup, StoreError> {
    let (root_id, generation) = (root.root_id, root.generation);
    let record = VerifiedBackup { root_id, generation, verified_ms: SystemClock.now_ms() };
    let mut changes = RowChanges::new();
    changes.put(store, RowTable::KeyBackup, VERIFIED, &record);
    store.commit_rows(changes).await?;
    Ok(record)
}

/// Whether a backup of the root key as it is now was verified; `None` where the key is with a provider, whose business
/// that is.
///
/// # Errors
/// When the store fails.
pub(crate) async fn is_verified(store: &Store, root: &dyn RootKeys) -> Result<Option<bool>, StoreError> {
    let root = root.describe();
    if root.provider != LocalKeyring::PROVIDER {
        return Ok(None);
    }
    Ok(Some(verified(store).await?.is_some_and(|backup| backup.is_of(&root))))
}

/// What the metric says.
#[derive(Default)]
pub(crate) struct BackupHealth(AtomicU8);

impl BackupHealth {
    const VERIFIED: u8 = 1;
    const MISSING: u8 = 2;

    /// `None` until it is known.
    pub(crate) fn is_verified(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::VERIFIED => Some(true),
            Self::MISSING => Some(false),
            _ => None,
        }
    }

    fn found(&self, verified: bool) {
        self.0.store(if verified { Self::VERIFIED } else { Self::MISSING }, Ordering::Relaxed);
    }
}

/// Keeps the metric up to date until the shutdown begins.
pub(crate) async fn watch(data: Arc<Data>, metrics: Arc<Metrics>, mut shutdown: Shutdown) {
    loop {
        match is_verified(&data.store, &*data.root).await {
            Ok(Some(verified)) => metrics.key_backup.found(verified),
            Ok(None) => return,
            Err(error) => tracing::error!(%error, "it cannot be read whether the root key has a backup"),
        }
        tokio::select! {
            () = shutdown.draining() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
