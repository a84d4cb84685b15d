//! Root keys made of a provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{KEY_LEN, Key32, ct_eq, sha256};
use coffer_keyring::{GenerationState, KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use coffer_seal::{KekRef, OpenError};
use zeroize::Zeroizing;

use crate::guard::{Guard, Limits, ProviderStats};
use crate::provider::{CallError, Encrypted, Provider};
use crate::wrapped::{MAX_CIPHERTEXT_LEN, Wrapped, root_id};

/// A provider as root keys.
pub struct RemoteRootKeys {
    provider: Box<dyn Provider>,
    guard: Guard,
    root_id: RootId,
    /// The newest generation that has shown itself.
    generation: AtomicU32,
}

impl RemoteRootKeys {
    /// The provider that the settings call `name`. Nothing is asked yet.
    #[must_use]
    pub fn new(name: &str, provider: Box<dyn Provider>, limits: Limits) -> Self {
        let root_id = root_id(provider.kind(), name);
        Self { provider, guard: Guard::new(name.to_owned(), limits), root_id, generation: AtomicU32::new(1) }
    }

    /// What is counted.
    #[must_use]
    pub fn stats(&self) -> Arc<ProviderStats> {
        Arc::clone(self.guard.stats())
    }

    /// Has the provider encrypt a wrapping key, and makes sure that it can decrypt what it made: what nobody can
    /// decrypt must not come to hold the only copy of a key.
    async fn encrypted(&self, context: &WrapContext, kek: &Key32) -> Result<Encrypted, CallError> {
        let encrypted = self.guard.call(|| self.provider.encrypt(context, kek)).await?;
        let ciphertext = &encrypted.ciphertext;
        if ciphertext.is_empty() || ciphertext.len() > MAX_CIPHERTEXT_LEN || encrypted.generation == 0 {
            return Err(CallError::unavailable("the provider's ciphertext makes no sense"));
        }
        if shows(ciphertext, kek) {
            return Err(CallError::unavailable("the provider does not encrypt"));
        }
        let opened = self.guard.call(|| self.provider.decrypt(context, ciphertext)).await;
        match opened {
            Ok(opened) if ct_eq(opened.expose(), kek.expose()) => Ok(encrypted),
            Ok(_) | Err(CallError::WrongKey) => {
                Err(CallError::unavailable("the provider does not decrypt what it has just encrypted"))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether `ciphertext` holds the key as it is, in bytes or in base64.
fn shows(ciphertext: &[u8], key: &Key32) -> bool {
    let text = Zeroizing::new(STANDARD.encode(key.expose()));
    // The last digits of base64 depend on what follows.
    let text = &text.as_bytes()[..KEY_LEN];
    let holds = |what: &[u8]| ciphertext.windows(what.len()).any(|window| ct_eq(window, what));
    holds(key.expose()) || holds(text)
}

#[async_trait]
impl RootKeys for RemoteRootKeys {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        let kek = Key32::generate();
        let Encrypted { ciphertext, generation } = self.encrypted(context, &kek).await?;
        self.generation.store(generation, Relaxed);
        let by = KekRef { mode: context.mode(), id: self.root_id, generation };
        let envelope = coffer_seal::wrap(&kek, by, &context.scope().as_scope(), key);
        Ok(Wrapped { kind: self.provider.kind(), envelope, ciphertext: &ciphertext }.to_bytes())
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        let wrapped = Wrapped::from_bytes(wrapped)?;
        let by = wrapped.envelope.kek();
        if wrapped.kind != self.provider.kind() || by.id != self.root_id || by.mode != context.mode() {
            return Err(KeyError::WrongKey);
        }
        let kek = self.guard.call(|| self.provider.decrypt(context, wrapped.ciphertext)).await?;
        let key = coffer_seal::unwrap(&kek, &wrapped.envelope, &context.scope().as_scope());
        let key = key.map_err(|error| match error {
            OpenError::WrongKey => KeyError::WrongKey,
            OpenError::Malformed(reason) | OpenError::Tampered(reason) => KeyError::Damaged(reason),
        })?;
        self.generation.fetch_max(by.generation, Relaxed);
        Ok(key)
    }

    fn describe(&self) -> RootDescription {
        let kind = self.provider.kind().name();
        // Of the name of the key alone: nothing of a key that never leaves its provider can be hashed.
        let hash = sha256(&[&self.root_id[..], self.provider.key().as_bytes()].concat());
        let groups: Vec<_> = hash[..8].chunks(2).map(hex::encode).collect();
        RootDescription {
            provider: kind,
            root_id: self.root_id,
            generation: self.generation.load(Relaxed),
            fingerprint: groups.join("-"),
        }
    }

    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError> {
        let by = Wrapped::from_bytes(wrapped)?.envelope.kek();
        Ok((by.id, by.generation))
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        let generations = self.guard.call(|| self.provider.generations()).await?;
        let active = generations.iter().filter(|generation| generation.state == GenerationState::Active);
        if let Some(newest) = active.map(|generation| generation.generation).max() {
            self.generation.store(newest, Relaxed);
        }
        Ok(generations)
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        self.guard.call_once(|| self.provider.rotate()).await?;
        self.generations().await?;
        Ok(self.describe())
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        let generations = self.generations().await?;
        let found = generations.iter().find(|known| known.generation == generation);
        match found.map(|known| known.state) {
            None => Err(KeyError::UnknownGeneration(generation)),
            Some(GenerationState::Active) => Err(KeyError::InUse(generation)),
            Some(GenerationState::Destroyed) => Ok(()),
            Some(GenerationState::DecryptOnly) => {
                Ok(self.guard.call_once(|| self.provider.destroy_generation(generation)).await?)
            }
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
