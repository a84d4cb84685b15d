//! From a client's body to a sealed part on stable storage, in bounded memory.

use std::pin::pin;

use bytes::Bytes;
use coffer_blob::{BlobId, BlobWriter};
use coffer_seal::{PartKeys, PartSealer, SegmentBuffer};
use tokio::task::JoinHandle;

use crate::body::Body;
use crate::checksum::{Digests, Hasher};
use crate::error::StoreError;
use crate::names::InstanceId;
use crate::pins::Pin;
use crate::store::Store;

/// Segments that are hashed, sealed and written at a time. Two units are in memory for a fast client, one for a slow
/// one: at 128 KiB, five hundred stalled uploads hold 64 MiB.
const UNIT_SEGMENTS: usize = 2;

/// Bodies up to this many bytes are hashed and sealed where they are: a hop to another thread would cost more.
const INLINE_WORK_MAX: usize = 64 << 10;

/// A part that is sealed and durable, but that no record names yet.
pub(crate) struct IngestedPart {
    pub(crate) plain_len: u64,
    pub(crate) digests: Digests,
    pub(crate) keys: PartKeys,
    pub(crate) location: Location,
}

/// Where the sealed bytes of a part are.
pub(crate) enum Location {
    /// In a blob, kept from garbage collection until this is dropped, after the record is committed.
    Blob(BlobId, #[expect(dead_code, reason = "held for its drop")] Pin),
    /// Here: they are committed together with the record.
    Inline(BlobId, Bytes),
}

impl Location {
    pub(crate) fn id(&self) -> BlobId {
        match self {
            Self::Blob(id, _) | Self::Inline(id, _) => *id,
        }
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(..))
    }
}

/// What travels to the thread that hashes and seals, and back.
struct Work {
    hasher: Hasher,
    sealer: PartSealer,
}

impl Work {
    fn run(mut self, buffer: SegmentBuffer, last: bool) -> (Self, Vec<u8>) {
        buffer.plaintext().for_each(|run| self.hasher.update(run));
        let sealed = self.sealer.seal(buffer, last);
        (self, sealed)
    }
}

impl Store {
    /// Reads `body` to its end, seals it under fresh part keys and makes it durable.
    ///
    /// The digests that the client announced are verified. On any error nothing stays behind.
    pub(crate) async fn ingest(
        &self,
        body: &mut dyn Body,
        hasher: Hasher,
        layers: usize,
        max_len: u64,
    ) -> Result<IngestedPart, StoreError> {
        self.ingest_into(body, hasher, layers, max_len, Some(self.0.settings.inline_max as u64)).await
    }

    /// The same, always into a blob: parts of an upload are moved and shared without touching their bytes.
    pub(crate) async fn ingest_blob(
        &self,
        body: &mut dyn Body,
        hasher: Hasher,
        layers: usize,
        max_len: u64,
    ) -> Result<IngestedPart, StoreError> {
        self.ingest_into(body, hasher, layers, max_len, None).await
    }

    async fn ingest_into(
        &self,
        body: &mut dyn Body,
        hasher: Hasher,
        layers: usize,
        max_len: u64,
        inline_max: Option<u64>,
    ) -> Result<IngestedPart, StoreError> {
        let keys = PartKeys::generate(layers);
        let mut pipeline = Pipeline {
            store: self,
            idle: Some(Work { hasher, sealer: PartSealer::new(&keys) }),
            busy: None,
            writer: None,
        };
        let mut buffer = SegmentBuffer::new(UNIT_SEGMENTS, layers);
        let mut plain_len = 0_u64;
        while let Some(mut chunk) = pipeline.beside(body.next()).await?.map_err(StoreError::Body)? {
            plain_len += chunk.len() as u64;
            if plain_len > max_len {
                return Err(StoreError::EntityTooLarge);
            }
            while !chunk.is_empty() {
                // A full unit is held back until there is more: the last segment is sealed as the last.
                if buffer.is_full() {
                    let full = std::mem::replace(&mut buffer, SegmentBuffer::new(UNIT_SEGMENTS, layers));
                    pipeline.push(full).await?;
                }
                let taken = buffer.push(&chunk);
                chunk = chunk.split_off(taken);
            }
        }
        let expected = body.expected().map_err(StoreError::Body)?;
        let fits_inline = inline_max.is_some_and(|most| plain_len <= most);
        let (digests, location) = pipeline.finish(buffer, fits_inline, |digests| expected.verify(digests)).await?;
        Ok(IngestedPart { plain_len, digests, keys, location })
    }
}

/// Hashes and seals one unit while the next is being received and the one before is being written.
struct Pipeline<'a> {
    store: &'a Store,
    idle: Option<Work>,
    busy: Option<JoinHandle<(Work, Vec<u8>)>>,
    writer: Option<(Box<dyn BlobWriter>, Pin)>,
}

impl Pipeline<'_> {
    /// Waits for `next`, and meanwhile hands the unit in work to the blob once it is sealed: a client that stalls
    /// leaves no more than a buffer of its own behind.
    async fn beside<T>(&mut self, next: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut next = pin!(next);
        while let Some(busy) = &mut self.busy {
            let sealed = tokio::select! {
                biased;
                next = &mut next => return Ok(next),
                sealed = busy => sealed,
            };
            self.busy = None;
            let (work, sealed) = sealed.expect("hashing and sealing do not panic");
            self.write(sealed).await?;
            self.idle = Some(work);
        }
        Ok(next.await)
    }

    /// Takes a full unit that is not the last.
    async fn push(&mut self, unit: SegmentBuffer) -> Result<(), StoreError> {
        let work = self.settle().await?;
        self.busy = Some(tokio::task::spawn_blocking(move || work.run(unit, false)));
        Ok(())
    }

    /// Waits for the unit in work and hands it to the blob.
    async fn settle(&mut self) -> Result<Work, StoreError> {
        if let Some(work) = self.idle.take() {
            return Ok(work);
        }
        let busy = self.busy.take().expect("the work is idle or busy");
        let (work, sealed) = busy.await.expect("hashing and sealing do not panic");
        self.write(sealed).await?;
        Ok(work)
    }

    async fn write(&mut self, sealed: Vec<u8>) -> Result<(), StoreError> {
        let (writer, _) = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let writer = self.store.0.blobs.create().await?;
                let pin = self.store.0.pins.pin(writer.id());
                self.writer.insert((writer, pin))
            }
        };
        Ok(writer.write(sealed.into()).await?)
    }

    /// Seals the last unit, verifies, and makes the blob durable.
    ///
    /// The verification comes before the fsync, so that a body that is refused costs none.
    async fn finish(
        mut self,
        last: SegmentBuffer,
        fits_inline: bool,
        verify: impl FnOnce(&Digests) -> Result<(), StoreError>,
    ) -> Result<(Digests, Location), StoreError> {
        let work = self.settle().await?;
        let (work, sealed) = if last.plain_len() <= INLINE_WORK_MAX {
            work.run(last, true)
        } else {
            let work = tokio::task::spawn_blocking(move || work.run(last, true));
            work.await.expect("hashing and sealing do not panic")
        };
        let digests = work.hasher.finish();
        verify(&digests)?;
        if fits_inline && self.writer.is_none() {
            // In the order of time, so that the engine writes neighbours into the same pages.
            let id = BlobId(InstanceId::new(self.store.now_ms()).0);
            return Ok((digests, Location::Inline(id, sealed.into())));
        }
        self.write(sealed).await?;
        let (writer, pin) = self.writer.take().expect("the last unit was just written");
        let id = writer.id();
        writer.finish().await?;
        Ok((digests, Location::Blob(id, pin)))
    }
}
