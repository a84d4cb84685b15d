//! Where the control socket is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::config::Settings;

/// The name of the socket in the data directory.
const NAME: &str = "control.sock";
/// The most bytes of a path that the system takes for a socket: `sockaddr_un` has room for 108, and a zero ends them.
const MAX_PATH_LEN: usize = 107;

/// The path of the control socket.
pub(crate) fn socket_path(settings: &Settings) -> PathBuf {
    settings.control_socket.clone().unwrap_or_else(|| settings.data.join(NAME))
}

/// Checks that a socket can be at `path`, and that nobody else can put one there.
///
/// # Errors
/// A sentence for a person.
pub(super) fn check(path: &Path) -> Result<()> {
    let len = path.as_os_str().len();
    ensure!(
        len <= MAX_PATH_LEN,
        "the path of the control socket, {}, has {len} bytes, and the system takes {MAX_PATH_LEN}: say a shorter one \
         with --control-socket",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(folder).with_context(|| format!("the folder {} cannot be read", folder.display()))?.mode();
    ensure!(
        mode & 0o022 == 0,
        "others than its owner may write to {} (mode {:04o}), where the control socket is: chmod 700 it",
        folder.display(),
        mode & 0o7777
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_path_that_is_too_long_is_refused_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let error = check(&directory.path().join("x".repeat(107))).unwrap_err().to_string();
        assert!(error.contains("takes 107") && error.contains("--control-socket"), "{error}");
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join(NAME);
        for (mode, allowed) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&socket).is_ok(), allowed, "{mode:o}");
        }
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(check(Path::new("/no/such/folder/control.sock")).is_err());
    }
}
