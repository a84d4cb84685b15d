//! Taking, listing, pruning and restoring backups.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_backup::{Access, BackupError, BackupFolder, ChunkSizes, TakeOptions, prune};
use coffer_keyring::RootKeys as _;
use coffer_meta::Commit;
use coffer_store::{BootstrapFile, BucketName, NewBucket, WrappedKeys as _};
use common::*;

#[tokio::test]
async fn a_restored_store_has_the_rows_of_the_backup_and_the_mark() {
    let world = World::filled().await;
    let taken = world.take().await;
    let backed_up = world.rows().await;
    assert_eq!(taken.backup.rows, backed_up.len() as u64);
    assert!(taken.backup.chunks > 3, "{taken:?}");
    world.put("after the backup", 10).await;
    let data = world.fresh("new");
    let restored = world.restore(None, &data).await.unwrap();
    assert_eq!((restored.backup, restored.rows), (taken.backup, taken.backup.rows));
    assert_eq!((restored.keys.of.get("bucket"), &restored.keys.closed[..]), (Some(&1), &[][..]));
    let (marks, rows): (Vec<_>, Vec<_>) =
        world.rows_in(&data).await.into_iter().partition(|row| row.key == "Lrestored");
    assert_eq!(marks.len(), 1);
    assert!(rows == backed_up);
    let (store, _) = world.open(&data).await;
    let mark = store.restored().await.unwrap().unwrap();
    assert_eq!((mark.backup, mark.taken_ms, mark.restored_ms), (taken.backup.id.0, NOW_MS, NOW_MS + 1000));
}

#[tokio::test]
async fn a_store_without_rows_is_backed_up_too() {
    let world = World::new().await;
    let mut commit = Commit::new();
    world.rows().await.iter().for_each(|row| {
        commit.delete(row.key.clone());
    });
    world.engine.commit(commit).await.unwrap();
    let taken = world.take().await;
    assert_eq!((taken.backup.rows, taken.backup.chunks), (0, 0));
    world.restore(None, &world.fresh("new")).await.unwrap();
    assert_eq!(world.rows_in(&world.fresh("new")).await.len(), 1, "the mark");
}

#[tokio::test]
async fn a_second_backup_writes_what_changed() {
    let world = World::filled().await;
    let first = world.take().await;
    let again = world.take().await;
    assert_eq!(again.progress.chunks_written, 0, "nothing has changed");
    assert_eq!((again.backup.sequence, again.backup.rows), (2, first.backup.rows));
    assert_ne!(again.backup.id, first.backup.id);
    world.put("small-007", 300).await;
    let changed = world.take().await;
    let progress = changed.progress;
    let touched = progress.chunks_written + progress.chunks_patched;
    assert!((1..=changed.backup.chunks / 2).contains(&touched), "{changed:?}");
    let full = world.take_with(&TakeOptions { full: true, ..options() }).await.unwrap();
    assert_eq!(full.progress.chunks_written, full.backup.chunks);
    assert_eq!(world.whole_backups().await.len(), 4);
}

/// Chunks of many rows, of which a change touches few.
fn large_chunks() -> TakeOptions {
    TakeOptions { chunks: ChunkSizes { min: 8000, mean: 8000, max: 40_000 }, ..TakeOptions::default() }
}

#[tokio::test]
async fn changes_here_and_there_are_written_and_not_the_chunks_that_they_touch() {
    let world = World::new().await;
    for number in 0..400 {
        world.put(&format!("object-{number:03}"), 200).await;
    }
    let first = world.take_with(&large_chunks()).await.unwrap();
    let mut written = 0;
    for round in 0..10 {
        for number in (round..400).step_by(100) {
            world.put(&format!("object-{number:03}"), 201).await;
        }
        world.delete(&format!("object-{:03}", 20 * round + 11)).await;
        world.put(&format!("object-{:03}+", 30 * round + 5), 200).await;
        let taken = world.take_with(&large_chunks()).await.unwrap();
        written += taken.progress.bytes_written;
        assert!(taken.progress.chunks_patched > 0, "{taken:?}");
        let data = world.fresh(&format!("restored {round}"));
        world.restore(None, &data).await.unwrap();
        let rows: Vec<_> = world.rows_in(&data).await.into_iter().filter(|row| row.key != "Lrestored").collect();
        assert!(rows == world.rows().await, "round {round}");
    }
    assert!(written < 3 * first.progress.bytes_written, "{written} after {}", first.progress.bytes_written);
    assert_eq!(world.whole_backups().await.len(), 11);
}

