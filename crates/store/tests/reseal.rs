//! New keys for data: what they change and what they do not, where it is interrupted, and what races it meets.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use coffer_blob::{BlobError, BlobId, MemoryBlobs};
use coffer_configuration::VersioningStatus;
use coffer_meta::{CommitError, EngineError, MemoryEngine};
use coffer_store::{Encryption, InstanceId, JobInfo, JobState, JobStep, ObjectVersion, Origin, StoreError};
use coffer_testkit::{BlobCall, EngineCall, FailingBlobs, FailingEngine, Fault, When};
use common::hooks::HookedEngine;
use common::jobs::{destruction, done, hasty, own_root, run_all, state};
use common::kms::{KEY_1, KEY_2, Mood};
use common::rng::Rng;
use common::{World, key, pattern};
use tokio::task::JoinSet;

async fn versioned(mut world: World) -> World {
    world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
    world
}

async fn furnished() -> (World, InstanceId) {
    let world =
        World::with_root(Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()), hasty(), own_root());
    let world = versioned(world.await).await;
    let upload = world.furnish_for_reseal().await;
    (world, upload)
}

async fn blobs(world: &World) -> HashSet<BlobId> {
    world.blobs.list(None, usize::MAX).await.unwrap().into_iter().map(|blob| blob.id).collect()
}

async fn data_key(world: &World, name: &str) -> Vec<u8> {
    let (name, keys) = (key(name), world.keys(None));
    world.store.inspect_object(&world.bucket, &name, keys, false).await.unwrap().data_key.unwrap().ciphertext
}

async fn complete_the_open_upload(world: &World, upload: InstanceId) {
    let (_, parts) =
        world.store.list_parts(&world.bucket, &key("open"), upload, world.keys(None), 0, 10).await.unwrap();
    assert!(parts.iter().all(|part| part.checksums.iter().count() == 1));
    let first = parts.iter().find(|part| part.number == 3).unwrap();
    world.complete("open", upload, &[(3, &first.etag)], None).await.unwrap();
    assert!(world.get("open").await == pattern(3000));
}

#[tokio::test]
async fn everything_has_new_keys_and_looks_as_before() {
    let (world, upload) = furnished().await;
    let (seen, before, sealed) = (world.see().await, blobs(&world).await, data_key(&world, "kms").await);
    let inline: HashSet<_> = world.row_keys('D').await.into_iter().collect();
    let (_, parts) =
        world.store.list_parts(&world.bucket, &key("open"), upload, world.keys(None), 0, 10).await.unwrap();
    let job = world.resealed().await;
    assert_eq!(world.see().await, seen);
    let new_keys = job.report.new_keys.clone().unwrap();
    assert_eq!(new_keys.customers, 1);
    assert_eq!(job.report.left, [("under customers' keys (SSE-C)".to_owned(), 1)]);
    assert_eq!(job.report.references[0], (1, 0));
    assert_eq!(Some(job.counts.bytes), job.counts.bytes_total);
    assert_eq!(Some(job.counts.looked_at), job.counts.total, "what was expected is what was done");
    assert_ne!(data_key(&world, "kms").await, sealed);
    let (_, now) = world.store.list_parts(&world.bucket, &key("open"), upload, world.keys(None), 0, 10).await.unwrap();
    let of_parts = |parts: &[coffer_store::UploadedPart]| -> Vec<_> {
        parts.iter().map(|part| (part.number, part.size, part.etag.clone(), part.last_modified_ms)).collect()
    };
    assert_eq!(of_parts(&now), of_parts(&parts));

    world.collect().await;
    // The customer's blob, and no other.
    assert_eq!(blobs(&world).await.intersection(&before).count(), 1);
    assert!(world.row_keys('D').await.into_iter().all(|row| !inline.contains(&row)), "small data was written again");
    assert_eq!(job.report.references.len(), 2);
    done(&world.store, destruction(&world, 1)).await;
    let after = world.after_crash().await;
    assert_eq!(after.see().await, seen);
    complete_the_open_upload(&after, upload).await;
    after.assert_no_leak("after new keys").await;
}

