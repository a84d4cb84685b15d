//! `coffer backup accept`

use anyhow::{Result, bail};
use clap::Args;
use coffer_keyring::KeyOutcome;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

/// Compares records and blobs after a restore; accepting that lets blobs go that no record names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub(crate) struct RestoreAccept {
    /// Only look: report blobs that are missing and blobs that no record names
    #[arg(long)]
    pub(crate) check: bool,
}

impl RestoreAccept {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let Some(restored) = data.store.restored().await? else {
            bail!("this store was not restored from a backup, or that was accepted before");
        };
        let check = data.store.check_blobs().await?;
        let backup = hex::encode(restored.backup);
        let mut text = format!(
            "restored from backup {backup}\nblobs that records name and that are there   {}\nblobs that records name \
             and that are missing     {}\nblobs that no record names                   {}\n",
            check.present,
            check.missing.len(),
            check.extra
        );
        if !self.check {
            data.store.accept_restore().await?;
            let root = data.root.describe();
            let key = format!("root-key/{}:{}", hex::encode(root.root_id), root.generation);
            session.note("coffer:AcceptRestore", key, KeyOutcome::Done, vec![("backup".to_owned(), backup.clone())]);
            text += "accepted: blobs that no record names are garbage from the next start on\n";
        }
        let missing: Vec<_> = check.missing.iter().map(|id| hex::encode(id.0)).collect();
        let data = json!({
            "backup": backup, "present": check.present, "missing": missing, "extra": check.extra,
            "accepted": !self.check,
        });
        Ok(Report { text, data })
    }
}
