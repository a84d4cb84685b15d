//! Queues of notifications: an event is queued if, and only if, its change is committed.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::{
    BucketSettings, DestinationKind, NotificationConfiguration, NotificationEvent, NotificationRule,
};
use coffer_store::{ChangedBy, ETagMatch, Encryption, Origin, QueuedNotification, StoreError};
use common::{World, plain_put};

fn rule(target: &str, events: &[NotificationEvent], prefix: Option<&str>) -> NotificationRule {
    NotificationRule {
        id: format!("rule of {target}"),
        kind: DestinationKind::Queue,
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{target}"),
        target: target.to_owned(),
        events: events.to_vec(),
        prefix: prefix.map(str::to_owned),
        suffix: None,
    }
}

impl World {
    /// The world with a bucket that has these rules.
    async fn notifying(self, rules: Vec<NotificationRule>) -> Self {
        let rules = NotificationConfiguration::new(rules).unwrap();
        let change = |_: &_, settings: &mut BucketSettings| {
            settings.notification = Some(rules.clone());
            Ok::<_, StoreError>(())
        };
        self.store.configure_bucket(self.bucket.name(), change).await.unwrap();
        let bucket = self.store.bucket(self.bucket.name()).await.unwrap();
        self.with_bucket(bucket)
    }

    async fn put_by(&self, name: &str, by: ChangedBy) -> Result<(), StoreError> {
        let origin = Origin { by, principal_id: "AIDAEXAMPLE".to_owned(), ..Origin::default() };
        let put = coffer_store::PutObject { origin, ..plain_put(Encryption::SseS3) };
        self.try_put(name, b"hello", put).await.map(drop)
    }

    async fn queued(&self, target: &str) -> Vec<QueuedNotification> {
        self.store.queued_notifications(target, 100).await.unwrap()
    }
}

fn seen(queued: &[QueuedNotification]) -> Vec<(&str, NotificationEvent)> {
    queued.iter().map(|queued| (queued.notification.object_key.as_str(), queued.notification.event)).collect()
}

#[tokio::test]
async fn what_is_written_is_queued_in_order_for_who_asked() {
    let created = [NotificationEvent::ObjectCreatedAny];
    let world =
        World::new().await.notifying(vec![rule("a", &created, Some("a/")), rule("b", &created, Some("b/"))]).await;
    world.put_by("a/1", ChangedBy::Put).await.unwrap();
    world.put_by("b/1", ChangedBy::Post).await.unwrap();
    world.put_by("a/2", ChangedBy::Copy).await.unwrap();
    world.put_by("c/1", ChangedBy::Put).await.unwrap();
    let queued = world.queued("a").await;
    assert_eq!(
        seen(&queued),
        [("a/1", NotificationEvent::ObjectCreatedPut), ("a/2", NotificationEvent::ObjectCreatedCopy)]
    );
    let first = &queued[0].notification;
    assert_eq!((first.bucket.as_str(), first.rule_id.as_str(), first.size), ("bucket", "rule of a", 5));
    assert_eq!((first.principal_id.as_str(), first.etag.len(), &first.version_id), ("AIDAEXAMPLE", 32, &None));
    assert!(first.sequencer < queued[1].notification.sequencer);
    assert_eq!(seen(&world.queued("b").await), [("b/1", NotificationEvent::ObjectCreatedPost)]);
    assert_eq!(world.store.notification_targets().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_bucket_without_rules_queues_nothing() {
    let world = World::new().await;
    world.put_by("a", ChangedBy::Put).await.unwrap();
    assert_eq!(world.row_keys('E').await.len(), 0);
}

#[tokio::test]
async fn what_does_not_happen_is_not_queued() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], None)]).await;
    let wrong = Some(ETagMatch::OneOf(vec!["0".repeat(32)]));
    let conditions = coffer_store::WriteConditions { if_match: wrong, ..Default::default() };
    let put = coffer_store::PutObject { conditions, ..plain_put(Encryption::SseS3) };
    assert!(world.try_put("k", b"hello", put).await.is_err());
    assert_eq!(world.row_keys('E').await.len(), 0);
}

