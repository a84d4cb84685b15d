//! What is counted of each target of notifications.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Counter, Exposition};

/// One target.
#[derive(Default)]
pub(crate) struct TargetMetrics {
    delivered: Counter,
    failed: Counter,
    dropped: Counter,
    queued: AtomicU64,
    /// When the oldest event was queued, in milliseconds since 1970; 0: none waits.
    oldest_ms: AtomicU64,
}

impl TargetMetrics {
    /// The target took so many events.
    pub(crate) fn delivered(&self, count: usize) {
        self.delivered.add(count as u64);
    }

    /// The target did not take an event.
    pub(crate) fn failed(&self) {
        self.failed.add(1);
    }

    /// So many events waited too long, or their account may not use the target any more.
    pub(crate) fn dropped(&self, count: usize) {
        self.dropped.add(count as u64);
    }

    /// So many events wait.
    pub(crate) fn set_queued(&self, count: usize) {
        self.queued.store(count as u64, Relaxed);
    }

    /// The oldest event that waits was queued at this time.
    pub(crate) fn set_oldest_ms(&self, queued_ms: Option<u64>) {
        self.oldest_ms.store(queued_ms.unwrap_or(0), Relaxed);
    }
}

/// Writes what is known of all targets, by name.
pub(super) fn render<'a>(
    targets: impl Iterator<Item = (&'a String, &'a TargetMetrics)> + Clone,
    now_ms: u64,
    text: &mut Exposition,
) {
    let oldest_s = |target: &TargetMetrics| match target.oldest_ms.load(Relaxed) {
        0 => 0,
        queued_ms => now_ms.saturating_sub(queued_ms) / 1000,
    };
    let mut family = |name: &str, kind: &str, about: &str, value: &dyn Fn(&TargetMetrics) -> u64| {
        text.family(name, kind, about);
        for (target, counted) in targets.clone() {
            text.sample(name, &format!("{{target=\"{target}\"}}"), value(counted));
        }
    };
    let about = "Events that wait for their target, counted up to 10000.";
    family("coffer_notification_queued", "gauge", about, &|target| target.queued.load(Relaxed));
    let about = "How long the oldest event waits for its target.";
    family("coffer_notification_oldest_seconds", "gauge", about, &oldest_s);
    let about = "Events that their target took.";
    family("coffer_notification_delivered_total", "counter", about, &|target| target.delivered.value());
    let about = "Times that a target did not take an event.";
    family("coffer_notification_failed_total", "counter", about, &|target| target.failed.value());
    let about = "Events that were dropped: they waited too long, or their account may not use the target any more.";
    family("coffer_notification_dropped_total", "counter", about, &|target| target.dropped.value());
}
