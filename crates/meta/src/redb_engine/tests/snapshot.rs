//! Snapshots: what they cost the file, and when they end.

use super::*;

fn held(engine: &RedbEngine) -> Box<dyn Snapshot> {
    wait(engine.snapshot()).unwrap()
}

fn read(snapshot: &dyn Snapshot, key: &str) -> Result<Option<Bytes>, EngineError> {
    wait(snapshot.get(key.as_bytes()))
}

fn new_engine(disk: &SimDisk) -> RedbEngine {
    RedbEngine::create_on(disk, keys(), settings()).unwrap()
}

/// Overwrites the same rows again and again, and returns how long the file is then.
fn churn(engine: &RedbEngine, disk: &SimDisk) -> usize {
    for round in 0..40 {
        put(engine, "large", vec![round; 100_000]).unwrap();
    }
    disk.image().len()
}

#[test]
fn a_file_grows_by_what_is_changed_under_a_snapshot_and_not_once_that_is_dropped() {
    let disk = SimDisk::new(&[]);
    let engine = new_engine(&disk);
    let without = churn(&engine, &disk);
    assert_eq!(churn(&engine, &disk), without, "freed pages are used again");
    let snapshot = held(&engine);
    let with = churn(&engine, &disk);
    assert!(with > without, "the snapshot keeps the pages of its time");
    drop(snapshot);
    assert!(churn(&engine, &disk) < 2 * without, "what the snapshot took is given back");
}

#[test]
fn a_snapshot_ends_before_commits_are_refused_for_want_of_room() {
    let disk = SimDisk::new(&closed_image(3));
    let engine = open_on(&disk, settings()).unwrap();
    let reserve = settings().reserve_bytes;
    let snapshot = held(&engine);
    disk.set_available(reserve * 2);
    put(&engine, "key", vec![1]).unwrap();
    assert!(read(&*snapshot, "key").unwrap().is_none(), "there is room enough");
    disk.set_available(reserve);
    put(&engine, "key", vec![2]).unwrap();
    assert!(matches!(read(&*snapshot, "key"), Err(EngineError::SnapshotEnded)));
    let scan = wait(snapshot.scan(KeyRange::prefix(b""), 10, Direction::Forward));
    assert!(matches!(scan, Err(EngineError::SnapshotEnded)));
    assert_eq!(read(&*held(&engine), "key").unwrap().as_deref(), Some(&[2][..]), "another one can be taken");
}

#[test]
fn a_snapshot_does_not_outlive_its_engine() {
    let engine = open_on(&SimDisk::new(&closed_image(3)), settings()).unwrap();
    let snapshot = held(&engine);
    engine.close().unwrap();
    assert!(matches!(read(&*snapshot, "round"), Err(EngineError::SnapshotEnded)));
    assert!(wait(engine.snapshot()).is_err());
}

#[test]
fn a_snapshot_ends_when_the_database_is_opened_anew() {
    let image = closed_image(3);
    let disk = SimDisk::new(&image);
    let engine = open_on(&disk, RedbSettings { reserve_bytes: 0, ..settings() }).unwrap();
    let snapshot = held(&engine);
    disk.set_trouble(Some(crate::pages::sim_disk::Trouble::Full(0)));
    assert!(put(&engine, "large", vec![1; 3_000_000]).is_err());
    assert!(matches!(read(&*snapshot, "round"), Err(EngineError::SnapshotEnded)));
    assert!(read(&*held(&engine), "round").unwrap().is_some());
}
