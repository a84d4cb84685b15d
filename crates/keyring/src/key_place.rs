//! Where the keyring on this machine is, and what opens it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::key_file::KeyFileError;
use crate::key_files::KeyFiles;
use crate::passphrase::PassphraseSource;

pub use coffer_seal::KeyringProtection;

/// The places of the key file and of the keyring, and where the passphrase comes from if the keyring is under one.
#[derive(Clone)]
pub struct KeyPlace {
    pub(crate) key_file: PathBuf,
    pub(crate) is_credential: bool,
    pub(crate) keyring: PathBuf,
    pub(crate) passphrase: Option<Arc<dyn PassphraseSource>>,
    pub(crate) new_under: KeyringProtection,
}

impl KeyPlace {
    /// A key file, and the keyring beside it, which has `.keyring` at the end of its name.
    #[must_use]
    pub fn new(key_file: &Path) -> Self {
        Self {
            key_file: key_file.to_owned(),
            is_credential: false,
            keyring: with_suffix(key_file, ".keyring"),
            passphrase: None,
            new_under: KeyringProtection::KeyFile,
        }
    }

    /// The keyring is elsewhere.
    #[must_use]
    pub fn with_keyring(self, keyring: PathBuf) -> Self {
        Self { keyring, ..self }
    }

    /// The key file is a credential: systemd hands it to the service, which can only read it.
    #[must_use]
    pub fn with_credential(self) -> Self {
        Self { is_credential: true, ..self }
    }

    /// A copy of it all: another key file, and the keyring beside that.
    #[must_use]
    pub fn copied_to(self, key_file: &Path) -> Self {
        Self { passphrase: self.passphrase, ..Self::new(key_file) }
    }

    /// The passphrase of a keyring that is under one comes from `source`.
    #[must_use]
    pub fn with_passphrase(self, source: Arc<dyn PassphraseSource>) -> Self {
        Self { passphrase: Some(source), ..self }
    }

    /// What a keyring that is made here is sealed under.
    #[must_use]
    pub fn making(self, new_under: KeyringProtection) -> Self {
        Self { new_under, ..self }
    }

    /// The key file, whether there is one or not.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// The keyring.
    #[must_use]
    pub fn keyring(&self) -> &Path {
        &self.keyring
    }

    /// What the keyring here is sealed under.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`], [`KeyFileError::KeyringMissing`], [`KeyFileError::DamagedKeyring`],
    /// [`KeyFileError::Io`].
    pub fn protection(&self) -> Result<KeyringProtection, KeyFileError> {
        let files = KeyFiles::new(self.clone());
        files.protection(&files.read_keyring()?)
    }
}

impl From<&Path> for KeyPlace {
    fn from(key_file: &Path) -> Self {
        Self::new(key_file)
    }
}

impl From<&PathBuf> for KeyPlace {
    fn from(key_file: &PathBuf) -> Self {
        Self::new(key_file)
    }
}

impl From<&KeyPlace> for KeyPlace {
    fn from(place: &KeyPlace) -> Self {
        place.clone()
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
