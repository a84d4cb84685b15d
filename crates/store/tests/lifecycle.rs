//! What lifecycle rules do to objects, versions, delete markers and uploads.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::{
    CurrentVersion, DAY_MS, LifecycleAction, LifecycleConfiguration, LifecycleFilter, LifecycleRule, NoncurrentVersion,
    NotificationConfiguration, ObjectLock, Retention, RetentionMode, Transition, TransitionStorageClass,
    VersioningStatus, When,
};
use coffer_store::{
    Encryption, LifecycleJob, LifecycleProgress, LifecycleSettings, ListVersions, LockChange, ObjectVersion, Origin,
    StoreError, VersionEntry, VersionId,
};
use common::lifecycle::{aborts, days, expires, expires_noncurrent, removes_markers, rule, run};
use common::rng::{Rng, seeds};
use common::{World, customer_key, key, pattern, plain_put};

const ENABLED: Option<VersioningStatus> = Some(VersioningStatus::Enabled);
const SUSPENDED: Option<VersioningStatus> = Some(VersioningStatus::Suspended);

async fn world(rules: Vec<LifecycleRule>, versioning: Option<VersioningStatus>) -> World {
    let mut world = World::new().await;
    world.set_lifecycle(rules, versioning).await;
    world
}

async fn put(world: &World, name: &str) -> VersionId {
    world.put(name, b"data", Encryption::SseS3).await.info.version
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn objects_go_when_they_are_old_enough_and_not_before() {
    let world = world(vec![expires("old/", 3)], None).await;
    world.put("old/inline", b"1", Encryption::SseS3).await;
    world.put("old/blob", &pattern(50_000), Encryption::SseC(&customer_key(1))).await;
    world.put("other", &pattern(50_000), Encryption::SseS3).await;
    world.clock.advance_ms(3 * DAY_MS);
    assert_eq!(world.run_lifecycle().await.expired, 0);
    world.clock.advance_ms(DAY_MS);
    put(&world, "old/new").await;
    let progress = world.run_lifecycle().await;
    assert_eq!(progress, LifecycleProgress { looked_at: 3, expired: 2, ..LifecycleProgress::default() });
    assert_eq!(world.names().await, strings(&["old/new", "other"]));
    world.assert_no_leak("after a run").await;
}

#[tokio::test]
async fn a_version_stays_behind_the_delete_marker_until_its_own_time() {
    let rules = vec![
        LifecycleRule { id: "1".into(), ..expires("", 1) },
        LifecycleRule { id: "2".into(), ..expires_noncurrent("", 2, None) },
        LifecycleRule { id: "3".into(), ..removes_markers("") },
    ];
    let world = world(rules, ENABLED).await;
    put(&world, "a").await;
    world.clock.advance_ms(days(1));
    assert_eq!(world.run_lifecycle().await.expired, 1);
    let version = |what: &str, current| ("a".to_owned(), what.to_owned(), current);
    assert_eq!(world.versions().await, [version("marker", true), version("STANDARD", false)]);
    world.clock.advance_ms(2 * DAY_MS);
    assert_eq!(world.run_lifecycle().await.expired, 0);
    world.clock.advance_ms(DAY_MS);
    // The version goes, and in the same run the marker that hides nothing any more.
    assert_eq!(world.run_lifecycle().await.expired, 2);
    assert_eq!(world.versions().await, []);
    assert_eq!(world.rows().await.into_keys().collect::<String>(), "BL");
}

#[tokio::test]
async fn where_versioning_is_suspended_the_marker_takes_the_place_of_null() {
    let mut world = world(vec![], ENABLED).await;
    put(&world, "a").await;
    put(&world, "b").await;
    world.set_lifecycle(vec![expires("", 1)], SUSPENDED).await;
    put(&world, "b").await;
    put(&world, "c").await;
    world.clock.advance_ms(days(1));
    assert_eq!(world.run_lifecycle().await.expired, 3);
    let what: Vec<_> = world.versions().await.into_iter().map(|(name, what, _)| format!("{name} {what}")).collect();
    assert_eq!(what, ["a marker", "a STANDARD", "b marker", "b STANDARD", "c marker"]);
    assert!(world.names().await.is_empty());
}

#[tokio::test]
async fn a_marker_that_hides_something_stays() {
    let world = world(vec![removes_markers("")], ENABLED).await;
    put(&world, "a").await;
    world.delete("a").await;
    world.delete("never there").await;
    world.clock.advance_ms(DAY_MS);
    assert_eq!(world.run_lifecycle().await.expired, 1);
    let names: Vec<_> = world.versions().await.into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, strings(&["a", "a"]));
}

