//! The first half of `coffer key export`: that the root key is about to leave is noted before it does.

use anyhow::{Context, Result};
use coffer_keyring::{KeyAudit as _, KeyOutcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

/// Notes that the root key is exported as shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyExported {
    /// How many shares there are.
    pub(crate) shares: u8,
    /// How many of them are enough.
    pub(crate) threshold: u8,
}

impl KeyExported {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let key = data.root.describe().audit_name();
        let details =
            vec![("shares".to_owned(), self.shares.to_string()), ("threshold".to_owned(), self.threshold.to_string())];
        session.note("coffer:ExportRootKey", key, KeyOutcome::Done, details);
        data.audit.flush().await.context("the audit log of keys cannot be written, so nothing is exported")?;
        Ok(Report { text: String::new(), data: json!({}) })
    }
}
