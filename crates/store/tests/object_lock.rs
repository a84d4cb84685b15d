//! Object Lock: every way in which a version could go or change its lock, and what may keep it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::{
    BucketSettings, DefaultRetention, ObjectLock, ObjectLockConfiguration, Retention, RetentionMode, RetentionPeriod,
    VersioningStatus,
};
use coffer_store::{
    BucketName, Clock as _, DeleteObject, DeletedObject, Encryption, LockChange, ObjectInfo, ObjectVersion, Origin,
    StoreError, VersionId,
};
use coffer_testkit::EngineCall;
use common::{World, key, pattern, plain_put, plain_upload};

const DAY_MS: u64 = 86_400_000;
const DATA: &[u8] = b"what is to be kept";
const BYPASS: [bool; 2] = [false, true];

/// A world whose bucket locks objects, with a default retention of `days` if there are any.
async fn locking(world: World, default: Option<(RetentionMode, u32)>) -> World {
    configure(&world, |settings| {
        let retention = default.map(|(mode, days)| DefaultRetention { mode, period: RetentionPeriod::Days(days) });
        settings.versioning = Some(VersioningStatus::Enabled);
        settings.object_lock = Some(ObjectLockConfiguration { default_retention: retention });
    })
    .await
}

/// The world after its bucket was configured.
async fn configure(world: &World, change: impl Fn(&mut BucketSettings)) -> World {
    let name = world.bucket.name();
    let configured = world.store.configure_bucket::<StoreError>(name, |_, settings| {
        change(settings);
        Ok(())
    });
    configured.await.unwrap();
    world.with_bucket(world.store.bucket(name).await.unwrap())
}

async fn lock_world() -> World {
    locking(World::new().await, None).await
}

fn retained(world: &World, mode: RetentionMode, days: u64) -> Retention {
    Retention { mode, until_ms: world.clock.now_ms() + days * DAY_MS }
}

/// Puts an object that is kept, and returns its version.
async fn put(world: &World, name: &str, lock: ObjectLock) -> VersionId {
    let put = common::plain_put(Encryption::SseS3);
    world.try_put(name, DATA, coffer_store::PutObject { lock, ..put }).await.unwrap().info.version
}

async fn put_retained(world: &World, mode: RetentionMode) -> VersionId {
    put(world, "a", ObjectLock { retention: Some(retained(world, mode, 1)), legal_hold: None }).await
}

async fn info(world: &World, name: &str, version: VersionId) -> Result<ObjectInfo, StoreError> {
    world.store.object_info(&world.bucket, ObjectVersion { key: &key(name), version: Some(version) }).await
}

async fn remove(
    world: &World,
    name: &str,
    version: VersionId,
    bypass_governance: bool,
) -> Result<DeletedObject, StoreError> {
    let delete = DeleteObject { bypass_governance, ..DeleteObject::default() };
    let (name, version) = (key(name), Some(version));
    world.store.delete_object(&world.bucket, ObjectVersion { key: &name, version }, &delete).await
}

async fn change(world: &World, version: VersionId, change: LockChange) -> Result<ObjectInfo, StoreError> {
    let target = ObjectVersion { key: &key("a"), version: Some(version) };
    world.store.put_object_lock(&world.bucket, target, change, &Origin::default()).await
}

async fn retain(
    world: &World,
    version: VersionId,
    retention: Option<Retention>,
    bypass_governance: bool,
) -> Result<ObjectInfo, StoreError> {
    change(world, version, LockChange::Retention { retention, bypass_governance }).await
}

async fn read(world: &World, name: &str, version: VersionId) -> Vec<u8> {
    let target = ObjectVersion { key: &key(name), version: Some(version) };
    let reader = world.store.get_object(&world.bucket, target, world.keys(None)).await.unwrap();
    let size = reader.info().size;
    let (mut stream, _) = reader.read(0..size).await.unwrap();
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await.unwrap() {
        out.extend_from_slice(&piece);
    }
    out
}

#[track_caller]
fn assert_locked<T>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::ObjectLocked)), "{:?}", outcome.err());
}

