//! `coffer audit verify`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use coffer_audit::Checkpoint;
use coffer_keyring::KeyAudit as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit;
use crate::control::{Report, Session};

/// Proves that nothing of the audit log of keys was removed, changed or put elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditVerify {
    /// A checkpoint that you kept, NUMBER:HASH, which the log must have; can be given again
    #[arg(long, value_name = "NUMBER:HASH")]
    checkpoint: Vec<String>,
}

impl AuditVerify {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let parse = |text: &String| Checkpoint::parse(text).ok_or_else(|| anyhow!("{text} is no checkpoint"));
        let kept = self.checkpoint.iter().map(parse).collect::<Result<Vec<_>>>()?;
        let data = &session.administration.data;
        // What was noted just now is signed as well.
        data.audit.flush().await.context("the audit log of keys cannot be written")?;
        let verified = audit::verify(data, &kept).await?;
        let (store, public_key) = (hex::encode(data.store.id()), hex::encode(data.audit_keys.public_key()));
        let public_keys: BTreeMap<_, _> =
            data.audit_keys.public_keys().iter().map(|(generation, key)| (*generation, hex::encode(key))).collect();
        let checkpoint = verified.signed.text();
        let mut text = format!(
            "intact: {} entries, signed up to entry {}\ncheckpoint  {checkpoint}\nstore       {store}\npublic key  \
             {public_key}\n",
            verified.entries, verified.signed.number
        );
        for (generation, key) in public_keys.iter().rev().skip(1) {
            writeln!(text, "            {key}  of entries under generation {generation} of the metadata key")
                .expect("a String takes any text");
        }
        let data = json!({
            "entries": verified.entries, "checkpoint": checkpoint, "store": store, "public_key": public_key,
            "public_keys": public_keys,
        });
        Ok(Report { text, data })
    }
}
