//! Stored bytes that are not what was written: flipped, cut, swapped, moved, put back. Never wrong bytes, never a
//! panic, never the client's fault; and whatever is not damaged goes on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use coffer_blob::{BlobId, LocalBlobs, LocalSettings};
use coffer_crypto::Key32;
use coffer_meta::{Commit, Direction, Entry, KeyRange, MemoryEngine};
use coffer_store::{
    BucketName, DeleteObject, Encryption, InstanceId, ListObjects, ListUploads, ObjectReader, RootCredentials,
    StoreError,
};
use coffer_testkit::EngineCall;
use common::kms::KEY_1;
use common::{World, customer_key, key, pattern, plain_put};

const PART: usize = 5 << 20;

/// Names of objects, their lengths, and whether they are under the customer key.
const OBJECTS: [(&str, usize, bool); 9] = [
    ("inline", 500, false),
    ("blob", 5000, false),
    ("large", 200_000, false),
    ("locked", 6000, true),
    ("locked inline", 300, true),
    ("shared", 5000, false),
    ("kms", 70_000, false),
    ("dsse", 70_000, false),
    ("dsse inline", 300, false),
];

fn lock() -> Key32 {
    customer_key(1)
}

/// A world with a row in each table but that of part lists, and the uploads "u" and "v" in it.
async fn furnished() -> (World, InstanceId, InstanceId) {
    let (world, engine) = World::hooked().await;
    for (name, len, locked) in OBJECTS {
        let lock = lock();
        let kms = world.kms.draw(KEY_1, name);
        let encryption = match name {
            "kms" => Encryption::SseKms(&kms),
            "dsse" | "dsse inline" => Encryption::DsseKms(&kms),
            _ if locked => Encryption::SseC(&lock),
            _ => Encryption::SseS3,
        };
        if name == "shared" {
            world.copy(("blob", None), name, encryption).await.unwrap();
        } else {
            world.put(name, &pattern(len), encryption).await;
        }
    }
    world.put("gone", &pattern(7000), Encryption::SseS3).await;
    world.delete("gone").await;
    let credentials = RootCredentials::new("access".into(), "secret".into(), 0);
    world.store.put_root_credentials(&credentials).await.unwrap();
    let [u, v, w] = ["u", "v", "w"];
    let mut ids = Vec::new();
    for name in [u, v, w] {
        let upload_id = world.create_upload(name, Encryption::SseS3).await;
        world.part(name, upload_id, 1, &pattern(3000), None).await.unwrap();
        ids.push(upload_id);
    }
    // The third is being aborted, and its caller has gone away.
    let (send, stuck) = tokio::sync::oneshot::channel::<()>();
    engine.before(EngineCall::Commit, 2, async move {
        drop(send);
        std::future::pending().await
    });
    tokio::select! {
        _ = world.abort(w, ids[2]) => panic!("it waits for ever"),
        _ = stuck => {}
    }
    let tables: String = world.rows().await.into_keys().collect();
    assert_eq!(tables, "ABDGOPRUX");
    (world, ids[0], ids[1])
}

async fn all_rows(world: &World) -> Vec<Entry> {
    world.engine.scan(KeyRange::prefix(b""), usize::MAX, Direction::Forward).await.unwrap()
}

async fn write(world: &World, key: &Bytes, value: impl Into<Bytes>) {
    let mut commit = Commit::new();
    commit.put(key.clone(), value.into());
    world.engine.commit(commit).await.unwrap();
}

fn flipped(value: &Bytes, at: usize) -> Vec<u8> {
    let mut bad = value.to_vec();
    bad[at] ^= 0x20;
    bad
}

fn is_damaged<T>(result: &Result<T, StoreError>) -> bool {
    match result {
        Ok(_) => false,
        Err(StoreError::Damaged(_)) => true,
        Err(StoreError::Body(error)) => {
            assert!(matches!(error.downcast_ref(), Some(StoreError::Damaged(_))), "{error}");
            true
        }
        Err(error) => panic!("damage shows as: {error}"),
    }
}

/// Reads to the end or to the damage; what comes before the damage is right.
async fn read_prefix(reader: ObjectReader<'_>, expected: &[u8]) -> Result<(), StoreError> {
    let size = reader.info().size;
    assert_eq!(size, expected.len() as u64);
    let (mut stream, _) = reader.read(0..size).await?;
    let mut read = 0;
    while let Some(piece) = stream.next().await? {
        assert!(expected[read..].starts_with(&piece), "wrong bytes at {read}");
        read += piece.len();
    }
    assert_eq!(read, expected.len(), "a clean end before the end");
    Ok(())
}

