//! The material of keys: drawn, wrapped, and unwrapped for a short while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coffer_crypto::Key32;
use coffer_keyring::{KeyError, KmsError, Purpose, RootKeys, WrapContext};
use tokio::time::Instant;

use crate::error::{from_provider, invalid_ciphertext};
use crate::names::KeyId;
use crate::records::{KeyRecord, MaterialRecord};
use crate::settings::Kms;

/// How long unwrapped material is kept: what a provider takes back holds after that at the latest.
const KEPT_MS: u64 = 5 * 60 * 1000;
/// How much longer than it is used material may lie in memory.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The most generations whose material is kept.
const MOST: usize = 1000;

/// Material that is unwrapped.
#[derive(Default)]
pub(crate) struct Materials(Arc<Mutex<KeptMaterials>>);

type KeptMaterials = HashMap<(KeyId, u32), Kept>;

struct Kept {
    material: Arc<Key32>,
    until_ms: u64,
    /// The same by a clock that nobody sets.
    drop_at: Instant,
}

impl Materials {
    fn get(&self, of: (KeyId, u32), now_ms: u64) -> Option<Arc<Key32>> {
        let kept = lock(&self.0);
        // A clock that was set back makes nothing live longer.
        let is_valid = |kept: &&Kept| {
            (1..=KEPT_MS).contains(&kept.until_ms.saturating_sub(now_ms)) && Instant::now() < kept.drop_at
        };
        kept.get(&of).filter(is_valid).map(|kept| Arc::clone(&kept.material))
    }

    fn put(&self, of: (KeyId, u32), material: Arc<Key32>, now_ms: u64) {
        let mut kept = lock(&self.0);
        if kept.len() >= MOST {
            kept.clear();
        } else if kept.is_empty() {
            tokio::spawn(drop_old(Arc::downgrade(&self.0)));
        }
        let drop_at = Instant::now() + Duration::from_millis(KEPT_MS);
        kept.insert(of, Kept { material, until_ms: now_ms.saturating_add(KEPT_MS), drop_at });
    }

    /// Forgets every generation of a key that is destroyed.
    pub(crate) fn forget(&self, id: &KeyId) {
        lock(&self.0).retain(|(of, _), _| of != id);
    }
}

/// Drops material that nobody asks for any more when its time is over, as long as there is any.
async fn drop_old(kept: Weak<Mutex<KeptMaterials>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = lock(&kept);
        kept.retain(|_, kept| Instant::now() < kept.drop_at);
        if kept.is_empty() {
            return;
        }
    }
}

fn lock(kept: &Mutex<KeptMaterials>) -> MutexGuard<'_, KeptMaterials> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
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

pub(crate) fn context(key_id: KeyId, generation: u32) -> WrapContext {
    WrapContext { purpose: Purpose::KmsKey, key_id, generation }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: (KeyId, u32) = ([1; 16], 1);

    fn material() -> Arc<Key32> {
        Arc::new(Key32::generate())
    }

    #[tokio::test(start_paused = true)]
    async fn material_is_used_for_five_minutes_however_often_it_is() {
        let materials = Materials::default();
        materials.put(OF, material(), 1000);
        for later_ms in [0, 1, KEPT_MS - 1] {
            assert!(materials.get(OF, 1000 + later_ms).is_some());
        }
        assert!(materials.get(OF, 1000 + KEPT_MS).is_none());
        for other in [([2; 16], 1), ([1; 16], 2)] {
            assert!(materials.get(other, 1000).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_keeps_nothing_longer() {
        let materials = Materials::default();
        materials.put(OF, material(), 1_000_000);
        assert!(materials.get(OF, 0).is_none());
        tokio::time::advance(Duration::from_millis(KEPT_MS)).await;
        assert!(materials.get(OF, 1_000_000).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn material_that_nobody_asks_for_any_more_leaves_memory() {
        let materials = Materials::default();
        for _ in 0..2 {
            let kept = material();
            materials.put(OF, Arc::clone(&kept), 0);
            tokio::time::sleep(Duration::from_millis(KEPT_MS) + 2 * LOOK_EVERY).await;
            assert_eq!(Arc::strong_count(&kept), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_kept_than_there_is_room_for() {
        let materials = Materials::default();
        for generation in 0..=u32::try_from(MOST).unwrap() {
            materials.put(([1; 16], generation), material(), 0);
        }
        assert_eq!(lock(&materials.0).len(), 1);
        materials.forget(&[1; 16]);
        assert!(lock(&materials.0).is_empty());
    }
}