#[tokio::test]
async fn copies_that_shared_data_have_their_own() {
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    for name in ["b", "c"] {
        world.copy(("a", None), name, Encryption::SseS3).await.unwrap();
    }
    assert_eq!(world.blob_count().await, 1);
    let job = world.resealed().await;
    assert_eq!(job.report.new_keys.unwrap().changed, 3);
    world.assert_no_leak("after new keys").await;
    assert_eq!(world.blob_count().await, 3);
    for name in ["a", "b", "c"] {
        assert!(world.get(name).await == pattern(5000));
    }
}

#[tokio::test]
async fn what_was_written_since_is_not_written_again() {
    let (world, _) = furnished().await;
    world.resealed().await;
    let id = world.store.start_job(world.reseal()).await.unwrap();
    let mut runner = world.runner_of(&world.store);
    // The new generation is there.
    while world.store.bucket(world.bucket.name()).await.is_err()
        || world.store.job(id).await.unwrap().stage != "writing data again under new keys"
    {
        runner.step().await.unwrap();
    }
    world.store.cancel_job(id).await.unwrap();
    world.put("new", &pattern(5000), Encryption::SseS3).await;
    world.copy(("new", None), "shared", Encryption::SseS3).await.unwrap();
    let before = blobs(&world).await;
    world.copy(("large", None), "old keys", Encryption::SseS3).await.unwrap();
    assert_eq!(blobs(&world).await, before, "a copy shares what its source has");
    let job = world.resealed().await;
    assert!(job.report.new_keys.unwrap().changed > 5);
    world.collect().await;
    assert!(world.get("old keys").await == pattern(200_000));
}

