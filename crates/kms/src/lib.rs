//! A KMS: keys that never leave it, and the API of AWS KMS to use and manage them.
//!
//! Keys, aliases and grants are sealed rows of the store. The material of a key is wrapped by the root key, or by the
//! provider of a custom key store, and lives unwrapped in memory for a short while only. [`Kms`] is asked by the API
//! ([`ApiService`](coffer_iam::ApiService)) and by S3, for the data keys of SSE-KMS; every request is held against the
//! key's policy, its grants and the caller's own policies, whether the material is at hand or not.

mod aliases;
mod api;
mod authority;
mod authorize;
mod change;
mod cold;
mod cryptography;
mod data_keys;
mod deletion;
mod error;
mod for_jobs;
mod grants;
mod keys;
mod material;
mod metrics;
mod names;
mod policy;
mod records;
mod rewrap;
mod rotation;
mod settings;
mod shred;
#[cfg(test)]
mod testing;
mod upkeep;

pub use authority::Authority;
pub use cold::ColdMaterial;
pub use cryptography::{Decrypted, Encrypted, ReEncrypted, Under};
pub use data_keys::DataKey;
pub use for_jobs::ForJobs;
pub use metrics::KmsMetrics;
pub use rewrap::WrappedMaterial;
pub use settings::{Kms, KmsSettings};
pub use upkeep::KeyCounts;
