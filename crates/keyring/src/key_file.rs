//! The key file and the keyring file on disk: how they are made, all or nothing, and read.
//!
//! Creation writes both under names that end in `.new`, makes them durable, and links them to their names, the
//! keyring first. The key file appears last and means that all is done. A crash before the keyring appears leaves
//! nothing that anybody used; a crash after it leaves the key in its `.new` file, and the next creation completes
//! it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{KEY_LEN, Key32};
use thiserror::Error;
use zeroize::Zeroizing;

/// What a key file starts with.
const PREFIX: &str = "coffer-key-v1:";
/// Bytes of 32 bytes in base64.
const BASE64_LEN: usize = 44;
/// More than any key file or keyring file has.
const MAX_FILE_LEN: u64 = 1 << 20;

/// Why a key file, or its keyring file, cannot be made or opened.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file is there already; it is not overwritten.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// There is no key file.
    #[error("there is no key file at {}", .0.display())]
    Missing(PathBuf),
    /// There is a key file, and no keyring file beside it.
    #[error(
        "there is a key file, and its keyring {} is missing: restore it from a backup; without it nothing can be read",
        .0.display()
    )]
    KeyringMissing(PathBuf),
    /// Others than its owner may read or write the key file.
    #[error("the key file {} is open to others than its owner (mode {mode:04o}): chmod 600 it", path.display())]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is not one line of the form it must have.
    #[error("{} is no key file: {reason}", path.display())]
    Format {
        /// The key file.
        path: PathBuf,
        /// What is wrong, without a byte of it.
        reason: &'static str,
    },
    /// The key file belongs to another keyring.
    #[error("the key file {} does not open the keyring {}", key_file.display(), keyring.display())]
    WrongKey {
        /// The key file.
        key_file: PathBuf,
        /// The keyring file.
        keyring: PathBuf,
    },
    /// The keyring file is not what was written.
    #[error("the keyring {} is damaged ({reason}): restore it from a backup", keyring.display())]
    DamagedKeyring {
        /// The keyring file.
        keyring: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The disk or the system failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// The two files, by name.
pub(crate) struct KeyFiles {
    key_file: PathBuf,
    keyring: PathBuf,
}

impl KeyFiles {
    pub(crate) fn new(key_file: &Path) -> Self {
        Self { key_file: key_file.to_owned(), keyring: with_suffix(key_file, ".keyring") }
    }

    pub(crate) fn keyring(&self) -> &Path {
        &self.keyring
    }

    /// Makes both files around a fresh key, from which `seal` makes the content of the keyring file.
    pub(crate) fn create(&self, seal: impl FnOnce(&Key32) -> Vec<u8>) -> Result<(), KeyFileError> {
        let folder = self.folder();
        create_folders(folder)?;
        // Two processes that start at once take turns. The lock ends with the handle.
        let lock = File::open(folder).map_err(io_error("open", folder))?;
        lock.lock().map_err(io_error("lock", folder))?;

        if exists(&self.key_file)? {
            return Err(KeyFileError::Exists(self.key_file.clone()));
        }
        let (new_key, new_keyring) = (with_suffix(&self.key_file, ".new"), with_suffix(&self.keyring, ".new"));
        if exists(&self.keyring)? {
            // Either the creation stopped between its two links, or somebody lost the key file.
            if !exists(&new_key)? {
                return Err(KeyFileError::Exists(self.keyring.clone()));
            }
        } else {
            remove(&new_key)?;
            remove(&new_keyring)?;
            let key = Key32::generate();
            write_new(&new_key, &encode(&key))?;
            write_new(&new_keyring, &seal(&key))?;
            link(&new_keyring, &self.keyring)?;
            sync_folder(folder)?;
        }
        link(&new_key, &self.key_file)?;
        sync_folder(folder)?;
        remove(&new_key)?;
        remove(&new_keyring)?;
        sync_folder(folder)
    }

    /// Reads the key file.
    pub(crate) fn read_key(&self) -> Result<Key32, KeyFileError> {
        let path = &self.key_file;
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeyFileError::Missing(path.clone())),
            opened => opened.map_err(io_error("open", path))?,
        };
        let metadata = file.metadata().map_err(io_error("read", path))?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Permissions { path: path.clone(), mode });
        }
        let text = read(file, path)?;
        decode(&text).map_err(|reason| KeyFileError::Format { path: path.clone(), reason })
    }

    /// Reads the keyring file.
    pub(crate) fn read_keyring(&self) -> Result<Vec<u8>, KeyFileError> {
        match File::open(&self.keyring) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(KeyFileError::KeyringMissing(self.keyring.clone()))
            }
            opened => Ok(read(opened.map_err(io_error("open", &self.keyring))?, &self.keyring)?.to_vec()),
        }
    }

    /// Puts another content in the place of the keyring file; a crash leaves the old one or the new one.
    pub(crate) fn replace_keyring(&self, content: &[u8]) -> Result<(), KeyFileError> {
        let folder = self.folder();
        let lock = File::open(folder).map_err(io_error("open", folder))?;
        lock.lock().map_err(io_error("lock", folder))?;
        let next = with_suffix(&self.keyring, ".next");
        remove(&next)?;
        write_new(&next, content)?;
        fs::rename(&next, &self.keyring).map_err(io_error("replace", &self.keyring))?;
        sync_folder(folder)
    }

    /// Removes the second name of the key file that a crash at the end of its creation leaves.
    pub(crate) fn remove_leftover(&self) -> Result<(), KeyFileError> {
        let new_key = with_suffix(&self.key_file, ".new");
        let inode = |path: &Path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        match (inode(&new_key), inode(&self.key_file)) {
            (Some(new), Some(key)) if new == key => remove(&new_key),
            _ => Ok(()),
        }
    }

    fn folder(&self) -> &Path {
        match self.key_file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

fn encode(key: &Key32) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(vec![b'\n'; PREFIX.len() + BASE64_LEN + 1]);
    let (prefix, rest) = text.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX.as_bytes());
    STANDARD.encode_slice(key.expose(), rest).expect("32 bytes are 44 characters, for which there is room");
    text
}

