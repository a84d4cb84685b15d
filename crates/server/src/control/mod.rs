//! What an operator does that AWS has no word for: `coffer key`, `coffer inspect` and their siblings.
//!
//! A command is a value. The process that has the store carries it out: the running server, which is asked over a Unix
//! socket in the data directory, or the command line itself where no server runs. Whoever may connect to the socket
//! owns the data directory, or is root.

mod client;
pub(crate) mod command;
mod path;
mod protocol;
mod session;
mod socket;

use std::io::{self, Write as _};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rustix::process::getuid;

pub(crate) use command::Command;
pub(crate) use path::socket_path;
pub(crate) use protocol::Report;
pub(crate) use session::{Administration, Progress, Session};
pub(crate) use socket::ControlSocket;

use crate::config::Settings;
use crate::data::LockedDirectory;
use crate::jobs;
use crate::lock::LockError;
use crate::s3::accounts_and_keys;
use crate::shutdown;

/// Has a command carried out, by the server if one runs, and prints what became of it: text for people, or its data as
/// JSON.
///
/// # Errors
/// A sentence for a person.
pub(crate) async fn administer(settings: &Settings, command: Command, json: bool) -> Result<()> {
    print(&carry_out(settings, command).await?, json)
}

/// Prints what became of a command.
///
/// # Errors
/// When nothing can be printed.
pub(crate) fn print(report: &Report, json: bool) -> Result<()> {
    let text = if json { format!("{}\n", serde_json::to_string_pretty(&report.data)?) } else { report.text.clone() };
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("nothing can be printed")
}

/// Has a command carried out, and shows on stderr how far it is.
///
/// # Errors
/// A sentence for a person.
pub(crate) async fn carry_out(settings: &Settings, command: Command) -> Result<Report> {
    let directory = match LockedDirectory::existing(settings) {
        Ok(directory) => directory,
        Err(error) if matches!(error.downcast_ref(), Some(LockError::InUse { .. })) => {
            return client::send(&socket_path(settings), &command, show).await.map_err(|why| {
                // A server that is just starting or ending has the directory and no socket.
                if why.is::<client::NoServer>() { anyhow!("{why}, and {error}") } else { why }
            });
        }
        Err(error) => return Err(error),
    };
    let data = Arc::new(directory.open().await?);
    let (_, kms) = accounts_and_keys(settings, &data, false)?;
    let (trigger, shutdown) = shutdown::channel();
    let progress = Progress::new(|line| {
        show(line);
        true
    });
    let running = command.needs_jobs().then(|| {
        let environment = jobs::environment(settings, &data, &kms);
        tokio::spawn(jobs::run_key_jobs(data.store.clone(), environment, shutdown.clone()))
    });
    let administration = Administration::new(Arc::clone(&data), kms);
    let session = Session::new(administration, operator(getuid().as_raw()), progress, shutdown);
    let report = command.perform(&session).await;
    trigger.drain();
    if let Some(running) = running {
        running.await.context("the jobs could not be ended cleanly; what was done is safe")?;
    }
    let audit = Arc::clone(&data.audit);
    tokio::task::spawn_blocking(move || audit.close()).await.context("the audit log of keys could not be closed")?;
    data.engine.close().context("the metadata could not be closed cleanly; what was done is safe")?;
    report
}

/// How an operator is called in the audit log.
pub(crate) fn operator(uid: u32) -> String {
    format!("operator uid {uid}")
}

/// Shows on stderr how far something is.
pub(crate) fn show(line: &str) {
    // An empty line says no more than that it goes on. Progress that nobody can see is no reason to stop.
    if !line.is_empty() {
        let _ = writeln!(io::stderr(), "{line}");
    }
}
