//! Passphrases, which may stand in the place of a key file.

use std::path::PathBuf;
use std::sync::Arc;

use coffer_crypto::ct_eq;
use coffer_seal::MIN_PASSPHRASE_LEN;
use zeroize::Zeroizing;

use crate::key_file::{KeyFileError, read_secret};

/// The longest passphrase, in bytes.
const MAX_LEN: usize = 1024;

/// A line of text, of 14 to 1024 bytes. It has no `Debug`, and is wiped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes a line, whose end does not count. Nothing else about it is changed: spaces and every byte count.
    ///
    /// # Errors
    /// What is wrong with it, as the second half of a sentence, without a byte of it.
    pub fn from_line(text: &[u8]) -> Result<Self, &'static str> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() < MIN_PASSPHRASE_LEN {
            return Err("a passphrase has at least 14 bytes");
        }
        if line.len() > MAX_LEN {
            return Err("a passphrase has at most 1024 bytes");
        }
        if line.iter().any(u8::is_ascii_control) {
            return Err("a passphrase is one line without control characters");
        }
        Ok(Self(Zeroizing::new(line.to_vec())))
    }

    /// Whether `other` is the same, in constant time.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        ct_eq(&self.0, &other.0)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Where the passphrase comes from. It is asked whenever the keyring is opened or written.
pub trait PassphraseSource: Send + Sync {
    /// The passphrase.
    ///
    /// # Errors
    /// A [`KeyFileError`] that says why there is none.
    fn passphrase(&self) -> Result<Arc<Passphrase>, KeyFileError>;
}

/// A file that holds the passphrase in one line, readable by its owner only.
pub struct PassphraseFile {
    path: PathBuf,
    is_credential: bool,
}

impl PassphraseFile {
    /// The file at `path`; `is_credential` where systemd put it there for this service.
    #[must_use]
    pub fn new(path: PathBuf, is_credential: bool) -> Self {
        Self { path, is_credential }
    }
}

impl PassphraseSource for PassphraseFile {
    fn passphrase(&self) -> Result<Arc<Passphrase>, KeyFileError> {
        let text = read_secret(&self.path, self.is_credential)?;
        let passphrase = Passphrase::from_line(&text)
            .map_err(|reason| KeyFileError::PassphraseFormat { path: self.path.clone(), reason })?;
        Ok(Arc::new(passphrase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_line_does_not_count_and_every_other_byte_does() {
        let passphrase = |text: &[u8]| Passphrase::from_line(text).ok().unwrap();
        let plain = passphrase(b"correct horse battery");
        assert!(plain.is_same(&passphrase(b"correct horse battery\n")));
        assert!(plain.is_same(&passphrase(b"correct horse battery\r\n")));
        for other in [&b" correct horse battery"[..], b"correct horse battery ", b"Correct horse battery"] {
            assert!(!plain.is_same(&passphrase(other)));
        }
        assert_eq!(passphrase("grün gelb rot blau".as_bytes()).expose().len(), 19);
    }

    #[test]
    fn what_is_no_passphrase_is_refused() {
        let longest = vec![b'x'; MAX_LEN];
        assert!(Passphrase::from_line(&longest).is_ok());
        let too_long = [&longest[..], b"x"].concat();
        for wrong in
            [&b""[..], b"\n", b"thirteen byte", b"two lines are not\na passphrase", b"a bell is none:\x07", &too_long]
        {
            assert!(Passphrase::from_line(wrong).is_err());
        }
    }
}
