//! Access keys, sealed.

use coffer_meta::Commit;
use zeroize::Zeroize as _;

use crate::error::{Committed, StoreError};
use crate::records::CredentialRecord;
use crate::store::Store;
use crate::tables::{self, Table};

/// The row of the root credentials: no access key can have this name.
const ROOT: &str = "";

/// An access key and its secret. It has no `Debug`, and the secret is zeroed on drop.
pub struct RootCredentials {
    /// The access key.
    pub access_key: String,
    secret_key: zeroize::Zeroizing<String>,
}

impl RootCredentials {
    /// Takes an access key and its secret.
    #[must_use]
    pub fn new(access_key: String, secret_key: String) -> Self {
        Self { access_key, secret_key: secret_key.into() }
    }

    /// The secret. The one way out, so that a search finds every use.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.secret_key
    }
}

impl Store {
    /// The root credentials, if there are any yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn root_credentials(&self) -> Result<Option<RootCredentials>, StoreError> {
        let row = tables::credential(ROOT);
        let found = self.system_row::<CredentialRecord>(Table::Credential, &row).await?;
        Ok(found.map(|(record, _)| RootCredentials::new(record.access_key, record.secret_key)))
    }

    /// Replaces the root credentials.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn put_root_credentials(&self, credentials: &RootCredentials) -> Result<(), StoreError> {
        let row = tables::credential(ROOT);
        let mut record = CredentialRecord {
            access_key: credentials.access_key.clone(),
            secret_key: credentials.expose_secret().to_owned(),
        };
        let sealed = self.seal_system(Table::Credential, &row, &record);
        record.secret_key.zeroize();
        let mut commit = Commit::new();
        commit.put(row, sealed);
        match self.commit(commit).await? {
            Committed::Yes => Ok(()),
            Committed::Conflict(_) => Err(StoreError::Contention),
        }
    }
}
