//! Changing keys: by whom, which, and when they may be.

use std::collections::BTreeMap;

use coffer_keyring::KmsError;
use coffer_store::{RootFence, RowChanges, RowTable, RowVersion};

use crate::authority::Authority;
use crate::error::{access_denied, contention, from_store, pending_deletion};
use crate::records::{KeyRecord, KeyStateRecord, key_row};
use crate::settings::Kms;

/// How often a change is tried when others change the same key.
pub(crate) const MOST_TRIES: usize = 8;

impl Kms {
    /// Changes a key that the caller names by id or ARN: `change` decides on the key as it is now, and may be asked again
    /// when somebody else was faster. It is noted in the audit log, whatever becomes of it.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, what `change` says; when the store cannot be asked.
    pub(crate) async fn change_key(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
        change: impl Fn(&mut KeyRecord) -> Result<(), KmsError>,
    ) -> Result<KeyRecord, KmsError> {
        let changed = self.try_change_key(by, action, name, change).await;
        self.note_change(by, action, name, &changed);
        changed
    }

    async fn try_change_key(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
        change: impl Fn(&mut KeyRecord) -> Result<(), KmsError>,
    ) -> Result<KeyRecord, KmsError> {
        for _ in 0..MOST_TRIES {
            let (key, version) = self.changeable_key(by, action, name).await?;
            let mut changed = key.clone();
            change(&mut changed)?;
            if changed == key || self.put_key(&changed, version).await? {
                return Ok(changed);
            }
        }
        Err(contention())
    }

    /// Writes a key unless its row has changed since it was read. Returns whether it did.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn put_key(&self, key: &KeyRecord, version: RowVersion) -> Result<bool, KmsError> {
        self.commit_key(key, version, RowChanges::new()).await
    }

    /// As [`Kms::put_key`], as long as the root key that wraps is the one that did when `fence` was read.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn put_wrapped(
        &self,
        key: &KeyRecord,
        version: RowVersion,
        fence: &RootFence,
    ) -> Result<bool, KmsError> {
        let mut changes = RowChanges::new();
        changes.check_root_fence(fence);
        self.commit_key(key, version, changes).await
    }

    async fn commit_key(
        &self,
        key: &KeyRecord,
        version: RowVersion,
        mut changes: RowChanges,
    ) -> Result<bool, KmsError> {
        let row = key_row(&key.id);
        changes.check(RowTable::Kms, &row, version).put(&self.0.store, RowTable::Kms, &row, key);
        self.0.store.commit_rows(changes).await.map_err(|error| from_store(&error))
    }

    /// Notes in the audit log what became of a change of the key that was called `name`.
    pub(crate) fn note_change(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
        changed: &Result<KeyRecord, KmsError>,
    ) {
        let arn = changed.as_ref().map_or_else(|_| name.to_owned(), |key| self.arn(key));
        self.note(by, action, &arn, &BTreeMap::new(), changed);
    }

    /// The key of the caller's account that they name by id or ARN, if they may do `action`, which changes it: nobody changes one that a service has made.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`.
    pub(crate) async fn changeable_key(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
    ) -> Result<(KeyRecord, RowVersion), KmsError> {
        let (key, version) = self.find_own(by, action, name).await?;
        self.authorize(by, action, &key).await?;
        if key.aws_managed {
            let why = format!("because no resource-based policy allows the {action} action");
            return Err(self.refused(by, action, &key, &why));
        }
        Ok((key, version))
    }

    fn refused(&self, by: &Authority<'_>, action: &str, key: &KeyRecord, why: &str) -> KmsError {
        let who = match by {
            Authority::Coffer => "coffer".to_owned(),
            Authority::Caller { caller, .. } => caller.principal.arn(),
        };
        let arn = self.arn(key);
        access_denied(format!("User: {who} is not authorized to perform: {action} on resource: {arn} {why}"))
    }

    /// Refuses what cannot be done with a key that waits for its deletion.
    ///
    /// # Errors
    /// `KMSInvalidStateException`.
    pub(crate) fn check_not_pending(&self, key: &KeyRecord) -> Result<(), KmsError> {
        match key.state {
            KeyStateRecord::Enabled | KeyStateRecord::Disabled => Ok(()),
            KeyStateRecord::PendingDeletion(_) | KeyStateRecord::Deleted(_) => Err(pending_deletion(&self.arn(key))),
        }
    }
}
