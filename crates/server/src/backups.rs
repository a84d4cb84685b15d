//! `coffer backup list`, `verify` and `prune`, and `coffer restore`: what needs the root key and a folder of backups, and
//! no store.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use coffer_backup::{Access, BackupFolder, RestoreTo, SystemFiles, prune, restore, verify};
use coffer_keyring::RootKeys;
use coffer_meta::RedbSettings;
use coffer_s3::time::iso8601;
use coffer_store::{Clock as _, SystemClock};
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
    /// Opens all of a backup.
    ///
    /// # Errors
    /// A sentence for a person; also when anything in the backup is wrong.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let folder = BackupFolder::open(&self.folder, Access::Shared)?;
        let verified = verify(&folder, &*root(settings)?, self.id.as_deref(), &|_| {}).await?;
        let id = verified.backup.id.to_string();
        let mut text = format!("backup {id}: {} rows, {} buckets\n", verified.rows, verified.buckets);
        verified.problems.iter().for_each(|problem| text += &format!("{problem}\n"));
        let data = json!({
            "id": id, "rows": verified.rows, "buckets": verified.buckets, "problems": verified.problems,
        });
        print(&Report { text, data }, json)?;
        ensure!(verified.problems.is_empty(), "the backup is not whole");
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
        let root = root(settings)?;
        // Nobody else makes a store there meanwhile.
        let directory = LockedDirectory::make(settings)?;
        let to = RestoreTo {
            data: &settings.data,
            metadata_name: METADATA,
            settings: RedbSettings::default(),
            now_ms: SystemClock.now_ms(),
        };
        let restored = restore(&folder, &*root, self.id.as_deref(), to, &SystemFiles, &|_| {}).await?;
        drop(directory);
        let id = restored.backup.id.to_string();
        let mut text = format!(
            "restored {} rows of the backup {id}, taken {}\n",
            restored.rows,
            iso8601(restored.backup.taken_ms)
        );
        for bucket in &restored.closed_buckets {
            text += &format!("the bucket {bucket} is lost: no root key that is left opens its key\n");
        }
        text += "bring the folder `blobs` to the data directory, start the server, and look at `coffer backup accept \
                 --check`: until you accept, no blob is removed\n";
        let data = json!({
            "id": id, "rows": restored.rows, "closed_buckets": restored.closed_buckets,
            "audit_starts_anew": restored.audit_starts_anew,
        });
        print(&Report { text, data }, json)
    }
}

fn root(settings: &Settings) -> Result<Arc<dyn RootKeys>> {
    let root = KeyProviders::read(settings)?.root(settings, false).context("the root key cannot be opened")?;
    Ok(root.keys)
}