/// Runs a job that is started, step by step, until it is over.
async fn finish(world: &World, id: coffer_store::JobId) -> JobInfo {
    let mut runner = world.runner_of(&world.store);
    while state(&world.store, id).await == JobState::Running {
        // A step that fails is taken again.
        let _ = runner.step().await;
    }
    world.store.job(id).await.unwrap()
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_interrupted() {
    let mut ended = false;
    for steps in (1..).step_by(2) {
        if ended {
            assert!(steps > 10, "it has steps");
            break;
        }
        let (world, upload) = furnished().await;
        let seen = world.see().await;
        let id = world.store.start_job(world.reseal()).await.unwrap();
        let mut first = world.runner_of(&world.store);
        for _ in 0..steps {
            ended |= matches!(first.step().await.unwrap(), JobStep::Ended(..));
        }
        drop(first);
        let after = world.after_crash().await;
        assert_eq!(after.see().await, seen, "after {steps} steps");
        world.clock.advance_ms(60_001);
        let job = finish(&after, id).await;
        assert_eq!((job.state, job.report.references.len()), (JobState::Done, 2), "a new generation is made once");
        assert_eq!(after.see().await, seen);
        complete_the_open_upload(&after, upload).await;
        after.assert_no_leak("at the end").await;
    }
}

fn engine_fails() -> CommitError {
    EngineError::Io(std::io::Error::other("injected")).into()
}

#[tokio::test]
async fn a_commit_that_fails_or_says_so_leaves_old_or_new() {
    for fault in [Fault::Fail as fn(fn() -> CommitError) -> Fault<CommitError>, Fault::FailAfter] {
        for nth in 1.. {
            let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
            let world = World::with(engine.clone(), Arc::new(MemoryBlobs::default()), hasty()).await;
            let world = versioned(world).await;
            let expected = world.furnish().await;
            let id = world.store.start_job(world.reseal()).await.unwrap();
            engine.faults().reset();
            engine.faults().inject(When::Nth(EngineCall::Commit, nth), fault(engine_fails));
            let job = finish(&world, id).await;
            if engine.faults().count(EngineCall::Commit) < nth {
                assert!(nth > 20, "the job has commits");
                break;
            }
            let old = job.report.new_keys.map(|new_keys| new_keys.old);
            assert_eq!((job.state, old), (JobState::Done, Some(0)), "commit {nth}: {:?}", job.trouble);
            let after = world.after_crash().await;
            after.check_furniture(&expected).await;
            // What was written and not committed is found once its process is gone.
            after.clock.advance_ms(2000);
            let after = after.after_crash().await;
            after.assert_no_leak(&format!("commit {nth}")).await;
            after.check_furniture(&expected).await;
        }
    }
}

#[tokio::test]
async fn a_disk_that_fails_leaves_old_or_new() {
    for call in [BlobCall::Read, BlobCall::Write, BlobCall::Finish, BlobCall::Create] {
        for nth in [1, 2, 5] {
            let blobs = Arc::new(FailingBlobs::new(MemoryBlobs::default()));
            let world = World::with(Arc::new(MemoryEngine::default()), blobs.clone(), hasty()).await;
            let expected = world.furnish().await;
            let id = world.store.start_job(world.reseal()).await.unwrap();
            blobs.faults().reset();
            let fails = || BlobError::Io(std::io::Error::other("injected"));
            blobs.faults().inject(When::Nth(call, nth), Fault::Fail(fails));
            let job = finish(&world, id).await;
            assert_eq!((job.state, job.report.new_keys.unwrap().old), (JobState::Done, 0), "{call:?} {nth}");
            world.check_furniture(&expected).await;
            world.clock.advance_ms(2000);
            world.after_crash().await.assert_no_leak(&format!("{call:?} {nth}")).await;
        }
    }
}

#[tokio::test]
async fn a_kms_that_refuses_costs_its_objects_and_no_other() {
    let (world, _) = furnished().await;
    let seen = world.see().await;
    world.kms.set_disabled(KEY_2, true);
    let job = world.run_job(world.reseal()).await;
    assert_eq!(job.state, JobState::Done);
    let new_keys = job.report.new_keys.clone().unwrap();
    assert_eq!((new_keys.old, job.report.left_objects.len()), (2, 2), "{}", job.report.text());
    assert!(job.report.left.contains(&("that the KMS refuses (DisabledException)".to_owned(), 2)));
    let named = |left: &coffer_store::LeftObject| left.what.starts_with("tagged (version ");
    assert!(job.report.left_objects.iter().any(named), "{:?}", job.report.left_objects);
    assert!(job.report.text().contains("2 versions, uploads and parts of uploads still have older ones."));
    world.kms.set_disabled(KEY_2, false);
    assert_eq!(world.see().await, seen);
    world.resealed().await;
    assert_eq!(world.see().await, seen);
}

#[tokio::test]
async fn a_kms_that_is_down_costs_nothing_else() {
    for mood in [Mood::IsDown, Mood::Refuses] {
        let world = World::new().await;
        let expected = world.furnish().await;
        world.kms.set_mood(mood);
        let job = world.run_job(world.reseal()).await;
        assert_eq!(job.state, JobState::Done);
        let new_keys = job.report.new_keys.unwrap();
        // Two objects, an upload and its part.
        assert_eq!((new_keys.old, job.report.left_objects.len()), (4, 3));
        assert!(new_keys.changed >= 3);
        world.kms.set_mood(Mood::Works);
        world.check_furniture(&expected).await;
        world.resealed().await;
        world.check_furniture(&expected).await;
        world.assert_no_leak("in the end").await;
    }
}

#[tokio::test]
async fn what_is_large_is_written_again_bit_by_bit() {
    let world = World::new().await;
    let upload = world.create_upload("many", Encryption::SseS3).await;
    let mut etags = Vec::new();
    for number in 1..=300 {
        etags.push(world.part("many", upload, number, &pattern(number as usize), None).await.unwrap());
    }
    let large = world.create_upload("large", Encryption::SseS3).await;
    let mut of_large = Vec::new();
    for number in 1..=15 {
        of_large.push((number, world.part("large", large, number, &pattern(5 << 20), None).await.unwrap()));
    }
    let of_large: Vec<_> = of_large.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
    world.complete("large", large, &of_large, None).await.unwrap();
    let seen = world.see().await;
    let id = world.store.start_job(world.reseal()).await.unwrap();
    let mut runner = world.runner_of(&world.store);
    let mut bytes = vec![0];
    while state(&world.store, id).await == JobState::Running {
        runner.step().await.unwrap();
        bytes.push(world.store.job(id).await.unwrap().counts.bytes);
        // A part comes while others get their keys.
        let late = world.part("many", upload, 7, &pattern(7), None).await.unwrap();
        assert_eq!(late, etags[6]);
    }
    bytes.dedup();
    assert!(bytes.len() >= 5, "{bytes:?}");
    let job = world.store.job(id).await.unwrap();
    assert_eq!((job.state, job.report.new_keys.unwrap().old), (JobState::Done, 0));
    assert_eq!(world.see().await, seen);
    world.complete("many", upload, &[(300, &etags[299])], None).await.unwrap();
    assert!(world.get("many").await == pattern(300));
    world.assert_no_leak("after many parts").await;
}

/// What somebody does just before a commit of the job, or has begun before all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Overwrite,
    Tag,
    Delete,
    Copy,
    CopyOnto,
    Part,
    NewPart,
    Complete,
    Abort,
    UpdateEncryption,
}

