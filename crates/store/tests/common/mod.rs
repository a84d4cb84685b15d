//! A store in memory, and short words for what the tests do with it.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unreachable_pub, reason = "the module is private to each test file")]

pub mod hooks;
pub mod jobs;
pub mod kms;
pub mod lifecycle;
pub mod reseal;
pub mod rng;
pub mod shred;
pub mod thief;

use coffer_configuration::ObjectLock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use coffer_blob::{BlobStore, MemoryBlobs};
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{Direction, Engine, KeyRange, MemoryEngine};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Clock, CompleteUpload, CompletedPart, CopyObject, CreateUpload, DeleteObject,
    Encryption, FullBody, InstanceId, Keys, ObjectKey, Origin, PutObject, Settings, Store, StoreError, StoredObject,
    UploadPart, WantedDigests, WriteConditions,
};

/// Time that moves when told to.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn set_back_ms(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A store, what it lies in, and its one bucket. Clones are the same world.
#[derive(Clone)]
pub struct World {
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    pub blobs: Arc<dyn BlobStore>,
    pub clock: Arc<ManualClock>,
    pub bucket: Bucket,
    pub kms: Arc<kms::FakeKms>,
    pub root: Arc<dyn RootKeys>,
    pub metadata_key: Arc<Key32>,
}

