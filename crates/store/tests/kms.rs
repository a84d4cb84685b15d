//! Objects under a KMS, in one layer and in two.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::{ObjectLock, VersioningStatus};
use coffer_crypto::md5;
use coffer_store::{
    Bucket, CreateUpload, DeleteObject, Encryption, EncryptionMode, JobEnvironment, JobRunner, JobSpec, JobState,
    JobStep, Keys, KmsEncryption, ObjectInfo, ObjectVersion, Origin, PutObject, StoreError, SumsType,
};
use common::kms::{KEY_1, KEY_2, Mood};
use common::{World, customer_key, key, pattern, plain_put, plain_upload};

const MODES: [EncryptionMode; 2] = [EncryptionMode::SseKms, EncryptionMode::DsseKms];
const PART: usize = 5 << 20;

fn sealed(mode: EncryptionMode, kms: &KmsEncryption) -> Encryption<'_> {
    match mode {
        EncryptionMode::SseKms => Encryption::SseKms(kms),
        EncryptionMode::DsseKms => Encryption::DsseKms(kms),
        EncryptionMode::SseS3 | EncryptionMode::SseC => Encryption::SseS3,
    }
}

async fn put(world: &World, name: &str, len: usize, mode: EncryptionMode, key_arn: &str) -> ObjectInfo {
    let kms = world.kms.draw(key_arn, name);
    world.put(name, &pattern(len), sealed(mode, &kms)).await.info
}

async fn head(world: &World, name: &str) -> ObjectInfo {
    world.store.head_object(&world.bucket, &key(name), world.keys(None), true).await.unwrap().0
}

/// Puts what the store holds of a bucket beside each other: all rows and all blobs.
async fn everything(world: &World) -> Vec<(bytes::Bytes, bytes::Bytes)> {
    let all = coffer_meta::KeyRange::prefix(b"");
    let rows = world.engine.scan(all, usize::MAX, coffer_meta::Direction::Forward).await.unwrap();
    let mut everything: Vec<_> = rows.into_iter().map(|row| (row.key, row.value)).collect();
    for blob in world.blobs.list(None, usize::MAX).await.unwrap() {
        everything.push((blob.id.to_string().into(), bytes::Bytes::new()));
    }
    everything
}

#[tokio::test]
async fn objects_read_back_in_every_length_and_range() {
    let world = World::new().await;
    for mode in MODES {
        for len in [0, 1, 999, 1000, 1001, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let info = put(&world, "a", len, mode, KEY_1).await;
            assert_eq!((info.mode, info.size), (mode, len as u64));
            let kms = info.kms.unwrap();
            assert_eq!((&*kms.key_arn, &*kms.context["aws:s3:arn"]), (KEY_1, "a"));
            assert!(world.get("a").await == pattern(len), "{mode:?}, {len} bytes");
            for (start, end) in [(0, 1), (len / 2, len / 2 + 70_000), (65_535, 65_537), (len.saturating_sub(1), len)] {
                let (start, end) = (start.min(len), end.min(len));
                let got = world.try_get_range("a", None, start as u64..end as u64).await.unwrap();
                assert!(got == pattern(len)[start..end], "{mode:?}, {start}..{end} of {len} bytes");
            }
        }
    }
    world.delete("a").await;
    world.assert_empty("after all").await;
}

#[tokio::test]
async fn the_kms_is_asked_once_a_read_and_not_for_what_needs_no_key() {
    for mode in MODES {
        let world = World::new().await;
        put(&world, "a", 200_000, mode, KEY_1).await;
        let (bucket, name) = (&world.bucket, key("a"));
        let (info, sums) = world.store.head_object(bucket, &name, world.keys(None), false).await.unwrap();
        assert!(sums.is_none() && info.headers[0].1 == "text/plain" && info.kms.is_some());
        world.store.put_object_tags(bucket, &name, &[("a".into(), "b".into())], &Origin::default()).await.unwrap();
        let reader = world.store.get_object(bucket, &name, world.keys(None)).await.unwrap();
        assert_eq!(world.kms.asked(), 0);
        assert!(reader.sums().await.unwrap().is_some());
        reader.part_infos().await.unwrap();
        reader.read(0..200_000).await.unwrap();
        assert_eq!(world.kms.asked(), 1);
        head(&world, "a").await;
        assert_eq!(world.kms.asked(), 2);
        world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
        assert_eq!(world.kms.asked(), 3);
        world.delete("a").await;
        assert_eq!(world.kms.asked(), 3);
    }
}

