//! When, where and for what access keys were last used: noted in memory, written now and then.

use std::collections::HashMap;
use std::sync::PoisonError;

use coffer_store::{RowChanges, RowTable};

use crate::error::ApiError;
use crate::records::LastUsedRecord;
use crate::rows;
use crate::settings::Iam;

/// A use that is not written yet.
#[derive(Clone, PartialEq)]
pub(crate) struct Use {
    at_ms: u64,
    service: &'static str,
    region: String,
}

/// The last use of each access key since the last writing.
pub(crate) type Uses = HashMap<String, Use>;

impl Iam {
    /// Notes that a request was signed by an access key, for a service and a region. `now_ms` is in milliseconds since
    /// 1970.
    pub fn note_use(&self, access_key: &str, service: &'static str, region: &str, now_ms: u64) {
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(access_key) {
            Some(last) if last.region == region => (last.at_ms, last.service) = (now_ms, service),
            _ => {
                let region = region.to_owned();
                uses.insert(access_key.to_owned(), Use { at_ms: now_ms, service, region });
            }
        }
    }

    /// Writes what was noted. A crash loses what is noted and not written.
    ///
    /// # Errors
    /// When the store fails; what was noted stays noted.
    pub async fn write_uses(&self) -> Result<(), ApiError> {
        let noted = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if noted.is_empty() {
            return Ok(());
        }
        // No key is deleted between the look at it and the writing: its row here would stay.
        let _turn = self.0.turn.lock().await;
        let first_root_key = self.first_root_key(&self.settings().account_id).await?;
        let mut changes = RowChanges::new();
        for (access_key, last) in &noted {
            let is_first = first_root_key.as_ref().is_some_and(|first| first.access_key == *access_key);
            // Keys of sessions have no rows.
            if is_first || self.access_key(access_key).await?.is_some() {
                let (service, region) = (last.service.to_owned(), last.region.clone());
                let record = LastUsedRecord { at_ms: last.at_ms, service, region };
                changes.put(self.store(), RowTable::Identity, &rows::last_used(access_key), &record);
            }
        }
        self.store().commit_rows(changes).await?;
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.retain(|access_key, last| noted.get(access_key) != Some(last));
        Ok(())
    }

    /// The last use of an access key; `None` if it was never used.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn last_used(&self, access_key: &str) -> Result<Option<LastUsedRecord>, ApiError> {
        let noted = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner).get(access_key).cloned();
        if let Some(Use { at_ms, service, region }) = noted {
            return Ok(Some(LastUsedRecord { at_ms, service: service.to_owned(), region }));
        }
        Ok(self.store().row(RowTable::Identity, &rows::last_used(access_key)).await?.0)
    }
}
