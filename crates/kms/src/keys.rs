//! Making and finding keys.

use std::collections::BTreeMap;

use coffer_keyring::KmsError;
use coffer_store::{RowChanges, RowTable, RowVersion};

use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{access_denied, contention, disabled, from_store, not_found, pending_deletion};
use crate::names::{KeyId, KeyName, key_id_text, new_key_id};
use crate::policy::{default_policy, s3_policy};
use crate::records::{AliasRecord, KeyRecord, KeyStateRecord, MarkRecord, alias_row, key_row, listing_row};
use crate::rotation::DEFAULT_PERIOD_DAYS;
use crate::settings::Kms;

/// The alias of the key that protects objects whose writer names no other.
pub(crate) const S3_ALIAS: &str = "alias/aws/s3";
/// Its description, as on AWS.
const S3_DESCRIPTION: &str = "Default key that protects my S3 objects when no other key is defined";

/// The most rows that are read at once.
const PAGE: usize = 1000;

/// What a key is made with.
#[derive(Default)]
pub(crate) struct NewKey {
    pub(crate) description: String,
    /// The key policy; empty: the account decides by its own policies ([`default_policy`]).
    pub(crate) policy: String,
    pub(crate) policy_principals: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) multi_region: bool,
    pub(crate) key_store: Option<String>,
    pub(crate) aws_managed: bool,
}

impl Kms {
    /// Makes a key; with `alias`, only if the alias is free.
    ///
    /// # Errors
    /// When the provider or the store cannot be asked; `DependencyTimeoutException` when the alias was taken meanwhile.
    pub(crate) async fn make_key(
        &self,
        account: &str,
        new: NewKey,
        alias: Option<&str>,
    ) -> Result<KeyRecord, KmsError> {
        let key = self.new_key(account, new).await?;
        self.add_key(&key, alias).await?;
        Ok(key)
    }

