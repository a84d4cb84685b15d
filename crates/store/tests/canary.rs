//! What clients send is searched for in everything that the store hands to the engine and to the blobs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use bytes::Bytes;
use coffer_crypto::md5;
use coffer_meta::{Direction, KeyRange};
use coffer_store::{
    BucketEncryption, BucketEncryptionChange, ChecksumAlgorithm, Encryption, FullBody, PutObject, RootCredentials,
    UploadPart, WantedDigests,
};
use common::{World, customer_key, key, plain_upload};

const CANARY: &str = "CANARY-7f3a";

fn canary(what: &str) -> String {
    format!("{CANARY}-{what}")
}

fn body(what: &str, len: usize) -> Vec<u8> {
    canary(what).bytes().cycle().take(len).collect()
}

fn put<'a>(what: &str, encryption: Encryption<'a>) -> PutObject<'a> {
    PutObject {
        headers: vec![("content-type".into(), canary("type")), ("x-amz-meta-who".into(), canary(what))],
        storage_class: canary("class"),
        tags: vec![(canary("tag"), canary("tag value"))],
        wanted: WantedDigests { md5: true, algorithm: Some(ChecksumAlgorithm::Sha256) },
        ..PutObject::new(encryption)
    }
}

/// Every value of the engine and every blob.
async fn stored(world: &World) -> Vec<Bytes> {
    let rows = world.engine.scan(KeyRange::prefix(b""), usize::MAX, Direction::Forward).await.unwrap();
    let mut stored: Vec<_> = rows.into_iter().map(|row| row.value).collect();
    for blob in world.blobs.list(None, usize::MAX).await.unwrap() {
        let len = world.blobs.len(blob.id).await.unwrap();
        stored.push(world.blobs.read(blob.id, 0..len).await.unwrap());
    }
    stored
}

fn holds(stored: &[Bytes], needle: &[u8]) -> bool {
    stored.iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

#[tokio::test]
async fn nothing_that_clients_send_is_readable() {
    let world = World::new().await;
    let lock = customer_key(0x5a);
    let [one, two] = [(); 2].map(|()| world.kms.draw(&canary("key arn"), &canary("context")));
    let mut secrets: Vec<Vec<u8>> = vec![CANARY.as_bytes().to_vec(), lock.expose().to_vec()];
    for kms in [&one, &two] {
        secrets.extend([kms.data_key.expose().to_vec(), kms.sealed.ciphertext.clone()]);
    }
    for (name, len) in [("inline", 300), ("blob", 5000), ("large", 300_000)] {
        let modes = [
            ("plain", Encryption::SseS3),
            ("locked", Encryption::SseC(&lock)),
            ("kms", Encryption::SseKms(&one)),
            ("dsse", Encryption::DsseKms(&two)),
        ];
        for (mode, encryption) in modes {
            let name = canary(&format!("{name} {mode}"));
            let data = body(&name, len);
            let mut source = FullBody::new(data.clone());
            let put = put(&name, encryption);
            let stored = world.store.put_object(&world.bucket, &key(&name), put, &mut source).await.unwrap();
            secrets.push(md5(&data).to_vec());
            secrets.push(stored.info.etag.into_bytes());
            let sums = stored.sums.unwrap().1;
            secrets.extend(sums.iter().map(|(_, value)| value.to_vec()));
        }
    }
    let upload_id = {
        let create = coffer_store::CreateUpload {
            headers: vec![("x-amz-meta-who".into(), canary("upload"))],
            storage_class: canary("class"),
            tags: vec![(canary("tag"), canary("tag value"))],
            access: coffer_store::ObjectAccess::default(),
            ..plain_upload(Encryption::SseS3)
        };
        world.store.create_upload(&world.bucket, &key(&canary("upload")), create).await.unwrap().upload_id
    };
    for number in 1..=2 {
        let put = UploadPart { upload_id, number, keys: world.keys(None), wanted: WantedDigests::default() };
        let data = body(&format!("part {number}"), 4000);
        let mut source = FullBody::new(data.clone());
        let part = world.store.upload_part(&world.bucket, &key(&canary("upload")), put, &mut source).await.unwrap();
        secrets.push(md5(&data).to_vec());
        secrets.push(hex::decode(&part.etag).unwrap());
        secrets.extend(part.checksums.iter().map(|(_, value)| value.to_vec()));
    }
    let default = BucketEncryption {
        algorithm: canary("algorithm"),
        kms_key_id: Some(canary("kms key")),
        bucket_key_enabled: true,
    };
    let change = BucketEncryptionChange { default: Some(default), sse_c_blocked: None };
    world.store.put_bucket_encryption(world.bucket.name(), &change).await.unwrap();
    let credentials = RootCredentials::new(canary("access"), canary("secret"), 0);
    world.store.put_root_credentials(&credentials).await.unwrap();
    world.delete(&canary("blob plain")).await;

    let stored = stored(&world).await;
    assert!(stored.len() > 20);
    for secret in &secrets {
        assert!(!holds(&stored, secret), "{}", String::from_utf8_lossy(secret));
    }
    // The search finds what there is to find.
    let planted = [&stored[..], &[body("planted", 50).into()]].concat();
    assert!(holds(&planted, CANARY.as_bytes()));
}

#[tokio::test]
async fn equal_objects_share_no_run_of_stored_bytes() {
    let world = World::new().await;
    let lock = customer_key(1);
    let kms = world.kms.draw("arn", "a context");
    for name in ["a", "b"] {
        world.put(name, &[0; 140_000], Encryption::SseS3).await;
        world.put(&format!("{name} kms"), &[0; 140_000], Encryption::SseKms(&kms)).await;
        world.put(&format!("{name} dsse"), &[0; 140_000], Encryption::DsseKms(&kms)).await;
        world.put(&format!("{name} locked"), &[0; 140_000], Encryption::SseC(&lock)).await;
        world.put(&format!("{name} inline"), &[0; 900], Encryption::SseS3).await;
    }
    let mut seen = std::collections::HashSet::new();
    // Rows of one process start alike, with their version, generation and salt.
    let behind_salt = |bytes: &Bytes| bytes[bytes.len().min(21)..].to_vec();
    for bytes in stored(&world).await.iter().map(behind_salt) {
        for run in bytes.chunks_exact(16) {
            assert!(seen.insert(run.to_vec()), "a run of 16 bytes comes twice");
        }
    }
}
