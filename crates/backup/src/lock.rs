//! Who is at work in a folder of backups.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::BackupError;

const LOCK: &str = ".lock";

/// Who else may be at work in the folder meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Others that read.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Locks the folder at `path` until the file is closed.
///
/// # Errors
/// [`BackupError::InUse`]; [`BackupError::Io`], also when something else stands in place of the file.
pub(crate) fn lock(path: &Path, access: Access) -> Result<File, BackupError> {
    let name = path.join(LOCK);
    let file = match open(OpenOptions::new().write(true).create(true).truncate(false).mode(0o600), &name) {
        // A folder that can only be read can be restored from, and may be a copy without names that begin with a dot.
        Err(_) if access == Access::Shared => {
            open(OpenOptions::new().read(true), &name).or_else(|_| open(OpenOptions::new().read(true), path))
        }
        file => file,
    };
    let file = file.map_err(BackupError::io(&name))?;
    let locked = match access {
        Access::Shared => file.try_lock_shared(),
        Access::Exclusive => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(BackupError::io(&name)(error)),
    }
}

/// A link would have a file made where it leads to; a pipe would be waited for.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()).open(path)
}
