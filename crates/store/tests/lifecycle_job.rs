//! The job that follows lifecycle rules: interrupted, raced, shared between processes, and over damaged rows.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use coffer_blob::MemoryBlobs;
use coffer_configuration::{DAY_MS, LifecycleRule, VersioningStatus};
use coffer_crypto::Key32;
use coffer_meta::{Commit, CommitError, EngineError, JournalSettings, JournaledEngine, MemoryEngine, PageKeys};
use coffer_store::{
    BucketName, DeleteObject, Encryption, LifecycleJob, LifecycleSettings, LifecycleStep, NewBucket, Origin, Settings,
};
use coffer_testkit::{EngineCall, FailingEngine, Fault, When};
use common::hooks::HookedEngine;
use common::lifecycle::{DAILY, aborts, days, expires, expires_noncurrent, removes_markers, run};
use common::{World, key, pattern};

fn with_id(id: &str, rule: LifecycleRule) -> LifecycleRule {
    LifecycleRule { id: id.to_owned(), ..rule }
}

/// Puts something that is due into every table, in three buckets; the second has no rules. There are `count` of each.
async fn furnish(mut world: World, count: usize) -> World {
    let rules = || {
        vec![
            with_id("1", expires("o", 1)),
            with_id("2", expires_noncurrent("", 1, Some(1))),
            with_id("3", removes_markers("m")),
            with_id("4", aborts("", 1)),
        ]
    };
    for name in ["bucket", "bucket2", "bucket3"] {
        let name = BucketName::for_creation(name).unwrap();
        if name.as_str() != "bucket" {
            world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        }
        let mut here = world.with_bucket(world.store.bucket(&name).await.unwrap());
        let rules = if name.as_str() == "bucket2" { vec![] } else { rules() };
        here.set_lifecycle(rules, Some(VersioningStatus::Enabled)).await;
        for index in 0..count {
            here.put(&format!("o{index}"), b"data", Encryption::SseS3).await;
            here.put(&format!("o{index}"), &pattern(5000), Encryption::SseS3).await;
            here.delete(&format!("m{index}")).await;
            let upload = here.create_upload("u", Encryption::SseS3).await;
            here.part("u", upload, 1, &pattern(2000), None).await.unwrap();
        }
        for _ in 0..4 {
            here.put("v", b"data", Encryption::SseS3).await;
        }
        if name.as_str() == "bucket" {
            world.bucket = here.bucket;
        }
    }
    world.clock.advance_ms(days(1));
    world
}

async fn furnished() -> World {
    furnish(World::new().await, 6).await
}

/// How many rows there are of what rules are for.
async fn what_is_left(world: &World) -> Vec<usize> {
    let mut left = Vec::new();
    for table in ['M', 'O', 'U', 'V'] {
        left.push(world.row_keys(table).await.len());
    }
    left
}

#[tokio::test]
async fn a_run_goes_through_every_bucket_with_rules() {
    let world = furnished().await;
    // In each of the two: six objects become markers over two versions of which the last stays; six markers go; of
    // three old versions the last stays.
    assert_eq!(what_is_left(&world).await, [18, 21, 18, 27]);
    let progress = world.run_lifecycle().await;
    assert_eq!((progress.expired, progress.aborted, progress.locked), (2 * (6 + 6 + 2), 2 * 6, 0));
    assert_eq!(what_is_left(&world).await, [18, 9, 6, 35]);
    world.assert_no_leak("after a run").await;
}

#[tokio::test]
async fn whoever_comes_after_a_crash_goes_on_where_it_was() {
    let whole = furnished().await;
    whole.run_lifecycle().await;
    let expected = what_is_left(&whole).await;
    let mut interrupted = true;
    for steps in 0.. {
        if !interrupted {
            assert!(steps > 8, "a run has steps");
            break;
        }
        let world = furnished().await;
        let mut job = LifecycleJob::new(world.store.clone(), DAILY);
        interrupted = false;
        for _ in 0..=steps {
            interrupted = !matches!(job.step().await.unwrap(), LifecycleStep::Finished(_));
        }
        drop(job);
        let after = world.after_crash().await;
        let mut next = LifecycleJob::new(after.store.clone(), DAILY);
        if interrupted {
            assert_eq!(next.step().await.unwrap(), LifecycleStep::Idle, "the lease of the dead holds");
            world.clock.advance_ms(60_001);
            assert!(run(&mut next).await.is_some());
        }
        assert_eq!(run(&mut next).await, None, "a run a day");
        assert_eq!(what_is_left(&after).await, expected, "after {steps} steps");
        after.assert_no_leak("after a crash").await;
    }
}

