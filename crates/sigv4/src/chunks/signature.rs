//! The chain of chunk signatures.

use std::sync::Arc;

use coffer_crypto::{Sha256, sha256};

use crate::auth::ParsedAuth;
use crate::canonical::sign_under;
use crate::credential::Scope;
use crate::key::SigningKey;
use crate::payload::encode_hex;
use crate::timestamp::Timestamp;

/// What the signature of the next chunk depends on, besides the chunk.
pub struct ChunkChain {
    key: Arc<SigningKey>,
    scope: Scope,
    timestamp: Timestamp,
    previous: [u8; 32],
}

impl ChunkChain {
    /// Starts after a request that was signed with `key` at `timestamp`, with the signature `seed`.
    #[must_use]
    pub fn new(key: Arc<SigningKey>, scope: Scope, timestamp: Timestamp, seed: [u8; 32]) -> Self {
        Self { key, scope, timestamp, previous: seed }
    }

    /// Starts after a request that was verified with `key`.
    #[must_use]
    pub fn of(auth: &ParsedAuth, key: Arc<SigningKey>) -> Self {
        Self::new(key, auth.scope.clone(), auth.timestamp.clone(), auth.signature)
    }

    /// Signs the next chunk, given its SHA-256.
    pub(super) fn sign_chunk(&mut self, hash: &[u8; 32]) -> [u8; 32] {
        // The format has room for headers of a chunk; there are none.
        let no_headers = sha256(b"");
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &[&no_headers, hash])
    }

    /// Signs the trailers, in order: `(name ":" value LF)*`.
    pub(super) fn sign_trailers<'a>(&mut self, trailers: impl Iterator<Item = (&'a str, &'a str)>) -> [u8; 32] {
        let mut hash = Sha256::default();
        for (name, value) in trailers {
            for part in [name, ":", value, "\n"] {
                hash.update(part.as_bytes());
            }
        }
        self.sign("AWS4-HMAC-SHA256-TRAILER", &[&hash.finish()])
    }

    fn sign(&mut self, algorithm: &str, hashes: &[&[u8; 32]]) -> [u8; 32] {
        let mut digits = [[0; 64]; 3];
        let lines = std::iter::once(&self.previous).chain(hashes.iter().copied());
        let lines: Vec<&str> = lines.zip(&mut digits).map(|(bytes, digits)| encode_hex(bytes, digits)).collect();
        self.previous = sign_under(algorithm, self.timestamp.as_str(), &self.scope, &lines, &self.key);
        self.previous
    }
}
