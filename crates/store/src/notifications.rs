//! Queues of notifications: events that rules of a bucket ask for, until somebody has delivered them.
//!
//! A row is written in the commit of the change that it tells of, so neither is there without the other.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use coffer_configuration::NotificationEvent;
use coffer_crypto::random_array;
use coffer_meta::{Commit, Direction, KeyRange};
use minicbor::{Decode, Encode};
use tokio::sync::watch;

use crate::bucket::Bucket;
use crate::error::{StoreError, unless_damaged};
use crate::events::{ChangedBy, ObjectChange, ObjectEvent};
use crate::names::VersionId;
use crate::store::Store;
use crate::tables::{self, Table};

/// An event that somebody is to hear of. System table.
///
/// It has no `Debug`: it names objects.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub struct Notification {
    /// What happened.
    #[n(0)]
    pub event: NotificationEvent,
    /// The `Id` of the rule that asks for it.
    #[n(1)]
    pub rule_id: String,
    /// When, in milliseconds since 1970.
    #[n(2)]
    pub time_ms: u64,
    /// The name of the bucket.
    #[n(3)]
    pub bucket: String,
    /// The region of the bucket.
    #[n(4)]
    pub region: String,
    /// The account that owns the bucket; `None`: the first one.
    #[n(5)]
    pub owner: Option<String>,
    /// The key of the object.
    #[n(6)]
    pub object_key: String,
    /// The version; `None` in a bucket that never had versioning.
    #[n(7)]
    pub version_id: Option<String>,
    /// The length of the object in bytes.
    #[n(8)]
    pub size: u64,
    /// Its ETag without quotes; empty for a delete marker.
    #[n(9)]
    pub etag: String,
    /// Orders the events of a key: a later one has more.
    #[n(10)]
    pub sequencer: u64,
    /// The unique ID of who asked for it; empty for the service itself.
    #[n(11)]
    pub principal_id: String,
    /// The address that the request came from; empty for the service itself.
    #[n(12)]
    pub source_ip: String,
    /// The ID of the request; empty for the service itself.
    #[n(13)]
    pub request_id: String,
    /// The ID of the process that took the request.
    #[n(14)]
    pub host_id: String,
}

/// A notification that waits.
pub struct QueuedNotification {
    row: Bytes,
    /// What it says.
    pub notification: Notification,
}

impl QueuedNotification {
    /// Tells it from any other, and stays the same until it is delivered.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        self.row.last_chunk::<{ tables::NOTIFICATION_ID_LEN }>().map_or(&[], |id| id)
    }

    /// When it was queued, in milliseconds since 1970.
    #[must_use]
    pub fn queued_ms(&self) -> u64 {
        tables::parse_notification(&self.row).map_or(0, |(_, stamp)| stamp_ms(stamp))
    }
}

/// What a store keeps in memory for its queues.
pub(crate) struct Queues {
    changed: watch::Sender<()>,
    last_stamp: AtomicU64,
}

impl Default for Queues {
    fn default() -> Self {
        Self { changed: watch::Sender::new(()), last_stamp: AtomicU64::new(0) }
    }
}

impl Queues {
    /// A number that is higher than all that were drawn before: the time above, a count below.
    fn stamp(&self, now_ms: u64) -> u64 {
        let next = |last: u64| (now_ms << STAMP_COUNT_BITS).max(last.saturating_add(1));
        let last = self.last_stamp.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }

    /// Wakes who delivers.
    pub(crate) fn changed(&self) {
        self.changed.send_replace(());
    }
}

/// Whether a commit queues a notification.
pub(crate) fn is_queued_in(commit: &Commit) -> bool {
    let letter = Table::Notification.letter();
    commit.writes.iter().any(|write| write.value.is_some() && write.key.first() == Some(&letter))
}

impl Store {
    /// Queues an event in `commit` for whoever the rules of the bucket name.
    ///
    /// To be called after what `commit` checks was read: then stamps of a key's events are in the order of its commits.
    pub(crate) fn queue_notifications(&self, commit: &mut Commit, bucket: &Bucket, event: &ObjectEvent<'_>) {
        let Some(rules) = bucket.settings().and_then(|settings| settings.notification.as_ref()) else { return };
        let Some(name) = event_name(event.change, event.origin.by) else { return };
        for rule in rules.matching(name, event.key.as_bytes()) {
            let stamp = self.0.queues.stamp(self.now_ms());
            let version_id = match event.version {
                VersionId::Null => bucket.versioning().map(|_| VersionId::Null.to_string()),
                made @ VersionId::Made { .. } => Some(made.to_string()),
            };
            let notification = Notification {
                event: name,
                rule_id: rule.id.clone(),
                time_ms: self.now_ms(),
                bucket: bucket.name().as_str().to_owned(),
                region: bucket.region().to_owned(),
                owner: bucket.owner().map(str::to_owned),
                object_key: event.key.as_str().to_owned(),
                version_id,
                size: event.size,
                etag: event.etag.to_owned(),
                sequencer: stamp,
                principal_id: event.origin.principal_id.clone(),
                source_ip: event.origin.source_ip.clone(),
                request_id: event.origin.request_id.clone(),
                host_id: event.origin.host_id.clone(),
            };
            let row = tables::notification(&rule.target, stamp, random_array());
            let sealed = self.seal_system(Table::Notification, &row, &notification);
            commit.put(row, sealed);
        }
    }

