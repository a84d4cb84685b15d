//! The seam to a provider: one that encrypts 32 bytes under a key that never leaves it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{KeyError, Purpose, RootGeneration, WrapContext};
use serde_json::Value;
use thiserror::Error;
use zeroize::Zeroize as _;

/// What wrapping keys are encrypted by. A call asks once: who calls it bounds the time and tries again.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// Names the key for people and for its fingerprint: an ARN, a path, a label.
    fn key(&self) -> String;

    /// Encrypts `key` under the newest generation, with `context` as far as the provider binds one.
    ///
    /// # Errors
    /// [`CallError`]
    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError>;

    /// Decrypts what [`encrypt`](Provider::encrypt) made.
    ///
    /// # Errors
    /// [`CallError`]
    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError>;

    /// Every generation that is known, ascending.
    ///
    /// # Errors
    /// [`CallError`]
    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError>;

    /// Makes a new generation, which encrypts when this returns.
    ///
    /// # Errors
    /// [`CallError`]
    async fn rotate(&self) -> Result<(), CallError>;

    /// Destroys a generation that is not the newest.
    ///
    /// # Errors
    /// [`CallError`]
    async fn destroy_generation(&self, generation: u32) -> Result<(), CallError>;
}

/// What a provider made of a key.
pub struct Encrypted {
    /// Its own bytes.
    pub ciphertext: Vec<u8>,
    /// The generation that they were made under.
    pub generation: u32,
}

/// The kinds of providers, with their number in stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The API of AWS KMS.
    AwsKms = 1,
    /// The Transit engine of Vault and OpenBao.
    Transit = 2,
    /// A PKCS#11 token.
    Pkcs11 = 3,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::AwsKms, Self::Transit, Self::Pkcs11].into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsKms => "aws-kms",
            Self::Transit => "transit",
            Self::Pkcs11 => "pkcs11",
        }
    }
}

/// Why a call to a provider failed. The texts are ours, never the provider's: those could quote what we sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// There is no answer, or one that makes no sense. The same call may do better later.
    #[error("{0}")]
    Unavailable(String),
    /// The provider is there and does not do it: credentials, permissions, or the state of the key.
    #[error("{0}")]
    Denied(String),
    /// The ciphertext was made under another key, or with another context.
    #[error("the ciphertext is not one of this key and context")]
    WrongKey,
    /// The generation is gone.
    #[error("generation {0} is gone")]
    UnknownGeneration(u32),
    /// The provider does not do this by itself.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl CallError {
    /// An [`Unavailable`](CallError::Unavailable).
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }
}

impl From<CallError> for KeyError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable(why) => Self::Unavailable(why),
            CallError::Denied(why) => Self::Denied(why),
            CallError::WrongKey => Self::WrongKey,
            CallError::UnknownGeneration(generation) => Self::UnknownGeneration(generation),
            CallError::Unsupported(what) => Self::Unsupported(what),
        }
    }
}

/// What a key is wrapped for, as pairs that a provider binds and may write to its log. There is no secret in it.
pub(crate) fn pairs(context: &WrapContext) -> BTreeMap<String, String> {
    let purpose = match context.purpose {
        Purpose::BucketKey { .. } => "bucket-key",
        Purpose::MetadataKey => "metadata-key",
        Purpose::KmsKey => "kms-key",
    };
    let mut pairs = BTreeMap::from([
        ("coffer:version".to_owned(), "1".to_owned()),
        ("coffer:purpose".to_owned(), purpose.to_owned()),
        ("coffer:key-id".to_owned(), hex::encode(context.key_id)),
        ("coffer:generation".to_owned(), context.generation.to_string()),
    ]);
    if let Purpose::BucketKey { bucket_id } = context.purpose {
        pairs.insert("coffer:bucket-id".to_owned(), hex::encode(bucket_id));
    }
    pairs
}

/// The same pairs as associated data.
pub(crate) fn associated_data(context: &WrapContext) -> Vec<u8> {
    coffer_seal::canonical_context(&pairs(context))
}

/// The error for an answer that is none.
pub(crate) fn no_sense() -> CallError {
    CallError::unavailable("the answer makes no sense")
}

/// Zeroes the text that a JSON pointer leads to, if there is one.
pub(crate) fn wipe(value: &mut Value, pointer: &str) {
    if let Some(Value::String(text)) = value.pointer_mut(pointer) {
        text.zeroize();
    }
}