const OTHERS: [Other; 10] = [
    Other::Overwrite,
    Other::Tag,
    Other::Delete,
    Other::Copy,
    Other::CopyOnto,
    Other::Part,
    Other::NewPart,
    Other::Complete,
    Other::Abort,
    Other::UpdateEncryption,
];

impl Other {
    async fn act(self, world: &World, upload: InstanceId, etag: &str) {
        match self {
            Self::Overwrite => drop(world.put("a", &pattern(6000), Encryption::SseS3).await),
            Self::Tag => {
                let tags = [("a".to_owned(), "b".to_owned())];
                let origin = Origin::default();
                drop(world.store.put_object_tags(&world.bucket, &key("a"), &tags, &origin).await.unwrap());
            }
            Self::Delete => world.delete("a").await,
            Self::Copy => drop(world.copy(("a", None), "copy", Encryption::SseS3).await.unwrap()),
            Self::CopyOnto => drop(world.copy(("a", None), "a", Encryption::SseS3).await.unwrap()),
            Self::Part => drop(world.part("u", upload, 1, &pattern(4000), None).await.unwrap()),
            Self::NewPart => drop(world.part("u", upload, 2, &pattern(4001), None).await.unwrap()),
            Self::Complete => drop(world.complete("u", upload, &[(1, etag)], None).await.unwrap()),
            Self::Abort => world.abort("u", upload).await.unwrap(),
            Self::UpdateEncryption => {
                let (kms, origin) = (world.kms.draw(KEY_1, "a"), Origin::default());
                let (name, keys) = (key("a"), world.keys(None));
                let target = ObjectVersion::from(&name);
                drop(world.store.update_object_encryption(&world.bucket, target, keys, &kms, &origin).await.unwrap());
            }
        }
    }

    /// What must be there afterwards.
    async fn check(self, world: &World, upload: InstanceId, etag: &str) {
        match self {
            Self::Overwrite => assert!(world.get("a").await == pattern(6000)),
            Self::Delete => assert!(matches!(
                world.try_get("a", None).await,
                Err(StoreError::NoSuchKey | StoreError::DeleteMarker(_))
            )),
            _ => assert!(world.get("a").await == pattern(5000), "{self:?}"),
        }
        if self == Self::Copy {
            assert!(world.get("copy").await == pattern(5000));
        }
        match self {
            Self::Complete => assert!(world.get("u").await == pattern(4000)),
            Self::Abort => {}
            _ => {
                let second = match self {
                    Self::NewPart => {
                        let (name, keys) = (key("u"), world.keys(None));
                        let parts = world.store.list_parts(&world.bucket, &name, upload, keys, 0, 9);
                        let (_, parts) = parts.await.unwrap();
                        assert_eq!(parts.len(), 2);
                        Some((2, parts[1].etag.clone()))
                    }
                    _ => None,
                };
                let (number, etag) = second.as_ref().map_or((1, etag), |(number, etag)| (*number, etag));
                world.complete("u", upload, &[(number, etag)], None).await.unwrap();
                assert!(world.get("u").await == pattern(if number == 1 { 4000 } else { 4001 }), "{self:?}");
            }
        }
    }
}

