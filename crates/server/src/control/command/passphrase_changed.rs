//! The first half of `coffer key passphrase`: that what opens the keyring is about to change is noted before it does.

use anyhow::{Context, Result};
use coffer_keyring::{KeyAudit as _, KeyOutcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

/// Notes that the passphrase of the keyring is set, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassphraseChanged {
    /// `set`, `change` or `remove`.
    pub(crate) change: String,
}

impl PassphraseChanged {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let key = data.root.describe().audit_name();
        let details = vec![("change".to_owned(), self.change)];
        session.note("coffer:ChangePassphrase", key, KeyOutcome::Done, details);
        data.audit.flush().await.context("the audit log of keys cannot be written, so nothing is changed")?;
        Ok(Report { text: String::new(), data: json!({}) })
    }
}
