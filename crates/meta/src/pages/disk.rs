//! The file under the pages.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A run of bytes on stable storage: a file, or what a test makes of one.
pub(crate) trait Disk: Debug + Send + Sync {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `out` from `offset`; an error when the disk ends before.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes `data` at `offset`, inside the length.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts the disk, or extends it by zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns once everything written is on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that can still be allocated.
    fn available(&self) -> io::Result<u64>;
}

/// A file that this process alone has open: the lock lasts as long as the value.
#[derive(Debug)]
pub(crate) struct FileDisk(File);

impl FileDisk {
    /// Opens the file at `path`, creating it empty if `create`, and locks it.
    ///
    /// `None`: another handle, here or in another process, holds the lock.
    pub(crate) fn open(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn available(&self) -> io::Result<u64> {
        let system = rustix::fs::fstatvfs(&self.0)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }
}
