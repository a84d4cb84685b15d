//! What is done with keys when its time has come, without anybody asking: rotations and deletions.

use std::collections::BTreeMap;

use coffer_keyring::KmsError;
use coffer_store::{RowTable, RowVersion};

use crate::authority::Authority;
use crate::error::from_store;
use crate::records::{KeyRecord, KeyStateRecord, LISTING_ROWS, MarkRecord, key_row, listed_key};
use crate::settings::Kms;

/// The keys that are looked up at a time.
const BATCH: usize = 200;

/// The number of keys by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// They can be used.
    pub enabled: u64,
    /// Somebody has disabled them.
    pub disabled: u64,
    /// They are disabled, and destroyed when their time has come.
    pub pending_deletion: u64,
}

impl Kms {
    /// Looks at every key once: rotates and destroys those whose time has come, and counts them. A key that fails is left
    /// for the next time. It may be interrupted anywhere, and run in several processes at once.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn upkeep(&self) -> Result<KeyCounts, KmsError> {
        let (mut counts, mut after) = (KeyCounts::default(), None);
        loop {
            let listed = self.0.store.rows::<MarkRecord>(RowTable::Kms, LISTING_ROWS, after.as_deref(), BATCH).await;
            let listed = listed.map_err(|error| from_store(&error))?;
            for id in listed.iter().filter_map(|(row, _)| listed_key(row)) {
                let found = self.0.store.row::<KeyRecord>(RowTable::Kms, &key_row(&id)).await;
                match found {
                    Ok((Some(key), version)) => self.keep_up(key, version, &mut counts).await,
                    Ok((None, _)) => {}
                    // One damaged row does not keep the others from being rotated.
                    Err(error) => drop(from_store(&error)),
                }
            }
            after = match listed.last() {
                Some((row, _)) if listed.len() == BATCH => Some(row.clone()),
                _ => {
                    self.0.metrics.set_keys(counts);
                    return Ok(counts);
                }
            };
        }
    }

    async fn keep_up(&self, key: KeyRecord, version: RowVersion, counts: &mut KeyCounts) {
        if let Some(rotated) = self.rotate_if_due(&key, version.clone()).await {
            self.note_upkeep("kms:RotateKey", &key, &rotated);
        }
        let deleted = self.delete_if_due(&key, version).await;
        if let Some(deleted) = &deleted {
            self.note_upkeep("kms:DeleteKey", &key, deleted);
        }
        let key = deleted.and_then(Result::ok).unwrap_or(key);
        match key.state {
            KeyStateRecord::Enabled => counts.enabled += 1,
            KeyStateRecord::Disabled => counts.disabled += 1,
            KeyStateRecord::PendingDeletion(_) => counts.pending_deletion += 1,
            // The cause of a failure is in the log; the next time continues.
            KeyStateRecord::Deleted(_) => drop(self.clear_away(&key).await),
        }
    }

    fn note_upkeep(&self, action: &'static str, key: &KeyRecord, done: &Result<KeyRecord, KmsError>) {
        let arn = self.arn(key);
        match done {
            Ok(_) => tracing::info!(action, key = arn, "a key of the KMS was due"),
            Err(error) => tracing::error!(action, key = arn, %error, "a key of the KMS is due, and it failed"),
        }
        self.note(&Authority::Coffer, action, &arn, &BTreeMap::new(), done);
    }
}
