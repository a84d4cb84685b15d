//! The power goes at every write and sync, and what was not synced ends in many ways. Afterwards every
//! acknowledged commit is there, and the one that was under way is there wholly or not at all.

use super::*;
use crate::pages::sim_disk::Trouble;

/// Commits in the file before the power may go.
const BEFORE: usize = 3;
/// Commits under way when it goes.
const DURING: usize = 6;
/// Ways for the unsynced writes to end, per cut.
const ENDINGS: u64 = 4;

fn changes_in_a_run(image: &[u8], settings: &RedbSettings) -> usize {
    let disk = SimDisk::new(image);
    let engine = open_on(&disk, settings.clone()).unwrap();
    assert_eq!(acknowledged(&engine, BEFORE..BEFORE + DURING), DURING);
    engine.close().unwrap();
    disk.changes()
}

/// Runs until the power goes at change `cut`; returns the disk and how many commits it must hold.
fn run_until(image: &[u8], cut: usize, settings: &RedbSettings) -> (SimDisk, usize) {
    let disk = SimDisk::with(image, Trouble::PowerCut(cut));
    let count = match open_on(&disk, settings.clone()) {
        Ok(engine) => acknowledged(&engine, BEFORE..BEFORE + DURING),
        Err(_) => 0,
    };
    (disk, BEFORE + count)
}

/// Opens what a power cut left, and returns how many commits of the history are there.
fn commits_found(image: &[u8], at_least: usize, context: &str) -> usize {
    let disk = SimDisk::new(image);
    let engine = open_on(&disk, settings()).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let found = entries(&engine).unwrap();
    let count = (at_least..=at_least + 1).find(|&count| found == model(count));
    let count = count.unwrap_or_else(|| panic!("{context}: not the state after {at_least} commits or one more"));
    assert_eq!(acknowledged(&engine, count..count + 2), 2, "{context}: writing goes on");
    engine.close().unwrap();
    assert!(entries(&open_on(&disk, settings()).unwrap()).unwrap() == model(count + 2), "{context}");
    count
}

fn cut_everywhere(settings: &RedbSettings) {
    let image = closed_image(BEFORE);
    let mut one_more = 0;
    for cut in 0..changes_in_a_run(&image, settings) {
        let (disk, at_least) = run_until(&image, cut, settings);
        for ending in 0..ENDINGS {
            let context = format!("cut {cut}, ending {ending}");
            let count = commits_found(&disk.after_power_cut(ending), at_least, &context);
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
fn a_power_cut_between_checkpoints_loses_nothing_acknowledged() {
    cut_everywhere(&eager_settings());
}

#[test]
fn a_power_cut_during_recovery_loses_nothing_acknowledged() {
    let image = closed_image(BEFORE);
    let changes = changes_in_a_run(&image, &settings());
    for cut in (0..changes).step_by(3) {
        let (disk, at_least) = run_until(&image, cut, &settings());
        let crashed = disk.after_power_cut(cut as u64);
        for second_cut in 0..12 {
            let disk = SimDisk::with(&crashed, Trouble::PowerCut(second_cut));
            drop(open_on(&disk, settings()));
            let context = format!("cuts {cut} and {second_cut}");
            commits_found(&disk.after_power_cut(second_cut as u64), at_least, &context);
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let image = closed_image(BEFORE);
    let disk = SimDisk::new(&image);
    let engine = open_on(&disk, settings()).unwrap();
    for count in 1..=DURING {
        assert_eq!(acknowledged(&engine, BEFORE + count - 1..BEFORE + count), 1);
        // What the kernel holds survives the process: the image as reads see it.
        commits_found(&disk.image(), BEFORE + count, "killed");
    }
}

#[test]
fn commits_that_share_a_sync_are_each_whole_after_a_power_cut() {
    const TASKS: u8 = 8;
    let image = closed_image(0);
    for cut in (0..120).step_by(7) {
        let disk = SimDisk::with(&image, Trouble::PowerCut(cut));
        let Ok(engine) = open_on(&disk, settings()) else { continue };
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
        let found = entries(&open_on(&SimDisk::new(&disk.after_power_cut(cut as u64)), settings()).unwrap()).unwrap();
        for (task, done) in (0..TASKS).zip(done) {
            let round = |half| found.get(&vec![task, half]).map_or(0, |value| value[0]);
            assert_eq!(round(0), round(1), "cut {cut}: half a commit");
            assert!(round(0) == done || round(0) == done + 1, "cut {cut}: {done} acknowledged, {} found", round(0));
        }
    }
}

#[test]
fn after_a_checkpoint_nothing_is_walked() {
    let image = closed_image(BEFORE);
    let disk = SimDisk::new(&image);
    let engine = open_on(&disk, eager_settings()).unwrap();
    assert_eq!(acknowledged(&engine, BEFORE..BEFORE + 1), 1);
    let needs_walk = |image: &[u8]| SealedPages::open(Box::new(SimDisk::new(image)), keys()).unwrap().needs_walk();
    // The checkpoint is made after the acknowledgement, at some time.
    while needs_walk(&disk.image()) {
        std::thread::yield_now();
    }
    commits_found(&disk.image(), BEFORE + 1, "killed after a checkpoint");
}
