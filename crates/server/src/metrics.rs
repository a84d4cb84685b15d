//! Counters of what the server does, in the text format of Prometheus.

mod key_providers;
mod keys;
mod targets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use coffer_key_providers::ProviderStats;
use coffer_kms::KmsMetrics;
use coffer_replication::ReplicationMetrics;
use coffer_store::{Clock as _, LifecycleProgress, SystemClock};
use http::StatusCode;

use crate::audit::AuditHealth;
use crate::key_backup::BackupHealth;
use crate::metadata_backup::MetadataBackupHealth;

pub(crate) use targets::TargetMetrics;

/// Upper bounds of the latency histogram, in milliseconds.
const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 120_000];

/// Everything counted since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Bytes that came from clients, after TLS.
    pub(crate) received: Counter,
    /// Bytes that went to clients, before TLS.
    pub(crate) sent: Counter,
    /// Lines that the access log could not write, or not fast enough.
    pub(crate) access_log_dropped: Counter,
    /// Lines of the logs of buckets that were not delivered.
    pub(crate) bucket_log_dropped: Arc<AtomicU64>,
    /// Whether the audit log of keys is intact.
    pub(crate) audit: AuditHealth,
    /// Whether the root key has a backup that was verified.
    pub(crate) key_backup: BackupHealth,
    /// When the metadata was backed up, and whether that went well.
    pub(crate) metadata_backup: MetadataBackupHealth,
    /// What lifecycle rules did.
    pub(crate) lifecycle: LifecycleMetrics,
    /// What replication has done.
    pub(crate) replication: Arc<ReplicationMetrics>,
    /// The keys of the KMS and their use; set once there is one.
    pub(crate) kms: OnceLock<Arc<KmsMetrics>>,
    /// What is counted of providers of keys, by their name.
    key_providers: Vec<(String, Arc<ProviderStats>)>,
    /// Connections accepted.
    connections: Counter,
    /// Connections open now.
    open_connections: Gauge,
    /// Requests being answered now.
    in_flight: Gauge,
    operations: RwLock<BTreeMap<&'static str, Arc<OperationMetrics>>>,
    targets: RwLock<BTreeMap<String, Arc<TargetMetrics>>>,
}

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number of things that exist now.
#[derive(Default)]
struct Gauge(AtomicI64);

impl Gauge {
    fn enter(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// What is counted of runs of lifecycle rules.
#[derive(Default)]
pub(crate) struct LifecycleMetrics {
    runs: Counter,
    looked_at: Counter,
    expired: Counter,
    transitioned: Counter,
    aborted: Counter,
    locked: Counter,
}

impl LifecycleMetrics {
    /// A piece of a run is done.
    pub(crate) fn worked(&self, progress: LifecycleProgress) {
        self.looked_at.add(progress.looked_at);
        self.expired.add(progress.expired);
        self.transitioned.add(progress.transitioned);
        self.aborted.add(progress.aborted);
        self.locked.add(progress.locked);
    }

    /// The last piece of a run is done.
    pub(crate) fn finished(&self, progress: LifecycleProgress) {
        self.worked(progress);
        self.runs.add(1);
    }

    fn render(&self, text: &mut Exposition) {
        let (name, help) = ("coffer_lifecycle_runs_total", "Runs of lifecycle rules that are over.");
        text.single(name, "counter", help, self.runs.value());
        let name = "coffer_lifecycle_items_total";
        text.family(name, "counter", "Versions, delete markers and uploads, by what lifecycle rules did to them.");
        for (outcome, count) in [
            ("looked_at", &self.looked_at),
            ("expired", &self.expired),
            ("transitioned", &self.transitioned),
            ("aborted", &self.aborted),
            ("locked", &self.locked),
        ] {
            text.sample(name, &format!("{{outcome=\"{outcome}\"}}"), count.value());
        }
    }
}

/// What is counted of one operation of the API.
#[derive(Default)]
struct OperationMetrics {
    /// Answers by the first digit of their status: 1 to 5.
    by_class: [Counter; 5],
    /// Answers by latency: within each bound of [`BUCKETS_MS`], and slower than all.
    by_latency: [Counter; BUCKETS_MS.len() + 1],
    latency_micros: Counter,
}

/// A request that is being answered; counted when dropped, which is when its answer's body has gone out or broken.
pub(crate) struct InFlight {
    metrics: Arc<Metrics>,
    started: Instant,
    outcome: Option<(&'static str, StatusCode)>,
}

impl InFlight {
    /// The answer's head is known.
    pub(crate) fn answered(&mut self, operation: &'static str, status: StatusCode) {
        self.outcome = Some((operation, status));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.in_flight.leave();
        // Without an outcome the client went away before there was an answer.
        if let Some((operation, status)) = self.outcome {
            self.metrics.count(operation, status, self.started.elapsed());
        }
    }
}

/// An open connection; counted until dropped.
pub(crate) struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open_connections.leave();
    }
}

impl Metrics {
    /// Nothing counted yet but what these providers of keys count themselves.
    pub(crate) fn new(key_providers: Vec<(String, Arc<ProviderStats>)>) -> Self {
        Self { key_providers, ..Self::default() }
    }

