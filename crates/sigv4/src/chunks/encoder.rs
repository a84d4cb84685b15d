//! Putting a body into chunks, as a client does.

use coffer_crypto::sha256;

use super::{ChunkChain, SIGNATURE_EXTENSION, TRAILER_SIGNATURE};
use crate::payload::encode_hex;

/// Puts a body into `aws-chunked` framing.
///
/// Every chunk but the last has at least 8192 bytes.
pub struct ChunkEncoder(Option<ChunkChain>);

impl ChunkEncoder {
    /// Frames and signs: the request says `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, or `..-TRAILER` if the body ends
    /// with trailers.
    #[must_use]
    pub fn signed(chain: ChunkChain) -> Self {
        Self(Some(chain))
    }

    /// Frames only: the request says `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    #[must_use]
    pub fn unsigned() -> Self {
        Self(None)
    }

    /// Returns `data` as one chunk.
    ///
    /// # Panics
    /// When `data` is empty: that is the end of a body.
    #[must_use]
    pub fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        assert!(!data.is_empty(), "an empty chunk ends a body");
        let mut framed = self.header(data);
        framed.extend_from_slice(data);
        framed.extend_from_slice(b"\r\n");
        framed
    }

    /// Returns the end of the body, with trailers: lowercase names, and values without spaces around them.
    #[must_use]
    pub fn finish(mut self, trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut framed = self.header(b"");
        for (name, value) in trailers {
            framed.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        if let Some(chain) = self.0.as_mut().filter(|_| !trailers.is_empty()) {
            let signature = chain.sign_trailers(trailers.iter().copied());
            let signature = encode_hex(&signature, &mut [0; 64]).to_owned();
            framed.extend_from_slice(format!("{TRAILER_SIGNATURE}:{signature}\r\n").as_bytes());
        }
        framed.extend_from_slice(b"\r\n");
        framed
    }

    fn header(&mut self, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{:x}", data.len()).into_bytes();
        if let Some(chain) = &mut self.0 {
            header.extend_from_slice(SIGNATURE_EXTENSION);
            let signature = chain.sign_chunk(&sha256(data));
            header.extend_from_slice(encode_hex(&signature, &mut [0; 64]).as_bytes());
        }
        header.extend_from_slice(b"\r\n");
        header
    }
}
