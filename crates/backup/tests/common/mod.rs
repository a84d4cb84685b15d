//! A store with a data directory, its backups, and files that end at a chosen step.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unreachable_pub, reason = "the module is private to each test file")]

pub mod dying;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use coffer_backup::{
    Access, BackupError, BackupFolder, ChunkSizes, Keys, RestoreTo, RestoredMetadata, Source, SystemFiles, TakeOptions,
    Taken, Verified,
};
use coffer_blob::{BlobStore, MemoryBlobs};
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{
    Commit, Direction, Engine, Entry, JournalSettings, JournaledEngine, KeyRange, MemoryEngine, PageKeys, RedbSettings,
};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Clock, DeleteObject, Encryption, FullBody, NewBucket, ObjectKey, PutObject,
    Settings, Store,
};

/// Time that moves when told to.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Small chunks, so that a few rows are several.
pub const SIZES: ChunkSizes = ChunkSizes { min: 200, mean: 1000, max: 5000 };
pub const NOW_MS: u64 = 1_800_000_000_000;
/// Larger than what lies beside the record.
pub const LARGE: usize = 5000;

/// A store in memory, its bootstrap file and root key on disk, and a folder for backups.
pub struct World {
    pub dir: tempfile::TempDir,
    pub engine: Arc<dyn Engine>,
    pub blobs: Arc<dyn BlobStore>,
    pub root: Arc<LocalKeyring>,
    pub clock: Arc<ManualClock>,
    pub store: Store,
    pub bucket: Bucket,
}

impl World {
    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryEngine::new()), Arc::new(MemoryBlobs::default())).await
    }

    pub async fn over(engine: Arc<dyn Engine>, blobs: Arc<dyn BlobStore>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Arc::new(LocalKeyring::create(&dir.path().join("root.key")).unwrap());
        let bootstrap = Bootstrap::create(&dir.path().join("data"), &*root).await.unwrap();
        let clock = Arc::new(ManualClock(AtomicU64::new(NOW_MS)));
        let store = store_over(bootstrap, engine.clone(), blobs.clone(), root.clone(), clock.clone());
        let name = BucketName::for_creation("secret-bucket").unwrap();
        store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        let bucket = store.bucket(&name).await.unwrap();
        Self { dir, engine, blobs, root, clock, store, bucket }
    }

    /// Some objects, inline and in blobs.
    pub async fn filled() -> Self {
        let world = Self::new().await;
        for number in 0..20 {
            world.put(&format!("small-{number:03}"), 300).await;
        }
        for number in 0..3 {
            world.put(&format!("large-{number}"), LARGE).await;
        }
        world
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn backups(&self) -> PathBuf {
        self.dir.path().join("backups")
    }

    /// A data directory that is not there yet.
    pub fn fresh(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn source(&self) -> (Arc<dyn Engine>, PathBuf, Arc<LocalKeyring>) {
        (self.engine.clone(), self.data(), self.root.clone())
    }

    pub async fn put(&self, name: &str, len: usize) {
        put_into(&self.store, &self.bucket, name, len).await;
    }

    pub async fn delete(&self, name: &str) {
        let key = ObjectKey::new(name).unwrap();
        self.store.delete_object(&self.bucket, &key, &DeleteObject::default()).await.unwrap();
    }

    pub async fn take(&self) -> Taken {
        self.take_with(&options()).await.unwrap()
    }

    pub async fn take_with(&self, options: &TakeOptions) -> Result<Taken, BackupError> {
        let folder = BackupFolder::open_or_make(&self.backups())?;
        self.take_into(&folder, options).await
    }

    pub async fn take_into(&self, folder: &BackupFolder, options: &TakeOptions) -> Result<Taken, BackupError> {
        let data = self.data();
        let source = Source { engine: &*self.engine, data: &data, root: &*self.root };
        coffer_backup::take(folder, source, options, self.clock.now_ms(), &|_| {}).await
    }

    pub async fn verify(&self, id: Option<&str>) -> Result<Verified, BackupError> {
        let folder = BackupFolder::open(&self.backups(), Access::Shared)?;
        coffer_backup::verify(&folder, keys_of(&*self.root), id, &|_| {}).await
    }

    /// The backups there are, each verified to be whole: their ids, the latest last.
    pub async fn whole_backups(&self) -> Vec<String> {
        let Ok(folder) = BackupFolder::open(&self.backups(), Access::Shared) else { return Vec::new() };
        let listed = folder.list(&*self.root).await.unwrap();
        drop(folder);
        let mut ids = Vec::new();
        for backup in listed {
            assert!(backup.info.is_ok(), "{:?}", backup.info);
            let id = backup.id.to_string();
            let verified = self.verify(Some(&id)).await.unwrap();
            assert_eq!(verified.problems, [""; 0]);
            ids.push(id);
        }
        ids
    }

    pub async fn restore(&self, id: Option<&str>, data: &Path) -> Result<RestoredMetadata, BackupError> {
        let folder = BackupFolder::open(&self.backups(), Access::Shared)?;
        coffer_backup::restore(&folder, keys_of(&*self.root), id, to(data), &SystemFiles, &|_| {}).await
    }

    pub async fn rows(&self) -> Vec<Entry> {
        rows_of(&*self.engine).await
    }

    /// The store in a data directory, over the same blobs.
    pub async fn open(&self, data: &Path) -> (Store, Arc<JournaledEngine>) {
        let bootstrap = Bootstrap::open(data, &*self.root).await.unwrap();
        let engine = Arc::new(open_engine(data, &bootstrap.metadata_key));
        let store = store_over(bootstrap, engine.clone(), self.blobs.clone(), self.root.clone(), self.clock.clone());
        (store, engine)
    }

    /// The rows in a data directory.
    pub async fn rows_in(&self, data: &Path) -> Vec<Entry> {
        let bootstrap = Bootstrap::open(data, &*self.root).await.unwrap();
        rows_of(&open_engine(data, &bootstrap.metadata_key)).await
    }
}

/// What unwraps the keys of a store that has no KMS.
pub fn keys_of(root: &dyn RootKeys) -> Keys<'_> {
    Keys { root, others: &[] }
}