fn engine_fails() -> CommitError {
    EngineError::Io(std::io::Error::other("injected")).into()
}

fn engine_is_full() -> CommitError {
    EngineError::NoSpace.into()
}

/// Strikes the nth call of a run. Returns whether there was one.
async fn strike(nth: u64, fault: Fault<CommitError>, expected: &[usize]) -> bool {
    let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
    let world = World::over(engine.clone(), Arc::new(MemoryBlobs::default())).await;
    let world = furnish(world, 2).await;
    engine.faults().reset();
    engine.faults().inject(When::NthOfAny(nth), fault);
    let mut job = LifecycleJob::new(world.store.clone(), DAILY);
    tokio::select! {
        () = async { while let Ok(LifecycleStep::Worked(_)) = job.step().await {} } => {}
        // It stands for the end of the process.
        () = engine.faults().frozen() => {}
    }
    drop(job);
    let was_met = engine.faults().calls().len() as u64 >= nth;
    engine.faults().reset();
    let after = world.after_crash().await;
    world.clock.advance_ms(60_001);
    run(&mut LifecycleJob::new(after.store.clone(), DAILY)).await;
    assert_eq!(what_is_left(&after).await, expected, "call {nth}");
    after.assert_no_leak(&format!("call {nth}")).await;
    was_met
}

#[tokio::test]
async fn every_call_of_a_run_may_fail() {
    let whole = furnish(World::new().await, 2).await;
    whole.run_lifecycle().await;
    let expected = what_is_left(&whole).await;
    let faults = [
        Fault::Fail(engine_fails as fn() -> CommitError),
        Fault::Fail(engine_is_full),
        Fault::FailAfter(engine_fails),
        Fault::Freeze,
        Fault::FreezeAfter,
    ];
    for (kind, fault) in (0..).zip(faults) {
        let mut nth = 1 + kind;
        while strike(nth, fault, &expected).await {
            // Each kind strikes other calls, all of them together nearly every one.
            nth += 3;
        }
        assert!(nth > 50, "a run asks more");
    }
}

#[tokio::test]
async fn a_run_begins_once_a_day_and_at_once_when_one_was_missed() {
    let world = World::new().await;
    let mut job = LifecycleJob::new(world.store.clone(), DAILY);
    assert!(run(&mut job).await.is_some(), "the first");
    for _ in 0..2 {
        assert!(run(&mut job).await.is_none());
        world.clock.advance_ms(DAY_MS);
        assert!(run(&mut job).await.is_some());
    }
    world.clock.advance_ms(9 * DAY_MS);
    assert!(run(&mut job).await.is_some());
    assert!(run(&mut job).await.is_none(), "those that were missed are one");
    world.clock.set_back_ms(5 * DAY_MS);
    assert!(run(&mut job).await.is_some(), "a clock that is set back does not stop it");
}

#[tokio::test]
async fn one_process_at_a_time_has_the_job() {
    let world = furnished().await;
    let (mut one, mut other) =
        (LifecycleJob::new(world.store.clone(), DAILY), LifecycleJob::new(world.restarted(), DAILY));
    assert!(matches!(one.step().await.unwrap(), LifecycleStep::Worked(_)));
    assert_eq!(other.step().await.unwrap(), LifecycleStep::Idle);
    assert!(matches!(one.step().await.unwrap(), LifecycleStep::Worked(_)));
    one.release().await.unwrap();
    assert!(matches!(other.step().await.unwrap(), LifecycleStep::Worked(_)), "it was released");
    let mut one = LifecycleJob::new(world.store.clone(), DAILY);
    assert_eq!(one.step().await.unwrap(), LifecycleStep::Idle);
    world.clock.advance_ms(60_001);
    assert!(matches!(one.step().await.unwrap(), LifecycleStep::Worked(_)), "the lease is over");
    assert_eq!(other.step().await.unwrap(), LifecycleStep::Idle, "and with it the right to go on");
    world.clock.set_back_ms(30 * DAY_MS);
    assert!(matches!(other.step().await.unwrap(), LifecycleStep::Worked(_)), "no lease is that long");
}

