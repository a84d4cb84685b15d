//! Secrets in files of their own, which only their owner reads.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// A file that holds a secret. It is read anew whenever the secret is needed, so that it can be replaced while the
/// server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

/// Why there is no secret. What the file holds is not in the message.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("{0} cannot be read: {1}")]
    Io(PathBuf, io::Error),
    /// Others could read it too.
    #[error("{0} is open to others than its owner (mode {1:04o}): chmod 600 it")]
    Open(PathBuf, u32),
    /// It does not hold what it should.
    #[error("{0} must hold {1}")]
    Content(PathBuf, &'static str),
}

impl SecretFile {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its text.
    ///
    /// # Errors
    /// [`SecretFileError::Io`], [`SecretFileError::Open`].
    pub fn text(&self) -> Result<Zeroizing<String>, SecretFileError> {
        let io = |error| SecretFileError::Io(self.0.clone(), error);
        let mode = fs::metadata(&self.0).map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretFileError::Open(self.0.clone(), mode));
        }
        fs::read_to_string(&self.0).map(Zeroizing::new).map_err(io)
    }

    /// Its one line; the end of the line does not count.
    ///
    /// # Errors
    /// Every [`SecretFileError`].
    pub fn line(&self) -> Result<Zeroizing<String>, SecretFileError> {
        let text = self.text()?;
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.chars().any(char::is_control) {
            return Err(self.content("one line"));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    /// That the file does not hold `what`.
    pub(crate) fn content(&self, what: &'static str) -> SecretFileError {
        SecretFileError::Content(self.0.clone(), what)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(folder: &tempfile::TempDir, text: &str, mode: u32) -> SecretFile {
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretFile::new(&path)
    }

    #[test]
    fn a_secret_is_one_line_and_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let secret = file(&folder, "first\n", 0o600);
        assert_eq!(*secret.line().unwrap(), "first");
        file(&folder, "second\r\n", 0o600);
        assert_eq!(*secret.line().unwrap(), "second");
        for text in ["", "\n", "a\nb", "a\0"] {
            assert!(matches!(file(&folder, text, 0o600).line(), Err(SecretFileError::Content(..))), "{text:?}");
        }
    }

    #[test]
    fn a_secret_that_others_could_read_is_refused_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o620] {
            let message = file(&folder, "canary\n", mode).line().unwrap_err().to_string();
            assert!(message.contains("chmod 600") && !message.contains("canary"), "{message}");
        }
        let missing = SecretFile::new(&folder.path().join("no/file"));
        assert!(matches!(missing.line(), Err(SecretFileError::Io(..))));
    }
}