#[tokio::test]
async fn etags_are_new_with_each_write_and_no_function_of_the_data() {
    let world = World::new().await;
    let kms = world.kms.draw(KEY_1, "a");
    for mode in MODES {
        let [a, b] = [
            world.put("a", &pattern(5000), sealed(mode, &kms)).await.info.etag,
            world.put("b", &pattern(5000), sealed(mode, &kms)).await.info.etag,
        ];
        assert!(a != b && a.len() == 32 && a != hex::encode(md5(&pattern(5000))), "{a} {b}");
        assert_eq!(head(&world, "a").await.etag, a);
    }
}

#[tokio::test]
async fn a_customer_key_does_not_apply() {
    let world = World::new().await;
    let customer = customer_key(1);
    for mode in MODES {
        put(&world, "a", 500, mode, KEY_1).await;
        let keys = world.keys(Some(&customer));
        let head = world.store.head_object(&world.bucket, &key("a"), keys, false).await;
        assert!(matches!(head, Err(StoreError::CustomerKeyNotApplicable)));
        assert!(matches!(world.try_get("a", Some(&customer)).await, Err(StoreError::CustomerKeyNotApplicable)));
    }
    assert_eq!(world.kms.asked(), 0);
}

/// An upload of two parts, in its mode, with a checksum algorithm.
async fn upload(world: &World, mode: EncryptionMode) -> (coffer_store::InstanceId, Vec<String>) {
    let kms = world.kms.draw(KEY_1, "m");
    let create = CreateUpload {
        algorithm: Some(coffer_store::ChecksumAlgorithm::Crc64Nvme),
        ..plain_upload(sealed(mode, &kms))
    };
    let info = world.store.create_upload(&world.bucket, &key("m"), create).await.unwrap();
    assert_eq!((info.mode, &*info.kms.unwrap().key_arn), (mode, KEY_1));
    let mut etags = Vec::new();
    for (number, data) in [(1, pattern(PART)), (2, pattern(70_001))] {
        etags.push(world.part("m", info.upload_id, number, &data, None).await.unwrap());
    }
    (info.upload_id, etags)
}

#[tokio::test]
async fn parts_become_an_object() {
    for mode in MODES {
        let world = World::new().await;
        let (upload_id, etags) = upload(&world, mode).await;
        let (_, listed) =
            world.store.list_parts(&world.bucket, &key("m"), upload_id, world.keys(None), 0, 10).await.unwrap();
        assert!(listed.iter().all(|part| part.checksums.iter().count() == 1));
        assert_ne!(etags[0], hex::encode(md5(&pattern(PART))));
        let completed = world.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.unwrap();
        let of_parts: Vec<u8> = etags.iter().flat_map(|etag| hex::decode(etag).unwrap()).collect();
        assert_eq!(completed.info.etag, format!("{}-2", hex::encode(md5(&of_parts))));
        assert_eq!(completed.info.mode, mode);

        let asked = world.kms.asked();
        let data = [pattern(PART), pattern(70_001)].concat();
        assert!(world.get("m").await == data);
        assert_eq!(world.kms.asked(), asked + 1);
        let range = PART - 3..PART + 65_540;
        let got = world.try_get_range("m", None, range.start as u64..range.end as u64).await.unwrap();
        assert!(got == data[range]);
        let (info, sums) = world.store.head_object(&world.bucket, &key("m"), world.keys(None), true).await.unwrap();
        assert!(info.parts_show_checksums && sums.unwrap().0 == SumsType::FullObject);
        world.delete("m").await;
        world.assert_empty("after the object").await;
    }
}

