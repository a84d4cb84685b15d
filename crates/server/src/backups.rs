//! `coffer backup list`, `verify` and `prune`, and `coffer restore`: what needs the root key and a folder of backups, and
//! no store.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use coffer_backup::{Access, BackupFolder, ClosedKey, Keys, KeysFound, RestoreTo, SystemFiles, prune, restore, verify};
use coffer_keyring::RootKeys;
use coffer_kms::ColdMaterial;
use coffer_meta::RedbSettings;
use coffer_s3::time::iso8601;
use coffer_store::{Clock as _, KeysOfRows, SystemClock};
use serde_json::json;

use crate::config::Settings;
use crate::control::{Report, print};
use crate::data::{LockedDirectory, METADATA};
use crate::key_providers::KeyProviders;

/// `coffer backup list`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct BackupList {
    /// The folder of the backups
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// `coffer backup verify`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct BackupVerify {
    /// The folder of the backups
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The backup, by the beginning of its id; without it the latest
    #[arg(long)]
    id: Option<String>,
}

/// `coffer backup prune`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct BackupPrune {
    /// The folder of the backups
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How many of the latest backups to keep
    #[arg(long, value_name = "NUMBER")]
    keep: usize,
    /// Remove backups that this root key does not open, too
    #[arg(long)]
    drop_unreadable: bool,
}

/// `coffer restore`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct Restore {
    /// The folder of the backups
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The backup, by the beginning of its id; without it the latest
    #[arg(long)]
    id: Option<String>,
}

impl BackupList {
    /// Lists the backups of a folder, the latest last.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let folder = BackupFolder::open(&self.folder, Access::Shared)?;
        let mut text = String::new();
        let mut data = Vec::new();
        for listed in folder.list(&*root(settings)?).await? {
            let id = listed.id.to_string();
            match listed.info {
                Ok(info) => {
                    text += &format!("{id}  {}  {} rows\n", iso8601(info.taken_ms), info.rows);
                    data.push(json!({
                        "id": id, "taken": iso8601(info.taken_ms), "rows": info.rows, "chunks": info.chunks,
                        "stored_bytes": info.stored_bytes,
                    }));
                }
                Err(error) => {
                    text += &format!("{id}  {error}\n");
                    data.push(json!({ "id": id, "error": error.to_string() }));
                }
            }
        }
        print(&Report { text, data: data.into() }, json)
    }
}

impl BackupVerify {
    /// Opens all of a backup, and unwraps every key in it.
    ///
    /// # Errors
    /// A sentence for a person; also when anything in the backup is wrong, or a key is closed.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let folder = BackupFolder::open(&self.folder, Access::Shared)?;
        let opener = Opener::read(settings)?;
        let others: [&dyn KeysOfRows; 1] = [&opener.kms];
        let verified = verify(&folder, opener.keys(&others), self.id.as_deref(), &|_| {}).await?;
        let id = verified.backup.id.to_string();
        let mut text = format!("backup {id}: {} rows\n{}", verified.rows, keys_text(&verified.keys));
        verified.problems.iter().for_each(|problem| text += &format!("{problem}\n"));
        let mut data = json!({ "id": id, "rows": verified.rows, "problems": verified.problems });
        add_keys(&mut data, &verified.keys);
        print(&Report { text, data }, json)?;
        ensure!(verified.problems.is_empty(), "the backup is damaged");
        ensure!(verified.keys.closed.is_empty(), "the backup is whole, and keys in it cannot be unwrapped");
        Ok(())
    }
}

impl BackupPrune {
    /// Removes old backups.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let folder = BackupFolder::open(&self.folder, Access::Exclusive)?;
        let pruned = prune(&folder, &*root(settings)?, self.keep, self.drop_unreadable).await?;
        let text = format!(
            "{} backups kept, {} removed; {} chunks, {} bytes\n",
            pruned.kept, pruned.removed, pruned.chunks, pruned.bytes
        );
        let data = json!({ "kept": pruned.kept, "removed": pruned.removed, "bytes": pruned.bytes });
        print(&Report { text, data }, json)
    }
}

