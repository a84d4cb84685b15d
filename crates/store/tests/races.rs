//! Two things at once, made to measure: one of them happens just before a call that the other makes to the engine.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use coffer_crypto::md5;
use coffer_store::{Encryption, StoreError, WriteConditions};
use coffer_testkit::EngineCall;
use common::hooks::HookedEngine;
use common::{World, pattern, plain_put};
use tokio::sync::{Notify, oneshot};

const PART: usize = 5 << 20;

/// Has `action` run in `world` before the nth call of a kind.
fn before<F>(world: &World, engine: &HookedEngine, call: EngineCall, nth: u64, action: impl FnOnce(World) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    engine.before(call, nth, action(world.clone()));
}

/// Puts an object whose part list has rows of its own.
async fn put_many_parts(world: &World, name: &str) {
    let upload_id = world.create_upload(name, Encryption::SseS3).await;
    let data = pattern(PART);
    let mut etags = Vec::new();
    for number in 1..=4 {
        etags.push(world.part(name, upload_id, number, &data, None).await.unwrap());
    }
    etags.push(world.part(name, upload_id, 5, b"last", None).await.unwrap());
    let parts: Vec<_> = (1..).zip(etags.iter().map(String::as_str)).collect();
    world.complete(name, upload_id, &parts, None).await.unwrap();
    assert_eq!(world.rows().await[&'Q'], 1);
}

#[tokio::test]
async fn two_collections_at_once_drop_a_reference_once() {
    let (world, engine) = World::hooked().await;
    let data = pattern(5000);
    world.put("a", &data, Encryption::SseS3).await;
    world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
    world.delete("a").await;
    world.clock.advance_ms(3_600_000);
    before(&world, &engine, EngineCall::Get, 1, |other| async move {
        other.store.collect_garbage().await.unwrap();
    });
    world.store.collect_garbage().await.unwrap();
    assert!(engine.is_spent());
    assert_eq!(world.get("b").await, data);
    world.assert_no_leak("after both").await;
}

#[tokio::test]
async fn a_delete_and_an_overwrite_look_again_when_part_lists_go() {
    for overwrite in [false, true] {
        let (world, engine) = World::hooked().await;
        put_many_parts(&world, "a").await;
        // The second read is of the part list.
        before(&world, &engine, EngineCall::Get, 2, |other| async move {
            other.put("a", b"meanwhile", Encryption::SseS3).await;
        });
        if overwrite {
            world.put("a", b"mine", Encryption::SseS3).await;
            assert_eq!(world.get("a").await, b"mine");
        } else {
            world.delete("a").await;
            assert!(matches!(world.try_get("a", None).await, Err(StoreError::NoSuchKey)));
        }
        assert!(engine.is_spent());
        world.delete("a").await;
        world.assert_empty("after the race").await;
    }
}

#[tokio::test]
async fn a_reader_of_an_object_that_changes_gets_one_of_its_versions() {
    let (old, new) = (pattern(5000), pattern(6000));
    for nth in 1..=2 {
        let (world, engine) = World::hooked().await;
        world.put("a", &old, Encryption::SseS3).await;
        let newer = new.clone();
        before(&world, &engine, EngineCall::Get, nth, |other| async move {
            other.put("a", &newer, Encryption::SseS3).await;
            // Garbage that no one holds on to goes at once.
            other.collect().await;
        });
        assert_eq!(world.get("a").await, new);
        assert!(engine.is_spent());
        world.assert_no_leak("after the read").await;
    }
}

#[tokio::test]
async fn a_completion_takes_a_part_that_was_uploaded_again_or_refuses() {
    for content in [&b"first"[..], b"other"] {
        let (world, engine) = World::hooked().await;
        let upload_id = world.create_upload("a", Encryption::SseS3).await;
        let etag = world.part("a", upload_id, 1, b"first", None).await.unwrap();
        before(&world, &engine, EngineCall::Commit, 1, |other| async move {
            other.part("a", upload_id, 1, content, None).await.unwrap();
        });
        let completed = world.complete("a", upload_id, &[(1, &etag)], None).await;
        assert!(engine.is_spent());
        if content == b"first" {
            completed.unwrap();
            assert_eq!(world.get("a").await, b"first");
        } else {
            assert!(matches!(completed, Err(StoreError::InvalidPart { part_number: 1, .. })));
            let etag = hex::encode(md5(content));
            world.complete("a", upload_id, &[(1, &etag)], None).await.unwrap();
            assert_eq!(world.get("a").await, content);
        }
        world.assert_no_leak("after the completion").await;
    }
}

