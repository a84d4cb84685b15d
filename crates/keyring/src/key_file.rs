//! What a key file holds, how it is read, and what can be wrong with it and with the keyring.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
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
    /// There is no key file, or no file of a passphrase.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// There is a key file, and no keyring file beside it.
    #[error(
        "there is a key file, and its keyring {} is missing: restore it from a backup; without it nothing can be read",
        .0.display()
    )]
    KeyringMissing(PathBuf),
    /// Others than its owner may read or write the key file, or the file of the passphrase.
    #[error("{} is open to others than its owner (mode {mode:04o}): chmod 600 it", path.display())]
    Permissions {
        /// The file.
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
    /// The keyring is under a passphrase, and there is nowhere to take it from.
    #[error("the keyring {} is under a passphrase, {why}", keyring.display())]
    NoPassphrase {
        /// The keyring file.
        keyring: PathBuf,
        /// Why there is none.
        why: &'static str,
    },
    /// What should be a passphrase is none.
    #[error("{} holds no passphrase: {reason}", path.display())]
    PassphraseFormat {
        /// The file that it comes from.
        path: PathBuf,
        /// What is wrong, without a byte of it.
        reason: &'static str,
    },
    /// It is another passphrase than the keyring's.
    #[error("the passphrase does not open the keyring {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// The keyring is not under what it was thought to be under.
    #[error("the keyring {} is not under a {expected}", keyring.display())]
    Protection {
        /// The keyring file.
        keyring: PathBuf,
        /// `passphrase` or `key file`.
        expected: &'static str,
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

/// Reads a file that holds a secret.
///
/// Nobody but its owner may have anything to do with it. What systemd hands to a service, a credential, may also be read
/// by its group: systemd lets the user of the service in that way, and shuts everybody else out of the folder.
///
/// # Errors
/// [`KeyFileError::Missing`], [`KeyFileError::Permissions`], [`KeyFileError::Io`].
pub(crate) fn read_secret(path: &Path, is_credential: bool) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeyFileError::Missing(path.to_owned())),
        opened => opened.map_err(io_error("open", path))?,
    };
    let mode = |metadata: io::Result<std::fs::Metadata>| -> Result<u32, KeyFileError> {
        Ok(metadata.map_err(io_error("read", path))?.mode() & 0o7777)
    };
    let found = mode(file.metadata())?;
    let folder = if is_credential { mode(path.parent().unwrap_or(path).metadata())? } else { 0 };
    if found & if is_credential { 0o037 } else { 0o077 } != 0 || folder & 0o027 != 0 {
        return Err(KeyFileError::Permissions { path: path.to_owned(), mode: found });
    }
    read(file, path)
}

/// The text of a key file.
pub(crate) fn encode(key: &Key32) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(vec![b'\n'; PREFIX.len() + BASE64_LEN + 1]);
    let (prefix, rest) = text.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX.as_bytes());
    STANDARD.encode_slice(key.expose(), rest).expect("32 bytes are 44 characters, for which there is room");
    text
}

/// Reads the text of a key file: one line, with or without its end.
pub(crate) fn decode(text: &[u8]) -> Result<Key32, &'static str> {
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

/// Reads a file of which not much is expected.
pub(crate) fn read(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    // Reserved at once: growing would leave a copy of the key behind.
    let len = file.metadata().map_err(io_error("read", path))?.len().min(MAX_FILE_LEN) as usize;
    let mut content = Zeroizing::new(Vec::with_capacity(len + 1));
    file.take(MAX_FILE_LEN).read_to_end(&mut content).map_err(io_error("read", path))?;
    Ok(content)
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io { action, path, source }
}
