mod crash;
mod damage;
mod damaged_tree;
mod full_disk;
mod ring;

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use super::*;
use crate::pages::Disk;
use crate::pages::sim_disk::SimDisk;

crate::conformance!(Machine::new(&closed(0)).open(JournalSettings::default()).unwrap());

/// The same behaviours while rows go into the tree with every commit.
mod restless {
    use super::*;

    crate::conformance!(Machine::new(&closed(0)).open(restless()).unwrap());
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn keys() -> PageKeys {
    PageKeys::new(Key32::from_slice(&[7; 32]).unwrap())
}

/// Nothing goes into the tree by itself: what happens does not depend on the clock.
fn settings() -> JournalSettings {
    JournalSettings { fill_after: Duration::from_secs(1 << 20), ..JournalSettings::default() }
}

/// Everything goes into the tree at once.
fn restless() -> JournalSettings {
    JournalSettings { fill_after: Duration::ZERO, overlay_bytes: 1 << 12, ..JournalSettings::default() }
}

/// The disks of a machine: one for the metadata file and one for the journal.
#[derive(Clone)]
struct Machine {
    tree: SimDisk,
    journal: Arc<SimJournal>,
}

/// What is on them.
#[derive(Clone)]
struct Images {
    tree: Vec<u8>,
    journal: Option<Vec<u8>>,
}

/// A journal's file on a simulated disk. Making and removing it is durable when it returns.
struct SimJournal {
    machine: SimDisk,
    disk: Mutex<Option<SimDisk>>,
}

impl JournalFile for SimJournal {
    fn open(&self) -> io::Result<Option<Box<dyn Disk>>> {
        Ok(self.disk.lock().unwrap().clone().map(|disk| Box::new(disk) as Box<dyn Disk>))
    }

    fn create(&self) -> io::Result<Box<dyn Disk>> {
        let disk = self.machine.beside(&[]);
        *self.disk.lock().unwrap() = Some(disk.clone());
        Ok(Box::new(disk))
    }

    fn remove(&self) -> io::Result<()> {
        drop(self.disk.lock().unwrap().take());
        Ok(())
    }
}

impl Machine {
    fn new(images: &Images) -> Self {
        let tree = SimDisk::new(&images.tree);
        let disk = images.journal.as_ref().map(|image| tree.beside(image));
        Self { journal: Arc::new(SimJournal { machine: tree.clone(), disk: Mutex::new(disk) }), tree }
    }

    fn open(&self, settings: JournalSettings) -> Result<JournaledEngine, OpenError> {
        let tree = RedbEngine::open_on(&self.tree, keys(), settings.tree())?;
        JournaledEngine::start(tree, Arc::clone(&self.journal) as _, keys().journal_key(), settings)
    }

    fn journal(&self) -> Option<SimDisk> {
        self.journal.disk.lock().unwrap().clone()
    }

    /// What a killed process leaves.
    fn images(&self) -> Images {
        Images { tree: self.tree.image(), journal: self.journal().map(|disk| disk.image()) }
    }

