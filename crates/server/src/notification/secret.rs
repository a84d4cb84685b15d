//! Secrets of targets, from files of their own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use zeroize::Zeroizing;

/// A secret that fits into one line. It has no `Debug`.
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    /// Reads the file that a setting names; the end of its line does not count.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing or several lines. What it holds is not in the message.
    pub(super) fn read(setting: &str, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("`{setting}`: {} cannot be read", path.display()))?;
        let line = text.trim_end_matches(['\r', '\n']);
        let is_line = !line.is_empty() && !line.chars().any(char::is_control);
        ensure!(is_line, "`{setting}`: {} must hold one line", path.display());
        Ok(Self(Zeroizing::new(line.to_owned())))
    }

    /// The secret.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        Secret::read("token_file", &path).ok().map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_secret_is_one_line() {
        assert_eq!(read("secret\n").as_deref(), Some("secret"));
        assert_eq!(read("se cret\r\n").as_deref(), Some("se cret"));
        for content in ["", "\n", "a\nb", "a\r\nPUB x", "a\0"] {
            assert_eq!(read(content), None, "{content:?}");
        }
        assert!(Secret::read("token_file", Path::new("/no/such/file")).is_err());
    }
}
