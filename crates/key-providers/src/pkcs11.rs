//! Keys in a PKCS#11 token: a hardware security module, or SoftHSM.

mod driver;
mod failure;
#[cfg(test)]
mod fake;
mod keys;
mod library;
#[cfg(test)]
mod softhsm;
#[cfg(test)]
mod softhsm_tests;
#[cfg(test)]
mod tests;
mod worker;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{RootGeneration, WrapContext};
use zeroize::Zeroizing;

use crate::provider::{CallError, Encrypted, Kind, Provider, associated_data, no_sense};
use crate::secret_file::SecretFile;
use driver::TokenName;
use keys::KeyName;
use library::Library;
use worker::Worker;

/// Where a key of a token is, and who uses it.
pub struct Pkcs11Settings {
    /// The library of whoever made the token, from the root of the file system on. It becomes a part of this process.
    pub module: PathBuf,
    /// The label of the token.
    pub token_label: Option<String>,
    /// The serial number of the token; one of the two at least.
    pub token_serial: Option<String>,
    /// The label that all generations of the key have, `CKA_LABEL`.
    pub key: String,
    /// The PIN of the token's user.
    pub pin_file: SecretFile,
    /// Whether to make the key when the token has none and one is needed to encrypt.
    pub create: bool,
}

impl Pkcs11Settings {
    /// The key that these settings name. The library is not loaded yet.
    ///
    /// # Errors
    /// What is wrong with a setting, as a sentence.
    pub fn provider(self) -> Result<Box<dyn Provider>, String> {
        let Self { module, token_label, token_serial, key, pin_file, create } = self;
        if !module.is_absolute() {
            return Err("`module` must be a path from the root of the file system on".to_owned());
        }
        // Whoever can write the library can read every key of this process.
        if fs::metadata(&module).is_ok_and(|metadata| metadata.mode() & 0o022 != 0) {
            return Err(format!("`module`: {} can be written by others than its owner", module.display()));
        }
        let token = TokenName::new(token_label, token_serial)?;
        let key = Arc::new(KeyName::new(token, pin_file, key, create)?);
        Ok(Box::new(TokenKey { key, worker: worker::of_module(&module)? }))
    }
}

/// A key of a token, and the thread that asks its library.
struct TokenKey<L: Library> {
    key: Arc<KeyName>,
    worker: Arc<Worker<L>>,
}

#[async_trait]
impl<L: Library> Provider for TokenKey<L> {
    fn kind(&self) -> Kind {
        Kind::Pkcs11
    }

    fn key(&self) -> String {
        self.key.to_string()
    }

    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        let (name, data) = (Arc::clone(&self.key), associated_data(context));
        let plaintext = Zeroizing::new(key.expose().to_vec());
        self.worker.call(move |driver| driver.encrypt(&name, &data, &plaintext)).await
    }

    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        let (name, data, ciphertext) = (Arc::clone(&self.key), associated_data(context), ciphertext.to_vec());
        let plaintext = self.worker.call(move |driver| driver.decrypt(&name, &data, &ciphertext)).await?;
        Key32::from_slice(&plaintext).ok_or_else(no_sense)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        let name = Arc::clone(&self.key);
        self.worker.call(move |driver| driver.generations(&name)).await
    }

    async fn rotate(&self) -> Result<(), CallError> {
        let name = Arc::clone(&self.key);
        self.worker.call(move |driver| driver.rotate(&name)).await
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), CallError> {
        let name = Arc::clone(&self.key);
        self.worker.call(move |driver| driver.destroy(&name, generation)).await
    }
}
