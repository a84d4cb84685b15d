//! Who has access keys: a user, or the root user of an account.

use coffer_store::RootCredentials;
use http::StatusCode;

use super::users::user_of;
use crate::account::{Change, View};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{AccessKeyRecord, AccountRecord, UserRecord};
use crate::settings::Iam;

/// Somebody with access keys, as they are now.
pub(super) enum KeyHolder {
    /// A user.
    User(UserRecord),
    /// The root user of an account, with the key that the server starts with if it is that of the first account.
    Root { account: AccountRecord, first: Option<RootCredentials> },
}

/// What is shown of an access key again and again.
pub(super) struct ShownKey {
    pub(super) access_key: String,
    pub(super) inactive: bool,
    pub(super) created_ms: u64,
}

impl KeyHolder {
    /// Whom the request is about, once it is authorised: see [`user_of`].
    ///
    /// # Errors
    /// `AccessDenied`, `NoSuchEntity`.
    pub(super) async fn of(request: &ApiRequest<'_>, view: &View<'_>) -> Result<Self, ApiError> {
        match user_of(request, view).await? {
            Some(user) => Ok(Self::User(user)),
            None => Self::root(view).await,
        }
    }

    /// The root user of an account.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn root(view: &View<'_>) -> Result<Self, ApiError> {
        let account = view.iam.account(&view.account).await?.ok_or_else(ApiError::service_failure)?;
        let first = view.iam.first_root_key(&view.account).await?;
        Ok(Self::Root { account, first })
    }

    /// The name of the user; the root user has none.
    pub(super) fn user_name(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.name),
            Self::Root { .. } => None,
        }
    }

    /// How many access keys there are.
    pub(super) fn count(&self) -> usize {
        self.made().len() + usize::from(self.first().is_some())
    }

    /// Every access key, by its ID.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn keys(&self, iam: &Iam) -> Result<Vec<ShownKey>, ApiError> {
        let mut keys = Vec::with_capacity(self.count());
        if let Self::Root { account, first: Some(first) } = self {
            let created_ms = first.created_ms.unwrap_or(account.created_ms);
            keys.push(ShownKey { access_key: first.access_key.clone(), inactive: first.inactive, created_ms });
        }
        for id in self.made() {
            if let Some(key) = iam.access_key(id).await? {
                keys.push(ShownKey { access_key: id.clone(), inactive: key.inactive, created_ms: key.created_ms });
            }
        }
        keys.sort_by_key(|key| key.access_key.to_lowercase());
        Ok(keys)
    }

    /// Adds an access key that is written in the same change.
    pub(super) fn add(&mut self, access_key: &str) {
        self.made_mut().push(access_key.to_owned());
    }

    /// Activates or deactivates an access key.
    ///
    /// # Errors
    /// `NoSuchEntity`; `UnmodifiableEntity` for a key of the environment.
    pub(super) async fn set_inactive(
        self,
        change: &mut Change<'_>,
        access_key: &str,
        inactive: bool,
    ) -> Result<(), ApiError> {
        let iam = change.view().iam;
        if self.first().is_some_and(|first| first.access_key == access_key) {
            changeable(iam)?;
            if let Self::Root { first: Some(mut first), .. } = self {
                first.inactive = inactive;
                change.rows().put_root_credentials(iam.store(), &first);
            }
            return Ok(());
        }
        if !self.made().iter().any(|id| id == access_key) {
            return Err(no_such_key(access_key));
        }
        let mut key: AccessKeyRecord = iam.access_key(access_key).await?.ok_or_else(|| no_such_key(access_key))?;
        key.inactive = inactive;
        change.put_access_key(&key);
        Ok(())
    }

    /// Removes an access key.
    ///
    /// # Errors
    /// `NoSuchEntity`; `UnmodifiableEntity` for a key of the environment.
    pub(super) fn remove(&mut self, change: &mut Change<'_>, access_key: &str) -> Result<(), ApiError> {
        let iam = change.view().iam;
        if self.first().is_some_and(|first| first.access_key == access_key) {
            changeable(iam)?;
            change.rows().delete_root_credentials(iam.store());
        } else {
            let made = self.made_mut();
            let at = made.iter().position(|id| id == access_key).ok_or_else(|| no_such_key(access_key))?;
            made.remove(at);
            self.write(change);
        }
        change.delete_access_key(access_key);
        Ok(())
    }

    /// Writes what [`KeyHolder::add`] and [`KeyHolder::remove`] changed.
    pub(super) fn write(&self, change: &mut Change<'_>) {
        match self {
            Self::User(user) => change.put(user),
            Self::Root { account, .. } => change.put_account(account),
        }
    }

    fn first(&self) -> Option<&RootCredentials> {
        match self {
            Self::User(_) => None,
            Self::Root { first, .. } => first.as_ref(),
        }
    }

    fn made(&self) -> &[String] {
        match self {
            Self::User(user) => &user.access_keys,
            Self::Root { account, .. } => &account.root_access_keys,
        }
    }

    fn made_mut(&mut self) -> &mut Vec<String> {
        match self {
            Self::User(user) => &mut user.access_keys,
            Self::Root { account, .. } => &mut account.root_access_keys,
        }
    }
}

/// Refuses to change the root access key that the environment sets: the next start would set it again.
fn changeable(iam: &Iam) -> Result<(), ApiError> {
    if !iam.settings().root_key_is_given {
        return Ok(());
    }
    let message = "This access key is set by the environment of the server. To change or remove it, change \
                   COFFER_ROOT_ACCESS_KEY and COFFER_ROOT_SECRET_KEY there and restart the server.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "UnmodifiableEntity", message))
}

pub(super) fn no_such_key(access_key: &str) -> ApiError {
    ApiError::no_such_entity(format!("The Access Key with id {access_key} cannot be found."))
}
