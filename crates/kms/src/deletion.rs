//! The end of a key whose waiting period is over.

use coffer_keyring::KmsError;
use coffer_store::{RowChanges, RowTable, RowVersion};

use crate::error::from_store;
use crate::records::{
    GrantRecord, KeyRecord, KeyStateRecord, alias_row, grant_rows, key_row, listing_row, retirable_row,
};
use crate::settings::Kms;

/// The rows that are looked at or removed at a time.
const BATCH: usize = 500;

impl Kms {
    /// Destroys a key whose waiting period is over: one commit takes its material and its aliases. Its row stays, without
    /// anything to decrypt with, so that the id is never used again. Returns `None` if the period is not over, or if
    /// somebody else was faster.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn delete_if_due(
        &self,
        key: &KeyRecord,
        version: RowVersion,
    ) -> Option<Result<KeyRecord, KmsError>> {
        match key.state {
            KeyStateRecord::PendingDeletion(at_ms) if at_ms <= self.now_ms() => {}
            _ => return None,
        }
        let deleted = self.without_material(key);
        match self.commit_deletion(&deleted, version).await {
            Ok(true) => Some(Ok(deleted)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// What is left of a key that is destroyed now.
    pub(crate) fn without_material(&self, key: &KeyRecord) -> KeyRecord {
        KeyRecord {
            state: KeyStateRecord::Deleted(self.now_ms()),
            description: String::new(),
            policy: String::new(),
            policy_principals: Default::default(),
            materials: Vec::new(),
            tags: Default::default(),
            rotation: None,
            ..key.clone()
        }
    }

    /// Puts what is left of a key in its place, unless its row has changed since it was read. Returns whether it did.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn commit_deletion(&self, deleted: &KeyRecord, version: RowVersion) -> Result<bool, KmsError> {
        let (store, row) = (&self.0.store, key_row(&deleted.id));
        let mut changes = RowChanges::new();
        changes.check(RowTable::Kms, &row, version).put(store, RowTable::Kms, &row, deleted);
        // One that somebody gives it at this moment is cleared away with its grants.
        for alias in self.aliases_of(deleted).await? {
            changes.delete(RowTable::Kms, &alias_row(&deleted.account, &alias));
        }
        if !store.commit_rows(changes).await.map_err(|error| from_store(&error))? {
            return Ok(false);
        }
        self.0.materials.forget(&deleted.id);
        Ok(true)
    }

    /// Removes what a deleted key leaves behind: its aliases and grants, then its place in lists. It may be interrupted
    /// anywhere.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn clear_away(&self, deleted: &KeyRecord) -> Result<(), KmsError> {
        let store = &self.0.store;
        let mut changes = RowChanges::new();
        for alias in self.aliases_of(deleted).await? {
            changes.delete(RowTable::Kms, &alias_row(&deleted.account, &alias));
        }
        loop {
            let grants = store.rows::<GrantRecord>(RowTable::Kms, &grant_rows(&deleted.id), None, BATCH).await;
            let grants = grants.map_err(|error| from_store(&error))?;
            let mut changes = std::mem::take(&mut changes);
            for (row, grant) in &grants {
                changes.delete(RowTable::Kms, row);
                if let Some(retiring) = &grant.retiring {
                    changes.delete(RowTable::Kms, &retirable_row(&retiring.id, &grant.key_id, &grant.id));
                }
            }
            if grants.len() < BATCH {
                changes.delete(RowTable::Kms, &listing_row(&deleted.account, &deleted.id));
            }
            store.commit_rows(changes).await.map_err(|error| from_store(&error))?;
            if grants.len() < BATCH {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
#[path = "deletion_tests.rs"]
mod tests;
