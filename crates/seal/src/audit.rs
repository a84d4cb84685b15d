//! The keys of the audit log of keys.

use coffer_crypto::Key32;

use crate::derive::{FIXED_SALT, derive_key};

/// The key under which the entries of the audit log are sealed, as records of generation 1.
#[must_use]
pub fn audit_record_key(metadata_key: &Key32) -> Key32 {
    derive_key(metadata_key, FIXED_SALT, "audit", b"record")
}

/// The seed of the Ed25519 key that signs checkpoints of the audit log, and reports of what was destroyed.
#[must_use]
pub fn signing_seed(metadata_key: &Key32) -> Key32 {
    derive_key(metadata_key, FIXED_SALT, "audit", b"signing")
}
