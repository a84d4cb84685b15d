//! Measures how fast the store puts and gets objects, over the redb engine and local blobs on a real disk.
//!
//! `cargo run --release -p coffer-store --example put_get_rate -- FOLDER [SECONDS] [sizes | inline]`
//!
//! FOLDER must be on the disk in question; each line has a fresh store in it, which is removed again. `sizes` takes
//! small to large objects with the default settings. `inline` takes each size inline and as a blob, in turns, to find
//! where the one overtakes the other.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coffer_blob::{LocalBlobs, LocalSettings};
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{Engine, JournalSettings, JournaledEngine, PageKeys};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Encryption, FullBody, ObjectKey, PutObject, Settings, Store, SystemClock,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 3;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: put_get_rate FOLDER [SECONDS] [sizes | inline]")?);
    let seconds = arguments.next().map_or(Ok(2.0), |seconds| seconds.parse())?;
    let duration = Duration::from_secs_f64(seconds);
    let what = arguments.next();
    let runtime = Runtime::new()?;
    println!(
        "{:>9} {:>6} {:>5} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}",
        "bytes",
        "tasks",
        "mode",
        "inline",
        "puts/s",
        "MB/s",
        "p50 ms",
        "p99 ms",
        "cpu us",
        "disk B",
        "gets/s",
        "MB/s",
        "cpu us"
    );
    if what.as_deref() != Some("inline") {
        for (len, tasks) in [(4 << 10, 16), (64 << 10, 16), (8 << 20, 4), (64 << 20, 2)] {
            for customer_key in [false, true] {
                let case = Case { len, tasks, customer_key, inline_max: Settings::default().inline_max };
                case.report(&[case.measure(&runtime, &folder, duration)?]);
            }
        }
    }
    if what.as_deref() != Some("sizes") {
        for len in [1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 48 << 10, 64 << 10, 128 << 10] {
            let [inline, blob] = [len, 0].map(|inline_max| Case { len, tasks: 16, customer_key: false, inline_max });
            let mut measured = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (case, measured) in [&inline, &blob].into_iter().zip(&mut measured) {
                    measured.push(case.measure(&runtime, &folder, duration)?);
                }
            }
            inline.report(&measured[0]);
            blob.report(&measured[1]);
        }
    }
    Ok(())
}

/// Objects of one length, from so many tasks at once.
struct Case {
    len: usize,
    tasks: usize,
    customer_key: bool,
    inline_max: usize,
}

/// What one run gave.
struct Measured {
    puts_per_s: f64,
    gets_per_s: f64,
    p50: Duration,
    p99: Duration,
    /// Bytes that went to the disk for each put.
    disk_bytes: f64,
    /// Processor time of each put and of each get, in microseconds: other work on the machine changes these least.
    put_cpu_us: f64,
    get_cpu_us: f64,
}

impl Case {
    fn measure(&self, runtime: &Runtime, folder: &Path, duration: Duration) -> Outcome<Measured> {
        let dir = tempfile::tempdir_in(folder)?;
        runtime.block_on(async {
            let under_test = Arc::new(UnderTest::open(dir.path(), self).await?);
            let (written, cpu) = (disk_bytes_written()?, cpu_us()?);
            let (puts, put_time, waits) = under_test.puts(self.tasks, duration).await?;
            let disk_bytes = (disk_bytes_written()? - written) as f64 / puts as f64;
            let put_cpu_us = (cpu_us()? - cpu) as f64 / puts as f64;
            let cpu = cpu_us()?;
            let (gets, get_time) = under_test.gets(self.tasks, duration, puts).await?;
            let get_cpu_us = (cpu_us()? - cpu) as f64 / gets as f64;
            Ok(Measured {
                puts_per_s: puts as f64 / put_time.as_secs_f64(),
                gets_per_s: gets as f64 / get_time.as_secs_f64(),
                p50: waits[waits.len() / 2],
                p99: waits[waits.len() * 99 / 100],
                disk_bytes,
                put_cpu_us,
                get_cpu_us,
            })
        })
    }

