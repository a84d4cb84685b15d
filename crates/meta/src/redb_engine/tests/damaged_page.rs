//! A page that does not open costs what is under it, and nothing else: the rest is read and written on.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;
use crate::pages::sim_disk::{Dice, Trouble};
use crate::pages::{HEADS_LEN, SLOT_LEN, slot_offset};

const KEYS: usize = 3000;
/// Every such page is damaged in turn.
const SAMPLE: usize = 5;

/// Keys so long that the tree gets three levels.
fn key(index: usize) -> Vec<u8> {
    format!("{index:06}/{}", "k".repeat(120 + index % 7)).into_bytes()
}

fn value(index: usize, round: u8) -> Vec<u8> {
    vec![round ^ index as u8; if index.is_multiple_of(500) { 9000 } else { 100 + index % 90 }]
}

fn all_keys() -> Entries {
    (0..KEYS).map(|index| (key(index), value(index, 0))).collect()
}

/// Puts every key and closes the engine.
fn fill(engine: &RedbEngine) {
    for chunk in all_keys().into_iter().collect::<Vec<_>>().chunks(50) {
        let mut commit = Commit::new();
        for (key, value) in chunk {
            commit.put(key.clone(), value.clone());
        }
        wait(engine.commit(commit)).unwrap();
    }
    engine.close().unwrap();
}

fn filled_image() -> Vec<u8> {
    let disk = SimDisk::new(&closed_image(0));
    fill(&open_on(&disk, settings()).unwrap());
    disk.image()
}

/// A byte in each slot that was ever written.
fn bytes_in_slots(image: &[u8]) -> Vec<usize> {
    let mut dice = Dice::new(3);
    (1..(image.len() as u64 - HEADS_LEN) / SLOT_LEN as u64)
        .map(|page| slot_offset(page) as usize)
        .filter(|&slot| image[slot..slot + SLOT_LEN].iter().any(|&byte| byte != 0))
        .map(|slot| slot + dice.below(SLOT_LEN as u64) as usize)
        .collect()
}

fn is_damaged<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(EngineError::Damaged(_))))
}

fn single(key: &[u8], value: Option<Vec<u8>>) -> Commit {
    let mut commit = Commit::new();
    match value {
        Some(value) => commit.put(key.to_vec(), value),
        None => commit.delete(key.to_vec()),
    };
    commit
}

/// Reads every key of `expected` and returns those that are lost; the others have the right value.
fn lost_keys(engine: &RedbEngine, expected: &Entries, context: &str) -> BTreeSet<Vec<u8>> {
    wait(async {
        let mut lost = BTreeSet::new();
        for (key, value) in expected {
            match engine.get(key).await {
                Ok(found) => assert!(found.as_deref() == Some(value), "{context}: a wrong value"),
                Err(EngineError::Damaged(_)) => drop(lost.insert(key.clone())),
                Err(error) => panic!("{context}: {error:?}"),
            }
        }
        lost
    })
}

fn is_contiguous(lost: &BTreeSet<Vec<u8>>, expected: &Entries) -> bool {
    let (Some(first), Some(last)) = (lost.first(), lost.last()) else { return true };
    expected.range(first.clone()..=last.clone()).count() == lost.len()
}

/// Writes to keys that are lost and to keys that are not, in one go, and tells `expected` what was acknowledged.
///
/// `false`: the page is one of redb's own, without which it can write nothing.
fn write_around(engine: &RedbEngine, lost: &BTreeSet<Vec<u8>>, expected: &mut Entries, context: &str) -> bool {
    let readable: Vec<_> = expected.keys().filter(|key| !lost.contains(*key)).step_by(97).cloned().collect();
    let keys = readable.iter().chain(lost.iter().take(20));
    let writes: Vec<_> = keys.map(|key| (key, vec![0xee; 150])).collect();
    let outcomes = at_once(engine, writes.iter().map(|(key, value)| single(key, Some(value.clone()))));
    if lost.is_empty() && is_damaged(&outcomes[0]) {
        assert!(outcomes.iter().all(is_damaged), "{context}");
        return false;
    }
    for ((key, value), outcome) in writes.into_iter().zip(outcomes) {
        if lost.contains(key) {
            assert!(is_damaged(&outcome), "{context}: {outcome:?}");
        } else {
            assert!(outcome.is_ok(), "{context}: {outcome:?}");
            expected.insert(key.clone(), value);
        }
    }
    true
}