async fn small_world(versioning: bool) -> (World, Arc<HookedEngine>, InstanceId, String) {
    let engine = Arc::new(HookedEngine::default());
    let mut world = World::with(engine.clone(), Arc::new(MemoryBlobs::default()), hasty()).await;
    if versioning {
        world = versioned(world).await;
    }
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let upload = world.create_upload("u", Encryption::SseS3).await;
    let etag = world.part("u", upload, 1, &pattern(4000), None).await.unwrap();
    (world, engine, upload, etag)
}

#[tokio::test]
async fn whatever_happens_just_before_a_commit_is_kept_and_gets_new_keys() {
    for versioning in [false, true] {
        for other in OTHERS {
            for nth in 1.. {
                let (world, engine, upload, etag) = small_world(versioning).await;
                let (racing, its_etag) = (world.clone(), etag.clone());
                let id = world.store.start_job(world.reseal()).await.unwrap();
                engine.before(EngineCall::Commit, nth, async move { other.act(&racing, upload, &its_etag).await });
                let job = finish(&world, id).await;
                if !engine.is_spent() {
                    assert!(nth > 8, "the job has commits");
                    break;
                }
                let new_keys = job.report.new_keys.clone().unwrap();
                assert_eq!((job.state, job.counts.failed), (JobState::Done, 0), "{other:?} {nth}");
                // A copy with a KMS key, or whatever is made at the very end, has new keys as well.
                assert_eq!(new_keys.old, 0, "{other:?} {nth}: {}", job.report.text());
                other.check(&world, upload, &etag).await;
                let again = world.resealed().await;
                assert_eq!(again.state, JobState::Done);
                world.assert_no_leak(&format!("{other:?} {nth}")).await;
            }
        }
    }
}

#[tokio::test]
async fn whoever_began_before_the_job_and_commits_after_it_is_kept_and_brings_no_old_keys() {
    for versioning in [false, true] {
        for other in OTHERS {
            let (world, engine, upload, etag) = small_world(versioning).await;
            let (racing, before) = (world.clone(), blobs(&world).await);
            engine.before(EngineCall::Commit, 1, async move {
                racing.resealed().await;
                done(&racing.store, destruction(&racing, 1)).await;
            });
            other.act(&world, upload, &etag).await;
            assert!(engine.is_spent());
            let after = world.after_crash().await;
            after.collect().await;
            assert!(blobs(&after).await.is_disjoint(&before), "{other:?} brought data under old keys");
            other.check(&after, upload, &etag).await;
            let job = after.resealed().await;
            assert_eq!(job.report.references.len(), 2, "{other:?}");
            after.assert_no_leak(&format!("{other:?}")).await;
        }
    }
}

#[tokio::test]
async fn new_keys_and_rotations_beside_everything_else_lose_nothing() {
    for seed in 0..common::rng::seeds(3) {
        let engine = Arc::new(HookedEngine::jittery(seed));
        let settings = coffer_store::Settings { garbage_grace_ms: 0, ..hasty() };
        let world = versioned(World::with(engine, Arc::new(MemoryBlobs::default()), settings).await).await;
        let mut tasks = JoinSet::new();
        for task in 0..5_u64 {
            let world = world.clone();
            tasks.spawn(async move { walk(&world, seed * 100 + task, task).await });
        }
        let other = world.clone();
        let jobs = tokio::spawn(async move {
            for generation in 1..5 {
                let spec = if generation % 2 == 0 { common::jobs::rotation(&other) } else { other.reseal() };
                let job = other.run_job(spec).await;
                assert_eq!((job.state, job.counts.failed), (JobState::Done, 0), "{:?}", job.trouble);
                done(&other.store, destruction(&other, generation)).await;
                other.store.collect_garbage().await.unwrap();
            }
        });
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        jobs.await.unwrap();
        let after = world.after_crash().await;
        let seen = after.see().await;
        after.resealed().await;
        assert_eq!(after.see().await, seen);
        after.assert_no_leak(&format!("seed {seed}")).await;
    }
}

