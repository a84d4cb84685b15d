//! The second half of `coffer key verify-backup`: a backup opened the store, and that is noted.

use anyhow::{Result, bail};
use coffer_keyring::KeyOutcome;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};
use crate::key_backup::note_verified;

/// Notes that a backup has what it takes to open the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupVerified {
    /// The id of the root key that the backup has, in hexadecimal digits.
    pub(crate) root_id: String,
    /// The last generation that it has.
    pub(crate) generation: u32,
    /// The fingerprint of that generation.
    pub(crate) fingerprint: String,
    /// What the backup is: `shares` or `files`.
    pub(crate) kind: String,
}

impl BackupVerified {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let root = data.root.describe();
        let key = root.audit_name();
        let details = vec![("kind".to_owned(), self.kind.clone())];
        if self.root_id != hex::encode(root.root_id) {
            session.note("coffer:VerifyBackup", key, KeyOutcome::Failed("OtherRootKey".to_owned()), details);
            bail!(
                "this is a backup of another root key, {}; the store's is {}",
                self.root_id,
                hex::encode(root.root_id)
            );
        }
        if self.generation < root.generation {
            session.note("coffer:VerifyBackup", key, KeyOutcome::Failed("OldGeneration".to_owned()), details);
            bail!(
                "this backup was made before the root key was rotated: it has generation {} and nothing after it, and \
                 generation {} is in use. Make a new one by `coffer key export`",
                self.generation,
                root.generation
            );
        }
        if (self.generation, &self.fingerprint) != (root.generation, &root.fingerprint) {
            session.note("coffer:VerifyBackup", key, KeyOutcome::Failed("OtherKey".to_owned()), details);
            bail!(
                "this backup has another key as generation {} of the root key: it is not of this store",
                self.generation
            );
        }
        let noted = note_verified(&data.store, &root).await?;
        session.note("coffer:VerifyBackup", key, KeyOutcome::Done, details);
        let text = format!(
            "the backup opens this store: it has generation {} of the root key, fingerprint {}\n",
            root.generation, root.fingerprint
        );
        let data = json!({
            "root_id": self.root_id,
            "generation": root.generation,
            "fingerprint": root.fingerprint,
            "verified_ms": noted.verified_ms,
        });
        Ok(Report { text, data })
    }
}
