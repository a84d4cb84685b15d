//! Opening all of a backup.

use coffer_keyring::RootKeys;
use coffer_meta::Entry;
use coffer_store::{ColdRows, StoreError};

use crate::contents::Contents;
use crate::error::BackupError;
use crate::folder::{BackupFolder, OpenedManifest};
use crate::manifest::BackupInfo;

/// What was found in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The backup.
    pub backup: BackupInfo,
    /// Rows that were read.
    pub rows: u64,
    /// Buckets whose keys the root key unwraps.
    pub buckets: u64,
    /// What is wrong; empty: nothing.
    pub problems: Vec<String>,
}

/// Opens every chunk of the backup whose id starts with `id`, or of the latest one, and every bucket key in it.
///
/// # Errors
/// [`BackupError`] when the manifest does not open, or a disk or the provider of the root key fails. What is wrong
/// beyond that is among the problems.
pub async fn verify(
    folder: &BackupFolder,
    root: &dyn RootKeys,
    id: Option<&str>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Verified, BackupError> {
    let OpenedManifest { manifest, bootstrap, .. } = folder.find(root, id).await?;
    let mut verified = Verified { backup: manifest.info(), rows: 0, buckets: 0, problems: Vec::new() };
    let cold = ColdRows::new(bootstrap);
    let mut reader = Contents::new(folder, &manifest);
    while let Some(chunk) = reader.next().await? {
        match chunk {
            Ok(rows) => {
                verified.rows += rows.len() as u64;
                for row in &rows {
                    match check_bucket(&cold, root, row).await? {
                        Checked::Other => {}
                        Checked::Opens => verified.buckets += 1,
                        Checked::Closed(problem) => verified.problems.push(problem),
                    }
                }
                progress(verified.rows);
            }
            Err(problem) => verified.problems.push(problem),
        }
    }
    Ok(verified)
}

/// What a row has to do with the root key.
pub(crate) enum Checked {
    /// Nothing.
    Other,
    /// It is a bucket, whose keys can be unwrapped.
    Opens,
    /// It is a bucket, and why its keys cannot be unwrapped.
    Closed(String),
}

/// Unwraps the keys in a row.
pub(crate) async fn check_bucket(cold: &ColdRows, root: &dyn RootKeys, row: &Entry) -> Result<Checked, BackupError> {
    match cold.check_bucket(root, row).await {
        Ok(false) => Ok(Checked::Other),
        Ok(true) => Ok(Checked::Opens),
        // The name of the bucket is nobody's business here.
        Err(StoreError::Damaged(why)) => Ok(Checked::Closed(format!("the keys of a bucket cannot be opened: {why}"))),
        Err(error) => Err(error.into()),
    }
}