async fn read(world: &World, name: &str, len: usize, locked: bool) -> Result<(), StoreError> {
    let bucket = world.store.bucket(world.bucket.name()).await?;
    let lock = lock();
    let customer_key = locked.then_some(&lock);
    let (info, _) = world.store.head_object(&bucket, &key(name), world.keys(customer_key), true).await?;
    assert_eq!(info.headers[0].1, "text/plain");
    let reader = world.store.get_object(&bucket, &key(name), world.keys(customer_key)).await?;
    read_prefix(reader, &pattern(len)).await
}

/// Which objects are damaged; the others are right.
async fn damaged_objects(world: &World) -> Vec<&'static str> {
    let mut damaged = Vec::new();
    for (name, len, locked) in OBJECTS {
        if is_damaged(&read(world, name, len, locked).await) {
            damaged.push(name);
        }
    }
    damaged
}

/// Whether anything but reading objects meets damage.
async fn lists_are_damaged(world: &World, upload_id: InstanceId) -> bool {
    let (store, bucket) = (&world.store, &world.bucket);
    let list = ListObjects { max_keys: 100, ..Default::default() };
    let uploads = ListUploads { max_uploads: 100, ..Default::default() };
    [
        is_damaged(&store.list_objects(bucket, &list).await),
        is_damaged(&store.list_uploads(bucket, &uploads).await),
        is_damaged(&store.list_parts(bucket, &key("u"), upload_id, world.keys(None), 0, 100).await),
        is_damaged(&store.list_buckets("", None, 100).await),
        is_damaged(&store.root_credentials().await),
    ]
    .contains(&true)
}

#[tokio::test]
async fn every_flipped_byte_of_a_row_is_damage_of_that_row_alone() {
    let (world, u, _) = furnished().await;
    for row in all_rows(&world).await {
        let table = char::from(row.key[0]);
        for at in (0..row.value.len()).filter(|at| *at < 60 || at % 31 == 0 || at + 20 > row.value.len()) {
            write(&world, &row.key, flipped(&row.value, at)).await;
            let damaged = damaged_objects(&world).await;
            let lists = lists_are_damaged(&world, u).await;
            let context = format!("byte {at} of a row of table {table}: {damaged:?}, lists {lists}");
            match table {
                'B' => assert!(damaged.len() == OBJECTS.len() && lists, "{context}"),
                'O' => {
                    let name = std::str::from_utf8(&row.key[17..]).unwrap();
                    assert!(damaged == [name] && lists, "{context}");
                }
                'D' => assert!(damaged.len() == 1 && !lists, "{context}"),
                'A' | 'U' => assert!(damaged.is_empty() && lists, "{context}"),
                'P' => assert!(damaged.is_empty(), "{context}"),
                // Reading needs no references, and they are no secret that a read could give away.
                _ => assert!(damaged.is_empty() && !lists, "{context}"),
            }
        }
        write(&world, &row.key, row.value).await;
    }
    assert!(damaged_objects(&world).await.is_empty());
}

#[tokio::test]
async fn cut_empty_and_lengthened_rows_are_damage() {
    let (world, u, _) = furnished().await;
    for row in all_rows(&world).await {
        let longer = [&row.value[..], &[0]].concat();
        for bad in [&row.value[..0], &row.value[..20], &row.value[..row.value.len() - 1], &longer] {
            write(&world, &row.key, bad.to_vec()).await;
            let damaged = damaged_objects(&world).await;
            let lists = lists_are_damaged(&world, u).await;
            assert!(!damaged.is_empty() || lists || b"PRGX".contains(&row.key[0]), "{}", char::from(row.key[0]));
        }
        write(&world, &row.key, row.value).await;
    }
}