impl World {
    /// A world whose engine lets races be made.
    pub async fn hooked() -> (Self, Arc<hooks::HookedEngine>) {
        let engine = Arc::new(hooks::HookedEngine::default());
        (Self::over(engine.clone(), Arc::new(MemoryBlobs::default())).await, engine)
    }

    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default())).await
    }

    pub async fn over(engine: Arc<dyn Engine>, blobs: Arc<dyn BlobStore>) -> Self {
        Self::with(engine, blobs, settings()).await
    }

    pub async fn with(engine: Arc<dyn Engine>, blobs: Arc<dyn BlobStore>, settings: Settings) -> Self {
        Self::with_root(engine, blobs, settings, root_keys()).await
    }

    /// A world with a root key of its own.
    pub async fn with_root(
        engine: Arc<dyn Engine>,
        blobs: Arc<dyn BlobStore>,
        settings: Settings,
        root: Arc<dyn RootKeys>,
    ) -> Self {
        let clock = Arc::new(ManualClock(AtomicU64::new(1_800_000_000_000)));
        let metadata_key = Arc::new(Key32::generate());
        let (stored, blob_store) = (engine.clone(), blobs.clone());
        let store = Store::new(bootstrap(&metadata_key), stored, blob_store, root.clone(), clock.clone(), settings);
        let name = BucketName::for_creation("bucket").unwrap();
        store.create_bucket(&name, &coffer_store::NewBucket::default()).await.unwrap();
        let bucket = store.bucket(&name).await.unwrap();
        Self { store, engine, blobs, clock, bucket, kms: Arc::default(), root, metadata_key }
    }

    /// What opens everything that the KMS of this world, and this customer key, can open.
    pub fn keys<'a>(&'a self, customer: Option<&'a Key32>) -> Keys<'a> {
        Keys { customer, data_keys: &*self.kms }
    }

    /// The same world seen through another handle of a bucket.
    pub fn with_bucket(&self, bucket: Bucket) -> Self {
        Self { bucket, ..self.clone() }
    }

    /// The same engine and blobs in a new process.
    pub fn restarted(&self) -> Store {
        self.restarted_with(settings())
    }

    /// The same engine and blobs in a new process, with other settings.
    pub fn restarted_with(&self, settings: Settings) -> Store {
        let (engine, blobs) = (self.engine.clone(), self.blobs.clone());
        Store::new(bootstrap(&self.metadata_key), engine, blobs, self.root.clone(), self.clock.clone(), settings)
    }

    /// The same engine and blobs in a new process, which has cleared away what the old one left half-done.
    pub async fn after_crash(&self) -> Self {
        let store = self.restarted();
        store.resume_ended_uploads().await.unwrap();
        store.resume_bucket_deletions().await.unwrap();
        store.collect_orphans().await.unwrap();
        let bucket = store.bucket(self.bucket.name()).await.unwrap_or_else(|_| self.bucket.clone());
        Self { store, bucket, ..self.clone() }
    }

    /// Lets the grace period pass and collects garbage.
    pub async fn collect(&self) -> coffer_store::Collected {
        self.clock.advance_ms(3_600_000);
        self.store.collect_garbage().await.unwrap()
    }

    /// The keys of all rows of a table.
    pub async fn row_keys(&self, table: char) -> Vec<Bytes> {
        let range = KeyRange::prefix(table.to_string().as_bytes());
        let rows = self.engine.scan(range, usize::MAX, Direction::Forward).await.unwrap();
        rows.into_iter().map(|row| row.key).collect()
    }

    /// How many rows each table has, by its letter.
    pub async fn rows(&self) -> BTreeMap<char, usize> {
        let mut rows = BTreeMap::new();
        for table in 'A'..='Z' {
            match self.row_keys(table).await.len() {
                0 => {}
                len => drop(rows.insert(table, len)),
            }
        }
        rows
    }

    /// Nothing is left but buckets, once garbage is collected.
    pub async fn assert_empty(&self, context: &str) {
        self.collect().await;
        let rows: Vec<_> = self.rows().await.into_iter().filter(|(table, _)| *table != 'B').collect();
        assert_eq!(rows, [], "rows are left: {context}");
        assert_eq!(self.blob_count().await, 0, "blobs are left: {context}");
    }

    /// There is one blob for each reference and one reference for each blob, and no part without its upload.
    pub async fn assert_no_leak(&self, context: &str) {
        self.collect().await;
        let rows = self.rows().await;
        assert_eq!(rows.get(&'G'), None, "garbage waits: {context}");
        assert_eq!(rows.get(&'X'), None, "ended uploads wait: {context}");
        assert_eq!(self.blob_count().await, rows.get(&'R').copied().unwrap_or(0), "{context}");
        let uploads = self.row_keys('U').await;
        for part in self.row_keys('P').await {
            let upload_id = &part[17..33];
            assert!(uploads.iter().any(|upload| upload.ends_with(upload_id)), "a part without upload: {context}");
        }
    }

    pub async fn delete(&self, name: &str) {
        self.store.delete_object(&self.bucket, &key(name), &DeleteObject::default()).await.unwrap();
    }

    pub async fn abort(&self, name: &str, upload_id: InstanceId) -> Result<(), StoreError> {
        self.store.abort_upload(&self.bucket, &key(name), upload_id).await
    }

    /// Copies within the bucket.
    pub async fn copy(
        &self,
        (from, source_key): (&str, Option<&Key32>),
        to: &str,
        encryption: Encryption<'_>,
    ) -> Result<StoredObject, StoreError> {
        let source = self.store.get_object(&self.bucket, &key(from), self.keys(source_key)).await?;
        let copy = CopyObject {
            encryption,
            headers: None,
            tags: None,
            access: coffer_store::ObjectAccess::default(),
            storage_class: "STANDARD".into(),
            algorithm: None,
            conditions: WriteConditions::default(),
            lock: ObjectLock::default(),
            origin: Origin::default(),
        };
        self.store.copy_object(source, from == to, &self.bucket, &key(to), copy).await
    }

    pub async fn try_put(&self, name: &str, data: &[u8], put: PutObject<'_>) -> Result<StoredObject, StoreError> {
        self.store.put_object(&self.bucket, &key(name), put, &mut FullBody::new(Bytes::copy_from_slice(data))).await
    }

    pub async fn put(&self, name: &str, data: &[u8], encryption: Encryption<'_>) -> StoredObject {
        self.try_put(name, data, plain_put(encryption)).await.unwrap()
    }

    pub async fn try_get(&self, name: &str, customer_key: Option<&Key32>) -> Result<Vec<u8>, StoreError> {
        self.try_get_range(name, customer_key, 0..u64::MAX).await
    }

    pub async fn try_get_range(
        &self,
        name: &str,
        customer_key: Option<&Key32>,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let reader = self.store.get_object(&self.bucket, &key(name), self.keys(customer_key)).await?;
        let end = range.end.min(reader.info().size);
        let (mut stream, _) = reader.read(range.start..end).await?;
        let mut out = Vec::new();
        while let Some(piece) = stream.next().await? {
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    pub async fn get(&self, name: &str) -> Vec<u8> {
        self.try_get(name, None).await.unwrap()
    }

    pub async fn blob_count(&self) -> usize {
        self.blobs.list(None, usize::MAX).await.unwrap().len()
    }

    pub async fn create_upload(&self, name: &str, encryption: Encryption<'_>) -> InstanceId {
        let upload = self.store.create_upload(&self.bucket, &key(name), plain_upload(encryption)).await;
        upload.unwrap().upload_id
    }

    pub async fn try_create_upload(&self, name: &str) -> Result<InstanceId, StoreError> {
        let create = plain_upload(Encryption::SseS3);
        Ok(self.store.create_upload(&self.bucket, &key(name), create).await?.upload_id)
    }

    pub async fn part(
        &self,
        name: &str,
        upload_id: InstanceId,
        number: u32,
        data: &[u8],
        customer_key: Option<&Key32>,
    ) -> Result<String, StoreError> {
        let put = UploadPart { upload_id, number, keys: self.keys(customer_key), wanted: WantedDigests::default() };
        let mut body = FullBody::new(Bytes::copy_from_slice(data));
        Ok(self.store.upload_part(&self.bucket, &key(name), put, &mut body).await?.etag)
    }

    pub async fn complete(
        &self,
        name: &str,
        upload_id: InstanceId,
        parts: &[(u32, &str)],
        customer_key: Option<&Key32>,
    ) -> Result<StoredObject, StoreError> {
        let parts = parts
            .iter()
            .map(|(number, etag)| CompletedPart {
                number: *number,
                etag: (*etag).to_owned(),
                checksums: Default::default(),
            })
            .collect();
        let complete = CompleteUpload {
            upload_id,
            parts,
            keys: self.keys(customer_key),
            expected_size: None,
            expected_checksum: None,
            conditions: WriteConditions::default(),
            origin: Origin::default(),
        };
        self.store.complete_upload(&self.bucket, &key(name), complete).await
    }
}

fn bootstrap(metadata_key: &Key32) -> Bootstrap {
    let metadata_key = Key32::from_slice(metadata_key.expose()).unwrap();
    Bootstrap { store_id: [0; 16], metadata_key, generation: 1 }
}

/// One keyring for all worlds: to make one takes several syncs.
pub fn root_keys() -> Arc<dyn RootKeys> {
    static KEYRING: OnceLock<Arc<LocalKeyring>> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        Arc::new(LocalKeyring::create(&dir.path().join("root.key")).unwrap())
    });
    keyring.clone()
}

pub fn settings() -> Settings {
    Settings { inline_max: 1000, ..Settings::default() }
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

pub fn customer_key(byte: u8) -> Key32 {
    Key32::from_slice(&[byte; 32]).unwrap()
}

/// The first `len` bytes of an endless pattern.
pub fn pattern(len: usize) -> Vec<u8> {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern =
        PATTERN.get_or_init(|| (0..11 << 20).map(|i| (i * 7 + (i >> 8) * 13 + (i >> 16) * 29) as u8).collect());
    pattern[..len].to_vec()
}

pub fn plain_put(encryption: Encryption<'_>) -> PutObject<'_> {
    PutObject {
        headers: vec![("content-type".into(), "text/plain".into()), ("x-amz-meta-owner".into(), "zoë".into())],
        ..PutObject::new(encryption)
    }
}

pub fn plain_upload(encryption: Encryption<'_>) -> CreateUpload<'_> {
    CreateUpload {
        encryption,
        headers: vec![("content-type".into(), "text/plain".into())],
        storage_class: "STANDARD".into(),
        tags: Vec::new(),
        access: coffer_store::ObjectAccess::default(),
        algorithm: None,
        composite: false,
        lock: ObjectLock::default(),
    }
}
