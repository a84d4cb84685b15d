//! Names of keys, which can be given to others.

use std::collections::BTreeMap;

use coffer_keyring::KmsError;
use coffer_store::{RowChanges, RowTable, RowVersion};

use crate::authority::Authority;
use crate::change::MOST_TRIES;
use crate::error::{contention, from_store, limit_exceeded, not_found};
use crate::records::{AliasRecord, KeyRecord, alias_row, key_row};
use crate::settings::Kms;

/// The most aliases of a key.
const MOST_ALIASES: usize = 50;

impl Kms {
    /// Gives a key of the caller's account another name.
    ///
    /// # Errors
    /// `AlreadyExistsException`, `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`,
    /// `LimitExceededException`; when the store cannot be asked.
    pub(crate) async fn create_alias(&self, by: &Authority<'_>, name: &str, target: &str) -> Result<(), KmsError> {
        let action = "kms:CreateAlias";
        let created = self.try_create_alias(by, action, name, target).await;
        self.note(by, action, target, &alias_detail(name), &created);
        created
    }

    async fn try_create_alias(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
        target: &str,
    ) -> Result<(), KmsError> {
        for _ in 0..MOST_TRIES {
            let (key, key_version) = self.alias_target(by, action, target).await?;
            let (taken, version) = self.alias(&key.account, name).await?;
            if taken.is_some() {
                let arn = self.alias_arn(&key.account, name);
                let message = format!("An alias with the name {arn} already exists");
                return Err(KmsError::new("AlreadyExistsException", message));
            }
            let now_ms = self.now_ms();
            let alias = AliasRecord { name: name.to_owned(), key_id: key.id, created_ms: now_ms, updated_ms: now_ms };
            if self.put_alias(&key, key_version, &alias, version).await? {
                return Ok(());
            }
        }
        Err(contention())
    }

    /// Gives a name to another key of the caller's account.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`, `LimitExceededException`; when the
    /// store cannot be asked.
    pub(crate) async fn update_alias(&self, by: &Authority<'_>, name: &str, target: &str) -> Result<(), KmsError> {
        let action = "kms:UpdateAlias";
        let updated = self.try_update_alias(by, action, name, target).await;
        self.note(by, action, target, &alias_detail(name), &updated);
        updated
    }

    async fn try_update_alias(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
        target: &str,
    ) -> Result<(), KmsError> {
        for _ in 0..MOST_TRIES {
            let (mut alias, version) = self.own_alias(by, action, name).await?;
            let (key, key_version) = self.alias_target(by, action, target).await?;
            if alias.key_id == key.id {
                return Ok(());
            }
            (alias.key_id, alias.updated_ms) = (key.id, self.now_ms());
            if self.put_alias(&key, key_version, &alias, version).await? {
                return Ok(());
            }
        }
        Err(contention())
    }

    /// Takes a name of the caller's account from its key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`; when the store cannot be asked.
    pub(crate) async fn delete_alias(&self, by: &Authority<'_>, name: &str) -> Result<(), KmsError> {
        let action = "kms:DeleteAlias";
        let deleted = self.try_delete_alias(by, action, name).await;
        self.note(by, action, name, &alias_detail(name), &deleted);
        deleted
    }

    async fn try_delete_alias(&self, by: &Authority<'_>, action: &'static str, name: &str) -> Result<(), KmsError> {
        for _ in 0..MOST_TRIES {
            let (_, version) = self.own_alias(by, action, name).await?;
            let row = alias_row(by.account().unwrap_or_default(), name);
            let mut changes = RowChanges::new();
            changes.check(RowTable::Kms, &row, version).delete(RowTable::Kms, &row);
            if self.0.store.commit_rows(changes).await.map_err(|error| from_store(&error))? {
                return Ok(());
            }
        }
        Err(contention())
    }

    /// The ARN of an alias.
    pub(crate) fn alias_arn(&self, account: &str, name: &str) -> String {
        format!("arn:aws:kms:{}:{account}:{name}", self.0.settings.region)
    }

    /// The key that is to have another name. Whoever gives it one has to be allowed to on the key too.
    async fn alias_target(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        target: &str,
    ) -> Result<(KeyRecord, RowVersion), KmsError> {
        let (key, version) = self.changeable_key(by, action, target).await?;
        self.check_not_pending(&key)?;
        Ok((key, version))
    }

    /// An alias of the caller's account, if they may do `action` with the key that has it.
    async fn own_alias(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
    ) -> Result<(AliasRecord, RowVersion), KmsError> {
        let account = by.account().unwrap_or_default();
        let (alias, version) = self.alias(account, name).await?;
        let alias = alias.ok_or_else(|| {
            let arn = self.alias_arn(account, name);
            not_found(format!("Alias {arn} is not found."))
        })?;
        if let Some((key, _)) = self.key(&alias.key_id).await? {
            self.authorize(by, action, &key).await?;
        }
        Ok((alias, version))
    }

    async fn alias(&self, account: &str, name: &str) -> Result<(Option<AliasRecord>, RowVersion), KmsError> {
        let found = self.0.store.row::<AliasRecord>(RowTable::Kms, &alias_row(account, name)).await;
        found.map_err(|error| from_store(&error))
    }

    /// Writes an alias of a key, if both are what they were: no alias comes to be for a key that is deleted meanwhile.
    pub(crate) async fn put_alias(
        &self,
        key: &KeyRecord,
        key_version: RowVersion,
        alias: &AliasRecord,
        version: RowVersion,
    ) -> Result<bool, KmsError> {
        let count = self.aliases_of(key).await?.len();
        if count >= MOST_ALIASES {
            return Err(limit_exceeded(format!(
                "Aliases per key quota for this account in this region is {MOST_ALIASES}, current usage is {count}."
            )));
        }
        let row = alias_row(&key.account, &alias.name);
        let mut changes = RowChanges::new();
        changes.check(RowTable::Kms, &key_row(&key.id), key_version);
        changes.check(RowTable::Kms, &row, version).put(&self.0.store, RowTable::Kms, &row, alias);
        self.0.store.commit_rows(changes).await.map_err(|error| from_store(&error))
    }
}

fn alias_detail(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("alias".to_owned(), name.to_owned())])
}