#[tokio::test]
async fn a_kms_that_refuses_or_is_down_says_so_and_changes_nothing() {
    for mode in MODES {
        let world = World::new().await;
        put(&world, "small", 500, mode, KEY_1).await;
        put(&world, "large", 200_000, mode, KEY_1).await;
        let (upload_id, etags) = upload(&world, mode).await;
        let before = everything(&world).await;
        for mood in [Mood::Refuses, Mood::IsDown] {
            world.kms.set_mood(mood);
            let other = world.kms.draw(KEY_2, "other");
            let (bucket, keys) = (&world.bucket, world.keys(None));
            let mut refused = Vec::new();
            for name in ["small", "large"] {
                refused.push(world.try_get(name, None).await.err());
                refused.push(world.store.head_object(bucket, &key(name), keys, true).await.err());
                refused.push(world.copy((name, None), "copy", Encryption::SseS3).await.err());
                let same = world.kms.draw(KEY_1, "copy");
                refused.push(world.copy((name, None), "copy", sealed(mode, &same)).await.err());
                if mode == EncryptionMode::SseKms {
                    let (name, origin) = (key(name), Origin::default());
                    let updated = world.store.update_object_encryption(bucket, &name, keys, &other, &origin);
                    refused.push(updated.await.err());
                }
                // What needs no key goes on.
                assert_eq!(world.store.head_object(bucket, &key(name), keys, false).await.unwrap().0.mode, mode);
            }
            refused.push(world.part("m", upload_id, 3, b"another", None).await.err());
            refused.push(world.store.list_parts(bucket, &key("m"), upload_id, keys, 0, 10).await.err());
            refused.push(world.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.err());
            for error in refused {
                let Some(StoreError::Kms(error)) = error else { panic!("{mood:?}: {error:?}") };
                assert_eq!(error.is_temporary(), mood == Mood::IsDown);
            }
            assert!(everything(&world).await == before, "{mood:?} has changed something");
        }
        world.kms.set_mood(Mood::Works);
        assert!(world.get("large").await == pattern(200_000));
        world.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.unwrap();
        world.kms.set_mood(Mood::Refuses);
        for name in ["small", "large", "m"] {
            world.delete(name).await;
        }
        world.assert_empty("what is refused can still be deleted").await;
    }
}

#[tokio::test]
async fn copies_share_a_blob_only_under_the_same_kms_key_and_in_as_many_layers() {
    let modes = [
        (EncryptionMode::SseS3, KEY_1),
        (EncryptionMode::SseKms, KEY_1),
        (EncryptionMode::SseKms, KEY_2),
        (EncryptionMode::DsseKms, KEY_1),
        (EncryptionMode::DsseKms, KEY_2),
    ];
    for from in modes {
        for to in modes {
            let world = World::new().await;
            let source = put(&world, "from", 70_000, from.0, from.1).await;
            let kms = world.kms.draw(to.1, "to");
            let copied = world.copy(("from", None), "to", sealed(to.0, &kms)).await.unwrap();
            let same = from.0 == to.0 && (from.0 == EncryptionMode::SseS3 || from.1 == to.1);
            assert_eq!(world.blob_count().await, if same { 1 } else { 2 }, "{from:?} to {to:?}");
            assert_eq!(copied.info.mode, to.0);
            assert_eq!(copied.info.etag == source.etag, from.0 == to.0 && from.0 == EncryptionMode::SseS3);
            world.delete("from").await;
            world.collect().await;
            assert!(world.get("to").await == pattern(70_000), "{from:?} to {to:?}");
            let sums = |sums: &coffer_store::ObjectSums| sums.1.iter().map(|(_, sum)| sum.to_vec()).collect::<Vec<_>>();
            let (_, shown) = world.store.head_object(&world.bucket, &key("to"), world.keys(None), true).await.unwrap();
            assert_eq!(sums(&shown.unwrap()), sums(&copied.sums.unwrap()));
            world.delete("to").await;
            world.assert_empty("after both").await;
        }
    }
}

async fn update(world: &World, name: &str, key_arn: &str) -> Result<ObjectInfo, StoreError> {
    let kms = KmsEncryption { bucket_key_enabled: true, ..world.kms.draw(key_arn, name) };
    let origin = Origin::default();
    world.store.update_object_encryption(&world.bucket, &key(name), world.keys(None), &kms, &origin).await
}

