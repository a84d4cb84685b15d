//! `coffer shred` and `coffer audit verify-report` as the command line has them.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;

use crate::config::Settings;
use crate::control::command::{AuditVerifyReport, Shred, Target, verified};
use crate::control::{Command, administer, carry_out, print};
use crate::key_jobs::confirm;

/// `coffer shred`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct ShredAndReport {
    #[command(flatten)]
    shred: Shred,
    /// Write the signed report of what was destroyed into a new file
    #[arg(long, value_name = "FILE", conflicts_with = "detach")]
    report: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `coffer audit verify-report`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct VerifyReport {
    /// The signed report
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key that `coffer audit verify` shows; then no store is needed
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
}

impl ShredAndReport {
    /// Does it, once whoever asks is sure.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let Self { shred, report, yes, json } = self;
        let target = Target::parse(&shred.what)?;
        if !yes {
            confirm(&warning(&shred, &target), &shred.what)?;
        }
        // Before anything is destroyed: afterwards is too late to find that it cannot be written.
        let file = report.map(|path| new_file(&path).map(|file| (path, file))).transpose()?;
        let said = carry_out(settings, Command::Shred(shred)).await;
        let signed = said.as_ref().ok().and_then(|said| said.data["signed_report"].as_str());
        match (file, signed) {
            (Some((path, mut file)), Some(signed)) => {
                let written = file.write_all(signed.as_bytes()).and_then(|()| file.sync_all());
                written.with_context(|| {
                    format!("{} cannot be written: `coffer job report` shows the report again", path.display())
                })?;
            }
            // There is nothing to report: it was refused, or somebody has paused the job.
            (Some((path, _)), None) => drop(fs::remove_file(path)),
            (None, _) => {}
        }
        let said = said?;
        print(&said, json)?;
        ensure!(said.data["state"] != "failed", "the job failed: see above for what was destroyed and what was not");
        Ok(())
    }
}

impl VerifyReport {
    /// Verifies it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let path = &self.file;
        let signed = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let Some(public_key) = self.public_key else {
            return administer(settings, Command::AuditVerifyReport(AuditVerifyReport { signed }), json).await;
        };
        let key = hex::decode(&public_key).ok().and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| anyhow!("{public_key} is no public key: it has 64 hexadecimal digits"))?;
        print(&verified(&signed, None, [key].iter())?, json)
    }
}

fn new_file(path: &Path) -> Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.with_context(|| format!("{} cannot be made", path.display()))
}

fn warning(shred: &Shred, target: &Target) -> String {
    let what = match target {
        Target::Object { .. } if shred.version_id.is_some() => "This version of the object is removed for good",
        Target::Object { .. } => "The current version of the object is removed for good",
        Target::Bucket(_) => {
            "The bucket and everything in it, versions and uploads in progress as well, is removed for good"
        }
        Target::KmsKey(_) => "Everything that is encrypted under this key becomes unreadable for good",
    };
    let copies = if shred.keep_backups {
        "Copies and backups from before still have it."
    } else {
        "The keys that open copies of it are destroyed: no backup from before can be restored any more. Make a new one \
         afterwards, and new shares of the root key."
    };
    format!("{what}, at once. {copies}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_takes_the_place_of_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        fs::write(&path, "precious").unwrap();
        assert!(new_file(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
