//! The material of keys: drawn, wrapped, and unwrapped for a short while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coffer_crypto::Key32;
use coffer_keyring::{KeyError, KmsError, Purpose, RootKeys, WrapContext};

use crate::error::{from_provider, invalid_ciphertext};
use crate::names::KeyId;
use crate::records::{KeyRecord, MaterialRecord};
use crate::settings::Kms;

/// How long unwrapped material is kept: what a provider takes back holds after that at the latest.
const KEPT_MS: u64 = 5 * 60 * 1000;
/// The most generations whose material is kept.
const MOST: usize = 1000;

/// Material that is unwrapped.
#[derive(Default)]
pub(crate) struct Materials(Mutex<HashMap<(KeyId, u32), Kept>>);

struct Kept {
    material: Arc<Key32>,
    until_ms: u64,
}

impl Materials {
    fn get(&self, of: (KeyId, u32), now_ms: u64) -> Option<Arc<Key32>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes nothing live longer.
        let is_valid = |kept: &&Kept| (1..=KEPT_MS).contains(&kept.until_ms.saturating_sub(now_ms));
        kept.get(&of).filter(is_valid).map(|kept| Arc::clone(&kept.material))
    }

    fn put(&self, of: (KeyId, u32), material: Arc<Key32>, now_ms: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(of, Kept { material, until_ms: now_ms.saturating_add(KEPT_MS) });
    }

    /// Forgets every generation of a key that is destroyed.
    pub(crate) fn forget(&self, id: &KeyId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != id);
    }
}

impl Kms {
    /// Draws a generation of the material of a key and wraps it.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub(crate) async fn new_material(
        &self,
        id: KeyId,
        generation: u32,
        key_store: Option<&str>,
        on_demand: bool,
    ) -> Result<MaterialRecord, KmsError> {
        let provider = self.provider(key_store)?;
        let wrapped = provider.wrap(&context(id, generation), &Key32::generate()).await;
        let wrapped = wrapped.map_err(|error| self.provider_failed(key_store, &error))?;
        Ok(MaterialRecord { generation, created_ms: self.now_ms(), wrapped, on_demand })
    }

    /// A generation of the material of a key that may be used.
    ///
    /// # Errors
    /// `InvalidCiphertextException` when the key has no such generation; when the provider cannot be asked.
    pub(crate) async fn material(&self, key: &KeyRecord, generation: u32) -> Result<Arc<Key32>, KmsError> {
        let record = key.materials.iter().find(|material| material.generation == generation);
        let record = record.ok_or_else(invalid_ciphertext)?;
        let now_ms = self.now_ms();
        if let Some(material) = self.0.materials.get((key.id, generation), now_ms) {
            return Ok(material);
        }
        let provider = self.provider(key.key_store.as_deref())?;
        let unwrapped = provider.unwrap(&context(key.id, generation), &record.wrapped).await;
        let material = Arc::new(unwrapped.map_err(|error| self.provider_failed(key.key_store.as_deref(), &error))?);
        self.0.materials.put((key.id, generation), Arc::clone(&material), now_ms);
        Ok(material)
    }

    fn provider_failed(&self, key_store: Option<&str>, error: &KeyError) -> KmsError {
        self.0.metrics.provider_failed(key_store);
        from_provider(error)
    }

    fn provider(&self, key_store: Option<&str>) -> Result<&Arc<dyn RootKeys>, KmsError> {
        let Some(name) = key_store else { return Ok(&self.0.root) };
        self.0.settings.key_stores.get(name).ok_or_else(|| {
            KmsError::new("CustomKeyStoreNotFoundException", format!("The custom key store {name} is not configured."))
        })
    }
}

fn context(key_id: KeyId, generation: u32) -> WrapContext {
    WrapContext { purpose: Purpose::KmsKey, key_id, generation }
}
