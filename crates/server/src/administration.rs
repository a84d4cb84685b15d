//! The commands of operators as the command line has them.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::backups::{BackupList, BackupPrune, BackupVerify, Restore};
use crate::config::Settings;
use crate::control::command::{AuditShow, AuditVerify, BackupCreate, Inspect, KeyShow, RestoreAccept};
use crate::control::{Command, administer, carry_out, print};
use crate::key_jobs::{DestroyGeneration, JobCommand, Reseal, RewrapKms, RotateBucket, RotateRoot};
use crate::metadata_key::RotateMetadata;
use crate::passphrase::PassphraseCommand;
use crate::shares::{Export, Recover, VerifyBackup};
use crate::shred::{ShredAndReport, VerifyReport};

/// What an operator asks for.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Administer {
    /// The audit log of keys
    Audit(Asked<AuditCommand>),
    /// Backups of the metadata
    Backup(Asked<BackupCommand>),
    /// The root key and the keys under it
    Key(Asked<KeyCommand>),
    /// Jobs over keys
    Job(Asked<JobCommand>),
    /// Make the metadata of an empty data directory from a backup
    Restore(AskedRestore),
    /// Show how an object is sealed, and verify it
    Inspect(AskedInspect),
    /// Remove an object, a bucket or a KMS key, and destroy every key that opens a copy of it, at once
    Shred(ShredAndReport),
}

/// A command, and how its outcome is printed.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct Asked<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

/// `coffer inspect`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct AskedInspect {
    #[command(flatten)]
    command: Inspect,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `coffer restore`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct AskedRestore {
    #[command(flatten)]
    command: Restore,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `coffer backup ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum BackupCommand {
    /// Back up the metadata, sealed, while the server runs or not
    Create(BackupCreate),
    /// List the backups of a folder
    List(BackupList),
    /// Open all of a backup
    Verify(BackupVerify),
    /// Remove all but the latest backups
    Prune(BackupPrune),
    /// Compare records and blobs after a restore, and let blobs go that no record names
    Accept(RestoreAccept),
}

/// `coffer audit ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show entries of the audit log of keys
    Show(AuditShow),
    /// Prove that nothing of the audit log was removed, changed or put elsewhere
    Verify(AuditVerify),
    /// Prove that this store signed a report of a job, and that nobody changed it
    VerifyReport(VerifyReport),
}

/// `coffer key ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show the root key: provider, fingerprint, generations, backup
    Show(KeyShow),
    /// Make a new generation of the root key, and wrap everything anew under it
    RotateRoot(RotateRoot),
    /// Make a new metadata key, and write the metadata anew under it; the server must be stopped
    RotateMetadata(RotateMetadata),
    /// Make a new generation of a bucket's key, and bring everything in the bucket under it
    RotateBucket(RotateBucket),
    /// Draw new keys for all that a bucket holds, and write its data again under them
    Reseal(Reseal),
    /// Have the KMS encrypt the data keys of objects anew, with the material that its keys have now
    RewrapKms(RewrapKms),
    /// Destroy an old generation of the root key or of a bucket's, once nothing needs it
    DestroyGeneration(DestroyGeneration),
    /// The passphrase that opens the keyring in the place of the key file
    #[command(subcommand)]
    Passphrase(PassphraseCommand),
    /// Split the root key into shares, some of which together are the whole key
    Export(Export),
    /// Write the key file and the keyring from shares
    Recover(Recover),
    /// Prove that shares, or a copy of the key files, open this store
    VerifyBackup(VerifyBackup),
}

impl Administer {
    /// Does it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::Audit(Asked { command, json }) => command.run(settings, json).await,
            Self::Backup(Asked { command, json }) => command.run(settings, json).await,
            Self::Key(Asked { command, json }) => command.run(settings, json).await,
            Self::Job(Asked { command, json }) => administer(settings, command.into(), json).await,
            Self::Restore(AskedRestore { command, json }) => command.run(settings, json).await,
            Self::Inspect(AskedInspect { command, json }) => {
                let report = carry_out(settings, Command::Inspect(command)).await?;
                print(&report, json)?;
                ensure!(report.data["sound"] != false, "the object is damaged");
                Ok(())
            }
            Self::Shred(shred) => shred.run(settings).await,
        }
    }
}

impl AuditCommand {
    async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        match self {
            Self::Show(command) => administer(settings, Command::AuditShow(command), json).await,
            Self::Verify(command) => administer(settings, Command::AuditVerify(command), json).await,
            Self::VerifyReport(command) => command.run(settings, json).await,
        }
    }
}

impl BackupCommand {
    async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        match self {
            Self::Create(mut command) => {
                // The server has another working directory.
                command.folder = std::path::absolute(&command.folder)?;
                administer(settings, Command::BackupCreate(command), json).await
            }
            Self::List(command) => command.run(settings, json).await,
            Self::Verify(command) => command.run(settings, json).await,
            Self::Prune(command) => command.run(settings, json).await,
            Self::Accept(command) => administer(settings, Command::RestoreAccept(command), json).await,
        }
    }
}

impl KeyCommand {
    async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        match self {
            Self::Show(command) => administer(settings, Command::KeyShow(command), json).await,
            Self::RotateRoot(rotate) => administer(settings, rotate.into(), json).await,
            Self::RotateMetadata(rotate) => rotate.run(settings, json).await,
            Self::RotateBucket(rotate) => administer(settings, rotate.into(), json).await,
            Self::Reseal(reseal) => administer(settings, reseal.into(), json).await,
            Self::RewrapKms(rewrap) => administer(settings, rewrap.into(), json).await,
            Self::DestroyGeneration(destroy) => administer(settings, destroy.confirmed()?, json).await,
            Self::Passphrase(command) => command.run(settings, json).await,
            Self::Export(export) => export.run(settings).await,
            Self::Recover(recover) => recover.run(settings).await,
            Self::VerifyBackup(verify) => verify.run(settings, json).await,
        }
    }
}
