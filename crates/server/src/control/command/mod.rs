//! The commands, one a file: what each is told, and what it does with a store.
//!
//! To add one: a type with its arguments and a `perform`, a variant here, and one in `crate::administration`.

mod audit_show;
mod audit_verify;
mod backup_create;
mod backup_verified;
mod inspect;
mod job;
mod job_report;
mod key_exported;
mod key_show;
mod passphrase_changed;
mod restore_accept;
mod shred;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub(crate) use audit_show::AuditShow;
pub(crate) use audit_verify::AuditVerify;
pub(crate) use backup_create::BackupCreate;
pub(crate) use backup_verified::BackupVerified;
pub(crate) use inspect::Inspect;
pub(crate) use job::{ListJobs, StartJob, SteerJob, Steering, Task};
pub(crate) use job_report::{AuditVerifyReport, verified};
pub(crate) use key_exported::KeyExported;
pub(crate) use key_show::KeyShow;
pub(crate) use passphrase_changed::PassphraseChanged;
pub(crate) use restore_accept::RestoreAccept;
pub(crate) use shred::{Shred, Target};

use super::protocol::Report;
use super::session::Session;

/// What the process that has the store can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Back up the metadata.
    BackupCreate(BackupCreate),
    /// Accept what a restore brought.
    RestoreAccept(RestoreAccept),
    /// Show entries of the audit log of keys.
    AuditShow(AuditShow),
    /// Verify the audit log of keys.
    AuditVerify(AuditVerify),
    /// Verify a signed report.
    AuditVerifyReport(AuditVerifyReport),
    /// Note that a backup of the root key opened the store.
    BackupVerified(BackupVerified),
    /// Look at how an object is sealed.
    Inspect(Inspect),
    /// Note that the root key is exported.
    KeyExported(KeyExported),
    /// Describe the root key.
    KeyShow(KeyShow),
    /// Note that the passphrase of the keyring changes.
    PassphraseChanged(PassphraseChanged),
    /// List every job.
    ListJobs(ListJobs),
    /// Remove something, and every key that opens a copy of it.
    Shred(Shred),
    /// Start a job.
    StartJob(StartJob),
    /// Look at a job, or steer it.
    SteerJob(SteerJob),
}

impl Command {
    /// Whether jobs have to run meanwhile.
    pub(super) fn needs_jobs(&self) -> bool {
        matches!(self, Self::Shred(_) | Self::StartJob(_) | Self::SteerJob(SteerJob { steering: Steering::Watch, .. }))
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        match self {
            Self::BackupCreate(command) => command.perform(session).await,
            Self::RestoreAccept(command) => command.perform(session).await,
            Self::AuditShow(command) => command.perform(session).await,
            Self::AuditVerify(command) => command.perform(session).await,
            Self::AuditVerifyReport(command) => command.perform(session).await,
            Self::BackupVerified(command) => command.perform(session).await,
            Self::Inspect(command) => command.perform(session).await,
            Self::KeyExported(command) => command.perform(session).await,
            Self::KeyShow(command) => command.perform(session).await,
            Self::PassphraseChanged(command) => command.perform(session).await,
            Self::ListJobs(command) => command.perform(session).await,
            Self::Shred(command) => command.perform(session).await,
            Self::StartJob(command) => command.perform(session).await,
            Self::SteerJob(command) => command.perform(session).await,
        }
    }
}
