//! What somebody does who can write to the folder of the backups.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coffer_backup::{Access, BackupError, BackupFolder, ChunkSizes, TakeOptions, prune};
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
    assert!(matches!(world.take_with(&options()).await, Err(BackupError::OtherStore(_))), "whose folder is it?");
}

#[tokio::test]
async fn what_stands_in_place_of_a_file_is_not_opened() {
    let world = small_world().await;
    let id = world.whole_backups().await.remove(0);
    let elsewhere = world.fresh("elsewhere");
    for path in files_in(&world.backups()) {
        fs::rename(&path, &elsewhere).unwrap();
        // It would open to what was written.
        symlink(&elsewhere, &path).unwrap();
        assert!(!is_verified(&world).await, "a link in place of {}", path.display());
        fs::remove_file(&path).unwrap();
        make_pipe(&path);
        assert!(!is_verified(&world).await, "a pipe in place of {}", path.display());
        assert!(world.take().await.unreadable <= 1, "nobody waits for the other end");
        fs::remove_file(world.backups().join("manifests").join(latest_but(&world, &id).await)).unwrap();
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::rename(&elsewhere, &path).unwrap();
    }
    assert!(is_accepted(&world).await);
}

/// The one other backup.
async fn latest_but(world: &World, id: &str) -> String {
    let folder = BackupFolder::open(&world.backups(), Access::Shared).unwrap();
    let listed = folder.list(&*world.root).await.unwrap();
    listed.iter().map(|backup| backup.id.to_string()).find(|other| other != id).unwrap()
}

fn make_pipe(path: &Path) {
    let made = rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0);
    made.unwrap();
}

/// Names of chunks look like names of blobs: a backup that cleared up behind a link would remove those.
#[tokio::test]
async fn a_link_in_place_of_a_folder_is_not_followed() {
    let world = small_world().await;
    let blobs = world.fresh("blobs");
    fs::create_dir(&blobs).unwrap();
    fs::write(blobs.join("0123456789abcdef0123456789abcdef"), "a blob").unwrap();
    for name in ["chunks", "manifests"] {
        let (folder, kept) = (world.backups().join(name), world.fresh("kept"));
        fs::rename(&folder, &kept).unwrap();
        symlink(&blobs, &folder).unwrap();
        assert!(matches!(world.take_with(&options()).await, Err(BackupError::NoFolder(_))), "{name}");
        for access in [Access::Shared, Access::Exclusive] {
            assert!(matches!(BackupFolder::open(&world.backups(), access), Err(BackupError::NoFolder(_))), "{name}");
        }
        assert_eq!(fs::read_dir(&blobs).unwrap().count(), 1);
        fs::remove_file(&folder).unwrap();
        fs::rename(&kept, &folder).unwrap();
    }
    assert!(is_accepted(&world).await);
}

#[tokio::test]
async fn what_stands_in_place_of_the_lock_is_neither_followed_nor_waited_for() {
    let world = small_world().await;
    let (lock, victim) = (world.backups().join(".lock"), world.fresh("victim"));
    let places: [&dyn Fn(); 2] = [&|| symlink(&victim, &lock).unwrap(), &|| make_pipe(&lock)];
    for place in places {
        fs::remove_file(&lock).unwrap();
        place();
        assert!(matches!(world.take_with(&options()).await, Err(BackupError::Io { .. })));
        assert!(!victim.exists(), "nothing is made behind a link");
        assert!(is_accepted(&world).await, "what can be read can be restored");
    }
}

#[tokio::test]
async fn what_no_backup_has_written_is_left_alone() {
    let world = small_world().await;
    let foreign = [
        world.backups().join("chunks/readme.txt"),
        world.backups().join("chunks/.nfs000000000001"),
        world.backups().join("chunks/0123456789ABCDEF0123456789ABCDEF"),
        world.backups().join("manifests/.readme"),
        world.backups().join("manifests/readme"),
    ];
    foreign.iter().for_each(|path| fs::write(path, "").unwrap());
    world.take().await;
    let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
    prune(&folder, &*world.root, 1, false).await.unwrap();
    drop(folder);
    assert!(foreign.iter().all(|path| path.exists()));
    assert!(is_accepted(&world).await);
}

#[tokio::test]
async fn a_manifest_that_is_too_long_is_not_read() {
    let world = small_world().await;
    let id = world.whole_backups().await.remove(0);
    let path = world.backups().join("manifests").join(&id);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let error = world.verify(Some(&id)).await.unwrap_err();
    assert!(error.to_string().contains("its manifest is too long"), "{error}");
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
