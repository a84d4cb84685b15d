//! The seam between the store and a provider of root keys.

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_seal::{Mode, Scope, WrappedKeyScope};
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

    /// The root key and its generation that `wrapped` needs to be unwrapped, as it claims: whoever rotates root keys
    /// leaves alone what has the current one.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] when it is nothing that this provider wrapped.
    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError>;

    /// Every generation there is or was, ascending.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError>;

    /// Makes a new generation, which wraps from now on. When this returns, it is on stable storage.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] when that is done elsewhere; [`KeyError::Unavailable`].
    async fn rotate(&self) -> Result<RootDescription, KeyError>;

    /// Destroys a generation that does not wrap any more. What is still wrapped under it cannot be unwrapped again.
    ///
    /// # Errors
    /// [`KeyError::InUse`] for the generation that wraps; [`KeyError::UnknownGeneration`]; [`KeyError::Unsupported`]
    /// when that is done elsewhere; [`KeyError::Unavailable`].
    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError>;
}

/// The id of a root key.
pub type RootId = [u8; 16];

/// A generation of a root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootGeneration {
    /// Its number, from 1.
    pub generation: u32,
    /// What it is good for.
    pub state: GenerationState,
    /// When it was made, in seconds since 1970, if that is known.
    pub created: Option<u64>,
}

/// What a generation of a root key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// It wraps and unwraps.
    Active,
    /// It unwraps what it wrapped.
    DecryptOnly,
    /// It is gone.
    Destroyed,
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

impl WrapContext {
    /// The mode of an envelope that holds the key.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.purpose {
            Purpose::BucketKey { .. } => Mode::BucketKey,
            Purpose::MetadataKey => Mode::MetadataKey,
            Purpose::KmsKey => Mode::KmsKey,
        }
    }

    /// What an envelope that holds the key is bound to.
    #[must_use]
    pub fn scope(&self) -> WrappedKeyScope {
        let bucket_id = match self.purpose {
            Purpose::BucketKey { bucket_id } => bucket_id,
            Purpose::MetadataKey | Purpose::KmsKey => [0; 16],
        };
        Scope::of_wrapped_key(bucket_id, self.key_id, self.generation)
    }
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
    /// It is the material of a KMS key, whose id is that of the context.
    KmsKey,
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

impl RootDescription {
    /// What the audit log calls the generation that wraps: `root-key/ID:GENERATION`.
    #[must_use]
    pub fn audit_name(&self) -> String {
        self.audit_name_of(self.generation)
    }

    /// What the audit log calls another generation of the same root key.
    #[must_use]
    pub fn audit_name_of(&self, generation: u32) -> String {
        format!("root-key/{:032x}:{generation}", u128::from_be_bytes(self.root_id))
    }
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
    /// The provider does not let us: its key is disabled or gone, or the credentials are refused, or what opens the
    /// keyring on this machine was changed. Somebody has to see to that; to try again changes nothing.
    #[error("the key provider refuses: {0}")]
    Denied(String),
    /// The provider does not have, or no longer has, the generation of the root key that wrapped the key.
    #[error("generation {0} of the root key is not available")]
    UnknownGeneration(u32),
    /// The provider does not do that by itself; the text says what to do instead.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The generation wraps keys, and so cannot be destroyed.
    #[error("generation {0} of the root key is in use")]
    InUse(u32),
}