/// What is done to each row in turn while everything goes on.
async fn live_with(world: &World, u: InstanceId, v: InstanceId) {
    let row_of = |name: &'static str| (name, OBJECTS.iter().find(|object| object.0 == name).unwrap().2);
    for (name, locked) in ["inline", "blob", "locked"].map(row_of) {
        let lock = lock();
        let customer_key = locked.then_some(&lock);
        let encryption = || if locked { Encryption::SseC(&lock) } else { Encryption::SseS3 };
        is_damaged(&world.copy((name, customer_key), "copy", encryption()).await);
        is_damaged(&world.copy((name, customer_key), "other", Encryption::SseC(&customer_key_of_another())).await);
    }
    let parts = world.store.list_parts(&world.bucket, &key("u"), u, world.keys(None), 0, 10).await;
    if let Ok((_, parts)) = parts {
        is_damaged(&world.complete("u", u, &[(1, &parts[0].etag)], None).await);
    }
    is_damaged(&world.part("v", v, 1, b"again", None).await);
    is_damaged(&world.abort("v", v).await);
    is_damaged(&world.store.collect_garbage().await);
    world.clock.advance_ms(3_600_000);
    is_damaged(&world.store.collect_garbage().await);
    is_damaged(&world.store.collect_orphans().await);
    is_damaged(&world.store.resume_ended_uploads().await);
    is_damaged(&world.store.resume_bucket_deletions().await);
}

fn customer_key_of_another() -> Key32 {
    customer_key(9)
}

#[tokio::test]
async fn whatever_is_not_damaged_outlives_jobs_and_writers_beside_damage() {
    let rows = all_rows(&furnished().await.0).await.len();
    for nth in 0..rows {
        let (world, u, v) = furnished().await;
        let row = all_rows(&world).await.swap_remove(nth);
        let table = char::from(row.key[0]);
        write(&world, &row.key, flipped(&row.value, 30)).await;
        let damaged = damaged_objects(&world).await;
        live_with(&world, u, v).await;
        let after = damaged_objects(&world).await;
        assert_eq!(after, damaged, "a row of table {table}");
        // Once mended, all is there: nobody took damage for leave to throw away.
        if matches!(table, 'B' | 'O' | 'D' | 'R') {
            write(&world, &row.key, row.value).await;
            assert!(damaged_objects(&world).await.is_empty(), "a row of table {table}");
        }
        for (name, ..) in OBJECTS {
            is_damaged(&world.try_put(name, b"new", plain_put(Encryption::SseS3)).await);
            is_damaged(&world.store.delete_object(&world.bucket, &key(name), &DeleteObject::default()).await);
        }
    }
}

#[tokio::test]
async fn a_row_opens_in_no_other_place() {
    let (world, u, _) = furnished().await;
    let rows = all_rows(&world).await;
    for a in &rows {
        for b in rows.iter().filter(|b| b.key != a.key && b.key[0] == a.key[0]) {
            write(&world, &b.key, a.value.clone()).await;
            let damaged = damaged_objects(&world).await;
            let lists = lists_are_damaged(&world, u).await;
            match a.key[0] {
                b'O' => assert!(damaged == [std::str::from_utf8(&b.key[17..]).unwrap()]),
                b'D' => assert_eq!(damaged.len(), 1),
                b'U' => assert!(damaged.is_empty() && lists),
                _ => assert!(damaged.is_empty()),
            }
            write(&world, &b.key, b.value.clone()).await;
        }
    }
    // Nor as an object that nobody put, nor as a row of another table.
    let objects = world.row_keys('O').await;
    let value = world.engine.get(&objects[0]).await.unwrap().unwrap();
    let forged: Bytes = [&objects[0][..17], b"forged"].concat().into();
    write(&world, &forged, value).await;
    assert!(is_damaged(&world.try_get("forged", None).await));
}

#[tokio::test]
async fn parts_of_another_upload_or_number_do_not_complete() {
    let (world, u, v) = furnished().await;
    let etag = world.part("u", u, 2, &pattern(3000), None).await.unwrap();
    let parts = world.row_keys('P').await;
    let rows_of =
        |upload_id: InstanceId| -> Vec<_> { parts.iter().filter(|row| row[17..33] == upload_id.0).cloned().collect() };
    let (of_u, of_v) = (rows_of(u), rows_of(v));
    let good = world.engine.get(&of_u[0]).await.unwrap().unwrap();
    for source in [&of_v[0], &of_u[1]] {
        let value = world.engine.get(source).await.unwrap().unwrap();
        write(&world, &of_u[0], value).await;
        assert!(is_damaged(&world.complete("u", u, &[(1, &etag)], None).await));
    }
    write(&world, &of_u[0], good).await;
    world.complete("u", u, &[(1, &etag)], None).await.unwrap();
}

