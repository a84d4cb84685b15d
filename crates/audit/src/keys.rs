//! The keys of the log.

use std::collections::BTreeMap;

use coffer_crypto::{Key32, SigningKey};
use coffer_seal::{RecordKey, audit_record_key, signing_seed};
use minicbor::{Decode, Encode};
use zeroize::Zeroize as _;

/// What others verify checkpoints with: a public key for each generation of the metadata key.
pub type PublicKeys = BTreeMap<u32, [u8; 32]>;

/// What seals entries and signs checkpoints, both derived from the metadata key of the store; and what is left of those
/// of earlier metadata keys.
pub struct AuditKeys {
    pub(crate) store_id: [u8; 16],
    pub(crate) generation: u32,
    pub(crate) signing: SigningKey,
    /// By generation, that of the present included.
    records: BTreeMap<u32, RecordKey>,
    public: PublicKeys,
}

/// What is left of the keys of an earlier metadata key: entries can be read and checkpoints verified, but nothing can be
/// signed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct EarlierKeys {
    #[n(0)]
    generation: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    record_key: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    public_key: [u8; 32],
}

impl AuditKeys {
    /// The keys of the store with this id and this metadata key, which has a generation, and had `earlier` ones.
    #[must_use]
    pub fn derive(metadata_key: &Key32, generation: u32, store_id: [u8; 16], earlier: &[EarlierKeys]) -> Self {
        let signing = SigningKey::from_seed(&signing_seed(metadata_key));
        let mut keys = Self {
            store_id,
            generation,
            public: earlier.iter().map(|keys| (keys.generation, keys.public_key)).collect(),
            records: earlier.iter().map(|keys| (keys.generation, keys.records())).collect(),
            signing,
        };
        keys.public.insert(generation, keys.signing.public());
        keys.records.insert(generation, RecordKey::new(audit_record_key(metadata_key), generation));
        keys
    }

    /// What others verify checkpoints with.
    #[must_use]
    pub fn public_keys(&self) -> &PublicKeys {
        &self.public
    }

    /// What others verify checkpoints with that are signed now.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.public()
    }

    /// What seals entries.
    pub(crate) fn sealing(&self) -> &RecordKey {
        &self.records[&self.generation]
    }

    /// What opens entries of a generation.
    pub(crate) fn records(&self, generation: u32) -> Option<&RecordKey> {
        self.records.get(&generation)
    }
}

impl EarlierKeys {
    /// What is left of the keys that follow from a metadata key once it is gone.
    #[must_use]
    pub fn of(metadata_key: &Key32, generation: u32) -> Self {
        let public_key = SigningKey::from_seed(&signing_seed(metadata_key)).public();
        Self { generation, record_key: *audit_record_key(metadata_key).expose(), public_key }
    }

    fn records(&self) -> RecordKey {
        let key = Key32::from_slice(&self.record_key).expect("a key has the length of a key");
        RecordKey::new(key, self.generation)
    }
}

impl Drop for EarlierKeys {
    fn drop(&mut self) {
        self.record_key.zeroize();
    }
}
