//! The body of a request, as it arrives.

mod source;

use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use coffer_crypto::Sha256;
use coffer_sigv4::{ChunkDecoder, ChunkError, Trailers};

use crate::error::S3Error;

pub use source::{BoxError, Received, Source};

/// How the bytes on the wire become the bytes of the body.
pub enum Framing {
    /// They are the same.
    Plain {
        /// The SHA-256 that the client signed, if it signed one.
        sha256: Option<[u8; 32]>,
    },
    /// `aws-chunked`.
    Chunked(Box<ChunkDecoder>),
}

/// The body of a request: the bytes that the client means, without framing.
///
/// What is given out is not verified before [`RequestBody::next`] returned `None`: a wrong length, hash or chunk
/// signature may be an error as late as that. So nothing made of a body becomes visible before its end.
pub struct RequestBody {
    /// Never locked: the mutex lets operations share a request by reference, which a bare source would not.
    source: Mutex<Source>,
    decoding: Decoding,
    announced_len: Option<u64>,
    received_len: u64,
    trailers: Trailers,
}

enum Decoding {
    Plain { sha256: Option<(Sha256, [u8; 32])> },
    Chunked { decoder: Box<ChunkDecoder>, input: Bytes },
    Finished,
    Failed,
}

impl RequestBody {
    /// A body of `source`. `announced_len` is its length without framing in bytes, if the client said it.
    #[must_use]
    pub fn new(source: Source, framing: Framing, announced_len: Option<u64>) -> Self {
        let decoding = match framing {
            Framing::Plain { sha256 } => Decoding::Plain { sha256: sha256.map(|hash| (Sha256::default(), hash)) },
            Framing::Chunked(decoder) => Decoding::Chunked { decoder, input: Bytes::new() },
        };
        Self { source: Mutex::new(source), decoding, announced_len, received_len: 0, trailers: Vec::new() }
    }

    /// A body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Source::empty(), Framing::Plain { sha256: None }, Some(0))
    }

    /// The length in bytes that the client announced.
    #[must_use]
    pub fn announced_len(&self) -> Option<u64> {
        self.announced_len
    }

    /// How many bytes have been given out.
    #[must_use]
    pub fn received_len(&self) -> u64 {
        self.received_len
    }

    /// The trailers of an `aws-chunked` body: names in lower case, and values. There are none before the end.
    #[must_use]
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Returns the next bytes; `None` at the end, when all of them are verified.
    ///
    /// # Errors
    /// `RequestTimeout`, `IncompleteBody`, `XAmzContentSHA256Mismatch`, `SignatureDoesNotMatch`,
    /// `InvalidChunkSizeError`, `MalformedTrailerError`. Every later call is an error too.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let next = self.decode_next().await;
        if next.is_err() {
            self.decoding = Decoding::Failed;
        }
        next
    }

    /// Returns the whole body, if it is not longer than `limit` bytes.
    ///
    /// # Errors
    /// As [`RequestBody::next`]; `MaxMessageLengthExceeded`.
    pub async fn read_all(&mut self, limit: usize) -> Result<Bytes, S3Error> {
        let limit = limit as u64;
        if self.announced_len.is_some_and(|len| len > limit) {
            return Err(S3Error::max_message_length_exceeded(limit));
        }
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if self.received_len > limit {
                return Err(S3Error::max_message_length_exceeded(limit));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    async fn decode_next(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            match &mut self.decoding {
                Decoding::Finished => return Ok(None),
                Decoding::Failed => return Err(S3Error::body_cut_short()),
                Decoding::Plain { sha256 } => {
                    match self.source.get_mut().unwrap_or_else(PoisonError::into_inner).next().await? {
                        Some(bytes) => {
                            if let Some((hash, _)) = sha256 {
                                hash.update(&bytes);
                            }
                            self.received_len += bytes.len() as u64;
                            return Ok(Some(bytes));
                        }
                        None => self.finish()?,
                    }
                }
                Decoding::Chunked { decoder, input } => {
                    if let Some(bytes) = decoder.decode(input).map_err(refuse_chunk)? {
                        self.received_len += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                    match self.source.get_mut().unwrap_or_else(PoisonError::into_inner).next().await? {
                        Some(bytes) => *input = bytes,
                        None => self.finish()?,
                    }
                }
            }
        }
    }

    /// Verifies what can be verified at the end only.
    fn finish(&mut self) -> Result<(), S3Error> {
        match std::mem::replace(&mut self.decoding, Decoding::Finished) {
            Decoding::Plain { sha256: Some((hash, expected)) } => {
                let computed = hash.finish();
                if computed != expected {
                    let (expected, computed) = (hex::encode(expected), hex::encode(computed));
                    return Err(S3Error::content_sha256_mismatch(&expected, &computed));
                }
            }
            Decoding::Chunked { decoder, .. } => self.trailers = decoder.finish().map_err(refuse_chunk)?,
            Decoding::Plain { sha256: None } | Decoding::Finished | Decoding::Failed => {}
        }
        match self.announced_len {
            Some(len) if len != self.received_len => Err(S3Error::incomplete_body(len, self.received_len)),
            _ => Ok(()),
        }
    }
}

fn refuse_chunk(error: ChunkError) -> S3Error {
    match error {
        ChunkError::Incomplete => S3Error::body_cut_short(),
        ChunkError::Length { expected, provided } => S3Error::incomplete_body(expected, provided),
        ChunkError::SmallChunk { chunk, size } => S3Error::invalid_chunk_size(chunk, size),
        ChunkError::Trailer => S3Error::malformed_trailer(),
        ChunkError::Signature(_) => S3Error::signature_does_not_match(None),
    }
}

#[cfg(test)]
mod tests;
