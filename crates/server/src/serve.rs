//! `coffer serve`: from the settings to listeners, and back to nothing.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use coffer_replication::Replicator;
use coffer_store::{LifecycleSettings, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::audit;
use crate::certificate::own_names;
use crate::config::{Config, Settings};
use crate::control::{Administration, ControlSocket, socket_path};
use crate::credentials::{self, Root};
use crate::data::{Data, LockedDirectory};
use crate::hygiene;
use crate::jobs;
use crate::key_backup;
use crate::key_place::{check_protection, files_of, key_place};
use crate::key_providers::LOCAL;
use crate::listen::{Listener, Shared};
use crate::logs::Logs;
use crate::metadata_backup::{self, LastBackups};
use crate::metrics::Metrics;
use crate::notification::{self, EventTargets};
use crate::replication;
use crate::s3::{ACCOUNT_ID, S3};
use crate::shutdown::{self, Shutdown, Signals};
use crate::tls::{CertificateSource, Tls};
use crate::welcome::Welcome;

/// The most connections to the admin listener.
const ADMIN_CONNECTIONS: u64 = 64;

/// The sockets, bound.
struct Listeners {
    http: Option<Listener>,
    https: Option<Listener>,
    admin: Option<Listener>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A sentence for a person, when the server cannot start.
pub(crate) async fn serve(config: Config) -> Result<()> {
    let mut signals = Signals::install().context("signals cannot be handled")?;
    let Config { settings, root_credentials, .. } = config;
    check_protection(&settings)?;
    let directory = LockedDirectory::make(&settings)?;
    // Before anything is made: a port that is taken, or a certificate that does not do, must not cost the one look
    // at the new credentials.
    let listeners = bind(&settings).await?;
    let event_targets = Arc::new(EventTargets::open(&settings.notification, ACCOUNT_ID)?);
    let given = given_certificate(&settings).map(Tls::load).transpose()?;
    let targets = Arc::new(replication::targets(settings.replication_targets.as_deref())?);
    let data = tokio::select! {
        data = directory.open() => Arc::new(data?),
        // The root key is waited for until somebody says stop.
        name = signals.stop() => {
            tracing::info!("{name}: ending before the start is over");
            return Ok(());
        }
    };
    let tls = match (given, settings.listen_tls) {
        (Some(tls), _) => Some(Arc::new(tls)),
        (None, Some(_)) => Some(Arc::new(Tls::load(made_certificate(&settings))?)),
        (None, None) => None,
    };
    audit::note_start(&data);
    let control = ControlSocket::bind(&socket_path(&settings))?;
    let root = credentials::establish(&data.store, root_credentials).await?;
    let metrics = Arc::new(Metrics::new(data.providers.stats()));
    let access_log = AccessLog::open(&settings, &data.store, &metrics)?.map(Arc::new);
    let events = Arc::clone(&event_targets);
    let handler = Arc::new(S3::new(&settings, &data, &root, access_log, &metrics, &targets, events).await?);
    let _ = metrics.kms.set(Arc::clone(handler.kms().metrics()));
    let logs = handler.logs().clone();
    let backup_verified = key_backup::is_verified(&data.store, &*data.root).await?.unwrap_or(true);
    if !backup_verified && !data.made_key {
        let generation = data.root.describe().generation;
        tracing::warn!(
            generation,
            "no backup of the root key was verified; without the key nothing can be read: see `coffer key export`"
        );
    }
    let backups = metadata_backup::last(&data.store).await?;
    announce(&settings, &listeners, tls.as_deref(), &data, &root, (backup_verified, &backups))?;
    let replicator =
        Replicator::new(data.store.clone(), targets, Arc::new(SystemClock), Arc::clone(&metrics.replication));
    let served = Served { handler, tls, metrics: Arc::clone(&metrics), replicator, event_targets, control };
    run(&settings, listeners, served, &data, signals).await;
    logs.finish().await;
    audit::finish(&data, &metrics).await.context("the audit log of keys could not be closed cleanly")?;
    data.engine.close().context("the metadata could not be closed cleanly; what was acknowledged is safe")
}

async fn bind(settings: &Settings) -> Result<Listeners> {
    let bind = async |name: &str, address: Option<SocketAddr>| {
        let Some(address) = address else { return Ok(None) };
        let listener = Listener::bind(address).await;
        listener.map(Some).with_context(|| format!("`{name}`: {address} cannot be listened on"))
    };
    Ok(Listeners {
        http: bind("listen", settings.listen).await?,
        https: bind("listen_tls", settings.listen_tls).await?,
        admin: bind("listen_admin", settings.listen_admin).await?,
    })
}

/// The user's certificate.
fn given_certificate(settings: &Settings) -> Option<CertificateSource> {
    let (certificate, key) = (settings.tls_cert.clone()?, settings.tls_key.clone()?);
    Some(CertificateSource::Given { certificate, key })
}

/// The server's own certificate, beside the keyring.
fn made_certificate(settings: &Settings) -> CertificateSource {
    CertificateSource::Made {
        directory: key_place(settings).keyring().parent().unwrap_or(Path::new("")).join("tls"),
        names: own_names(&[&settings.domain[..], &settings.website_domain].concat(), &settings.website_host),
    }
}

fn announce(
    settings: &Settings,
    listeners: &Listeners,
    tls: Option<&Tls>,
    data: &Data,
    root: &Root,
    (backup_verified, backups): (bool, &LastBackups),
) -> Result<()> {
    let address = |listener: &Option<Listener>| listener.as_ref().map(Listener::address).transpose();
    let data_directory = std::path::absolute(&settings.data)?;
    let place = key_place(settings);
    let key_files = match settings.root_key.as_str() {
        LOCAL => files_of(&place)?.iter().map(std::path::absolute).collect::<io::Result<Vec<_>>>()?,
        _ => Vec::new(),
    };
    let welcome = Welcome {
        http: address(&listeners.http)?,
        https: address(&listeners.https)?,
        admin: address(&listeners.admin)?,
        authority: tls.and_then(Tls::authority),
        data: &data_directory,
        root_key: &match &key_files[..] {
            [] => format!("with the provider {} ({})", settings.root_key, data.root.describe().provider),
            [keyring] => format!("{}, under a passphrase", keyring.display()),
            [key_file, ..] => key_file.display().to_string(),
        },
        key_files: &key_files,
        made_key: data.made_key,
        backup_verified,
        backups,
        root,
        region: &settings.region,
    };
    let mut output = io::stdout().lock();
    output.write_all(welcome.text().as_bytes()).and_then(|()| output.flush()).context("nothing can be printed")
}

/// What is behind the sockets.
struct Served {
    handler: Arc<S3>,
    tls: Option<Arc<Tls>>,
    metrics: Arc<Metrics>,
    replicator: Replicator,
    event_targets: Arc<EventTargets>,
    control: ControlSocket,
}

/// Serves until the shutdown is complete.
async fn run(settings: &Settings, listeners: Listeners, served: Served, data: &Arc<Data>, signals: Signals) {
    let Served { handler, tls, metrics, replicator, event_targets, control } = served;
    let Logs { access: access_log, buckets: bucket_logs } = handler.logs().clone();
    let iam = handler.iam().clone();
    let shared = |connections: u64| Shared {
        idle: Duration::from_secs(settings.request_idle_seconds),
        connections: Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS))),
        metrics: Arc::clone(&metrics),
    };
    let (trigger, shutdown) = shutdown::channel();
    let mut tasks = JoinSet::new();
    let clients = shared(settings.max_connections.min(hygiene::connections_for_open_files()));
    for (listener, tls) in [(listeners.http, None), (listeners.https, tls.clone())] {
        if let Some(listener) = listener {
            tasks.spawn(listener.serve(tls, Arc::clone(&handler), clients.clone(), shutdown.clone()));
        }
    }
    if let Some(listener) = listeners.admin {
        let engine = Arc::clone(&data.engine) as Arc<dyn coffer_meta::Engine>;
        let admin = Arc::new(Admin { engine, metrics: Arc::clone(&metrics) });
        tasks.spawn(listener.serve(None, admin, shared(ADMIN_CONNECTIONS), shutdown.clone()));
    }
    tasks.spawn(key_backup::watch(Arc::clone(data), Arc::clone(&metrics), shutdown.clone()));
    tasks.spawn(metadata_backup::watch(Arc::clone(data), Arc::clone(&metrics), shutdown.clone()));
    tasks.spawn(control.serve(Administration::new(Arc::clone(data), handler.kms().clone()), shutdown.clone()));
    if tls.is_some() || access_log.is_some() {
        tasks.spawn(reload_on_hangup(tls, access_log, shutdown.clone()));
    }
    let providers = Arc::clone(&data.providers);
    tasks.spawn(async move { providers.look_at_key_stores().await });
    tasks.spawn(audit::watch(Arc::clone(data), Arc::clone(&metrics), shutdown.clone()));
    tasks.spawn(jobs::write_uses(iam.clone(), shutdown.clone()));
    tasks.spawn(jobs::replicate(replicator, shutdown.clone()));
    tasks.spawn(jobs::deliver_bucket_logs(bucket_logs, shutdown.clone()));
    for target in event_targets.all() {
        let counted = metrics.target(&target.name);
        let target = Arc::clone(target);
        tasks.spawn(notification::deliver(data.store.clone(), target, ACCOUNT_ID, counted, shutdown.clone()));
    }
    let max_age = Duration::from_secs(settings.notification_max_age_seconds);
    let dropping =
        notification::drop_old(data.store.clone(), event_targets, max_age, Arc::clone(&metrics), shutdown.clone());
    tasks.spawn(dropping);
    let lifecycle = LifecycleSettings {
        interval_ms: settings.lifecycle_interval_seconds.saturating_mul(1000),
        day_ms: settings.lifecycle_day_seconds.saturating_mul(1000),
    };
    tasks.spawn(jobs::follow_lifecycle_rules(data.store.clone(), lifecycle, Arc::clone(&metrics), shutdown.clone()));
    let day = Duration::from_millis(settings.kms_day_ms);
    tasks.spawn(jobs::keep_up_keys(handler.kms().clone(), day, shutdown.clone()));
    let key_jobs = jobs::environment(settings, data, handler.kms());
    tasks.spawn(jobs::run_key_jobs(data.store.clone(), key_jobs, shutdown.clone()));
    let grace = Duration::from_secs(settings.garbage_grace_seconds);
    tasks.spawn(jobs::collect_garbage(data.store.clone(), grace, shutdown));
    tokio::spawn(trigger.follow(signals, Duration::from_secs(settings.drain_seconds)));
    while let Some(ended) = tasks.join_next().await {
        if ended.is_err() {
            tracing::error!("a part of the server panicked");
        }
    }
    // The cause of a failure is in the log.
    let _ = iam.write_uses().await;
    tracing::info!("drained");
}

/// Reads the certificate and opens the access log again at each SIGHUP.
async fn reload_on_hangup(tls: Option<Arc<Tls>>, access_log: Option<Arc<AccessLog>>, mut shutdown: Shutdown) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return tracing::warn!("SIGHUP cannot be handled: a changed certificate or log file needs a restart");
    };
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            _ = hangup.recv() => {}
        }
        if let Some(log) = &access_log {
            log.reopen();
        }
        match tls.as_ref().map(|tls| tls.reload()) {
            None => {}
            Some(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
            Some(Err(error)) => tracing::error!("SIGHUP: the old certificate stays in use: {error:#}"),
        }
    }
}