#[tokio::test]
async fn the_newest_noncurrent_versions_stay_however_many_batches_there_are() {
    let world = world(vec![expires_noncurrent("a", 1, Some(300))], ENABLED).await;
    for name in ["a", "a1"] {
        for _ in 0..310 {
            put(&world, name).await;
        }
    }
    world.clock.advance_ms(days(1));
    assert_eq!(world.run_lifecycle().await.expired, 2 * 9);
    let versions = world.versions().await;
    for name in ["a", "a1"] {
        assert_eq!(versions.iter().filter(|(other, ..)| other == name).count(), 301);
    }
    world.clock.advance_ms(days(1));
    assert_eq!(world.run_lifecycle().await.expired, 0, "what is to stay stays");
}

#[tokio::test]
async fn versions_that_another_rule_removes_are_not_among_the_newer_ones() {
    let mut tagged = expires_noncurrent("", 1, None);
    tagged.filter = LifecycleFilter { tags: vec![("k".to_owned(), "v".to_owned())], ..LifecycleFilter::default() };
    let kept = LifecycleRule { id: "kept".into(), ..expires_noncurrent("", 1, Some(2)) };
    let world = world(vec![tagged, kept], ENABLED).await;
    // From the oldest to the current one; those with a tag go whatever their number.
    for has_tag in [false, false, true, false, true, true] {
        let mut put = plain_put(Encryption::SseS3);
        put.tags = if has_tag { vec![("k".to_owned(), "v".to_owned())] } else { vec![] };
        world.try_put("a", b"data", put).await.unwrap();
    }
    world.clock.advance_ms(days(1));
    assert_eq!(world.run_lifecycle().await.expired, 3);
    assert_eq!(world.versions().await.len(), 1 + 2, "two of the three without a tag stay");
}

#[tokio::test]
async fn transitions_change_the_class_and_nothing_else() {
    let mut rule = rule("");
    let when = When::Days(30);
    rule.transitions = vec![Transition { when, storage_class: TransitionStorageClass::StandardIa }];
    let world = world(vec![rule], ENABLED).await;
    let data = pattern(200_000);
    let before = world.put("a", &data, Encryption::SseS3).await.info;
    world.put("small", b"data", Encryption::SseS3).await;
    world.clock.advance_ms(days(30));
    assert_eq!(world.run_lifecycle().await.transitioned, 1);
    world.clock.advance_ms(DAY_MS);
    assert_eq!(world.run_lifecycle().await.transitioned, 0, "once");
    let after = world.store.head_object(&world.bucket, &key("a"), world.keys(None), false).await.unwrap().0;
    assert_eq!(after.storage_class, "STANDARD_IA");
    assert_eq!(
        (after.version, after.etag, after.last_modified_ms),
        (before.version, before.etag, before.last_modified_ms)
    );
    assert_eq!(world.get("a").await, data);
    let small = world.store.head_object(&world.bucket, &key("small"), world.keys(None), false).await.unwrap().0;
    assert_eq!(small.storage_class, "STANDARD");
}

#[tokio::test]
async fn uploads_are_aborted_with_their_parts() {
    let world = world(vec![aborts("p/", 2)], None).await;
    let (old, other) =
        (world.create_upload("p/old", Encryption::SseS3).await, world.create_upload("other", Encryption::SseS3).await);
    world.part("p/old", old, 1, &pattern(5000), None).await.unwrap();
    world.part("other", other, 1, &pattern(5000), None).await.unwrap();
    world.clock.advance_ms(days(2));
    let new = world.create_upload("p/new", Encryption::SseS3).await;
    assert_eq!(world.run_lifecycle().await.aborted, 1);
    assert!(matches!(world.abort("p/old", old).await, Err(StoreError::NoSuchUpload)));
    world.assert_no_leak("after a run").await;
    world.abort("other", other).await.unwrap();
    world.abort("p/new", new).await.unwrap();
}

fn retained(mode: RetentionMode, until_ms: u64) -> ObjectLock {
    ObjectLock { retention: Some(Retention { mode, until_ms }), legal_hold: None }
}