#[tokio::test]
async fn a_queue_outlives_the_process_and_its_bucket() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], None)]).await;
    world.put_by("k", ChangedBy::Put).await.unwrap();
    world.delete("k").await;
    world.store.delete_bucket(world.bucket.name()).await.unwrap();
    let store = world.restarted();
    let queued = store.queued_notifications("a", 10).await.unwrap();
    assert_eq!(seen(&queued), [("k", NotificationEvent::ObjectCreatedPut)]);
    store.dequeue_notifications(&queued).await.unwrap();
    assert_eq!(world.row_keys('E').await.len(), 0);
}

#[tokio::test]
async fn names_of_targets_do_not_mix() {
    let created = [NotificationEvent::ObjectCreatedAny];
    let world =
        World::new().await.notifying(vec![rule("a", &created, Some("1")), rule("aa", &created, Some("2"))]).await;
    for name in ["1", "2", "2"] {
        world.put_by(name, ChangedBy::Put).await.unwrap();
    }
    assert_eq!(world.store.count_notifications("a", 100).await.unwrap(), 1);
    assert_eq!(world.store.count_notifications("aa", 100).await.unwrap(), 2);
    assert_eq!(world.store.count_notifications("aa", 1).await.unwrap(), 1);
    assert_eq!(world.store.count_notifications("", 100).await.unwrap(), 0);
}

#[tokio::test]
async fn only_what_is_old_is_dropped() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], None)]).await;
    world.put_by("old", ChangedBy::Put).await.unwrap();
    world.clock.advance_ms(1000);
    world.put_by("new", ChangedBy::Put).await.unwrap();
    let queued = world.queued("a").await;
    let before_ms = queued[1].queued_ms();
    assert_eq!(before_ms - queued[0].queued_ms(), 1000);
    assert_eq!(world.store.drop_notifications("a", before_ms).await.unwrap(), 1);
    assert_eq!(world.store.drop_notifications("a", before_ms).await.unwrap(), 0);
    assert_eq!(seen(&world.queued("a").await), [("new", NotificationEvent::ObjectCreatedPut)]);
}

#[tokio::test]
async fn who_delivers_is_woken() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], Some("a"))]).await;
    let mut woken = world.store.notifications_queued();
    world.put_by("b", ChangedBy::Put).await.unwrap();
    assert!(!woken.has_changed().unwrap());
    world.put_by("a", ChangedBy::Put).await.unwrap();
    assert!(woken.has_changed().unwrap());
    woken.borrow_and_update();
    world.store.dequeue_notifications(&world.queued("a").await).await.unwrap();
    assert!(!woken.has_changed().unwrap(), "a delivery is no news");
}

#[tokio::test]
async fn a_damaged_row_does_not_hold_up_the_others() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], None)]).await;
    for name in ["1", "2", "3"] {
        world.put_by(name, ChangedBy::Put).await.unwrap();
    }
    let rows = world.row_keys('E').await;
    let value = world.engine.get(&rows[2]).await.unwrap().unwrap();
    let mut swapped = coffer_meta::Commit::new();
    swapped.put(rows[1].clone(), value);
    world.engine.commit(swapped).await.unwrap();
    let names: Vec<_> = world.queued("a").await.into_iter().map(|queued| queued.notification.object_key).collect();
    assert_eq!(names, ["1", "3"]);
    let far_ms = 1_900_000_000_000;
    assert_eq!(world.store.drop_notifications("a", far_ms).await.unwrap(), 3);
}

#[tokio::test]
async fn nothing_of_a_notification_is_readable_in_its_row() {
    let world = World::new().await.notifying(vec![rule("a", &[NotificationEvent::ObjectCreatedAny], None)]).await;
    world.put_by("secret-name", ChangedBy::Put).await.unwrap();
    let rows = world.row_keys('E').await;
    let value = world.engine.get(&rows[0]).await.unwrap().unwrap();
    for canary in [&b"secret-name"[..], b"bucket", b"AIDAEXAMPLE", b"rule of a"] {
        assert!(!value.windows(canary.len()).any(|window| window == canary));
    }
}
