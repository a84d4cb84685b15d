//! Accounts and principals, as others look them up.

use coffer_store::RowTable;

use crate::account::Change;
use crate::error::ApiError;
use crate::ids;
use crate::records::{AccountNameRecord, AccountRecord};
use crate::rows;
use crate::settings::Iam;

/// The name of the first account.
const FIRST_NAME: &str = "root";

impl Iam {
    /// Makes the first account, unless it is there. `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn establish(&self, now_ms: u64) -> Result<(), ApiError> {
        let id = self.settings().account_id.clone();
        if self.account(&id).await?.is_some() {
            return Ok(());
        }
        let account = AccountRecord {
            id,
            name: FIRST_NAME.to_owned(),
            email: String::new(),
            created_ms: now_ms,
            suspended: false,
            alias: None,
            root_access_keys: Vec::new(),
            tags: Vec::new(),
        };
        self.put_account(&account).await
    }

    /// Writes a new account with the rows that find it.
    ///
    /// # Errors
    /// `ConcurrentModification`; when the store fails.
    pub(crate) async fn put_account(&self, account: &AccountRecord) -> Result<(), ApiError> {
        let mut change = self.change(&account.id).await?;
        self.add_account_rows(&mut change, account);
        change.commit().await
    }

    /// Adds a new account, with the rows that find it, to a change.
    pub(crate) fn add_account_rows(&self, change: &mut Change<'_>, account: &AccountRecord) {
        let name = AccountNameRecord { account: account.id.clone() };
        let canonical_id = rows::canonical_id(&self.canonical_id(&account.id));
        let store = self.store();
        change.put_account(account);
        change.rows().put(store, RowTable::Identity, &canonical_id, &name);
        if !account.email.is_empty() {
            change.rows().put(store, RowTable::Identity, &rows::email(&account.email), &name);
        }
    }

    /// The canonical user ID of an account.
    #[must_use]
    pub fn canonical_id(&self, account: &str) -> String {
        ids::canonical_id(self.store().id(), account, &self.settings().account_id)
    }

    /// The account with this canonical user ID, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account_of_canonical_id(&self, canonical_id: &str) -> Result<Option<String>, ApiError> {
        self.account_named(&rows::canonical_id(canonical_id)).await
    }

    /// The account with this e-mail address, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account_of_email(&self, email: &str) -> Result<Option<String>, ApiError> {
        self.account_named(&rows::email(email)).await
    }

    async fn account_named(&self, row: &[u8]) -> Result<Option<String>, ApiError> {
        let found = self.store().row::<AccountNameRecord>(RowTable::Identity, row).await?.0;
        Ok(found.map(|name| name.account))
    }
}