#[tokio::test]
async fn nothing_that_writes_or_deletes_removes_a_version_in_compliance() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    world.put("a", b"overwritten", Encryption::SseS3).await;
    world.put("b", &pattern(5000), Encryption::SseS3).await;
    world.copy(("b", None), "a", Encryption::SseS3).await.unwrap();
    world.copy(("a", None), "a", Encryption::SseS3).await.unwrap();
    let upload = world.create_upload("a", Encryption::SseS3).await;
    let etag = world.part("a", upload, 1, b"part", None).await.unwrap();
    world.complete("a", upload, &[(1, &etag)], None).await.unwrap();
    let aborted = world.create_upload("a", Encryption::SseS3).await;
    world.abort("a", aborted).await.unwrap();
    world.delete("a").await;
    world.delete("a").await;
    for bypass in BYPASS {
        assert_locked(remove(&world, "a", version, bypass).await);
    }
    assert!(matches!(world.store.delete_bucket(world.bucket.name()).await, Err(StoreError::BucketNotEmpty)));
    world.collect().await;
    assert_eq!(read(&world, "a", version).await, DATA);
}

#[tokio::test]
async fn a_locked_version_that_is_alone_keeps_its_bucket_from_being_made_again() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    world.delete("a").await;
    let name = world.bucket.name().clone();
    assert!(matches!(world.store.delete_bucket(&name).await, Err(StoreError::BucketNotEmpty)));
    let again = world.store.create_bucket(&name, &coffer_store::NewBucket::default()).await;
    assert!(matches!(again, Err(StoreError::BucketAlreadyOwnedByYou)));
    assert_eq!(read(&world, "a", version).await, DATA);
}

#[tokio::test]
async fn compliance_ends_with_its_time_and_not_before() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    world.clock.advance_ms(DAY_MS - 1);
    assert_locked(remove(&world, "a", version, true).await);
    world.clock.advance_ms(1);
    assert_eq!(remove(&world, "a", version, false).await.unwrap().version, Some(version));
    assert!(matches!(info(&world, "a", version).await, Err(StoreError::NoSuchVersion)));
}

#[tokio::test]
async fn a_clock_that_goes_back_keeps_for_longer() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    world.clock.set_back_ms(30 * DAY_MS);
    world.clock.advance_ms(DAY_MS);
    assert_locked(remove(&world, "a", version, true).await);
}

#[tokio::test]
async fn compliance_can_only_be_prolonged() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    let kept = info(&world, "a", version).await.unwrap().lock.retention.unwrap();
    for bypass in BYPASS {
        let shorter = Retention { until_ms: kept.until_ms - 1, ..kept };
        let weaker = Retention { mode: RetentionMode::Governance, until_ms: kept.until_ms + DAY_MS };
        for next in [None, Some(shorter), Some(weaker)] {
            assert_locked(retain(&world, version, next, bypass).await);
        }
    }
    assert_eq!(info(&world, "a", version).await.unwrap().lock.retention, Some(kept), "nothing has changed");
    let longer = Retention { until_ms: kept.until_ms + DAY_MS, ..kept };
    assert_eq!(retain(&world, version, Some(longer), false).await.unwrap().lock.retention, Some(longer));
    world.clock.advance_ms(DAY_MS);
    assert_locked(remove(&world, "a", version, true).await);
}

#[tokio::test]
async fn governance_gives_way_to_who_bypasses_it_and_to_nobody_else() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Governance).await;
    assert_locked(remove(&world, "a", version, false).await);
    assert_locked(retain(&world, version, None, false).await);
    retain(&world, version, None, true).await.unwrap();
    assert_eq!(info(&world, "a", version).await.unwrap().lock.retention, None);
    let version = put_retained(&world, RetentionMode::Governance).await;
    remove(&world, "a", version, true).await.unwrap();
}

#[tokio::test]
async fn a_legal_hold_outlasts_retention_and_bypass_until_it_is_off() {
    let world = lock_world().await;
    let retention = Some(retained(&world, RetentionMode::Governance, 1));
    let version = put(&world, "a", ObjectLock { retention, legal_hold: Some(true) }).await;
    retain(&world, version, None, true).await.unwrap();
    world.clock.advance_ms(40_000 * DAY_MS);
    for bypass in BYPASS {
        assert_locked(remove(&world, "a", version, bypass).await);
    }
    change(&world, version, LockChange::LegalHold(false)).await.unwrap();
    assert_eq!(info(&world, "a", version).await.unwrap().lock.legal_hold, Some(false), "it is off, not unset");
    remove(&world, "a", version, false).await.unwrap();
}

