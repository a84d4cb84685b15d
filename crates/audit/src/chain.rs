//! The chain of hashes, and the checkpoints that sign it.

use coffer_crypto::{PublicKey, Sha256, SignatureAlgorithm, SigningKey};

/// A hash of the chain.
pub(crate) type Hash = [u8; 32];

/// The hash of an entry: `SHA-256("coffer audit 1" || previous || u64(number) || sealed)`.
pub(crate) fn hash(previous: &Hash, number: u64, sealed: &[u8]) -> Hash {
    let mut hash = Sha256::default();
    hash.update(b"coffer audit 1");
    hash.update(previous);
    hash.update(&number.to_be_bytes());
    hash.update(sealed);
    hash.finish()
}

/// What comes before the first entry: `SHA-256("coffer audit start 1" || store id)`.
pub(crate) fn start(store_id: &[u8; 16]) -> Hash {
    let mut hash = Sha256::default();
    hash.update(b"coffer audit start 1");
    hash.update(store_id);
    hash.finish()
}

/// How far the log had come: the number of its last entry, and that entry's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the last entry; 0 before the first.
    pub number: u64,
    /// The hash of the last entry.
    pub hash: Hash,
}

impl Checkpoint {
    /// `NUMBER:HASH`, for people to keep.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}:{}", self.number, hex::encode(self.hash))
    }

    /// Reads what [`Checkpoint::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, hash) = text.split_once(':')?;
        Some(Self { number: number.parse().ok()?, hash: hex::decode(hash).ok()?.try_into().ok()? })
    }

    pub(crate) fn sign(&self, key: &SigningKey, store_id: &[u8; 16]) -> [u8; 64] {
        key.sign(&self.message(store_id))
    }

    pub(crate) fn is_signed(&self, public_key: &[u8; 32], store_id: &[u8; 16], signature: &[u8]) -> bool {
        let public_key = PublicKey::Ed25519(public_key.to_vec());
        public_key.verify(SignatureAlgorithm::EdDsa, &self.message(store_id), signature).is_ok()
    }

    /// `"coffer audit checkpoint 1" || 00 || store id || u64(number) || hash`
    fn message(&self, store_id: &[u8; 16]) -> Vec<u8> {
        [b"coffer audit checkpoint 1\0", &store_id[..], &self.number.to_be_bytes(), &self.hash].concat()
    }
}
