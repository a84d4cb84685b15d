//! Measures how many durable commits a second the engines make, and how long they take to open after a kill.
//!
//! `cargo run --release -p coffer-meta --example commit_rate -- FOLDER [SECONDS] [tree|journal]`
//!
//! Every task commits one value under a random key, waits for it to be durable, and goes on. Each line is a fresh
//! file in FOLDER, which must be on the disk in question. `tree` is the tree alone, `journal` (the default) the tree
//! behind the journal; closing, which brings everything into the tree, is in `after s`.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_crypto::{Key32, random_array};
use coffer_meta::{Commit, Engine, JournalSettings, JournaledEngine, PageKeys, RedbEngine, RedbSettings};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const KEY: [u8; 32] = [1; 32];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: commit_rate FOLDER [SECONDS]")?);
    let seconds = Duration::from_secs(arguments.next().map_or(Ok(3), |seconds| seconds.parse())?);
    let open = match arguments.next().as_deref() {
        None | Some("journal") => open_journaled,
        Some("tree") => open_tree,
        Some(_) => return Err("the engine is `tree` or `journal`".into()),
    };
    let runtime = Runtime::new()?;
    println!(
        "{:>6} {:>10} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8}",
        "tasks", "value B", "commits/s", "MB/s", "p50 ms", "p99 ms", "file MB", "after s"
    );
    for value_len in [300, 4 << 10, 32 << 10, 64 << 10] {
        for tasks in [1, 16, 64, 128] {
            measure(&runtime, open, &folder.join("commit_rate.meta"), tasks, value_len, seconds)?;
        }
    }
    measure_opening(&runtime, open, &folder.join("commit_rate.meta"))
}

type Open = fn(&Path) -> Outcome<Arc<dyn Engine>>;

fn keys() -> Outcome<PageKeys> {
    Ok(PageKeys::new(Key32::from_slice(&KEY).ok_or("a key has 32 bytes")?))
}

fn open_tree(path: &Path) -> Outcome<Arc<dyn Engine>> {
    Ok(Arc::new(RedbEngine::open(path, keys()?, RedbSettings::default())?))
}

fn open_journaled(path: &Path) -> Outcome<Arc<dyn Engine>> {
    Ok(Arc::new(JournaledEngine::open(path, keys()?, JournalSettings::default())?))
}

/// Commits from `tasks` tasks for `duration`, and prints a line.
fn measure(
    runtime: &Runtime,
    open: Open,
    path: &Path,
    tasks: usize,
    value_len: usize,
    duration: Duration,
) -> Outcome<()> {
    let engine = open(path)?;
    let end = Instant::now() + duration;
    let tasks_under_way: Vec<_> = (0..tasks)
        .map(|_| {
            let engine = Arc::clone(&engine);
            runtime.spawn(async move {
                let mut waits = Vec::new();
                while Instant::now() < end {
                    let begin = Instant::now();
                    engine.commit(random_commit(value_len)).await?;
                    waits.push(begin.elapsed());
                }
                Outcome::Ok(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks_under_way {
        waits.extend(runtime.block_on(task)??);
    }
    waits.sort_unstable();
    let rate = waits.len() as f64 / duration.as_secs_f64();
    let ms = |share: f64| waits[(waits.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    let ending = Instant::now();
    drop(engine);
    println!(
        "{tasks:>6} {value_len:>10} {rate:>10.0} {:>8.1} {:>10.2} {:>8.2} {:>8} {:>8.2}",
        rate * value_len as f64 / 1e6,
        ms(0.5),
        ms(0.99),
        std::fs::metadata(path)?.len() / 1_000_000,
        ending.elapsed().as_secs_f64()
    );
    Ok(std::fs::remove_file(path)?)
}

/// Where the journal of the engine in `path` is while it is open.
fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

fn random_commit(value_len: usize) -> Commit {
    let key = random_array::<80>();
    let mut commit = Commit::new();
    commit.check(key.to_vec(), None).put(key.to_vec(), vec![key[0]; value_len]);
    commit
}

/// Fills a file, copies it as a kill would leave it, and times the opening of the copy, before and after a checkpoint.
fn measure_opening(runtime: &Runtime, open: Open, path: &Path) -> Outcome<()> {
    const ENTRIES: usize = 400_000;
    let copy = path.with_extension("copy");
    let engine = open(path)?;
    for _ in 0..ENTRIES / 2000 {
        let mut commit = Commit::new();
        for _ in 0..2000 {
            commit.put(random_array::<80>().to_vec(), vec![0; 300]);
        }
        runtime.block_on(engine.commit(commit))?;
    }
    for (pause, when) in [(Duration::ZERO, "under load"), (Duration::from_secs(3), "after a checkpoint")] {
        std::thread::sleep(pause);
        std::fs::copy(path, &copy)?;
        if std::fs::exists(journal(path))? {
            std::fs::copy(journal(path), journal(&copy))?;
        }
        let begin = Instant::now();
        drop(open(&copy)?);
        let taken = begin.elapsed();
        println!(
            "killed {when}: {} MB opened and closed in {:.3} s",
            std::fs::metadata(&copy)?.len() / 1_000_000,
            taken.as_secs_f64()
        );
    }
    let begin = Instant::now();
    const GETS: u32 = 200_000;
    runtime.block_on(async {
        for _ in 0..GETS {
            engine.get(&random_array::<80>()).await?;
        }
        Outcome::Ok(())
    })?;
    println!("{:.0} gets/s of absent keys", f64::from(GETS) / begin.elapsed().as_secs_f64());
    drop(engine);
    std::fs::remove_file(&copy)?;
    Ok(std::fs::remove_file(path)?)
}
