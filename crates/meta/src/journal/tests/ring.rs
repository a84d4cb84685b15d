//! The ring of frames: growing, wrapping, waiting for the tree.

use super::*;
use crate::pages::sim_disk::Dice;

/// A random history against a plain map, with a journal so small that it wraps all the time, and kills on the way.
#[test]
fn a_random_history_in_a_small_ring_equals_a_map() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let mut machine = Machine::new(&closed(0));
        let settings = JournalSettings {
            journal_bytes: [64 << 10, 100 << 10, 1 << 20][seed as usize % 3],
            overlay_bytes: [4 << 10, 40 << 10][seed as usize % 2],
            ..settings()
        };
        let mut engine = machine.open(settings.clone()).unwrap();
        let mut expected = Entries::new();
        for step in 0..400 {
            let mut commit = Commit::new();
            for _ in 0..dice.below(4) {
                let key = format!("key {}", dice.below(40)).into_bytes();
                if dice.below(3) == 0 {
                    expected.remove(&key);
                    commit.delete(key);
                } else {
                    let value = vec![step as u8; dice.below(9000) as usize];
                    expected.insert(key.clone(), value.clone());
                    commit.put(key, value);
                }
            }
            wait(engine.commit(commit)).unwrap();
            if dice.below(25) == 0 {
                let images = machine.images();
                drop(engine);
                machine = Machine::new(&images);
                engine = machine.open(settings.clone()).unwrap();
            }
            if dice.below(10) == 0 {
                assert!(entries(&engine).unwrap() == expected, "seed {seed}, step {step}");
            }
            let (start, limit) = (format!("key {}", dice.below(40)), dice.below(12) as usize);
            let range = KeyRange { start: Bound::Excluded(start.clone().into_bytes()), end: Bound::Unbounded };
            let found = wait(engine.scan(range, limit, Direction::Forward)).unwrap();
            let found: Vec<_> = found.into_iter().map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect();
            let wanted = expected.range((Bound::Excluded(start.into_bytes()), Bound::Unbounded)).take(limit);
            assert!(wanted.eq(found.iter().map(|(key, value)| (key, value))), "seed {seed}, step {step}: a scan");
        }
        engine.close().unwrap();
        assert!(entries(&machine.open(settings).unwrap()).unwrap() == expected, "seed {seed}");
    }
}

#[test]
fn the_file_grows_as_it_is_needed_and_no_further() {
    let machine = Machine::new(&closed(0));
    let engine = machine.open(JournalSettings { journal_bytes: 3 << 20, ..settings() }).unwrap();
    put(&engine, "key", vec![1]).unwrap();
    let len = || machine.journal().unwrap().image().len();
    assert_eq!(len(), 1 << 20);
    for round in 0..40 {
        put(&engine, "key", vec![round; 500_000]).unwrap();
    }
    assert_eq!(len(), 3 << 20);
}

#[test]
fn a_commit_too_large_for_the_journal_goes_into_the_tree() {
    let machine = Machine::new(&closed(2));
    let engine = machine.open(JournalSettings { journal_bytes: 1 << 20, ..settings() }).unwrap();
    let mut expected = model(2);
    for round in 0..3_u8 {
        put(&engine, "small", vec![round]).unwrap();
        put(&engine, "large", vec![round; 2 << 20]).unwrap();
        expected.insert(b"small".to_vec(), vec![round]);
        expected.insert(b"large".to_vec(), vec![round; 2 << 20]);
        assert!(entries(&engine).unwrap() == expected);
        assert!(
            entries(&Machine::new(&machine.images()).open(settings()).unwrap()).unwrap() == expected,
            "after a kill"
        );
    }
}
