//! Measures backups of a large store, over the redb engine on a real disk.
//!
//! `cargo run --release -p coffer-backup --example large_backup -- FOLDER [ROWS]`
//!
//! FOLDER must be on the disk in question; a few gigabytes are made in it and removed again. The store is filled with
//! small objects until it has ROWS rows (a million, unless said otherwise): two for each object. Memory is what is
//! resident at most during a step, beyond what was resident before it.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coffer_backup::{
    Access, BackupFolder, Keys, RestoreTo, Source, SystemFiles, TakeOptions, Taken, restore, take, verify,
};
use coffer_blob::{LocalBlobs, LocalSettings};
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{Engine, PageKeys, RedbEngine, RedbSettings};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Encryption, FullBody, NewBucket, ObjectKey, PutObject, Settings, Store, SystemClock,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Puts under way at once while the store is filled: they share syncs.
const TASKS: usize = 64;
/// Clients whose puts are measured.
const CLIENTS: usize = 8;
/// Puts that are measured.
const PUTS: usize = 20_000;
/// Bytes of an object.
const OBJECT_LEN: usize = 200;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: large_backup FOLDER [ROWS]")?);
    let rows = arguments.next().map_or(Ok(1_000_000), |rows| rows.parse::<usize>())?;
    let dir = tempfile::tempdir_in(folder)?;
    Runtime::new()?.block_on(measure(dir.path(), rows / 2))
}

async fn measure(dir: &Path, objects: usize) -> Outcome<()> {
    let backups = dir.join("backups");
    let root: Arc<dyn RootKeys> = Arc::new(LocalKeyring::create(&dir.join("root.key"))?);
    let measured = Measured::open(&dir.join("data"), Arc::clone(&root)).await?;
    let begin = Instant::now();
    measured.fill((0..objects).collect()).await?;
    println!("{objects} objects put in {:.0} s", begin.elapsed().as_secs_f64());

    let step = Step::begin();
    let taken = measured.back_up(&backups, false).await?;
    step.end("first backup", taken.progress.row_bytes, &written(taken));
    let step = Step::begin();
    let taken = measured.back_up(&backups, false).await?;
    step.end("nothing changed", taken.progress.row_bytes, &written(taken));
    measured.fill((0..objects).step_by(100).collect()).await?;
    let step = Step::begin();
    let taken = measured.back_up(&backups, false).await?;
    step.end("1 % changed here and there", taken.progress.row_bytes, &written(taken));
    measured.fill((objects..objects + objects / 100).collect()).await?;
    let step = Step::begin();
    let taken = measured.back_up(&backups, false).await?;
    step.end("1 % new in one place", taken.progress.row_bytes, &written(taken));

    let quiet = measured.latencies(0).await?;
    let backup = measured.clone();
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let beside = dir.join("beside");
    let backing_up = tokio::spawn(async move {
        let mut backups = 0;
        while !ends.load(Ordering::Relaxed) {
            backup.back_up(&beside, true).await?;
            backups += 1;
        }
        Outcome::Ok(backups)
    });
    let busy = measured.latencies(PUTS).await?;
    is_over.store(true, Ordering::Relaxed);
    let count = backing_up.await??;
    for (name, part) in [("p50", 50), ("p99", 99)] {
        let (quiet, busy) = (percentile(&quiet, part), percentile(&busy, part));
        println!(
            "put {name}: {:.2} ms; beside {count} full backups {:.2} ms: {:.2} times",
            ms(quiet),
            ms(busy),
            ms(busy) / ms(quiet)
        );
    }
    drop(measured);

    let folder = BackupFolder::open(&backups, Access::Shared)?;
    let keys = Keys { root: &*root, others: &[] };
    let step = Step::begin();
    let verified = verify(&folder, keys, None, &|_| {}).await?;
    step.end("verify", taken.progress.row_bytes, &format!("{} rows", verified.rows));
    let to = RestoreTo {
        data: &dir.join("restored"),
        metadata_name: "metadata.redb",
        settings: RedbSettings::default(),
        now_ms: 0,
    };
    let step = Step::begin();
    let restored = restore(&folder, keys, None, to, &SystemFiles, &|_| {}).await?;
    step.end("restore", taken.progress.row_bytes, &format!("{} rows", restored.rows));
    Ok(())
}