/// Makes commits that wait in the queue together, as far as the writer lets them.
fn at_once(engine: &RedbEngine, commits: impl Iterator<Item = Commit>) -> Vec<Result<(), CommitError>> {
    use std::future::poll_fn;
    use std::task::Poll;
    wait(async {
        let mut outcomes = Vec::new();
        for commit in commits {
            let mut waiting = engine.commit(commit);
            // The first poll puts the commit into the queue.
            let answered = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
            outcomes.push((waiting, answered));
        }
        let mut answers = Vec::new();
        for (waiting, answered) in outcomes {
            answers.push(match answered {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => waiting.await,
            });
        }
        answers
    })
}

#[test]
fn every_page_costs_what_is_under_it_and_no_more() {
    let image = filled_image();
    let expected = all_keys();
    let mut times_lost: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut unopenable = 0;
    for byte in bytes_in_slots(&image) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let context = format!("byte {byte}");
        match open_on(&disk, settings()) {
            Ok(engine) => {
                let lost = lost_keys(&engine, &expected, &context);
                assert!(is_contiguous(&lost, &expected), "{context}: more than one subtree is lost");
                lost.into_iter().for_each(|key| *times_lost.entry(key).or_default() += 1);
            }
            Err(OpenError::Damaged(_)) => unopenable += 1,
            Err(error) => panic!("{context}: {error:?}"),
        }
    }
    // Below the root each key is under as many pages as the tree has levels; a value of several pages under more.
    let levels = times_lost[&key(1)];
    assert!(levels >= 2, "the tree is too flat to tell anything");
    for index in (0..KEYS).filter(|index| !index.is_multiple_of(500)) {
        assert_eq!(times_lost.get(&key(index)), Some(&levels), "key {index}");
    }
    assert!((2..=12).contains(&unopenable), "{unopenable} pages are needed to open");
}

#[test]
fn writing_goes_on_around_a_damaged_page_and_survives_a_restart() {
    let image = filled_image();
    let (mut with_losses, mut read_only) = (0, 0);
    for byte in bytes_in_slots(&image) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let context = format!("byte {byte}");
        let Ok(engine) = open_on(&disk, settings()) else { continue };
        let mut expected = all_keys();
        let lost = lost_keys(&engine, &expected, &context);
        with_losses += usize::from(!lost.is_empty());
        let written = write_around(&engine, &lost, &mut expected, &context);
        read_only += usize::from(!written);
        assert!(lost_keys(&engine, &expected, &context) == lost, "{context}: as before");
        assert_eq!(engine.close().is_ok(), written, "{context}");
        let engine = open_on(&disk, settings()).unwrap();
        assert!(lost_keys(&engine, &expected, &context) == lost, "{context}: after a restart");
    }
    assert!(with_losses > 100);
    assert!((1..=3).contains(&read_only), "{read_only} pages are needed for every commit");
}

#[test]
fn a_page_that_is_damaged_under_a_running_engine_stops_nothing_else() {
    let image = filled_image();
    // Without a cache every read sees the disk.
    let settings = RedbSettings { cache_bytes: 0, ..settings() };
    let mut with_losses = 0;
    for byte in bytes_in_slots(&image).into_iter().step_by(SAMPLE * 3) {
        let disk = SimDisk::new(&image);
        let Ok(engine) = open_on(&disk, settings.clone()) else { continue };
        let mut expected = all_keys();
        let context = format!("byte {byte}");
        assert!(lost_keys(&engine, &expected, &context).is_empty());
        disk.flip(byte);
        let lost = lost_keys(&engine, &expected, &context);
        if lost.is_empty() || lost.len() == KEYS {
            continue;
        }
        with_losses += 1;
        assert!(write_around(&engine, &lost, &mut expected, &context), "{context}");
        assert!(lost_keys(&engine, &expected, &context) == lost, "{context}");
        disk.flip(byte);
        assert!(entries(&engine).unwrap() == expected, "{context}: the page is back, and nothing was half done");
    }
    assert!(with_losses > 5);
}

