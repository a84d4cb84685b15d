//! The bootstrap file: made once, opened with the right root key, and never replaced.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use coffer_keyring::{KeyError, LocalKeyring};
use coffer_store::bootstrap::FILE_NAME;
use coffer_store::{Bootstrap, BootstrapError};

fn keyring(dir: &Path, name: &str) -> LocalKeyring {
    LocalKeyring::create(&dir.join(name)).unwrap()
}

#[tokio::test]
async fn what_was_made_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let (root, data) = (keyring(dir.path(), "key"), dir.path().join("a/data"));
    assert!(!Bootstrap::exists(&data));
    let made = Bootstrap::create(&data, &root).await.unwrap();
    assert!(Bootstrap::exists(&data));
    let opened = Bootstrap::open(&data, &root).await.unwrap();
    assert_eq!(opened.store_id, made.store_id);
    assert_eq!(opened.metadata_key.expose(), made.metadata_key.expose());
    assert_eq!(opened.generation, made.generation);
    let mode = fs::metadata(data.join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no temporary file stays");
}

#[tokio::test]
async fn the_file_does_not_hold_the_metadata_key() {
    let dir = tempfile::tempdir().unwrap();
    let root = keyring(dir.path(), "key");
    let data = dir.path().join("data");
    let made = Bootstrap::create(&data, &root).await.unwrap();
    let bytes = fs::read(data.join(FILE_NAME)).unwrap();
    assert!(bytes.windows(8).all(|window| !made.metadata_key.expose().windows(8).any(|key| key == window)));
}

#[tokio::test]
async fn another_root_key_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (root, other) = (keyring(dir.path(), "key"), keyring(dir.path(), "other"));
    let data = dir.path().join("data");
    Bootstrap::create(&data, &root).await.unwrap();
    let refused = Bootstrap::open(&data, &other).await;
    assert!(matches!(refused, Err(BootstrapError::RootKey { source: KeyError::WrongKey, .. })));
}

#[tokio::test]
async fn every_flipped_byte_and_every_cut_is_refused_or_changes_nothing_but_the_id() {
    let dir = tempfile::tempdir().unwrap();
    let root = keyring(dir.path(), "key");
    let data = dir.path().join("data");
    let made = Bootstrap::create(&data, &root).await.unwrap();
    let path = data.join(FILE_NAME);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        // The id of the store is the one field that no key is bound to.
        if let Ok(opened) = Bootstrap::open(&data, &root).await {
            assert_eq!(opened.metadata_key.expose(), made.metadata_key.expose(), "byte {at}");
            assert_ne!(opened.store_id, made.store_id, "byte {at}");
        }
        fs::write(&path, &good[..at]).unwrap();
        assert!(Bootstrap::open(&data, &root).await.is_err(), "cut to {at}");
    }
}

#[tokio::test]
async fn nothing_is_made_where_something_is() {
    let dir = tempfile::tempdir().unwrap();
    let root = keyring(dir.path(), "key");
    let data = dir.path().join("data");
    Bootstrap::create(&data, &root).await.unwrap();
    let before = fs::read(data.join(FILE_NAME)).unwrap();
    assert!(matches!(Bootstrap::create(&data, &root).await, Err(BootstrapError::Foreign(_))));
    assert_eq!(fs::read(data.join(FILE_NAME)).unwrap(), before);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(Bootstrap::open(&empty, &root).await, Err(BootstrapError::Missing(_))));
    fs::write(empty.join("photo.jpg"), b"x").unwrap();
    assert!(matches!(Bootstrap::create(&empty, &root).await, Err(BootstrapError::Foreign(_))));
}
