//! Opening all of a backup.

use coffer_store::{Bootstrap, ColdRows};

use crate::contents::Contents;
use crate::error::BackupError;
use crate::folder::{BackupFolder, OpenedManifest};
use crate::keys::{Keys, KeysFound};
use crate::manifest::BackupInfo;

/// What was found in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The backup.
    pub backup: BackupInfo,
    /// Rows that were read.
    pub rows: u64,
    /// The keys in it.
    pub keys: KeysFound,
    /// What is not as it was written; empty: nothing.
    pub problems: Vec<String>,
}

/// Opens every chunk of the backup whose id starts with `id`, or of the latest one, and unwraps every key in it.
///
/// # Errors
/// [`BackupError`] when the manifest does not open, or a disk or the provider of the root key fails. What is wrong
/// beyond that is among the problems, or among the keys that are closed.
pub async fn verify(
    folder: &BackupFolder,
    keys: Keys<'_>,
    id: Option<&str>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Verified, BackupError> {
    let OpenedManifest { manifest, bootstrap, head } = folder.find(keys.root, id).await?;
    let mut found = KeysFound::default();
    found.wrapped_by.extend(Bootstrap::wrapped_by(&head, keys.root));
    let mut verified = Verified { backup: manifest.info(), rows: 0, keys: found, problems: Vec::new() };
    let cold = ColdRows::new(bootstrap);
    let mut contents = Contents::new(folder, &manifest);
    while let Some(chunk) = contents.next().await? {
        match chunk {
            Ok(rows) => {
                verified.rows += rows.len() as u64;
                for row in &rows {
                    verified.keys.look(&cold, keys, row).await?;
                }
                progress(verified.rows);
            }
            Err(problem) => verified.problems.push(problem),
        }
    }
    Ok(verified)
}
