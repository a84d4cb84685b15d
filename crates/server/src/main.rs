//! The binary `coffer`: configuration, wiring, command line.

mod access_log;
mod admin;
mod administration;
mod audit;
mod backups;
mod certificate;
mod cli;
mod config;
mod connection;
mod control;
mod credentials;
mod data;
mod documents;
mod dump;
mod files;
mod forwarded;
mod hygiene;
mod identities;
mod jobs;
mod key_backup;
mod key_jobs;
mod key_place;
mod key_providers;
mod kms;
mod listen;
mod lock;
mod logs;
mod metadata_backup;
mod metadata_key;
mod metrics;
mod notification;
mod outbound;
mod passphrase;
mod replication;
mod s3;
mod serve;
mod shares;
mod shred;
mod shutdown;
mod terminal;
mod tls;
mod welcome;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tracing_subscriber::EnvFilter;

use crate::cli::Action;
use crate::config::{Config, Settings};
use crate::data::LockedDirectory;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (action, given) = match cli::parse(std::env::args_os(), std::env::vars_os()) {
        Ok(parsed) => parsed,
        Err(usage) => {
            // Help goes to stdout, errors to stderr; there is nobody left to tell if that fails.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(1));
        }
    };
    match hygiene::apply().and_then(|()| Config::load(&given)).and_then(|config| perform(action, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "coffer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(action: Action, config: Config) -> Result<()> {
    match action {
        Action::Version => print(&format!("coffer {} ({})\n", env!("CARGO_PKG_VERSION"), coffer_crypto::module_name())),
        Action::ShowConfig => print(&config.show()),
        Action::Serve => {
            log(&config.settings)?;
            runtime()?.block_on(serve::serve(config))
        }
        Action::ShowCredentials => runtime()?.block_on(show_credentials(config)),
        Action::ResetCredentials => runtime()?.block_on(reset_credentials(config)),
        Action::Administer(asked) => runtime()?.block_on(asked.run(&config.settings)),
        Action::Dump => runtime()?.block_on(dump(config)),
    }
}

async fn show_credentials(config: Config) -> Result<()> {
    let data = LockedDirectory::existing(&config.settings).map_err(stop_first)?.open().await?;
    print(&credentials::shown(&credentials::kept(&data.store).await?))
}

async fn reset_credentials(config: Config) -> Result<()> {
    if config.root_credentials.is_some() {
        bail!("COFFER_ROOT_ACCESS_KEY and COFFER_ROOT_SECRET_KEY set the root credentials: change or unset them");
    }
    let data = LockedDirectory::existing(&config.settings).map_err(stop_first)?.open().await?;
    let made = credentials::make(&data.store).await?;
    print(&credentials::shown(&made))?;
    data.engine.close().context("the metadata could not be closed cleanly; the new credentials are kept")
}

async fn dump(config: Config) -> Result<()> {
    let data = LockedDirectory::existing(&config.settings).map_err(stop_first)?.open().await?;
    dump::dump(&*data.engine, &mut io::BufWriter::new(io::stdout().lock())).await
}

/// Adds what to do about a data directory that is in use.
fn stop_first(error: anyhow::Error) -> anyhow::Error {
    if error.is::<lock::LockError>() { error.context("stop the server first") } else { error }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    // Threads that wait for the disk or hash: enough to keep a disk busy, few enough that what each of them keeps of
    // freed memory does not add up.
    const BLOCKING_THREADS: usize = 64;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build().context("threads cannot be started")
}

/// Logs to stderr: stdout is for what was asked for.
fn log(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log).context("`log` must be a level or directives by module")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    Ok(())
}

fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("nothing can be printed")
}
