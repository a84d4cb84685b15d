//! The commands of operators as the command line has them.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::config::Settings;
use crate::control::command::{AuditShow, AuditVerify, KeyShow, RotateRoot};
use crate::control::{Command, administer};

/// What an operator asks for.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Administer {
    /// The audit log of keys
    Audit(Asked<AuditCommand>),
    /// The root key and the keys under it
    Key(Asked<KeyCommand>),
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

/// `coffer audit ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show entries of the audit log of keys
    Show(AuditShow),
    /// Prove that nothing of the audit log was removed, changed or put elsewhere
    Verify(AuditVerify),
}

/// `coffer key ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show the root key: provider, fingerprint, generations
    Show(KeyShow),
    /// Make a new generation of the root key
    RotateRoot(RotateRoot),
}

impl Administer {
    /// Does it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        match self {
            Self::Audit(Asked { command, json }) => administer(settings, command.command(), json).await,
            Self::Key(Asked { command, json }) => administer(settings, command.command(), json).await,
        }
    }
}

impl AuditCommand {
    fn command(self) -> Command {
        match self {
            Self::Show(command) => Command::AuditShow(command),
            Self::Verify(command) => Command::AuditVerify(command),
        }
    }
}

impl KeyCommand {
    fn command(self) -> Command {
        match self {
            Self::Show(command) => Command::KeyShow(command),
            Self::RotateRoot(command) => Command::RotateRoot(command),
        }
    }
}
