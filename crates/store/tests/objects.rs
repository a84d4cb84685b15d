//! Objects through the whole store: what goes in comes out, and nothing else does.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_crypto::md5;
use coffer_store::{
    DeleteObject, ETagMatch, Encryption, EncryptionMode, ListEntry, ListObjects, StoreError, WriteConditions,
};
use common::{World, customer_key, key, pattern, plain_put};

#[tokio::test]
async fn objects_of_every_size_come_back() {
    let world = World::new().await;
    let ssec = customer_key(7);
    for len in [0, 1, 999, 1000, 1001, 65_535, 65_536, 65_537, 131_072, 131_073, 400_000] {
        let data = pattern(len);
        let stored = world.put("plain", &data, Encryption::SseS3).await;
        assert_eq!(stored.info.etag, hex::encode(md5(&data)));
        assert_eq!(world.get("plain").await, data, "{len}");
        let sealed = world.put("sealed", &data, Encryption::SseC(&ssec)).await;
        assert_ne!(sealed.info.etag, stored.info.etag);
        assert_eq!(world.try_get("sealed", Some(&ssec)).await.unwrap(), data, "{len}");
    }
}

#[tokio::test]
async fn any_range_is_a_slice_of_the_whole() {
    let world = World::new().await;
    let data = pattern(300_000);
    world.put("large", &data, Encryption::SseS3).await;
    world.put("small", &data[..900], Encryption::SseS3).await;
    for (start, end) in [(0, 1), (0, 65_536), (65_535, 65_537), (131_071, 131_073), (299_999, 300_000), (1, 299_999)] {
        let got = world.try_get_range("large", None, start..end).await.unwrap();
        assert_eq!(got, &data[start as usize..end as usize], "{start}..{end}");
    }
    assert_eq!(world.try_get_range("small", None, 100..200).await.unwrap(), &data[100..200]);
}

#[tokio::test]
async fn customer_keys_are_asked_for_and_checked() {
    let world = World::new().await;
    let (right, wrong) = (customer_key(1), customer_key(2));
    world.put("sealed", b"secret", Encryption::SseC(&right)).await;
    world.put("plain", b"known", Encryption::SseS3).await;
    assert!(matches!(world.try_get("sealed", None).await, Err(StoreError::CustomerKeyMissing)));
    assert!(matches!(world.try_get("sealed", Some(&wrong)).await, Err(StoreError::CustomerKeyMismatch)));
    assert!(matches!(world.try_get("plain", Some(&right)).await, Err(StoreError::CustomerKeyNotApplicable)));
    let head = world.store.head_object(&world.bucket, &key("sealed"), world.keys(Some(&wrong)), false).await;
    assert!(matches!(head, Err(StoreError::CustomerKeyMismatch)));
    let (info, sums) =
        world.store.head_object(&world.bucket, &key("sealed"), world.keys(Some(&right)), true).await.unwrap();
    assert_eq!(info.mode, EncryptionMode::SseC);
    assert_eq!(info.headers[1], ("x-amz-meta-owner".to_owned(), "zoë".to_owned()));
    assert!(sums.is_some());
}

#[tokio::test]
async fn conditions_guard_writes() {
    let world = World::new().await;
    let create = || plain_put(Encryption::SseS3);
    let only_new = WriteConditions { if_none_match: true, if_match: None };
    let etag =
        |etag: &str| WriteConditions { if_none_match: false, if_match: Some(ETagMatch::OneOf(vec![etag.to_owned()])) };
    let mut put = create();
    put.conditions = etag("anything");
    assert!(matches!(world.try_put("a", b"1", put).await, Err(StoreError::PreconditionNoSuchKey)));
    let mut put = create();
    put.conditions = only_new.clone();
    let first = world.try_put("a", b"1", put).await.unwrap();
    let mut put = create();
    put.conditions = only_new;
    assert!(matches!(world.try_put("a", b"2", put).await, Err(StoreError::PreconditionFailed("If-None-Match"))));
    let mut put = create();
    put.conditions = etag("0");
    assert!(matches!(world.try_put("a", b"2", put).await, Err(StoreError::PreconditionFailed("If-Match"))));
    let mut put = create();
    put.conditions = etag(&first.info.etag);
    world.try_put("a", b"2", put).await.unwrap();
    assert_eq!(world.get("a").await, b"2");
}

