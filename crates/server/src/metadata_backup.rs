//! When the metadata was backed up last, and whether that went well: for people, and for alarms.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coffer_store::{Clock as _, RowChanges, RowTable, Store, StoreError, SystemClock};
use minicbor::{Decode, Encode};

use crate::data::Data;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The key of the row, beside that of backups of the root key.
const ROW: &[u8] = b"metadata";
/// How often the metric is brought up to date.
const PAUSE: Duration = Duration::from_secs(5);

/// The last attempts to back up the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct LastBackups {
    /// The last backup.
    #[n(0)]
    pub(crate) taken: Option<TakenBackup>,
    /// When an attempt failed, in milliseconds since 1970, if that was the last one.
    #[n(1)]
    pub(crate) failed_ms: Option<u64>,
}

/// A backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct TakenBackup {
    /// Its id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: [u8; 16],
    /// As of when it is, in milliseconds since 1970.
    #[n(1)]
    pub(crate) taken_ms: u64,
}

/// The last attempts.
///
/// # Errors
/// When the store fails.
pub(crate) async fn last(store: &Store) -> Result<LastBackups, StoreError> {
    Ok(store.row(RowTable::KeyBackup, ROW).await?.0.unwrap_or_default())
}

/// Notes a backup, or with `None` that an attempt failed.
///
/// # Errors
/// When the store fails.
pub(crate) async fn note(store: &Store, taken: Option<TakenBackup>) -> Result<(), StoreError> {
    let noted = match taken {
        Some(taken) => LastBackups { taken: Some(taken), failed_ms: None },
        None => LastBackups { failed_ms: Some(SystemClock.now_ms()), ..last(store).await? },
    };
    let mut changes = RowChanges::new();
    changes.put(store, RowTable::KeyBackup, ROW, &noted);
    store.commit_rows(changes).await.map(drop)
}

/// Whether a folder is, or would be, in the data directory, where it would be lost together with that.
pub(crate) fn is_inside(folder: &Path, data: &Path) -> bool {
    let Ok(data) = data.canonicalize() else { return false };
    folder.ancestors().find_map(|folder| folder.canonicalize().ok()).is_some_and(|there| there.starts_with(data))
}

/// What the metric says.
#[derive(Default)]
pub(crate) struct MetadataBackupHealth(Mutex<Option<LastBackups>>);

impl MetadataBackupHealth {
    /// `None` until it is known.
    pub(crate) fn last(&self) -> Option<LastBackups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn found(&self, last: LastBackups) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}

/// Keeps the metric up to date until the shutdown begins.
pub(crate) async fn watch(data: Arc<Data>, metrics: Arc<Metrics>, mut shutdown: Shutdown) {
    loop {
        match last(&data.store).await {
            Ok(last) => metrics.metadata_backup.found(last),
            Err(error) => tracing::error!(%error, "it cannot be read when the metadata was backed up"),
        }
        tokio::select! {
            () = shutdown.draining() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_in_the_data_directory_is_known_however_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("data/blobs")).unwrap();
        std::fs::create_dir(path("elsewhere")).unwrap();
        symlink(path("data"), path("link")).unwrap();
        for inside in ["data", "data/backups", "data/blobs/a/b", "link/backups", "elsewhere/../data/backups"] {
            assert!(is_inside(&path(inside), &path("data")), "{inside}");
        }
        for outside in ["database", "elsewhere", "elsewhere/data", "new/backups", "data/../backups"] {
            assert!(!is_inside(&path(outside), &path("data")), "{outside}");
        }
    }
}
