//! A KMS in memory, which can refuse and fail.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use coffer_crypto::{Key32, random_array};
use coffer_keyring::{DataKeys, KmsError, SealedDataKey};
use coffer_store::{KmsEncryption, ServiceDataKeys};

/// A KMS key of the tests.
pub const KEY_1: &str = "arn:aws:kms:eu-central-1:000000000000:key/11111111-1111-1111-1111-111111111111";
/// Another one.
pub const KEY_2: &str = "arn:aws:kms:eu-central-1:000000000000:key/22222222-2222-2222-2222-222222222222";

/// What the KMS does when it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Works,
    Refuses,
    IsDown,
}

/// Data keys by ciphertext, with the key ARN and context that they were drawn for.
#[derive(Default)]
pub struct FakeKms {
    drawn: Mutex<HashMap<Vec<u8>, Drawn>>,
    mood: Mutex<Mood>,
    /// The KMS keys that are disabled.
    disabled: Mutex<HashSet<String>>,
    /// How often the material of each KMS key was rotated.
    rotations: Mutex<HashMap<String, u32>>,
    asked: AtomicUsize,
}

struct Drawn {
    sealed: SealedDataKey,
    data_key: [u8; 32],
    generation: u32,
}

impl FakeKms {
    /// A data key under `key_arn` with a context that names `place`.
    pub fn draw(&self, key_arn: &str, place: &str) -> KmsEncryption {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let context = BTreeMap::from([pair("aws:s3:arn", place), pair("project", "canary of a context")]);
        let data_key = random_array();
        let sealed = self.encrypt(key_arn, context, data_key);
        KmsEncryption { data_key: key_of(data_key), sealed, id: random_array(), bucket_key_enabled: false }
    }

    fn encrypt(&self, key_arn: &str, context: BTreeMap<String, String>, data_key: [u8; 32]) -> SealedDataKey {
        let ciphertext = random_array::<48>().to_vec();
        let sealed = SealedDataKey { key_arn: key_arn.to_owned(), ciphertext, context };
        let generation = self.generation(key_arn);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.insert(sealed.ciphertext.clone(), Drawn { sealed: sealed.clone(), data_key, generation });
        sealed
    }

    fn generation(&self, key_arn: &str) -> u32 {
        1 + self.rotations.lock().unwrap_or_else(PoisonError::into_inner).get(key_arn).copied().unwrap_or(0)
    }

    /// Makes new material for a KMS key.
    pub fn rotate(&self, key_arn: &str) {
        *self.rotations.lock().unwrap_or_else(PoisonError::into_inner).entry(key_arn.to_owned()).or_default() += 1;
    }

    /// Disables a KMS key, or enables it again.
    pub fn set_disabled(&self, key_arn: &str, is_disabled: bool) {
        let mut disabled = self.disabled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_disabled {
            disabled.insert(key_arn.to_owned())
        } else {
            disabled.remove(key_arn)
        };
    }

    fn check(&self, key_arn: &str) -> Result<(), KmsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match *self.mood.lock().unwrap_or_else(PoisonError::into_inner) {
            Mood::Works => {}
            Mood::Refuses => return Err(KmsError::new("AccessDeniedException", "You may not.")),
            Mood::IsDown => return Err(KmsError::new("KMSInternalException", "It is down.")),
        }
        if self.disabled.lock().unwrap_or_else(PoisonError::into_inner).contains(key_arn) {
            return Err(KmsError::new("DisabledException", "It is disabled."));
        }
        Ok(())
    }

    /// Whether it has drawn anything under a key.
    pub fn has(&self, key_arn: &str) -> bool {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.values().any(|drawn| drawn.sealed.key_arn == key_arn)
    }

    /// Forgets everything that it has drawn under a key.
    pub fn destroy(&self, key_arn: &str) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.retain(|_, drawn| drawn.sealed.key_arn != key_arn);
    }

    /// What it does from now on.
    pub fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl DataKeys for FakeKms {
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        self.check(&sealed.key_arn)?;
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        match drawn.get(&sealed.ciphertext) {
            Some(known) if known.sealed == *sealed => Ok(key_of(known.data_key)),
            _ => Err(KmsError::new("InvalidCiphertextException", "That is not mine.")),
        }
    }
}

#[async_trait]
impl ServiceDataKeys for FakeKms {
    async fn draw(&self, like: &SealedDataKey) -> Result<(Key32, SealedDataKey), KmsError> {
        self.check(&like.key_arn)?;
        let data_key = random_array();
        Ok((key_of(data_key), self.encrypt(&like.key_arn, like.context.clone(), data_key)))
    }

    async fn re_encrypt(&self, sealed: &SealedDataKey) -> Result<SealedDataKey, KmsError> {
        let data_key = self.open(sealed).await?;
        Ok(self.encrypt(&sealed.key_arn, sealed.context.clone(), *data_key.expose()))
    }

    fn generation_of(&self, sealed: &SealedDataKey) -> Option<u32> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.get(&sealed.ciphertext).map(|drawn| drawn.generation)
    }

    async fn current_generation(&self, sealed: &SealedDataKey) -> Result<u32, KmsError> {
        Ok(self.generation(&sealed.key_arn))
    }
}

fn key_of(bytes: [u8; 32]) -> Key32 {
    Key32::from_slice(&bytes).unwrap()
}
