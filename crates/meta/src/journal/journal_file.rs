//! Where the journal's file is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::journal_path;
use crate::pages::{Disk, FileDisk};

/// A file that comes and goes.
pub(super) trait JournalFile: Send + Sync {
    /// The file as it is; `None`: there is none.
    fn open(&self) -> io::Result<Option<Box<dyn Disk>>>;
    /// An empty file, which is there after a crash, too.
    fn create(&self) -> io::Result<Box<dyn Disk>>;
    /// Removes the file, if there is one.
    fn remove(&self) -> io::Result<()>;
}

/// A file beside the metadata file, which is locked.
pub(super) struct RealFile(PathBuf);

impl RealFile {
    pub(super) fn beside(path: &Path) -> Self {
        Self(journal_path(path))
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn locked(&self, create: bool) -> io::Result<Box<dyn Disk>> {
        let disk = FileDisk::open(&self.0, create)?;
        Ok(Box::new(disk.ok_or_else(|| io::Error::other("the journal is open elsewhere"))?))
    }
}

impl JournalFile for RealFile {
    fn open(&self) -> io::Result<Option<Box<dyn Disk>>> {
        match self.locked(false) {
            Ok(disk) => Ok(Some(disk)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self) -> io::Result<Box<dyn Disk>> {
        let disk = self.locked(true)?;
        self.sync_folder()?;
        Ok(disk)
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Ok(()) => self.sync_folder(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
