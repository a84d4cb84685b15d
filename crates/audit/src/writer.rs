//! Appending to the log.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chain::{self, Checkpoint};
use crate::entry::Entry;
use crate::error::AuditError;
use crate::keys::AuditKeys;
use crate::line::Line;
use crate::reader::{file, files, find_end};

/// The end of the log, open for writing.
pub(crate) struct Writer {
    folder: PathBuf,
    keys: Arc<AuditKeys>,
    file: File,
    path: PathBuf,
    /// Bytes of the file that count as written.
    len: u64,
    /// The length at which the next file begins.
    file_len: u64,
    end: Checkpoint,
    /// The generation of the metadata key that the last entry hangs on; 0 if there is none in the last file.
    generation: u32,
    signed: Checkpoint,
    /// Lines that are not written yet.
    pending: Vec<u8>,
}

impl Writer {
    /// Opens the log in `folder`, which is made if there is none. Its last file is verified first; what a crash left of
    /// its last line is removed.
    pub(crate) fn open(folder: &Path, keys: Arc<AuditKeys>, file_len: u64) -> Result<Self, AuditError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(AuditError::io(folder))?;
        if let Some(parent) = folder.parent() {
            sync(parent)?;
        }
        let verified = find_end(folder, &keys.store_id)?;
        if verified.generation > keys.generation {
            return Err(AuditError::LaterKey { generation: verified.generation });
        }
        let path = match files(folder)?.pop() {
            Some(path) => path,
            None => begin(folder, &keys, verified.end)?,
        };
        let mut file = OpenOptions::new().read(true).append(true).open(&path).map_err(AuditError::io(&path))?;
        let len = if verified.is_cut { cut(&mut file, &path)? } else { size(&file, &path)? };
        let (end, generation, signed) = (verified.end, verified.generation, verified.signed);
        let (folder, pending) = (folder.to_owned(), Vec::new());
        let mut writer = Self { folder, keys, file, path, len, file_len, end, generation, signed, pending };
        if writer.len == 0 {
            // A crash in the middle of the first line of a file.
            writer.push_head();
        }
        Ok(writer)
    }

    /// How far the log goes.
    pub(crate) fn end(&self) -> Checkpoint {
        self.end
    }

    /// Whether there are entries after the last checkpoint.
    pub(crate) fn has_unsigned(&self) -> bool {
        self.end != self.signed
    }

    /// Adds an entry; it is written by [`Writer::sync`].
    pub(crate) fn push(&mut self, entry: &Entry) {
        let number = self.end.number + 1;
        let sealed = entry.seal(&self.keys, number);
        let hash = chain::hash(&self.end.hash, number, &sealed);
        self.end = Checkpoint { number, hash };
        self.generation = self.keys.generation;
        self.pending.extend_from_slice(Line::Entry { number, sealed, hash }.text().as_bytes());
    }

    /// Adds a checkpoint, if there is anything to sign. What was left unsigned under an earlier metadata key is signed
    /// with the first entry under this one.
    pub(crate) fn sign(&mut self) {
        if self.has_unsigned() && self.generation == self.keys.generation {
            let signature = self.end.sign(&self.keys.signing, &self.keys.store_id).to_vec();
            self.pending.extend_from_slice(Line::Checkpoint { checkpoint: self.end, signature }.text().as_bytes());
            self.signed = self.end;
        }
    }

    /// Brings everything that was added to stable storage. After an error nothing of it counts as written, and the next
    /// call tries all of it again.
    pub(crate) fn sync(&mut self) -> Result<(), AuditError> {
        if !self.pending.is_empty() {
            let written = self.file.write_all(&self.pending).and_then(|()| self.file.sync_data());
            if let Err(error) = written {
                // Half a line may be there: the whole is written again in its place.
                let _ = self.file.set_len(self.len);
                return Err(AuditError::io(&self.path)(error));
            }
            self.len += self.pending.len() as u64;
            self.pending.clear();
        }
        if self.len >= self.file_len && !self.has_unsigned() {
            let path = begin(&self.folder, &self.keys, self.end)?;
            self.file = OpenOptions::new().read(true).append(true).open(&path).map_err(AuditError::io(&path))?;
            self.len = size(&self.file, &path)?;
            self.path = path;
        }
        Ok(())
    }

    fn push_head(&mut self) {
        self.pending.extend_from_slice(head(&self.keys, self.end).text().as_bytes());
    }
}

fn head(keys: &AuditKeys, end: Checkpoint) -> Line {
    Line::Head { first: end.number + 1, previous: end.hash, store_id: keys.store_id }
}

/// Makes the file of the entries after `end`, with its first line.
fn begin(folder: &Path, keys: &AuditKeys, end: Checkpoint) -> Result<PathBuf, AuditError> {
    let path = file(folder, end.number + 1);
    let mut made = OpenOptions::new();
    let made = made.write(true).create_new(true).mode(0o600).open(&path);
    let mut made = made.map_err(AuditError::io(&path))?;
    let written = made.write_all(head(keys, end).text().as_bytes()).and_then(|()| made.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&path);
        return Err(AuditError::io(&path)(error));
    }
    sync(folder)?;
    Ok(path)
}

/// Removes what follows the last line's end, and returns the length that is left.
fn cut(file: &mut File, path: &Path) -> Result<u64, AuditError> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut content)).map_err(AuditError::io(path))?;
    let len = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(len).and_then(|()| file.sync_all()).map_err(AuditError::io(path))?;
    Ok(len)
}

fn size(file: &File, path: &Path) -> Result<u64, AuditError> {
    Ok(file.metadata().map_err(AuditError::io(path))?.len())
}

fn sync(folder: &Path) -> Result<(), AuditError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(AuditError::io(folder))
}