impl Restore {
    /// Makes the metadata of an empty data directory from a backup.
    ///
    /// # Errors
    /// A sentence for a person; then nothing was made.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let folder = BackupFolder::open(&self.folder, Access::Shared)?;
        let opener = Opener::read(settings)?;
        // Nobody else makes a store there meanwhile.
        let directory = LockedDirectory::make(settings)?;
        let to = RestoreTo {
            data: &settings.data,
            metadata_name: METADATA,
            settings: RedbSettings::default(),
            now_ms: SystemClock.now_ms(),
        };
        let others: [&dyn KeysOfRows; 1] = [&opener.kms];
        let restored = restore(&folder, opener.keys(&others), self.id.as_deref(), to, &SystemFiles, &|_| {}).await?;
        drop(directory);
        let id = restored.backup.id.to_string();
        let mut text = format!(
            "restored {} rows of the backup {id}, taken {}\n{}",
            restored.rows,
            iso8601(restored.backup.taken_ms),
            keys_text(&restored.keys)
        );
        if !restored.keys.closed.is_empty() {
            text += "what needs a key that cannot be unwrapped cannot be read\n";
        }
        text += "bring the folder `blobs` to the data directory, start the server, and look at `coffer backup accept \
                 --check`: until you accept, no blob is removed\n";
        let mut data = json!({ "id": id, "rows": restored.rows, "audit_starts_anew": restored.audit_starts_anew });
        add_keys(&mut data, &restored.keys);
        print(&Report { text, data }, json)
    }
}

/// What opens backups: the root key, and who knows the keys of the KMS.
struct Opener {
    root: Arc<dyn RootKeys>,
    kms: ColdMaterial,
}

impl Opener {
    fn read(settings: &Settings) -> Result<Self> {
        let providers = KeyProviders::read(settings)?;
        let root = open_root(&providers, settings)?;
        Ok(Self { kms: ColdMaterial::new(Arc::clone(&root), providers.key_stores()), root })
    }

    fn keys<'a>(&'a self, others: &'a [&'a dyn KeysOfRows]) -> Keys<'a> {
        Keys { root: &*self.root, others }
    }
}

/// What was found of keys, in lines.
fn keys_text(found: &KeysFound) -> String {
    let mut text = String::new();
    for (of, count) in &found.of {
        text += &format!("{of}s with keys: {count}\n");
    }
    let roots: BTreeSet<_> = found.wrapped_by.iter().map(|(root, _)| root).collect();
    for root in roots {
        let generations: Vec<_> = found
            .wrapped_by
            .iter()
            .filter(|(of, _)| of == root)
            .map(|(_, generation)| generation.to_string())
            .collect();
        text += &format!("needs of the root key {}: generation {}\n", hex::encode(root), generations.join(", "));
    }
    for ClosedKey { of, name, why } in &found.closed {
        text += &format!("{of} {}: {why}\n", name.escape_debug());
    }
    text
}

fn add_keys(data: &mut serde_json::Value, found: &KeysFound) {
    let wrapped_by = found.wrapped_by.iter();
    data["keys"] = json!(found.of);
    data["needs"] = wrapped_by
        .map(|(root, generation)| json!({ "root_id": hex::encode(root), "generation": generation }))
        .collect();
    data["closed"] =
        found.closed.iter().map(|ClosedKey { of, name, why }| json!({ "of": of, "name": name, "why": why })).collect();
}

fn root(settings: &Settings) -> Result<Arc<dyn RootKeys>> {
    open_root(&KeyProviders::read(settings)?, settings)
}

fn open_root(providers: &KeyProviders, settings: &Settings) -> Result<Arc<dyn RootKeys>> {
    Ok(providers.root(settings, false).context("the root key cannot be opened")?.keys)
}
