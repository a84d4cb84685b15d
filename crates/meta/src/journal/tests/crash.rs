//! The power goes at every write and sync of either file, and what was not synced ends in many ways.

use super::*;
use crate::pages::sim_disk::Trouble;

/// Commits in the file before the power may go.
const BEFORE: usize = 3;
/// Commits under way when it goes.
const DURING: usize = 6;
/// Ways for the unsynced writes to end, per cut.
const ENDINGS: u64 = 4;

fn changes_in_a_run(images: &Images, settings: &JournalSettings) -> usize {
    let machine = Machine::new(images);
    let engine = machine.open(settings.clone()).unwrap();
    assert_eq!(acknowledged(&engine, BEFORE..BEFORE + DURING), DURING);
    engine.close().unwrap();
    machine.tree.changes()
}

/// Runs until the power goes at change `cut`; returns the machine and how many commits it must hold.
fn run_until(images: &Images, cut: usize, settings: &JournalSettings) -> (Machine, usize) {
    let machine = Machine::new(images);
    machine.tree.set_trouble(Some(Trouble::PowerCut(cut)));
    let count = match machine.open(settings.clone()) {
        Ok(engine) => acknowledged(&engine, BEFORE..BEFORE + DURING),
        Err(_) => 0,
    };
    (machine, BEFORE + count)
}

/// Opens what a power cut left, and returns how many commits of the history are there.
fn commits_found(images: &Images, at_least: usize, context: &str) -> usize {
    let machine = Machine::new(images);
    let engine = machine.open(settings()).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let found = entries(&engine).unwrap();
    let count = (at_least..=at_least + 1).find(|&count| found == model(count));
    let count = count.unwrap_or_else(|| panic!("{context}: not the state after {at_least} commits or one more"));
    assert_eq!(acknowledged(&engine, count..count + 2), 2, "{context}: writing goes on");
    engine.close().unwrap();
    assert!(entries(&machine.open(settings()).unwrap()).unwrap() == model(count + 2), "{context}");
    count
}

fn cut_everywhere(settings: &JournalSettings) {
    let images = closed(BEFORE);
    let mut one_more = 0;
    for cut in 0..changes_in_a_run(&images, settings) {
        let (machine, at_least) = run_until(&images, cut, settings);
        for ending in 0..ENDINGS {
            let context = format!("cut {cut}, ending {ending}");
            let count = commits_found(&machine.after_power_cut(ending), at_least, &context);
            one_more += usize::from(count > at_least);
        }
    }
    assert!(one_more > 0, "no ending let a commit under way become durable: the simulation is too kind");
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    cut_everywhere(&settings());
}

#[test]
fn a_power_cut_while_rows_go_into_the_tree_loses_nothing_acknowledged() {
    cut_everywhere(&restless());
}

#[test]
fn a_power_cut_in_a_ring_that_is_full_again_and_again_loses_nothing_acknowledged() {
    cut_everywhere(&JournalSettings { journal_bytes: 96 << 10, ..settings() });
}

#[test]
fn power_cuts_during_recovery_lose_nothing_acknowledged() {
    let images = closed(BEFORE);
    for cut in (0..changes_in_a_run(&images, &restless())).step_by(3) {
        let (machine, at_least) = run_until(&images, cut, &restless());
        let mut crashed = machine.after_power_cut(cut as u64);
        for second_cut in 0..12 {
            let machine = Machine::new(&crashed);
            machine.tree.set_trouble(Some(Trouble::PowerCut(second_cut)));
            drop(machine.open(restless()));
            let left = machine.after_power_cut(second_cut as u64);
            commits_found(&left, at_least, &format!("cuts {cut} and {second_cut}"));
            // Crash upon crash: the next one meets what this one left.
            crashed = left;
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let machine = Machine::new(&closed(BEFORE));
    let engine = machine.open(settings()).unwrap();
    for count in 1..=DURING {
        assert_eq!(acknowledged(&engine, BEFORE + count - 1..BEFORE + count), 1);
        commits_found(&machine.images(), BEFORE + count, "killed");
    }
}

#[test]
fn runs_without_a_clean_end_follow_each_other_in_one_journal() {
    let mut images = closed(BEFORE);
    for count in BEFORE..BEFORE + 8 {
        let machine = Machine::new(&images);
        let engine = machine.open(settings()).unwrap();
        assert!(entries(&engine).unwrap() == model(count), "after {count} commits");
        assert_eq!(acknowledged(&engine, count..count + 1), 1);
        images = machine.images();
        std::mem::forget(engine);
    }
}

#[test]
fn commits_that_share_a_sync_are_each_whole_after_a_power_cut() {
    const TASKS: u8 = 8;
    let images = closed(0);
    for cut in (0..120).step_by(7) {
        let machine = Machine::new(&images);
        machine.tree.set_trouble(Some(Trouble::PowerCut(cut)));
        let Ok(engine) = machine.open(restless()) else { continue };
        let engine = Arc::new(engine);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let engine = Arc::clone(&engine);
                runtime.spawn(async move {
                    let mut done = 0;
                    for round in 1..=5_u8 {
                        let mut commit = Commit::new();
                        commit.put(vec![task, 0], vec![round; 200]).put(vec![task, 1], vec![round; 3000]);
                        if engine.commit(commit).await.is_err() {
                            break;
                        }
                        done = round;
                    }
                    done
                })
            })
            .collect();
        let done: Vec<u8> = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
        let found = entries(&Machine::new(&machine.after_power_cut(cut as u64)).open(settings()).unwrap()).unwrap();
        for (task, done) in (0..TASKS).zip(done) {
            let round = |half| found.get(&vec![task, half]).map_or(0, |value| value[0]);
            assert_eq!(round(0), round(1), "cut {cut}: half a commit");
            assert!(round(0) == done || round(0) == done + 1, "cut {cut}: {done} acknowledged, {} found", round(0));
        }
    }
}

#[test]
fn after_a_failed_write_or_sync_of_the_journal_commits_are_refused_and_reads_go_on() {
    let images = closed(3);
    let (opening, end) = {
        let machine = Machine::new(&images);
        let engine = machine.open(settings()).unwrap();
        assert_eq!(acknowledged(&engine, 3..4), 1, "the journal is made");
        let opening = machine.tree.changes();
        assert_eq!(acknowledged(&engine, 4..6), 2);
        (opening, machine.tree.changes())
    };
    for failing in opening..end {
        let machine = Machine::new(&images);
        machine.tree.set_trouble(Some(Trouble::Failure(failing)));
        let engine = machine.open(settings()).unwrap();
        let count = 3 + acknowledged(&engine, 3..6);
        assert!(count < 6, "failure {failing}");
        let again = put(&engine, "key", vec![1]);
        assert!(matches!(again, Err(CommitError::Engine(EngineError::Poisoned(_)))), "failure {failing}");
        assert!(entries(&engine).unwrap() == model(count), "failure {failing}: reads go on");
        for images in [machine.images(), machine.after_power_cut(failing as u64)] {
            let found = entries(&Machine::new(&images).open(settings()).unwrap()).unwrap();
            assert!(found == model(count) || found == model(count + 1), "failure {failing}: after a restart");
        }
        drop(engine);
        let found = entries(&Machine::new(&machine.images()).open(settings()).unwrap()).unwrap();
        assert!(found == model(count), "failure {failing}: after a clean end");
    }
}
