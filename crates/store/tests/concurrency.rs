//! Many tasks on few names, over an engine that lets others in at every call.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::future::Future;
use std::sync::Arc;

use coffer_blob::MemoryBlobs;
use coffer_crypto::Key32;
use coffer_meta::{JournalSettings, JournaledEngine, PageKeys};
use coffer_store::{BucketEncryptionChange, ETagMatch, Encryption, Settings, StoreError, WriteConditions};
use common::hooks::HookedEngine;
use common::rng::{Rng, seeds};
use common::{World, customer_key, key, plain_put, settings};
use tokio::task::JoinSet;

const SHARED: [&str; 3] = ["x", "y", "z"];

/// Garbage is due at once: only pins keep it.
async fn jittery(seed: u64) -> World {
    let settings = Settings { garbage_grace_ms: 0, ..settings() };
    World::with(Arc::new(HookedEngine::jittery(seed)), Arc::new(MemoryBlobs::default()), settings).await
}

/// A value that says which it is and how long: 16 bytes, and others that follow from them.
fn value(id: u64, len: usize) -> Vec<u8> {
    let mut value = [id.to_be_bytes(), (len as u64).to_be_bytes()].concat();
    value.extend(Rng::new(id).bytes(len));
    value
}

fn assert_whole(got: &[u8]) {
    let word = |at: usize| u64::from_be_bytes(got[at..at + 8].try_into().unwrap());
    assert!(got == value(word(0), usize::try_from(word(8)).unwrap()), "a mixture of values");
}