pub fn options() -> TakeOptions {
    TakeOptions { chunks: SIZES, ..TakeOptions::default() }
}

pub fn to(data: &Path) -> RestoreTo<'_> {
    RestoreTo { data, metadata_name: "metadata.redb", settings: RedbSettings::default(), now_ms: NOW_MS + 1000 }
}

pub fn open_engine(data: &Path, metadata_key: &Key32) -> JournaledEngine {
    let keys = PageKeys::new(Key32::from_slice(metadata_key.expose()).unwrap());
    let path = data.join("metadata.redb");
    assert!(path.exists(), "an engine would make a new file");
    JournaledEngine::open(&path, keys, JournalSettings::default()).unwrap()
}

fn store_over(
    bootstrap: Bootstrap,
    engine: Arc<dyn Engine>,
    blobs: Arc<dyn BlobStore>,
    root: Arc<dyn RootKeys>,
    clock: Arc<ManualClock>,
) -> Store {
    Store::new(bootstrap, engine, blobs, root, clock, Settings { inline_max: 1000, ..Settings::default() })
}

pub async fn put_into(store: &Store, bucket: &Bucket, name: &str, len: usize) {
    let body = Bytes::from(name.bytes().cycle().take(len).collect::<Vec<_>>());
    let put = PutObject {
        headers: vec![("x-amz-meta-owner".into(), "canary-of-the-owner".into())],
        ..PutObject::new(Encryption::SseS3)
    };
    store.put_object(bucket, &ObjectKey::new(name).unwrap(), put, &mut FullBody::new(body)).await.unwrap();
}

pub async fn rows_of(engine: &dyn Engine) -> Vec<Entry> {
    engine.scan(KeyRange::prefix(b""), usize::MAX, Direction::Forward).await.unwrap()
}

pub async fn put_row(engine: &dyn Engine, key: &str, value: &[u8]) {
    let mut commit = Commit::new();
    commit.put(key.to_owned(), value.to_vec());
    engine.commit(commit).await.unwrap();
}

/// Every file below a folder, but the lock.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else if !path.ends_with(".lock") {
            files.push(path);
        }
    }
    files.sort();
    files
}

pub fn chunk_files(backups: &Path) -> Vec<PathBuf> {
    files_in(&backups.join("chunks"))
}
