//! Data keys: drawn here, encrypted under a key, used elsewhere.

use std::collections::BTreeMap;

use coffer_crypto::Key32;
use coffer_keyring::{KmsError, SealedDataKey};
use coffer_seal::KmsCiphertext;

use crate::authority::Authority;
use crate::authorize::Use;
use crate::cryptography::{Under, check_context};
use crate::error::{invalid_ciphertext, not_found};
use crate::keys::S3_ALIAS;
use crate::records::KeyRecord;
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
        let plaintext = Key32::generate();
        let under = Under { key: Some(key.unwrap_or(S3_ALIAS)), context: &context, dry_run: false };
        let drawn = self.encrypt_as(by, "kms:GenerateDataKey", under, plaintext.expose()).await?;
        Ok(DataKey {
            plaintext,
            sealed: SealedDataKey { key_arn: drawn.key_arn, ciphertext: drawn.ciphertext, context },
        })
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
        let (key, ciphertext) = self.key_of(sealed).await?;
        let wanted = Use::new("kms:Decrypt", &key).with_context(&sealed.context);
        self.check_use(by, &wanted, false).await?;
        let opened = self.open(&key, &ciphertext, &sealed.context).await?;
        Key32::from_slice(&opened.plaintext).ok_or_else(invalid_ciphertext)
    }

    /// Encrypts a data key anew, under the current material of the same key and with the same context.
    ///
    /// # Errors
    /// As [`Kms::decrypt_data_key`].
    pub async fn re_encrypt_data_key(
        &self,
        by: &Authority<'_>,
        sealed: &SealedDataKey,
    ) -> Result<SealedDataKey, KmsError> {
        let done = self.try_re_encrypt_data_key(by, sealed).await;
        self.note(by, "kms:ReEncryptFrom", &sealed.key_arn, &sealed.context, &done);
        self.note(by, "kms:ReEncryptTo", &sealed.key_arn, &sealed.context, &done);
        done
    }

    async fn try_re_encrypt_data_key(
        &self,
        by: &Authority<'_>,
        sealed: &SealedDataKey,
    ) -> Result<SealedDataKey, KmsError> {
        let (key, ciphertext) = self.key_of(sealed).await?;
        for action in ["kms:ReEncryptFrom", "kms:ReEncryptTo"] {
            let wanted = Use::new(action, &key)
                .with_context(&sealed.context)
                .condition("kms:ReEncryptOnSameKey", vec!["true".to_owned()]);
            self.check_use(by, &wanted, false).await?;
        }
        let opened = self.open(&key, &ciphertext, &sealed.context).await?;
        let again = self.encrypt_with(&key, &sealed.context, &opened.plaintext).await?;
        Ok(SealedDataKey { key_arn: again.key_arn, ciphertext: again.ciphertext, context: sealed.context.clone() })
    }

    /// The generation of the key material that a data key is encrypted with; `None` if it is no ciphertext from here.
    #[must_use]
    pub fn generation_of(&self, sealed: &SealedDataKey) -> Option<u32> {
        KmsCiphertext::parse(&sealed.ciphertext).ok().map(|ciphertext| ciphertext.generation)
    }

    /// The generation of the key material that a data key would be encrypted with now.
    ///
    /// # Errors
    /// `InvalidCiphertextException`, `NotFoundException`; when the store fails.
    pub async fn current_generation_for(&self, sealed: &SealedDataKey) -> Result<u32, KmsError> {
        let (key, _) = self.key_of(sealed).await?;
        key.materials.last().map(|material| material.generation).ok_or_else(invalid_ciphertext)
    }

    /// Refuses what the caller may not do with a key, and everything with one that cannot be used; draws nothing. It is
    /// for data keys that are at hand already. Returns the ARN of the key. `actions` are such as `kms:GenerateDataKey`,
    /// `key` is named as for [`Kms::generate_data_key`].
    ///
    /// # Errors
    /// As [`Kms::generate_data_key`].
    pub async fn authorize_data_key(
        &self,
        by: &Authority<'_>,
        actions: &[&'static str],
        key: Option<&str>,
        context: &BTreeMap<String, String>,
    ) -> Result<String, KmsError> {
        let name = key.unwrap_or(S3_ALIAS);
        let found = self.find(by, name).await;
        for action in actions {
            let allowed = match &found {
                Ok((key, _)) => self.check_data_key_use(by, action, key, name, context).await,
                Err(error) => Err(error.clone()),
            };
            let arn = found.as_ref().map_or_else(|_| name.to_owned(), |(key, _)| self.arn(key));
            self.note(by, action, &arn, context, &allowed);
            allowed?;
        }
        found.map(|(key, _)| self.arn(&key))
    }

    async fn check_data_key_use(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        key: &KeyRecord,
        name: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<(), KmsError> {
        check_context(context)?;
        self.check_use(by, &Use::new(action, key).named(Some(name)).with_context(context), false).await
    }

    /// The ARN of the key that is meant, whoever may use it; `key` is named as for [`Kms::generate_data_key`].
    ///
    /// # Errors
    /// `NotFoundException`; when the store fails.
    pub async fn key_arn(&self, by: &Authority<'_>, key: Option<&str>) -> Result<String, KmsError> {
        let (key, _) = self.find(by, key.unwrap_or(S3_ALIAS)).await?;
        Ok(self.arn(&key))
    }

    async fn key_of<'a>(&self, sealed: &'a SealedDataKey) -> Result<(KeyRecord, KmsCiphertext<'a>), KmsError> {
        let ciphertext = KmsCiphertext::parse(&sealed.ciphertext).map_err(|_| invalid_ciphertext())?;
        let found = self.key(&ciphertext.key_id).await?;
        let (key, _) = found.ok_or_else(|| not_found(format!("Key '{}' does not exist", sealed.key_arn)))?;
        Ok((key, ciphertext))
    }
}

#[cfg(test)]
#[path = "data_keys_tests.rs"]
mod tests;