#[tokio::test]
async fn a_row_that_is_as_it_was_again_leaves_no_patch() {
    let world = World::new().await;
    for number in 0..100 {
        put_row(&*world.engine, &format!("z{number:03}"), &[1; 200]).await;
    }
    world.take_with(&large_chunks()).await.unwrap();
    put_row(&*world.engine, "z050", b"changed").await;
    assert_eq!(world.take_with(&large_chunks()).await.unwrap().progress.chunks_patched, 1);
    put_row(&*world.engine, "z050", &[1; 200]).await;
    let taken = world.take_with(&large_chunks()).await.unwrap();
    assert_eq!((taken.progress.chunks_patched, taken.progress.bytes_written), (0, 0));
    assert_eq!(world.whole_backups().await.len(), 3);
}

#[tokio::test]
async fn a_chunk_that_changes_again_and_again_is_written_anew_some_time() {
    let world = World::new().await;
    for number in 0..60 {
        put_row(&*world.engine, &format!("z{number:03}"), &[1; 200]).await;
    }
    world.take_with(&large_chunks()).await.unwrap();
    let mut rewritten = 0;
    for number in 0..60 {
        put_row(&*world.engine, &format!("z{number:03}"), &[2; 200]).await;
        let progress = world.take_with(&large_chunks()).await.unwrap().progress;
        assert_eq!(progress.chunks_patched + progress.chunks_written, 1, "row {number}");
        rewritten += progress.chunks_written;
    }
    assert!((3..=10).contains(&rewritten), "{rewritten}");
}

