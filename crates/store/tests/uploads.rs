//! Multipart uploads and copies through the whole store.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::ObjectLock;
use coffer_crypto::md5;
use coffer_store::checksum::Hasher;
use coffer_store::{
    ChecksumAlgorithm, Checksums, CompleteUpload, CompletedPart, CopyObject, DeleteObject, Encryption, Origin,
    StoreError, SumsType, WriteConditions,
};
use common::{World, customer_key, key, pattern};

const PART: usize = 5 << 20;

#[tokio::test]
async fn parts_become_one_object() {
    let world = World::new().await;
    let data = pattern(2 * PART + 700);
    let upload_id = world.create_upload("big", Encryption::SseS3).await;
    let third = world.part("big", upload_id, 7, &data[2 * PART..], None).await.unwrap();
    let first = world.part("big", upload_id, 1, &data[..PART], None).await.unwrap();
    world.part("big", upload_id, 2, b"a first attempt", None).await.unwrap();
    let second = world.part("big", upload_id, 2, &data[PART..2 * PART], None).await.unwrap();
    world.part("big", upload_id, 9, b"left out", None).await.unwrap();
    let parts = [(1, &*first), (2, &*second), (7, &*third)];
    let stored = world.complete("big", upload_id, &parts, None).await.unwrap();
    let etags = [md5(&data[..PART]), md5(&data[PART..2 * PART]), md5(&data[2 * PART..])].concat();
    assert_eq!(stored.info.etag, format!("{}-3", hex::encode(md5(&etags))));
    assert_eq!(stored.sums.unwrap().0, SumsType::FullObject);
    assert_eq!(world.get("big").await, data);
    let range = PART as u64 - 3..PART as u64 + 3;
    assert_eq!(world.try_get_range("big", None, range).await.unwrap(), &data[PART - 3..PART + 3]);
    let reader = world.store.get_object(&world.bucket, &key("big"), world.keys(None)).await.unwrap();
    assert_eq!(reader.part_range(7), Some(2 * PART as u64..2 * PART as u64 + 700));
    assert_eq!(reader.part_range(3), None);
    drop(reader);
    world.clock.advance_ms(3_600_000);
    assert_eq!(world.store.collect_garbage().await.unwrap().blobs, 2, "the first attempt and the part left out");
    assert_eq!(world.get("big").await, data);
    // Completing again gives the same answer.
    assert_eq!(world.complete("big", upload_id, &parts, None).await.unwrap().info.etag, stored.info.etag);
}

#[tokio::test]
async fn a_customer_upload_completes_without_its_key() {
    let world = World::new().await;
    let (right, wrong) = (customer_key(1), customer_key(2));
    let upload_id = world.create_upload("c", Encryption::SseC(&right)).await;
    let other = world.part("c", upload_id, 1, b"x", Some(&wrong)).await;
    assert!(matches!(other, Err(StoreError::CustomerKeyMismatch)));
    assert!(matches!(world.part("c", upload_id, 1, b"x", None).await, Err(StoreError::CustomerKeyMissing)));
    let etag = world.part("c", upload_id, 1, b"content", Some(&right)).await.unwrap();
    let wrong_complete = world.complete("c", upload_id, &[(1, &etag)], Some(&wrong)).await;
    assert!(matches!(wrong_complete, Err(StoreError::CustomerKeyMismatch)));
    let stored = world.complete("c", upload_id, &[(1, &etag)], None).await.unwrap();
    assert!(stored.sums.is_none());
    assert_eq!(world.try_get("c", Some(&right)).await.unwrap(), b"content");
    assert!(matches!(world.try_get("c", Some(&wrong)).await, Err(StoreError::CustomerKeyMismatch)));
}

#[tokio::test]
async fn hundreds_of_parts_read_back() {
    let world = World::new().await;
    let upload_id = world.create_upload("many", Encryption::SseS3).await;
    let data = pattern(PART);
    let etag = world.part("many", upload_id, 1, &data, None).await.unwrap();
    for number in 2..=600 {
        world.part("many", upload_id, number, &data[..number as usize], None).await.unwrap();
    }
    let small: Vec<_> = (2..=600).map(|n| hex::encode(md5(&data[..n]))).collect();
    let mut parts = vec![(1, &*etag), (2, &*small[0])];
    let refused = world.complete("many", upload_id, &[parts[0], (2, &small[0]), (3, &small[1])], None).await;
    assert!(matches!(refused, Err(StoreError::PartTooSmall { part_number: 2, size: 2, .. })));
    parts.swap(0, 1);
    assert!(matches!(world.complete("many", upload_id, &parts, None).await, Err(StoreError::InvalidPartOrder)));
    parts.swap(0, 1);
    world.complete("many", upload_id, &parts, None).await.unwrap();
    assert_eq!(world.get("many").await, [&data[..], &data[..2]].concat());
}