#[tokio::test]
async fn no_rule_and_no_short_day_removes_what_a_lock_keeps() {
    let world = world(vec![expires_noncurrent("", 1, None)], ENABLED).await;
    let now_ms = coffer_store::Clock::now_ms(&*world.clock);
    for (name, lock) in [
        ("compliance", retained(RetentionMode::Compliance, now_ms + 10 * DAY_MS)),
        ("governance", retained(RetentionMode::Governance, now_ms + 10 * DAY_MS)),
        ("hold", ObjectLock { retention: None, legal_hold: Some(true) }),
        ("free", ObjectLock::default()),
    ] {
        let mut put = plain_put(Encryption::SseS3);
        put.lock = lock;
        world.try_put(name, b"data", put).await.unwrap();
        world.delete(name).await;
    }
    // Days of a second: nine of them pass for the rule, and next to nothing for the locks.
    world.clock.advance_ms(9000);
    let settings = LifecycleSettings { interval_ms: 1000, day_ms: 1000 };
    let progress = run(&mut LifecycleJob::new(world.store.clone(), settings)).await.unwrap();
    assert_eq!((progress.expired, progress.locked), (1, 3));
    world.clock.advance_ms(9 * DAY_MS);
    let progress = world.run_lifecycle().await;
    assert_eq!((progress.expired, progress.locked), (0, 3));
    world.clock.advance_ms(DAY_MS);
    let progress = world.run_lifecycle().await;
    assert_eq!((progress.expired, progress.locked), (2, 1), "the retentions have ended, the hold has not");
    let hold = key("hold");
    let list = ListVersions { prefix: "hold".to_owned(), max_keys: 9, ..ListVersions::default() };
    let versions = world.store.list_versions(&world.bucket, &list).await.unwrap().entries;
    let target = ObjectVersion { key: &hold, version: versions[1].version() };
    world.store.put_object_lock(&world.bucket, target, LockChange::LegalHold(false), &Origin::default()).await.unwrap();
    world.clock.advance_ms(DAY_MS);
    assert_eq!(world.run_lifecycle().await.expired, 1);
}

#[tokio::test]
async fn a_locked_null_version_keeps_its_place() {
    let mut world = world(vec![], ENABLED).await;
    let mut put = plain_put(Encryption::SseS3);
    put.lock = ObjectLock { retention: None, legal_hold: Some(true) };
    world.set_lifecycle(vec![expires("", 1)], SUSPENDED).await;
    world.try_put("a", b"data", put).await.unwrap();
    world.clock.advance_ms(days(1));
    let progress = world.run_lifecycle().await;
    assert_eq!((progress.expired, progress.locked), (0, 1));
    assert_eq!(world.get("a").await, b"data");
}

#[tokio::test]
async fn what_a_rule_does_is_told_as_its_doing() {
    let mut transition = rule("t");
    let when = When::Days(1);
    transition.transitions = vec![Transition { when, storage_class: TransitionStorageClass::Glacier }];
    let world = world(vec![expires("e", 1), transition], None).await;
    let notification = "s3:LifecycleExpiration:* s3:LifecycleTransition";
    let events = notification.split(' ').map(|name| coffer_configuration::NotificationEvent::from_name(name).unwrap());
    let asked = coffer_configuration::NotificationRule {
        id: "1".to_owned(),
        kind: coffer_configuration::DestinationKind::Queue,
        arn: "arn:aws:sqs:us-east-1:000000000000:target".to_owned(),
        target: "target".to_owned(),
        events: events.collect(),
        prefix: None,
        suffix: None,
    };
    let asked = NotificationConfiguration::new(vec![asked]).unwrap();
    let set = world.store.configure_bucket(world.bucket.name(), |_, settings| {
        settings.notification = Some(asked.clone());
        Ok::<_, StoreError>(())
    });
    set.await.unwrap();
    put(&world, "e").await;
    world.put("t", &pattern(200_000), Encryption::SseS3).await;
    world.clock.advance_ms(days(1));
    world.run_lifecycle().await;
    assert_eq!(world.row_keys('E').await.len(), 2);
}

/// Everything that is there, as rules see it.
async fn seen(world: &World) -> Vec<VersionEntry> {
    let list = ListVersions { max_keys: usize::MAX - 1, ..ListVersions::default() };
    world.store.list_versions(&world.bucket, &list).await.unwrap().entries
}

