//! What can go wrong with backups.

use std::io;
use std::path::{Path, PathBuf};

use coffer_keyring::KeyError;
use coffer_meta::{CommitError, EngineError, OpenError as MetadataError};
use coffer_store::{BootstrapError, StoreError};
use thiserror::Error;

use crate::manifest::BackupId;

/// Why a backup could not be taken, read, pruned or restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder holds other things. Nothing was written.
    #[error("{0} is not empty and holds no backups")]
    Foreign(PathBuf),
    /// There is no such folder, or it holds no backup.
    #[error("{0} holds no backup")]
    None(PathBuf),
    /// No backup has this id, or several start with it.
    #[error("no single backup has an id that starts with {0}")]
    NoSuchBackup(String),
    /// Another backup, restore or prune is at work in the folder.
    #[error("{0} is in use by another backup, restore or prune")]
    InUse(PathBuf),
    /// The folder belongs to another store. Nothing was written.
    #[error("{0} holds backups of another store: every store needs a folder of its own")]
    OtherStore(PathBuf),
    /// The root key that wrapped the key of the backup is destroyed, or was never here.
    #[error(
        "backup {id} needs generation {generation} of the root key, which was destroyed or is not in this keyring: \
         without it nobody can open the backup"
    )]
    UnknownGeneration {
        /// The backup.
        id: BackupId,
        /// The generation.
        generation: u32,
    },
    /// The root key is another one.
    #[error("backup {0} was sealed under another root key")]
    WrongKey(BackupId),
    /// Some backups of the folder cannot be opened, so it is not known what they consist of.
    #[error("{0} backups in the folder cannot be opened: `coffer backup list` says why")]
    Unreadable(usize),
    /// Stored bytes are not what was written.
    #[error("backup {id} is damaged: {what}")]
    Damaged {
        /// The backup.
        id: BackupId,
        /// What of it.
        what: String,
    },
    /// A folder in it is a link or something else. Nothing was written.
    #[error("{0} is no folder: what is there is not followed")]
    NoFolder(PathBuf),
    /// There are more rows than a backup can have.
    #[error("the store is too large: its backup would need a manifest that nobody reads")]
    TooLarge,
    /// The data directory holds something already. Nothing was written.
    #[error(
        "{0} is not empty: a backup is restored into an empty directory, or one with nothing but `blobs` and `audit`"
    )]
    NotEmpty(PathBuf),
    /// At least one backup has to be kept.
    #[error("at least one backup has to be kept")]
    KeepsNothing,
    /// The provider of the root key cannot be asked.
    #[error("the root key cannot be asked: {0}")]
    Key(#[source] KeyError),
    /// The bootstrap file of the store cannot be read.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The metadata cannot be read or written.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The new metadata file cannot be made.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BackupError {
    /// Adds the path to what the system said.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Whether the backup itself cannot be opened, now or ever, with the root key that there is.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::UnknownGeneration { .. } | Self::WrongKey(_) | Self::Damaged { .. })
    }
}

impl From<CommitError> for BackupError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Engine(error) => Self::Engine(error),
            CommitError::Conflict(_) => unreachable!("a restore commits without checks"),
        }
    }
}
