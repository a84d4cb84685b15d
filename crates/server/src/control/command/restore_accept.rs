//! `coffer backup accept`

use std::fmt::Write as _;

use anyhow::{Result, bail};
use clap::Args;
use coffer_keyring::KeyOutcome;
use coffer_store::IncompleteBucket;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

/// Compares records and blobs after a restore; accepting that lets blobs go that no record names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub(crate) struct RestoreAccept {
    /// Only look: report blobs that are missing and blobs that no record names
    #[arg(long)]
    check: bool,
    /// Name the versions of objects whose blobs are missing
    #[arg(long)]
    names: bool,
}

impl RestoreAccept {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let Some(restored) = data.store.restored().await? else {
            bail!("this store was not restored from a backup, or that was accepted before");
        };
        let compared = data.store.compare_blobs().await?;
        let backup = hex::encode(restored.backup);
        let mut text = format!(
            "restored from backup {backup}\nblobs that records name       {}\nof these missing              {}\nblobs that \
             no record names    {}\n",
            compared.named, compared.missing, compared.extra
        );
        let incomplete = compared.incomplete.unwrap_or_default();
        for bucket in &incomplete {
            let IncompleteBucket { name, versions, upload_parts, named } = bucket;
            writeln!(text, "{name}: {versions} versions and {upload_parts} parts of uploads lack blobs")?;
            for (key, version) in named.iter().filter(|_| self.names) {
                // Clients choose names: no control characters reach the terminal.
                writeln!(text, "  {}  {version}", key.escape_debug())?;
            }
        }
        if !self.check {
            data.store.accept_restore().await?;
            let key = data.root.describe().audit_name();
            session.note("coffer:AcceptRestore", key, KeyOutcome::Done, vec![("backup".to_owned(), backup.clone())]);
            text += "accepted: blobs that no record names are garbage from the next start on\n";
        }
        let buckets = incomplete.iter().map(|bucket| {
            let names = bucket.named.iter().filter(|_| self.names).map(|(key, _)| key.as_str());
            json!({
                "bucket": bucket.name, "versions": bucket.versions, "upload_parts": bucket.upload_parts,
                "names": names.collect::<Vec<_>>(),
            })
        });
        let data = json!({
            "backup": backup, "named": compared.named, "missing": compared.missing, "extra": compared.extra,
            "incomplete": buckets.collect::<Vec<_>>(), "accepted": !self.check,
        });
        Ok(Report { text, data })
    }
}
