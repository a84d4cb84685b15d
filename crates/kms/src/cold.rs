//! The material in rows that no store is over: in backups.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_keyring::RootKeys;
use coffer_meta::Entry;
use coffer_store::{CheckedKeys, ColdRows, KeysOfRows, RowTable, StoreError};

use crate::material::context;
use crate::names::key_id_text;
use crate::records::KeyRecord;

/// The material of KMS keys, wrapped by the root key or by the provider of a custom key store.
pub struct ColdMaterial {
    root: Arc<dyn RootKeys>,
    key_stores: BTreeMap<String, Arc<dyn RootKeys>>,
}

impl ColdMaterial {
    /// Material that these wrap; custom key stores by their id.
    #[must_use]
    pub fn new(root: Arc<dyn RootKeys>, key_stores: BTreeMap<String, Arc<dyn RootKeys>>) -> Self {
        Self { root, key_stores }
    }
}

#[async_trait]
impl KeysOfRows for ColdMaterial {
    async fn check(&self, rows: &ColdRows, row: &Entry) -> Result<Option<CheckedKeys>, StoreError> {
        let key = match rows.open::<KeyRecord>(RowTable::Kms, b"k", row) {
            None => return Ok(None),
            Some(Ok(key)) => key,
            Some(Err(error)) => {
                let mut checked = CheckedKeys::new("KMS key", hex::encode(&row.key[2..]));
                checked.closed.push(error.to_string());
                return Ok(Some(checked));
            }
        };
        let mut checked = CheckedKeys::new("KMS key", key_id_text(&key.id, key.multi_region));
        for material in &key.materials {
            let context = context(key.id, material.generation);
            let Some(name) = &key.key_store else {
                checked.unwrap(&*self.root, &context, &material.wrapped).await?;
                continue;
            };
            // One that is away is somebody else's machine: the rest of the backup is of use without it.
            let closed = match self.key_stores.get(name) {
                None => Some(format!("the custom key store {name} is not among `key_stores`")),
                Some(provider) => provider
                    .unwrap(&context, &material.wrapped)
                    .await
                    .err()
                    .map(|error| format!("the custom key store {name} does not unwrap its material: {error}")),
            };
            checked.closed.extend(closed);
        }
        Ok(Some(checked))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{FakeProvider, KEY_STORE, World};

    fn material(root: &Arc<FakeProvider>, key_store: Option<&Arc<FakeProvider>>) -> ColdMaterial {
        let key_stores = key_store.map(|keys| (KEY_STORE.to_owned(), Arc::clone(keys) as Arc<dyn RootKeys>));
        ColdMaterial::new(Arc::clone(root) as Arc<dyn RootKeys>, key_stores.into_iter().collect())
    }

    async fn check(world: &World, material: &ColdMaterial) -> Result<Vec<CheckedKeys>, StoreError> {
        let (cold, rows) = world.cold_rows().await;
        let mut found = Vec::new();
        for row in &rows {
            found.extend(material.check(&cold, row).await?);
        }
        Ok(found)
    }

    async fn key_in_store(world: &World) -> String {
        let parameters = json!({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": KEY_STORE});
        let made = world.call("CreateKey", &parameters).await.unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn every_generation_of_every_key_is_unwrapped() {
        let world = World::new();
        let (key, stored) = (world.key().await, key_in_store(&world).await);
        world.call("RotateKeyOnDemand", &json!({"KeyId": key})).await.unwrap();
        let found = check(&world, &material(&world.root, Some(&world.key_store))).await.unwrap();
        let mut names: Vec<_> = found.iter().map(|key| key.name.clone()).collect();
        names.sort();
        let mut made = vec![key.clone(), stored];
        made.sort();
        assert_eq!(names, made);
        assert!(found.iter().all(|key| key.of == "KMS key" && key.closed.is_empty()), "{found:?}");
        let rotated = found.iter().find(|found| found.name == key).unwrap();
        assert_eq!(rotated.wrapped_by, [([7; 16], 1); 2]);
    }

    #[tokio::test]
    async fn a_key_store_that_is_not_here_or_away_closes_its_keys_and_no_others() {
        let world = World::new();
        let (key, stored) = (world.key().await, key_in_store(&world).await);
        for (key_store, is_down, why) in [
            (None, false, "the custom key store cks-vault is not among `key_stores`"),
            (Some(&world.key_store), true, "cks-vault does not unwrap its material: the key provider is not available"),
            (Some(&Arc::default()), false, "the wrapped key is damaged"),
        ] {
            world.key_store.set_down(is_down);
            let found = check(&world, &material(&world.root, key_store)).await.unwrap();
            assert!(found.iter().any(|found| found.name == key && found.closed.is_empty()));
            let closed = found.iter().find(|found| found.name == stored).unwrap();
            assert!(closed.closed.len() == 1 && closed.closed[0].contains(why), "{closed:?}");
        }
    }

    #[tokio::test]
    async fn another_root_key_closes_a_key_and_one_that_is_away_is_asked_again() {
        let world = World::new();
        world.key().await;
        let found = check(&world, &material(&Arc::default(), None)).await.unwrap();
        assert_eq!((found.len(), found[0].closed.len()), (1, 1));
        world.root.set_down(true);
        let asked = check(&world, &material(&world.root, None)).await;
        assert!(matches!(asked, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_row_that_was_changed_is_named() {
        let world = World::new();
        let key = world.key().await;
        let (cold, rows) = world.cold_rows().await;
        let row = rows.iter().find(|row| row.key.starts_with(b"Wk")).unwrap();
        let mut value = row.value.to_vec();
        *value.last_mut().unwrap() ^= 1;
        let changed = Entry { key: row.key.clone(), value: value.into() };
        let checked = material(&world.root, None).check(&cold, &changed).await.unwrap().unwrap();
        assert_eq!(checked.name, key.replace('-', ""));
        assert_eq!(checked.closed.len(), 1);
    }
}