#[tokio::test]
async fn part_lists_are_damaged_when_flipped_missing_swapped_or_of_another_object() {
    let world = World::new().await;
    for name in ["a", "b"] {
        let upload_id = world.create_upload(name, Encryption::SseS3).await;
        let mut etags = Vec::new();
        for number in 1..=5 {
            let len = if number == 5 { 10 } else { PART };
            etags.push(world.part(name, upload_id, number, &pattern(len), None).await.unwrap());
        }
        let parts: Vec<_> = (1..).zip(etags.iter().map(String::as_str)).collect();
        world.complete(name, upload_id, &parts, None).await.unwrap();
    }
    let lists = world.row_keys('Q').await;
    let [a, b] = [&lists[0], &lists[1]];
    let good = world.engine.get(a).await.unwrap().unwrap();
    let other = world.engine.get(b).await.unwrap().unwrap();
    for bad in [flipped(&good, 100), other.to_vec(), Vec::new()] {
        write(&world, a, bad).await;
        let results = [world.try_get("a", None).await, world.try_get("b", None).await];
        assert_eq!(results.iter().filter(|result| is_damaged(result)).count(), 1);
    }
    let mut commit = Commit::new();
    commit.delete(a.clone());
    world.engine.commit(commit).await.unwrap();
    let results = [world.try_get("a", None).await, world.try_get("b", None).await];
    assert_eq!(results.iter().filter(|result| is_damaged(result)).count(), 1);
}

/// What the rows alone cannot tell: an engine has to keep them together. But old and new never mix.
#[tokio::test]
async fn an_old_row_put_back_gives_the_old_object_or_damage() {
    let world = World::new().await;
    for (len, collected) in [(500, false), (5000, false), (5000, true)] {
        world.put("a", &pattern(len), Encryption::SseS3).await;
        let row = world.row_keys('O').await.swap_remove(0);
        let old = world.engine.get(&row).await.unwrap().unwrap();
        world.put("a", &vec![7; len], Encryption::SseS3).await;
        if collected {
            world.collect().await;
        }
        let new = world.engine.get(&row).await.unwrap().unwrap();
        write(&world, &row, old).await;
        let got = world.try_get("a", None).await;
        match len {
            5000 if !collected => assert_eq!(got.unwrap(), pattern(len)),
            _ => assert!(is_damaged(&got)),
        }
        write(&world, &row, new).await;
        assert_eq!(world.get("a").await, vec![7; len]);
    }
}

#[tokio::test]
async fn one_damaged_row_does_not_keep_jobs_from_the_others() {
    let world = World::new().await;
    for name in ["a", "b"] {
        world.put(name, &pattern(5000), Encryption::SseS3).await;
        world.delete(name).await;
    }
    let garbage = world.row_keys('G').await;
    let first = world.engine.get(&garbage[0]).await.unwrap().unwrap();
    write(&world, &garbage[0], flipped(&first, 50)).await;
    assert_eq!(world.collect().await.blobs, 1);
    let name = BucketName::for_creation("another").unwrap();
    world.store.create_bucket(&name, &coffer_store::NewBucket::default()).await.unwrap();
    let buckets = world.row_keys('B').await;
    let row = world.engine.get(&buckets[0]).await.unwrap().unwrap();
    write(&world, &buckets[0], flipped(&row, 50)).await;
    let store = world.restarted();
    store.resume_bucket_deletions().await.unwrap();
    assert!(store.bucket(world.bucket.name()).await.is_ok(), "\"another\" comes first");
    assert!(is_damaged(&store.bucket(&name).await));
}

/// A world whose blobs are files.
async fn on_disk() -> (World, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(dir.path(), LocalSettings::default().with_open_file_count(0)).unwrap();
    (World::over(Arc::new(MemoryEngine::default()), Arc::new(blobs)).await, dir)
}

fn file_of(dir: &tempfile::TempDir, id: BlobId) -> PathBuf {
    let name = id.to_string();
    dir.path().join(&name[..2]).join(&name[2..4]).join(&name)
}

async fn blob_files(world: &World, dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let blobs = world.blobs.list(None, usize::MAX).await.unwrap();
    blobs.iter().map(|blob| file_of(dir, blob.id)).collect()
}

