//! A store in memory, and short words for what the tests do with it.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use coffer_blob::{BlobStore, MemoryBlobs};
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{Engine, MemoryEngine};
use coffer_store::{
    Bootstrap, Bucket, BucketName, Clock, CompleteUpload, CompletedPart, CreateUpload, Encryption, FullBody, ObjectKey,
    PutObject, Settings, Store, StoreError, StoredObject, UploadPart, WantedDigests, WriteConditions,
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

pub struct World {
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    pub blobs: Arc<dyn BlobStore>,
    pub clock: Arc<ManualClock>,
    pub bucket: Bucket,
    dir: tempfile::TempDir,
    root: Arc<dyn RootKeys>,
}

impl World {
    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default())).await
    }

    pub async fn over(engine: Arc<dyn Engine>, blobs: Arc<dyn BlobStore>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root: Arc<dyn RootKeys> = Arc::new(LocalKeyring::create(&dir.path().join("keys/root.key")).unwrap());
        let clock = Arc::new(ManualClock(AtomicU64::new(1_800_000_000_000)));
        let bootstrap = Bootstrap::create(&dir.path().join("data"), &*root).await.unwrap();
        let settings = Settings { inline_max: 1000, ..Settings::default() };
        let store = Store::new(bootstrap, engine.clone(), blobs.clone(), root.clone(), clock.clone(), settings);
        let name = BucketName::for_creation("bucket").unwrap();
        store.create_bucket(&name, "us-east-1").await.unwrap();
        let bucket = store.bucket(&name).await.unwrap();
        Self { store, engine, blobs, clock, bucket, dir, root }
    }

    /// The same engine and blobs in a new process.
    pub async fn restarted(&self) -> Store {
        let bootstrap = Bootstrap::open(&self.dir.path().join("data"), &*self.root).await.unwrap();
        let settings = Settings { inline_max: 1000, ..Settings::default() };
        Store::new(bootstrap, self.engine.clone(), self.blobs.clone(), self.root.clone(), self.clock.clone(), settings)
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
        let reader = self.store.get_object(&self.bucket, &key(name), customer_key).await?;
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

    pub async fn create_upload(&self, name: &str, encryption: Encryption<'_>) -> coffer_store::InstanceId {
        let create = CreateUpload {
            encryption,
            headers: vec![("content-type".into(), "text/plain".into())],
            storage_class: "STANDARD".into(),
            tags: Vec::new(),
            algorithm: None,
            composite: false,
        };
        self.store.create_upload(&self.bucket, &key(name), create).await.unwrap().upload_id
    }

    pub async fn part(
        &self,
        name: &str,
        upload_id: coffer_store::InstanceId,
        number: u32,
        data: &[u8],
        customer_key: Option<&Key32>,
    ) -> Result<String, StoreError> {
        let put = UploadPart { upload_id, number, customer_key, wanted: WantedDigests::default() };
        let mut body = FullBody::new(Bytes::copy_from_slice(data));
        Ok(self.store.upload_part(&self.bucket, &key(name), put, &mut body).await?.etag)
    }

    pub async fn complete(
        &self,
        name: &str,
        upload_id: coffer_store::InstanceId,
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
            customer_key,
            expected_size: None,
            expected_checksum: None,
            conditions: WriteConditions::default(),
        };
        self.store.complete_upload(&self.bucket, &key(name), complete).await
    }
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

pub fn customer_key(byte: u8) -> Key32 {
    Key32::from_slice(&[byte; 32]).unwrap()
}

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8) * 13 + (i >> 16) * 29) as u8).collect()
}

pub fn plain_put(encryption: Encryption<'_>) -> PutObject<'_> {
    PutObject {
        encryption,
        headers: vec![("content-type".into(), "text/plain".into()), ("x-amz-meta-owner".into(), "zoë".into())],
        storage_class: "STANDARD".into(),
        tags: Vec::new(),
        wanted: WantedDigests::default(),
        conditions: WriteConditions::default(),
    }
}
