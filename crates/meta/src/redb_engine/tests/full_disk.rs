//! Disks that are full, and disks that fail.

use super::*;
use crate::pages::sim_disk::Trouble;

/// Free bytes are what the disk says only; it is full without warning.
fn unwarned() -> RedbSettings {
    RedbSettings { reserve_bytes: 0, ..settings() }
}

fn is_no_space<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(EngineError::NoSpace)))
}

fn is_poisoned<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(EngineError::Poisoned(_))))
}

/// Values so large that the file must grow.
fn large(index: usize) -> Vec<u8> {
    vec![index as u8; 300_000]
}

#[test]
fn a_disk_that_fills_up_anywhere_changes_nothing_and_serves_on() {
    let image = closed_image(3);
    let opening = {
        let disk = SimDisk::new(&image);
        let _engine = open_on(&disk, unwarned()).unwrap();
        disk.changes()
    };
    let mut refused = 0;
    for full in opening..opening + 60 {
        let disk = SimDisk::with(&image, Trouble::Full(full));
        let engine = open_on(&disk, unwarned()).unwrap();
        let mut expected = model(3);
        for index in 0..8 {
            let outcome = put(&engine, "large", large(index));
            match outcome {
                Ok(()) => drop(expected.insert(b"large".to_vec(), large(index))),
                Err(_) => {
                    assert!(is_no_space(&outcome), "full at {full}: {outcome:?}");
                    refused += 1;
                }
            }
            assert!(entries(&engine).unwrap() == expected, "full at {full}: reads go on");
        }
        disk.set_trouble(None);
        put(&engine, "large", large(9)).unwrap();
        expected.insert(b"large".to_vec(), large(9));
        assert!(entries(&engine).unwrap() == expected, "full at {full}: writes work again");
        let crashed = open_on(&SimDisk::new(&disk.after_power_cut(full as u64)), settings()).unwrap();
        assert!(entries(&crashed).unwrap() == expected, "full at {full}: and are durable");
    }
    assert!(refused > 0, "the disk was never full");
}

#[test]
fn readers_wait_while_the_engine_recovers_from_a_full_disk() {
    let image = closed_image(3);
    let disk = SimDisk::with(&image, Trouble::Full(0));
    let settings = RedbSettings { cache_bytes: 0, ..unwarned() };
    let engine = Arc::new(open_on(&disk, settings).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let reader = runtime.spawn({
        let engine = Arc::clone(&engine);
        async move {
            for _ in 0..300 {
                assert!(engine.get(b"round").await.unwrap().is_some());
                tokio::task::yield_now().await;
            }
        }
    });
    let mut refused = 0;
    while !reader.is_finished() {
        refused += usize::from(is_no_space(&put(&engine, "large", vec![1; 2_000_000])));
    }
    runtime.block_on(reader).unwrap();
    assert!(refused > 0);
}

#[test]
fn below_the_reserve_nothing_is_written() {
    let image = closed_image(3);
    let disk = SimDisk::new(&image);
    let engine = open_on(&disk, settings()).unwrap();
    let reserve = settings().reserve_bytes;
    let changes = disk.changes();
    disk.set_available(reserve - 1);
    assert!(is_no_space(&put(&engine, "key", vec![1])));
    assert_eq!(disk.changes(), changes);
    assert!(entries(&engine).unwrap() == model(3));
    disk.set_available(reserve);
    put(&engine, "key", vec![1]).unwrap();
}

#[test]
fn a_full_store_can_be_emptied() {
    let disk = SimDisk::new(&closed_image(3));
    let engine = open_on(&disk, settings()).unwrap();
    let reserve = settings().reserve_bytes;
    let mut removal = Commit::new();
    removal.delete("round").put("garbage", "blob");
    disk.set_available(reserve / 2);
    wait(engine.commit(removal.clone())).unwrap();
    disk.set_available(reserve / 2 - 1);
    assert!(is_no_space(&wait(engine.commit(removal))));
}

#[test]
fn checks_are_answered_without_room() {
    let disk = SimDisk::new(&closed_image(3));
    let engine = open_on(&disk, settings()).unwrap();
    disk.set_available(0);
    let mut commit = Commit::new();
    commit.check("absent", None);
    wait(engine.commit(commit.clone())).unwrap();
    commit.check("round", None);
    assert!(matches!(wait(engine.commit(commit)), Err(CommitError::Conflict(1))));
}

#[test]
fn after_a_failed_write_or_sync_the_engine_refuses_work() {
    let image = closed_image(3);
    let count = {
        let disk = SimDisk::new(&image);
        let engine = open_on(&disk, settings()).unwrap();
        let opening = disk.changes();
        assert_eq!(acknowledged(&engine, 3..6), 3);
        opening..disk.changes()
    };
    for failing in count {
        let disk = SimDisk::with(&image, Trouble::Failure(failing));
        let engine = open_on(&disk, settings()).unwrap();
        let acknowledged = acknowledged(&engine, 3..6);
        assert!(acknowledged < 3, "failure {failing}");
        assert!(is_poisoned(&put(&engine, "key", vec![1])), "failure {failing}");
        assert!(matches!(wait(engine.get(b"round")), Err(EngineError::Poisoned(_))), "failure {failing}");
        drop(engine);
        for image in [disk.image(), disk.after_power_cut(failing as u64)] {
            let found = entries(&open_on(&SimDisk::new(&image), settings()).unwrap()).unwrap();
            let least = 3 + acknowledged;
            assert!(found == model(least) || found == model(least + 1), "failure {failing}: after a restart");
        }
    }
}
