//! Someone changes the file behind the engine's back: it says so, or serves an earlier whole state; it never
//! serves a wrong value and never panics.

use std::collections::BTreeSet;

use super::*;
use crate::pages::sim_disk::{Dice, Trouble};
use crate::pages::{HEAD_ROOM, HEADS_LEN, SLOT_LEN, slot_offset};

const COMMITS: usize = 8;

/// What became of a changed file.
#[derive(Debug, PartialEq)]
enum Verdict {
    Unharmed,
    Earlier,
    Damaged,
}

fn judge(image: &[u8], context: &str) -> Verdict {
    let engine = match open_on(&SimDisk::new(image), settings()) {
        Ok(engine) => engine,
        Err(OpenError::Damaged(_)) => return Verdict::Damaged,
        Err(error) => panic!("{context}: {error:?}"),
    };
    let found = match entries(&engine) {
        Ok(found) => found,
        Err(EngineError::Damaged(_)) => {
            assert!(
                (0..=COMMITS).any(|count| every_entry_is_right_or_damaged(&engine, count)),
                "{context}: a value that is not of one state"
            );
            return Verdict::Damaged;
        }
        Err(error) => panic!("{context}: {error:?}"),
    };
    if found == model(COMMITS) {
        return Verdict::Unharmed;
    }
    assert!((0..COMMITS).any(|count| found == model(count)), "{context}: a state that never was");
    Verdict::Earlier
}

fn every_entry_is_right_or_damaged(engine: &RedbEngine, count: usize) -> bool {
    let expected = model(count);
    model_keys().iter().all(|key| match wait(engine.get(key)) {
        Ok(found) => found.as_deref() == expected.get(key).map(Vec::as_slice),
        Err(error) => matches!(error, EngineError::Damaged(_)),
    })
}

/// Every key that the history ever writes.
fn model_keys() -> BTreeSet<Vec<u8>> {
    (0..COMMITS).flat_map(|index| change(index).writes).map(|write| write.key.to_vec()).collect()
}

/// The image of a file whose process was killed, so that the next open walks through it.
fn killed_image() -> Vec<u8> {
    let disk = SimDisk::new(&closed_image(COMMITS - 2));
    let engine = open_on(&disk, settings()).unwrap();
    assert_eq!(acknowledged(&engine, COMMITS - 2..COMMITS), 2);
    disk.image()
}

fn slots(image: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let count = (image.len() as u64 - HEADS_LEN) / SLOT_LEN as u64;
    (1..count).map(|page| slot_offset(page) as usize)
}

fn is_written(image: &[u8], slot: usize) -> bool {
    image[slot..slot + SLOT_LEN].iter().any(|&byte| byte != 0)
}

/// Changes every written slot of `image` in turn and returns the verdicts.
fn change_every_slot(image: &[u8], mut change: impl FnMut(&mut [u8], usize)) -> Vec<Verdict> {
    slots(image)
        .filter(|&slot| is_written(image, slot))
        .map(|slot| {
            let mut changed = image.to_vec();
            change(&mut changed, slot);
            judge(&changed, &format!("slot at {slot}"))
        })
        .collect()
}

fn flip_in_slot(dice: &mut Dice) -> impl FnMut(&mut [u8], usize) {
    |image, slot| image[slot + dice.below(SLOT_LEN as u64) as usize] ^= 1 << dice.below(8)
}

#[test]
fn a_flipped_bit_in_a_page_of_a_closed_file_is_damage_or_of_no_consequence() {
    let verdicts = change_every_slot(&closed_image(COMMITS), flip_in_slot(&mut Dice::new(1)));
    assert!(verdicts.contains(&Verdict::Damaged) && verdicts.contains(&Verdict::Unharmed));
    assert!(!verdicts.contains(&Verdict::Earlier), "a closed file needs no recovery");
}

#[test]
fn a_flipped_bit_in_a_page_of_a_killed_file_gives_no_wrong_value() {
    let verdicts = change_every_slot(&killed_image(), flip_in_slot(&mut Dice::new(2)));
    assert!(verdicts.contains(&Verdict::Damaged) && verdicts.contains(&Verdict::Unharmed));
}

#[test]
fn a_flipped_bit_in_a_head_gives_no_wrong_value() {
    for image in [closed_image(COMMITS), killed_image()] {
        for offset in (0..2 * HEAD_ROOM as usize).step_by(61) {
            let mut changed = image.clone();
            changed[offset] ^= 1;
            judge(&changed, &format!("byte {offset}"));
        }
    }
}

#[test]
fn a_zeroed_page_is_damage_or_of_no_consequence() {
    let verdicts = change_every_slot(&closed_image(COMMITS), |image, slot| image[slot..slot + SLOT_LEN].fill(0));
    assert!(verdicts.contains(&Verdict::Damaged));
    assert!(!verdicts.contains(&Verdict::Earlier));
}

#[test]
fn a_page_in_the_place_of_another_is_damage_or_of_no_consequence() {
    let image = closed_image(COMMITS);
    let mut last = slots(&image).find(|&slot| is_written(&image, slot)).unwrap();
    let verdicts = change_every_slot(&image, |changed, slot| {
        changed.copy_within(last..last + SLOT_LEN, slot);
        last = slot;
    });
    assert!(verdicts.contains(&Verdict::Damaged));
}

#[test]
fn a_file_cut_anywhere_is_damaged() {
    let image = closed_image(COMMITS);
    for len in (HEADS_LEN as usize..image.len()).step_by(SLOT_LEN * 5) {
        for len in [len, len + 1] {
            assert_eq!(judge(&image[..len], &format!("{len} bytes")), Verdict::Damaged);
        }
    }
}

#[test]
fn a_head_lost_after_a_power_cut_gives_no_wrong_value() {
    // Writes under way may have reused pages that only the older head needs.
    let image = closed_image(3);
    let run = |disk: &SimDisk| {
        if let Ok(engine) = open_on(disk, eager_settings()) {
            acknowledged(&engine, 3..COMMITS);
        }
    };
    let whole = SimDisk::new(&image);
    run(&whole);
    let mut fell_back = 0;
    for cut in 0..whole.changes() {
        let disk = SimDisk::with(&image, Trouble::PowerCut(cut));
        run(&disk);
        for head in 0..2 {
            let mut changed = disk.after_power_cut(0);
            changed[head * HEAD_ROOM as usize + 200] ^= 1;
            fell_back += usize::from(judge(&changed, &format!("cut {cut}, head {head}")) == Verdict::Earlier);
        }
    }
    assert!(fell_back > 0);
}
