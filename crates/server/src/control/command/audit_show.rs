//! `coffer audit show`

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use coffer_audit::{AuditKeys, Entry, read_entries};
use coffer_keyring::KeyAudit as _;
use coffer_s3::time::iso8601;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::{Report, Session};

/// Shows entries of the audit log of keys: what was done with which key, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditShow {
    /// The first entry to show; without it, the last ones are shown
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// How many entries to show
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
}

impl AuditShow {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        data.audit.flush().await.context("the audit log of keys cannot be written")?;
        let (folder, keys) = (data.audit_folder.clone(), Arc::clone(&data.audit_keys));
        let entries = tokio::task::spawn_blocking(move || self.select(&folder, &keys)).await??;
        let mut text = String::new();
        for (number, entry) in &entries {
            describe(&mut text, *number, entry);
        }
        let data = entries.iter().map(|(number, entry)| value(*number, entry)).collect();
        Ok(Report { text, data: Value::Array(data) })
    }

    fn select(&self, folder: &Path, keys: &AuditKeys) -> Result<VecDeque<(u64, Entry)>> {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let mut entries = VecDeque::new();
        read_entries(folder, keys, |number, entry| {
            match self.from {
                Some(from) if number < from || entries.len() >= count => {}
                Some(_) => entries.push_back((number, entry)),
                None => {
                    if entries.len() >= count {
                        entries.pop_front();
                    }
                    entries.push_back((number, entry));
                }
            }
            Ok(())
        })?;
        Ok(entries)
    }
}

/// A line for each entry. What clients named has no control characters on the terminal.
fn describe(text: &mut String, number: u64, entry: &Entry) {
    let Entry { who, action, key, outcome, error_code, details, .. } = entry;
    let code = error_code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
    let details: String = details.iter().map(|(name, value)| format!("  {name}={value}")).collect();
    let line = format!("{number}  {}  {who}  {action}  {key}  {outcome}{code}{details}", iso8601(entry.time_ms));
    let printable = line.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    writeln!(text, "{}", printable.collect::<String>()).expect("a string takes everything");
}

fn value(number: u64, entry: &Entry) -> Value {
    let details: serde_json::Map<_, _> =
        entry.details.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    json!({
        "number": number, "time": iso8601(entry.time_ms), "who": entry.who, "action": entry.action, "key": entry.key,
        "outcome": entry.outcome, "error_code": entry.error_code, "details": details,
    })
}
