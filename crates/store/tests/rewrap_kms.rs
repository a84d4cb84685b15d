//! Data keys under newer material of their KMS keys: envelopes only.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use coffer_blob::MemoryBlobs;
use coffer_configuration::VersioningStatus;
use coffer_meta::MemoryEngine;
use coffer_store::{BucketName, Encryption, JobSpec, JobState, KmsKeyReferences, NewBucket, Origin};
use coffer_testkit::EngineCall;
use common::hooks::HookedEngine;
use common::jobs::{destruction, done, hasty, own_root, rotation, run_all, state};
use common::kms::{KEY_1, KEY_2, Mood};
use common::{World, key, pattern};

const ALL: JobSpec = JobSpec::RewrapKms { bucket: None, key_arn: None };

fn only(world: &World, key_arn: Option<&str>) -> JobSpec {
    let bucket = Some(world.bucket.name().as_str().to_owned());
    JobSpec::RewrapKms { bucket, key_arn: key_arn.map(str::to_owned) }
}

async fn versioned() -> World {
    let root = own_root();
    let world = World::with_root(Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()), hasty(), root);
    let mut world = world.await;
    world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
    world
}

fn of<'a>(keys: &'a [KmsKeyReferences], key_arn: &str) -> &'a KmsKeyReferences {
    keys.iter().find(|key| key.key_arn == key_arn).unwrap()
}

#[tokio::test]
async fn every_data_key_comes_under_the_new_material_and_no_blob_is_touched() {
    let world = versioned().await;
    let upload = world.furnish_for_reseal().await;
    let (seen, blobs) = (world.see().await, world.blobs.list(None, usize::MAX).await.unwrap());
    let inline = world.row_keys('D').await;
    world.kms.rotate(KEY_1);
    let job = world.run_job(ALL).await;
    assert_eq!(job.state, JobState::Done);
    let (one, two) = (of(&job.report.kms_keys, KEY_1), of(&job.report.kms_keys, KEY_2));
    assert_eq!((one.current, one.references.len(), one.references[0].0), (Some(2), 1, 2));
    assert_eq!((two.current, &*two.references), (Some(1), &[(1, 2)][..]));
    assert_eq!(job.counts.changed, one.references[0].1);
    let said = format!("Nothing refers to generations before 2 of the KMS key {KEY_1}.");
    assert!(job.report.text().contains(&said), "{}", job.report.text());
    assert_eq!(world.see().await, seen);
    assert!(world.blobs.list(None, usize::MAX).await.unwrap() == blobs && world.row_keys('D').await == inline);
    let asked = world.kms.asked();
    assert_eq!(world.run_job(ALL).await.counts.changed, 0);
    assert_eq!(world.kms.asked(), asked, "what is new is not asked for");
    // A rotation of the bucket's key goes with it.
    done(&world.store, rotation(&world)).await;
    done(&world.store, destruction(&world, 1)).await;
    assert_eq!(world.after_crash().await.see().await, seen);
    let (_, parts) =
        world.store.list_parts(&world.bucket, &key("open"), upload, world.keys(None), 0, 10).await.unwrap();
    world.complete("open", upload, &[(4, &parts[2].etag)], None).await.unwrap();
}

#[tokio::test]
async fn one_key_or_one_bucket_can_be_chosen() {
    let world = World::new().await;
    let name = BucketName::for_creation("another").unwrap();
    world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
    let other = world.with_bucket(world.store.bucket(&name).await.unwrap());
    for world in [&world, &other] {
        for (name, key_arn) in [("a", KEY_1), ("b", KEY_2)] {
            let kms = world.kms.draw(key_arn, name);
            world.put(name, &pattern(2000), Encryption::SseKms(&kms)).await;
        }
    }
    world.kms.rotate(KEY_1);
    world.kms.rotate(KEY_2);
    let job = world.run_job(only(&world, Some(KEY_1))).await;
    assert_eq!((job.counts.changed, job.report.kms_keys.len()), (1, 1));
    let job = world.run_job(only(&other, None)).await;
    assert_eq!((job.counts.changed, job.report.kms_keys.len()), (2, 2));
    let job = world.run_job(ALL).await;
    assert_eq!((job.counts.changed, job.counts.left_alone), (1, 3));
    assert!(job.report.kms_keys.iter().all(|key| key.references == [(2, 2)]));
}

#[tokio::test]
async fn objects_that_share_a_data_key_share_it_afterwards() {
    let world = World::new().await;
    let kms = world.kms.draw(KEY_1, "bucket");
    for name in ["a", "b", "c"] {
        world.put(name, &pattern(2000), Encryption::SseKms(&kms)).await;
    }
    world.kms.rotate(KEY_1);
    assert_eq!(world.run_job(ALL).await.counts.changed, 3);
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        let inspected = world.store.inspect_object(&world.bucket, &key(name), world.keys(None), true).await.unwrap();
        assert!(inspected.is_sound());
        keys.push(inspected.data_key.unwrap().ciphertext);
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0], kms.sealed.ciphertext);
}