/// Reads the text of a key file: one line, with or without its end.
fn decode(text: &[u8]) -> Result<Key32, &'static str> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let base64 = line.strip_prefix(PREFIX.as_bytes()).ok_or("it does not start with coffer-key-v1:")?;
    if base64.len() != BASE64_LEN {
        return Err("its key does not have 44 characters");
    }
    // decode_slice wants room for a whole number of groups: three bytes for every four characters.
    let mut bytes = Zeroizing::new([0; BASE64_LEN / 4 * 3]);
    match STANDARD.decode_slice(base64, &mut *bytes) {
        Ok(KEY_LEN) => Ok(Key32::from_slice(&bytes[..KEY_LEN]).expect("the slice has the length of a key")),
        _ => Err("its key is not 32 bytes in base64"),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn exists(path: &Path) -> Result<bool, KeyFileError> {
    // A dangling link is in the way, too.
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Makes `folder` and what is missing above it, for the owner only, and makes their names durable.
fn create_folders(folder: &Path) -> Result<(), KeyFileError> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("create", folder))?;
    for made in missing {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent)?,
            _ => sync_folder(Path::new("."))?,
        }
    }
    Ok(())
}

/// Writes a file that is not there yet, readable by its owner only, and makes its content durable.
fn write_new(path: &Path, content: &[u8]) -> Result<(), KeyFileError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_error("create", path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io_error("write", path))
}

/// Gives a file a second name, which must be free: unlike a rename, this never overwrites.
fn link(from: &Path, to: &Path) -> Result<(), KeyFileError> {
    fs::hard_link(from, to).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists(to.to_owned()),
        _ => io_error("create", to)(error),
    })
}

fn remove(path: &Path) -> Result<(), KeyFileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), KeyFileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync", folder))
}

fn read(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    // Reserved at once: growing would leave a copy of the key behind.
    let len = file.metadata().map_err(io_error("read", path))?.len().min(MAX_FILE_LEN) as usize;
    let mut content = Zeroizing::new(Vec::with_capacity(len + 1));
    file.take(MAX_FILE_LEN).read_to_end(&mut content).map_err(io_error("read", path))?;
    Ok(content)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io { action, path, source }
}
