//! Disks without room.

use super::*;
use crate::pages::sim_disk::Trouble;

fn is_no_space<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(EngineError::NoSpace)))
}

#[test]
fn below_the_reserve_nothing_is_written() {
    let machine = Machine::new(&closed(3));
    let engine = machine.open(settings()).unwrap();
    let reserve = settings().tree.reserve_bytes;
    let changes = machine.tree.changes();
    machine.tree.set_available(reserve - 1);
    assert!(is_no_space(&put(&engine, "key", vec![1])));
    assert_eq!(machine.tree.changes(), changes);
    assert!(entries(&engine).unwrap() == model(3));
    let mut removal = Commit::new();
    removal.delete("round").put("garbage", "blob");
    wait(engine.commit(removal)).unwrap();
    machine.tree.set_available(reserve);
    put(&engine, "key", vec![1]).unwrap();
}

#[test]
fn a_disk_that_fills_up_anywhere_loses_nothing_and_serves_on() {
    let unwarned = JournalSettings {
        tree: RedbSettings { reserve_bytes: 0, ..RedbSettings::default() },
        overlay_bytes: 200_000,
        journal_bytes: 2 << 20,
        ..settings()
    };
    let images = closed(3);
    let mut refused = 0;
    for full in (0..160).step_by(3) {
        let machine = Machine::new(&images);
        let engine = machine.open(unwarned.clone()).unwrap();
        let opening = machine.tree.changes();
        machine.tree.set_trouble(Some(Trouble::Full(opening + full)));
        let mut expected = model(3);
        let large = |index: usize| vec![index as u8; 90_000 + index];
        for index in 0..40 {
            let key = ["large", "larger", "largest", "vast"][index % 4];
            match put(&engine, key, large(index)) {
                Ok(()) => drop(expected.insert(key.into(), large(index))),
                outcome => {
                    assert!(is_no_space(&outcome), "full at {full}: {outcome:?}");
                    refused += 1;
                }
            }
        }
        assert!(entries(&engine).unwrap() == expected, "full at {full}: reads go on");
        let crashed = Machine::new(&machine.after_power_cut(full as u64)).open(settings()).unwrap();
        assert!(entries(&crashed).unwrap() == expected, "full at {full}: everything is durable");
        machine.tree.set_trouble(None);
        while put(&engine, "large", large(9)).is_err() {
            std::thread::yield_now();
        }
        expected.insert(b"large".to_vec(), large(9));
        assert!(entries(&engine).unwrap() == expected, "full at {full}: writes work again");
        engine.close().unwrap();
        assert!(entries(&machine.open(settings()).unwrap()).unwrap() == expected, "full at {full}: after a restart");
    }
    assert!(refused > 0, "the disk was never full");
}
