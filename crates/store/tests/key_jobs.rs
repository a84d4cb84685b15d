//! Jobs over keys: what they do, where they are interrupted, and what races they meet.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use coffer_blob::MemoryBlobs;
use coffer_configuration::VersioningStatus;
use coffer_meta::{CommitError, EngineError, MemoryEngine};
use coffer_store::{
    Bootstrap, BootstrapFile, BucketName, Encryption, JobEnvironment, JobError, JobRunner, JobSpec, JobState, JobStep,
    NewBucket, Origin, Settings, StoreError,
};
use coffer_testkit::{EngineCall, FailingEngine, Fault, When};
use common::hooks::HookedEngine;
use common::jobs::{destruction, done, hasty, own_root, rotation, run, run_all, runner, state};
use common::rng::Rng;
use common::{World, key, pattern};
use tokio::task::JoinSet;

async fn world() -> World {
    World::with_root(Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()), hasty(), own_root()).await
}

async fn versioned() -> World {
    let mut world = world().await;
    world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
    world
}

#[tokio::test]
async fn a_rotation_brings_every_row_under_the_new_key_and_touches_no_blob() {
    let world = versioned().await;
    let expected = world.furnish().await;
    let (before, blobs) = (world.instance("large").await, world.blobs.list(None, usize::MAX).await.unwrap());
    let stale = world.clone();
    let job = done(&world.store, rotation(&world)).await;
    assert_eq!(job.report.references.len(), 2);
    assert_eq!(job.report.references[0], (1, 0));
    assert!(job.report.references[1].1 > 10 && job.report.unreadable == 0);
    assert!(job.report.text().contains("Nothing refers to generation 1 of the bucket key."), "{}", job.report.text());
    assert!(world.blobs.list(None, usize::MAX).await.unwrap() == blobs);
    let job = done(&world.store, destruction(&world, 1)).await;
    assert_eq!(job.report.destroyed.len(), 1);
    // A handle from before, one from now, and another process.
    stale.check_furniture(&expected).await;
    let after = world.after_crash().await;
    after.check_furniture(&expected).await;
    let now = after.instance("large").await;
    assert_eq!((now.etag, now.last_modified_ms), (before.etag, before.last_modified_ms));
    assert_eq!(now.version, before.version);
    after.assert_no_leak("after a rotation").await;
}

#[tokio::test]
async fn a_generation_that_is_needed_in_use_or_unknown_is_not_destroyed() {
    let world = world().await;
    world.furnish().await;
    for generation in [1, 2] {
        let refused = world.store.start_job(destruction(&world, generation)).await;
        assert!(matches!(refused, Err(JobError::NotPossible(_))), "{generation}");
    }
    // A rotation that is cancelled leaves rows under the old generation.
    let id = world.store.start_job(rotation(&world)).await.unwrap();
    let mut runner = runner(&world.store);
    for _ in 0..3 {
        runner.step().await.unwrap();
    }
    world.store.cancel_job(id).await.unwrap();
    assert_eq!(state(&world.store, id).await, JobState::Cancelled);
    let job = run(&world.store, destruction(&world, 1)).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.trouble.unwrap().contains("nothing was destroyed"));
    assert!(job.report.destroyed.is_empty());
    let expected = [("small", pattern(100)), ("large", pattern(200_000))];
    world.after_crash().await.check_furniture(&expected).await;
}

#[tokio::test]
async fn keys_are_destroyed_after_the_delay_and_not_before() {
    let world = World::new().await;
    done(&world.store, rotation(&world)).await;
    let mut too_early = destruction(&world, 1);
    if let JobSpec::DestroyBucketKeyGeneration { not_before_ms, .. } = &mut too_early {
        *not_before_ms = Some(1_800_000_000_000);
    }
    assert!(matches!(world.store.start_job(too_early).await, Err(JobError::NotPossible(_))));
    let id = world.store.start_job(destruction(&world, 1)).await.unwrap();
    let again = world.store.start_job(destruction(&world, 1)).await.unwrap();
    assert_eq!(id, again, "the same job is not started twice");
    world.clock.advance_ms(7 * 24 * 3_600_000 - 1);
    run_all(&mut runner(&world.store)).await;
    assert_eq!(state(&world.store, id).await, JobState::Running);
    world.clock.advance_ms(1);
    run_all(&mut runner(&world.store)).await;
    assert_eq!(state(&world.store, id).await, JobState::Done);
}