#[tokio::test]
async fn a_chunk_that_is_gone_is_not_patched() {
    let world = World::new().await;
    for number in 0..60 {
        put_row(&*world.engine, &format!("z{number:03}"), &[1; 200]).await;
    }
    world.take_with(&large_chunks()).await.unwrap();
    chunk_files(&world.backups()).iter().for_each(|chunk| std::fs::write(chunk, "damaged").unwrap());
    put_row(&*world.engine, "z030", b"changed").await;
    let taken = world.take_with(&large_chunks()).await.unwrap();
    assert_eq!((taken.progress.chunks_written, taken.progress.chunks_patched), (taken.backup.chunks, 0));
    assert!(world.verify(None).await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn a_chunk_that_got_lost_is_written_again() {
    let world = World::filled().await;
    world.take().await;
    let lost = chunk_files(&world.backups()).remove(2);
    std::fs::remove_file(&lost).unwrap();
    assert!(!world.verify(None).await.unwrap().problems.is_empty());
    assert_eq!(world.take().await.progress.chunks_written, 1);
    assert!(world.verify(None).await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn a_backup_is_chosen_by_the_start_of_its_id() {
    let world = World::filled().await;
    let first = world.take().await.backup.id.to_string();
    world.put("later", 300).await;
    let second = world.take().await.backup.id.to_string();
    for id in [&first, &second, &first[..20].to_owned()] {
        assert!(world.verify(Some(id)).await.unwrap().backup.id.to_string().starts_with(id.as_str()));
    }
    assert_eq!(world.verify(None).await.unwrap().backup.id.to_string(), second, "the latest");
    for id in ["", "no hex", &"0".repeat(33)] {
        assert!(matches!(world.verify(Some(id)).await, Err(BackupError::NoSuchBackup(_))), "{id}");
    }
}

#[tokio::test]
async fn pruning_keeps_the_latest_backups_whole() {
    let world = World::filled().await;
    let mut ids = Vec::new();
    for round in 0..5 {
        world.put(&format!("small-{round:03}"), 310).await;
        ids.push(world.take().await.backup.id.to_string());
    }
    let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
    let before = chunk_files(&world.backups()).len();
    assert!(matches!(prune(&folder, &*world.root, 0, false).await, Err(BackupError::KeepsNothing)));
    let pruned = prune(&folder, &*world.root, 2, false).await.unwrap();
    assert_eq!((pruned.kept, pruned.removed), (2, 3));
    assert!(pruned.chunks > 0 && pruned.bytes > 0);
    assert_eq!(chunk_files(&world.backups()).len() as u64, before as u64 - pruned.chunks);
    let none = prune(&folder, &*world.root, 10, false).await.unwrap();
    assert_eq!((none.kept, none.removed, none.chunks), (2, 0, 0));
    drop(folder);
    assert_eq!(world.whole_backups().await, ids[3..]);
}

#[tokio::test]
async fn a_data_directory_that_holds_something_is_refused_and_left_alone() {
    let world = World::filled().await;
    world.take().await;
    let data = world.fresh("new");
    for name in ["coffer.store", "metadata.redb", "something"] {
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join(name), "kept").unwrap();
        assert!(matches!(world.restore(None, &data).await, Err(BackupError::NotEmpty(_))), "{name}");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
        assert_eq!(std::fs::read(data.join(name)).unwrap(), b"kept");
        std::fs::remove_dir_all(&data).unwrap();
    }
    assert!(matches!(world.restore(None, &world.data()).await, Err(BackupError::NotEmpty(_))), "its own");
}

#[tokio::test]
async fn blobs_and_audit_log_may_be_there_before() {
    let world = World::filled().await;
    put_row(&*world.engine, "Hcheckpoint", b"how far the log goes").await;
    world.take().await;
    let (with, without) = (world.fresh("with"), world.fresh("without"));
    std::fs::create_dir_all(with.join("blobs")).unwrap();
    std::fs::create_dir_all(with.join("audit")).unwrap();
    for (data, has_log) in [(&with, true), (&without, false)] {
        assert_eq!(world.restore(None, data).await.unwrap().audit_starts_anew, !has_log);
        assert_eq!(world.rows_in(data).await.iter().any(|row| row.key == "Hcheckpoint"), has_log);
    }
}

#[tokio::test]
async fn a_folder_of_other_things_is_no_folder_for_backups() {
    let world = World::filled().await;
    std::fs::create_dir_all(world.backups()).unwrap();
    assert!(matches!(BackupFolder::open(&world.backups(), Access::Shared), Err(BackupError::None(_))));
    std::fs::write(world.backups().join("letter.txt"), "").unwrap();
    assert!(matches!(world.take_with(&options()).await, Err(BackupError::Foreign(_))));
    assert_eq!(std::fs::read_dir(world.backups()).unwrap().count(), 1);
}

#[tokio::test]
async fn two_at_once_are_in_each_others_way_and_say_so() {
    let world = World::filled().await;
    world.take().await;
    let reading = BackupFolder::open(&world.backups(), Access::Shared).unwrap();
    assert!(world.verify(None).await.is_ok(), "readers are not");
    assert!(matches!(world.take_with(&options()).await, Err(BackupError::InUse(_))));
    drop(reading);
    world.take().await;
}

#[tokio::test]
async fn every_store_needs_a_folder_of_its_own() {
    let (world, other) = (World::filled().await, World::filled().await);
    world.take().await;
    let before = files_in(&world.backups());
    let folder = BackupFolder::open_or_make(&world.backups()).unwrap();
    // Another root key: what the folder holds cannot be opened, and still says whose it is.
    let refused = other.take_into(&folder, &options()).await;
    assert!(matches!(refused, Err(BackupError::OtherStore(_))));
    drop(folder);
    assert_eq!(files_in(&world.backups()), before, "nothing was written");
    assert_eq!(world.whole_backups().await.len(), 1);
}

#[tokio::test]
async fn another_store_under_the_same_root_key_is_refused() {
    let world = World::filled().await;
    world.take().await;
    let other = world.fresh("other");
    coffer_store::Bootstrap::create(&other, &*world.root).await.unwrap();
    let folder = BackupFolder::open_or_make(&world.backups()).unwrap();
    let source = coffer_backup::Source { engine: &*world.engine, data: &other, root: &*world.root };
    let taken = coffer_backup::take(&folder, source, &options(), NOW_MS, &|_| {}).await;
    assert!(matches!(taken, Err(BackupError::OtherStore(_))));
    drop(folder);
    assert_eq!(world.whole_backups().await.len(), 1);
}

#[tokio::test]
async fn backups_go_on_over_a_rotation_of_the_root_key() {
    let world = World::filled().await;
    world.take().await;
    world.root.rotate().await.unwrap();
    assert_eq!(world.take().await.progress.chunks_written, 0, "chunks do not depend on the root key");
    assert_eq!(world.whole_backups().await.len(), 2);
}

#[tokio::test]
async fn a_backup_under_a_destroyed_generation_says_so() {
    let world = World::filled().await;
    let id = world.take().await.backup.id;
    world.root.rotate().await.unwrap();
    world.root.destroy_generation(1).await.unwrap();
    let error = world.verify(None).await.unwrap_err();
    assert!(matches!(error, BackupError::UnknownGeneration { generation: 1, .. }), "{error}");
    assert!(error.to_string().contains("generation 1 of the root key, which was destroyed"), "{error}");
    assert!(error.to_string().contains(&id.to_string()));
    let data = world.fresh("new");
    assert!(matches!(world.restore(None, &data).await, Err(BackupError::UnknownGeneration { .. })));
    assert!(!data.join("coffer.store").exists());
}

/// Taken while a rotation was under way: its manifest is under the new generation, and a bucket under the old one.
#[tokio::test]
async fn a_bucket_whose_key_needs_a_destroyed_generation_is_named() {
    let world = World::filled().await;
    world.root.rotate().await.unwrap();
    BootstrapFile::new(world.data(), world.root.clone()).visit(None, true).await.unwrap();
    let other = BucketName::for_creation("made-later").unwrap();
    world.store.create_bucket(&other, &NewBucket::default()).await.unwrap();
    world.take().await;
    let verified = world.verify(None).await.unwrap();
    let generations: Vec<_> = verified.keys.wrapped_by.iter().map(|(_, generation)| *generation).collect();
    assert_eq!((generations, verified.keys.of.get("bucket")), (vec![1, 2], Some(&2)));
    assert_eq!(verified.keys.closed, []);
    world.root.destroy_generation(1).await.unwrap();
    let verified = world.verify(None).await.unwrap();
    assert_eq!(verified.problems, [""; 0], "the backup is whole");
    let restored = world.restore(None, &world.fresh("new")).await.unwrap();
    assert_eq!(restored.keys, verified.keys);
    let [closed] = &verified.keys.closed[..] else { panic!("{:?}", verified.keys) };
    assert_eq!((closed.of, closed.name.as_str()), ("bucket", "secret-bucket"));
    assert!(closed.why.contains("needs generation 1 of the root key, which was destroyed"), "{}", closed.why);
}

#[tokio::test]
async fn the_backup_of_another_root_key_says_so() {
    let world = World::filled().await;
    world.take().await;
    let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
    let other = World::new().await;
    let error = coffer_backup::verify(&folder, keys_of(&*other.root), None, &|_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::WrongKey(_)), "{error}");
    for drop_unreadable in [false, true] {
        let refused = prune(&folder, &*other.root, 1, drop_unreadable).await;
        assert!(matches!(refused, Err(BackupError::Unreadable(1))), "the wrong key must not remove backups");
    }
    drop(folder);
    assert_eq!(world.whole_backups().await.len(), 1);
}

#[tokio::test]
async fn unreadable_backups_keep_their_chunks_until_told_otherwise() {
    let world = World::filled().await;
    let damaged = world.take().await.backup.id.to_string();
    let path = world.backups().join("manifests").join(&damaged);
    let mut manifest = std::fs::read(&path).unwrap();
    *manifest.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &manifest).unwrap();
    let before = chunk_files(&world.backups());
    assert_eq!(world.take().await.unreadable, 1);
    let after = chunk_files(&world.backups());
    assert!(before.iter().all(|chunk| after.contains(chunk)), "nobody knows whose they are");
    let folder = BackupFolder::open(&world.backups(), Access::Exclusive).unwrap();
    assert!(matches!(prune(&folder, &*world.root, 1, false).await, Err(BackupError::Unreadable(1))));
    let pruned = prune(&folder, &*world.root, 1, true).await.unwrap();
    assert_eq!((pruned.removed, pruned.unreadable, pruned.chunks), (1, 1, before.len() as u64));
    drop(folder);
    assert_eq!(world.whole_backups().await.len(), 1);
}

#[tokio::test]
async fn progress_is_told_and_ends_with_the_whole() {
    let world = World::filled().await;
    let told = std::sync::Mutex::new(Vec::new());
    let folder = BackupFolder::open_or_make(&world.backups()).unwrap();
    let (engine, data, root) = world.source();
    let source = coffer_backup::Source { engine: &*engine, data: &data, root: &*root };
    let tell = |progress| told.lock().unwrap().push(progress);
    let taken = coffer_backup::take(&folder, source, &options(), NOW_MS, &tell).await.unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() as u64 >= taken.backup.chunks);
    assert!(told.is_sorted_by_key(|progress| progress.rows));
    assert_eq!(told.last(), Some(&taken.progress));
}
