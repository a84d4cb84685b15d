//! The worker: takes tasks from the queue, round after round.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coffer_configuration::ReplicationRule;
use coffer_store::{Bucket, Clock, ReplicationEnd, ReplicationSubject, ReplicationTask, Store, StoreError, VersionId};
use futures_util::StreamExt as _;

use crate::answer::Failure;
use crate::bring::Bringing;
use crate::target::Targets;

/// Tasks that are read at a time.
const PAGE: usize = 64;
/// Keys that are brought at the same time.
const AT_ONCE: usize = 4;
/// The shortest pause between two rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// After a round in which nothing could be done, this many times as long as it took.
const IDLE_SHARE: u32 = 9;
/// The pause after the first failure; it doubles with each that follows,
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// up to this.
const MOST_DELAY: Duration = Duration::from_secs(60);
/// How long it is remembered that an attempt failed, and so may have arrived nevertheless.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How long a destination may refuse a version before it is given up, in milliseconds.
const PATIENCE_MS: u64 = 24 * 60 * 60 * 1000;

/// What replication has done since the start.
#[derive(Default)]
pub struct ReplicationMetrics {
    /// Versions that waited when the last round ended.
    pub pending: AtomicU64,
    /// Versions and delete markers that were brought.
    pub completed: AtomicU64,
    /// Those that were given up.
    pub failed: AtomicU64,
    /// Attempts that will be made again.
    pub retried: AtomicU64,
    /// Bytes of objects that were brought.
    pub bytes: AtomicU64,
}

/// Brings what is queued to where it goes.
pub struct Replicator {
    store: Store,
    targets: Arc<Targets>,
    clock: Arc<dyn Clock>,
    metrics: Arc<ReplicationMetrics>,
    started_ms: u64,
    /// Targets that are left alone for a while, by role.
    targets_delayed: Mutex<HashMap<String, Delay>>,
    /// Versions that are left alone for a while.
    tasks_delayed: Mutex<HashMap<TaskName, Delay>>,
}

/// A task, for as long as this process lives.
type TaskName = (String, String, VersionId, String);

struct Delay {
    until: Instant,
    length: Duration,
}

/// What became of a task in a round.
#[derive(PartialEq, Eq)]
enum Outcome {
    /// It is out of the queue.
    Ended,
    /// It stays, and so do those of the same key behind it.
    Stays,
    /// It stays, and so does everything for the same target.
    TargetDelayed,
}

impl Replicator {
    /// A worker for the queue of `store`.
    #[must_use]
    pub fn new(store: Store, targets: Arc<Targets>, clock: Arc<dyn Clock>, metrics: Arc<ReplicationMetrics>) -> Self {
        let started_ms = clock.now_ms();
        let (targets_delayed, tasks_delayed) = (Mutex::default(), Mutex::default());
        Self { store, targets, clock, metrics, started_ms, targets_delayed, tasks_delayed }
    }

