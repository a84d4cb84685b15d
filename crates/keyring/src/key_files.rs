//! The key file and the keyring file on disk: how they are made, all or nothing, read, and changed.
//!
//! Creation writes both under names that end in `.new`, makes them durable, and links them to their names, the
//! keyring first. The key file appears last and means that all is done. A crash before the keyring appears leaves
//! nothing that anybody used; a crash after it leaves the key in its `.new` file, and whoever opens the keyring next
//! completes it. The removal of a passphrase goes the same way.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_crypto::Key32;
use coffer_seal::{
    KeyringEntry, KeyringProtection, MIN_PASSPHRASE_ITERATIONS, OpenError, PASSPHRASE_ITERATIONS, keyring_protection,
    open_keyring_with_key_file, open_keyring_with_passphrase, seal_keyring_with_key_file, seal_keyring_with_passphrase,
};

use crate::key_file::{KeyFileError, decode, encode, io_error, read, read_secret};
use crate::key_place::{KeyPlace, with_suffix};
use crate::passphrase::Passphrase;

/// The two files, by name.
pub(crate) struct KeyFiles {
    place: KeyPlace,
    new_key: PathBuf,
    new_keyring: PathBuf,
}

/// What a keyring is sealed under, and opens with.
pub(crate) enum Opener {
    Key(Key32),
    Passphrase(Arc<Passphrase>),
}

impl Opener {
    fn seal(&self, entries: &[KeyringEntry]) -> Vec<u8> {
        match self {
            Self::Key(key) => seal_keyring_with_key_file(key, entries),
            Self::Passphrase(passphrase) => {
                seal_keyring_with_passphrase(passphrase.expose(), PASSPHRASE_ITERATIONS, entries)
                    .expect("a passphrase is as long as the format demands")
            }
        }
    }

    fn open(&self, keyring: &[u8]) -> Result<Vec<KeyringEntry>, OpenError> {
        match self {
            Self::Key(key) => open_keyring_with_key_file(key, keyring),
            Self::Passphrase(passphrase) => {
                open_keyring_with_passphrase(passphrase.expose(), MIN_PASSPHRASE_ITERATIONS, keyring)
            }
        }
    }
}

impl KeyFiles {
    pub(crate) fn new(place: KeyPlace) -> Self {
        let (new_key, new_keyring) = (with_suffix(&place.key_file, ".new"), with_suffix(&place.keyring, ".new"));
        Self { place, new_key, new_keyring }
    }

    pub(crate) fn keyring(&self) -> &Path {
        &self.place.keyring
    }

    /// Whoever changes the files has this first: two processes take turns. It ends with the handle.
    pub(crate) fn lock(&self) -> Result<File, KeyFileError> {
        let folder = folder_of(&self.place.keyring);
        let lock = File::open(folder).map_err(io_error("open", folder))?;
        lock.lock().map_err(io_error("lock", folder))?;
        Ok(lock)
    }

    /// Makes the keyring of `entries`, and the key file unless something else opens it.
    pub(crate) fn create(&self, entries: &[KeyringEntry]) -> Result<(), KeyFileError> {
        let KeyPlace { key_file, keyring, is_credential, new_under, .. } = &self.place;
        let makes_key = *new_under == KeyringProtection::KeyFile && !is_credential;
        create_folders(folder_of(keyring))?;
        if makes_key {
            create_folders(folder_of(key_file))?;
        }
        let _turn = self.lock()?;
        if !is_credential && exists(key_file)? {
            return Err(KeyFileError::Exists(key_file.clone()));
        }
        if exists(keyring)? {
            // Either the creation stopped between its two links, or somebody lost the key file.
            let is_complete = makes_key && self.complete(&self.read_keyring()?)?;
            return if is_complete { Ok(()) } else { Err(KeyFileError::Exists(keyring.clone())) };
        }
        remove(&self.new_keyring)?;
        let opener = match new_under {
            KeyringProtection::Passphrase => self.passphrase()?,
            KeyringProtection::KeyFile if *is_credential => self.read_key()?,
            KeyringProtection::KeyFile => self.write_new_key()?,
        };
        write_new(&self.new_keyring, &opener.seal(entries))?;
        link(&self.new_keyring, keyring)?;
        sync_folder(folder_of(keyring))?;
        if makes_key {
            self.name_new_key()?;
        }
        remove(&self.new_keyring)?;
        sync_folder(folder_of(keyring))
    }

    /// Gives the key file its name if it is there under the one that it has until the keyring is. Returns whether it
    /// was and opens `keyring`. The caller has the lock.
    pub(crate) fn complete(&self, keyring: &[u8]) -> Result<bool, KeyFileError> {
        if self.protection(keyring)? != KeyringProtection::KeyFile || self.place.is_credential {
            return Ok(false);
        }
        let key = match read_secret(&self.new_key, false) {
            Err(KeyFileError::Missing(_)) => return Ok(false),
            text => decode(&text?),
        };
        if !key.is_ok_and(|key| Opener::Key(key).open(keyring).is_ok()) {
            return Ok(false);
        }
        remove(&self.new_keyring)?;
        self.name_new_key()?;
        Ok(true)
    }