#[test]
fn a_deletion_that_needs_a_damaged_neighbour_changes_nothing() {
    let image = filled_image();
    let mut refused = 0;
    for byte in bytes_in_slots(&image).into_iter().step_by(SAMPLE * 8) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let context = format!("byte {byte}");
        let Ok(engine) = open_on(&disk, settings()) else { continue };
        let mut expected = all_keys();
        let lost = lost_keys(&engine, &expected, &context);
        // Every page but the damaged one empties, and would be merged with its neighbour.
        let keys: Vec<_> = expected.keys().filter(|key| !lost.contains(*key)).cloned().collect();
        for keys in keys.chunks(64) {
            let outcomes = at_once(&engine, keys.iter().map(|key| single(key, None)));
            for (key, outcome) in keys.iter().zip(outcomes) {
                match outcome {
                    Ok(()) => drop(expected.remove(key)),
                    Err(_) => {
                        assert!(is_damaged(&outcome), "{context}: {outcome:?}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(lost_keys(&engine, &expected, &context) == lost, "{context}");
        engine.close().unwrap();
        disk.flip(byte);
        let found = entries(&open_on(&disk, settings()).unwrap()).unwrap();
        assert!(found == expected, "{context}: what was acknowledged is gone, all else is there");
    }
    assert!(refused > 0, "no deletion ever needed the damaged page");
}

#[test]
fn a_commit_with_one_damaged_key_is_not_half_applied() {
    let image = filled_image();
    let disk = SimDisk::new(&image);
    let (lost, engine) = bytes_in_slots(&image)
        .into_iter()
        .find_map(|byte| {
            let disk = SimDisk::new(&image);
            disk.flip(byte);
            let engine = open_on(&disk, settings()).ok()?;
            let lost = lost_keys(&engine, &all_keys(), "search").pop_first()?;
            Some((lost, engine))
        })
        .unwrap();
    drop(disk);
    let mut half = Commit::new();
    half.put("before", "1").put(lost.clone(), "2").put("after", "3");
    let mut whole = Commit::new();
    whole.check("before", None).put("whole", "4");
    let mut checked = Commit::new();
    checked.check(lost, None).put("checked", "5");
    let mut conflict = Commit::new();
    conflict.check("whole", None);
    // The first keeps the writer busy while the others queue up.
    let first = single(b"first", Some(vec![1; 100_000]));
    let outcomes = at_once(&engine, [first, half.clone(), whole, half, checked, conflict].into_iter());
    assert!(matches!(
        &outcomes[..],
        [
            Ok(()),
            Err(CommitError::Engine(EngineError::Damaged(_))),
            Ok(()),
            Err(CommitError::Engine(EngineError::Damaged(_))),
            Err(CommitError::Engine(EngineError::Damaged(_))),
            Err(CommitError::Conflict(0)),
        ]
    ));
    for key in [&b"before"[..], b"after", b"checked"] {
        assert_eq!(wait(engine.get(key)).unwrap(), None);
    }
    assert_eq!(wait(engine.get(b"whole")).unwrap().as_deref(), Some(&b"4"[..]));
}

#[test]
fn reading_a_damaged_page_again_and_again_writes_nothing() {
    let image = filled_image();
    for byte in bytes_in_slots(&image).into_iter().step_by(SAMPLE * 8) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let Ok(engine) = open_on(&disk, settings()) else { continue };
        let changes = disk.changes();
        for _ in 0..3 {
            lost_keys(&engine, &all_keys(), "again");
        }
        assert_eq!(disk.changes(), changes);
    }
}

#[test]
fn a_killed_process_with_a_checkpoint_starts_on_a_damaged_page() {
    let disk = SimDisk::new(&filled_image());
    let engine = open_on(&disk, eager_settings()).unwrap();
    put(&engine, "last", vec![1]).unwrap();
    let needs_walk = |image: &[u8]| SealedPages::open(Box::new(SimDisk::new(image)), keys()).unwrap().needs_walk();
    // The checkpoint is made after the acknowledgement, at some time.
    while needs_walk(&disk.image()) {
        std::thread::yield_now();
    }
    let image = disk.image();
    let mut expected = all_keys();
    expected.insert(b"last".to_vec(), vec![1]);
    let mut with_losses = 0;
    for byte in bytes_in_slots(&image).into_iter().step_by(SAMPLE) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let context = format!("byte {byte}");
        match open_on(&disk, settings()) {
            Ok(engine) => {
                let lost = lost_keys(&engine, &expected, &context);
                assert!(is_contiguous(&lost, &expected), "{context}");
                with_losses += usize::from(!lost.is_empty());
            }
            Err(error) => assert!(matches!(error, OpenError::Damaged(_)), "{context}: {error:?}"),
        }
    }
    assert!(with_losses > 20);
}

#[test]
fn a_power_cut_beside_a_known_damaged_page_loses_nothing_acknowledged() {
    let image = filled_image();
    let (byte, lost) = bytes_in_slots(&image)
        .into_iter()
        .find_map(|byte| {
            let disk = SimDisk::new(&image);
            disk.flip(byte);
            let lost = lost_keys(&open_on(&disk, settings()).ok()?, &all_keys(), "search");
            (!lost.is_empty()).then_some((byte, lost))
        })
        .unwrap();
    let key = |index: usize| format!("new {index}").into_bytes();
    // Meets the page, commits until the power goes and returns how many commits were acknowledged.
    let run = |disk: &SimDisk| {
        disk.flip(byte);
        let Ok(engine) = open_on(disk, settings()) else { return 0 };
        assert!(wait(engine.get(lost.first().unwrap())).is_err());
        (0..4).take_while(|&index| wait(engine.commit(single(&key(index), Some(vec![7; 3000])))).is_ok()).count()
    };
    let whole = SimDisk::new(&image);
    assert_eq!(run(&whole), 4);
    let mut opened = 0;
    for cut in 0..whole.changes() {
        let disk = SimDisk::with(&image, Trouble::PowerCut(cut));
        let acknowledged = run(&disk);
        for ending in 0..4 {
            let context = format!("cut {cut}, ending {ending}");
            let image = disk.after_power_cut(ending);
            let engine = match open_on(&SimDisk::new(&image), settings()) {
                Ok(engine) => engine,
                Err(error) => {
                    // A torn head makes redb verify the whole file, which the damaged page fails.
                    assert!(matches!(error, OpenError::Damaged(_)), "{context}: {error:?}");
                    let pages = SealedPages::open(Box::new(SimDisk::new(&image)), keys()).unwrap();
                    assert!(pages.fell_back(), "{context}: {error:?}");
                    continue;
                }
            };
            opened += 1;
            let there = (0..4).take_while(|&index| wait(engine.get(&key(index))).unwrap().is_some()).count();
            assert!(there == acknowledged || there == acknowledged + 1, "{context}");
            assert!(lost_keys(&engine, &all_keys(), &context) == lost, "{context}");
        }
    }
    assert!(opened > 2 * whole.changes(), "{opened} of {} endings could be opened", 4 * whole.changes());
}

#[test]
fn a_killed_process_without_a_checkpoint_serves_one_whole_state_or_says_that_it_is_damaged() {
    let disk = SimDisk::new(&filled_image());
    let engine = open_on(&disk, settings()).unwrap();
    put(&engine, "last", vec![1]).unwrap();
    let image = disk.image();
    let mut refused = 0;
    for byte in bytes_in_slots(&image).into_iter().step_by(SAMPLE) {
        let disk = SimDisk::new(&image);
        disk.flip(byte);
        let context = format!("byte {byte}");
        match open_on(&disk, settings()) {
            Ok(engine) => {
                // What the page is of, redb does not look at: the unused end of a large value.
                let lost = lost_keys(&engine, &all_keys(), &context);
                assert!(lost.len() <= 1, "{context}");
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged(_)), "{context}: {error:?}");
                refused += 1;
                disk.flip(byte);
                let found = entries(&open_on(&disk, settings()).unwrap()).unwrap();
                assert_eq!(found.len(), KEYS + 1, "{context}: the attempt to open changed nothing");
            }
        }
    }
    assert!(refused > 20);
}