    /// Works for ever. It may be dropped anywhere: what it was at is done again.
    pub async fn run(&self) {
        loop {
            let began = Instant::now();
            let pause = match self.round().await {
                Ok(true) => PAUSE,
                // A long queue of what cannot go now is not read all the time.
                Ok(false) => (began.elapsed() * IDLE_SHARE).clamp(PAUSE, MOST_DELAY),
                Err(error) => {
                    tracing::error!(%error, "the queue of replication cannot be worked on");
                    FIRST_DELAY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Goes through the whole queue once. Returns whether anything has left it.
    async fn round(&self) -> Result<bool, StoreError> {
        // What is queued of these buckets waits for another round.
        let mut held: HashSet<String> = self.store.continue_replication_scans().await?.into_iter().collect();
        let mut stuck: HashSet<(String, String, String)> = HashSet::new();
        let mut after: Option<ReplicationTask> = None;
        let (mut pending, mut any_ended) = (0, false);
        loop {
            let page = self.store.replication_tasks(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let runs = runs_of(page, |task| held.contains(task.bucket_name()) || stuck.contains(&group_of(task)));
            let mut working =
                futures_util::stream::iter(runs.into_iter().map(|run| self.run_of_key(run))).buffer_unordered(AT_ONCE);
            let mut ended = Vec::new();
            while let Some(run) = working.next().await {
                ended.push(run);
            }
            drop(working);
            for RunEnd { group, count, left, target_is_delayed } in ended {
                pending += left;
                any_ended |= left < count;
                if target_is_delayed {
                    // A bucket has one role, which stands for one target.
                    held.insert(group.0);
                } else if left > 0 {
                    stuck.insert(group);
                }
            }
        }
        self.metrics.pending.store(pending, Relaxed);
        let alive = |delay: &Delay| delay.until + REMEMBERED > Instant::now();
        lock(&self.tasks_delayed).retain(|_, delay| alive(delay));
        Ok(any_ended)
    }

    /// Brings the versions of one key to one destination, in their order.
    async fn run_of_key(&self, run: Run) -> RunEnd {
        let Run { group, tasks, is_held } = run;
        let count = tasks.len() as u64;
        let mut end = RunEnd { group, count, left: count, target_is_delayed: false };
        if is_held {
            return end;
        }
        for task in tasks {
            match self.work(task).await {
                Ok(Outcome::Ended) => end.left -= 1,
                Ok(Outcome::Stays) => break,
                Ok(Outcome::TargetDelayed) => {
                    end.target_is_delayed = true;
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "a version cannot be replicated now");
                    break;
                }
            }
        }
        end
    }

    async fn work(&self, mut task: ReplicationTask) -> Result<Outcome, StoreError> {
        let Some(bucket) = self.store.replication_source(&task).await? else {
            self.store.drop_replication(&task).await?;
            return Ok(Outcome::Ended);
        };
        let name = name_of(&task);
        if lock(&self.tasks_delayed).get(&name).is_some_and(|delay| Instant::now() < delay.until) {
            return Ok(Outcome::Stays);
        }
        let subject = self.store.replication_subject(&bucket, &task).await?;
        if let ReplicationSubject::Nothing = subject {
            self.store.drop_replication(&task).await?;
            return Ok(Outcome::Ended);
        }
        let configuration = bucket.replication().cloned();
        let rule = configuration.as_ref().and_then(|rules| rule_for(&rules.rules, &task, &subject));
        let (Some(configuration), Some(rule)) = (&configuration, rule) else {
            return self.give_up(&bucket, &task, "no rule leads there any more").await;
        };
        let role = configuration.role.as_str();
        let Some(target) = self.targets.0.get(role) else {
            return self.fail(&bucket, &task, Failure::Later("no target is configured for the role".to_owned())).await;
        };
        if lock(&self.targets_delayed).get(role).is_some_and(|delay| Instant::now() < delay.until) {
            return Ok(Outcome::TargetDelayed);
        }
        let is_uncertain = task.queued_ms < self.started_ms || lock(&self.tasks_delayed).contains_key(&name);
        let destination = &rule.destination;
        let (store, bucket_ref) = (&self.store, &bucket);
        let now_ms = self.clock.now_ms();
        let mut bringing =
            Bringing { store, target, bucket: bucket_ref, destination, task: &mut task, is_uncertain, now_ms };
        let brought = match &subject {
            ReplicationSubject::Object { info, replica } => bringing.object(info, replica.clone()).await,
            ReplicationSubject::Marker(_) => bringing.marker().await,
            ReplicationSubject::Nothing => Ok(None),
        };
        match brought {
            Ok(version_id) => {
                lock(&self.targets_delayed).remove(role);
                lock(&self.tasks_delayed).remove(&name);
                self.store.end_replication(&bucket, &task, &ReplicationEnd::Completed(version_id)).await?;
                self.metrics.completed.fetch_add(1, Relaxed);
                if let ReplicationSubject::Object { info, replica: None } = &subject {
                    self.metrics.bytes.fetch_add(info.size, Relaxed);
                }
                Ok(Outcome::Ended)
            }
            Err(Failure::Target(why)) => {
                self.metrics.retried.fetch_add(1, Relaxed);
                let delay = postpone(&mut lock(&self.targets_delayed), role.to_owned());
                // What was sent may have arrived.
                postpone(&mut lock(&self.tasks_delayed), name);
                tracing::warn!(why, delay_s = delay.as_secs_f32(), "a replication target does not do what it should");
                Ok(Outcome::TargetDelayed)
            }
            Err(failure) => self.fail(&bucket, &task, failure).await,
        }
    }

    /// A failure that is about one version.
    async fn fail(&self, bucket: &Bucket, task: &ReplicationTask, failure: Failure) -> Result<Outcome, StoreError> {
        let why = match failure {
            Failure::Never(why) => return self.give_up(bucket, task, &why).await,
            Failure::Source(error) => error.to_string(),
            Failure::Absent { .. } => "it is not there".to_owned(),
            Failure::Later(why) | Failure::Target(why) => why,
        };
        if self.clock.now_ms() > task.queued_ms.saturating_add(PATIENCE_MS) {
            return self.give_up(bucket, task, &why).await;
        }
        self.metrics.retried.fetch_add(1, Relaxed);
        let delay = postpone(&mut lock(&self.tasks_delayed), name_of(task));
        tracing::warn!(
            bucket = self.store.pseudonym("bucket", bucket.name().as_str()),
            why,
            delay_s = delay.as_secs_f32(),
            "a version is not replicated yet"
        );
        Ok(Outcome::Stays)
    }

    async fn give_up(&self, bucket: &Bucket, task: &ReplicationTask, why: &str) -> Result<Outcome, StoreError> {
        let name = bucket.name().as_str();
        tracing::warn!(
            bucket = self.store.pseudonym("bucket", name),
            key = self.store.pseudonym(&format!("key/{name}"), task.key.as_str()),
            why,
            "a version is not replicated: its status is FAILED"
        );
        self.metrics.failed.fetch_add(1, Relaxed);
        lock(&self.tasks_delayed).remove(&name_of(task));
        self.store.end_replication(bucket, task, &ReplicationEnd::Failed).await?;
        Ok(Outcome::Ended)
    }
}

/// The tasks of one key and destination that stand together in the queue.
struct Run {
    group: (String, String, String),
    tasks: Vec<ReplicationTask>,
    /// It waits for something before it.
    is_held: bool,
}

/// What became of a run.
struct RunEnd {
    group: (String, String, String),
    /// How many tasks there were.
    count: u64,
    /// How many of them stay.
    left: u64,
    target_is_delayed: bool,
}

fn runs_of(tasks: Vec<ReplicationTask>, is_held: impl Fn(&ReplicationTask) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for task in tasks {
        let group = group_of(&task);
        match runs.iter_mut().find(|run| run.group == group) {
            Some(run) => run.tasks.push(task),
            None => runs.push(Run { group, is_held: is_held(&task), tasks: vec![task] }),
        }
    }
    runs
}

/// The rule that leads to the destination: the one for the version as it is, or another, if its tags have changed.
fn rule_for<'a>(
    rules: &'a [ReplicationRule],
    task: &ReplicationTask,
    subject: &ReplicationSubject,
) -> Option<&'a ReplicationRule> {
    let tags: &[_] = match subject {
        ReplicationSubject::Object { info, .. } => &info.tags,
        ReplicationSubject::Marker(_) | ReplicationSubject::Nothing => &[],
    };
    let leads_there = || rules.iter().filter(|rule| rule.enabled && rule.destination.bucket == task.destination);
    let matching = leads_there().filter(|rule| rule.filter.matches(task.key.as_str(), tags));
    matching.max_by_key(|rule| rule.priority).or_else(|| leads_there().next())
}

fn group_of(task: &ReplicationTask) -> (String, String, String) {
    (task.bucket_name().to_owned(), task.destination.clone(), task.key.as_str().to_owned())
}

fn name_of(task: &ReplicationTask) -> TaskName {
    (task.bucket_name().to_owned(), task.key.as_str().to_owned(), task.version, task.destination.clone())
}

/// Puts off what is called so, for longer each time. Returns for how long.
fn postpone<K: std::hash::Hash + Eq>(delays: &mut HashMap<K, Delay>, name: K) -> Duration {
    let length = delays.get(&name).map_or(FIRST_DELAY, |delay| (delay.length * 2).min(MOST_DELAY));
    delays.insert(name, Delay { until: Instant::now() + length, length });
    length
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