#[tokio::test]
async fn locks_of_one_version_are_not_those_of_another() {
    let world = lock_world().await;
    let first = put_retained(&world, RetentionMode::Compliance).await;
    let second = put(&world, "a", ObjectLock::default()).await;
    let third = put(&world, "a", ObjectLock { retention: None, legal_hold: Some(true) }).await;
    assert_locked(remove(&world, "a", third, true).await);
    remove(&world, "a", second, false).await.unwrap();
    change(&world, third, LockChange::LegalHold(false)).await.unwrap();
    remove(&world, "a", third, false).await.unwrap();
    assert_eq!(info(&world, "a", first).await.unwrap().noncurrent_since_ms, None, "it is current again");
    assert_locked(remove(&world, "a", first, true).await);
    assert_eq!(read(&world, "a", first).await, DATA);
}

#[tokio::test]
async fn the_version_null_is_kept_even_where_versioning_is_suspended() {
    let world = World::new().await;
    world.put("a", DATA, Encryption::SseS3).await;
    let world = locking(world, None).await;
    retain(&world, VersionId::Null, Some(retained(&world, RetentionMode::Compliance, 1)), false).await.unwrap();
    world.put("a", b"newer", Encryption::SseS3).await;
    assert_locked(remove(&world, "a", VersionId::Null, true).await);
    assert_eq!(read(&world, "a", VersionId::Null).await, DATA);
    // PutBucketVersioning does not let it come to this; the version is kept if it does.
    let world = configure(&world, |settings| settings.versioning = Some(VersioningStatus::Suspended)).await;
    assert_locked(world.try_put("a", b"newest", plain_put(Encryption::SseS3)).await);
    assert_locked(world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await);
    assert_locked(world.copy(("a", None), "a", Encryption::SseS3).await);
    let upload = world.create_upload("a", Encryption::SseS3).await;
    let etag = world.part("a", upload, 1, b"part", None).await.unwrap();
    assert_locked(world.complete("a", upload, &[(1, &etag)], None).await);
    assert_eq!(read(&world, "a", VersionId::Null).await, DATA);
    assert_eq!(world.get("a").await, b"newer");
}

#[tokio::test]
async fn the_default_is_for_every_new_version_that_names_none() {
    let world = World::new().await;
    world.put("old", DATA, Encryption::SseS3).await;
    let world = locking(world, Some((RetentionMode::Governance, 2))).await;
    let until_ms = world.clock.now_ms() + 2 * DAY_MS;
    let default = Some(Retention { mode: RetentionMode::Governance, until_ms });
    let lock = |name: &'static str| {
        let world = world.clone();
        async move { world.store.object_info(&world.bucket, &key(name)).await.unwrap().lock }
    };
    put(&world, "put", ObjectLock::default()).await;
    world.copy(("old", None), "copy", Encryption::SseS3).await.unwrap();
    let upload = world.create_upload("upload", Encryption::SseS3).await;
    let etag = world.part("upload", upload, 1, b"part", None).await.unwrap();
    world.complete("upload", upload, &[(1, &etag)], None).await.unwrap();
    for name in ["put", "copy", "upload"] {
        assert_eq!(lock(name).await, ObjectLock { retention: default, legal_hold: None }, "{name}");
    }
    assert_eq!(lock("old").await, ObjectLock::default());
    put(&world, "held", ObjectLock { retention: None, legal_hold: Some(true) }).await;
    assert_eq!(lock("held").await, ObjectLock { retention: default, legal_hold: Some(true) });
    let own = Some(retained(&world, RetentionMode::Compliance, 1));
    put(&world, "own", ObjectLock { retention: own, legal_hold: None }).await;
    assert_eq!(lock("own").await.retention, own);
}

#[tokio::test]
async fn another_default_changes_no_version_that_is_there() {
    let world = locking(World::new().await, Some((RetentionMode::Compliance, 2))).await;
    let version = put(&world, "a", ObjectLock::default()).await;
    let kept = info(&world, "a", version).await.unwrap().lock;
    let world = locking(world, None).await;
    assert_eq!(info(&world, "a", version).await.unwrap().lock, kept);
    assert_locked(remove(&world, "a", version, true).await);
    let version = put(&world, "a", ObjectLock::default()).await;
    remove(&world, "a", version, false).await.unwrap();
}

#[tokio::test]
async fn a_copy_does_not_take_the_lock_of_its_source_along() {
    let world = lock_world().await;
    put(&world, "a", ObjectLock { retention: None, legal_hold: Some(true) }).await;
    let copy = world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
    assert_eq!(copy.info.lock, ObjectLock::default());
    remove(&world, "b", copy.info.version, false).await.unwrap();
}

