//! The root access key of the first account, sealed: the one that the server starts with.

use coffer_meta::Commit;
use zeroize::Zeroize as _;

use crate::error::{Committed, StoreError};
use crate::records::CredentialRecord;
use crate::rows::RowChanges;
use crate::store::Store;
use crate::tables::{self, Table};

/// The row of the root credentials: no access key can have this name.
const ROOT: &str = "";

/// An access key and its secret. It has no `Debug`, and the secret is zeroed on drop.
pub struct RootCredentials {
    /// The access key.
    pub access_key: String,
    secret_key: zeroize::Zeroizing<String>,
    /// When it was made, in milliseconds since 1970; `None` if that is not known.
    pub created_ms: Option<u64>,
    /// Whether it is kept and not accepted.
    pub inactive: bool,
}

/// What a store knows of its root credentials.
pub enum KeptRoot {
    /// There were none yet.
    Missing,
    /// There were some, and their owner deleted them.
    Deleted,
    /// These.
    Credentials(RootCredentials),
}

impl RootCredentials {
    /// Takes an access key and its secret, made at `created_ms`, in milliseconds since 1970.
    #[must_use]
    pub fn new(access_key: String, secret_key: String, created_ms: u64) -> Self {
        Self { access_key, secret_key: secret_key.into(), created_ms: Some(created_ms), inactive: false }
    }

    /// The secret. The one way out, so that a search finds every use.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.secret_key
    }
}

impl Store {
    /// The root credentials.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn root_credentials(&self) -> Result<KeptRoot, StoreError> {
        let row = tables::credential(ROOT);
        let Some((mut record, _)) = self.system_row::<CredentialRecord>(Table::Credential, &row).await? else {
            return Ok(KeptRoot::Missing);
        };
        let secret_key = std::mem::take(&mut record.secret_key).into();
        if record.deleted {
            return Ok(KeptRoot::Deleted);
        }
        Ok(KeptRoot::Credentials(RootCredentials {
            access_key: std::mem::take(&mut record.access_key),
            secret_key,
            created_ms: record.created_ms,
            inactive: record.inactive,
        }))
    }

    /// Replaces the root credentials.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn put_root_credentials(&self, credentials: &RootCredentials) -> Result<(), StoreError> {
        let (row, sealed) = self.sealed_root(&record(credentials));
        let mut commit = Commit::new();
        commit.put(row, sealed);
        match self.commit(commit).await? {
            Committed::Yes => Ok(()),
            Committed::Conflict(_) => Err(StoreError::Contention),
        }
    }

    fn sealed_root(&self, record: &CredentialRecord) -> (Vec<u8>, Vec<u8>) {
        let row = tables::credential(ROOT);
        let sealed = self.seal_system(Table::Credential, &row, record);
        (row, sealed)
    }
}

impl RowChanges {
    /// Replaces the root credentials.
    pub fn put_root_credentials(&mut self, store: &Store, credentials: &RootCredentials) -> &mut Self {
        let (row, sealed) = store.sealed_root(&record(credentials));
        self.put_sealed(row, sealed)
    }

    /// Deletes the root credentials, for good: only that there were some is kept.
    pub fn delete_root_credentials(&mut self, store: &Store) -> &mut Self {
        let (access_key, secret_key) = (String::new(), String::new());
        let record = CredentialRecord { access_key, secret_key, inactive: false, created_ms: None, deleted: true };
        let (row, sealed) = store.sealed_root(&record);
        self.put_sealed(row, sealed)
    }
}

fn record(credentials: &RootCredentials) -> CredentialRecord {
    CredentialRecord {
        access_key: credentials.access_key.clone(),
        secret_key: credentials.expose_secret().to_owned(),
        inactive: credentials.inactive,
        created_ms: credentials.created_ms,
        deleted: false,
    }
}

impl Drop for CredentialRecord {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}