#[tokio::test]
async fn wrong_parts_are_refused_and_nothing_changes() {
    let world = World::new().await;
    let upload_id = world.create_upload("p", Encryption::SseS3).await;
    let etag = world.part("p", upload_id, 1, b"x", None).await.unwrap();
    for parts in [&[(2, &*etag)][..], &[(1, "00000000000000000000000000000000")]] {
        assert!(matches!(world.complete("p", upload_id, parts, None).await, Err(StoreError::InvalidPart { .. })));
    }
    assert!(matches!(world.try_get("p", None).await, Err(StoreError::NoSuchKey)));
    world.complete("p", upload_id, &[(1, &etag)], None).await.unwrap();
}

#[tokio::test]
async fn an_upload_does_not_complete_without_parts() {
    let world = World::new().await;
    let upload_id = world.create_upload("p", Encryption::SseS3).await;
    assert!(matches!(world.complete("p", upload_id, &[], None).await, Err(StoreError::InvalidPart { .. })));
    assert!(matches!(world.try_get("p", None).await, Err(StoreError::NoSuchKey)));
}

#[tokio::test]
async fn an_empty_part_is_a_part() {
    let world = World::new().await;
    let upload_id = world.create_upload("p", Encryption::SseS3).await;
    let full = world.part("p", upload_id, 1, &pattern(PART), None).await.unwrap();
    let empty = world.part("p", upload_id, 2, b"", None).await.unwrap();
    world.complete("p", upload_id, &[(1, &full), (2, &empty)], None).await.unwrap();
    assert_eq!(world.get("p").await, pattern(PART));
    let reader = world.store.get_object(&world.bucket, &key("p"), world.keys(None)).await.unwrap();
    let parts: Vec<_> = reader.part_infos().await.unwrap().into_iter().map(|part| (part.number, part.range)).collect();
    assert_eq!(parts, [(1, 0..PART as u64), (2, PART as u64..PART as u64)]);
    assert_eq!(reader.part_range(2), Some(PART as u64..PART as u64));
}

#[tokio::test]
async fn a_checksum_that_cannot_be_verified_is_not_ignored() {
    let world = World::new().await;
    let key_of_upload = customer_key(1);
    let upload_id = world.create_upload("c", Encryption::SseC(&key_of_upload)).await;
    let etag = world.part("c", upload_id, 1, b"content", Some(&key_of_upload)).await.unwrap();
    let complete = |customer_key, value: &[u8]| {
        let part = CompletedPart { number: 1, etag: etag.clone(), checksums: Checksums::new() };
        let complete = CompleteUpload {
            upload_id,
            parts: vec![part],
            keys: world.keys(customer_key),
            expected_size: None,
            expected_checksum: Some((ChecksumAlgorithm::Crc64Nvme, value.to_vec())),
            conditions: WriteConditions::default(),
            origin: Origin::default(),
        };
        let world = &world;
        async move { world.store.complete_upload(&world.bucket, &key("c"), complete).await }
    };
    assert!(matches!(complete(None, &[0; 8]).await, Err(StoreError::CustomerKeyMissing)));
    let wrong = complete(Some(&key_of_upload), &[0; 8]).await;
    assert!(matches!(wrong, Err(StoreError::ChecksumMismatch(ChecksumAlgorithm::Crc64Nvme))));
    let mut hasher = Hasher::new(false, &[ChecksumAlgorithm::Crc64Nvme]);
    hasher.update(b"content");
    let right = hasher.finish().checksums.get(ChecksumAlgorithm::Crc64Nvme).unwrap().to_vec();
    complete(Some(&key_of_upload), &right).await.unwrap();
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let world = World::new().await;
    let upload_id = world.create_upload("gone", Encryption::SseS3).await;
    world.part("gone", upload_id, 1, &pattern(5000), None).await.unwrap();
    world.store.abort_upload(&world.bucket, &key("gone"), upload_id).await.unwrap();
    assert!(matches!(world.part("gone", upload_id, 2, b"x", None).await, Err(StoreError::NoSuchUpload)));
    let again = world.store.abort_upload(&world.bucket, &key("gone"), upload_id).await;
    assert!(matches!(again, Err(StoreError::NoSuchUpload)));
    world.clock.advance_ms(3_600_000);
    world.store.collect_garbage().await.unwrap();
    assert_eq!(world.blob_count().await, 0);
}

