//! One process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The name of the lock file in the data directory. The leading dot keeps the directory empty in the store's eyes.
const LOCK_FILE: &str = ".lock";

/// Why a data directory cannot be had for oneself.
#[derive(Debug, Error)]
pub(crate) enum LockError {
    /// Another process has it; its process id, if it has said so.
    #[error("the data directory {} is in use by {}", directory.display(), holder(*pid))]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// Who uses it.
        pid: Option<u32>,
    },
    /// The lock file cannot be made or read.
    #[error("the data directory {} cannot be locked", directory.display())]
    Io {
        /// The data directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("another process (pid {pid})"))
}

/// The data directory, for this process alone. The system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataLock(File);

impl DataLock {
    /// Locks `directory`, which exists. Changes nothing in it but an empty lock file that may appear.
    ///
    /// # Errors
    /// [`LockError::InUse`] when another process has it.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { directory: directory.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                Err(LockError::InUse { directory: directory.to_owned(), pid })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Writes this process's id into the lock file, for whoever is refused.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn sign(&mut self) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{}", std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let directory = tempfile::tempdir().unwrap();
        let mut lock = DataLock::acquire(directory.path()).unwrap();
        lock.sign().unwrap();
        let refused = DataLock::acquire(directory.path()).unwrap_err();
        let expected = format!(
            "the data directory {} is in use by another process (pid {})",
            directory.path().display(),
            std::process::id()
        );
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn a_holder_that_has_not_signed_is_not_guessed() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = DataLock::acquire(directory.path()).unwrap();
        assert!(matches!(DataLock::acquire(directory.path()), Err(LockError::InUse { pid: None, .. })));
    }

    #[test]
    fn a_lock_left_by_a_dead_process_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let mut lock = DataLock::acquire(directory.path()).unwrap();
        lock.sign().unwrap();
        drop(lock);
        assert!(directory.path().join(LOCK_FILE).exists());
        assert!(DataLock::acquire(directory.path()).is_ok());
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(DataLock::acquire(&directory.path().join("no")), Err(LockError::Io { .. })));
    }
}
