//! Jobs over keys: started by `coffer key ...`, looked at and steered by `coffer job ...`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use coffer_keyring::{KeyOutcome, LocalKeyring};
use coffer_kms::{Authority, Kms};
use coffer_store::{
    Clock as _, JobError, JobId, JobInfo, JobSpec, JobState, KmsKeyReferences, NewKeys, StoreError, SystemClock,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{job_report, shred};
use crate::control::{Report, Session};
use crate::data::Data;

/// How often a job that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts a job, and follows it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartJob {
    /// What it is to do.
    pub(crate) task: Task,
    /// Not to be followed.
    pub(crate) detach: bool,
}

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Make a new generation of the root key, and wrap everything anew.
    RotateRoot,
    /// Wrap everything anew under the generation of the root key that wraps now.
    RewrapRoot,
    /// Make a new generation of a bucket's key, and bring everything in the bucket under it.
    RotateBucket {
        /// The name of the bucket.
        bucket: String,
    },
    /// Draw new keys for all that a bucket holds, and write its data again under them.
    Reseal {
        /// The name of the bucket.
        bucket: String,
    },
    /// Have the KMS encrypt data keys anew.
    RewrapKms {
        /// The name of the bucket; `None`: all of them.
        bucket: Option<String>,
        /// The KMS key, by its ID or ARN; `None`: all of them.
        key: Option<String>,
    },
    /// Destroy a generation of the root key, or of a bucket's.
    DestroyGeneration {
        /// The name of the bucket; `None`: the root key.
        bucket: Option<String>,
        /// The id of the root key, in hexadecimal; `None`: the one that wraps.
        root_id: Option<String>,
        /// The generation.
        generation: u32,
        /// How long to wait, in seconds; `None`: as the settings say.
        after_seconds: Option<u64>,
    },
}

/// Lists every job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListJobs {}

/// Shows, follows or steers a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SteerJob {
    /// Its id.
    pub(crate) job: String,
    /// What is to be done with it.
    pub(crate) steering: Steering,
}

/// What can be done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Steering {
    /// Show it.
    Show,
    /// Follow it to its end.
    Watch,
    /// Have it wait.
    Pause,
    /// Have it go on.
    Resume,
    /// End it where it is.
    Cancel,
    /// Sign what it has to report, once it is over.
    Report,
}

impl Task {
    async fn spec(self, kms: &Kms) -> Result<JobSpec> {
        let not_before =
            |after: Option<u64>| after.map(|seconds| SystemClock.now_ms().saturating_add(seconds.saturating_mul(1000)));
        Ok(match self {
            Self::RotateRoot => JobSpec::RewrapRoot { rotate: true },
            Self::RewrapRoot => JobSpec::RewrapRoot { rotate: false },
            Self::RotateBucket { bucket } => JobSpec::RotateBucketKey { bucket },
            Self::Reseal { bucket } => JobSpec::Reseal { bucket },
            Self::RewrapKms { bucket, key } => {
                let key_arn = match key {
                    Some(key) => Some(kms.key_arn(&Authority::Coffer, Some(&key)).await?),
                    None => None,
                };
                JobSpec::RewrapKms { bucket, key_arn }
            }
            Self::DestroyGeneration { bucket: None, generation, after_seconds, .. } => {
                JobSpec::DestroyRootGeneration { generation, not_before_ms: not_before(after_seconds) }
            }
            Self::DestroyGeneration { bucket: Some(bucket), generation, after_seconds, .. } => {
                let not_before_ms = not_before(after_seconds);
                JobSpec::DestroyBucketKeyGeneration { bucket, generation, not_before_ms }
            }
        })
    }

    /// Refuses what is asked of a root key that wraps no more.
    fn check(&self, data: &Data) -> Result<()> {
        let Self::DestroyGeneration { root_id: Some(root_id), .. } = self else { return Ok(()) };
        if *root_id == hex::encode(data.root.describe().root_id) {
            return Ok(());
        }
        let former = data.former.iter().find(|(_, known)| hex::encode(known.root_id) == *root_id);
        let Some((name, former)) = former else { bail!("there is no root key {root_id}: see `coffer key show`") };
        let way = match former.provider {
            LocalKeyring::PROVIDER => "delete its key file, its keyring and their backups",
            "pkcs11" => "delete its objects with the tools of the token",
            "transit" => "delete the key there",
            _ => "schedule the deletion of the key there",
        };
        bail!(
            "{root_id} is the former root key {name:?} ({}), and its generations go with it: once `coffer key rotate-root \
             --rewrap-only` is done nothing needs it. Take it out of `former_root_keys`, restart, and then {way}",
            former.provider
        )
    }

