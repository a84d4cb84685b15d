//! Where each blob lies, and which names are known to survive a crash.
//!
//! ```text
//! <root>/ab/cd/abcd0123456789abcdef0123456789ab     the blob of that id
//! ```
//!
//! A blob is written in its final place: until a record names it, it is garbage, whatever its name. So
//! there is no temporary name and no rename. It is durable after these syncs, in this order:
//!
//! 1. the file: its bytes and its length;
//! 2. the directory that holds it: its name;
//! 3. the directories above, once for each new directory: the name of that directory.
//!
//! A directory that another process, or an earlier run, made may not have been synced by its maker, so
//! what counts is not who made it but whether this process synced it. Finishes that run at the same time share
//! journal commits inside the file system; sharing the calls too is not worth it with 65,536 directories.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::{Access, OFlags};

use super::disk::Disk;
use crate::store::BlobId;

/// The directory tree of a store.
pub(super) struct Folder {
    root: PathBuf,
    disk: Box<dyn Disk>,
    durable: Mutex<Durable>,
}

/// The directories whose own names this process has brought to stable storage, by the start of the ids inside.
#[derive(Default)]
struct Durable {
    first_level: HashSet<[u8; 1]>,
    second_level: HashSet<[u8; 2]>,
}

impl Folder {
    /// Takes `root` for a store, and makes it if only the last step of the path is missing.
    pub(super) fn open(root: &Path, disk: Box<dyn Disk>) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        if make_dir(&root)?
            && let Some(parent) = root.parent()
        {
            disk.sync_dir(parent)?;
        }
        if !root.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        rustix::fs::access(&root, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
        Ok(Self { root, disk, durable: Mutex::default() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Makes the file of a new blob, and its directories where they are missing.
    pub(super) fn create(&self, id: BlobId) -> io::Result<File> {
        let path = self.path(id);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_dirs(id)?;
                options.open(&path)
            }
            opened => opened,
        }
    }

    /// Opens a blob for reading.
    ///
    /// Neither a symbolic link nor a pipe that someone put in its place is followed or waited for.
    pub(super) fn open_blob(&self, id: BlobId) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(self.path(id))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what has the name of a blob is no file"));
        }
        Ok(file)
    }

    /// Removes a blob; one that is not there is no error.
    ///
    /// The removal is not synced: a blob that a crash brings back is garbage, and found as such.
    pub(super) fn remove(&self, id: BlobId) -> io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Brings the name of a blob to stable storage.
    pub(super) fn sync_name(&self, id: BlobId) -> io::Result<()> {
        let [a, b, ..] = id.0;
        self.disk.sync_dir(&self.second_level(id))?;
        if self.durable().second_level.contains(&[a, b]) {
            return Ok(());
        }
        self.disk.sync_dir(&self.first_level(id))?;
        if !self.durable().first_level.contains(&[a]) {
            self.disk.sync_dir(&self.root)?;
            self.durable().first_level.insert([a]);
        }
        self.durable().second_level.insert([a, b]);
        Ok(())
    }

    /// A directory made anew is not durable, even when one of its name was: someone may have cleared empty ones away.
    fn make_dirs(&self, id: BlobId) -> io::Result<()> {
        let [a, b, ..] = id.0;
        if make_dir(&self.first_level(id))? {
            self.durable().first_level.remove(&[a]);
        }
        if make_dir(&self.second_level(id))? {
            self.durable().second_level.remove(&[a, b]);
        }
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().expect("no holder of the lock panics")
    }

    fn first_level(&self, id: BlobId) -> PathBuf {
        let [a, ..] = id.0;
        self.root.join(hex::encode([a]))
    }

    fn second_level(&self, id: BlobId) -> PathBuf {
        let [_, b, ..] = id.0;
        self.first_level(id).join(hex::encode([b]))
    }

    pub(super) fn path(&self, id: BlobId) -> PathBuf {
        self.second_level(id).join(id.to_string())
    }
}

/// Makes a directory for the owner only; returns whether it was missing.
fn make_dir(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
