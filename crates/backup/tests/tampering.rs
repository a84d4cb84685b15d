//! What somebody does who can write to the folder of the backups.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::PathBuf;

use coffer_backup::{BackupError, ChunkSizes, TakeOptions};
use common::*;

/// Whether the latest backup verifies, and restores, without complaint. Both must say the same.
async fn is_accepted(world: &World) -> bool {
    let verified = world.verify(None).await.is_ok_and(|verified| verified.problems.is_empty());
    let data = tempfile::tempdir().unwrap();
    let restored = world.restore(None, data.path()).await.is_ok();
    assert_eq!(verified, restored);
    assert_eq!(restored, data.path().join("coffer.store").exists(), "all or nothing");
    verified
}

async fn is_verified(world: &World) -> bool {
    world.verify(None).await.is_ok_and(|verified| verified.problems.is_empty())
}

async fn small_world() -> World {
    let world = World::new().await;
    for number in 0..4 {
        world.put(&format!("object-{number}"), 10).await;
    }
    let sizes = ChunkSizes { min: 1000, mean: 500, max: 2000 };
    let taken = world.take_with(&TakeOptions { chunks: sizes, ..TakeOptions::default() }).await.unwrap();
    assert!(taken.backup.chunks >= 2);
    world
}

#[tokio::test]
async fn every_changed_byte_of_every_file_is_noticed() {
    let world = small_world().await;
    assert!(is_accepted(&world).await);
    let mut changed = 0;
    for path in files_in(&world.backups()) {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            assert!(!is_verified(&world).await, "byte {at} of {}", path.display());
            changed += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(changed > 3000, "{changed}");
    assert!(is_accepted(&world).await);
}

#[tokio::test]
async fn files_that_are_cut_extended_or_missing_are_noticed() {
    let world = small_world().await;
    for path in files_in(&world.backups()) {
        let whole = fs::read(&path).unwrap();
        for bad in [
            &whole[..0],
            &whole[..1],
            &whole[..whole.len() / 2],
            &whole[..whole.len() - 1],
            &[&whole[..], b"\0"].concat(),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(!is_accepted(&world).await, "{} bytes of {}", bad.len(), path.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(!is_accepted(&world).await, "without {}", path.display());
        fs::write(&path, &whole).unwrap();
    }
    assert!(is_accepted(&world).await);
}

fn swap(a: &PathBuf, b: &PathBuf) {
    let (bytes_a, bytes_b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::write(a, bytes_b).unwrap();
    fs::write(b, bytes_a).unwrap();
}

#[tokio::test]
async fn chunks_in_each_others_place_are_noticed() {
    let world = World::filled().await;
    world.take().await;
    let chunks = chunk_files(&world.backups());
    for pair in chunks.windows(2) {
        swap(&pair[0], &pair[1]);
        assert!(!is_accepted(&world).await);
        swap(&pair[0], &pair[1]);
    }
    assert!(is_accepted(&world).await);
}

/// Two files of the same rows, each under its own key.
#[tokio::test]
async fn a_chunk_of_another_backup_is_noticed_even_with_the_same_rows() {
    let world = World::filled().await;
    let options = TakeOptions { full: true, chunks: ChunkSizes { min: 1 << 20, ..SIZES } };
    let first = world.take_with(&options).await.unwrap();
    let of_first = chunk_files(&world.backups());
    world.take_with(&options).await.unwrap();
    assert_eq!(first.backup.chunks, of_first.len() as u64);
    let of_second = chunk_files(&world.backups()).into_iter().find(|chunk| !of_first.contains(chunk)).unwrap();
    let lengths: Vec<_> = of_first.iter().map(|chunk| fs::metadata(chunk).unwrap().len()).collect();
    let same_length = lengths.iter().position(|len| *len == fs::metadata(&of_second).unwrap().len()).unwrap();
    swap(&of_first[same_length], &of_second);
    assert!(!is_accepted(&world).await);
}

#[tokio::test]
async fn a_manifest_under_another_name_is_noticed() {
    let world = World::filled().await;
    let first = world.take().await.backup.id.to_string();
    world.put("later", 300).await;
    let second = world.take().await.backup.id.to_string();
    let folder = world.backups().join("manifests");
    fs::rename(folder.join(&first), folder.join(&second)).unwrap();
    let error = world.verify(None).await.unwrap_err();
    assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("that of another backup"), "{error}");
}

#[tokio::test]
async fn a_manifest_of_another_store_is_refused() {
    let (world, other) = (World::filled().await, World::filled().await);
    world.take().await;
    let id = other.take().await.backup.id.to_string();
    let place = |world: &World| world.backups().join("manifests").join(&id);
    fs::copy(place(&other), place(&world)).unwrap();
    assert!(matches!(world.verify(Some(&id)).await, Err(BackupError::WrongKey(_))));
    assert!(!is_accepted(&world).await, "without an id it is not clear which one is meant");
    assert_eq!(world.take().await.unreadable, 1);
}

/// The format does not promise to notice it, and docs/spec/backup.md says so: a folder put back as it was is a folder of
/// older backups.
#[tokio::test]
async fn a_folder_put_back_as_it_was_is_an_older_folder() {
    let world = World::filled().await;
    let first = world.take().await.backup;
    let kept: Vec<_> = files_in(&world.backups()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    world.put("later", 300).await;
    world.take().await;
    files_in(&world.backups()).iter().for_each(|path| fs::remove_file(path).unwrap());
    kept.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
    assert!(is_accepted(&world).await);
    assert_eq!(world.verify(None).await.unwrap().backup, first);
}

#[tokio::test]
async fn nothing_of_names_and_values_is_readable_and_no_two_files_are_alike() {
    let world = World::filled().await;
    world.take().await;
    world.take_with(&TakeOptions { full: true, ..options() }).await.unwrap();
    let files = files_in(&world.backups());
    let words = [&b"secret-bucket"[..], b"small-0", b"large-", b"canary-of", b"owner", b"bucket"];
    let mut seen = std::collections::BTreeSet::new();
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        let bytes = fs::read(path).unwrap();
        for word in words {
            assert!(!bytes.windows(word.len()).any(|run| run == word), "{} in {name}", String::from_utf8_lossy(word));
        }
        for run in bytes.chunks_exact(16).filter(|_| path.parent().unwrap().ends_with("chunks")) {
            assert!(seen.insert(run.to_vec()), "the same 16 bytes twice");
        }
    }
}