/// What is left of a listing, by asking the rules about each entry: the same as the job, without its tables.
fn left(entries: &[VersionEntry], rules: &LifecycleConfiguration, now_ms: u64) -> Vec<(String, Option<VersionId>)> {
    let mut left = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let key = entry.name();
        // A version that another rule removes does not count as newer.
        let newer = left.iter().filter(|(name, _, current)| name == key && !current).count();
        let noncurrent = |size, tags, class, since_ms| NoncurrentVersion {
            key,
            size,
            tags,
            storage_class: class,
            noncurrent_since_ms: since_ms,
            newer_noncurrent_versions: u32::try_from(newer).unwrap(),
        };
        let (goes, current) = match entry {
            VersionEntry::Object(_, info) => match info.noncurrent_since_ms {
                None => {
                    let version = CurrentVersion {
                        key,
                        size: info.size,
                        tags: &info.tags,
                        storage_class: &info.storage_class,
                        made_ms: info.last_modified_ms,
                    };
                    let expires = rules.current(&version, true, now_ms, DAY_MS) == Some(LifecycleAction::Expire);
                    if expires {
                        left.push((key.to_owned(), None, true));
                    }
                    (expires && info.version == VersionId::Null, !expires)
                }
                Some(since_ms) => {
                    let version = noncurrent(info.size, &info.tags, Some(&info.storage_class), since_ms);
                    (rules.noncurrent(&version, now_ms, DAY_MS) == Some(LifecycleAction::Expire), false)
                }
            },
            VersionEntry::DeleteMarker(_, info) => match info.noncurrent_since_ms {
                // Whether it hides anything is known below.
                None => (false, true),
                Some(since_ms) => {
                    let version = noncurrent(0, &[], None, since_ms);
                    (rules.noncurrent(&version, now_ms, DAY_MS) == Some(LifecycleAction::Expire), false)
                }
            },
            VersionEntry::CommonPrefix(_) => unreachable!("without a delimiter there is none"),
        };
        if !goes {
            left.push((key.to_owned(), entry.version(), current));
        }
        let is_last = entries.get(at + 1).is_none_or(|next| next.name() != key);
        if let (true, VersionEntry::DeleteMarker(_, info)) = (is_last, first_of(entries, key)) {
            let alone = left.iter().filter(|(name, ..)| name == key).count() == 1;
            let marker_goes = rules.removes_expired_marker(key, info.last_modified_ms, now_ms, DAY_MS);
            if alone && marker_goes {
                left.pop();
            }
        }
    }
    left.into_iter().map(|(name, version, _)| (name, version)).collect()
}

fn first_of<'a>(entries: &'a [VersionEntry], key: &str) -> &'a VersionEntry {
    entries.iter().find(|entry| entry.name() == key).unwrap()
}

fn random_rule(rng: &mut Rng, index: usize) -> LifecycleRule {
    let prefix = *rng.pick(&["", "a", "a/", "b"]);
    let days = 1 + u32::try_from(rng.below(4)).unwrap();
    let kept = (!rng.one_in(3)).then(|| 1 + u32::try_from(rng.below(3)).unwrap());
    let mut rule = match rng.below(4) {
        0 => expires(prefix, days),
        1 => removes_markers(prefix),
        _ => expires_noncurrent(prefix, days, kept),
    };
    if rng.one_in(3) && !matches!(rule.expiration, Some(coffer_configuration::Expiration::ExpiredObjectDeleteMarker(_)))
    {
        rule.filter = LifecycleFilter { tags: vec![("k".to_owned(), "v".to_owned())], ..rule.filter };
    }
    LifecycleRule { id: index.to_string(), enabled: !rng.one_in(5), ..rule }
}

#[tokio::test]
async fn a_run_leaves_what_the_rules_leave_of_a_listing() {
    const NAMES: [&str; 6] = ["a", "a/1", "a/2", "a\u{1}", "b", "c"];
    for seed in 0..seeds(40) {
        let mut rng = Rng::new(seed);
        let mut world = World::new().await;
        let rules: Vec<_> = (0..1 + rng.below(4)).map(|index| random_rule(&mut rng, index)).collect();
        for _ in 0..60 {
            if rng.one_in(6) {
                let status = if rng.one_in(3) { VersioningStatus::Suspended } else { VersioningStatus::Enabled };
                world.set_lifecycle(rules.clone(), Some(status)).await;
            }
            let name = *rng.pick(&NAMES);
            if rng.one_in(3) {
                world.delete(name).await;
            } else {
                let mut put = plain_put(Encryption::SseS3);
                if rng.one_in(2) {
                    put.tags = vec![("k".to_owned(), "v".to_owned())];
                }
                world.try_put(name, b"data", put).await.unwrap();
            }
            world.clock.advance_ms(rng.next() % (DAY_MS / 8));
        }
        world.set_lifecycle(rules.clone(), ENABLED).await;
        if rng.one_in(2) {
            world.set_lifecycle(rules.clone(), SUSPENDED).await;
        }
        let configuration = LifecycleConfiguration { rules, ..LifecycleConfiguration::default() };
        let expected = left(&seen(&world).await, &configuration, coffer_store::Clock::now_ms(&*world.clock));
        world.run_lifecycle().await;
        let found: Vec<_> = seen(&world).await.iter().map(|entry| (entry.name().to_owned(), entry.version())).collect();
        assert_eq!(found.len(), expected.len(), "seed {seed}: {found:?} {expected:?}");
        for ((name, version), (expected_name, expected_version)) in found.iter().zip(&expected) {
            assert_eq!(name, expected_name, "seed {seed}");
            // A marker that the run made has a version that nobody knew.
            assert!(expected_version.is_none() || version == expected_version, "seed {seed}: {found:?} {expected:?}");
        }
        world.assert_no_leak(&format!("seed {seed}")).await;
    }
}