    /// A key that nobody can find yet.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub(crate) async fn new_key(&self, account: &str, new: NewKey) -> Result<KeyRecord, KmsError> {
        let (id, now_ms) = (new_key_id(), self.now_ms());
        let material = self.new_material(id, 1, new.key_store.as_deref(), false).await?;
        Ok(KeyRecord {
            id,
            account: account.to_owned(),
            created_ms: now_ms,
            state: KeyStateRecord::Enabled,
            description: new.description,
            policy: if new.policy.is_empty() { default_policy(account) } else { new.policy },
            policy_principals: new.policy_principals,
            materials: vec![material],
            aws_managed: new.aws_managed,
            multi_region: new.multi_region,
            tags: new.tags,
            key_store: new.key_store,
            rotation: new.aws_managed.then(|| self.rotation_every(DEFAULT_PERIOD_DAYS)),
        })
    }

    /// Adds a new key; with `alias`, only if the alias is free.
    ///
    /// # Errors
    /// When the store cannot be asked; `DependencyTimeoutException` when the alias was taken meanwhile.
    pub(crate) async fn add_key(&self, key: &KeyRecord, alias: Option<&str>) -> Result<(), KmsError> {
        let (id, now_ms, account, store) = (key.id, key.created_ms, &key.account, &self.0.store);
        let (taken, unused) = store.row::<KeyRecord>(RowTable::Kms, &key_row(&id)).await.map_err(|e| from_store(&e))?;
        if taken.is_some() {
            return Err(contention());
        }
        let mut changes = RowChanges::new();
        for material in &key.materials {
            changes.check_root_fence(&self.fence_for(material, key.key_store.as_deref()).await?);
        }
        // An id is never used again, not even that of a deleted key.
        changes.check(RowTable::Kms, &key_row(&id), unused).put(store, RowTable::Kms, &key_row(&id), key);
        changes.put(store, RowTable::Kms, &listing_row(account, &id), &MarkRecord { made_ms: now_ms });
        if let Some(name) = alias {
            let row = alias_row(account, name);
            let (taken, version) = store.row::<AliasRecord>(RowTable::Kms, &row).await.map_err(|e| from_store(&e))?;
            if taken.is_some() {
                return Err(contention());
            }
            let alias = AliasRecord { name: name.to_owned(), key_id: id, created_ms: now_ms, updated_ms: now_ms };
            changes.check(RowTable::Kms, &row, version).put(store, RowTable::Kms, &row, &alias);
        }
        match store.commit_rows(changes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(contention()),
            Err(error) => Err(from_store(&error)),
        }
    }

    /// The key with this id, if there is one; a deleted one is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn key(&self, id: &KeyId) -> Result<Option<(KeyRecord, RowVersion)>, KmsError> {
        let found = self.0.store.row::<KeyRecord>(RowTable::Kms, &key_row(id)).await;
        let (key, version) = found.map_err(|error| from_store(&error))?;
        let is_there = |key: &KeyRecord| !matches!(key.state, KeyStateRecord::Deleted(_));
        Ok(key.filter(is_there).map(|key| (key, version)))
    }

    /// The key that a request names by id, ARN or alias.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub(crate) async fn find(&self, by: &Authority<'_>, name: &str) -> Result<(KeyRecord, RowVersion), KmsError> {
        let region = &self.0.settings.region;
        let asking = by.account().unwrap_or_default();
        match KeyName::parse(name, region)? {
            KeyName::Key { account, id } => {
                let account = account.as_deref().unwrap_or(asking);
                let found = self.key(&id).await?;
                // A name without an account is one in the caller's own.
                let found = found.filter(|(key, _)| key.account == account || matches!(by, Authority::Coffer));
                found.ok_or_else(|| {
                    let id = key_id_text(&id, name.contains("mrk-"));
                    not_found(format!("Key 'arn:aws:kms:{region}:{account}:key/{id}' does not exist"))
                })
            }
            KeyName::Alias { account, name } => {
                let account = account.as_deref().unwrap_or(asking);
                let found = self.0.store.row::<AliasRecord>(RowTable::Kms, &alias_row(account, &name)).await;
                let missing = || not_found(format!("Alias arn:aws:kms:{region}:{account}:{name} is not found."));
                match found.map_err(|error| from_store(&error))? {
                    (Some(alias), _) => self.key(&alias.key_id).await?.ok_or_else(missing),
                    // Nobody makes keys in the account of somebody else.
                    (None, _) if name == S3_ALIAS && by.account() == Some(account) => self.s3_key(account).await,
                    (None, _) => Err(missing()),
                }
            }
        }
    }

    /// The key of an account that protects objects whose writer names no other; it is made when it is first asked for.
    async fn s3_key(&self, account: &str) -> Result<(KeyRecord, RowVersion), KmsError> {
        let new = NewKey {
            description: S3_DESCRIPTION.to_owned(),
            policy: s3_policy(account, &self.0.settings.region),
            aws_managed: true,
            ..NewKey::default()
        };
        let made = match self.make_key(account, new, Some(S3_ALIAS)).await {
            Ok(key) => key.id,
            // Somebody else has just made it.
            Err(error) => {
                let row = alias_row(account, S3_ALIAS);
                let found = self.0.store.row::<AliasRecord>(RowTable::Kms, &row).await;
                found.map_err(|error| from_store(&error))?.0.ok_or(error)?.key_id
            }
        };
        self.key(&made).await?.ok_or_else(contention)
    }

    /// The key of the caller's account that they name by id or ARN, if they may do `action`, which only looks at it.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`.
    pub(crate) async fn own_key(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
    ) -> Result<(KeyRecord, RowVersion), KmsError> {
        let (key, version) = self.find_own(by, action, name).await?;
        self.authorize_look(by, &Use::new(action, &key)).await?;
        Ok((key, version))
    }

    /// The key of the caller's account that they name by id or ARN. Whether they may do `action` is still to be seen.
    ///
    /// # Errors
    /// `NotFoundException`; `AccessDeniedException` for a key of another account, also if its policy would let this one
    /// in.
    pub(crate) async fn find_own(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
    ) -> Result<(KeyRecord, RowVersion), KmsError> {
        let (key, version) = self.find_by_id(by, name).await?;
        if by.account().is_some_and(|account| account != key.account) {
            let arn = self.arn(&key);
            return Err(access_denied(format!("{action} is for keys of one's own account, which {arn} is not.")));
        }
        Ok((key, version))
    }

    /// The key that a request names by id or ARN, for actions that take no alias.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub(crate) async fn find_by_id(&self, by: &Authority<'_>, name: &str) -> Result<(KeyRecord, RowVersion), KmsError> {
        if let KeyName::Alias { .. } = KeyName::parse(name, &self.0.settings.region)? {
            return Err(not_found(format!("Invalid keyId '{name}'")));
        }
        self.find(by, name).await
    }

    /// The ARN of a key.
    pub(crate) fn arn(&self, key: &KeyRecord) -> String {
        let id = key_id_text(&key.id, key.multi_region);
        format!("arn:aws:kms:{}:{}:key/{id}", self.0.settings.region, key.account)
    }

    /// The names of the aliases of a key.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn aliases_of(&self, key: &KeyRecord) -> Result<Vec<String>, KmsError> {
        let (prefix, mut after, mut names) = (alias_row(&key.account, ""), None::<Vec<u8>>, Vec::new());
        loop {
            let page = self.0.store.rows::<AliasRecord>(RowTable::Kms, &prefix, after.as_deref(), PAGE).await;
            let page = page.map_err(|error| from_store(&error))?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(row, _)| row.clone());
            names.extend(page.into_iter().filter(|(_, alias)| alias.key_id == key.id).map(|(_, alias)| alias.name));
            if is_last {
                return Ok(names);
            }
        }
    }

    /// Refuses to use a key that is disabled or about to be deleted.
    ///
    /// # Errors
    /// `DisabledException`, `KMSInvalidStateException`.
    pub(crate) fn check_usable(&self, key: &KeyRecord) -> Result<(), KmsError> {
        match key.state {
            KeyStateRecord::Enabled => Ok(()),
            KeyStateRecord::Disabled => Err(disabled(&self.arn(key))),
            // Nothing finds a deleted key; whoever has read it before it was deleted cannot use it either.
            KeyStateRecord::PendingDeletion(_) | KeyStateRecord::Deleted(_) => Err(pending_deletion(&self.arn(key))),
        }
    }
}