/// Something that is measured.
struct Step {
    begin: Instant,
    resident_kib: u64,
}

impl Step {
    fn begin() -> Self {
        // Where the system does not let the peak be reset, it is that of the whole process.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { begin: Instant::now(), resident_kib: memory_kib("VmRSS:") }
    }

    fn end(self, name: &str, row_bytes: u64, what: &str) {
        let (seconds, mb) = (self.begin.elapsed().as_secs_f64(), row_bytes as f64 / 1e6);
        let memory = memory_kib("VmHWM:").saturating_sub(self.resident_kib) as f64 / 1024.0;
        println!("{name}: {mb:.0} MB of rows in {seconds:.2} s, {:.0} MB/s; {what}; {memory:.0} MiB", mb / seconds);
    }
}

fn memory_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

fn written(taken: Taken) -> String {
    let (rows, progress) = (taken.backup.rows, taken.progress);
    format!("{rows} rows, {:.1} MB written", progress.bytes_written as f64 / 1e6)
}

#[derive(Clone)]
struct Measured {
    data: PathBuf,
    root: Arc<dyn RootKeys>,
    engine: Arc<RedbEngine>,
    store: Store,
    bucket: Bucket,
}

impl Measured {
    async fn open(data: &Path, root: Arc<dyn RootKeys>) -> Outcome<Self> {
        let bootstrap = Bootstrap::create(data, &*root).await?;
        let page_keys = PageKeys::new(Key32::from_slice(bootstrap.metadata_key.expose()).ok_or("32 bytes")?);
        let engine = RedbEngine::open(&data.join("metadata.redb"), page_keys, RedbSettings::default())?;
        let engine = Arc::new(engine);
        let blobs = Arc::new(LocalBlobs::open(&data.join("blobs"), LocalSettings::default())?);
        let rows = Arc::clone(&engine) as Arc<dyn Engine>;
        let store = Store::new(bootstrap, rows, blobs, Arc::clone(&root), Arc::new(SystemClock), Settings::default());
        let name = BucketName::for_creation("measured")?;
        store.create_bucket(&name, &NewBucket::default()).await?;
        let bucket = store.bucket(&name).await?;
        Ok(Self { data: data.to_owned(), root, engine, store, bucket })
    }

    async fn back_up(&self, folder: &Path, full: bool) -> Outcome<Taken> {
        let folder = BackupFolder::open_or_make(folder)?;
        let source = Source { engine: &*self.engine, data: &self.data, root: &*self.root };
        Ok(take(&folder, source, &TakeOptions { full, ..TakeOptions::default() }, 0, &|_| {}).await?)
    }

    /// Puts the objects with these numbers.
    async fn fill(&self, numbers: Vec<usize>) -> Outcome<()> {
        self.put_all(numbers, TASKS).await.map(drop)
    }

    /// How long each of [`PUTS`] puts takes, onto the objects from number `from`.
    async fn latencies(&self, from: usize) -> Outcome<Vec<Duration>> {
        self.put_all((from..from + PUTS).collect(), CLIENTS).await
    }

    /// Puts objects, as many at once as there are clients; returns how long each took, ascending.
    async fn put_all(&self, numbers: Vec<usize>, clients: usize) -> Outcome<Vec<Duration>> {
        let (numbers, next) = (Arc::new(numbers), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        for _ in 0..clients {
            let (this, numbers, next) = (self.clone(), Arc::clone(&numbers), Arc::clone(&next));
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let key = ObjectKey::new(format!("folder-{:06}/object-{number:08}", number / 100))?;
                    let put = PutObject {
                        headers: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
                        ..PutObject::new(Encryption::SseS3)
                    };
                    let body = &mut FullBody::new(Bytes::from_static(&[7; OBJECT_LEN]));
                    let begin = Instant::now();
                    this.store.put_object(&this.bucket, &key, put, body).await?;
                    times.push(begin.elapsed());
                }
                Outcome::Ok(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        times.sort();
        Ok(times)
    }
}

fn percentile(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() * part / 100).min(sorted.len() - 1)]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
