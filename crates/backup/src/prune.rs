//! Removing old backups.

use coffer_keyring::RootKeys;

use crate::error::BackupError;
use crate::folder::{BackupFolder, Survey};

/// What a prune removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups that are left.
    pub kept: u64,
    /// Backups that were removed.
    pub removed: u64,
    /// Of these, those that could not be opened.
    pub unreadable: u64,
    /// Chunks that no backup names any more.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Keeps the latest `keep` backups and removes the others, and then the chunks that only those had. It may be
/// interrupted anywhere: no backup ever lacks a chunk, and what is left over goes with the next prune or backup.
///
/// While a backup cannot be opened nobody knows its chunks: then nothing is removed, unless `drop_unreadable` says that
/// such backups go, too.
///
/// # Errors
/// [`BackupError::KeepsNothing`], [`BackupError::Unreadable`], and what disks and the provider of the root key say.
pub async fn prune(
    folder: &BackupFolder,
    root: &dyn RootKeys,
    keep: usize,
    drop_unreadable: bool,
) -> Result<Pruned, BackupError> {
    if keep == 0 {
        return Err(BackupError::KeepsNothing);
    }
    let Survey { mut backups, unreadable, .. } = folder.survey(root).await?;
    // With another root key none opens: that is no reason to remove them all.
    if !unreadable.is_empty() && (!drop_unreadable || backups.is_empty()) {
        return Err(BackupError::Unreadable(unreadable.len()));
    }
    let kept = backups.split_off(backups.len().saturating_sub(keep));
    let named = folder.files_of(root, kept.iter().map(|backup| backup.id)).await?;
    let mut removed: Vec<_> = unreadable.iter().map(|(id, _)| *id).collect();
    removed.extend(backups.iter().map(|backup| backup.id));
    let pruned = Pruned {
        kept: kept.len() as u64,
        removed: removed.len() as u64,
        unreadable: unreadable.len() as u64,
        ..Pruned::default()
    };
    folder.remove_manifests(removed).await?;
    let (chunks, bytes) = folder.clean(named).await?;
    Ok(Pruned { chunks, bytes, ..pruned })
}
