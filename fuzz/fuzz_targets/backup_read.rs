//! What is in a folder of backups: manifests and their bodies, the rows of chunks, and patches of them.
//!
//! The first byte says what the others are.

#![no_main]

use coffer_backup::{apply_patch, read_manifest_body, read_rows};
use coffer_fuzz::key;
use coffer_seal::{backup_manifest_head, open_backup_manifest, seal_backup_manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match input {
        [b'f', file @ ..] => check_file(file),
        [b'm', body @ ..] => check_body(body),
        [b'r', text @ ..] => check_rows(text),
        [b'p', high, low, text @ ..] => {
            let at = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((base, patch)) = text.split_at_checked(at) else { return };
            check_patch(base, patch);
        }
        _ => {}
    }
});

/// A stranger's manifest does not open; the same bytes as the body of a genuine one come back.
fn check_file(file: &[u8]) {
    assert!(open_backup_manifest(&key(), file).is_err());
    assert!(backup_manifest_head(file).map_or(0, <[u8]>::len) <= file.len());
    let mut sealed = seal_backup_manifest(&key(), file, file);
    assert_eq!(backup_manifest_head(&sealed), Ok(file));
    assert!(open_backup_manifest(&key(), &sealed).is_ok_and(|body| body[..] == *file));
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    assert!(open_backup_manifest(&key(), &sealed).is_err());
}

/// A body is no larger in memory than the bytes allow, and nothing after it is overlooked.
fn check_body(body: &[u8]) {
    let Some(info) = read_manifest_body(body) else { return };
    assert!(info.chunks <= body.len() as u64 && info.files <= 2 * info.chunks);
    assert!(read_manifest_body(&[body, &[0]].concat()).is_none());
}

/// Every byte of a chunk is in a row, and the keys ascend.
fn check_rows(text: &[u8]) {
    let Some(rows) = read_rows(text) else { return };
    assert_eq!(rows.iter().map(|row| 8 + row.key.len() + row.value.len()).sum::<usize>(), text.len());
    assert!(rows.is_sorted_by(|a, b| a.key < b.key));
}

/// What a patch makes of rows is rows, or none are left.
fn check_patch(base: &[u8], patch: &[u8]) {
    let Some(text) = apply_patch(base, patch) else { return };
    assert!(text.is_empty() || read_rows(&text).is_some());
    assert!(text.len() <= base.len() + patch.len());
    assert!(!patch.is_empty() || text[..] == *base);
    assert!(apply_patch(base, &[patch, &[0]].concat()).is_none());
}
