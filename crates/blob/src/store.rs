//! The seam between the domain and where sealed bytes live.

use std::fmt;
use std::io;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// Immutable runs of bytes by random id.
///
/// A blob is written once, never changed and never reused. Without the metadata that names it, it is
/// meaningless. Nothing is said about its content: what comes in is already sealed.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Starts a blob under a fresh random id.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`], [`BlobError::Io`].
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Returns the bytes `range` of a blob.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::TooShort`] when the blob ends before `range` does.
    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError>;

    /// Returns the length of a blob in bytes.
    ///
    /// # Errors
    /// [`BlobError::NotFound`].
    async fn len(&self, id: BlobId) -> Result<u64, BlobError>;

    /// Removes a blob; one that is not there is no error.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn delete(&self, id: BlobId) -> Result<(), BlobError>;

    /// Returns up to `limit` ids after `after`, ascending, with the time each blob was last written.
    ///
    /// Blobs that are still being written, or whose writer died, may be listed too: they are garbage once old.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError>;
}

/// A blob being written. Dropping it without [`BlobWriter::finish`] abandons the blob and removes what was written.
#[async_trait]
pub trait BlobWriter: Send {
    /// The id the blob will have.
    fn id(&self) -> BlobId;

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`], [`BlobError::Io`]. The writer is of no use afterwards.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes the blob durable: its bytes and its name are on stable storage when this returns.
    ///
    /// # Errors
    /// As [`BlobWriter::write`].
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;
}

/// The random name of a blob: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 16]);

impl BlobId {
    /// Draws a fresh id.
    #[must_use]
    pub fn random() -> Self {
        Self(coffer_crypto::random_array())
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob as [`BlobStore::list`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its id.
    pub id: BlobId,
    /// When it was last written, in seconds since 1970.
    pub written_at: u64,
}

/// Why a blob cannot be read or written.
#[derive(Debug, Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("blob {0} does not exist")]
    NotFound(BlobId),
    /// The blob is shorter than what was asked of it.
    #[error("blob {0} is shorter than its record says")]
    TooShort(BlobId),
    /// The disk is full.
    #[error("no space left for blobs")]
    NoSpace,
    /// The disk or the system failed.
    #[error("blobs cannot be read or written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(error),
        }
    }
}