#[tokio::test]
async fn a_rotation_goes_on_wherever_it_was_interrupted() {
    let mut ended = false;
    for steps in 1.. {
        if ended {
            assert!(steps > 8, "a rotation has steps");
            break;
        }
        let world = versioned().await;
        let expected = world.furnish().await;
        let id = world.store.start_job(rotation(&world)).await.unwrap();
        let mut first = runner(&world.store);
        for _ in 0..steps {
            ended = matches!(first.step().await.unwrap(), JobStep::Ended(..));
        }
        drop(first);
        let after = world.after_crash().await;
        let mut next = runner(&after.store);
        if !ended {
            assert_eq!(next.step().await.unwrap(), JobStep::Idle, "the lease of the dead holds");
            world.clock.advance_ms(60_001);
        }
        run_all(&mut next).await;
        let job = after.store.job(id).await.unwrap();
        assert_eq!(job.state, JobState::Done);
        assert_eq!(job.report.references.len(), 2, "it is rotated once");
        done(&world.store, destruction(&world, 1)).await;
        after.check_furniture(&expected).await;
    }
}

fn engine_fails() -> CommitError {
    EngineError::Io(std::io::Error::other("injected")).into()
}

#[tokio::test]
async fn a_commit_that_fails_or_says_so_costs_a_rotation_nothing() {
    for fault in [Fault::Fail as fn(fn() -> CommitError) -> Fault<CommitError>, Fault::FailAfter] {
        for nth in 1..24 {
            let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
            let world = World::with(engine.clone(), Arc::new(MemoryBlobs::default()), hasty()).await;
            let expected = world.furnish().await;
            let id = world.store.start_job(rotation(&world)).await.unwrap();
            engine.faults().reset();
            engine.faults().inject(When::Nth(EngineCall::Commit, nth), fault(engine_fails));
            let mut runner = runner(&world.store);
            while state(&world.store, id).await == JobState::Running {
                let _ = runner.step().await;
            }
            let job = world.store.job(id).await.unwrap();
            assert_eq!((job.state, job.report.references[0].1), (JobState::Done, 0), "commit {nth}: {:?}", job.trouble);
            done(&world.store, destruction(&world, 1)).await;
            world.after_crash().await.check_furniture(&expected).await;
        }
    }
}

/// What a writer does with a bucket that was looked up before the rotation.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Put,
    Overwrite,
    Copy,
    Tag,
    Delete,
    CreateUpload,
    Part,
    Complete,
}