#[tokio::test]
async fn replaced_and_deleted_blobs_are_collected_after_the_grace_period() {
    let world = World::new().await;
    let data = pattern(5000);
    world.put("a", &data, Encryption::SseS3).await;
    world.put("a", &data, Encryption::SseS3).await;
    world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.unwrap();
    assert_eq!(world.blob_count().await, 2);
    assert_eq!(world.store.collect_garbage().await.unwrap().blobs, 0, "readers may still be at them");
    world.clock.advance_ms(3_600_000);
    assert_eq!(world.store.collect_garbage().await.unwrap().blobs, 2);
    assert_eq!(world.blob_count().await, 0);
    assert!(matches!(world.try_get("a", None).await, Err(StoreError::NoSuchKey)));
}

#[tokio::test]
async fn a_reader_keeps_its_blob_from_being_collected() {
    let world = World::new().await;
    world.put("a", &pattern(500_000), Encryption::SseS3).await;
    let reader = world.store.get_object(&world.bucket, &key("a"), world.keys(None)).await.unwrap();
    world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.unwrap();
    world.clock.advance_ms(3_600_000);
    assert_eq!(world.store.collect_garbage().await.unwrap().waiting, 1);
    let (mut stream, _) = reader.read(0..500_000).await.unwrap();
    let mut len = 0;
    while let Some(piece) = stream.next().await.unwrap() {
        len += piece.len();
    }
    assert_eq!(len, 500_000);
    drop(stream);
    assert_eq!(world.store.collect_garbage().await.unwrap().blobs, 1);
}

#[tokio::test]
async fn listings_roll_up_page_by_page() {
    let world = World::new().await;
    for name in ["a", "b/1", "b/2", "b/3", "c", "d/1", "d/2", "e"] {
        world.put(name, b"x", Encryption::SseS3).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let list = ListObjects { delimiter: Some("/".into()), after, max_keys: 2, ..ListObjects::default() };
        let page = world.store.list_objects(&world.bucket, &list).await.unwrap();
        names.extend(page.entries.iter().map(|entry| match entry {
            ListEntry::Object(name, _) => name.clone(),
            ListEntry::CommonPrefix(prefix) => format!("[{prefix}]"),
        }));
        if !page.truncated {
            break;
        }
        after = page.entries.last().map(|entry| entry.name().to_owned());
    }
    assert_eq!(names, ["a", "[b/]", "c", "[d/]", "e"]);
}

#[tokio::test]
async fn an_exact_page_is_not_truncated() {
    let world = World::new().await;
    for name in ["a", "b/1", "b/2"] {
        world.put(name, b"x", Encryption::SseS3).await;
    }
    let page = |max_keys, delimiter: Option<&str>| ListObjects {
        max_keys,
        delimiter: delimiter.map(str::to_owned),
        ..ListObjects::default()
    };
    let list = |list: ListObjects| {
        let world = &world;
        async move { world.store.list_objects(&world.bucket, &list).await.unwrap().truncated }
    };
    assert!(!list(page(3, None)).await);
    assert!(list(page(2, None)).await);
    assert!(!list(page(2, Some("/"))).await, "a and [b/] are all");
    assert!(list(page(1, Some("/"))).await);
    assert!(!list(page(usize::MAX, None)).await);
    assert!(!list(page(usize::MAX, Some("/"))).await);
    assert!(!list(page(0, None)).await, "nothing was asked for");
}

