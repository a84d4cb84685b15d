//! Versions: many random changes against a model that keeps a plain list, and the cases that need an eye of their own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_blob::MemoryBlobs;
use coffer_configuration::{ObjectLock, Retention, RetentionMode, VersioningStatus};
use coffer_meta::{Engine, EngineError, MemoryEngine};
use coffer_store::{
    Bucket, DeleteObject, ETagMatch, Encryption, ListObjects, ListVersions, LockChange, ObjectVersion, Origin,
    PutObject, StoreError, VersionEntry, VersionId,
};
use coffer_testkit::{EngineCall, FailingEngine, Fault, When};
use common::hooks::HookedEngine;
use common::rng::{Rng, seeds};
use common::{World, customer_key, key, pattern, plain_put};

const NAMES: [&str; 5] = ["a", "a/1", "a/2", "b\u{1}", "b"];

/// A version as the model knows it: its data, or none for a delete marker.
#[derive(Clone)]
struct Known {
    version: VersionId,
    data: Option<Vec<u8>>,
}

/// A name, and of a version its ID, whether it is a delete marker, and whether it is the latest.
type Listed = (String, Option<(VersionId, bool, bool)>);

/// The versions of each key, the latest first.
type Model = BTreeMap<&'static str, Vec<Known>>;

async fn set_versioning(world: &World, status: VersioningStatus) -> Bucket {
    let name = world.bucket.name();
    let set = world.store.configure_bucket(name, |_, settings| -> Result<(), StoreError> {
        settings.versioning = Some(status);
        Ok(())
    });
    set.await.unwrap();
    world.store.bucket(name).await.unwrap()
}