    fn after_power_cut(&self, seed: u64) -> Images {
        Images { tree: self.tree.after_power_cut(seed), journal: self.journal().map(|disk| disk.after_power_cut(seed)) }
    }
}

/// What is left of an engine that made the first `count` commits of the history and was closed.
fn closed(count: usize) -> Images {
    let disk = SimDisk::new(&[]);
    RedbEngine::create_on(&disk, keys(), settings().tree()).unwrap().close().unwrap();
    let machine = Machine::new(&Images { tree: disk.image(), journal: None });
    let engine = machine.open(settings()).unwrap();
    assert_eq!(acknowledged(&engine, 0..count), count);
    engine.close().unwrap();
    machine.images()
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
fn acknowledged(engine: &JournaledEngine, range: std::ops::Range<usize>) -> usize {
    wait(async {
        for (count, index) in range.clone().enumerate() {
            if engine.commit(change(index)).await.is_err() {
                return count;
            }
        }
        range.len()
    })
}

fn entries(engine: &JournaledEngine) -> Result<Entries, EngineError> {
    let everything = KeyRange { start: Bound::Unbounded, end: Bound::Unbounded };
    let found = wait(engine.scan(everything, usize::MAX, Direction::Forward))?;
    Ok(found.into_iter().map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect())
}

fn put(engine: &JournaledEngine, key: &'static str, value: Vec<u8>) -> Result<(), CommitError> {
    let mut commit = Commit::new();
    commit.put(key, value);
    wait(engine.commit(commit))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_was_committed_is_there_after_reopening_and_the_journal_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let open = || JournaledEngine::open(&path, keys(), settings()).unwrap();
    let engine = open();
    assert!(!journal_path(&path).exists(), "nothing was written yet");
    assert_eq!(acknowledged(&engine, 0..9), 9);
    assert!(journal_path(&path).exists());
    drop(engine);
    assert!(!journal_path(&path).exists());
    assert!(entries(&open()).unwrap() == model(9));
}

#[test]
fn keys_and_values_are_in_neither_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let engine = JournaledEngine::open(&path, keys(), settings()).unwrap();
    put(&engine, "a key that is a name", b"a value that is a secret".repeat(400)).unwrap();
    for file in [&path, &journal_path(&path)] {
        let bytes = std::fs::read(file).unwrap();
        for text in [&b"a key that is a name"[..], b"a value that is a secret"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(journal_path(&path)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_second_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let engine = JournaledEngine::open(&path, keys(), settings()).unwrap();
    put(&engine, "key", vec![1]).unwrap();
    assert!(matches!(JournaledEngine::open(&path, keys(), settings()), Err(OpenError::AlreadyOpen)));
    put(&engine, "key", vec![2]).unwrap();
}

#[test]
fn a_closed_engine_refuses_work() {
    let machine = Machine::new(&closed(2));
    let engine = machine.open(settings()).unwrap();
    put(&engine, "key", vec![1]).unwrap();
    engine.close().unwrap();
    engine.close().unwrap();
    assert!(matches!(put(&engine, "key", vec![1]), Err(CommitError::Engine(EngineError::Poisoned(_)))));
    assert!(matches!(wait(engine.get(b"key")), Err(EngineError::Poisoned(_))));
    assert!(wait(engine.snapshot()).is_err());
}

#[test]
fn rows_go_into_the_tree_when_their_time_has_come() {
    let machine = Machine::new(&closed(1));
    let engine = machine.open(JournalSettings { fill_after: Duration::from_millis(1), ..settings() }).unwrap();
    assert_eq!(acknowledged(&engine, 1..4), 3);
    while engine.shared.overlay.read().bytes() > 0 {
        std::thread::yield_now();
    }
    assert!(entries(&engine).unwrap() == model(4));
    let before = machine.tree.changes();
    assert_eq!(engine.shared.overlay.read().depth(), 1);
    assert_eq!(machine.tree.changes(), before, "there is nothing more to do");
}

#[test]
fn a_snapshot_outlives_the_way_of_its_rows_into_the_tree() {
    let machine = Machine::new(&closed(3));
    let engine = machine.open(restless()).unwrap();
    let everything = KeyRange { start: Bound::Unbounded, end: Bound::Unbounded };
    for count in 4..30 {
        let snapshot = wait(engine.snapshot()).unwrap();
        assert_eq!(acknowledged(&engine, count - 1..count), 1);
        let found = wait(snapshot.scan(everything.clone(), usize::MAX, Direction::Reverse)).unwrap();
        let found: Entries = found.into_iter().map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect();
        assert!(found == model(count - 1), "snapshot {count}");
        for (key, value) in model(count - 1) {
            assert!(wait(snapshot.get(&key)).unwrap().as_deref() == Some(&value[..]));
        }
    }
}

#[test]
fn the_tree_alone_is_refused_while_it_has_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let engine = JournaledEngine::open(&path, keys(), settings()).unwrap();
    put(&engine, "key", vec![1]).unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    assert!(matches!(RedbEngine::open(&copy, keys(), settings().tree), Err(OpenError::HasJournal)));
    drop(engine);
    let tree = RedbEngine::open(&path, keys(), settings().tree).unwrap();
    assert!(wait(tree.get(b"key")).unwrap().as_deref() == Some(&[1][..]));
}
