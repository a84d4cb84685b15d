//! What is done to files: one step a call, so that tests can end at each.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Changes to files. Names are durable once their folder is synced, and not before.
pub trait Files: Send + Sync {
    /// Makes a folder for this user alone, and those above it.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a file for this user alone, which must not be there, and returns when its bytes are on stable storage.
    ///
    /// # Errors
    /// What the system says; a part of the file may be there.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name within the file system.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and all in it; one that is not there is no error.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// What was found where a file should be.
pub(crate) enum Found {
    /// A file of a length that it may have: its bytes.
    File(Vec<u8>),
    /// A file of another length.
    OtherLength,
    /// Something that is no file: a link, a folder, a pipe. It was not read.
    NoFile,
    /// Nothing.
    Nothing,
}

/// Reads a whole file, if it has `least` to `most` bytes. Whoever can write to the folder has no say in which file is
/// opened, in how much memory that takes, and in how long it takes.
///
/// # Errors
/// What the system says.
pub(crate) fn read_file(path: &Path, least: u64, most: u64) -> io::Result<Found> {
    // Without NONBLOCK a pipe would be waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Ok(Found::NoFile),
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Ok(Found::NoFile),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Found::NoFile);
    }
    let len = metadata.len();
    if !(least..=most).contains(&len) {
        return Ok(Found::OtherLength);
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Found::File(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Found::OtherLength),
        Err(error) => Err(error),
    }
}

/// Whether there is a file, which is no link, of this length.
pub(crate) fn has_file(path: &Path, len: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == len)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_are_read_and_no_more_of_them_than_they_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "12345").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        let pipe = rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0);
        pipe.unwrap();
        let read = |name: &str, least, most| read_file(&path(name), least, most).unwrap();
        assert!(matches!(read("file", 5, 5), Found::File(bytes) if bytes == b"12345"));
        assert!(matches!(read("file", 6, 10), Found::OtherLength));
        assert!(matches!(read("file", 0, 4), Found::OtherLength));
        for name in ["link", "endless", "folder", "pipe"] {
            assert!(matches!(read(name, 0, 100), Found::NoFile), "{name}");
            assert!(!has_file(&path(name), 5), "{name}");
        }
        assert!(matches!(read("none", 0, 100), Found::Nothing));
        assert!(has_file(&path("file"), 5) && !has_file(&path("file"), 4) && !has_file(&path("none"), 0));
    }
}
