//! From the queue of a target to the target.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_crypto::random_array;
use coffer_s3::notification::event_message;
use coffer_store::{Clock as _, QueuedNotification, Store, StoreError, SystemClock};

use super::{EventTargets, Message, Session, TIMEOUT, Target, hex, too_long};
use crate::metrics::{Metrics, TargetMetrics};
use crate::shutdown::Shutdown;

/// Events that are read, delivered and taken out of the queue together. So many are delivered again after a crash.
const BATCH: usize = 64;
/// The first pause after a failure; each failure after it doubles the pause,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// up to this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a queue is looked at that nobody says has changed: the word of a request that was cut off may be missing.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How often a queue longer than a batch is counted, and up to how many.
const COUNT_PAUSE: Duration = Duration::from_secs(15);
const MOST_COUNTED: usize = 10_000;
/// How often old events are dropped.
const DROP_PAUSE: Duration = Duration::from_secs(60);

/// Delivers the queue of `target` in order, until the shutdown begins.
pub(crate) async fn deliver(
    store: Store,
    target: Arc<Target>,
    first_account: &'static str,
    metrics: Arc<TargetMetrics>,
    mut shutdown: Shutdown,
) {
    let mut queued = store.notifications_queued();
    let mut delivery = Delivery { store, target, first_account, metrics, session: None, failures: 0, counted: None };
    loop {
        queued.borrow_and_update();
        let pause = match delivery.batch(&mut shutdown).await {
            Batch::Stopped => return,
            Batch::Full => continue,
            Batch::Empty => LOOK_PAUSE,
            Batch::Failed(pause) => {
                // News of others does not make the target any better.
                tokio::select! {
                    () = shutdown.draining() => return,
                    () = tokio::time::sleep(pause) => continue,
                }
            }
        };
        tokio::select! {
            () = shutdown.draining() => return,
            _ = queued.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What became of a batch.
enum Batch {
    /// There may be more.
    Full,
    /// There is no more.
    Empty,
    /// The target is not to be asked again before so long.
    Failed(Duration),
    /// The shutdown has begun.
    Stopped,
}

struct Delivery {
    store: Store,
    target: Arc<Target>,
    first_account: &'static str,
    metrics: Arc<TargetMetrics>,
    session: Option<Box<dyn Session>>,
    /// Failures in a row.
    failures: u32,
    /// When the queue was last counted.
    counted: Option<Instant>,
}

impl Delivery {
    async fn batch(&mut self, shutdown: &mut Shutdown) -> Batch {
        let waiting = match self.store.queued_notifications(&self.target.name, BATCH).await {
            Ok(waiting) => waiting,
            Err(error) => return self.store_failed(&error),
        };
        if let Err(error) = self.measure(&waiting).await {
            return self.store_failed(&error);
        }
        let is_full = waiting.len() == BATCH;
        let (mut delivered, mut outcome) = (Vec::new(), if is_full { Batch::Full } else { Batch::Empty });
        // Rules were put when the settings may have been others.
        let (waiting, forbidden): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|queued| {
            let owner = queued.notification.owner.as_deref().unwrap_or(self.first_account);
            self.target.admits(owner, self.first_account)
        });
        if let Err(error) = self.drop_forbidden(&forbidden).await {
            return self.store_failed(&error);
        }
        for queued in waiting {
            let sent = tokio::select! {
                () = shutdown.draining() => {
                    outcome = Batch::Stopped;
                    break;
                }
                sent = self.send(&queued) => sent,
            };
            if let Err(why) = sent {
                outcome = self.failed(&why);
                break;
            }
            self.failures = 0;
            delivered.push(queued);
        }
        if !delivered.is_empty() {
            if let Err(error) = self.store.dequeue_notifications(&delivered).await {
                return self.store_failed(&error);
            }
            self.metrics.delivered(delivered.len());
        }
        outcome
    }

    /// Drops the events of accounts that may not use the target any more.
    async fn drop_forbidden(&mut self, forbidden: &[QueuedNotification]) -> Result<(), StoreError> {
        if forbidden.is_empty() {
            return Ok(());
        }
        self.store.dequeue_notifications(forbidden).await?;
        self.metrics.dropped(forbidden.len());
        let (target, dropped) = (&self.target.name, forbidden.len());
        tracing::warn!(target, dropped, "events of accounts that may not use their target any more were dropped");
        Ok(())
    }

    /// Sends an event, once more if the connection has grown old.
    async fn send(&mut self, queued: &QueuedNotification) -> Result<(), String> {
        let body = event_message(&queued.notification, self.first_account);
        let message = Message { id: hex(queued.id()), body };
        if let Some(mut session) = self.session.take()
            && let Ok(Ok(())) = tokio::time::timeout(TIMEOUT, session.publish(&message)).await
        {
            self.session = Some(session);
            return Ok(());
        }
        let attempt = async {
            let mut session = self.target.publisher.connect().await?;
            session.publish(&message).await.map(|()| session)
        };
        self.session = Some(tokio::time::timeout(TIMEOUT, attempt).await.unwrap_or_else(|_| Err(too_long()))?);
        Ok(())
    }

    async fn measure(&mut self, waiting: &[QueuedNotification]) -> Result<(), StoreError> {
        self.metrics.set_oldest_ms(waiting.first().map(QueuedNotification::queued_ms));
        if waiting.len() < BATCH {
            self.counted = None;
            self.metrics.set_queued(waiting.len());
        } else if self.counted.is_none_or(|counted| counted.elapsed() >= COUNT_PAUSE) {
            self.counted = Some(Instant::now());
            self.metrics.set_queued(self.store.count_notifications(&self.target.name, MOST_COUNTED).await?);
        }
        Ok(())
    }

    fn failed(&mut self, why: &str) -> Batch {
        self.metrics.failed();
        let pause = pause_after(self.failures, u16::from_be_bytes(random_array()));
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(
            target = self.target.name,
            why,
            failures = self.failures,
            "a target of notifications takes none"
        );
        Batch::Failed(pause)
    }

    /// The queue is the store's: there is nothing to blame the target for.
    fn store_failed(&mut self, error: &StoreError) -> Batch {
        tracing::error!(%error, "the queue of a target of notifications cannot be read or written");
        Batch::Failed(LONGEST_PAUSE)
    }
}

/// How long to wait after `failures` others; `chance` takes off up to half of it, so that not all come back at once.
fn pause_after(failures: u32, chance: u16) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    longest - longest.mul_f64(f64::from(chance) / f64::from(u16::MAX) / 2.0)
}

/// Drops events that have waited for longer than `max_age`, of targets that are gone too, until the shutdown begins.
pub(crate) async fn drop_old(
    store: Store,
    targets: Arc<EventTargets>,
    max_age: Duration,
    metrics: Arc<Metrics>,
    mut shutdown: Shutdown,
) {
    let forever = async {
        loop {
            if let Err(error) = drop_once(&store, &targets, max_age, &metrics).await {
                tracing::error!(%error, "old notifications could not be dropped");
            }
            tokio::time::sleep(DROP_PAUSE.min(max_age)).await;
        }
    };
    tokio::select! {
        () = shutdown.draining() => {}
        () = forever => {}
    }
}

async fn drop_once(
    store: &Store,
    targets: &EventTargets,
    max_age: Duration,
    metrics: &Metrics,
) -> Result<(), StoreError> {
    let max_age_ms = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
    let before_ms = SystemClock.now_ms().saturating_sub(max_age_ms);
    for name in store.notification_targets().await? {
        if !targets.all().any(|target| target.name == name) {
            tracing::warn!(target = name, "events wait for a target of notifications that is not in the settings");
        }
        let dropped = store.drop_notifications(&name, before_ms).await?;
        if dropped > 0 {
            metrics.target(&name).dropped(dropped);
            tracing::error!(target = name, dropped, "events waited too long for their target and were dropped");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_half_a_minute() {
        for (failures, longest_s) in [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (1000, 30)] {
            assert_eq!(pause_after(failures, 0), Duration::from_secs(longest_s));
            assert_eq!(pause_after(failures, u16::MAX), Duration::from_secs(longest_s) / 2);
        }
    }
}
