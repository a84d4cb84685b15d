//! `coffer key show`: the root key as people may know it.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use coffer_keyring::{GenerationState, LocalKeyring, RootGeneration};
use coffer_store::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::control::{Report, Session};
use crate::key_backup::verified;
use crate::metadata_backup::{LastBackups, last};

/// Describes the root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyShow {}

impl KeyShow {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let root = &session.administration.data.root;
        let generations = root.generations().await.context("the generations of the root key cannot be listed")?;
        // Which generation wraps is known once they were listed.
        let description = root.describe();
        let root_id = hex::encode(description.root_id);
        let store_id = hex::encode(session.administration.data.store.id());
        let metadata = session.administration.data.store.metadata_key_generation();
        let mut text = format!(
            "store        {store_id}\nprovider     {}\nroot key     {root_id}\nfingerprint  {}  (generation {})\nmetadata     \
             generation {metadata}\n\n",
            description.provider, description.fingerprint, description.generation
        );
        let now = SystemClock.now_ms() / 1000;
        writeln!(text, "generation  state         made").expect("a String takes any text");
        for each in &generations {
            let made = each.created.map_or_else(|| "-".to_owned(), |created| made(created, now));
            writeln!(text, "{:<10}  {:<12}  {made}", each.generation, state(each)).expect("a String takes any text");
        }
        for (name, former) in &session.administration.data.former {
            let (id, provider) = (hex::encode(former.root_id), former.provider);
            write!(text, "\nformer       {id}  {name} ({provider})").expect("a String takes any text");
        }
        let backup = verified(&session.administration.data.store).await?;
        let backup = backup.filter(|backup| backup.is_of(&description));
        let said = match &backup {
            Some(backup) => format!("verified {}", made(backup.verified_ms / 1000, now)),
            None if description.provider != LocalKeyring::PROVIDER => "the provider's".to_owned(),
            None => {
                "none of this generation was verified: `coffer key export`, then `coffer key verify-backup`".to_owned()
            }
        };
        writeln!(text, "\nbackup       {said}").expect("a String takes any text");
        let LastBackups { taken, failed_ms } = last(&session.administration.data.store).await?;
        let mut said = match &taken {
            Some(taken) => format!("backed up {}", made(taken.taken_ms / 1000, now)),
            None => "never backed up: see `coffer backup create`".to_owned(),
        };
        if let Some(failed_ms) = failed_ms {
            write!(said, "; the last attempt failed {}", made(failed_ms / 1000, now)).expect("a String takes any text");
        }
        writeln!(text, "metadata     {said}").expect("a String takes any text");
        let generations: Vec<_> = generations
            .iter()
            .map(|each| json!({"generation": each.generation, "state": state(each), "created": each.created}))
            .collect();
        let data = json!({
            "store_id": store_id,
            "provider": description.provider,
            "root_id": root_id,
            "generation": description.generation,
            "fingerprint": description.fingerprint,
            "metadata_key_generation": metadata,
            "generations": generations,
            "former": session.administration.data.former.iter().map(|(name, former)| {
                json!({"name": name, "root_id": hex::encode(former.root_id), "provider": former.provider})
            }).collect::<Vec<_>>(),
            "backup_verified": backup.is_some(),
            "backup_verified_ms": backup.map(|backup| backup.verified_ms),
            "metadata_backup_ms": taken.map(|taken| taken.taken_ms),
            "metadata_backup_failed_ms": failed_ms,
        });
        Ok(Report { text, data })
    }
}

fn state(generation: &RootGeneration) -> &'static str {
    match generation.state {
        GenerationState::Active => "active",
        GenerationState::DecryptOnly => "decrypt-only",
        GenerationState::Destroyed => "destroyed",
    }
}

/// A time and how long ago it was; both in seconds since 1970.
fn made(created: u64, now: u64) -> String {
    let time = i64::try_from(created).ok().and_then(|created| OffsetDateTime::from_unix_timestamp(created).ok());
    let Some(time) = time.and_then(|time| time.format(&Rfc3339).ok()) else { return "-".to_owned() };
    let days = now.saturating_sub(created) / (24 * 60 * 60);
    match days {
        0 => format!("{time}  (today)"),
        1 => format!("{time}  (1 day ago)"),
        _ => format!("{time}  ({days} days ago)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_whole_days() {
        let day = 24 * 60 * 60;
        assert_eq!(made(0, day - 1), "1970-01-01T00:00:00Z  (today)");
        assert_eq!(made(0, day), "1970-01-01T00:00:00Z  (1 day ago)");
        assert_eq!(made(0, 10 * day), "1970-01-01T00:00:00Z  (10 days ago)");
        assert_eq!(made(10 * day, 0), "1970-01-11T00:00:00Z  (today)");
    }

    #[test]
    fn a_time_that_is_none_is_not_shown() {
        assert_eq!(made(u64::MAX, 0), "-");
    }
}