/// Starts `count` tasks and waits for all; the first panic is the test's.
async fn all<F>(count: u64, task: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(task(number));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Reads a name that others write to.
async fn read_shared(world: &World, name: &str) {
    match world.try_get(name, None).await {
        Ok(got) => assert_whole(&got),
        Err(StoreError::NoSuchKey) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Does one thing that others do too.
async fn disturb(world: &World, rng: &mut Rng, id: u64) {
    let name = *rng.pick::<&str>(&SHARED);
    let len = *rng.pick(&[10, 900, 3000, 140_000]);
    match rng.below(12) {
        0..3 => drop(world.put(name, &value(id, len), Encryption::SseS3).await),
        3..5 => world.delete(name).await,
        5..7 => match world.copy((name, None), rng.pick::<&str>(&SHARED), Encryption::SseS3).await {
            Ok(_) | Err(StoreError::NoSuchKey) => {}
            Err(error) => panic!("{error}"),
        },
        7 => {
            let change = BucketEncryptionChange { sse_c_blocked: Some(rng.one_in(2)), ..Default::default() };
            world.store.put_bucket_encryption(world.bucket.name(), &change).await.unwrap();
        }
        8 => {
            let upload_id = world.create_upload(name, Encryption::SseS3).await;
            let etag = world.part(name, upload_id, 1, &value(id, len), None).await.unwrap();
            // One completes, the other aborts: one of them is late.
            let parts = [(1, &*etag)];
            let (completed, aborted) =
                tokio::join!(world.complete(name, upload_id, &parts, None), world.abort(name, upload_id));
            assert_ne!(completed.is_ok(), aborted.is_ok());
            let lost = completed.map(drop).and(aborted);
            assert!(matches!(lost, Err(StoreError::NoSuchUpload)));
        }
        9 => drop(world.store.collect_garbage().await.unwrap()),
        _ => read_shared(world, name).await,
    }
}

async fn storm(seed: u64) {
    let world = jittery(seed).await;
    all(8, |task| {
        let world = world.clone();
        async move {
            let mut rng = Rng::new(seed * 1000 + task);
            let own = format!("own {task}");
            for step in 0..40 {
                let id = (task << 32) + step;
                let len = *rng.pick(&[10, 3000, 100_000]);
                world.put(&own, &value(id, len), Encryption::SseS3).await;
                // Others share its blob, lose it again, and collect it.
                world.copy((&own, None), rng.pick::<&str>(&SHARED), Encryption::SseS3).await.unwrap();
                disturb(&world, &mut rng, id).await;
                assert!(world.get(&own).await == value(id, len), "what was acknowledged is there");
            }
        }
    })
    .await;
    for name in SHARED {
        read_shared(&world, name).await;
    }
    world.assert_no_leak("after the storm").await;
    for name in SHARED.map(str::to_owned).into_iter().chain((0..8).map(|task| format!("own {task}"))) {
        world.delete(&name).await;
    }
    world.assert_empty("after the storm").await;
}

#[tokio::test]
async fn writers_readers_and_collections_in_turns_see_whole_values_only() {
    for seed in 0..seeds(4) {
        storm(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_readers_and_collections_in_parallel_see_whole_values_only() {
    storm(99).await;
}

#[tokio::test]
async fn one_of_many_creates_an_object() {
    let world = jittery(1).await;
    all(16, |task| {
        let world = world.clone();
        async move {
            let mut put = plain_put(Encryption::SseS3);
            put.conditions = WriteConditions { if_none_match: true, if_match: None };
            match world.try_put("a", &value(task, 2000), put).await {
                Ok(_) => assert!(world.get("a").await == value(task, 2000)),
                Err(error) => assert!(matches!(error, StoreError::PreconditionFailed("If-None-Match"))),
            }
        }
    })
    .await;
    assert_whole(&world.get("a").await);
    assert_eq!(world.blob_count().await, 1, "the others leave nothing");
}

#[tokio::test]
async fn hundreds_of_writers_of_one_key_and_copies_of_one_object_all_succeed() {
    // An engine that gathers commits: of all that were decided on one state, one holds.
    let dir = tempfile::tempdir().unwrap();
    let keys = PageKeys::new(Key32::generate());
    let engine = JournaledEngine::open(&dir.path().join("metadata"), keys, JournalSettings::default()).unwrap();
    let world = World::over(Arc::new(engine), Arc::new(MemoryBlobs::default())).await;
    world.put("template", &value(0, 2000), Encryption::SseS3).await;
    all(300, |task| {
        let world = world.clone();
        async move {
            world.put("hot", &value(task, 2000), Encryption::SseS3).await;
            world.copy(("template", None), &format!("copy {task}"), Encryption::SseS3).await.unwrap();
        }
    })
    .await;
    assert_whole(&world.get("hot").await);
    world.assert_no_leak("after the writers").await;
    assert_eq!(world.blob_count().await, 2);
}

#[tokio::test]
async fn no_update_is_lost_that_asks_for_the_etag_it_read() {
    let world = jittery(2).await;
    world.put("counter", b"0", Encryption::SseS3).await;
    all(8, |_| {
        let world = world.clone();
        async move {
            let mut done = 0;
            while done < 10 {
                let reader = world.store.get_object(&world.bucket, &key("counter"), world.keys(None)).await.unwrap();
                let etag = reader.info().etag.clone();
                let size = reader.info().size;
                let (mut stream, _) = reader.read(0..size).await.unwrap();
                let text = stream.next().await.unwrap().unwrap();
                let count: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                let mut put = plain_put(Encryption::SseS3);
                put.conditions.if_match = Some(ETagMatch::OneOf(vec![etag]));
                match world.try_put("counter", (count + 1).to_string().as_bytes(), put).await {
                    Ok(_) => done += 1,
                    Err(error) => assert!(matches!(error, StoreError::PreconditionFailed("If-Match"))),
                }
            }
        }
    })
    .await;
    assert_eq!(world.get("counter").await, b"80");
}

#[tokio::test]
async fn a_customer_key_changes_under_readers() {
    let world = jittery(3).await;
    let data = value(7, 150_000);
    let keys: Arc<Vec<_>> = Arc::new((0..4).map(customer_key).collect());
    world.put("c", &data, Encryption::SseC(&keys[0])).await;
    all(4, |task| {
        let (world, keys, data) = (world.clone(), keys.clone(), data.clone());
        async move {
            let mut rng = Rng::new(task);
            for _ in 0..40 {
                let (old, new) = (rng.pick(&keys), rng.pick(&keys));
                let result = match rng.below(3) {
                    0 => world.copy(("c", Some(old)), "c", Encryption::SseC(new)).await.map(drop),
                    1 => world.store.collect_garbage().await.map(drop),
                    _ => world.try_get("c", Some(old)).await.map(|got| assert!(got == data)),
                };
                assert!(matches!(result, Ok(()) | Err(StoreError::CustomerKeyMismatch)));
            }
        }
    })
    .await;
    assert_eq!(world.blob_count().await, 1, "no key change moved data");
    world.assert_no_leak("after the changes").await;
}

#[tokio::test]
async fn attempts_at_one_part_replace_each_other() {
    let world = jittery(4).await;
    let upload_id = world.create_upload("m", Encryption::SseS3).await;
    all(8, |task| {
        let world = world.clone();
        async move {
            for step in 0..10 {
                world.part("m", upload_id, 1, &value(task * 100 + step, 2000), None).await.unwrap();
            }
        }
    })
    .await;
    let (_, parts) =
        world.store.list_parts(&world.bucket, &key("m"), upload_id, world.keys(None), 0, 10).await.unwrap();
    assert_eq!(parts.len(), 1);
    world.complete("m", upload_id, &[(1, &parts[0].etag)], None).await.unwrap();
    assert_whole(&world.get("m").await);
    world.assert_no_leak("after the attempts").await;
    assert_eq!(world.blob_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn no_put_is_acknowledged_into_a_bucket_that_goes() {
    for seed in 0..seeds(4) {
        let world = jittery(seed).await;
        let name = world.bucket.name().clone();
        all(6, |task| {
            let (world, name) = (world.clone(), name.clone());
            async move {
                for step in 0..30 {
                    if task < 2 {
                        match world.store.delete_bucket(&name).await {
                            Ok(()) => drop(world.store.create_bucket(&name, &coffer_store::NewBucket::default()).await),
                            Err(StoreError::BucketNotEmpty | StoreError::NoSuchBucket) => {}
                            Err(error) => panic!("{error}"),
                        }
                        continue;
                    }
                    let Ok(bucket) = world.store.bucket(&name).await else { continue };
                    let world = world.with_bucket(bucket);
                    let own = format!("own {task}");
                    let upload_id = world.try_create_upload(&own).await;
                    match world.try_put(&own, &value(step, 2000), plain_put(Encryption::SseS3)).await {
                        Ok(_) => {
                            let bucket = world.store.bucket(&name).await.unwrap();
                            let found = world.with_bucket(bucket);
                            assert!(found.get(&own).await == value(step, 2000), "its bucket is gone");
                            if let Ok(upload_id) = upload_id {
                                found.abort(&own, upload_id).await.unwrap();
                            }
                            found.delete(&own).await;
                        }
                        Err(error) => assert!(matches!(error, StoreError::NoSuchBucket), "{error}"),
                    }
                }
            }
        })
        .await;
        match world.store.delete_bucket(&name).await {
            Ok(()) | Err(StoreError::NoSuchBucket) => {}
            Err(error) => panic!("{error}"),
        }
        world.collect().await;
        assert_eq!(world.rows().await.len(), 0);
        assert_eq!(world.blob_count().await, 0);
    }
}
