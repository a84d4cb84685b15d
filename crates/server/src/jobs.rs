//! What the server does by itself while it serves.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use coffer_iam::Iam;
use coffer_keyring::KeyAudit;
use coffer_kms::{ForJobs, Kms, WrappedMaterial};
use coffer_replication::Replicator;
use coffer_s3::log::BucketLogs;
use coffer_store::{
    BootstrapFile, Collected, JobEnvironment, JobRunner, JobStep, LifecycleJob, LifecycleProgress, LifecycleSettings,
    LifecycleStep, Store, StoreError,
};

use crate::config::Settings;
use crate::data::Data;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The shortest pause between two collections, whatever the grace period.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two collections.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause between two looks whether a run of lifecycle rules is due.
const LIFECYCLE_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause between two looks whether KMS keys are due.
const KEYS_PAUSE: Duration = Duration::from_secs(600);
/// The pause between two looks whether there is a job over keys.
const KEY_JOB_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two writings of when access keys were last used.
const USES_PAUSE: Duration = Duration::from_secs(60);

/// Removes blobs that no record names, until the shutdown begins: once those that a crash left, then again and again
/// those that records let go.
///
/// It may be interrupted anywhere: what it has not removed, it finds the next time.
pub(crate) async fn collect_garbage(store: Store, grace: Duration, mut shutdown: Shutdown) {
    let forever = async {
        match store.collect_orphans().await {
            Ok(Collected { waiting: 0, .. }) => {}
            Ok(Collected { waiting, .. }) => tracing::warn!(
                blobs = waiting,
                "blobs without a record will be removed after the grace period; a crash leaves some, but if the \
                 metadata is an old copy, stop the server now"
            ),
            error => report(error),
        }
        loop {
            tokio::time::sleep(grace.clamp(MIN_PAUSE, MAX_PAUSE)).await;
            report(store.collect_garbage().await);
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
}

/// Writes when access keys were last used, now and then until the shutdown begins.
pub(crate) async fn write_uses(iam: Iam, mut shutdown: Shutdown) {
    let forever = async {
        loop {
            tokio::time::sleep(USES_PAUSE).await;
            // The cause of a failure is in the log; what was noted is written the next time.
            let _ = iam.write_uses().await;
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
}

/// Delivers the logs of buckets now and then, until the shutdown begins.
pub(crate) async fn deliver_bucket_logs(logs: Arc<BucketLogs>, mut shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            () = logs.due() => {}
        }
        logs.deliver().await;
    }
}

/// Does what lifecycle rules ask for whenever it is due, until the shutdown begins.
///
/// It may be interrupted anywhere: what it has not done, the next process does.
pub(crate) async fn follow_lifecycle_rules(
    store: Store,
    settings: LifecycleSettings,
    metrics: Arc<Metrics>,
    mut shutdown: Shutdown,
) {
    let pause = Duration::from_millis(settings.interval_ms / 2).min(LIFECYCLE_PAUSE);
    let mut job = LifecycleJob::new(store, settings);
    let forever = async {
        let mut run = LifecycleProgress::default();
        loop {
            match job.step().await {
                Ok(LifecycleStep::Worked(progress)) => {
                    metrics.lifecycle.worked(progress);
                    run += progress;
                    continue;
                }
                Ok(LifecycleStep::Finished(progress)) => {
                    metrics.lifecycle.finished(progress);
                    run += progress;
                    let LifecycleProgress { looked_at, expired, transitioned, aborted, locked } =
                        std::mem::take(&mut run);
                    tracing::info!(
                        looked_at,
                        expired,
                        transitioned,
                        aborted,
                        locked,
                        "a run of lifecycle rules is over"
                    );
                }
                Ok(LifecycleStep::Idle) => {}
                Err(error) => tracing::error!(error = &error as &dyn Error, "lifecycle rules could not be followed"),
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
    if let Err(error) = job.release().await {
        tracing::error!(error = &error as &dyn Error, "the lifecycle job could not be released");
    }
}

/// Rotates and destroys KMS keys whose time has come, again and again until the shutdown begins.
///
/// It may be interrupted anywhere, and run in several processes at once.
pub(crate) async fn keep_up_keys(kms: Kms, day: Duration, mut shutdown: Shutdown) {
    let pause = (day / 4).clamp(MIN_PAUSE / 4, KEYS_PAUSE);
    let forever = async {
        loop {
            // The cause of a failure is in the log.
            let _ = kms.upkeep().await;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
}

/// What jobs over keys reach besides the store.
pub(crate) fn environment(settings: &Settings, data: &Data, kms: &Kms) -> JobEnvironment {
    JobEnvironment {
        elsewhere: vec![
            Arc::new(BootstrapFile::new(settings.data.clone(), Arc::clone(&data.root))),
            Arc::new(WrappedMaterial::new(data.store.clone(), Arc::clone(&data.root))),
        ],
        data_keys: Arc::new(ForJobs::new(kms.clone())),
        kms_keys: Some(Arc::new(kms.clone())),
        audit: Arc::clone(&data.audit) as Arc<dyn KeyAudit>,
    }
}

/// Does the work of jobs over keys, until the shutdown begins.
///
/// It may be interrupted anywhere: what it has not done, the next process does.
pub(crate) async fn run_key_jobs(store: Store, environment: JobEnvironment, mut shutdown: Shutdown) {
    let mut runner = JobRunner::new(store.clone(), environment);
    let forever = async {
        loop {
            match runner.step().await {
                Ok(JobStep::Worked(_)) => continue,
                Ok(JobStep::Ended(job, state)) => {
                    let report = store.job(job).await.map(|job| job.report.text()).unwrap_or_default();
                    tracing::info!(%job, ?state, report, "a job over keys has ended");
                    continue;
                }
                Ok(JobStep::Idle) => {}
                Err(error) => tracing::error!(error = &error as &dyn Error, "a job over keys waits"),
            }
            tokio::time::sleep(KEY_JOB_PAUSE).await;
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
    if let Err(error) = runner.release().await {
        tracing::error!(error = &error as &dyn Error, "the jobs over keys could not be released");
    }
}

/// Replicates what is queued, until the shutdown begins.
pub(crate) async fn replicate(replicator: Replicator, mut shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.draining() => {}
        () = replicator.run() => {}
    }
}

fn report(collected: Result<Collected, StoreError>) {
    match collected {
        Ok(Collected { blobs: 0, .. }) => {}
        Ok(Collected { blobs, .. }) => tracing::debug!(blobs, "garbage collected"),
        Err(error) => tracing::error!(error = &error as &dyn Error, "garbage could not be collected"),
    }
}
