//! The end of a key without a waiting period.

use async_trait::async_trait;
use coffer_keyring::KmsError;
use coffer_store::{KmsKeys, KmsMaterial, RowTable, RowVersion, StoreError};

use crate::authority::Authority;
use crate::change::MOST_TRIES;
use crate::error::{contention, from_store};
use crate::names::KeyName;
use crate::records::{KeyRecord, KeyStateRecord, key_row};
use crate::settings::Kms;

impl Kms {
    /// The ARN of the key that an operator names by id, ARN or alias; an alias without an account is one of `account`.
    ///
    /// # Errors
    /// `NotFoundException`; when the store fails.
    pub async fn key_for_operator(&self, account: &str, name: &str) -> Result<String, KmsError> {
        let name = match KeyName::parse(name, &self.0.settings.region)? {
            KeyName::Alias { account: None, name } => {
                format!("arn:aws:kms:{}:{account}:{name}", self.0.settings.region)
            }
            _ => name.to_owned(),
        };
        self.key_arn(&Authority::Coffer, Some(&name)).await
    }

    /// The key with this ARN, whatever its state; `None`: there never was one.
    async fn key_of_any_state(&self, key_arn: &str) -> Result<Option<(KeyRecord, RowVersion)>, KmsError> {
        let KeyName::Key { id, .. } = KeyName::parse(key_arn, &self.0.settings.region)? else { return Ok(None) };
        let found = self.0.store.row::<KeyRecord>(RowTable::Kms, &key_row(&id)).await;
        let (key, version) = found.map_err(|error| from_store(&error))?;
        Ok(key.map(|key| (key, version)))
    }

    async fn try_destroy(&self, key_arn: &str) -> Result<(), KmsError> {
        for _ in 0..MOST_TRIES {
            let Some((key, version)) = self.key_of_any_state(key_arn).await? else { return Ok(()) };
            if let KeyStateRecord::Deleted(_) = key.state {
                return self.clear_away(&key).await;
            }
            let deleted = self.without_material(&key);
            if self.commit_deletion(&deleted, version).await? {
                return self.clear_away(&deleted).await;
            }
        }
        Err(contention())
    }
}

#[async_trait]
impl KmsKeys for Kms {
    async fn key_material(&self, key_arn: &str) -> Result<Option<KmsMaterial>, StoreError> {
        let found = self.key_of_any_state(key_arn).await.map_err(failed)?;
        let is_there = |key: &KeyRecord| !matches!(key.state, KeyStateRecord::Deleted(_));
        Ok(found.map(|(key, _)| key).filter(is_there).map(|key| KmsMaterial {
            generations: key.materials.iter().map(|material| material.generation).collect(),
            key_store: key.key_store,
        }))
    }

    async fn destroy_key(&self, key_arn: &str) -> Result<(), StoreError> {
        self.try_destroy(key_arn).await.map_err(failed)
    }
}

/// A KMS that cannot do it now is asked again.
fn failed(error: KmsError) -> StoreError {
    if error.is_temporary() { StoreError::Unavailable(error.to_string()) } else { StoreError::Kms(error) }
}

#[cfg(test)]
#[path = "shred_tests.rs"]
mod tests;
