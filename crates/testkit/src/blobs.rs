//! A blob store that fails on demand.

use std::convert::identity;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_blob::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter};

use crate::faults::Faults;

/// The calls of a [`BlobStore`] and its [`BlobWriter`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum BlobCall {
    Create,
    Write,
    Finish,
    Read,
    Len,
    Delete,
    List,
}

/// A blob store whose calls go wrong as its [`Faults`] say, and otherwise do what `B` does.
///
/// A [`BlobWriter::finish`] that does nothing drops the writer: at once when it fails, and with the call when it
/// is frozen.
pub struct FailingBlobs<B> {
    blobs: B,
    faults: BlobFaults,
}

type BlobFaults = Faults<BlobCall, BlobError>;

impl<B> FailingBlobs<B> {
    /// Wraps `blobs`; no call fails yet.
    pub fn new(blobs: B) -> Self {
        Self { blobs, faults: Faults::new() }
    }

    /// Returns the faults, to add some, or to keep before the store is given away.
    pub fn faults(&self) -> &Faults<BlobCall, BlobError> {
        &self.faults
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: BlobStore> BlobStore for FailingBlobs<B> {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let writer = self.faults.around(BlobCall::Create, identity, self.blobs.create()).await?;
        Ok(Box::new(FailingWriter { writer, faults: self.faults.clone() }))
    }

    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        self.faults.around(BlobCall::Read, identity, self.blobs.read(id, range)).await
    }

    async fn len(&self, id: BlobId) -> Result<u64, BlobError> {
        self.faults.around(BlobCall::Len, identity, self.blobs.len(id)).await
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.faults.around(BlobCall::Delete, identity, self.blobs.delete(id)).await
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError> {
        self.faults.around(BlobCall::List, identity, self.blobs.list(after, limit)).await
    }
}

struct FailingWriter {
    writer: Box<dyn BlobWriter>,
    faults: BlobFaults,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl BlobWriter for FailingWriter {
    fn id(&self) -> BlobId {
        self.writer.id()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.faults.around(BlobCall::Write, identity, self.writer.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), BlobError> {
        let Self { writer, faults } = *self;
        faults.around(BlobCall::Finish, identity, writer.finish()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fault, When};
    use coffer_blob::MemoryBlobs;

    coffer_blob::conformance!((FailingBlobs::new(MemoryBlobs::default()), ()));

    fn full() -> BlobError {
        BlobError::NoSpace
    }

    async fn put(blobs: &FailingBlobs<MemoryBlobs>) -> Result<BlobId, BlobError> {
        let mut writer = blobs.create().await?;
        let id = writer.id();
        writer.write(Bytes::from_static(b"bytes")).await?;
        writer.finish().await?;
        Ok(id)
    }

    #[tokio::test]
    async fn only_the_nth_call_fails() {
        let blobs = FailingBlobs::new(MemoryBlobs::default());
        blobs.faults().inject(When::Nth(BlobCall::Write, 2), Fault::Fail(full));
        assert!(put(&blobs).await.is_ok());
        assert!(matches!(put(&blobs).await, Err(BlobError::NoSpace)));
        assert!(put(&blobs).await.is_ok());
        assert_eq!(blobs.faults().count(BlobCall::Write), 3);
        assert_eq!(blobs.faults().count(BlobCall::Finish), 2);
    }

    #[tokio::test]
    async fn every_call_of_a_kind_fails_until_reset() {
        let blobs = FailingBlobs::new(MemoryBlobs::default());
        let id = put(&blobs).await.unwrap();
        blobs.faults().inject(When::Every(BlobCall::Read), Fault::Fail(full));
        for _ in 0..3 {
            assert!(blobs.read(id, 0..5).await.is_err());
        }
        assert_eq!(blobs.len(id).await.unwrap(), 5);
        blobs.faults().reset();
        assert_eq!(blobs.read(id, 0..5).await.unwrap(), "bytes");
        assert_eq!(blobs.faults().calls(), [BlobCall::Read]);
    }

    #[tokio::test]
    async fn a_sweep_meets_every_call() {
        for (n, call) in (1..).zip([BlobCall::Create, BlobCall::Write, BlobCall::Finish]) {
            let blobs = FailingBlobs::new(MemoryBlobs::default());
            blobs.faults().inject(When::NthOfAny(n), Fault::Fail(full));
            assert!(put(&blobs).await.is_err());
            assert_eq!(blobs.faults().calls().last(), Some(&call));
            assert_eq!(blobs.list(None, 1).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn a_call_can_fail_after_its_work() {
        let blobs = FailingBlobs::new(MemoryBlobs::default());
        blobs.faults().inject(When::Nth(BlobCall::Finish, 1), Fault::FailAfter(full));
        assert!(put(&blobs).await.is_err());
        assert_eq!(blobs.list(None, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_frozen_call_is_noticed_and_never_returns() {
        for (fault, left) in [(Fault::Freeze, 0), (Fault::FreezeAfter, 1)] {
            let memory = MemoryBlobs::default();
            let blobs = FailingBlobs::new(memory.clone());
            let faults = blobs.faults().clone();
            faults.inject(When::Nth(BlobCall::Finish, 1), fault);
            let task = tokio::spawn(async move { put(&blobs).await });
            faults.frozen().await;
            assert!(!task.is_finished());
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(memory.list(None, 9).await.unwrap().len(), left);
        }
    }
}