async fn read(world: &World, name: &str, version: Option<VersionId>) -> Result<Vec<u8>, StoreError> {
    let name = key(name);
    let reader = world.store.get_object(&world.bucket, ObjectVersion { key: &name, version }, world.keys(None)).await?;
    let size = reader.info().size;
    let (mut stream, _) = reader.read(0..size).await?;
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await? {
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

/// Lists everything, page by page.
async fn listed(world: &World, list: &ListVersions) -> Vec<Listed> {
    let mut list = list.clone();
    let mut all = Vec::new();
    loop {
        let page = world.store.list_versions(&world.bucket, &list).await.unwrap();
        assert!(page.entries.len() <= list.max_keys);
        let Some(last) = page.entries.last() else { return all };
        list.key_marker = Some(last.name().to_owned());
        list.version_id_marker = last.version();
        all.extend(page.entries.iter().map(|entry| {
            let known = match entry {
                VersionEntry::Object(_, info) => Some((info.version, false, info.noncurrent_since_ms.is_none())),
                VersionEntry::DeleteMarker(_, info) => Some((info.version, true, info.noncurrent_since_ms.is_none())),
                VersionEntry::CommonPrefix(_) => None,
            };
            (entry.name().to_owned(), known)
        }));
        if !page.truncated {
            return all;
        }
    }
}

fn expected(model: &Model, prefix: &str, delimiter: Option<&str>) -> Vec<Listed> {
    let mut all: Vec<(String, Option<_>)> = Vec::new();
    for (name, versions) in model.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let rolled =
            delimiter.and_then(|d| name[prefix.len()..].find(d).map(|at| &name[..prefix.len() + at + d.len()]));
        for (index, known) in versions.iter().enumerate() {
            match rolled {
                Some(common) if all.last().is_some_and(|(last, _)| last == common) => {}
                Some(common) => all.push((common.to_owned(), None)),
                None => all.push(((*name).to_owned(), Some((known.version, known.data.is_none(), index == 0)))),
            }
        }
    }
    all
}

async fn check(world: &World, model: &Model, rng: &mut Rng) {
    let (prefix, delimiter) =
        *rng.pick(&[("", None), ("", Some("/")), ("a", Some("/")), ("b", None), ("a/", Some("1"))]);
    for max_keys in [1000, 1 + rng.below(4)] {
        let list = ListVersions {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            max_keys,
            ..ListVersions::default()
        };
        assert_eq!(listed(world, &list).await, expected(model, prefix, delimiter), "{prefix} {delimiter:?} {max_keys}");
    }
    let objects = ListObjects { max_keys: 1000, ..ListObjects::default() };
    let page = world.store.list_objects(&world.bucket, &objects).await.unwrap();
    let current: Vec<_> = page.entries.iter().map(|entry| entry.name().to_owned()).collect();
    let with_current = model.iter().filter(|(_, versions)| versions.first().is_some_and(|known| known.data.is_some()));
    assert_eq!(current, with_current.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    for (name, versions) in model {
        for known in versions {
            match (&known.data, read(world, name, Some(known.version)).await) {
                (Some(data), read) => assert_eq!(&read.unwrap(), data),
                (None, Err(StoreError::DeleteMarker(marker))) => assert_eq!(marker.version, known.version),
                (None, _) => panic!("a delete marker has no data"),
            }
        }
        match (versions.first().map(|known| &known.data), read(world, name, None).await) {
            (Some(Some(data)), read) => assert_eq!(&read.unwrap(), data),
            (Some(None), read) => assert!(matches!(read, Err(StoreError::DeleteMarker(_)))),
            (None, read) => assert!(matches!(read, Err(StoreError::NoSuchKey))),
        }
    }
}

fn add(model: &mut Model, status: Option<VersioningStatus>, name: &'static str, known: Known) {
    let versions = model.entry(name).or_default();
    if status != Some(VersioningStatus::Enabled) {
        versions.retain(|known| known.version != VersionId::Null);
    }
    versions.insert(0, known);
}

#[tokio::test]
async fn random_changes_are_those_of_a_plain_list() {
    for seed in 0..seeds(25) {
        let mut rng = Rng::new(seed);
        let mut world = World::new().await;
        let mut model = Model::new();
        let mut status = None;
        for step in 0..80 {
            // Clocks stand still, and go back.
            if rng.one_in(3) {
                world.clock.advance_ms(rng.below(5) as u64);
            } else if rng.one_in(10) {
                world.clock.set_back_ms(50);
            }
            let name = *rng.pick(&NAMES);
            match rng.below(10) {
                0 if step > 5 => {
                    let next = *rng.pick(&[VersioningStatus::Enabled, VersioningStatus::Suspended]);
                    world.bucket = set_versioning(&world, next).await;
                    status = Some(next);
                }
                0..=4 => {
                    let len = *rng.pick(&[0, 10, 999, 1001, 70_000]);
                    let data = rng.bytes(len);
                    let stored = world.put(name, &data, Encryption::SseS3).await;
                    let is_null = stored.info.version == VersionId::Null;
                    assert_eq!(is_null, status != Some(VersioningStatus::Enabled));
                    add(&mut model, status, name, Known { version: stored.info.version, data: Some(data) });
                }
                5 | 6 => {
                    let name_key = key(name);
                    let delete = DeleteObject::default();
                    let deleted = world.store.delete_object(&world.bucket, &name_key, &delete).await.unwrap();
                    match (status, deleted.version) {
                        (None, None) => drop(model.remove(name)),
                        (Some(_), Some(version)) => {
                            assert!(deleted.delete_marker);
                            add(&mut model, status, name, Known { version, data: None });
                        }
                        _ => panic!("a marker is made exactly where there is versioning"),
                    }
                }
                7 | 8 => {
                    let versions = model.entry(name).or_default();
                    let known = (!versions.is_empty()).then(|| rng.pick(versions).clone());
                    let version = known.as_ref().map_or(VersionId::Null, |known| known.version);
                    let name_key = key(name);
                    let target = ObjectVersion { key: &name_key, version: Some(version) };
                    let deleted = world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await;
                    let deleted = deleted.unwrap();
                    assert_eq!(deleted.delete_marker, known.is_some_and(|known| known.data.is_none()));
                    versions.retain(|known| known.version != version);
                    if versions.is_empty() {
                        model.remove(name);
                    }
                }
                _ => {
                    let Ok(copied) = world.copy((name, None), "a", Encryption::SseS3).await else {
                        let has_object = model.get(name).is_some_and(|versions| versions[0].data.is_some());
                        assert!(!has_object);
                        continue;
                    };
                    let data = model[name][0].data.clone();
                    add(&mut model, status, "a", Known { version: copied.info.version, data });
                }
            }
            if step % 8 == 0 {
                check(&world, &model, &mut rng).await;
            }
        }
        check(&world, &model, &mut rng).await;
        world.assert_no_leak(&format!("seed {seed}")).await;
        for (name, versions) in model {
            for known in versions {
                let name = key(name);
                let target = ObjectVersion { key: &name, version: Some(known.version) };
                world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await.unwrap();
            }
        }
        world.assert_empty(&format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn a_bucket_of_delete_markers_is_not_empty() {
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let marker = world.store.delete_object(&world.bucket, &key("gone"), &DeleteObject::default()).await.unwrap();
    let name = world.bucket.name().clone();
    assert!(matches!(world.store.delete_bucket(&name).await, Err(StoreError::BucketNotEmpty)));
    let gone = key("gone");
    let target = ObjectVersion { key: &gone, version: marker.version };
    world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await.unwrap();
    world.store.delete_bucket(&name).await.unwrap();
}

#[tokio::test]
async fn a_deletion_that_does_not_know_of_versioning_removes_nothing() {
    let mut world = World::new().await;
    world.put("a", b"kept", Encryption::SseS3).await;
    let before = world.bucket.clone();
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    world.store.delete_object(&before, &key("a"), &DeleteObject::default()).await.unwrap();
    assert!(matches!(read(&world, "a", None).await, Err(StoreError::DeleteMarker(_))));
    assert_eq!(read(&world, "a", Some(VersionId::Null)).await.unwrap(), b"kept");
}

#[tokio::test]
async fn each_version_has_its_own_customer_key() {
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let (old_key, new_key) = (customer_key(1), customer_key(2));
    let old = world.put("a", &pattern(100_000), Encryption::SseC(&old_key)).await.info.version;
    world.put("a", b"new", Encryption::SseC(&new_key)).await;
    let name = key("a");
    let target = ObjectVersion { key: &name, version: Some(old) };
    for wrong in [None, Some(&new_key)] {
        assert!(world.store.get_object(&world.bucket, target, world.keys(wrong)).await.is_err());
    }
    let reader = world.store.get_object(&world.bucket, target, world.keys(Some(&old_key))).await.unwrap();
    assert_eq!(reader.info().size, 100_000);
}

#[tokio::test]
async fn conditions_look_at_the_current_object_alone() {
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let etag = world.put("a", b"1", Encryption::SseS3).await.info.etag;
    world.delete("a").await;
    let delete = DeleteObject { if_match: Some(ETagMatch::OneOf(vec![etag])), ..DeleteObject::default() };
    let refused = world.store.delete_object(&world.bucket, &key("a"), &delete).await;
    assert!(matches!(refused, Err(StoreError::PreconditionNoSuchKey)));
    // A delete marker is no object.
    let mut put = plain_put(Encryption::SseS3);
    put.conditions.if_none_match = true;
    world.try_put("a", b"2", put).await.unwrap();
}

fn locked(until_ms: u64, mode: RetentionMode) -> PutObject<'static> {
    let lock = ObjectLock { retention: Some(Retention { mode, until_ms }), legal_hold: None };
    PutObject { lock, ..plain_put(Encryption::SseS3) }
}

#[tokio::test]
async fn a_lock_keeps_a_version_wherever_it_is() {
    const NOW_MS: u64 = 1_800_000_000_000;
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let put = locked(NOW_MS + 10_000_000_000, RetentionMode::Compliance);
    let version = world.try_put("a", b"kept", put).await.unwrap().info.version;
    let name = key("a");
    let target = ObjectVersion { key: &name, version: Some(version) };
    let delete = DeleteObject { bypass_governance: true, ..DeleteObject::default() };
    let shorten = LockChange::Retention { retention: None, bypass_governance: true };
    for moved in [false, true] {
        let refused = world.store.delete_object(&world.bucket, target, &delete).await;
        assert!(matches!(refused, Err(StoreError::ObjectLocked)), "moved {moved}");
        let refused = world.store.put_object_lock(&world.bucket, target, shorten, &Origin::default()).await;
        assert!(matches!(refused, Err(StoreError::ObjectLocked)), "moved {moved}");
        world.put("a", b"newer", Encryption::SseS3).await;
        world.delete("a").await;
    }
    assert_eq!(read(&world, "a", Some(version)).await.unwrap(), b"kept");
    world.clock.advance_ms(10_000_000_000);
    world.store.delete_object(&world.bucket, target, &delete).await.unwrap();
    assert!(matches!(read(&world, "a", Some(version)).await, Err(StoreError::NoSuchVersion)));
}

#[tokio::test]
async fn a_legal_hold_comes_and_goes_and_tags_change_under_it() {
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let version = world.put("a", b"1", Encryption::SseS3).await.info.version;
    world.put("a", b"2", Encryption::SseS3).await;
    let name = key("a");
    let target = ObjectVersion { key: &name, version: Some(version) };
    let origin = Origin::default();
    world.store.put_object_lock(&world.bucket, target, LockChange::LegalHold(true), &origin).await.unwrap();
    let delete = DeleteObject { bypass_governance: true, ..DeleteObject::default() };
    assert!(matches!(world.store.delete_object(&world.bucket, target, &delete).await, Err(StoreError::ObjectLocked)));
    let tags = [("k".to_owned(), "v".to_owned())];
    let info = world.store.put_object_tags(&world.bucket, target, &tags, &origin).await.unwrap();
    assert_eq!((info.tags.as_slice(), info.lock.legal_hold), (&tags[..], Some(true)));
    assert!(world.store.object_info(&world.bucket, &name).await.unwrap().tags.is_empty(), "the other version has none");
    world.store.put_object_lock(&world.bucket, target, LockChange::LegalHold(false), &origin).await.unwrap();
    world.store.delete_object(&world.bucket, target, &delete).await.unwrap();
}

#[tokio::test]
async fn a_damaged_version_is_no_other_one() {
    let mut world = World::new().await;
    world.bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let old = world.put("a", b"old", Encryption::SseS3).await.info.version;
    world.put("a", b"new", Encryption::SseS3).await;
    let row = world.row_keys('V').await.remove(0);
    let sealed = world.engine.get(&row).await.unwrap().unwrap();
    // The same bytes under the row of another key.
    let mut moved = row.to_vec();
    let at = moved.iter().rposition(|&byte| byte == b'a').unwrap();
    moved[at] = b'b';
    let mut commit = coffer_meta::Commit::new();
    commit.put(moved, sealed.to_vec());
    world.engine.commit(commit).await.unwrap();
    assert!(matches!(read(&world, "b", Some(old)).await, Err(StoreError::Damaged(_))));
    assert_eq!(read(&world, "a", Some(old)).await.unwrap(), b"old");
}

/// A world of three keys with a version each, and what a listing of them has to be.
async fn three_keys(engine: Arc<dyn Engine>) -> (World, Vec<Listed>) {
    let world = World::over(engine, Arc::new(MemoryBlobs::default())).await;
    let bucket = set_versioning(&world, VersioningStatus::Enabled).await;
    let world = world.with_bucket(bucket);
    for name in ["a", "b", "c"] {
        world.put(name, b"first", Encryption::SseS3).await;
    }
    let all = listed(&world, &ListVersions { max_keys: 10, ..ListVersions::default() }).await;
    assert_eq!(all.len(), 3);
    (world, all)
}

#[tokio::test]
async fn a_version_that_moves_during_a_listing_is_listed_once() {
    // One of the three tables is read after the other.
    for scan in 1..=3 {
        let engine = Arc::new(HookedEngine::default());
        let (world, before) = three_keys(engine.clone()).await;
        let other = world.clone();
        engine.before(EngineCall::Scan, scan, async move {
            other.put("b", b"second", Encryption::SseS3).await;
            other.delete("c").await;
        });
        let list = ListVersions { max_keys: 10, ..ListVersions::default() };
        assert_eq!(listed(&world, &list).await, before, "scan {scan}");
        assert!(engine.is_spent());
        assert_eq!(listed(&world, &list).await.len(), 5);
    }
}

#[tokio::test]
async fn where_a_page_goes_on_is_of_the_state_that_it_lists() {
    let engine = Arc::new(HookedEngine::default());
    let (world, before) = three_keys(engine.clone()).await;
    let list = ListVersions {
        max_keys: 10,
        key_marker: Some("b".to_owned()),
        version_id_marker: before[1].1.map(|(version, ..)| version),
        ..ListVersions::default()
    };
    let other = world.clone();
    engine.before(EngineCall::Scan, 1, async move {
        other.put("b", b"second", Encryption::SseS3).await;
    });
    assert_eq!(listed(&world, &list).await, before[2..], "the version after the marker came after the page was begun");
    assert!(engine.is_spent());
}

#[tokio::test]
async fn a_listing_whose_snapshot_is_given_up_goes_on_without_it() {
    let engine = Arc::new(FailingEngine::new(MemoryEngine::new()));
    let faults = engine.faults().clone();
    let (world, before) = three_keys(engine).await;
    let list = ListVersions {
        max_keys: 10,
        key_marker: Some("a".to_owned()),
        version_id_marker: before[0].1.map(|(version, ..)| version),
        ..ListVersions::default()
    };
    let ended = Fault::Fail(|| EngineError::SnapshotEnded.into());
    for (call, times) in [(EngineCall::Get, 1), (EngineCall::Scan, 3)] {
        for nth in 1..=times {
            faults.reset();
            faults.inject(When::Nth(call, nth), ended);
            assert_eq!(listed(&world, &list).await, before[1..], "{call:?} {nth}");
            assert!(faults.count(call) > nth);
        }
    }
}