#[tokio::test]
async fn what_the_kms_refuses_is_counted_and_stays() {
    let world = World::new().await;
    let expected = world.furnish().await;
    world.kms.rotate(KEY_1);
    world.kms.set_disabled(KEY_1, true);
    let job = world.run_job(ALL).await;
    assert_eq!((job.state, job.counts.changed), (JobState::Done, 0));
    assert_eq!(job.report.left, [("that the KMS refuses (DisabledException)".to_owned(), 3)]);
    assert_eq!(job.report.left_objects.len(), 3);
    assert_eq!(of(&job.report.kms_keys, KEY_1).references, [(1, 3)]);
    assert!(job.report.text().contains("3 refer to generation 1 of the KMS key"), "{}", job.report.text());
    world.kms.set_disabled(KEY_1, false);
    world.kms.set_mood(Mood::IsDown);
    assert_eq!(world.run_job(ALL).await.counts.changed, 0);
    world.kms.set_mood(Mood::Works);
    assert_eq!(world.run_job(ALL).await.counts.changed, 3);
    world.check_furniture(&expected).await;
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_interrupted() {
    for steps in 1..8 {
        let world = versioned().await;
        let expected = world.furnish().await;
        world.kms.rotate(KEY_1);
        let id = world.store.start_job(ALL).await.unwrap();
        let mut first = world.runner_of(&world.store);
        for _ in 0..steps {
            first.step().await.unwrap();
        }
        drop(first);
        let after = world.after_crash().await;
        after.check_furniture(&expected).await;
        world.clock.advance_ms(60_001);
        run_all(&mut after.runner_of(&after.store)).await;
        let job = after.store.job(id).await.unwrap();
        assert_eq!((job.state, of(&job.report.kms_keys, KEY_1).references.len()), (JobState::Done, 1));
        after.check_furniture(&expected).await;
    }
}

#[tokio::test]
async fn whatever_happens_just_before_a_commit_is_kept() {
    for what in 0..4 {
        for nth in 1.. {
            let engine = Arc::new(HookedEngine::default());
            let world = World::with(engine.clone(), Arc::new(MemoryBlobs::default()), hasty()).await;
            let kms = world.kms.draw(KEY_1, "a");
            world.put("a", &pattern(2000), Encryption::SseKms(&kms)).await;
            world.kms.rotate(KEY_1);
            let id = world.store.start_job(ALL).await.unwrap();
            let racing = world.clone();
            engine.before(EngineCall::Commit, nth, async move {
                let (name, origin) = (key("a"), Origin::default());
                match what {
                    0 => racing.delete("a").await,
                    1 => drop(racing.put("a", b"another", Encryption::SseS3).await),
                    2 => {
                        let tags = [("a".to_owned(), "b".to_owned())];
                        drop(racing.store.put_object_tags(&racing.bucket, &name, &tags, &origin).await.unwrap());
                    }
                    _ => {
                        let (new, keys) = (racing.kms.draw(KEY_2, "a"), racing.keys(None));
                        let (store, bucket) = (&racing.store, &racing.bucket);
                        drop(store.update_object_encryption(bucket, &name, keys, &new, &origin).await.unwrap());
                    }
                }
            });
            run_all(&mut world.runner_of(&world.store)).await;
            if !engine.is_spent() {
                assert!(nth > 4, "the job has commits");
                break;
            }
            assert_eq!(state(&world.store, id).await, JobState::Done);
            let got = world.try_get("a", None).await;
            match what {
                0 => assert!(got.is_err()),
                1 => assert_eq!(got.unwrap(), b"another"),
                _ => assert!(got.unwrap() == pattern(2000)),
            }
            if what == 2 {
                assert_eq!(world.instance("a").await.tags.len(), 1);
            }
            world.assert_no_leak("after a race").await;
        }
    }
}

#[tokio::test]
async fn buckets_that_go_meanwhile_are_passed_over() {
    let world = World::new().await;
    let mut names = Vec::new();
    for number in 0..4 {
        let name = BucketName::for_creation(&format!("bucket-{number}")).unwrap();
        world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        names.push(name);
    }
    let last = world.with_bucket(world.store.bucket(&names[3]).await.unwrap());
    let kms = world.kms.draw(KEY_1, "a");
    last.put("a", &pattern(2000), Encryption::DsseKms(&kms)).await;
    world.kms.rotate(KEY_1);
    let id = world.store.start_job(ALL).await.unwrap();
    let mut runner = world.runner_of(&world.store);
    for name in &names[..3] {
        runner.step().await.unwrap();
        world.store.delete_bucket(name).await.unwrap();
    }
    run_all(&mut runner).await;
    let job = world.store.job(id).await.unwrap();
    assert_eq!((job.state, job.counts.changed), (JobState::Done, 1));
    assert_eq!(last.get("a").await, pattern(2000));
}
