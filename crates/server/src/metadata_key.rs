//! `coffer key rotate-metadata`: a new metadata key, and the whole metadata file anew under it.
//!
//! The steps, in the order in which they become durable:
//!
//! 1. The new file is built in a folder of its own, and read back.
//! 2. The bootstrap file has both keys.
//! 3. The new file takes the place of the old one: this is the switch, one rename.
//! 4. The bootstrap file has the new key only.
//!
//! Whoever opens the store between 2 and 4 finds out by the file which key is in use, and drops the other.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use coffer_audit::EarlierKeys;
use coffer_keyring::{KeyAudit as _, KeyEvent, KeyOutcome};
use coffer_meta::{Engine as _, RedbEngine};
use coffer_store::{Bootstrap, BootstrapError, CopiedRows, NextMetadataKey, RowTable, StoreError};
use rustix::process::getuid;
use serde_json::json;

use crate::audit::{self, EARLIER, earlier_keys};
use crate::config::Settings;
use crate::control::{Report, operator, print, show};
use crate::data::{Data, LockedDirectory, METADATA, page_keys, tree_settings};
use crate::stop_first;

/// Where the new file is built. The leading dot keeps the directory empty in the eyes of a restore.
const BUILDING: &str = ".rotating";
/// Progress is told after so long again.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// What the audit log calls it.
const ACTION: &str = "coffer:RotateMetadataKey";

/// `coffer key rotate-metadata`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RotateMetadata {}

impl RotateMetadata {
    /// Does it, while no server runs.
    ///
    /// # Errors
    /// A sentence for a person. Unless it says otherwise, nothing was changed.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        print(&rotate(settings, &operator(getuid().as_raw()), &show).await?, json)
    }
}

/// Removes what an interrupted rotation has built. The file in use is never in that folder.
///
/// # Errors
/// When the folder is there and cannot be removed.
pub(crate) fn clear(data: &Path) -> Result<()> {
    let building = data.join(BUILDING);
    match fs::remove_dir_all(&building) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", building.display()))
        }
        _ => Ok(()),
    }
}

async fn rotate(settings: &Settings, who: &str, show: &(dyn Fn(&str) + Send + Sync)) -> Result<Report> {
    let started = Instant::now();
    let data = LockedDirectory::existing(settings).map_err(stop_first)?.open().await?;
    let built = build(settings, &data, show).await;
    let note = |data: &Data, key, outcome, details| {
        data.audit.record(KeyEvent { action: ACTION, key, who: who.to_owned(), outcome, details });
    };
    let (next, copied) = match built {
        Ok(built) => built,
        Err(error) => {
            note(&data, data.root.describe().audit_name(), KeyOutcome::Failed("NotRotated".to_owned()), Vec::new());
            clear(&settings.data)?;
            data.close().await?;
            return Err(error.context("the metadata key was not rotated, and nothing was changed"));
        }
    };
    let lock = data.close().await.context("the metadata key was not rotated, and nothing was changed")?;
    switch(&settings.data, &next).context(
        "the rotation of the metadata key was interrupted: the next start ends it or takes it back. Nothing is lost",
    )?;
    // Nobody is told before the store has opened under its new key.
    let data = LockedDirectory::locked(settings, lock).open().await?;
    note(&data, next.audit_name(), KeyOutcome::Done, vec![("rows".to_owned(), copied.rows.to_string())]);
    data.audit.flush().await.context("the audit log of keys cannot be written")?;
    audit::verify(&data, &[]).await.context("the audit log of keys is not what was written")?;
    audit::keep_checkpoint(&data.store, &data.audit).await?;
    let wrapped_by = data.root.describe().generation;
    data.close().await?;
    Ok(report(&next, &copied, wrapped_by, started.elapsed()))
}

/// Draws the next key, and builds the whole metadata file under it.
async fn build(
    settings: &Settings,
    data: &Data,
    show: &(dyn Fn(&str) + Send + Sync),
) -> Result<(NextMetadataKey, CopiedRows)> {
    let next = NextMetadataKey::draw(&settings.data, &*data.root).await?;
    let (folder, room) = (settings.data.join(BUILDING), || {
        let bytes = fs::metadata(settings.data.join(METADATA)).map_or(0, |file| file.len());
        format!("the new metadata file needs up to {bytes} bytes beside the old one")
    });
    DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let open = || {
        RedbEngine::open(&folder.join(METADATA), page_keys(next.key()), tree_settings(settings)?)
            .with_context(|| format!("the new metadata file in {} cannot be opened", folder.display()))
    };
    let built = open()?;
    let snapshot = data.engine.snapshot().await?;
    let put = vec![audit_keys(settings, data, &next).await?];
    let copied = next.copy_rows(&*snapshot, &built, put, &progress("written", show)).await.map_err(|error| {
        let is_full = matches!(error, StoreError::NoSpace);
        let error = anyhow::Error::new(error);
        if is_full { error.context(room()) } else { error }
    })?;
    drop(snapshot);
    built.close()?;
    let built = open()?;
    next.check_rows(&copied, &*built.snapshot().await?, &progress("read back", show)).await?;
    built.close()?;
    Ok((next, copied))
}

/// The row by which the audit log stays readable once the key in use is gone.
async fn audit_keys(settings: &Settings, data: &Data, next: &NextMetadataKey) -> Result<coffer_meta::Entry> {
    let current = Bootstrap::open(&settings.data, &*data.root).await?;
    let mut record = earlier_keys(&current, &*data.engine).await?;
    record.keys.push(EarlierKeys::of(&current.metadata_key, current.generation));
    Ok(next.row(RowTable::Audit, EARLIER, &record))
}

/// Puts the new file and the new key in the place of the old ones.
fn switch(data: &Path, next: &NextMetadataKey) -> Result<(), BootstrapError> {
    next.announce()?;
    let renamed =
        fs::rename(data.join(BUILDING).join(METADATA), data.join(METADATA)).and_then(|()| File::open(data)?.sync_all());
    renamed.map_err(|source| BootstrapError::Io { path: data.join(METADATA), source })?;
    Bootstrap::settle(data, next.generation())
}

/// Tells how many rows are done, now and then.
fn progress(what: &str, show: &(dyn Fn(&str) + Send + Sync)) -> impl Fn(u64) + Send + Sync {
    let told = Mutex::new(Instant::now());
    move |rows| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            show(&format!("{rows} rows {what}"));
        }
    }
}

fn report(next: &NextMetadataKey, copied: &CopiedRows, root_generation: u32, took: Duration) -> Report {
    let generation = next.generation();
    let text = format!(
        "the metadata key has generation {generation}: {} rows written anew in {:.1} s\n\
         copies of the data directory and backups from before open with the old key for as long as there is the \
         generation of the root key that wrapped it, {root_generation} or one before: `coffer key rotate-root`, then \
         `coffer key destroy-generation root`\n\
         sessions of STS have ended, and the audit log has a new public key: `coffer audit verify`\n",
        copied.rows,
        took.as_secs_f64()
    );
    let data = json!({
        "generation": generation, "rows": copied.rows, "resealed": copied.resealed,
        "seconds": took.as_secs_f64(), "root_generation": root_generation,
    });
    Report { text, data }
}

#[cfg(test)]
mod tests;
