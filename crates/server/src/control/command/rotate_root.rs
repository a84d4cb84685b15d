//! `coffer key rotate-root`: a new generation of the root key.

use anyhow::{Context, Result};
use coffer_keyring::KeyOutcome;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

/// Makes a new generation of the root key, which wraps from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub(crate) struct RotateRoot {}

impl RotateRoot {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let _turn = session.administration.changing.lock().await;
        let root = &session.administration.data.root;
        let before = root.describe();
        session.progress("making a new generation of the root key");
        let rotated = root.rotate().await;
        let outcome = match &rotated {
            Ok(_) => KeyOutcome::Done,
            Err(error) => KeyOutcome::Failed(error.to_string()),
        };
        let key = format!("root-key/{}:{}", hex::encode(before.root_id), before.generation);
        session.note("coffer:RotateRootKey", key, outcome, Vec::new());
        let after = rotated.context("the root key cannot be rotated")?;
        let text = format!(
            "generation {} of the root key wraps from now on; its fingerprint is {}\n",
            after.generation, after.fingerprint
        );
        Ok(Report { text, data: json!({"generation": after.generation, "fingerprint": after.fingerprint}) })
    }
}