    /// Prints the median of each figure.
    fn report(&self, measured: &[Measured]) {
        let median = |figure: fn(&Measured) -> f64| {
            let mut figures: Vec<_> = measured.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let megabytes = |per_s: f64| per_s * self.len as f64 / 1e6;
        let (puts, gets) = (median(|m| m.puts_per_s), median(|m| m.gets_per_s));
        println!(
            "{:>9} {:>6} {:>5} {:>7} {:>7.0} {:>7.1} {:>8.2} {:>8.2} {:>8.0} {:>9.0} {:>8.0} {:>8.1} {:>8.0}",
            self.len,
            self.tasks,
            if self.customer_key { "SSE-C" } else { "S3" },
            if self.len <= self.inline_max { "inline" } else { "blob" },
            puts,
            megabytes(puts),
            median(|m| m.p50.as_secs_f64() * 1000.0),
            median(|m| m.p99.as_secs_f64() * 1000.0),
            median(|m| m.put_cpu_us),
            median(|m| m.disk_bytes),
            gets,
            megabytes(gets),
            median(|m| m.get_cpu_us),
        );
    }
}

struct UnderTest {
    store: Store,
    bucket: Bucket,
    data: Bytes,
    customer_key: Option<Key32>,
    next: AtomicUsize,
}

impl UnderTest {
    async fn open(dir: &Path, case: &Case) -> Outcome<Self> {
        let root: Arc<dyn RootKeys> = Arc::new(LocalKeyring::create(&dir.join("root.key"))?);
        let data = dir.join("data");
        let bootstrap = Bootstrap::create(&data, &*root).await?;
        let page_keys = PageKeys::new(Key32::from_slice(bootstrap.metadata_key.expose()).ok_or("32 bytes")?);
        let engine = JournaledEngine::open(&data.join("metadata.redb"), page_keys, JournalSettings::default())?;
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let blobs = Arc::new(LocalBlobs::open(&data.join("blobs"), LocalSettings::default())?);
        let settings = Settings { inline_max: case.inline_max, ..Settings::default() };
        let store = Store::new(bootstrap, engine, blobs, root, Arc::new(SystemClock), settings);
        let name = BucketName::for_creation("measured")?;
        store.create_bucket(&name, &coffer_store::NewBucket::default()).await?;
        let bucket = store.bucket(&name).await?;
        let data = (0..case.len).map(|i| (i * 31 + (i >> 8)) as u8).collect::<Vec<_>>().into();
        let customer_key = case.customer_key.then(Key32::generate);
        Ok(Self { store, bucket, data, customer_key, next: AtomicUsize::new(0) })
    }

    fn key(number: usize) -> Outcome<ObjectKey> {
        // Neighbours in time are no neighbours in order.
        Ok(ObjectKey::new(format!("{:08x}/object", (number as u32).wrapping_mul(0x9e37_79b1)))?)
    }

    /// Puts new objects until the time is over. Returns how many, how long it took, and the sorted waits.
    async fn puts(self: &Arc<Self>, tasks: usize, duration: Duration) -> Outcome<(usize, Duration, Vec<Duration>)> {
        let begin = Instant::now();
        let mut all = Vec::new();
        for _ in 0..tasks {
            let this = Arc::clone(self);
            all.push(tokio::spawn(async move {
                let mut waits = Vec::new();
                while begin.elapsed() < duration || waits.is_empty() {
                    let key = Self::key(this.next.fetch_add(1, Ordering::Relaxed))?;
                    let put_at = Instant::now();
                    this.put(&key).await?;
                    waits.push(put_at.elapsed());
                }
                Outcome::Ok(waits)
            }));
        }
        let mut waits = Vec::new();
        for task in all {
            waits.extend(task.await??);
        }
        waits.sort();
        Ok((waits.len(), begin.elapsed(), waits))
    }

    async fn put(&self, key: &ObjectKey) -> Outcome<()> {
        let put = PutObject {
            headers: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
            ..PutObject::new(self.customer_key.as_ref().map_or(Encryption::SseS3, Encryption::SseC))
        };
        self.store.put_object(&self.bucket, key, put, &mut FullBody::new(self.data.clone())).await?;
        Ok(())
    }

    /// Gets the first `count` objects in turn until the time is over. Returns how many, and how long it took.
    async fn gets(self: &Arc<Self>, tasks: usize, duration: Duration, count: usize) -> Outcome<(usize, Duration)> {
        self.next.store(0, Ordering::Relaxed);
        let begin = Instant::now();
        let mut all = Vec::new();
        for _ in 0..tasks {
            let this = Arc::clone(self);
            all.push(tokio::spawn(async move {
                let mut gets = 0;
                while begin.elapsed() < duration || gets == 0 {
                    this.get(&Self::key(this.next.fetch_add(1, Ordering::Relaxed) % count)?).await?;
                    gets += 1;
                }
                Outcome::Ok(gets)
            }));
        }
        let mut gets = 0;
        for task in all {
            gets += task.await??;
        }
        Ok((gets, begin.elapsed()))
    }

    async fn get(&self, key: &ObjectKey) -> Outcome<()> {
        let reader = self
            .store
            .get_object(
                &self.bucket,
                key,
                coffer_store::Keys { customer: self.customer_key.as_ref(), ..coffer_store::Keys::NONE },
            )
            .await?;
        let size = reader.info().size;
        let (mut stream, _) = reader.read(0..size).await?;
        let mut len = 0;
        while let Some(piece) = stream.next().await? {
            len += piece.len();
        }
        if len == self.data.len() { Ok(()) } else { Err("an object has another length".into()) }
    }
}

/// Bytes that this process has sent to disks so far, as the system counts them.
fn disk_bytes_written() -> Outcome<u64> {
    let counts = std::fs::read_to_string("/proc/self/io")?;
    let line = counts.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no write_bytes")?;
    Ok(line.parse()?)
}

/// Microseconds of processor time that this process has used so far, in user mode and in the system.
fn cpu_us() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Field 2 is a name in brackets; 14 and 15 are times in hundredths of a second.
    let fields = stat.rsplit_once(')').ok_or("no name")?.1.split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() * 10_000)
}
