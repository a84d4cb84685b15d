//! Where the bytes of an upload come from.

use async_trait::async_trait;
use bytes::Bytes;
use coffer_seal::ChecksumAlgorithm;

use crate::checksum::Digests;
use crate::error::{BodyError, StoreError};

/// The bytes of an object or part, as they arrive.
#[async_trait]
pub trait Body: Send {
    /// Returns the next bytes, or `None` at the end.
    ///
    /// # Errors
    /// Whatever the source fails with: it comes back as [`StoreError::Body`].
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError>;

    /// What the bytes must hash to. Asked once, after the end: a trailer may have said it.
    ///
    /// # Errors
    /// As [`Body::next`].
    fn expected(&mut self) -> Result<ExpectedDigests, BodyError> {
        Ok(ExpectedDigests::default())
    }
}

/// What a client says its body hashes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedDigests {
    /// From `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// From `x-amz-checksum-*`, as header or trailer.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
}

impl ExpectedDigests {
    /// Compares with what was computed.
    pub(crate) fn verify(&self, computed: &Digests) -> Result<(), StoreError> {
        if let Some(expected) = self.md5 {
            let computed = computed.md5.expect("the MD5 is computed when the client sends one");
            if expected != computed {
                return Err(StoreError::Md5Mismatch { expected, computed });
            }
        }
        match &self.checksum {
            Some((algorithm, value)) if computed.checksums.get(*algorithm) != Some(&value[..]) => {
                Err(StoreError::ChecksumMismatch(*algorithm))
            }
            _ => Ok(()),
        }
    }
}

/// Which hashes of a body are wanted, known before its first byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedDigests {
    /// `Content-MD5` was sent.
    pub md5: bool,
    /// The algorithm that the client named; `None`: CRC64NVME, as S3 does.
    pub algorithm: Option<ChecksumAlgorithm>,
}

/// A body that is in memory.
pub struct FullBody {
    bytes: Option<Bytes>,
    expected: ExpectedDigests,
}

impl FullBody {
    /// A body of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Some(bytes.into()), expected: ExpectedDigests::default() }
    }

    /// The same body with digests to verify.
    #[must_use]
    pub fn expecting(self, expected: ExpectedDigests) -> Self {
        Self { expected, ..self }
    }
}

#[async_trait]
impl Body for FullBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(self.bytes.take().filter(|bytes| !bytes.is_empty()))
    }

    fn expected(&mut self) -> Result<ExpectedDigests, BodyError> {
        Ok(self.expected.clone())
    }
}
