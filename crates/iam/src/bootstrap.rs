//! The root access key that the server starts with: the environment's, or the one made at the first start.

use coffer_store::{KeptRoot, RootCredentials};

use crate::error::ApiError;
use crate::settings::Iam;

impl Iam {
    /// The access key of an account's root user that the server starts with, active or not. Only the first account
    /// has one; its owner may have deleted it.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn first_root_key(&self, account: &str) -> Result<Option<RootCredentials>, ApiError> {
        if account != self.settings().account_id {
            return Ok(None);
        }
        match self.store().root_credentials().await? {
            KeptRoot::Credentials(credentials) => Ok(Some(credentials)),
            KeptRoot::Missing | KeptRoot::Deleted => Ok(None),
        }
    }
}
