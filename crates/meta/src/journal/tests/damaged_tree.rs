//! A page of the tree does not open: what is under it is lost, and nothing else, journal or not.

use super::*;
use crate::pages::sim_disk::Dice;
use crate::pages::{HEADS_LEN, SLOT_LEN, slot_offset};

const KEYS: usize = 900;

/// Keys so long that the tree gets levels.
fn key(index: usize) -> Vec<u8> {
    format!("{index:06}/{}", "k".repeat(300 + index % 7)).into_bytes()
}

fn filled() -> (Images, Entries) {
    let machine = Machine::new(&closed(0));
    let engine = machine.open(settings()).unwrap();
    let mut expected = Entries::new();
    for index in 0..KEYS {
        let mut commit = Commit::new();
        commit.put(key(index), vec![index as u8; 90]);
        expected.insert(key(index), vec![index as u8; 90]);
        wait(engine.commit(commit)).unwrap();
    }
    engine.close().unwrap();
    (machine.images(), expected)
}

/// Every value is the expected one, or damaged; returns how many are.
fn damaged(engine: &JournaledEngine, expected: &Entries, context: &str) -> usize {
    let look = |(key, value): (&Vec<u8>, &Vec<u8>)| match wait(engine.get(key)) {
        Ok(found) => {
            assert!(found.as_deref() == Some(value), "{context}: a wrong value");
            0
        }
        Err(EngineError::Damaged(_)) => 1,
        Err(error) => panic!("{context}: {error:?}"),
    };
    expected.iter().map(look).sum()
}

#[test]
fn writing_goes_on_around_a_damaged_page_and_survives_kills_and_restarts() {
    let (images, entries) = filled();
    let mut dice = Dice::new(5);
    let slots = (images.tree.len() as u64 - HEADS_LEN) / SLOT_LEN as u64;
    let written = |slot: &usize| images.tree[*slot..*slot + SLOT_LEN].iter().any(|&byte| byte != 0);
    let slots: Vec<_> = (1..slots).map(|page| slot_offset(page) as usize).filter(written).collect();
    let (mut opened, mut lost, mut refused) = (0, 0, 0);
    for slot in slots.into_iter().step_by(7) {
        let mut changed = images.clone();
        changed.tree[slot + dice.below(SLOT_LEN as u64) as usize] ^= 1;
        let context = format!("slot at {slot}");
        let machine = Machine::new(&changed);
        let settings = JournalSettings { overlay_bytes: 20_000, ..settings() };
        let engine = match machine.open(settings.clone()) {
            Ok(engine) => engine,
            Err(OpenError::Damaged(_)) => continue,
            Err(error) => panic!("{context}: {error:?}"),
        };
        opened += 1;
        let mut expected = entries.clone();
        for round in 0..200_u8 {
            let key = key(dice.below(KEYS as u64) as usize);
            let mut commit = Commit::new();
            let value = if round % 4 == 0 { None } else { Some(vec![round; 90]) };
            match value.clone() {
                Some(value) => commit.put(key.clone(), value),
                None => commit.delete(key.clone()),
            };
            match (wait(engine.commit(commit)), value) {
                (Ok(()), Some(value)) => drop(expected.insert(key, value)),
                (Ok(()), None) => drop(expected.remove(&key)),
                (Err(CommitError::Engine(EngineError::Damaged(_))), _) => refused += 1,
                (Err(error), _) => panic!("{context}: {error:?}"),
            }
        }
        let here = damaged(&engine, &expected, &context);
        lost += usize::from(here > 0);
        let killed = Machine::new(&machine.images()).open(settings.clone()).unwrap();
        assert!(damaged(&killed, &expected, &context) <= here, "{context}: after a kill");
        drop(engine);
        let again = machine.open(settings).unwrap();
        assert!(damaged(&again, &expected, &context) <= here, "{context}: after a restart");
    }
    assert!(opened > 10 && lost > 5 && refused > 5, "{opened} opened, {lost} lost something, {refused} refused");
}
