//! Reading and changing what is in an account.

use coffer_store::{RowChanges, RowTable, RowVersion};
use tokio::sync::MutexGuard;

use crate::error::ApiError;
use crate::records::{AccessKeyRecord, AccountRecord, StampRecord};
use crate::rows::{self, Entity};
use crate::settings::Iam;

/// The most rows that are read at once.
const PAGE: usize = 1000;

/// An account to read.
pub(crate) struct View<'a> {
    pub(crate) iam: &'a Iam,
    pub(crate) account: String,
}

/// An account to change: it holds the turn, and what it commits holds only if the account has not changed meanwhile.
pub(crate) struct Change<'a> {
    view: View<'a>,
    stamp: RowVersion,
    changes: RowChanges,
    _turn: MutexGuard<'a, ()>,
}

impl Iam {
    /// An account to read.
    pub(crate) fn view(&self, account: &str) -> View<'_> {
        View { iam: self, account: account.to_owned() }
    }

    /// Waits for the turn to change an account.
    pub(crate) async fn change(&self, account: &str) -> Result<Change<'_>, ApiError> {
        let turn = self.0.turn.lock().await;
        let stamp = self.store().row_version(RowTable::Identity, &rows::stamp(account)).await?;
        Ok(Change { view: self.view(account), stamp, changes: RowChanges::new(), _turn: turn })
    }

    /// An account; `None` if there is none of this number.
    pub(crate) async fn account(&self, id: &str) -> Result<Option<AccountRecord>, ApiError> {
        Ok(self.store().row(RowTable::Identity, &rows::account(id)).await?.0)
    }

    /// An access key; `None` if nobody has it.
    pub(crate) async fn access_key(&self, id: &str) -> Result<Option<AccessKeyRecord>, ApiError> {
        Ok(self.store().row(RowTable::AccessKey, id.as_bytes()).await?.0)
    }
}

impl View<'_> {
    /// An entity by its name, in any case.
    pub(crate) async fn get<T: Entity>(&self, name: &str) -> Result<Option<T>, ApiError> {
        Ok(self.iam.store().row(RowTable::Identity, &rows::entity::<T>(&self.account, name)).await?.0)
    }

    /// Every entity of a kind, by name.
    pub(crate) async fn all<T: Entity>(&self) -> Result<Vec<T>, ApiError> {
        let prefix = rows::entities::<T>(&self.account);
        let mut all = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.iam.store().rows::<T>(RowTable::Identity, &prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(key, _)| key.clone());
            all.extend(page.into_iter().map(|(_, record)| record));
            if is_last {
                return Ok(all);
            }
        }
    }
}

impl<'a> Change<'a> {
    /// The account as it was before the change.
    pub(crate) fn view(&self) -> &View<'a> {
        &self.view
    }

    /// The account's own record as it was before the change.
    pub(crate) async fn account(&self) -> Result<AccountRecord, ApiError> {
        self.view.iam.account(&self.view.account).await?.ok_or_else(ApiError::service_failure)
    }

    /// An entity as it was before the change.
    pub(crate) async fn get<T: Entity>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.view.get(name).await
    }

    /// Writes an entity under its name.
    pub(crate) fn put<T: Entity>(&mut self, record: &T) {
        let row = rows::entity::<T>(&self.view.account, record.name());
        self.changes.put(self.view.iam.store(), RowTable::Identity, &row, record);
    }

    /// Writes the account itself.
    pub(crate) fn put_account(&mut self, account: &AccountRecord) {
        self.changes.put(self.view.iam.store(), RowTable::Identity, &rows::account(&account.id), account);
    }

    /// Removes an entity.
    pub(crate) fn delete<T: Entity>(&mut self, name: &str) {
        self.changes.delete(RowTable::Identity, &rows::entity::<T>(&self.view.account, name));
    }

    /// Writes an access key.
    pub(crate) fn put_access_key(&mut self, record: &AccessKeyRecord) {
        self.changes.put(self.view.iam.store(), RowTable::AccessKey, record.access_key.as_bytes(), record);
    }

    /// Removes an access key, with what is known of its use.
    pub(crate) fn delete_access_key(&mut self, access_key: &str) {
        self.changes
            .delete(RowTable::AccessKey, access_key.as_bytes())
            .delete(RowTable::Identity, &rows::last_used(access_key));
    }

    /// More changes to rows, in the same commit.
    pub(crate) fn rows(&mut self) -> &mut RowChanges {
        &mut self.changes
    }

    /// Makes the change durable.
    ///
    /// # Errors
    /// `ConcurrentModification` when another process has changed the account meanwhile.
    pub(crate) async fn commit(mut self) -> Result<(), ApiError> {
        let stamp_row = rows::stamp(&self.view.account);
        let stamp = StampRecord { stamp: coffer_crypto::random_array() };
        self.changes.check(RowTable::Identity, &stamp_row, self.stamp.clone());
        self.changes.put(self.view.iam.store(), RowTable::Identity, &stamp_row, &stamp);
        if self.view.iam.store().commit_rows(self.changes).await? {
            Ok(())
        } else {
            Err(ApiError::concurrent_modification())
        }
    }
}