#[tokio::test]
async fn an_upload_keeps_the_lock_that_it_was_begun_with() {
    let world = lock_world().await;
    let lock = ObjectLock { retention: Some(retained(&world, RetentionMode::Compliance, 1)), legal_hold: Some(false) };
    let create = coffer_store::CreateUpload { lock, ..plain_upload(Encryption::SseS3) };
    let upload = world.store.create_upload(&world.bucket, &key("a"), create).await.unwrap();
    assert_eq!(upload.lock, lock);
    let etag = world.part("a", upload.upload_id, 1, b"part", None).await.unwrap();
    let completed = world.complete("a", upload.upload_id, &[(1, &etag)], None).await.unwrap();
    assert_eq!(info(&world, "a", completed.info.version).await.unwrap().lock, lock);
    assert_locked(remove(&world, "a", completed.info.version, true).await);
}

#[tokio::test]
async fn what_else_is_known_of_a_locked_version_can_change() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    let kept = info(&world, "a", version).await.unwrap().lock;
    let target = ObjectVersion { key: &key("a"), version: Some(version) };
    let tags = [("team".to_owned(), "blue".to_owned())];
    world.store.put_object_tags(&world.bucket, target, &tags, &Origin::default()).await.unwrap();
    world.store.put_object_tags(&world.bucket, target, &[], &Origin::default()).await.unwrap();
    assert_eq!(info(&world, "a", version).await.unwrap().lock, kept);
    assert_locked(remove(&world, "a", version, true).await);
}

#[tokio::test]
async fn delete_markers_are_never_locked() {
    let world = locking(World::new().await, Some((RetentionMode::Compliance, 1))).await;
    put(&world, "a", ObjectLock::default()).await;
    let deleted = world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.unwrap();
    let marker = deleted.version.unwrap();
    for lock in [LockChange::LegalHold(true), LockChange::Retention { retention: None, bypass_governance: true }] {
        assert!(matches!(change(&world, marker, lock).await, Err(StoreError::DeleteMarker(_))));
    }
    remove(&world, "a", marker, false).await.unwrap();
    assert_eq!(world.get("a").await, DATA, "undone");
}

#[tokio::test]
async fn a_lock_that_is_set_during_a_deletion_holds() {
    let (world, engine) = World::hooked().await;
    let world = locking(world, None).await;
    let version = put(&world, "a", ObjectLock::default()).await;
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        change(&other, version, LockChange::LegalHold(true)).await.unwrap();
    });
    assert_locked(remove(&world, "a", version, true).await);
    assert!(engine.is_spent());
    assert_eq!(read(&world, "a", version).await, DATA);
}

#[tokio::test]
async fn a_lock_on_a_version_that_is_going_is_refused() {
    let (world, engine) = World::hooked().await;
    let world = locking(world, None).await;
    let version = put(&world, "a", ObjectLock::default()).await;
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        remove(&other, "a", version, false).await.unwrap();
    });
    let locked = change(&world, version, LockChange::LegalHold(true)).await;
    assert!(matches!(locked, Err(StoreError::NoSuchVersion)), "who is told that it is locked can rely on it");
}

#[tokio::test]
async fn a_default_that_is_set_during_a_write_is_for_that_write_too() {
    let (world, engine) = World::hooked().await;
    let world = locking(world, None).await;
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        locking(other, Some((RetentionMode::Compliance, 1))).await;
    });
    let version = put(&world, "a", ObjectLock::default()).await;
    assert_locked(remove(&world, "a", version, true).await);
}

#[tokio::test]
async fn a_bucket_that_does_not_know_yet_that_it_has_versions_removes_none() {
    let world = World::new().await;
    let before = world.clone();
    world.put("a", DATA, Encryption::SseS3).await;
    let world = locking(world, None).await;
    change(&world, VersionId::Null, LockChange::LegalHold(true)).await.unwrap();
    assert_locked(before.try_put("a", b"newer", plain_put(Encryption::SseS3)).await);
    assert_locked(before.store.delete_object(&before.bucket, &key("a"), &DeleteObject::default()).await);
    change(&world, VersionId::Null, LockChange::LegalHold(false)).await.unwrap();
    before.put("a", b"newer", Encryption::SseS3).await;
    before.delete("a").await;
    assert_eq!(read(&world, "a", VersionId::Null).await, DATA);
}

#[tokio::test]
async fn locks_outlast_a_restart() {
    let world = lock_world().await;
    let version = put_retained(&world, RetentionMode::Compliance).await;
    let again = world.after_crash().await;
    assert_locked(remove(&again, "a", version, true).await);
    let name = BucketName::for_lookup("bucket").unwrap();
    assert!(again.store.bucket(&name).await.unwrap().object_lock().is_some());
}