    /// The first notifications for `target`, in the order in which they were queued. Of the first `limit`, those that
    /// are damaged are logged and left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn queued_notifications(
        &self,
        target: &str,
        limit: usize,
    ) -> Result<Vec<QueuedNotification>, StoreError> {
        let range = KeyRange::prefix(&tables::notifications_of(target));
        let mut queued = Vec::new();
        for entry in self.0.engine.scan(range, limit, Direction::Forward).await? {
            let opened = self.open_system(Table::Notification, &entry.key, &entry.value);
            if let Some(notification) = unless_damaged("the delivery of notifications", opened)? {
                queued.push(QueuedNotification { row: entry.key, notification });
            }
        }
        Ok(queued)
    }

    /// Takes notifications out of their queues.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn dequeue_notifications(&self, delivered: &[QueuedNotification]) -> Result<(), StoreError> {
        let mut commit = Commit::new();
        delivered.iter().for_each(|queued| {
            commit.delete(queued.row.clone());
        });
        self.commit(commit).await.map(drop)
    }

    /// How many notifications wait for `target`; `most` if there are more.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn count_notifications(&self, target: &str, most: usize) -> Result<usize, StoreError> {
        let prefix = tables::notifications_of(target);
        let (mut range, mut count) = (KeyRange::prefix(&prefix), 0);
        loop {
            let page = self.0.engine.scan(range, PAGE.min(most - count), Direction::Forward).await?;
            count += page.len();
            match page.last() {
                Some(last) if page.len() == PAGE && count < most => range = KeyRange::prefix_after(&prefix, &last.key),
                _ => return Ok(count),
            }
        }
    }

    /// Drops the notifications for `target` that were queued before `before_ms`, opened or not, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn drop_notifications(&self, target: &str, before_ms: u64) -> Result<usize, StoreError> {
        let prefix = tables::notifications_of(target);
        let mut dropped = 0;
        loop {
            let page = self.0.engine.scan(KeyRange::prefix(&prefix), PAGE, Direction::Forward).await?;
            let is_old = |stamp| stamp_ms(stamp) < before_ms;
            let old = page
                .iter()
                .take_while(|entry| tables::parse_notification(&entry.key).is_none_or(|(_, stamp)| is_old(stamp)));
            let mut commit = Commit::new();
            old.for_each(|entry| {
                commit.delete(entry.key.clone());
            });
            let count = commit.writes.len();
            if count > 0 {
                self.commit(commit).await?;
            }
            dropped += count;
            if count < PAGE {
                return Ok(dropped);
            }
        }
    }

    /// The names of all targets that notifications wait for.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn notification_targets(&self) -> Result<Vec<String>, StoreError> {
        let table = Table::Notification.prefix();
        let (mut range, mut targets) = (KeyRange::prefix(&table), Vec::new());
        while let [entry] = self.0.engine.scan(range, 1, Direction::Forward).await?.as_slice() {
            let parsed =
                tables::parse_notification(&entry.key).and_then(|(name, _)| String::from_utf8(name.into()).ok());
            let target = parsed.ok_or_else(|| StoreError::Damaged("a notification is for nobody".to_owned()))?;
            range = KeyRange::prefix_from(&table, &tables::after_notifications_of(&target));
            targets.push(target);
        }
        Ok(targets)
    }

    /// Changes whenever a notification was queued.
    #[must_use]
    pub fn notifications_queued(&self) -> watch::Receiver<()> {
        self.0.queues.changed.subscribe()
    }
}

/// What S3 calls a change; `None` for one that nobody can ask for.
fn event_name(change: ObjectChange, by: ChangedBy) -> Option<NotificationEvent> {
    use NotificationEvent as Event;
    Some(match (change, by) {
        (ObjectChange::Created, ChangedBy::Post) => Event::ObjectCreatedPost,
        (ObjectChange::Created, ChangedBy::Copy) => Event::ObjectCreatedCopy,
        (ObjectChange::Created, ChangedBy::CompleteMultipartUpload) => Event::ObjectCreatedCompleteMultipartUpload,
        (ObjectChange::Created, _) => Event::ObjectCreatedPut,
        (ObjectChange::Removed, ChangedBy::Lifecycle) => Event::LifecycleExpirationDelete,
        (ObjectChange::Removed, _) => Event::ObjectRemovedDelete,
        (ObjectChange::MarkerCreated, ChangedBy::Lifecycle) => Event::LifecycleExpirationDeleteMarkerCreated,
        (ObjectChange::MarkerCreated, _) => Event::ObjectRemovedDeleteMarkerCreated,
        (ObjectChange::Tagged, _) => Event::ObjectTaggingPut,
        (ObjectChange::Untagged, _) => Event::ObjectTaggingDelete,
        (ObjectChange::AclSet, _) => Event::ObjectAclPut,
        (ObjectChange::Transitioned, _) => Event::LifecycleTransition,
        (ObjectChange::LockSet | ObjectChange::EncryptionUpdated, _) => return None,
    })
}

fn stamp_ms(stamp: u64) -> u64 {
    stamp >> STAMP_COUNT_BITS
}

/// The bits of a stamp that count within a millisecond; those above are milliseconds since 1970.
const STAMP_COUNT_BITS: u32 = 20;
/// Rows that are looked at in one go.
const PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_even_if_the_clock_does_not() {
        let queues = Queues::default();
        let stamps: Vec<u64> = [5, 5, 4, 6, 1, 6].into_iter().map(|now_ms| queues.stamp(now_ms)).collect();
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert_eq!(stamps.iter().map(|stamp| stamp_ms(*stamp)).collect::<Vec<_>>(), [5, 5, 5, 6, 6, 6]);
    }
}