#[tokio::test]
async fn a_step_that_is_interrupted_while_it_commits_does_not_keep_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let keys = PageKeys::new(Key32::generate());
    let engine = JournaledEngine::open(&dir.path().join("metadata"), keys, JournalSettings::default()).unwrap();
    let world = World::over(Arc::new(engine), Arc::new(MemoryBlobs::default())).await;
    for _ in 0..20 {
        world.clock.advance_ms(DAY_MS);
        let mut one = LifecycleJob::new(world.store.clone(), DAILY);
        // Polled once and given up: the commit that takes the job is then with the engine.
        let _ = pin!(one.step()).poll(&mut Context::from_waker(Waker::noop()));
        one.release().await.unwrap();
        let mut other = LifecycleJob::new(world.restarted(), DAILY);
        assert!(run(&mut other).await.is_some(), "nobody holds it");
    }
}

#[tokio::test]
async fn a_process_that_is_alone_waits_for_no_lease() {
    let world = furnished().await;
    let mut dead = LifecycleJob::new(world.store.clone(), DAILY);
    dead.step().await.unwrap();
    let mut other = LifecycleJob::new(world.restarted(), DAILY);
    assert_eq!(other.step().await.unwrap(), LifecycleStep::Idle);
    let alone = world.restarted_with(Settings { is_alone: true, ..common::settings() });
    assert!(run(&mut LifecycleJob::new(alone, DAILY)).await.is_some());
}

#[tokio::test]
async fn an_interval_of_nothing_is_the_shortest_there_is() {
    let world = World::new().await;
    let mut job = LifecycleJob::new(world.store.clone(), LifecycleSettings { interval_ms: 0, day_ms: 0 });
    assert!(run(&mut job).await.is_some());
    assert!(run(&mut job).await.is_none());
}

/// Has `action` happen when the job has decided about the one row there is, and is about to commit that.
async fn raced<F>(rule: LifecycleRule, versioning: Option<VersioningStatus>, action: impl FnOnce(World) -> F) -> World
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut world, engine): (World, Arc<HookedEngine>) = World::hooked().await;
    world.set_lifecycle(vec![rule], versioning).await;
    world.put("a", b"data", Encryption::SseS3).await;
    world.clock.advance_ms(days(1));
    let mut job = LifecycleJob::new(world.store.clone(), DAILY);
    // The run begins, finds the bucket, and passes the tables before that of objects.
    for _ in 0..4 {
        assert!(matches!(job.step().await.unwrap(), LifecycleStep::Worked(_)));
    }
    engine.before(EngineCall::Commit, 1, action(world.clone()));
    run(&mut job).await.unwrap();
    assert!(engine.is_spent());
    world
}

#[tokio::test]
async fn what_is_written_meanwhile_is_left() {
    for versioning in [None, Some(VersioningStatus::Enabled), Some(VersioningStatus::Suspended)] {
        let world = raced(expires("", 1), versioning, |world| async move {
            world.put("a", b"new", Encryption::SseS3).await;
        });
        assert_eq!(world.await.get("a").await, b"new");
    }
}

