//! Shredding that is interrupted, that fails, and that meets others at what it shreds.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use coffer_meta::{CommitError, EngineError, MemoryEngine};
use coffer_store::{Encryption, JobError, JobId, JobState, JobStep, NewBucket, ObjectVersion, StoreError};
use coffer_testkit::{EngineCall, FailingEngine, Fault, When};
use common::hooks::HookedEngine;
use common::jobs::{done, run_all, runner, state};
use common::shred::{
    kept_alone, locking, neighbour, of_bucket, of_version, over, trouble, versioned, with_versions, world,
};
use common::thief::Thief;
use common::{World, key, pattern, plain_put};

#[tokio::test]
async fn a_lock_that_comes_after_the_job_was_started_holds() {
    let world = locking().await;
    let version = world.put("a", &pattern(5000), Encryption::SseS3).await.info.version;
    let id = world.store.start_job(of_version(&world, "a")).await.unwrap();
    let mut runner = runner(&world.store);
    // It has the job, and has looked once: what there is to say is noted, and nothing is gone.
    for _ in 0..2 {
        runner.step().await.unwrap();
    }
    let name = key("a");
    let target = ObjectVersion { key: &name, version: Some(version) };
    let change = coffer_store::LockChange::LegalHold(true);
    world.store.put_object_lock(&world.bucket, target, change, &coffer_store::Origin::default()).await.unwrap();
    run_all(&mut runner).await;
    let job = world.store.job(id).await.unwrap();
    assert!(trouble(&job).contains("nothing was destroyed") && job.report.destroyed.is_empty(), "{:?}", job.report);
    assert_eq!(world.get("a").await, pattern(5000));
}

#[tokio::test]
async fn a_version_that_is_put_meanwhile_stays() {
    for steps in 0..12 {
        let world = world().await;
        world.put("a", &pattern(5000), Encryption::SseS3).await;
        let thief = Thief::copy(&world).await;
        let id = world.store.start_job(of_version(&world, "a")).await.unwrap();
        let mut runner = runner(&world.store);
        for _ in 0..steps {
            runner.step().await.unwrap();
        }
        let bucket = world.store.bucket(world.bucket.name()).await.unwrap();
        let world = world.with_bucket(bucket);
        world.put("a", &pattern(6000), Encryption::SseS3).await;
        run_all(&mut runner).await;
        assert_eq!(state(&world.store, id).await, JobState::Done, "{steps}");
        assert_eq!(world.get("a").await, pattern(6000), "{steps}");
        assert_eq!(thief.open(&world, &[]).await.envelopes, 0, "{steps}");
        world.assert_no_leak("after an overwrite").await;
    }
}

#[tokio::test]
async fn a_writer_who_knew_the_bucket_before_finds_it_gone() {
    let engine = Arc::new(HookedEngine::default());
    let world = over(engine.clone()).await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        done(&other.store, of_bucket(&other)).await;
    });
    let put = world.try_put("b", &pattern(5000), plain_put(Encryption::SseS3)).await;
    assert!(matches!(put.err(), Some(StoreError::NoSuchBucket)) && engine.is_spent());
    world.collect().await;
    world.restarted().collect_orphans().await.unwrap();
    assert_eq!(world.rows().await.get(&'O'), None);
}

