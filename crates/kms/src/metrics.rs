//! What is counted of keys and their use.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use coffer_keyring::KeyOutcome;

use crate::upkeep::KeyCounts;

/// Counts since the start. A panic cannot leave one half-changed, so a poisoned lock is as good as any.
#[derive(Default)]
pub struct KmsMetrics {
    keys: Mutex<KeyCounts>,
    uses: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    provider_failures: Mutex<BTreeMap<String, u64>>,
}

impl KmsMetrics {
    /// The keys there are, as of the last upkeep.
    #[must_use]
    pub fn keys(&self) -> KeyCounts {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keys were asked for, by action (`kms:Decrypt`) and outcome (`done`, `denied`, `failed`), whether the API was
    /// asked or S3 was.
    #[must_use]
    pub fn uses(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a provider failed to wrap or unwrap, by the ID of the custom key store; that of the root key is `root`.
    #[must_use]
    pub fn provider_failures(&self) -> BTreeMap<String, u64> {
        self.provider_failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_keys(&self, counts: KeyCounts) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    pub(crate) fn used(&self, action: &'static str, outcome: &KeyOutcome) {
        let outcome = match outcome {
            KeyOutcome::Done => "done",
            KeyOutcome::Denied(_) => "denied",
            KeyOutcome::Failed(_) => "failed",
        };
        *self.uses.lock().unwrap_or_else(PoisonError::into_inner).entry((action, outcome)).or_default() += 1;
    }

    pub(crate) fn provider_failed(&self, key_store: Option<&str>) {
        let name = key_store.unwrap_or("root").to_owned();
        *self.provider_failures.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{KEY_STORE, World};
    use crate::upkeep::KeyCounts;

    #[tokio::test]
    async fn keys_uses_and_failures_are_counted() {
        let world = World::new();
        let (key_id, disabled) = (world.key().await, world.key().await);
        world.call("DisableKey", &json!({ "KeyId": disabled })).await.unwrap();
        world.code("RotateKeyOnDemand", &json!({ "KeyId": disabled })).await;
        world.root.set_down(true);
        world.code("RotateKeyOnDemand", &json!({ "KeyId": key_id })).await;
        world.key_store.set_down(true);
        let in_store = json!({ "Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": KEY_STORE });
        world.code("CreateKey", &in_store).await;
        world.kms.upkeep().await.unwrap();
        let metrics = world.kms.metrics();
        assert_eq!(metrics.keys(), KeyCounts { enabled: 1, disabled: 1, pending_deletion: 0 });
        let uses = metrics.uses();
        assert_eq!(uses[&("kms:CreateKey", "done")], 2);
        assert_eq!(uses[&("kms:CreateKey", "failed")], 1);
        assert_eq!(uses[&("kms:RotateKeyOnDemand", "denied")], 1);
        assert_eq!(uses[&("kms:RotateKeyOnDemand", "failed")], 1);
        let failures = metrics.provider_failures();
        assert_eq!((failures["root"], failures[KEY_STORE]), (1, 1));
    }
}
