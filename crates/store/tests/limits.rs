//! Bodies that end badly, are too long, or are not what was announced; and how much of a body is in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use coffer_blob::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter, MemoryBlobs};
use coffer_crypto::md5;
use coffer_meta::MemoryEngine;
use coffer_store::{
    Body, BodyError, ChecksumAlgorithm, Encryption, ExpectedDigests, FullBody, MAX_PUT_LEN, StoreError, StoredObject,
    UploadPart, WantedDigests,
};
use common::{World, key, pattern, plain_put};

const CHUNK: usize = 64 << 10;

/// What a body is made of, and how much of it is anywhere at the moment.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

/// `chunks` chunks, and then the end or an error.
#[derive(Default)]
struct ChunkBody {
    chunks: usize,
    fails: bool,
    alive: Arc<AtomicUsize>,
    most_alive: usize,
}

#[async_trait]
impl Body for ChunkBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.most_alive = self.most_alive.max(self.alive.load(Ordering::SeqCst));
        if self.chunks == 0 {
            return if self.fails { Err("the client went away".into()) } else { Ok(None) };
        }
        self.chunks -= 1;
        self.alive.fetch_add(CHUNK, Ordering::SeqCst);
        Ok(Some(Bytes::from_owner(Counted { bytes: vec![7; CHUNK], alive: self.alive.clone() })))
    }
}

/// Blobs that note the longest write, and how many bytes a blob has that was never finished.
#[derive(Clone, Default)]
struct MeasuredBlobs {
    blobs: MemoryBlobs,
    longest_write: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

struct MeasuredWriter {
    writer: Box<dyn BlobWriter>,
    measured: MeasuredBlobs,
}

#[async_trait]
impl BlobStore for MeasuredBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(MeasuredWriter { writer: self.blobs.create().await?, measured: self.clone() }))
    }
    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let bytes = self.blobs.read(id, range).await?;
        self.longest_write.fetch_max(bytes.len(), Ordering::SeqCst);
        Ok(bytes)
    }
    async fn len(&self, id: BlobId) -> Result<u64, BlobError> {
        self.blobs.len(id).await
    }
    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.blobs.delete(id).await
    }
    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError> {
        self.blobs.list(after, limit).await
    }
}

#[async_trait]
impl BlobWriter for MeasuredWriter {
    fn id(&self) -> BlobId {
        self.writer.id()
    }
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.measured.longest_write.fetch_max(bytes.len(), Ordering::SeqCst);
        self.measured.written.fetch_add(bytes.len(), Ordering::SeqCst);
        // The bytes are counted and not kept.
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<(), BlobError> {
        self.writer.finish().await
    }
}

async fn put_body(world: &World, body: &mut dyn Body) -> Result<StoredObject, StoreError> {
    world.store.put_object(&world.bucket, &key("a"), plain_put(Encryption::SseS3), body).await
}

#[tokio::test]
async fn memory_stays_flat_however_long_the_body() {
    let blobs = MeasuredBlobs::default();
    let world = World::over(Arc::new(MemoryEngine::default()), Arc::new(blobs.clone())).await;
    let mut body = ChunkBody { chunks: 512, ..ChunkBody::default() };
    put_body(&world, &mut body).await.unwrap();
    assert!(blobs.written.load(Ordering::SeqCst) > 512 * CHUNK);
    assert!(blobs.longest_write.load(Ordering::SeqCst) <= 132 << 10, "one unit of segments a write");
    assert!(body.most_alive <= 2 * CHUNK, "chunks are copied out and let go");
}

#[tokio::test]
async fn reads_come_in_units_too() {
    let world = World::new().await;
    world.put("a", &pattern(1_000_000), Encryption::SseS3).await;
    let reader = world.store.get_object(&world.bucket, &key("a"), world.keys(None)).await.unwrap();
    let (mut stream, _) = reader.read(100_000..1_000_000).await.unwrap();
    while let Some(piece) = stream.next().await.unwrap() {
        assert!(piece.len() <= CHUNK);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    for chunks in [0, 1, 2, 3, 20] {
        let world = World::new().await;
        world.put("a", b"old", Encryption::SseS3).await;
        let upload_id = world.create_upload("u", Encryption::SseS3).await;
        let mut body = ChunkBody { chunks, fails: true, ..ChunkBody::default() };
        assert!(matches!(put_body(&world, &mut body).await, Err(StoreError::Body(_))));
        let mut body = ChunkBody { chunks, fails: true, ..ChunkBody::default() };
        let put = UploadPart { upload_id, number: 1, keys: world.keys(None), wanted: WantedDigests::default() };
        let part = world.store.upload_part(&world.bucket, &key("u"), put, &mut body).await;
        assert!(matches!(part, Err(StoreError::Body(_))));
        assert_eq!(world.get("a").await, b"old");
        assert_eq!(world.blob_count().await, 0);
        let rows = world.rows().await;
        assert_eq!((rows.get(&'P'), rows.get(&'R'), rows.get(&'G')), (None, None, None));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_touched() {
    let world = World::new().await;
    // The pages of this are never touched, so they take no memory.
    let too_long = || Bytes::from(vec![0; usize::try_from(MAX_PUT_LEN).unwrap() + 1]);
    assert!(matches!(put_body(&world, &mut FullBody::new(too_long())).await, Err(StoreError::EntityTooLarge)));
    let upload_id = world.create_upload("u", Encryption::SseS3).await;
    let put = UploadPart { upload_id, number: 1, keys: world.keys(None), wanted: WantedDigests::default() };
    let mut body = FullBody::new(too_long());
    let part = world.store.upload_part(&world.bucket, &key("u"), put, &mut body).await;
    assert!(matches!(part, Err(StoreError::EntityTooLarge)));
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn a_body_that_is_not_what_was_announced_changes_nothing() {
    for len in [500, 5000, 300_000] {
        let world = World::new().await;
        world.put("a", b"old", Encryption::SseS3).await;
        let data = pattern(len);
        let refuse = async |expected: ExpectedDigests| {
            let mut body = FullBody::new(data.clone()).expecting(expected);
            put_body(&world, &mut body).await.err().unwrap()
        };
        let wrong = ExpectedDigests { md5: Some([1; 16]), checksum: None };
        let refused = refuse(wrong).await;
        assert!(matches!(refused, StoreError::Md5Mismatch { computed, .. } if computed == md5(&data)));
        // A value of an algorithm that was not announced cannot be verified, so it is not believed.
        for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Sha256] {
            let wrong = ExpectedDigests { md5: None, checksum: Some((algorithm, vec![0; 8])) };
            assert!(matches!(refuse(wrong).await, StoreError::ChecksumMismatch(named) if named == algorithm));
        }
        let right = ExpectedDigests { md5: Some(md5(&data)), checksum: None };
        assert_eq!(world.get("a").await, b"old");
        assert_eq!(world.blob_count().await, 0);
        put_body(&world, &mut FullBody::new(data.clone()).expecting(right)).await.unwrap();
        assert_eq!(world.get("a").await, data);
    }
}

#[tokio::test]
async fn chunks_of_any_size_make_the_same_object() {
    struct Pieces(Vec<Bytes>);
    #[async_trait]
    impl Body for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }
    let world = World::new().await;
    let data = Bytes::from(pattern(200_000));
    for size in [1000, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let mut pieces: Vec<_> = data.chunks(size).map(|chunk| data.slice_ref(chunk)).collect();
        pieces.insert(1, Bytes::new());
        put_body(&world, &mut Pieces(pieces)).await.unwrap();
        assert!(world.get("a").await == data, "pieces of {size}");
    }
}