#[tokio::test]
async fn no_writer_seals_under_a_key_that_is_destroyed_before_its_commit() {
    use Writer::*;
    for writer in [Put, Overwrite, Copy, Tag, Delete, CreateUpload, Part, Complete] {
        let engine = Arc::new(HookedEngine::default());
        let blobs = Arc::new(MemoryBlobs::default());
        let mut world = World::with(engine.clone(), blobs, hasty()).await;
        world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
        let expected = world.furnish().await;
        let upload = world.create_upload("parts", Encryption::SseS3).await;
        let etag = world.part("parts", upload, 1, &pattern(4000), None).await.unwrap();
        let other = world.clone();
        engine.before(EngineCall::Commit, 1, async move {
            done(&other.store, rotation(&other)).await;
            done(&other.store, destruction(&other, 1)).await;
        });
        match writer {
            Put => drop(world.put("new", b"new", Encryption::SseS3).await),
            Overwrite => drop(world.put("large", &pattern(200_000), Encryption::SseS3).await),
            Copy => drop(world.copy(("small", None), "new", Encryption::SseS3).await.unwrap()),
            Tag => {
                let (name, origin) = (key("small"), Origin::default());
                let tags = [("a".to_owned(), "b".to_owned())];
                drop(world.store.put_object_tags(&world.bucket, &name, &tags, &origin).await.unwrap());
            }
            Delete => world.delete("copy").await,
            CreateUpload => drop(world.create_upload("new", Encryption::SseS3).await),
            Part => drop(world.part("parts", upload, 2, &pattern(100), None).await.unwrap()),
            Complete => drop(world.complete("parts", upload, &[(1, &etag)], None).await.unwrap()),
        }
        assert!(engine.is_spent());
        let after = world.after_crash().await;
        let job = done(&after.store, rotation(&after)).await;
        assert_eq!(job.report.unreadable, 0, "{writer:?}");
        let kept: Vec<_> =
            expected.into_iter().filter(|(name, _)| !matches!(writer, Delete) || *name != "copy").collect();
        after.check_furniture(&kept).await;
        match writer {
            Put => assert_eq!(after.get("new").await, b"new"),
            Copy => assert_eq!(after.get("new").await, pattern(100)),
            Complete => assert_eq!(after.get("parts").await, pattern(4000)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn rotations_under_writers_readers_and_deletions_lose_nothing() {
    for seed in 0..common::rng::seeds(3) {
        let engine = Arc::new(HookedEngine::jittery(seed));
        let mut world = World::with(engine, Arc::new(MemoryBlobs::default()), hasty()).await;
        world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
        let mut tasks = JoinSet::new();
        for task in 0..6_u64 {
            let world = world.clone();
            tasks.spawn(async move {
                let mut rng = Rng::new(seed * 100 + task);
                let name = format!("object {task}");
                for round in 0..40 {
                    let data = format!("{task} {round}").repeat(1 + rng.below(300));
                    world.put(&name, data.as_bytes(), Encryption::SseS3).await;
                    assert!(world.get(&name).await == data.as_bytes());
                    world.copy((&name, None), "shared", Encryption::SseS3).await.map(drop).or_else(gone).unwrap();
                    let upload = world.create_upload(&name, Encryption::SseS3).await;
                    let etag = world.part(&name, upload, 1, data.as_bytes(), None).await.unwrap();
                    world.complete(&name, upload, &[(1, &etag)], None).await.unwrap();
                    assert!(world.get(&name).await == data.as_bytes());
                    if rng.one_in(4) {
                        world.delete(&name).await;
                    }
                }
            });
        }
        let rotating = world.clone();
        let rotated = tokio::spawn(async move {
            for generation in 1..5 {
                done(&rotating.store, rotation(&rotating)).await;
                done(&rotating.store, destruction(&rotating, generation)).await;
            }
        });
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        rotated.await.unwrap();
        let after = world.after_crash().await;
        let job = done(&after.store, rotation(&after)).await;
        assert_eq!((job.report.unreadable, job.counts.failed), (0, 0), "seed {seed}");
        after.assert_no_leak("after rotations").await;
    }
}

/// A source that was overwritten and collected before its copy was committed.
fn gone(error: StoreError) -> Result<(), StoreError> {
    if matches!(error, StoreError::NoSuchKey) { Ok(()) } else { Err(error) }
}

#[tokio::test]
async fn a_job_pauses_resumes_and_is_known_when_it_is_over() {
    let world = world().await;
    world.furnish().await;
    let id = world.store.start_job(rotation(&world)).await.unwrap();
    world.store.pause_job(id).await.unwrap();
    run_all(&mut runner(&world.store)).await;
    assert_eq!(state(&world.store, id).await, JobState::Paused);
    world.store.resume_job(id).await.unwrap();
    run_all(&mut runner(&world.store)).await;
    assert_eq!(state(&world.store, id).await, JobState::Done);
    for steered in [world.store.pause_job(id).await, world.store.resume_job(id).await, world.store.cancel_job(id).await]
    {
        assert!(matches!(steered, Err(JobError::NotPossible(_))));
    }
    assert_eq!(world.store.jobs().await.unwrap().len(), 1);
    let unknown = coffer_store::JobId::parse("0123456789abcdef").unwrap();
    assert!(matches!(world.store.job(unknown).await, Err(JobError::NoSuchJob)));
}

#[tokio::test]
async fn a_process_that_is_alone_takes_the_jobs_of_one_that_died_at_once() {
    let world = versioned().await;
    let id = world.store.start_job(rotation(&world)).await.unwrap();
    runner(&world.store).step().await.unwrap();
    assert_eq!(runner(&world.restarted()).step().await.unwrap(), JobStep::Idle, "the lease holds");
    let alone = world.restarted_with(Settings { is_alone: true, ..hasty() });
    run_all(&mut runner(&alone)).await;
    assert_eq!(state(&alone, id).await, JobState::Done);
}

#[tokio::test]
async fn the_last_hundred_jobs_that_are_over_are_kept() {
    let world = world().await;
    let mut ids = Vec::new();
    for _ in 0..103 {
        world.clock.advance_ms(1);
        let id = world.store.start_job(rotation(&world)).await.unwrap();
        world.store.cancel_job(id).await.unwrap();
        ids.push(id);
    }
    let running = world.store.start_job(rotation(&world)).await.unwrap();
    let kept: Vec<_> = world.store.jobs().await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(kept, [&ids[3..], &[running]].concat());
    assert!(matches!(world.store.job(ids[2]).await, Err(JobError::NoSuchJob)));
}

#[tokio::test]
async fn two_runners_do_what_one_does() {
    let world = versioned().await;
    let expected = world.furnish().await;
    let id = world.store.start_job(rotation(&world)).await.unwrap();
    let (mut one, mut two) = (runner(&world.store), runner(&world.store));
    while state(&world.store, id).await == JobState::Running {
        let (a, b) = tokio::join!(one.step(), two.step());
        a.unwrap();
        b.unwrap();
        world.clock.advance_ms(60_001);
    }
    assert_eq!(world.store.job(id).await.unwrap().report.references[0], (1, 0));
    done(&world.store, destruction(&world, 1)).await;
    world.after_crash().await.check_furniture(&expected).await;
}

#[tokio::test]
async fn everything_comes_under_the_new_root_key_and_the_old_one_can_go() {
    let dir = tempfile::tempdir().unwrap();
    let world = world().await;
    let expected = world.furnish().await;
    let made = Bootstrap::create(dir.path(), &*world.root).await.unwrap();
    let file = BootstrapFile::new(dir.path().to_owned(), world.root.clone());
    let environment = JobEnvironment { elsewhere: vec![Arc::new(file)], ..JobEnvironment::default() };
    let mut runner = JobRunner::new(world.store.clone(), environment);
    let rotate = world.store.start_job(JobSpec::RewrapRoot { rotate: true }).await.unwrap();
    run_all(&mut runner).await;
    let job = world.store.job(rotate).await.unwrap();
    assert_eq!((job.state, job.report.references), (JobState::Done, vec![(1, 0), (2, 2)]));
    let destroy = JobSpec::DestroyRootGeneration { generation: 1, not_before_ms: None };
    let destroy = world.store.start_job(destroy).await.unwrap();
    run_all(&mut runner).await;
    assert_eq!(state(&world.store, destroy).await, JobState::Done);
    let opened = Bootstrap::open(dir.path(), &*world.root).await.unwrap();
    assert_eq!(opened.metadata_key.expose(), made.metadata_key.expose());
    world.after_crash().await.check_furniture(&expected).await;
}

#[tokio::test]
async fn a_bucket_that_is_made_during_a_rotation_of_the_root_key_survives_the_old_one() {
    let engine = Arc::new(HookedEngine::default());
    let world = World::with_root(engine.clone(), Arc::new(MemoryBlobs::default()), hasty(), own_root()).await;
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        done(&other.store, JobSpec::RewrapRoot { rotate: true }).await;
        done(&other.store, JobSpec::DestroyRootGeneration { generation: 1, not_before_ms: None }).await;
    });
    let name = BucketName::for_creation("made-meanwhile").unwrap();
    world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
    assert!(engine.is_spent());
    world.restarted().bucket(&name).await.unwrap();
}

#[tokio::test]
async fn a_provider_with_another_root_key_changes_nothing() {
    let world = world().await;
    let expected = world.furnish().await;
    let stranger = World { root: own_root(), ..world.clone() };
    let rows = world.row_keys('B').await;
    let before = world.engine.get(&rows[0]).await.unwrap();
    let job = run(&stranger.restarted(), JobSpec::RewrapRoot { rotate: false }).await;
    assert_eq!((job.state, job.counts.changed, job.counts.failed), (JobState::Failed, 0, 1));
    assert!(world.engine.get(&rows[0]).await.unwrap() == before);
    world.after_crash().await.check_furniture(&expected).await;
}