fn copy(encryption: Encryption<'_>) -> CopyObject<'_> {
    CopyObject {
        encryption,
        headers: None,
        tags: None,
        access: coffer_store::ObjectAccess::default(),
        storage_class: "STANDARD".into(),
        algorithm: None,
        conditions: WriteConditions::default(),
        lock: ObjectLock::default(),
        origin: Origin::default(),
    }
}

#[tokio::test]
async fn copies_between_all_modes_open_with_their_own_key_only() {
    let world = World::new().await;
    let (a, b) = (customer_key(1), customer_key(2));
    for len in [10, 5000, 200_000] {
        let data = pattern(len);
        for source_key in [None, Some(&a)] {
            for target_key in [None, Some(&a), Some(&b)] {
                let encryption = |key| if let Some(key) = key { Encryption::SseC(key) } else { Encryption::SseS3 };
                world.put("from", &data, encryption(source_key)).await;
                let source = world.store.get_object(&world.bucket, &key("from"), world.keys(source_key)).await.unwrap();
                let target = copy(encryption(target_key));
                let to = key("to");
                world.store.copy_object(source, false, &world.bucket, &to, target).await.unwrap();
                // The source may go: the copy stands alone.
                world.store.delete_object(&world.bucket, &key("from"), &DeleteObject::default()).await.unwrap();
                world.clock.advance_ms(3_600_000);
                world.store.collect_garbage().await.unwrap();
                assert_eq!(world.try_get("to", target_key).await.unwrap(), data);
                let (info, _) =
                    world.store.head_object(&world.bucket, &to, world.keys(target_key), false).await.unwrap();
                assert_eq!(info.headers.len(), 2);
                assert_eq!(info.etag == hex::encode(md5(&data)), target_key.is_none());
            }
        }
    }
    world.store.delete_object(&world.bucket, &key("to"), &DeleteObject::default()).await.unwrap();
    world.clock.advance_ms(3_600_000);
    world.store.collect_garbage().await.unwrap();
    assert_eq!(world.blob_count().await, 0, "shared blobs go with their last owner");
}

#[tokio::test]
async fn a_key_change_in_place_moves_no_data() {
    let world = World::new().await;
    let (old, new) = (customer_key(1), customer_key(2));
    let data = pattern(200_000);
    let before = world.put("c", &data, Encryption::SseC(&old)).await;
    let blobs = world.blobs.list(None, 10).await.unwrap();
    let source = world.store.get_object(&world.bucket, &key("c"), world.keys(Some(&old))).await.unwrap();
    let target = copy(Encryption::SseC(&new));
    let after = world.store.copy_object(source, true, &world.bucket, &key("c"), target).await.unwrap();
    assert_ne!(after.info.etag, before.info.etag);
    assert_eq!(world.blobs.list(None, 10).await.unwrap(), blobs);
    assert!(matches!(world.try_get("c", Some(&old)).await, Err(StoreError::CustomerKeyMismatch)));
    world.clock.advance_ms(3_600_000);
    world.store.collect_garbage().await.unwrap();
    assert_eq!(world.try_get("c", Some(&new)).await.unwrap(), data);
}

#[tokio::test]
async fn a_copied_upload_becomes_a_plain_object() {
    let world = World::new().await;
    let upload_id = world.create_upload("m", Encryption::SseS3).await;
    let etag = world.part("m", upload_id, 1, &pattern(5000), None).await.unwrap();
    world.complete("m", upload_id, &[(1, &etag)], None).await.unwrap();
    let source = world.store.get_object(&world.bucket, &key("m"), world.keys(None)).await.unwrap();
    let target = copy(Encryption::SseS3);
    let stored = world.store.copy_object(source, false, &world.bucket, &key("n"), target).await.unwrap();
    assert_eq!(stored.info.etag, hex::encode(md5(&pattern(5000))));
    assert_eq!(stored.info.part_count, None);
}

#[tokio::test]
async fn everything_opens_in_a_new_process() {
    let world = World::new().await;
    let ssec = customer_key(3);
    world.put("s", &pattern(5000), Encryption::SseS3).await;
    world.put("c", &pattern(300), Encryption::SseC(&ssec)).await;
    let store = world.restarted();
    store.resume_ended_uploads().await.unwrap();
    store.resume_bucket_deletions().await.unwrap();
    let bucket = store.bucket(world.bucket.name()).await.unwrap();
    assert_eq!(store.collect_orphans().await.unwrap().blobs, 0);
    let reader = store.get_object(&bucket, &key("c"), world.keys(Some(&ssec))).await.unwrap();
    let (mut stream, _) = reader.read(0..300).await.unwrap();
    assert_eq!(stream.take_if_whole().unwrap(), pattern(300));
    assert!(store.get_object(&bucket, &key("s"), world.keys(None)).await.is_ok());
}
