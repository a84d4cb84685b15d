//! Data keys: drawn here, encrypted under a key, used elsewhere.

use std::collections::BTreeMap;

use coffer_crypto::Key32;
use coffer_keyring::{KmsError, SealedDataKey};
use coffer_seal::{KmsCiphertext, canonical_context, seal_for_kms};

use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{invalid_ciphertext, not_found};
use crate::keys::S3_ALIAS;
use crate::settings::Kms;

/// A data key: to use, and to store.
pub struct DataKey {
    /// The key itself.
    pub plaintext: Key32,
    /// What is stored with what it protects.
    pub sealed: SealedDataKey,
}

impl Kms {
    /// Draws a data key of 256 bits under the key that the caller names by id, ARN or alias; `None`: the key of their
    /// account that protects objects whose writer names no other (`aws/s3`).
    ///
    /// # Errors
    /// `NotFoundException`, `DisabledException`, `KMSInvalidStateException`, `AccessDeniedException`; when the
    /// provider or the store cannot be asked.
    pub async fn generate_data_key(
        &self,
        by: &Authority<'_>,
        key: Option<&str>,
        context: BTreeMap<String, String>,
    ) -> Result<DataKey, KmsError> {
        let name = key.unwrap_or(S3_ALIAS);
        let drawn = self.draw_data_key(by, name, &context).await;
        let key_arn = drawn.as_ref().map_or(name, |drawn| drawn.sealed.key_arn.as_str());
        self.note(by, "kms:GenerateDataKey", key_arn, &context, &drawn);
        drawn
    }

    async fn draw_data_key(
        &self,
        by: &Authority<'_>,
        name: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<DataKey, KmsError> {
        let (key, _) = self.find(by, name).await?;
        let wanted = Use::new("kms:GenerateDataKey", &key).named(Some(name)).with_context(context);
        self.authorize_use(by, &wanted).await?;
        self.check_usable(&key)?;
        let generation = key.materials.last().map_or(0, |material| material.generation);
        let material = self.material(&key, generation).await?;
        let plaintext = Key32::generate();
        let ciphertext = seal_for_kms(&material, key.id, generation, &canonical_context(context), plaintext.expose());
        let sealed = SealedDataKey { key_arn: self.arn(&key), ciphertext, context: context.clone() };
        Ok(DataKey { plaintext, sealed })
    }

    /// Decrypts a data key, if the caller may and the key can be used.
    ///
    /// # Errors
    /// As [`Kms::generate_data_key`], and `InvalidCiphertextException`.
    pub async fn decrypt_data_key(&self, by: &Authority<'_>, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        let opened = self.open_data_key(by, sealed).await;
        self.note(by, "kms:Decrypt", &sealed.key_arn, &sealed.context, &opened);
        opened
    }

    async fn open_data_key(&self, by: &Authority<'_>, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        let ciphertext = KmsCiphertext::parse(&sealed.ciphertext).map_err(|_| invalid_ciphertext())?;
        let found = self.key(&ciphertext.key_id).await?;
        let missing = || not_found(format!("Key '{}' does not exist", sealed.key_arn));
        let (key, _) = found.ok_or_else(missing)?;
        self.authorize_use(by, &Use::new("kms:Decrypt", &key).with_context(&sealed.context)).await?;
        self.check_usable(&key)?;
        let material = self.material(&key, ciphertext.generation).await?;
        let opened = ciphertext.open(&material, &canonical_context(&sealed.context));
        opened.ok().and_then(|bytes| Key32::from_slice(&bytes)).ok_or_else(invalid_ciphertext)
    }
}