#[tokio::test]
async fn a_bucket_that_is_being_shredded_is_nowhere() {
    let world = world().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let id = world.store.start_job(of_bucket(&world)).await.unwrap();
    let mut runner = runner(&world.store);
    for _ in 0..3 {
        runner.step().await.unwrap();
    }
    assert_eq!(state(&world.store, id).await, JobState::Running);
    let (store, name) = (&world.store, world.bucket.name());
    assert!(matches!(store.bucket(name).await, Err(StoreError::NoSuchBucket)));
    assert!(matches!(store.delete_bucket(name).await, Err(StoreError::NoSuchBucket)));
    assert!(store.list_buckets("", None, 10).await.unwrap().is_empty());
    // Whoever wants its name has to wait.
    assert!(matches!(store.create_bucket(name, &NewBucket::default()).await, Err(StoreError::Contention)));
    assert!(matches!(store.cancel_job(id).await, Err(JobError::NotPossible(_))));
    // A restart does not decide about it.
    world.restarted().resume_bucket_deletions().await.unwrap();
    run_all(&mut runner).await;
    assert_eq!(state(&world.store, id).await, JobState::Done);
    store.create_bucket(name, &NewBucket::default()).await.unwrap();
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_interrupted() {
    for of_whole_bucket in [false, true] {
        let mut ended = false;
        for steps in 1.. {
            if ended {
                assert!(steps > 8, "shredding has steps");
                break;
            }
            let world = versioned().await;
            let expected = world.furnish().await;
            let neighbour = neighbour(&world).await;
            let thief = Thief::copy(&world).await;
            let spec = if of_whole_bucket { of_bucket(&world) } else { of_version(&world, "small") };
            let id = world.store.start_job(spec).await.unwrap();
            let mut first = runner(&world.store);
            for _ in 0..steps {
                ended = matches!(first.step().await.unwrap(), JobStep::Ended(..));
            }
            drop(first);
            let after = world.after_crash().await;
            world.clock.advance_ms(60_001);
            run_all(&mut runner(&after.store)).await;
            check_shredded(&after, id, &thief, &neighbour, of_whole_bucket, &expected).await;
        }
    }
}

fn engine_fails() -> CommitError {
    EngineError::Io(std::io::Error::other("injected")).into()
}

#[tokio::test]
async fn a_commit_that_fails_or_says_so_changes_nothing_of_the_outcome() {
    for of_whole_bucket in [false, true] {
        for fault in [Fault::Fail as fn(fn() -> CommitError) -> Fault<CommitError>, Fault::FailAfter] {
            for nth in 1..45 {
                let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
                let world = with_versions(over(engine.clone()).await).await;
                let expected = world.furnish().await;
                let neighbour = neighbour(&world).await;
                let thief = Thief::copy(&world).await;
                let spec = if of_whole_bucket { of_bucket(&world) } else { of_version(&world, "small") };
                let id = world.store.start_job(spec).await.unwrap();
                engine.faults().reset();
                engine.faults().inject(When::Nth(EngineCall::Commit, nth), fault(engine_fails));
                let mut runner = runner(&world.store);
                while state(&world.store, id).await == JobState::Running {
                    let _ = runner.step().await;
                }
                engine.faults().reset();
                let after = world.after_crash().await;
                check_shredded(&after, id, &thief, &neighbour, of_whole_bucket, &expected).await;
            }
        }
    }
}

/// What must hold at the end, however it was reached.
async fn check_shredded(
    after: &World,
    id: JobId,
    thief: &Thief,
    neighbour: &World,
    of_whole_bucket: bool,
    expected: &[(&'static str, Vec<u8>)],
) {
    let job = after.store.job(id).await.unwrap();
    assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
    let of_bucket_key = job.report.destroyed.iter().filter(|it| it.what == "bucket key").count();
    let of_root = job.report.destroyed.iter().filter(|it| it.what == "root key").count();
    assert_eq!((of_bucket_key, of_root, job.report.destroyed.len()), (1, 1, 3), "{:?}", job.report.destroyed);
    let opened = thief.open(after, &[]).await;
    assert_eq!(opened, kept_alone(neighbour, &opened).await);
    assert_eq!(neighbour.get("kept").await, pattern(9000));
    if of_whole_bucket {
        assert!(matches!(after.store.bucket(after.bucket.name()).await, Err(StoreError::NoSuchBucket)));
        after.collect().await;
        assert_eq!(after.blob_count().await, 1);
    } else {
        assert_eq!(after.get("small").await, b"an older version");
        let kept: Vec<_> = expected.iter().filter(|(name, _)| *name != "small").cloned().collect();
        after.check_furniture(&kept).await;
    }
    after.assert_no_leak("after shredding").await;
}

#[tokio::test]
async fn a_bucket_that_is_deleted_meanwhile_keeps_nothing_open() {
    let world = world().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let thief = Thief::copy(&world).await;
    let id = world.store.start_job(of_version(&world, "a")).await.unwrap();
    world.delete("a").await;
    world.store.delete_bucket(world.bucket.name()).await.unwrap();
    run_all(&mut runner(&world.store)).await;
    assert_eq!(state(&world.store, id).await, JobState::Done);
    assert_eq!(thief.open(&world, &[]).await.envelopes, 0);
}

#[tokio::test]
async fn the_same_is_not_shredded_twice_at_once() {
    let world = world().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let first = world.store.start_job(of_version(&world, "a")).await.unwrap();
    assert_eq!(world.store.start_job(of_version(&world, "a")).await.unwrap(), first);
    // Another object of the same name is another matter.
    world.put("a", &pattern(6000), Encryption::SseS3).await;
    assert_ne!(world.store.start_job(of_version(&world, "a")).await.unwrap(), first);
    run_all(&mut runner(&world.store)).await;
    assert!(matches!(world.try_get("a", None).await, Err(StoreError::NoSuchKey)));
    assert!(world.store.jobs().await.unwrap().iter().all(|job| job.state == JobState::Done));
}