    /// A connection was accepted.
    pub(crate) fn connect(self: &Arc<Self>) -> OpenConnection {
        self.connections.add(1);
        self.open_connections.enter();
        OpenConnection(Arc::clone(self))
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.enter();
        InFlight { metrics: Arc::clone(self), started: Instant::now(), outcome: None }
    }

    fn count(&self, operation: &'static str, status: StatusCode, latency: Duration) {
        let operation = self.operation(operation);
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        operation.by_class[class].add(1);
        let millis = latency.as_millis();
        let bucket = BUCKETS_MS.partition_point(|bound| u128::from(*bound) < millis);
        operation.by_latency[bucket].add(1);
        operation.latency_micros.add(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    fn operation(&self, name: &'static str) -> Arc<OperationMetrics> {
        // A panic cannot leave the map half-changed, so a poisoned lock is as good as any.
        if let Some(known) = self.operations.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut operations = self.operations.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(operations.entry(name).or_default())
    }

    /// What is counted of a target of notifications.
    pub(crate) fn target(&self, name: &str) -> Arc<TargetMetrics> {
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(targets.entry(name.to_owned()).or_default())
    }

    /// The text that Prometheus scrapes (exposition format 0.0.4).
    pub(crate) fn render(&self) -> String {
        let mut text = Exposition::default();
        text.family("coffer_build_info", "gauge", "The version that runs.");
        text.sample("coffer_build_info", concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
        text.single("coffer_connections_total", "counter", "Connections accepted.", self.connections.value());
        text.single("coffer_connections_open", "gauge", "Connections open now.", self.open_connections.value());
        text.single("coffer_requests_in_flight", "gauge", "Requests being answered now.", self.in_flight.value());
        text.single("coffer_received_bytes_total", "counter", "Bytes that came from clients.", self.received.value());
        text.single("coffer_sent_bytes_total", "counter", "Bytes that went to clients.", self.sent.value());
        let dropped = self.access_log_dropped.value();
        text.single("coffer_access_log_dropped_total", "counter", "Lines missing in the access log.", dropped);
        let (name, dropped) = ("coffer_server_access_log_dropped_total", self.bucket_log_dropped.load(Relaxed));
        text.single(name, "counter", "Lines missing in the logs of buckets.", dropped);
        if let Some(is_intact) = self.audit.is_intact() {
            let help = "Whether the audit log of keys is what was written: 1 or 0.";
            text.single("coffer_key_audit_intact", "gauge", help, u8::from(is_intact));
        }
        if let Some(verified) = self.key_backup.is_verified() {
            let help = "Whether a backup of the root key as it is now was verified: 1 or 0.";
            text.single("coffer_key_backup_verified", "gauge", help, u8::from(verified));
        }
        text.metadata_backup(&self.metadata_backup);
        self.lifecycle.render(&mut text);
        text.replication(&self.replication);
        if let Some(kms) = self.kms.get() {
            keys::render(kms, &mut text);
        }
        let operations = self.operations.read().unwrap_or_else(PoisonError::into_inner);
        text.family("coffer_requests_total", "counter", "Requests answered, by operation and class of status.");
        for (name, operation) in operations.iter() {
            for (class, count) in (1..).zip(&operation.by_class) {
                if count.value() > 0 {
                    let labels = format!("{{operation=\"{name}\",status=\"{class}xx\"}}");
                    text.sample("coffer_requests_total", &labels, count.value());
                }
            }
        }
        text.family("coffer_request_seconds", "histogram", "Time from a request's head to its answer's last byte.");
        for (name, operation) in operations.iter() {
            operation.render_latency(name, &mut text);
        }
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        targets::render(targets.iter().map(|(name, target)| (name, &**target)), SystemClock.now_ms(), &mut text);
        key_providers::render(&self.key_providers, &mut text);
        process(&mut text);
        text.0
    }
}

impl OperationMetrics {
    fn render_latency(&self, name: &str, text: &mut Exposition) {
        let mut below = 0;
        let bounds = BUCKETS_MS.iter().map(|bound| seconds(*bound * 1000)).chain(["+Inf".to_owned()]);
        for (count, bound) in self.by_latency.iter().zip(bounds) {
            below += count.value();
            let labels = format!("{{operation=\"{name}\",le=\"{bound}\"}}");
            text.sample("coffer_request_seconds_bucket", &labels, below);
        }
        let labels = format!("{{operation=\"{name}\"}}");
        text.sample("coffer_request_seconds_sum", &labels, seconds(self.latency_micros.value()));
        text.sample("coffer_request_seconds_count", &labels, below);
    }
}

/// Decimal seconds of `micros`, without a rounding error.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The process as the system sees it; what cannot be read is left out.
fn process(text: &mut Exposition) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
    if let Some(kib) = resident.and_then(|kib| kib.trim().parse::<u64>().ok()) {
        text.single("process_resident_memory_bytes", "gauge", "Memory that is resident.", kib * 1024);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        text.single("process_open_fds", "gauge", "File descriptors open.", descriptors.count());
    }
}

/// Text in the exposition format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// Nothing before the first attempt.
    fn metadata_backup(&mut self, health: &MetadataBackupHealth) {
        let Some(last) = health.last() else { return };
        if let Some(taken) = &last.taken {
            let (name, help) = ("coffer_backup_timestamp_seconds", "When the last backup of the metadata was taken.");
            self.single(name, "gauge", help, taken.taken_ms / 1000);
        }
        if last.taken.is_some() || last.failed_ms.is_some() {
            let help = "Whether the last attempt to back up the metadata succeeded: 1 or 0.";
            self.single("coffer_backup_succeeded", "gauge", help, u8::from(last.failed_ms.is_none()));
        }
    }

    fn replication(&mut self, done: &ReplicationMetrics) {
        let count = |number: &AtomicU64| number.load(Relaxed);
        self.single("coffer_replication_pending", "gauge", "Versions to be replicated.", count(&done.pending));
        for (name, help, number) in [
            ("coffer_replication_completed_total", "Versions replicated.", &done.completed),
            ("coffer_replication_failed_total", "Versions whose replication was given up.", &done.failed),
            ("coffer_replication_retried_total", "Attempts to replicate that are made again.", &done.retried),
            ("coffer_replication_bytes_total", "Bytes replicated.", &done.bytes),
        ] {
            self.single(name, "counter", help, count(number));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes any text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn requests_are_counted_by_operation_and_class() {
        let metrics = Metrics::default();
        metrics.count("PutObject", StatusCode::OK, Duration::ZERO);
        metrics.count("PutObject", StatusCode::NO_CONTENT, Duration::ZERO);
        metrics.count("PutObject", StatusCode::FORBIDDEN, Duration::ZERO);
        check(&metrics, "coffer_requests_total{operation=\"PutObject\",status=\"2xx\"} 2");
        check(&metrics, "coffer_requests_total{operation=\"PutObject\",status=\"4xx\"} 1");
    }

    #[test]
    fn the_histogram_is_cumulative_and_bounds_are_inclusive() {
        let metrics = Metrics::default();
        for millis in [0, 1, 2, 3, 200_000] {
            metrics.count("GetObject", StatusCode::OK, Duration::from_millis(millis));
        }
        for (bound, below) in [("0.001000", 2), ("0.002000", 3), ("0.005000", 4), ("120.000000", 4), ("+Inf", 5)] {
            let labels = format!("{{operation=\"GetObject\",le=\"{bound}\"}}");
            check(&metrics, &format!("coffer_request_seconds_bucket{labels} {below}"));
        }
        check(&metrics, "coffer_request_seconds_sum{operation=\"GetObject\"} 200.006000");
        check(&metrics, "coffer_request_seconds_count{operation=\"GetObject\"} 5");
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let mut request = metrics.begin();
        check(&metrics, "coffer_requests_in_flight 1");
        request.answered("HeadObject", StatusCode::NOT_FOUND);
        drop(request);
        check(&metrics, "coffer_requests_in_flight 0");
        check(&metrics, "coffer_requests_total{operation=\"HeadObject\",status=\"4xx\"} 1");
    }

    #[test]
    fn a_request_without_an_answer_is_not_counted() {
        let metrics = Arc::new(Metrics::default());
        drop(metrics.begin());
        assert!(!metrics.render().contains("operation="));
    }

    #[test]
    fn the_process_is_described() {
        let text = Metrics::default().render();
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.contains("\nprocess_open_fds "), "{text}");
    }
}
