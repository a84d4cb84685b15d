//! When, where and for what access keys and roles were last used: noted in memory, written now and then.

use std::collections::HashMap;
use std::sync::PoisonError;

use coffer_access::Principal;
use coffer_store::{RowChanges, RowTable};

use crate::error::ApiError;
use crate::ids::is_session_key;
use crate::records::{LastUsedRecord, RoleRecord};
use crate::rows;
use crate::settings::Iam;

/// A use that is not written yet.
#[derive(Clone, PartialEq)]
pub(crate) struct Use {
    at_ms: u64,
    service: &'static str,
    region: String,
    /// The account and the name of the role, if it is one that was used.
    role: Option<(String, String)>,
}

/// The last use of each access key and each role, by its unique ID, since the last writing.
pub(crate) type Uses = HashMap<String, Use>;

impl Iam {
    /// Notes that a request was signed by an access key of `principal`, for a service and a region. A session of a role
    /// uses the role, and other temporary credentials nothing that would show it. `now_ms` is in milliseconds since 1970.
    pub fn note_use(&self, access_key: &str, principal: &Principal, service: &'static str, region: &str, now_ms: u64) {
        let (used, role) = match principal {
            Principal::Session { account, role_name, role_id, .. } => {
                (role_id.as_str(), Some((account.clone(), role_name.clone())))
            }
            _ if is_session_key(access_key) => return,
            _ => (access_key, None),
        };
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(used) {
            Some(last) if last.region == region => (last.at_ms, last.service) = (now_ms, service),
            _ => {
                let region = region.to_owned();
                uses.insert(used.to_owned(), Use { at_ms: now_ms, service, region, role });
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
        // Nothing is deleted between the look at it and the writing: its row here would stay.
        let _turn = self.0.turn.lock().await;
        let first_root_key = self.first_root_key(&self.settings().account_id).await?;
        let mut changes = RowChanges::new();
        for (used, last) in &noted {
            let is_there = match &last.role {
                Some((account, name)) => {
                    self.view(account).get::<RoleRecord>(name).await?.is_some_and(|role| role.id == *used)
                }
                None => {
                    let is_first = first_root_key.as_ref().is_some_and(|first| first.access_key == *used);
                    is_first || self.access_key(used).await?.is_some()
                }
            };
            if is_there {
                let (service, region) = (last.service.to_owned(), last.region.clone());
                let record = LastUsedRecord { at_ms: last.at_ms, service, region };
                changes.put(self.store(), RowTable::Identity, &rows::last_used(used), &record);
            }
        }
        self.store().commit_rows(changes).await?;
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.retain(|used, last| noted.get(used) != Some(last));
        Ok(())
    }

    /// The last use of an access key, or of a role by its unique ID; `None` if it was never used.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn last_used(&self, used: &str) -> Result<Option<LastUsedRecord>, ApiError> {
        let noted = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner).get(used).cloned();
        if let Some(Use { at_ms, service, region, .. }) = noted {
            return Ok(Some(LastUsedRecord { at_ms, service: service.to_owned(), region }));
        }
        Ok(self.store().row(RowTable::Identity, &rows::last_used(used)).await?.0)
    }
}