    fn action(&self) -> &'static str {
        match self {
            Self::RotateRoot => "coffer:RotateRootKey",
            Self::RewrapRoot => "coffer:RewrapUnderRootKey",
            Self::RotateBucket { .. } => "coffer:RotateBucketKey",
            Self::Reseal { .. } => "coffer:ResealBucket",
            Self::RewrapKms { .. } => "coffer:RewrapDataKeys",
            Self::DestroyGeneration { .. } => "coffer:DestroyKeyGeneration",
        }
    }
}

impl StartJob {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let store = &session.administration.data.store;
        self.task.check(&session.administration.data)?;
        let action = self.task.action();
        let spec = self.task.spec(&session.administration.kms).await?;
        let what = words(&spec);
        let turn = session.administration.changing.lock().await;
        let started = store.start_job(spec).await;
        drop(turn);
        let key = session.administration.data.root.describe().audit_name();
        let details = |job: Option<JobId>| {
            let job = job.map(|job| ("job".to_owned(), job.to_string()));
            [("task".to_owned(), what.clone())].into_iter().chain(job).collect()
        };
        let job = match started {
            Ok(job) => {
                session.note(action, key, KeyOutcome::Done, details(Some(job)));
                job
            }
            Err(error) => {
                session.note(action, key, KeyOutcome::Failed("NotStarted".to_owned()), details(None));
                return Err(explained(error));
            }
        };
        session.progress(&format!("job {job}: {what}"));
        if self.detach {
            return Ok(report(&store.job(job).await.map_err(explained)?));
        }
        follow(session, job).await
    }
}

impl ListJobs {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let jobs = session.administration.data.store.jobs().await?;
        let mut text = String::new();
        if jobs.is_empty() {
            text.push_str("there are no jobs\n");
        }
        for job in &jobs {
            let done = progress(job);
            writeln!(text, "{}  {:<9}  {}{done}", job.id, state(job.state), words(&job.spec))
                .expect("a String takes any text");
        }
        Ok(Report { text, data: Value::Array(jobs.iter().map(data).collect()) })
    }
}

impl SteerJob {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let store = &session.administration.data.store;
        let id = JobId::parse(&self.job)
            .ok_or_else(|| anyhow!("{:?} is no id of a job: see `coffer job list`", self.job))?;
        let steered = match self.steering {
            Steering::Show => Ok(()),
            Steering::Watch => return follow(session, id).await,
            Steering::Report => return signed_report(session, id).await,
            Steering::Pause => store.pause_job(id).await,
            Steering::Resume => store.resume_job(id).await,
            Steering::Cancel => store.cancel_job(id).await,
        };
        steered.map_err(explained)?;
        Ok(report(&store.job(id).await.map_err(explained)?))
    }
}

/// The report of a job, signed.
async fn signed_report(session: &Session, id: JobId) -> Result<Report> {
    let job = session.administration.data.store.job(id).await.map_err(explained)?;
    if !job.state.is_over() {
        bail!("job {id} is not over");
    }
    let signed = job_report::signed(session, &job);
    Ok(Report { data: json!({"signed_report": signed}), text: signed })
}

/// Shows how far a job is until it is over, or waits for longer than an operator does.
async fn follow(session: &Session, id: JobId) -> Result<Report> {
    let job = followed(session, id).await?;
    if job.state == JobState::Failed {
        bail!("job {id} failed: {}\n{}", job.trouble.unwrap_or_default(), job.report.text());
    }
    Ok(report(&job))
}

