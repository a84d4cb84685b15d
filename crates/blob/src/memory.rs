//! Blobs in memory, for tests.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::store::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter};

/// Blobs that live as long as the process. Clones share their blobs.
#[derive(Clone)]
pub struct MemoryBlobs {
    blobs: Arc<Mutex<BTreeMap<BlobId, Stored>>>,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

struct Stored {
    bytes: Bytes,
    written_at: u64,
}

impl MemoryBlobs {
    /// An empty store that takes the time each blob is written, in seconds since 1970, from `clock`.
    pub fn with_clock(clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { blobs: Arc::default(), clock: Arc::new(clock) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobId, Stored>> {
        self.blobs.lock().expect("no holder of the lock panics")
    }
}

impl Default for MemoryBlobs {
    /// An empty store by the system's clock.
    fn default() -> Self {
        Self::with_clock(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()))
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), id: BlobId::random(), bytes: BytesMut::new() }))
    }

    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let blobs = self.lock();
        let bytes = &blobs.get(&id).ok_or(BlobError::NotFound(id))?.bytes;
        let end = usize::try_from(range.end).ok().filter(|end| *end <= bytes.len()).ok_or(BlobError::TooShort(id))?;
        let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
        Ok(bytes.slice(start..end))
    }

    async fn len(&self, id: BlobId) -> Result<u64, BlobError> {
        let blobs = self.lock();
        blobs.get(&id).map(|blob| blob.bytes.len() as u64).ok_or(BlobError::NotFound(id))
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.lock().remove(&id);
        Ok(())
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let blobs = self.lock();
        let found = blobs.range((start, Bound::Unbounded)).take(limit);
        Ok(found.map(|(id, blob)| BlobEntry { id: *id, written_at: blob.written_at }).collect())
    }
}

struct MemoryWriter {
    store: MemoryBlobs,
    id: BlobId,
    bytes: BytesMut,
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    fn id(&self) -> BlobId {
        self.id
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), BlobError> {
        let stored = Stored { bytes: self.bytes.freeze(), written_at: (self.store.clock)() };
        self.store.lock().insert(self.id, stored);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::conformance!((MemoryBlobs::default(), ()));

    #[tokio::test]
    async fn blobs_are_as_old_as_the_clock_says() {
        let blobs = MemoryBlobs::with_clock(|| 42);
        let writer = blobs.create().await.unwrap();
        let id = writer.id();
        writer.finish().await.unwrap();
        assert_eq!(blobs.list(None, 9).await.unwrap(), [BlobEntry { id, written_at: 42 }]);
    }
}
