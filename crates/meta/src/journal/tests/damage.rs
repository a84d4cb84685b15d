//! Somebody changes the journal behind the engine's back.

use super::*;
use crate::journal::frame::BLOCK_LEN;

const COMMITS: usize = 8;

/// What a killed process leaves whose last commits are in the journal alone.
fn killed() -> Images {
    let machine = Machine::new(&closed(2));
    let engine = machine.open(settings()).unwrap();
    assert_eq!(acknowledged(&engine, 2..COMMITS), COMMITS - 2);
    machine.images()
}

/// Opens changed images: the whole state, the one before the last commit, or damage.
fn judge(images: &Images, context: &str) -> Option<usize> {
    match Machine::new(images).open(settings()) {
        Err(OpenError::Damaged(_)) => None,
        Err(error) => panic!("{context}: {error:?}"),
        Ok(engine) => {
            let found = entries(&engine).unwrap();
            let count = (0..=COMMITS).find(|&count| found == model(count));
            Some(count.unwrap_or_else(|| panic!("{context}: a state that never was")))
        }
    }
}

fn journal(images: &mut Images) -> &mut Vec<u8> {
    images.journal.as_mut().unwrap()
}

#[test]
fn a_changed_byte_costs_at_most_the_last_commit_and_is_damage_before_it() {
    let images = killed();
    let len = images.journal.as_ref().unwrap().len();
    let (mut damaged, mut lost, mut unharmed) = (0, 0, 0);
    for at in (0..len).step_by(509) {
        let mut changed = images.clone();
        journal(&mut changed)[at] ^= 1;
        match judge(&changed, &format!("byte {at}")) {
            None => damaged += 1,
            Some(COMMITS) => unharmed += 1,
            // The last frame cannot be told from one whose sync never returned.
            Some(count) => {
                assert_eq!(count, COMMITS - 1, "byte {at}");
                lost += 1;
            }
        }
    }
    assert!(damaged > 0 && lost > 0 && unharmed > 0, "{damaged} {lost} {unharmed}");
}

#[test]
fn a_journal_that_is_missing_is_damage() {
    assert_eq!(judge(&Images { journal: None, ..killed() }, "missing"), None);
}

#[test]
fn a_journal_of_another_time_or_store_is_damage() {
    let images = killed();
    let other = killed();
    assert_eq!(judge(&Images { journal: other.journal, ..images.clone() }, "of another store"), None);
    let zeros = vec![0; images.journal.as_ref().unwrap().len()];
    assert_eq!(judge(&Images { journal: Some(zeros), ..images.clone() }, "zeros"), None);
    assert_eq!(judge(&Images { journal: Some(Vec::new()), ..images }, "empty"), None);
}

#[test]
fn a_journal_cut_anywhere_is_damage_or_costs_at_most_the_last_commit() {
    let images = killed();
    let used = images.journal.as_ref().unwrap().iter().rposition(|&byte| byte != 0).unwrap();
    for len in (0..used + 4 * BLOCK_LEN as usize).step_by(BLOCK_LEN as usize / 2) {
        let mut changed = images.clone();
        journal(&mut changed).truncate(len);
        // A file that ends in the middle of the frames has lost those behind, and nothing tells that there were any.
        judge(&changed, &format!("{len} bytes"));
    }
}

#[test]
fn another_key_opens_neither_file_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta");
    let engine = JournaledEngine::open(&path, keys(), settings()).unwrap();
    put(&engine, "key", vec![1]).unwrap();
    // A kill: both files as they are.
    for file in [path.clone(), journal_path(&path)] {
        std::fs::copy(&file, folder.path().join("copy").with_extension(file.extension().unwrap_or_default())).unwrap();
    }
    drop(engine);
    std::fs::rename(folder.path().join("copy"), &path).unwrap();
    std::fs::rename(folder.path().join("copy.journal"), journal_path(&path)).unwrap();
    let before = [std::fs::read(&path).unwrap(), std::fs::read(journal_path(&path)).unwrap()];
    let other = PageKeys::new(Key32::from_slice(&[8; 32]).unwrap());
    assert!(matches!(JournaledEngine::open(&path, other, settings()), Err(OpenError::WrongKey)));
    assert!(before == [std::fs::read(&path).unwrap(), std::fs::read(journal_path(&path)).unwrap()]);
    let engine = JournaledEngine::open(&path, keys(), settings()).unwrap();
    assert!(wait(engine.get(b"key")).unwrap().as_deref() == Some(&[1][..]));
}