/// Puts, copies, uploads, reads and deletes, in several modes.
async fn walk(world: &World, seed: u64, task: u64) {
    let mut rng = Rng::new(seed);
    let name = format!("object {task}");
    let kms = world.kms.draw(KEY_1, "place");
    for round in 0..25 {
        let data = format!("{task} {round}").repeat(1 + rng.below(1000));
        let encryption = match rng.below(3) {
            0 => Encryption::SseS3,
            1 => Encryption::SseKms(&kms),
            _ => Encryption::DsseKms(&kms),
        };
        world.put(&name, data.as_bytes(), encryption).await;
        assert!(world.get(&name).await == data.as_bytes());
        match world.copy((&name, None), "shared", encryption).await {
            Ok(_) | Err(StoreError::NoSuchKey) => {}
            Err(error) => panic!("{error}"),
        }
        let upload = world.create_upload(&name, encryption).await;
        let etag = world.part(&name, upload, 1, data.as_bytes(), None).await.unwrap();
        world.part(&name, upload, 2, b"left out", None).await.unwrap();
        if rng.one_in(5) {
            world.abort(&name, upload).await.unwrap();
        } else {
            world.complete(&name, upload, &[(1, &etag)], None).await.unwrap();
        }
        assert!(world.get(&name).await == data.as_bytes());
        if rng.one_in(4) {
            world.delete(&name).await;
        }
    }
}

#[tokio::test]
async fn a_version_that_comes_back_during_the_job_has_new_keys_at_the_end() {
    let engine = Arc::new(HookedEngine::default());
    let world = versioned(World::with(engine.clone(), Arc::new(MemoryBlobs::default()), hasty()).await).await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    world.put("a", &pattern(6000), Encryption::SseS3).await;
    let id = world.store.start_job(world.reseal()).await.unwrap();
    let current = world.instance("a").await.version;
    // When versions that are not current are looked for, after all that are: the one becomes the other.
    let mut runner = world.runner_of(&world.store);
    while world.store.job(id).await.unwrap().counts.bytes == 0 {
        runner.step().await.unwrap();
    }
    let (name, delete) = (key("a"), coffer_store::DeleteObject::default());
    let target = ObjectVersion { key: &name, version: Some(current) };
    world.store.delete_object(&world.bucket, target, &delete).await.unwrap();
    run_all(&mut runner).await;
    let job = world.store.job(id).await.unwrap();
    assert_eq!((job.state, job.report.new_keys.unwrap().old), (JobState::Done, 0));
    assert!(world.get("a").await == pattern(5000));
    world.assert_no_leak("after all").await;
}

#[tokio::test]
async fn a_job_for_a_bucket_that_goes_ends() {
    let world = World::new().await;
    let id = world.store.start_job(world.reseal()).await.unwrap();
    world.store.delete_bucket(world.bucket.name()).await.unwrap();
    run_all(&mut world.runner_of(&world.store)).await;
    let job = world.store.job(id).await.unwrap();
    assert_eq!((job.state, job.trouble.as_deref()), (JobState::Failed, Some("the bucket is gone")));
}

#[tokio::test]
async fn a_damaged_object_is_counted_and_stays() {
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let damaged = world.blobs.list(None, 1).await.unwrap()[0].id;
    world.put("b", &pattern(5000), Encryption::SseS3).await;
    world.blobs.delete(damaged).await.unwrap();
    let job = world.run_job(world.reseal()).await;
    let new_keys = job.report.new_keys.unwrap();
    assert_eq!((job.state, new_keys.old), (JobState::Done, 1));
    assert!(job.counts.failed >= 1);
    assert!(world.get("b").await == pattern(5000));
    assert!(matches!(world.try_get("a", None).await, Err(StoreError::Damaged(_))));
}
