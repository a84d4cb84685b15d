//! The power fails at every step of a backup, a prune and a restore.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use coffer_backup::{Access, BackupError, BackupFolder, TakeOptions, prune};
use common::dying::{DyingFiles, FullDisk};
use common::*;

/// Runs `attempt` with one more step each time, until it is not interrupted any more; names that were not synced are
/// there afterwards in one half of the runs, and not in the other. Returns how many runs ended early.
async fn at_every_step(mut attempt: impl AsyncFnMut(Arc<DyingFiles>, String) -> bool) -> usize {
    let mut interrupted = 0;
    for steps in 0.. {
        for forgets in [false, true] {
            let context = format!("{steps} steps, names {}", if forgets { "lost" } else { "kept" });
            let files = Arc::new(DyingFiles::after(steps, forgets));
            let done = attempt(Arc::clone(&files), context.clone()).await;
            assert_eq!(done, !files.is_dead(), "{context}: an error is told");
            interrupted += usize::from(!done);
            if done && forgets {
                return interrupted;
            }
        }
    }
    unreachable!("there are not that many steps")
}

async fn take_with_files(world: &World, files: Arc<DyingFiles>, options: &TakeOptions) -> Result<(), BackupError> {
    let folder = BackupFolder::open_or_make_with(&world.backups(), files)?;
    world.take_into(&folder, options).await.map(drop)
}

#[tokio::test]
async fn an_interrupted_first_backup_is_none() {
    let interrupted = at_every_step(async |files, context| {
        let world = World::filled().await;
        let done = take_with_files(&world, files, &options()).await.is_ok();
        // The name of the manifest may have got to the disk without the sync that was not made.
        assert!(world.whole_backups().await.len() <= 1, "{context}");
        if done {
            assert_eq!(world.whole_backups().await.len(), 1, "{context}");
        }
        done
    })
    .await;
    assert!(interrupted > 20, "{interrupted}");
}

#[tokio::test]
async fn an_interrupted_backup_harms_no_other_and_the_next_one_clears_it_away() {
    let world = World::filled().await;
    let first = world.take().await.backup.id.to_string();
    at_every_step(async |files, context| {
        world.put("small-005", 300).await;
        let full = TakeOptions { full: true, ..options() };
        let done = take_with_files(&world, files, &full).await.is_ok();
        let whole = world.whole_backups().await;
        assert!(whole.contains(&first), "{context}");
        world.take().await;
        let count = world.whole_backups().await.len();
        let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
        let named = folder.list(&*world.root).await.unwrap();
        // The first one is kept, and everything that came after it goes.
        drop(folder);
        for backup in named.iter().skip(1) {
            std::fs::remove_file(world.backups().join("manifests").join(backup.id.to_string())).unwrap();
        }
        assert!(count >= 2, "{context}");
        let manifests = files_in(&world.backups().join("manifests"));
        assert_eq!(manifests.len(), 1, "{context}: a manifest that was not finished is left: {manifests:?}");
        done
    })
    .await;
    let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
    prune(&folder, &*world.root, 1, false).await.unwrap();
    let named = folder.list(&*world.root).await.unwrap().remove(0).info.unwrap().files;
    assert_eq!(chunk_files(&world.backups()).len() as u64, named, "nothing is left over");
}

#[tokio::test]
async fn an_interrupted_prune_leaves_no_backup_without_a_chunk() {
    let interrupted = at_every_step(async |files, context| {
        let world = World::filled().await;
        let mut latest = String::new();
        for round in 0..3 {
            world.put(&format!("small-{round:03}"), 310).await;
            latest = world.take_with(&options()).await.unwrap().backup.id.to_string();
        }
        let folder = BackupFolder::open_with(&world.backups(), Access::Exclusive, files).unwrap();
        let done = prune(&folder, &*world.root, 1, false).await.is_ok();
        drop(folder);
        let whole = world.whole_backups().await;
        assert_eq!(whole.last(), Some(&latest), "{context}");
        let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
        prune(&folder, &*world.root, 1, false).await.unwrap();
        let chunks = folder.list(&*world.root).await.unwrap().remove(0).info.unwrap().files;
        assert_eq!(chunk_files(&world.backups()).len() as u64, chunks, "{context}: the next one finishes it");
        done
    })
    .await;
    assert!(interrupted >= 8, "{interrupted}");
}

#[tokio::test]
async fn an_interrupted_restore_is_no_store_and_can_be_started_again() {
    let world = World::filled().await;
    world.take().await;
    let rows = world.rows().await;
    let whole = async |data: &Path| {
        let restored = world.rows_in(data).await;
        restored.iter().filter(|row| row.key != "Lrestored").eq(&rows) && restored.len() == rows.len() + 1
    };
    let interrupted = at_every_step(async |files, context| {
        let data = world.fresh(&context);
        std::fs::create_dir_all(data.join("blobs")).unwrap();
        let folder = BackupFolder::open(&world.backups(), Access::Shared).unwrap();
        let restored = coffer_backup::restore(&folder, keys_of(&*world.root), None, to(&data), &*files, &|_| {}).await;
        if data.join("coffer.store").exists() {
            assert!(whole(&data).await, "{context}: there is a store, so it is all of it");
        } else {
            assert!(restored.is_err(), "{context}");
            world.restore(None, &data).await.unwrap_or_else(|error| panic!("{context}: again: {error}"));
            assert!(whole(&data).await, "{context}");
            assert!(!data.join(".restoring").exists(), "{context}");
        }
        restored.is_ok()
    })
    .await;
    assert!(interrupted >= 12, "{interrupted}");
}

#[tokio::test]
async fn a_full_disk_ends_a_backup_and_gets_its_room_back() {
    let world = World::filled().await;
    let first = world.take().await.backup.id.to_string();
    let before = files_in(&world.backups());
    let full = TakeOptions { full: true, ..options() };
    for room in 0.. {
        let disk = Arc::new(FullDisk(room.into()));
        let folder = BackupFolder::open_or_make_with(&world.backups(), disk).unwrap();
        let error = match world.take_into(&folder, &full).await {
            Ok(taken) => {
                assert_eq!(taken.backup.sequence, 2);
                assert!(room > 5, "{room}");
                break;
            }
            Err(error) => error,
        };
        drop(folder);
        assert!(matches!(&error, BackupError::Io { source, .. } if source.kind() == ErrorKind::StorageFull), "{error}");
        assert_eq!(files_in(&world.backups()), before, "room for {room} files");
        assert_eq!(world.whole_backups().await, [first.as_str()], "room for {room} files");
    }
}
