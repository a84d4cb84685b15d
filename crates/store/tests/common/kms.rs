//! A KMS in memory, which can refuse and fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use coffer_crypto::{Key32, random_array};
use coffer_keyring::{DataKeys, KmsError, SealedDataKey};
use coffer_store::KmsEncryption;

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
    asked: AtomicUsize,
}

struct Drawn {
    sealed: SealedDataKey,
    data_key: [u8; 32],
}

impl FakeKms {
    /// A data key under `key_arn` with a context that names `place`.
    pub fn draw(&self, key_arn: &str, place: &str) -> KmsEncryption {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let context = BTreeMap::from([pair("aws:s3:arn", place), pair("project", "canary of a context")]);
        let ciphertext = random_array::<48>().to_vec();
        let sealed = SealedDataKey { key_arn: key_arn.to_owned(), ciphertext, context };
        let data_key = random_array();
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.insert(sealed.ciphertext.clone(), Drawn { sealed: sealed.clone(), data_key });
        KmsEncryption { data_key: key_of(data_key), sealed, id: random_array(), bucket_key_enabled: false }
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
        self.asked.fetch_add(1, Ordering::SeqCst);
        match *self.mood.lock().unwrap_or_else(PoisonError::into_inner) {
            Mood::Works => {}
            Mood::Refuses => return Err(KmsError::new("AccessDeniedException", "You may not.")),
            Mood::IsDown => return Err(KmsError::new("KMSInternalException", "It is down.")),
        }
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        match drawn.get(&sealed.ciphertext) {
            Some(known) if known.sealed == *sealed => Ok(key_of(known.data_key)),
            _ => Err(KmsError::new("InvalidCiphertextException", "That is not mine.")),
        }
    }
}

fn key_of(bytes: [u8; 32]) -> Key32 {
    Key32::from_slice(&bytes).unwrap()
}