#[tokio::test]
async fn another_kms_key_takes_the_place_of_the_key_of_an_object_and_nothing_else_changes() {
    let world = World::new().await;
    for len in [500, 70_000] {
        let before = world.put("a", &pattern(len), Encryption::SseS3).await.info;
        world.copy(("a", None), "shares", Encryption::SseS3).await.unwrap();
        let blobs = world.blob_count().await;
        world.clock.advance_ms(1000);
        for key_arn in [KEY_1, KEY_2, KEY_2] {
            let updated = update(&world, "a", key_arn).await.unwrap();
            let kms = updated.kms.unwrap();
            assert!(updated.mode == EncryptionMode::SseKms && kms.key_arn == key_arn && kms.bucket_key_enabled);
            let after = head(&world, "a").await;
            assert_eq!((after.kms, &after.etag), (Some(kms), &before.etag));
            assert_eq!((after.last_modified_ms, after.instance_id), (before.last_modified_ms, before.instance_id));
            assert_eq!((after.headers, after.version), (before.headers.clone(), before.version));
            assert!(world.get("a").await == pattern(len));
        }
        assert_eq!(world.blob_count().await, blobs);
        // Nothing of the store opens it alone any more, but its copy is another object.
        world.kms.set_mood(Mood::Refuses);
        assert!(matches!(world.try_get("a", None).await, Err(StoreError::Kms(_))));
        assert!(world.get("shares").await == pattern(len));
        world.kms.set_mood(Mood::Works);
        world.delete("shares").await;
        world.collect().await;
        assert!(world.get("a").await == pattern(len));
        world.delete("a").await;
        world.assert_empty("after both").await;
    }
}

#[tokio::test]
async fn a_multipart_object_gets_another_kms_key() {
    let world = World::new().await;
    let (upload_id, etags) = upload(&world, EncryptionMode::SseKms).await;
    let before = world.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.unwrap().info;
    let after = update(&world, "m", KEY_2).await.unwrap();
    assert_eq!((after.etag, after.part_count), (before.etag, Some(2)));
    assert!(world.get("m").await == [pattern(PART), pattern(70_001)].concat());
}

#[tokio::test]
async fn customer_keys_layers_and_locks_keep_their_encryption() {
    let world = World::new().await;
    world.put("sse-c", b"x", Encryption::SseC(&customer_key(1))).await;
    put(&world, "dsse", 500, EncryptionMode::DsseKms, KEY_1).await;
    let lock = ObjectLock { legal_hold: Some(true), ..ObjectLock::default() };
    world.try_put("held", b"x", PutObject { lock, ..plain_put(Encryption::SseS3) }).await.unwrap();
    let before = everything(&world).await;
    for name in ["sse-c", "dsse"] {
        assert!(matches!(update(&world, name, KEY_2).await, Err(StoreError::EncryptionNotUpdatable)));
    }
    assert!(matches!(update(&world, "held", KEY_2).await, Err(StoreError::ObjectLocked)));
    assert!(matches!(update(&world, "none", KEY_2).await, Err(StoreError::NoSuchKey)));
    assert!(everything(&world).await == before);
    assert_eq!(world.kms.asked(), 0);
}

async fn versioned(world: &World) -> Bucket {
    let name = world.bucket.name();
    let set = world.store.configure_bucket(name, |_, settings| -> Result<(), StoreError> {
        settings.versioning = Some(VersioningStatus::Enabled);
        Ok(())
    });
    set.await.unwrap();
    world.store.bucket(name).await.unwrap()
}

#[tokio::test]
async fn every_version_has_its_own_key() {
    let world = World::new().await;
    let world = world.with_bucket(versioned(&world).await);
    let mut versions = Vec::new();
    for (mode, len) in [(EncryptionMode::SseS3, 70_000), (MODES[0], 500), (MODES[1], 70_001), (MODES[0], 70_002)] {
        versions.push((put(&world, "a", len, mode, KEY_1).await.version, len));
    }
    let name = key("a");
    let first = ObjectVersion { key: &name, version: Some(versions[0].0) };
    let kms = world.kms.draw(KEY_2, "a");
    let origin = Origin::default();
    let updated = world.store.update_object_encryption(&world.bucket, first, world.keys(None), &kms, &origin).await;
    assert_eq!(updated.unwrap().version, versions[0].0);
    for (version, len) in &versions {
        let target = ObjectVersion { key: &name, version: Some(*version) };
        let reader = world.store.get_object(&world.bucket, target, world.keys(None)).await.unwrap();
        let (mut stream, _) = reader.read(0..*len as u64).await.unwrap();
        let mut data = Vec::new();
        while let Some(piece) = stream.next().await.unwrap() {
            data.extend_from_slice(&piece);
        }
        assert!(data == pattern(*len));
        world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await.unwrap();
    }
    world.assert_empty("after every version").await;
}

