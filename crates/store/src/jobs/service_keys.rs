//! The KMS as jobs ask it.

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{DataKeys, KmsError, NoDataKeys, SealedDataKey};

/// A KMS that is asked in the name of the service itself, for a job that an operator has started: it asks no policy, but a
/// key that is disabled or gone is so for everybody.
#[async_trait]
pub trait ServiceDataKeys: DataKeys {
    /// Draws another data key under the KMS key of `like`, with the same encryption context.
    ///
    /// # Errors
    /// What the KMS says.
    async fn draw(&self, like: &SealedDataKey) -> Result<(Key32, SealedDataKey), KmsError>;

    /// Encrypts the same data key anew, under the material that its KMS key has now.
    ///
    /// # Errors
    /// What the KMS says.
    async fn re_encrypt(&self, sealed: &SealedDataKey) -> Result<SealedDataKey, KmsError>;

    /// The generation of the KMS key's material that encrypts a data key; `None` if it is no ciphertext of this KMS.
    fn generation_of(&self, sealed: &SealedDataKey) -> Option<u32>;

    /// The generation that would encrypt it now.
    ///
    /// # Errors
    /// What the KMS says.
    async fn current_generation(&self, sealed: &SealedDataKey) -> Result<u32, KmsError>;
}

#[async_trait]
impl ServiceDataKeys for NoDataKeys {
    async fn draw(&self, _: &SealedDataKey) -> Result<(Key32, SealedDataKey), KmsError> {
        Err(absent())
    }

    async fn re_encrypt(&self, _: &SealedDataKey) -> Result<SealedDataKey, KmsError> {
        Err(absent())
    }

    fn generation_of(&self, _: &SealedDataKey) -> Option<u32> {
        None
    }

    async fn current_generation(&self, _: &SealedDataKey) -> Result<u32, KmsError> {
        Err(absent())
    }
}

fn absent() -> KmsError {
    KmsError::new("DependencyTimeoutException", "There is no KMS.")
}
