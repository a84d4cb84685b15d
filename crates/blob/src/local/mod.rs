//! Blobs as files of the local file system.

mod disk;
mod folder;
mod open_files;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::ReadWriteFlags;

use self::disk::{Disk, SystemDisk};
use self::folder::Folder;
use self::open_files::OpenFiles;
use self::writer::LocalWriter;
use crate::store::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter};

/// Numbers of a [`LocalBlobs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSettings {
    /// How many files stay open between reads.
    pub open_file_count: usize,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self { open_file_count: 256 }
    }
}

impl LocalSettings {
    /// Sets how many files stay open between reads; 0 opens a blob for each read.
    #[must_use]
    pub fn with_open_file_count(self, open_file_count: usize) -> Self {
        Self { open_file_count }
    }
}

/// Blobs as files below one directory, readable by their owner only. Clones share it.
///
/// Methods must run inside a tokio runtime: what may wait for the disk runs on its blocking threads.
#[derive(Clone)]
pub struct LocalBlobs(Arc<Shared>);

struct Shared {
    folder: Folder,
    open_files: OpenFiles,
}

impl LocalBlobs {
    /// Opens the store in the directory `dir`, which is made if its parent exists.
    ///
    /// Blocks. Files that are no blobs are left alone.
    ///
    /// # Errors
    /// [`BlobError::Io`], naming `dir`, when it is no directory, cannot be made, or cannot be read and written.
    pub fn open(dir: &Path, settings: LocalSettings) -> Result<Self, BlobError> {
        Self::open_on(Box::new(SystemDisk), dir, settings)
    }

    fn open_on(disk: Box<dyn Disk>, dir: &Path, settings: LocalSettings) -> Result<Self, BlobError> {
        let folder = Folder::open(dir, disk)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
        Ok(Self(Arc::new(Shared { folder, open_files: OpenFiles::new(settings.open_file_count) })))
    }

    async fn file(&self, id: BlobId) -> Result<Arc<File>, BlobError> {
        let moment = match self.0.open_files.find(id) {
            Ok(file) => return Ok(file),
            Err(moment) => moment,
        };
        let shared = Arc::clone(&self.0);
        blocking(move || {
            let file = shared.folder.open_blob(id).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => BlobError::NotFound(id),
                _ => error.into(),
            })?;
            let file = Arc::new(file);
            shared.open_files.hold(id, Arc::clone(&file), moment);
            Ok(file)
        })
        .await
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(LocalWriter::new(Arc::clone(&self.0), BlobId::random())))
    }

    /// What lies in the page cache is read where the caller runs; for the rest a blocking thread waits.
    ///
    /// See docs/decisions/0004-local-blobs.md for the measurement.
    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let file = self.file(id).await?;
        // Asked before memory is set aside: a damaged record may ask for any length.
        if range.end > file.metadata()?.len() {
            return Err(BlobError::TooShort(id));
        }
        let len = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut buffer = vec![0; len];
        let done = if len <= INLINE_READ_LEN { read_cached(&file, &mut buffer, range.start) } else { 0 };
        if done == len {
            return Ok(buffer.into());
        }
        blocking(move || {
            let (_, rest) = buffer.split_at_mut(done);
            match file.read_exact_at(rest, range.start + done as u64) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BlobError::TooShort(id)),
                read => Ok(read.map(|()| buffer.into())?),
            }
        })
        .await
    }

    async fn len(&self, id: BlobId) -> Result<u64, BlobError> {
        Ok(self.file(id).await?.metadata()?.len())
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        let shared = Arc::clone(&self.0);
        blocking(move || Ok(shared.remove(id)?)).await
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError> {
        let shared = Arc::clone(&self.0);
        blocking(move || Ok(walk::walk(shared.folder.root(), after, limit)?)).await
    }
}

impl Shared {
    fn remove(&self, id: BlobId) -> io::Result<()> {
        self.folder.remove(id)?;
        self.open_files.forget(id);
        Ok(())
    }
}

/// Reads as much as lies in the page cache, from the front, and returns its length in bytes.
///
/// An error says nothing here: the read that waits for the disk meets it again.
fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    if buffer.is_empty() {
        return 0;
    }
    rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
}

/// Runs what waits for the disk off the async threads.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    // A call that is not run to its end means that the runtime shuts down, or a bug.
    tokio::task::spawn_blocking(call).await.map_err(io::Error::from)?
}

/// Longer reads would keep an async thread busy with copying for too long, in bytes.
const INLINE_READ_LEN: usize = 1 << 20;
