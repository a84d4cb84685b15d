//! The seam between the store and a provider of root keys.

use async_trait::async_trait;
use coffer_crypto::Key32;
use thiserror::Error;

/// Root keys, which wrap other keys and never leave their provider.
#[async_trait]
pub trait RootKeys: Send + Sync {
    /// Wraps `key` under the current generation, bound to `context`. The result is stored as it is.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when the provider cannot be asked.
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError>;

    /// Returns the key that `wrapped` holds, if it was wrapped for `context`.
    ///
    /// # Errors
    /// Every [`KeyError`].
    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError>;

    /// Says what the provider is, without any secret.
    fn describe(&self) -> RootDescription;
}

/// What a key is wrapped for. It unwraps for nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapContext {
    /// What the key does.
    pub purpose: Purpose,
    /// The id of the key.
    pub key_id: [u8; 16],
    /// The generation of the key.
    pub generation: u32,
}

/// What a wrapped key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It protects the objects and records of one bucket.
    BucketKey {
        /// The id of the bucket.
        bucket_id: [u8; 16],
    },
    /// It protects the records of the system and the pages of the metadata engine.
    MetadataKey,
}

/// What people and logs may know of a root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDescription {
    /// The kind of provider.
    pub provider: &'static str,
    /// The id of the root key.
    pub root_id: [u8; 16],
    /// The generation that wraps.
    pub generation: u32,
    /// Tells root keys apart for people who compare a backup with the original: `1a2b-3c4d-5e6f-7081`.
    pub fingerprint: String,
}

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The key was wrapped under another root key, or for something else.
    #[error("the key was wrapped under another root key or for something else")]
    WrongKey,
    /// The wrapped key is not what was stored: restore it from a backup.
    #[error("the wrapped key is damaged: {0}")]
    Damaged(&'static str),
    /// The provider cannot be asked at the moment: try again.
    #[error("the key provider is not available: {0}")]
    Unavailable(String),
    /// The provider does not have, or no longer has, the generation of the root key that wrapped the key.
    #[error("generation {0} of the root key is not available")]
    UnknownGeneration(u32),
}
