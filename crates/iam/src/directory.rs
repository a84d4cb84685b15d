//! Accounts and principals, as others look them up.

use coffer_store::RowTable;

use crate::account::Change;
use crate::arn;
use crate::error::ApiError;
use crate::ids;
use crate::records::{AccountNameRecord, AccountRecord, RoleRecord, UserRecord};
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

    /// Whether a principal that a policy names is there: the number of an account, or the ARN of its root, of a user,
    /// a role or a session of a role.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn principal_exists(&self, principal: &str) -> Result<bool, ApiError> {
        let Some(account) = coffer_access::account_of_arn(principal) else {
            return Ok(self.account(principal).await?.is_some());
        };
        if self.account(account).await?.is_none() {
            return Ok(false);
        }
        let view = self.view(account);
        if principal.ends_with(":root") {
            return Ok(principal == format!("arn:aws:iam::{account}:root"));
        }
        if let Some((_, name)) = arn::parse(principal, "user") {
            let user = view.get::<UserRecord>(name).await?;
            return Ok(user.is_some_and(|user| arn::user(account, &user.path, &user.name) == principal));
        }
        if let Some((_, name)) = arn::parse(principal, "role") {
            let role = view.get::<RoleRecord>(name).await?;
            return Ok(role.is_some_and(|role| arn::role(account, &role.path, &role.name) == principal));
        }
        let session = principal.strip_prefix("arn:aws:sts::").and_then(|rest| rest.split_once(":assumed-role/"));
        match session.and_then(|(_, session)| session.split_once('/')) {
            Some((role, _)) => Ok(view.get::<RoleRecord>(role).await?.is_some()),
            None => Ok(false),
        }
    }
}
