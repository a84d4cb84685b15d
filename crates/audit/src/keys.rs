//! The keys of the log.

use coffer_crypto::{Key32, SigningKey};
use coffer_seal::{RecordKey, audit_record_key, signing_seed};

/// What seals entries and signs checkpoints, both derived from the metadata key of the store.
pub struct AuditKeys {
    pub(crate) store_id: [u8; 16],
    pub(crate) records: RecordKey,
    pub(crate) signing: SigningKey,
}

impl AuditKeys {
    /// The keys of the store with this id and metadata key.
    #[must_use]
    pub fn derive(metadata_key: &Key32, store_id: [u8; 16]) -> Self {
        let records = RecordKey::new(audit_record_key(metadata_key), 1);
        Self { store_id, records, signing: SigningKey::from_seed(&signing_seed(metadata_key)) }
    }

    /// What others verify checkpoints with.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.public()
    }
}