    /// Reads the keyring file.
    pub(crate) fn read_keyring(&self) -> Result<Vec<u8>, KeyFileError> {
        let KeyPlace { key_file, keyring, .. } = &self.place;
        match File::open(keyring) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(if exists(key_file)? {
                KeyFileError::KeyringMissing(keyring.clone())
            } else {
                KeyFileError::Missing(key_file.clone())
            }),
            opened => Ok(read(opened.map_err(io_error("open", keyring))?, keyring)?.to_vec()),
        }
    }

    /// What `keyring` is sealed under.
    pub(crate) fn protection(&self, keyring: &[u8]) -> Result<KeyringProtection, KeyFileError> {
        keyring_protection(keyring).map_err(|error| self.refused(error, KeyringProtection::KeyFile))
    }

    /// Opens `keyring` with the key file or the passphrase, whichever it is under.
    pub(crate) fn open(&self, keyring: &[u8]) -> Result<(Opener, Vec<KeyringEntry>), KeyFileError> {
        let protection = self.protection(keyring)?;
        let opener = match protection {
            KeyringProtection::KeyFile => self.read_key()?,
            KeyringProtection::Passphrase => self.passphrase()?,
        };
        let entries = opener.open(keyring).map_err(|error| self.refused(error, protection))?;
        Ok((opener, entries))
    }

    /// Puts another content in the place of the keyring file; a crash leaves the old one or the new one. The caller has
    /// the lock.
    pub(crate) fn replace_keyring(&self, opener: &Opener, entries: &[KeyringEntry]) -> Result<(), KeyFileError> {
        let keyring = &self.place.keyring;
        let next = with_suffix(keyring, ".next");
        remove(&next)?;
        write_new(&next, &opener.seal(entries))?;
        fs::rename(&next, keyring).map_err(io_error("replace", keyring))?;
        sync_folder(folder_of(keyring))
    }

    /// Seals the keyring, which is under `from`, under a passphrase and removes the key file; or, without one, under the
    /// key file, which is made.
    ///
    /// What the keyring has is read and written under one lock, so no generation that another process adds is lost.
    pub(crate) fn reseal(&self, from: KeyringProtection, to: Option<Arc<Passphrase>>) -> Result<(), KeyFileError> {
        let KeyPlace { key_file, is_credential, .. } = &self.place;
        let _turn = self.lock()?;
        let keyring = self.read_keyring()?;
        if self.protection(&keyring)? != from {
            let expected = if from == KeyringProtection::Passphrase { "passphrase" } else { "key file" };
            return Err(KeyFileError::Protection { keyring: self.place.keyring.clone(), expected });
        }
        let (_, entries) = self.open(&keyring)?;
        match to {
            Some(passphrase) => {
                self.replace_keyring(&Opener::Passphrase(passphrase), &entries)?;
                if *is_credential || !folder_of(key_file).exists() {
                    return Ok(());
                }
                remove(&self.new_key)?;
                remove(key_file)?;
                sync_folder(folder_of(key_file))
            }
            None if *is_credential => self.replace_keyring(&self.read_key()?, &entries),
            None => {
                create_folders(folder_of(key_file))?;
                if exists(key_file)? {
                    return Err(KeyFileError::Exists(key_file.clone()));
                }
                let key = self.write_new_key()?;
                self.replace_keyring(&key, &entries)?;
                self.name_new_key()
            }
        }
    }

    /// Removes the second name of the key file that a crash at the end of its creation leaves.
    pub(crate) fn remove_leftover(&self) -> Result<(), KeyFileError> {
        let inode = |path: &Path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        match (inode(&self.new_key), inode(&self.place.key_file)) {
            (Some(new), Some(key)) if new == key => remove(&self.new_key),
            _ => Ok(()),
        }
    }

    fn read_key(&self) -> Result<Opener, KeyFileError> {
        let path = &self.place.key_file;
        let text = read_secret(path, self.place.is_credential)?;
        let key = decode(&text).map_err(|reason| KeyFileError::Format { path: path.clone(), reason })?;
        Ok(Opener::Key(key))
    }

    fn passphrase(&self) -> Result<Opener, KeyFileError> {
        let keyring = self.place.keyring.clone();
        let none = KeyFileError::NoPassphrase { keyring, why: "and nothing says where it is" };
        Ok(Opener::Passphrase(self.place.passphrase.as_ref().ok_or(none)?.passphrase()?))
    }

    /// Writes a fresh key under the name that it has until the keyring is there.
    fn write_new_key(&self) -> Result<Opener, KeyFileError> {
        remove(&self.new_key)?;
        let key = Key32::generate();
        write_new(&self.new_key, &encode(&key))?;
        sync_folder(folder_of(&self.new_key))?;
        Ok(Opener::Key(key))
    }

    /// Gives that key its name, for good.
    fn name_new_key(&self) -> Result<(), KeyFileError> {
        let folder = folder_of(&self.place.key_file);
        link(&self.new_key, &self.place.key_file)?;
        sync_folder(folder)?;
        remove(&self.new_key)?;
        sync_folder(folder)
    }

    fn refused(&self, error: OpenError, protection: KeyringProtection) -> KeyFileError {
        let (key_file, keyring) = (self.place.key_file.clone(), self.place.keyring.clone());
        match (error, protection) {
            (OpenError::WrongKey, KeyringProtection::KeyFile) => KeyFileError::WrongKey { key_file, keyring },
            (OpenError::WrongKey, KeyringProtection::Passphrase) => KeyFileError::WrongPassphrase(keyring),
            (OpenError::Malformed(reason) | OpenError::Tampered(reason), _) => {
                KeyFileError::DamagedKeyring { keyring, reason }
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
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
