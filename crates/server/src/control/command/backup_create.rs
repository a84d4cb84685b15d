//! `coffer backup create`

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use coffer_backup::{BackupFolder, BackupInfo, Progress, Source, TakeOptions, Taken, take};
use coffer_keyring::KeyOutcome;
use coffer_store::{Clock as _, StoreError, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};
use crate::metadata_backup::{TakenBackup, is_inside, note};

/// Progress is told after so long again.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Backs up the metadata, sealed, into a folder; what an earlier backup there has is not written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub(crate) struct BackupCreate {
    /// The folder of the backups; it is made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Write everything, whether an earlier backup has it or not
    #[arg(long)]
    full: bool,
}

impl BackupCreate {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        let key = data.root.describe().audit_name();
        let taken = match self.take(session).await {
            Ok(taken) => taken,
            Err(error) => {
                session.note("coffer:Backup", key, KeyOutcome::Failed("BackupFailed".to_owned()), Vec::new());
                noted(note(&data.store, None).await);
                return Err(error);
            }
        };
        let BackupInfo { id, taken_ms, rows, .. } = taken.backup;
        noted(note(&data.store, Some(TakenBackup { id: id.0, taken_ms })).await);
        let (id, progress) = (id.to_string(), taken.progress);
        session.note("coffer:Backup", key, KeyOutcome::Done, vec![("backup".to_owned(), id.clone())]);
        let mut text = format!(
            "backup {id}: {rows} rows; of {} chunks {} written and {} patched, {} bytes\n",
            progress.chunks, progress.chunks_written, progress.chunks_patched, progress.bytes_written
        );
        if taken.unreadable > 0 {
            text +=
                &format!("{} earlier backups in the folder cannot be opened with this root key\n", taken.unreadable);
        }
        let data = json!({
            "id": id, "rows": rows, "chunks": progress.chunks, "chunks_written": progress.chunks_written,
            "chunks_patched": progress.chunks_patched, "bytes_written": progress.bytes_written,
            "unreadable": taken.unreadable,
        });
        Ok(Report { text, data })
    }

    async fn take(&self, session: &Session) -> Result<Taken> {
        let data = &session.administration.data;
        let directory = data.audit_folder.parent().context("the data directory has no name")?;
        ensure!(
            !is_inside(&self.folder, directory),
            "{} is in the data directory, and would be lost with it",
            self.folder.display()
        );
        let folder = BackupFolder::open_or_make(&self.folder)?;
        let source = Source { engine: &*data.engine, data: directory, root: &*data.root };
        let options = TakeOptions { full: self.full, ..TakeOptions::default() };
        let told = Mutex::new(Instant::now());
        let progress = |progress: Progress| {
            let Ok(mut told) = told.lock() else { return };
            if told.elapsed() >= TOLD_EVERY {
                *told = Instant::now();
                session.progress(&format!("{} rows, {} bytes written", progress.rows, progress.bytes_written));
            }
        };
        Ok(take(&folder, source, &options, SystemClock.now_ms(), &progress).await?)
    }
}

/// A backup is none the worse for it.
fn noted(outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "it cannot be noted how the backup of the metadata went");
    }
}