#[tokio::test]
async fn a_completion_that_loses_to_its_twin_answers_alike_and_one_that_loses_to_an_abort_says_so() {
    // The other comes before the parts are looked at, or before the commit.
    for (call, twin) in
        [EngineCall::Scan, EngineCall::Commit].into_iter().flat_map(|call| [(call, true), (call, false)])
    {
        let (world, engine) = World::hooked().await;
        let upload_id = world.create_upload("a", Encryption::SseS3).await;
        let etag = world.part("a", upload_id, 1, b"content", None).await.unwrap();
        let same = etag.clone();
        before(&world, &engine, call, 1, |other| async move {
            if twin {
                other.complete("a", upload_id, &[(1, &same)], None).await.unwrap();
            } else {
                other.abort("a", upload_id).await.unwrap();
            }
        });
        let completed = world.complete("a", upload_id, &[(1, &etag)], None).await;
        assert!(engine.is_spent());
        match completed {
            Ok(stored) => assert!(twin && stored.info.etag.ends_with("-1")),
            Err(error) => assert!(!twin && matches!(error, StoreError::NoSuchUpload)),
        }
        world.delete("a").await;
        world.assert_empty("after the completion").await;
    }
}

#[tokio::test]
async fn a_part_whose_upload_ends_meanwhile_leaves_nothing() {
    for complete in [true, false] {
        let (world, engine) = World::hooked().await;
        let upload_id = world.create_upload("a", Encryption::SseS3).await;
        let etag = world.part("a", upload_id, 1, b"first", None).await.unwrap();
        before(&world, &engine, EngineCall::Commit, 1, |other| async move {
            if complete {
                other.complete("a", upload_id, &[(1, &etag)], None).await.unwrap();
            } else {
                other.abort("a", upload_id).await.unwrap();
            }
        });
        let late = world.part("a", upload_id, 2, &pattern(5000), None).await;
        assert!(engine.is_spent());
        assert!(matches!(late, Err(StoreError::NoSuchUpload)));
        assert_eq!(world.blob_count().await, 1, "the late part's blob is gone at once");
        world.delete("a").await;
        world.assert_empty("after the late part").await;
    }
}

#[tokio::test]
async fn a_conditional_put_that_loses_leaves_nothing() {
    let (world, engine) = World::hooked().await;
    before(&world, &engine, EngineCall::Commit, 1, |other| async move {
        other.put("a", &pattern(5000), Encryption::SseS3).await;
    });
    let mut put = plain_put(Encryption::SseS3);
    put.conditions = WriteConditions { if_none_match: true, if_match: None };
    let lost = world.try_put("a", &pattern(6000), put).await;
    assert!(matches!(lost, Err(StoreError::PreconditionFailed("If-None-Match"))));
    assert_eq!(world.blob_count().await, 1);
    assert_eq!(world.get("a").await, pattern(5000));
}

#[tokio::test]
async fn a_copy_outlives_a_source_that_goes_meanwhile() {
    let (world, engine) = World::hooked().await;
    let data = pattern(5000);
    world.put("a", &data, Encryption::SseS3).await;
    before(&world, &engine, EngineCall::Commit, 1, |other| async move {
        other.copy(("a", None), "c", Encryption::SseS3).await.unwrap();
        other.delete("a").await;
        other.collect().await;
    });
    world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
    assert!(engine.is_spent());
    assert_eq!(world.blob_count().await, 2, "what has changed is not shared any more");
    world.collect().await;
    assert_eq!(world.get("b").await, data);
    world.delete("c").await;
    world.collect().await;
    assert_eq!(world.get("b").await, data);
    world.delete("b").await;
    world.assert_empty("after the last copy").await;
}

#[tokio::test]
async fn a_put_into_a_bucket_that_goes_meanwhile_is_refused_and_leaves_nothing() {
    let (world, engine) = World::hooked().await;
    before(&world, &engine, EngineCall::Commit, 1, |other| async move {
        other.store.delete_bucket(other.bucket.name()).await.unwrap();
        other.store.create_bucket(other.bucket.name(), &coffer_store::NewBucket::default()).await.unwrap();
    });
    let late = world.try_put("a", &pattern(5000), plain_put(Encryption::SseS3)).await;
    assert!(engine.is_spent());
    assert!(matches!(late, Err(StoreError::NoSuchBucket)), "it is not put into another bucket of the same name");
    world.assert_empty("after the late put").await;
}