#[tokio::test]
async fn an_object_that_is_replaced_meanwhile_is_left_alone() {
    let (world, engine) = World::hooked().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let other = world.clone();
    engine.before(coffer_testkit::EngineCall::Commit, 1, async move {
        other.put("a", &pattern(6000), Encryption::SseC(&customer_key(1))).await;
    });
    assert!(matches!(update(&world, "a", KEY_1).await, Err(StoreError::EncryptionNotUpdatable)));
    assert!(world.try_get("a", Some(&customer_key(1))).await.unwrap() == pattern(6000));
}

#[tokio::test]
async fn two_updates_at_once_leave_one_key_that_opens() {
    let (world, engine) = World::hooked().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let other = world.clone();
    engine.before(coffer_testkit::EngineCall::Commit, 1, async move {
        update(&other, "a", KEY_2).await.unwrap();
    });
    update(&world, "a", KEY_1).await.unwrap();
    assert_eq!(head(&world, "a").await.kms.unwrap().key_arn, KEY_1);
    assert!(world.get("a").await == pattern(5000));
}

#[tokio::test]
async fn without_a_kms_nothing_opens() {
    let world = World::new().await;
    for mode in MODES {
        put(&world, "a", 500, mode, KEY_1).await;
        let reader = world.store.get_object(&world.bucket, &key("a"), Keys::NONE).await.unwrap();
        assert!(matches!(reader.read(0..500).await.err(), Some(StoreError::Kms(_))));
    }
}

/// Gives the bucket a new key, and runs `steps` of the job, or all of it.
async fn rotate_bucket_key(world: &World, steps: Option<usize>) -> World {
    let bucket = world.bucket.name().as_str().to_owned();
    world.store.start_job(JobSpec::RotateBucketKey { bucket }).await.unwrap();
    let mut runner = JobRunner::new(world.store.clone(), JobEnvironment::default());
    for _ in 0..steps.unwrap_or(1000) {
        if let JobStep::Ended(_, state) = runner.step().await.unwrap() {
            assert_eq!(state, JobState::Done);
            break;
        }
    }
    runner.release().await.unwrap();
    world.with_bucket(world.store.bucket(world.bucket.name()).await.unwrap())
}

#[tokio::test]
async fn the_key_of_a_bucket_rotates_without_the_kms() {
    let world = World::new().await;
    let before = [
        put(&world, "kms", 70_000, EncryptionMode::SseKms, KEY_1).await,
        put(&world, "dsse", 70_000, EncryptionMode::DsseKms, KEY_1).await,
    ];
    let (upload_id, etags) = upload(&world, EncryptionMode::DsseKms).await;
    world.kms.set_mood(Mood::IsDown);
    let rotated = rotate_bucket_key(&world, None).await;
    assert_eq!(world.kms.asked(), 2, "the two parts, and nothing since");
    world.kms.set_mood(Mood::Works);
    for before in before {
        let name = if before.mode == EncryptionMode::DsseKms { "dsse" } else { "kms" };
        let after = head(&rotated, name).await;
        assert_eq!((after.etag, after.kms, after.mode), (before.etag, before.kms, before.mode));
        assert!(rotated.get(name).await == pattern(70_000));
    }
    rotated.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.unwrap();
    assert!(rotated.get("m").await == [pattern(PART), pattern(70_001)].concat());
}

#[tokio::test]
async fn an_object_under_an_older_key_of_its_bucket_gets_a_kms_key() {
    let world = World::new().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    // The first steps take the job, note what is made, and make it: no object has been looked at then.
    let world = rotate_bucket_key(&world, Some(3)).await;
    let jobs = world.store.jobs().await.unwrap();
    assert_eq!((jobs[0].state, jobs[0].counts.changed), (JobState::Running, 0));
    assert_eq!(jobs[0].stage, "sealing records and envelopes anew");
    assert_eq!(update(&world, "a", KEY_1).await.unwrap().mode, EncryptionMode::SseKms);
    assert!(world.get("a").await == pattern(5000));
}