async fn get(world: &World, name: &str, expected: &[u8]) -> Result<(), StoreError> {
    let lock = lock();
    let customer_key = (name == "locked").then_some(&lock);
    read_prefix(world.store.get_object(&world.bucket, &key(name), world.keys(customer_key)).await?, expected).await
}

#[tokio::test]
async fn blobs_flipped_cut_swapped_or_missing_are_damage() {
    const LEN: usize = 200_000;
    for name in ["plain", "locked"] {
        let (world, dir) = on_disk().await;
        let lock = lock();
        let encryption = || if name == "locked" { Encryption::SseC(&lock) } else { Encryption::SseS3 };
        world.put(name, &pattern(LEN), encryption()).await;
        let file = blob_files(&world, &dir).await.swap_remove(0);
        // The same content once more: another part key, so another blob.
        world.put("twin", &pattern(LEN), Encryption::SseS3).await;
        let twin = blob_files(&world, &dir).await.into_iter().find(|other| *other != file).unwrap();
        let good = fs::read(&file).unwrap();
        let segment = 65_536 + 28;
        for at in [0, 11, 12, 30_000, segment - 1, segment, 2 * segment + 5, good.len() - 1] {
            fs::write(&file, flipped(&good.clone().into(), at)).unwrap();
            assert!(is_damaged(&get(&world, name, &pattern(LEN)).await), "byte {at}");
            is_damaged(&world.copy((name, (name == "locked").then_some(&lock)), "copy", Encryption::SseS3).await);
        }
        let swapped = [&good[segment..2 * segment], &good[..segment], &good[2 * segment..]].concat();
        let repeated = [&good[..segment], &good[..segment], &good[2 * segment..]].concat();
        let without_second = [&good[..segment], &good[2 * segment..]].concat();
        let other = fs::read(&twin).unwrap();
        let cuts = [0, 1, segment, good.len() - 1].map(|len| good[..len].to_vec());
        for bad in [swapped, repeated, without_second, other].into_iter().chain(cuts) {
            fs::write(&file, bad).unwrap();
            assert!(is_damaged(&get(&world, name, &pattern(LEN)).await));
        }
        fs::remove_file(&file).unwrap();
        assert!(is_damaged(&get(&world, name, &pattern(LEN)).await));
        assert!(get(&world, "twin", &pattern(LEN)).await.is_ok(), "the other object goes on");
        for longer in [[&good[..], b"more"].concat(), [&good[..], &good[2 * segment..]].concat()] {
            fs::write(&file, longer).unwrap();
            assert!(is_damaged(&get(&world, name, &pattern(LEN)).await), "bytes behind the end");
        }
        fs::write(&file, &good).unwrap();
        assert!(get(&world, name, &pattern(LEN)).await.is_ok());
    }
}

#[tokio::test]
async fn a_range_beside_the_damage_is_right() {
    let (world, dir) = on_disk().await;
    world.put("plain", &pattern(200_000), Encryption::SseS3).await;
    let file = blob_files(&world, &dir).await.swap_remove(0);
    let good = fs::read(&file).unwrap();
    fs::write(&file, flipped(&good.into(), 100_000)).unwrap();
    assert_eq!(world.try_get_range("plain", None, 0..65_536).await.unwrap(), &pattern(200_000)[..65_536]);
    assert_eq!(world.try_get_range("plain", None, 131_072..200_000).await.unwrap(), &pattern(200_000)[131_072..]);
    assert!(is_damaged(&world.try_get_range("plain", None, 65_535..65_537).await));
}

#[tokio::test]
async fn parts_whose_blobs_are_exchanged_are_damage() {
    let (world, dir) = on_disk().await;
    let upload_id = world.create_upload("m", Encryption::SseS3).await;
    let mut files = Vec::new();
    let mut etags = Vec::new();
    for number in 1..=2 {
        etags.push(world.part("m", upload_id, number, &pattern(PART), None).await.unwrap());
        files.extend(blob_files(&world, &dir).await.into_iter().find(|file| !files.contains(file)));
    }
    world.complete("m", upload_id, &[(1, &etags[0]), (2, &etags[1])], None).await.unwrap();
    let [first, second] = [&files[0], &files[1]].map(|file| fs::read(file).unwrap());
    fs::write(&files[0], second).unwrap();
    fs::write(&files[1], first).unwrap();
    assert!(is_damaged(&world.try_get("m", None).await), "equal parts are not exchangeable either");
}