#[tokio::test]
async fn a_bucket_stays_when_a_put_comes_between() {
    let (world, engine) = World::hooked().await;
    before(&world, &engine, EngineCall::Commit, 1, |other| async move {
        other.put("a", b"x", Encryption::SseS3).await;
    });
    let refused = world.store.delete_bucket(world.bucket.name()).await;
    assert!(engine.is_spent());
    assert!(matches!(refused, Err(StoreError::BucketNotEmpty)));
    assert_eq!(world.get("a").await, b"x");
    world.put("b", b"y", Encryption::SseS3).await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_deleter_went_away_is_decided_by_the_next_who_looks() {
    for put_in_time in [false, true] {
        let (world, engine) = World::hooked().await;
        let upload_id = world.create_upload("u", Encryption::SseS3).await;
        world.part("u", upload_id, 1, &pattern(2000), None).await.unwrap();
        let stuck = Arc::new(Notify::new());
        let (hooks, at_it) = (engine.clone(), stuck.clone());
        before(&world, &engine, EngineCall::Commit, 1, |other| async move {
            if put_in_time {
                other.put("a", b"x", Encryption::SseS3).await;
            }
            // The mark is written, and the decision is not.
            hooks.before(EngineCall::Commit, 1, async move {
                at_it.notify_one();
                std::future::pending().await
            });
        });
        let deleter = world.clone();
        let task = tokio::spawn(async move { deleter.store.delete_bucket(deleter.bucket.name()).await });
        stuck.notified().await;
        task.abort();
        let found = world.store.bucket(world.bucket.name()).await;
        if put_in_time {
            found.unwrap();
            assert_eq!(world.get("a").await, b"x");
            world.part("u", upload_id, 2, b"the upload goes on", None).await.unwrap();
        } else {
            assert!(matches!(found, Err(StoreError::NoSuchBucket)));
            world.assert_empty("after the deletion").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn writers_wait_for_a_deletion_and_then_write_or_are_refused() {
    for put_in_time in [false, true] {
        let (world, engine) = World::hooked().await;
        let hooks = engine.clone();
        let (send, receive) = oneshot::channel();
        before(&world, &engine, EngineCall::Commit, 1, |other| async move {
            if put_in_time {
                other.put("a", b"x", Encryption::SseS3).await;
            }
            hooks.before(EngineCall::Commit, 1, async move {
                // Not even a writer that saw the mark in a listing gets past it.
                let bucket = other.store.list_buckets("", None, 1).await.unwrap().remove(0);
                let late = other.with_bucket(bucket);
                let put = async move { late.try_put("b", b"y", plain_put(Encryption::SseS3)).await };
                assert!(send.send(tokio::spawn(put)).is_ok());
                // The writer meets the mark now.
                tokio::task::yield_now().await;
            });
        });
        let deleted = world.store.delete_bucket(world.bucket.name()).await;
        let written = receive.await.unwrap().await.unwrap();
        assert!(engine.is_spent());
        if put_in_time {
            assert!(matches!(deleted, Err(StoreError::BucketNotEmpty)));
            written.unwrap();
            assert_eq!(world.get("b").await, b"y");
        } else {
            deleted.unwrap();
            assert!(matches!(written, Err(StoreError::NoSuchBucket)));
            world.assert_empty("after the deletion").await;
        }
    }
}

#[tokio::test]
async fn garbage_of_a_clock_that_was_ahead_is_collected_all_the_same() {
    const YEAR_MS: u64 = 365 * 24 * 3_600_000;
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    world.clock.advance_ms(YEAR_MS);
    world.delete("a").await;
    world.clock.set_back_ms(YEAR_MS);
    world.collect().await;
    world.assert_empty("after the second collection").await;
}

#[tokio::test]
async fn an_abort_whose_caller_went_away_is_finished_by_the_next_collection() {
    let (world, engine) = World::hooked().await;
    let upload_id = world.create_upload("a", Encryption::SseS3).await;
    world.part("a", upload_id, 1, &pattern(5000), None).await.unwrap();
    let stuck = Arc::new(Notify::new());
    let at_it = stuck.clone();
    before(&world, &engine, EngineCall::Commit, 2, |_| async move {
        at_it.notify_one();
        std::future::pending().await
    });
    let caller = world.clone();
    let task = tokio::spawn(async move { caller.abort("a", upload_id).await });
    stuck.notified().await;
    task.abort();
    assert!(matches!(world.abort("a", upload_id).await, Err(StoreError::NoSuchUpload)));
    world.collect().await;
    world.assert_empty("after the second collection").await;
}

#[tokio::test]
async fn a_writer_that_seemed_to_be_gone_does_not_name_a_blob_that_is_garbage_by_now() {
    for part in [false, true] {
        let (world, engine) = World::hooked().await;
        world.put("a", &pattern(4000), Encryption::SseS3).await;
        let upload_id = world.create_upload("u", Encryption::SseS3).await;
        before(&world, &engine, EngineCall::Commit, 1, |other| async move {
            // Another process does not know that this one is still at it.
            let late = other.restarted();
            assert_eq!(late.collect_orphans().await.unwrap().waiting, 1);
            assert_eq!(late.collect_orphans().await.unwrap().waiting, 0, "they are found once");
        });
        let written = if part {
            world.part("u", upload_id, 1, &pattern(5000), None).await.map(drop)
        } else {
            world.try_put("a", &pattern(5000), plain_put(Encryption::SseS3)).await.map(drop)
        };
        assert!(engine.is_spent());
        assert!(matches!(written, Err(StoreError::Contention)));
        world.collect().await;
        assert_eq!(world.get("a").await, pattern(4000));
        assert_eq!(world.blob_count().await, 1);
        world.assert_no_leak("after the late writer").await;
    }
}

#[tokio::test]
async fn garbage_rows_that_share_a_blob_are_collected_together() {
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    for copy in 0..40 {
        world.copy(("a", None), &format!("copy {copy}"), Encryption::SseS3).await.unwrap();
    }
    for copy in 0..40 {
        world.delete(&format!("copy {copy}")).await;
    }
    world.assert_no_leak("after the copies").await;
    assert_eq!(world.get("a").await, pattern(5000));
    world.delete("a").await;
    world.assert_empty("after the source").await;
}
