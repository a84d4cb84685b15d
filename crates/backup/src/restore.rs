//! Making a data directory from a backup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coffer_meta::{Commit, Engine as _, Entry, PageKeys, RedbEngine, RedbSettings};
use coffer_store::{Bootstrap, ColdRows, Restored, bootstrap};

use crate::contents::Contents;
use crate::error::BackupError;
use crate::files::Files;
use crate::folder::{BackupFolder, OpenedManifest};
use crate::keys::{Keys, KeysFound};
use crate::manifest::{BackupInfo, copy_of};

/// Where a backup is restored to.
#[derive(Clone)]
pub struct RestoreTo<'a> {
    /// The data directory. It is made if it is missing, and may hold nothing but `blobs` and `audit`.
    pub data: &'a Path,
    /// The name of the metadata file in it.
    pub metadata_name: &'a str,
    /// What the metadata file is made with.
    pub settings: RedbSettings,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredMetadata {
    /// The backup.
    pub backup: BackupInfo,
    /// Rows that the store has now.
    pub rows: u64,
    /// The keys in it. What needs one that is closed cannot be read.
    pub keys: KeysFound,
    /// The audit log of keys is not there, so it starts anew.
    pub audit_starts_anew: bool,
}

/// What is built before it is moved to its place.
const BUILDING: &str = ".restoring";
/// The folder of the audit log.
const AUDIT: &str = "audit";
/// What may be there before: the operator brings it.
const BROUGHT: [&str; 2] = ["blobs", AUDIT];
/// Bytes of rows in one commit.
const COMMIT_BYTES: usize = 2 << 20;

/// Restores the backup whose id starts with `id`, or the latest one, into a data directory: all of it or nothing.
///
/// The store remembers that it was restored, and removes no blob until that is accepted. After a crash the restore can
/// be started again.
///
/// # Errors
/// [`BackupError::NotEmpty`], [`BackupError::Damaged`], and what else keeps the backup from being opened.
pub async fn restore(
    folder: &BackupFolder,
    keys: Keys<'_>,
    id: Option<&str>,
    to: RestoreTo<'_>,
    files: &dyn Files,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<RestoredMetadata, BackupError> {
    let opened = folder.find(keys.root, id).await?;
    let building = to.data.join(BUILDING);
    clear(&to, &building, files)?;
    let io = BackupError::io(&building);
    files.make_folder(&building).map_err(&io)?;
    files.write_new(&building.join(bootstrap::FILE_NAME), &opened.head).map_err(&io)?;
    let audit_starts_anew = !to.data.join(AUDIT).try_exists().map_err(&io)?;
    let page_keys = PageKeys::new(copy_of(&opened.bootstrap.metadata_key));
    let engine = RedbEngine::open(&building.join(to.metadata_name), page_keys, to.settings.clone())?;
    let OpenedManifest { manifest, bootstrap, head } = opened;
    let mut found = KeysFound::default();
    found.wrapped_by.extend(Bootstrap::wrapped_by(&head, keys.root));
    let cold = ColdRows::new(bootstrap);
    let mark = Restored { backup: manifest.id.0, taken_ms: manifest.taken_ms, restored_ms: to.now_ms };
    let mut restored = RestoredMetadata { backup: manifest.info(), rows: 0, keys: found, audit_starts_anew };
    let mut batch = Batch { engine: &engine, commit: Commit::new(), bytes: 0 };
    let mut reader = Contents::new(folder, &manifest);
    while let Some(chunk) = reader.next().await? {
        let rows = chunk.map_err(|what| BackupError::Damaged { id: manifest.id, what })?;
        for row in rows {
            restored.keys.look(&cold, keys, &row).await?;
            // Without the log this row would say that its end is missing.
            if !(audit_starts_anew && cold.is_audit_checkpoint(&row.key)) {
                batch.put(row).await?;
                restored.rows += 1;
            }
        }
        progress(restored.rows);
    }
    batch.put(cold.mark(&mark)).await?;
    batch.finish().await?;
    engine.close()?;
    move_to_place(&to, &building, files)?;
    Ok(restored)
}

/// Refuses a data directory that holds something, and removes what an interrupted restore left.
fn clear(to: &RestoreTo<'_>, building: &Path, files: &dyn Files) -> Result<(), BackupError> {
    let io = BackupError::io(to.data);
    files.make_folder(to.data).map_err(&io)?;
    let is_half_moved = building.join(bootstrap::FILE_NAME).try_exists().map_err(&io)?;
    let mut half_moved: Option<PathBuf> = None;
    for entry in fs::read_dir(to.data).map_err(&io)? {
        let name = entry.map_err(&io)?.file_name();
        let is_metadata = name.to_str() == Some(to.metadata_name);
        if is_half_moved && is_metadata {
            half_moved = Some(to.data.join(&name));
        } else if !name.as_encoded_bytes().starts_with(b".") && !BROUGHT.iter().any(|brought| name == *brought) {
            return Err(BackupError::NotEmpty(to.data.to_owned()));
        }
    }
    if let Some(path) = half_moved {
        // Without a bootstrap file beside it nothing can have used it.
        files.remove(&path).map_err(&io)?;
        files.sync_folder(to.data).map_err(&io)?;
    }
    files.remove_folder(building).map_err(&io)
}

/// Moves what was built to its place. The bootstrap file comes last: without it there is no store.
fn move_to_place(to: &RestoreTo<'_>, building: &Path, files: &dyn Files) -> Result<(), BackupError> {
    let moved: io::Result<()> = (|| {
        // A crash between the two moves leaves the bootstrap file here, by which the next restore knows its own leftovers.
        files.sync_folder(building)?;
        files.rename(&building.join(to.metadata_name), &to.data.join(to.metadata_name))?;
        files.sync_folder(to.data)?;
        files.rename(&building.join(bootstrap::FILE_NAME), &to.data.join(bootstrap::FILE_NAME))?;
        files.sync_folder(to.data)?;
        files.remove_folder(building)
    })();
    moved.map_err(BackupError::io(to.data))
}

/// Rows that are committed together.
struct Batch<'a> {
    engine: &'a RedbEngine,
    commit: Commit,
    bytes: usize,
}

impl Batch<'_> {
    async fn put(&mut self, row: Entry) -> Result<(), BackupError> {
        self.bytes += row.key.len() + row.value.len();
        self.commit.put(row.key, row.value);
        if self.bytes >= COMMIT_BYTES {
            self.finish().await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), BackupError> {
        self.bytes = 0;
        Ok(self.engine.commit(std::mem::take(&mut self.commit)).await?)
    }
}
