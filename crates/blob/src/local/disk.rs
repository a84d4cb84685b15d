//! The calls on which durability rests, apart, so that tests can make them fail and see their order.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes and syncs. All of them block.
pub(super) trait Disk: Send + Sync {
    /// Appends all of `bytes`.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Brings the bytes and the length of `file` to stable storage.
    fn sync_file(&self, file: &File) -> io::Result<()>;

    /// Brings the names in the directory `path` to stable storage.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The disk as the system offers it.
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}