#[tokio::test]
async fn a_tag_that_is_taken_away_meanwhile_saves_an_object() {
    let mut tagged = expires("", 1);
    tagged.filter.tags = vec![("k".to_owned(), "v".to_owned())];
    let (mut world, engine) = World::hooked().await;
    world.set_lifecycle(vec![tagged], None).await;
    let mut put = common::plain_put(Encryption::SseS3);
    put.tags = vec![("k".to_owned(), "v".to_owned())];
    world.try_put("a", b"data", put).await.unwrap();
    world.clock.advance_ms(days(1));
    let mut job = LifecycleJob::new(world.store.clone(), DAILY);
    for _ in 0..4 {
        job.step().await.unwrap();
    }
    let other = world.clone();
    engine.before(EngineCall::Commit, 1, async move {
        other.store.put_object_tags(&other.bucket, &key("a"), &[], &Origin::default()).await.unwrap();
    });
    assert_eq!(run(&mut job).await.unwrap().expired, 0);
    assert!(engine.is_spent());
    assert_eq!(world.get("a").await, b"data");
}

#[tokio::test]
async fn rules_that_are_deleted_meanwhile_do_nothing() {
    let world = raced(expires("", 1), None, |mut world| async move { world.set_lifecycle(vec![], None).await });
    assert_eq!(world.await.get("a").await, b"data");
}

#[tokio::test]
async fn versioning_that_is_enabled_meanwhile_keeps_the_version() {
    let world = raced(expires("", 1), None, |mut world| async move {
        world.set_lifecycle(vec![expires("", 1)], Some(VersioningStatus::Enabled)).await;
    });
    let world = world.await;
    let bucket = world.store.bucket(world.bucket.name()).await.unwrap();
    let versions = world.with_bucket(bucket).versions().await;
    assert_eq!(versions.iter().map(|(_, what, _)| what.as_str()).collect::<Vec<_>>(), ["marker", "STANDARD"]);
}

#[tokio::test]
async fn a_bucket_that_is_deleted_meanwhile_ends_nothing_but_itself() {
    let world = raced(expires("", 1), None, |world| async move {
        let name = world.bucket.name().clone();
        world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.unwrap();
        world.store.delete_bucket(&name).await.unwrap();
        world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        let again = world.store.bucket(&name).await.unwrap();
        world.with_bucket(again).put("a", b"another", Encryption::SseS3).await;
    });
    let world = world.await;
    let again = world.store.bucket(world.bucket.name()).await.unwrap();
    assert_eq!(world.with_bucket(again).get("a").await, b"another");
}

#[tokio::test]
async fn damage_in_one_row_stops_nothing_else() {
    for table in ['B', 'L', 'M', 'O', 'U', 'V'] {
        let world = furnished().await;
        let mut job = LifecycleJob::new(world.store.clone(), DAILY);
        job.step().await.unwrap();
        drop(job);
        world.clock.advance_ms(60_001);
        let rows = world.row_keys(table).await;
        let bucket_of = |row: &[u8]| row.get(1..17).map(<[u8]>::to_vec);
        let damaged: Vec<_> = match table {
            'B' | 'L' => vec![rows[0].clone()],
            // The oldest version of the last key, and otherwise the first row of each bucket.
            'V' => rows
                .windows(2)
                .filter(|two| bucket_of(&two[0]) != bucket_of(&two[1]))
                .map(|two| two[0].clone())
                .chain(rows.last().cloned())
                .collect(),
            _ => rows
                .windows(2)
                .filter(|two| bucket_of(&two[0]) != bucket_of(&two[1]))
                .map(|two| two[1].clone())
                .chain(rows.first().cloned())
                .collect(),
        };
        for row in damaged {
            let mut bad = world.engine.get(&row).await.unwrap().unwrap().to_vec();
            *bad.last_mut().unwrap() ^= 1;
            let mut commit = Commit::new();
            commit.put(row, bad);
            world.engine.commit(commit).await.unwrap();
        }
        let progress = run(&mut LifecycleJob::new(world.restarted(), DAILY)).await.unwrap();
        let all = 2 * (6 + 6 + 2) + 2 * 6;
        let expected = match table {
            // The first bucket has half of everything.
            'B' => all / 2,
            'L' => all,
            // The bucket without rules is damaged too.
            _ => all - 2,
        };
        assert_eq!(progress.expired + progress.aborted, expected, "{table}");
    }
}
