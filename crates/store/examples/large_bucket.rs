//! Measures what a page of a listing costs as a bucket grows, over the redb engine on a real disk.
//!
//! `cargo run --release -p coffer-store --example large_bucket -- FOLDER [KEYS] [VERSIONS]`
//!
//! FOLDER must be on the disk in question; a store of a few gigabytes is made in it and removed again. The bucket is
//! filled to KEYS (a million, unless said otherwise) and measured on the way; then VERSIONS (as many) more versions are
//! put onto the same keys. A page has 1,000 entries; `flat` pages have keys, `folders` pages common prefixes.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coffer_blob::{LocalBlobs, LocalSettings};
use coffer_configuration::VersioningStatus;
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{Engine, JournalSettings, JournaledEngine, PageKeys};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Encryption, FullBody, ListObjects, ListVersions, ObjectKey, PutObject, Settings,
    Store, StoreError, SystemClock,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Puts under way at once: they share syncs.
const TASKS: usize = 64;
/// Keys in a folder.
const FOLDER_LEN: usize = 100;
/// Pages measured for one figure.
const PAGES: usize = 40;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: large_bucket FOLDER [KEYS] [VERSIONS]")?);
    let keys = arguments.next().map_or(Ok(1_000_000), |keys| keys.parse::<usize>())?;
    let versions = arguments.next().map_or(Ok(keys), |versions| versions.parse::<usize>())?;
    let dir = tempfile::tempdir_in(folder)?;
    Runtime::new()?.block_on(async {
        let mut measured = Measured::open(dir.path()).await?;
        println!(
            "{:>10} {:>10} {:>9} {:>12} {:>12} {:>12} {:>12} {:>12}",
            "keys", "versions", "puts/s", "flat ms", "from middle", "folders ms", "from middle", "versions ms"
        );
        let mut filled = 0;
        for step in [1_000, 10_000, 100_000, keys].into_iter().filter(|step| *step <= keys) {
            let rate = measured.fill(filled, step, 0).await?;
            filled = step;
            measured.report(filled, 0, rate).await?;
        }
        measured.enable_versioning().await?;
        let mut made = 0;
        for step in [versions / 10, versions].into_iter().filter(|step| *step > 0) {
            let rate = measured.fill(made, step, filled).await?;
            made = step;
            measured.report(filled, made, rate).await?;
        }
        Ok(())
    })
}

#[derive(Clone)]
struct Measured {
    store: Store,
    bucket: Bucket,
}

impl Measured {
    async fn open(dir: &Path) -> Outcome<Self> {
        let root: Arc<dyn RootKeys> = Arc::new(LocalKeyring::create(&dir.join("root.key"))?);
        let data = dir.join("data");
        let bootstrap = Bootstrap::create(&data, &*root).await?;
        let page_keys = PageKeys::new(Key32::from_slice(bootstrap.metadata_key.expose()).ok_or("32 bytes")?);
        let engine = JournaledEngine::open(&data.join("metadata.redb"), page_keys, JournalSettings::default())?;
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let blobs = Arc::new(LocalBlobs::open(&data.join("blobs"), LocalSettings::default())?);
        let store = Store::new(bootstrap, engine, blobs, root, Arc::new(SystemClock), Settings::default());
        let name = BucketName::for_creation("measured")?;
        store.create_bucket(&name, &coffer_store::NewBucket::default()).await?;
        let bucket = store.bucket(&name).await?;
        Ok(Self { store, bucket })
    }

    async fn enable_versioning(&mut self) -> Outcome<()> {
        let set = self.store.configure_bucket(self.bucket.name(), |_, settings| -> Result<(), StoreError> {
            settings.versioning = Some(VersioningStatus::Enabled);
            Ok(())
        });
        set.await?;
        self.bucket = self.store.bucket(self.bucket.name()).await?;
        Ok(())
    }

    /// Puts objects number `from` to `to`; where there are `among` keys, onto those. Returns puts per second.
    async fn fill(&self, from: usize, to: usize, among: usize) -> Outcome<f64> {
        let begin = Instant::now();
        let next = Arc::new(AtomicUsize::new(from));
        let mut tasks = Vec::new();
        for _ in 0..TASKS {
            let (this, next) = (self.clone(), Arc::clone(&next));
            tasks.push(tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= to {
                        return Outcome::Ok(());
                    }
                    let key = if among == 0 { key(number)? } else { key(number % among)? };
                    let body = &mut FullBody::new(Bytes::from_static(b"a small object"));
                    this.store.put_object(&this.bucket, &key, put(), body).await?;
                }
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok((to - from) as f64 / begin.elapsed().as_secs_f64())
    }

    async fn report(&self, keys: usize, versions: usize, rate: f64) -> Outcome<()> {
        let middle = Some(key(keys / 2)?.as_str().to_owned());
        let flat = self.objects(None, None).await?;
        let flat_middle = self.objects(None, middle.clone()).await?;
        let folders = self.objects(Some("/"), None).await?;
        let folders_middle = self.objects(Some("/"), middle.clone()).await?;
        let all = self.versions(middle).await?;
        println!(
            "{keys:>10} {versions:>10} {rate:>9.0} {:>12.2} {:>12.2} {:>12.2} {:>12.2} {:>12.2}",
            ms(flat),
            ms(flat_middle),
            ms(folders),
            ms(folders_middle),
            ms(all)
        );
        Ok(())
    }

    /// The median time of a page of ListObjects.
    async fn objects(&self, delimiter: Option<&str>, after: Option<String>) -> Outcome<Duration> {
        let list = ListObjects { delimiter: delimiter.map(str::to_owned), after, max_keys: 1000, ..Default::default() };
        let mut times = Vec::new();
        for _ in 0..PAGES {
            let begin = Instant::now();
            self.store.list_objects(&self.bucket, &list).await?;
            times.push(begin.elapsed());
        }
        Ok(median(times))
    }

    /// The median time of a page of ListObjectVersions.
    async fn versions(&self, key_marker: Option<String>) -> Outcome<Duration> {
        let list = ListVersions { key_marker, max_keys: 1000, ..Default::default() };
        let mut times = Vec::new();
        for _ in 0..PAGES {
            let begin = Instant::now();
            self.store.list_versions(&self.bucket, &list).await?;
            times.push(begin.elapsed());
        }
        Ok(median(times))
    }
}

fn key(number: usize) -> Outcome<ObjectKey> {
    Ok(ObjectKey::new(format!("folder-{:06}/object-{:08}", number / FOLDER_LEN, number))?)
}

fn put() -> PutObject<'static> {
    PutObject {
        headers: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
        ..PutObject::new(Encryption::SseS3)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
