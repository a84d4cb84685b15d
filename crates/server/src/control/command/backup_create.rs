//! `coffer backup create`

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use coffer_backup::{BackupFolder, Progress, Source, TakeOptions, take};
use coffer_keyring::KeyOutcome;
use coffer_store::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Report, Session};

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
        let folder = BackupFolder::open_or_make(&self.folder)?;
        let directory = data.audit_folder.parent().context("the data directory has no name")?;
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
        let taken = take(&folder, source, &options, SystemClock.now_ms(), &progress).await?;
        let (id, progress) = (taken.backup.id.to_string(), taken.progress);
        let key = data.root.describe().audit_name();
        session.note("coffer:Backup", key, KeyOutcome::Done, vec![("backup".to_owned(), id.clone())]);
        let mut text = format!(
            "backup {id}: {} rows; {} of {} chunks written, {} bytes\n",
            taken.backup.rows, progress.chunks_written, progress.chunks, progress.bytes_written
        );
        if taken.unreadable > 0 {
            text +=
                &format!("{} earlier backups in the folder cannot be opened with this root key\n", taken.unreadable);
        }
        let data = json!({
            "id": id, "rows": taken.backup.rows, "chunks": progress.chunks, "chunks_written": progress.chunks_written,
            "bytes_written": progress.bytes_written, "unreadable": taken.unreadable,
        });
        Ok(Report { text, data })
    }
}
