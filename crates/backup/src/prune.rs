//! Removing old backups.

use coffer_keyring::RootKeys;

use crate::error::BackupError;
use crate::folder::{BackupFolder, OpenedManifest};

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
    let (mut opened, unreadable) = folder.open_all(root).await?;
    // With another root key none opens: that is no reason to remove them all.
    if !unreadable.is_empty() && (!drop_unreadable || opened.is_empty()) {
        return Err(BackupError::Unreadable(unreadable.len()));
    }
    let kept = opened.split_off(opened.len().saturating_sub(keep));
    let ids = |old: &[OpenedManifest]| old.iter().map(|opened| opened.manifest.id).collect::<Vec<_>>();
    let mut removed: Vec<_> = unreadable.iter().map(|(id, _)| *id).collect();
    removed.extend(ids(&opened));
    let pruned = Pruned {
        kept: kept.len() as u64,
        removed: removed.len() as u64,
        unreadable: unreadable.len() as u64,
        ..Pruned::default()
    };
    folder.remove_manifests(removed).await?;
    let (chunks, bytes) = folder.clean(kept.iter().map(|opened| &opened.manifest)).await?;
    Ok(Pruned { chunks, bytes, ..pruned })
}