#[tokio::test]
async fn a_bucket_goes_only_when_it_is_empty() {
    let world = World::new().await;
    let name = world.bucket.name().clone();
    world.put("a", b"x", Encryption::SseS3).await;
    assert!(matches!(world.store.delete_bucket(&name).await, Err(StoreError::BucketNotEmpty)));
    world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.unwrap();
    let upload_id = world.create_upload("u", Encryption::SseS3).await;
    world.part("u", upload_id, 1, &pattern(2000), None).await.unwrap();
    world.store.delete_bucket(&name).await.unwrap();
    assert!(matches!(world.store.bucket(&name).await, Err(StoreError::NoSuchBucket)));
    let late = world.try_put("late", b"x", plain_put(Encryption::SseS3)).await;
    assert!(matches!(late, Err(StoreError::NoSuchBucket)));
    world.clock.advance_ms(3_600_000);
    world.store.collect_garbage().await.unwrap();
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn blobs_without_a_record_wait_for_the_grace_period() {
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let mut writer = world.blobs.create().await.unwrap();
    writer.write("left by a crash".into()).await.unwrap();
    writer.finish().await.unwrap();
    world.clock.advance_ms(3_600_000);
    let store = world.restarted();
    assert_eq!(store.collect_orphans().await.unwrap().waiting, 1);
    assert_eq!(store.collect_garbage().await.unwrap().blobs, 0);
    assert_eq!(world.blob_count().await, 2, "they may be data of newer metadata");
    world.clock.advance_ms(3_600_000);
    assert_eq!(store.collect_garbage().await.unwrap().blobs, 1);
    assert_eq!(world.get("a").await, pattern(5000));
}

#[tokio::test]
async fn a_pseudonym_tells_names_apart_and_outlives_a_restart() {
    let world = World::new().await;
    let pseudonym = world.store.pseudonym("key/bucket", "name");
    assert_eq!(pseudonym.len(), 16);
    assert_eq!(world.restarted().pseudonym("key/bucket", "name"), pseudonym);
    for (scope, name) in [("key/bucket", "nam"), ("key/bucke", "tname"), ("key/bucketn", "ame"), ("bucket", "name")] {
        assert_ne!(world.store.pseudonym(scope, name), pseudonym, "{scope} {name}");
    }
    assert_ne!(World::new().await.store.pseudonym("key/bucket", "name"), pseudonym);
}

#[tokio::test]
async fn where_a_buckets_log_goes_outlives_a_restart_until_it_is_taken_back() {
    let world = World::new().await;
    let name = world.bucket.name().clone();
    assert_eq!(world.bucket.logging(), None);
    let logging = coffer_store::BucketLogging {
        target_bucket: "logs".to_owned(),
        target_prefix: "a/".to_owned(),
        grants: Vec::new(),
        key_format: coffer_store::LogKeyFormat::EventTime,
    };
    world.store.put_bucket_logging(&name, Some(&logging)).await.unwrap();
    assert_eq!(world.restarted().bucket(&name).await.unwrap().logging(), Some(&logging));
    world.store.put_bucket_logging(&name, None).await.unwrap();
    assert_eq!(world.restarted().bucket(&name).await.unwrap().logging(), None);
    let missing = coffer_store::BucketName::for_creation("missing").unwrap();
    let refused = world.store.put_bucket_logging(&missing, Some(&logging)).await;
    assert!(matches!(refused, Err(coffer_store::StoreError::NoSuchBucket)));
}

#[tokio::test]
async fn a_bucket_is_known_from_its_first_look_up_to_its_deletion() {
    let world = World::new().await;
    let store = world.restarted();
    assert!(store.known_bucket("bucket").is_none());
    store.bucket(world.bucket.name()).await.unwrap();
    assert!(store.known_bucket("bucket").is_some());
    store.delete_bucket(world.bucket.name()).await.unwrap();
    assert!(store.known_bucket("bucket").is_none());
}
