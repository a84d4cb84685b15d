mod crash;
mod damage;
mod damaged_page;
mod file;
mod full_disk;
mod snapshot;

use std::collections::BTreeMap;
use std::ops::Bound;

use coffer_crypto::Key32;

use super::*;
use crate::pages::sim_disk::SimDisk;

crate::conformance!({
    let folder = tempfile::tempdir().unwrap();
    RedbEngine::open(&folder.path().join("meta"), keys(), RedbSettings::default()).unwrap()
});

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn keys() -> PageKeys {
    PageKeys::new(Key32::from_slice(&[7; 32]).unwrap())
}

/// No checkpoint comes by itself: what happens does not depend on the clock.
fn settings() -> RedbSettings {
    RedbSettings { checkpoint_after: Duration::from_secs(1 << 20), ..RedbSettings::default() }
}

/// A checkpoint follows every batch.
fn eager_settings() -> RedbSettings {
    RedbSettings { checkpoint_after: Duration::ZERO, ..RedbSettings::default() }
}

/// The image of a file in which the commits of `history` up to `count` were made, and which was closed.
fn closed_image(count: usize) -> Vec<u8> {
    let disk = SimDisk::new(&[]);
    let engine = RedbEngine::create_on(&disk, keys(), settings()).unwrap();
    assert_eq!(acknowledged(&engine, 0..count), count);
    engine.close().unwrap();
    disk.image()
}

fn open_on(disk: &SimDisk, settings: RedbSettings) -> Result<RedbEngine, OpenError> {
    RedbEngine::open_on(disk, keys(), settings)
}

/// Commit number `index` of the one history: puts of all sizes, replacements, deletions.
fn change(index: usize) -> Commit {
    let mut commit = Commit::new();
    commit.put("round", vec![index as u8]);
    for key in 0..6 {
        let len = [1, 40, 300, 1000, 5000, 20_000][(key + index) % 6];
        commit.put(format!("key {key} of {}", index % 4), vec![(index * 7 + key) as u8; len]);
    }
    commit.delete(format!("key 2 of {}", (index + 1) % 4));
    commit
}

/// The entries after the first `count` commits of the history.
fn model(count: usize) -> Entries {
    let mut entries = Entries::new();
    for write in (0..count).flat_map(|index| change(index).writes) {
        match write.value {
            Some(value) => entries.insert(write.key.to_vec(), value.to_vec()),
            None => entries.remove(&write.key[..]),
        };
    }
    entries
}

/// Makes the commits of `range`, one after the other, and returns how many were acknowledged before one failed.
fn acknowledged(engine: &RedbEngine, range: std::ops::Range<usize>) -> usize {
    wait(async {
        for (count, index) in range.clone().enumerate() {
            if engine.commit(change(index)).await.is_err() {
                return count;
            }
        }
        range.len()
    })
}

fn entries(engine: &RedbEngine) -> Result<Entries, EngineError> {
    let everything = KeyRange { start: Bound::Unbounded, end: Bound::Unbounded };
    let found = wait(engine.scan(everything, usize::MAX, Direction::Forward))?;
    Ok(found.into_iter().map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect())
}

fn put(engine: &RedbEngine, key: &'static str, value: Vec<u8>) -> Result<(), CommitError> {
    let mut commit = Commit::new();
    commit.put(key, value);
    wait(engine.commit(commit))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