#[test]
fn a_real_file_with_a_damaged_page_serves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let open = || RedbEngine::open(&path, keys(), RedbSettings { cache_bytes: 0, ..settings() });
    fill(&open().unwrap());
    let bytes = bytes_in_slots(&std::fs::read(&path).unwrap());
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let flip = |byte: usize| {
        let mut old = [0];
        file.read_exact_at(&mut old, byte as u64).unwrap();
        file.write_all_at(&[old[0] ^ 1], byte as u64).unwrap();
    };
    let mut expected = all_keys();
    let mut with_losses = 0;
    for byte in bytes.into_iter().step_by(SAMPLE * 4) {
        let context = format!("byte {byte}");
        flip(byte);
        if let Ok(engine) = open() {
            let lost = lost_keys(&engine, &expected, &context);
            with_losses += usize::from(!lost.is_empty());
            let written = write_around(&engine, &lost, &mut expected, &context);
            assert!(lost_keys(&engine, &expected, &context) == lost, "{context}");
            assert_eq!(engine.close().is_ok(), written, "{context}");
            let lost_later = lost_keys(&open().unwrap(), &expected, &context);
            assert!(lost_later == lost, "{context}: after a restart");
        }
        // Pages that lost nothing were free, and may have been written since.
        let engine_is_whole = open().is_ok_and(|engine| lost_keys(&engine, &expected, &context).is_empty());
        if !engine_is_whole {
            flip(byte);
        }
        assert!(lost_keys(&open().unwrap(), &expected, &context).is_empty(), "{context}: repaired");
    }
    assert!(with_losses > 5);
}