/// As [`follow`]; also of a job that failed, returns what is known of it.
pub(super) async fn followed(session: &Session, id: JobId) -> Result<JobInfo> {
    let store = &session.administration.data.store;
    let mut last = String::new();
    loop {
        let job = store.job(id).await.map_err(explained)?;
        let line = format!("{}{}", job.stage, progress(&job));
        let is_waiting = job.not_before_ms > SystemClock.now_ms() || job.state == JobState::Paused;
        if job.state.is_over() || is_waiting {
            return Ok(job);
        }
        // A line that is said again shows whether anybody is still there.
        if !session.progress(if line == last { "" } else { &line }) {
            bail!("nobody follows job {id} any more; it goes on");
        }
        last = line;
        tokio::select! {
            () = session.ending() => bail!("the server stops; job {id} goes on when it runs again"),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

pub(super) fn explained(error: JobError) -> anyhow::Error {
    match error {
        JobError::Store(StoreError::NoSuchBucket) => anyhow!("there is no such bucket"),
        error => anyhow!(error),
    }
}

pub(super) fn report(job: &JobInfo) -> Report {
    let mut text = format!("job {} {}: {}\n", job.id, state(job.state), words(&job.spec));
    let mut line = |line: &str| writeln!(text, "{line}").expect("a String takes any text");
    let now = SystemClock.now_ms();
    if !job.state.is_over() && job.not_before_ms > now {
        line(&format!(
            "It begins in {}; until then `coffer job cancel {}` prevents it.",
            span(job.not_before_ms - now),
            job.id
        ));
    }
    let counts = job.counts;
    line(&format!(
        "{} looked at, {} changed, {} left alone, {} failed",
        counts.looked_at, counts.changed, counts.left_alone, counts.failed
    ));
    if let Some(trouble) = &job.trouble {
        line(trouble);
    }
    let said = job.report.text();
    if !said.is_empty() {
        line(&said);
    }
    Report { text, data: data(job) }
}

fn data(job: &JobInfo) -> Value {
    let counts = job.counts;
    let destroyed = job
        .report
        .destroyed
        .iter()
        .map(|it| json!({"what": it.what, "id": it.id, "generation": it.generation, "at_ms": it.at_ms}));
    json!({
        "id": job.id.to_string(),
        "task": words(&job.spec),
        "state": state(job.state),
        "stage": job.stage,
        "created_ms": job.created_ms,
        "updated_ms": job.updated_ms,
        "not_before_ms": job.not_before_ms,
        "looked_at": counts.looked_at,
        "changed": counts.changed,
        "left_alone": counts.left_alone,
        "failed": counts.failed,
        "total": counts.total,
        "bytes": counts.bytes,
        "bytes_total": counts.bytes_total,
        "trouble": job.trouble,
        "counted": job.report.counted,
        "references": references(&job.report.references),
        "unreadable": job.report.unreadable,
        "left": job.report.left.iter().map(|(why, count)| json!({"why": why, "count": count})).collect::<Vec<_>>(),
        "left_objects": job.report.left_objects.iter().map(|it| json!({"what": it.what, "why": it.why})).collect::<Vec<_>>(),
        "new_keys": job.report.new_keys.as_ref().map(new_keys),
        "kms_keys": job.report.kms_keys.iter().map(kms_key).collect::<Vec<_>>(),
        "destroyed": destroyed.collect::<Vec<_>>(),
        "found": job.report.found,
        "cannot_promise": job.report.cannot_promise,
    })
}

fn new_keys(new: &NewKeys) -> Value {
    json!({"changed": new.changed, "old": new.old, "customers": new.customers})
}

fn kms_key(key: &KmsKeyReferences) -> Value {
    json!({
        "key": key.key_arn,
        "current": key.current,
        "references": references(&key.references),
        "unknown": key.unknown,
        "trouble": key.trouble,
    })
}

fn references(references: &[(u32, u64)]) -> Vec<Value> {
    references.iter().map(|(generation, count)| json!({"generation": generation, "count": count})).collect()
}

pub(super) fn words(spec: &JobSpec) -> String {
    match spec {
        JobSpec::RewrapRoot { rotate: true } => "rotate the root key".to_owned(),
        JobSpec::RewrapRoot { rotate: false } => "wrap everything under the root key anew".to_owned(),
        JobSpec::DestroyRootGeneration { generation, .. } => format!("destroy generation {generation} of the root key"),
        JobSpec::RotateBucketKey { bucket } => format!("rotate the key of the bucket {bucket}"),
        JobSpec::RewrapKms { bucket, key_arn } => {
            let of = |what: &Option<String>, all: &str| what.clone().unwrap_or_else(|| all.to_owned());
            let (bucket, key) = (of(bucket, "all buckets"), of(key_arn, "all KMS keys"));
            format!("encrypt the data keys of {bucket} anew under {key}")
        }
        JobSpec::Reseal { bucket } => format!("draw new keys for the data of the bucket {bucket}"),
        JobSpec::DestroyBucketKeyGeneration { bucket, generation, .. } => {
            format!("destroy generation {generation} of the key of the bucket {bucket}")
        }
        JobSpec::Shred { target, .. } => shred::words(target),
    }
}

pub(super) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Paused => "paused",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

/// How much of a job is done, behind what it is.
fn progress(job: &JobInfo) -> String {
    let counts = job.counts;
    let mut text = match (counts.looked_at, counts.total) {
        (0, _) => String::new(),
        (done, Some(total)) => format!(": {done} of {total}"),
        (done, None) => format!(": {done}"),
    };
    if let Some(total) = counts.bytes_total.filter(|total| *total > 0) {
        write!(text, ", {} of {} written again", size(counts.bytes), size(total)).expect("a String takes any text");
    }
    text
}

/// A number of bytes in the unit that people use.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut shown = (bytes as f64, "bytes");
    for unit in UNITS {
        if shown.0 < 1024.0 {
            break;
        }
        shown = (shown.0 / 1024.0, unit);
    }
    let (number, unit) = shown;
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") }
}

fn span(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds if seconds > 86_400 => format!("{} days", seconds.div_ceil(86_400)),
        seconds if seconds > 3_600 => format!("{} hours", seconds.div_ceil(3_600)),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_people_use() {
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "16384.0 PiB");
    }

    #[test]
    fn spans_are_in_the_unit_that_people_use() {
        for (ms, text) in [(500, "1 seconds"), (61_000, "61 seconds"), (7_200_000, "2 hours"), (604_799_000, "7 days")]
        {
            assert_eq!(span(ms), text);
        }
    }
}
