//! Finding the blobs in a folder, in the order of their ids.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::store::{BlobEntry, BlobId};

/// Returns up to `limit` blobs after `after`, ascending. Whatever is no blob is passed over.
///
/// Reads one directory of each level at a time, so the memory it takes does not grow with the store.
pub(super) fn walk(root: &Path, after: Option<BlobId>, limit: usize) -> io::Result<Vec<BlobEntry>> {
    let mut found = Vec::new();
    let may_hold_more = |prefix: &[u8]| after.is_none_or(|after| prefix >= &after.0[..prefix.len()]);
    for [a] in names::<1>(root)? {
        if !may_hold_more(&[a]) {
            continue;
        }
        let first_level = root.join(hex::encode([a]));
        for [b] in names_if_directory::<1>(&first_level)? {
            if !may_hold_more(&[a, b]) {
                continue;
            }
            let second_level = first_level.join(hex::encode([b]));
            for name in names_if_directory::<16>(&second_level)? {
                if found.len() == limit {
                    return Ok(found);
                }
                let id = BlobId(name);
                if name.starts_with(&[a, b])
                    && after.is_none_or(|after| id > after)
                    && let Some(written_at) = written_at(&second_level.join(id.to_string()))?
                {
                    found.push(BlobEntry { id, written_at });
                }
            }
        }
    }
    Ok(found)
}

/// As [`names`]; what is no directory, or has gone meanwhile, has none.
///
/// Not so the root: a store whose root has gone is broken, not empty.
fn names_if_directory<const N: usize>(path: &Path) -> io::Result<Vec<[u8; N]>> {
    match names(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        names => names,
    }
}

/// The names in a directory that are exactly `N` bytes in lower-case hex, decoded, ascending.
fn names<const N: usize>(path: &Path) -> io::Result<Vec<[u8; N]>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.extend(decode::<N>(&entry?.file_name()));
    }
    names.sort_unstable();
    Ok(names)
}

fn decode<const N: usize>(name: &OsStr) -> Option<[u8; N]> {
    let name = name.to_str()?;
    let mut bytes = [0; N];
    hex::decode_to_slice(name, &mut bytes).ok()?;
    // Hex digits in upper case decode too, but no blob has them in its name.
    (hex::encode(bytes) == name).then_some(bytes)
}

/// When the file was last written, in seconds since 1970; `None` when it is no file or has gone meanwhile.
fn written_at(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let since = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
            Ok(Some(since.map_or(0, |since| since.as_secs())))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
