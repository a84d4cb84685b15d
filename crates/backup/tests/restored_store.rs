//! A store after its restore: what it says about blobs, and what it leaves alone.

mod common;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_blob::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter, MemoryBlobs};
use coffer_meta::MemoryEngine;
use coffer_store::{
    BucketName, CreateUpload, DeleteObject, Encryption, FullBody, Keys, ListEntry, ListObjects, ObjectAccess,
    ObjectKey, Store, UploadPart, WantedDigests,
};
use common::*;

const HOUR_MS: u64 = 3_600_000;

async fn blob_count(world: &World) -> usize {
    world.blobs.list(None, usize::MAX).await.unwrap().len()
}

/// All that a server does with blobs by itself, again and again.
async fn run_jobs(world: &World, store: &Store) {
    for _ in 0..3 {
        world.clock.advance_ms(HOUR_MS);
        store.resume_ended_uploads().await.unwrap();
        store.resume_bucket_deletions().await.unwrap();
        store.collect_orphans().await.unwrap();
        store.collect_garbage().await.unwrap();
    }
}

#[tokio::test]
async fn blobs_of_after_the_backup_stay_until_the_restore_is_accepted() {
    let world = World::filled().await;
    // Garbage of before the backup waits, too: another backup may need it.
    world.delete("large-0").await;
    world.take().await;
    world.put("written after the backup", LARGE).await;
    let data = world.fresh("new");
    world.restore(None, &data).await.unwrap();
    world.clock.advance_ms(HOUR_MS);
    let (store, _engine) = world.open(&data).await;
    assert_eq!(blob_count(&world).await, 4);
    run_jobs(&world, &store).await;
    assert_eq!(blob_count(&world).await, 4, "nothing was removed");
    assert!(store.collect_garbage().await.unwrap().held_back);
    assert!(store.collect_orphans().await.unwrap().held_back);
    let compared = store.compare_blobs().await.unwrap();
    assert_eq!((compared.named, compared.missing, compared.extra), (3, 0, 1));

    assert!(store.accept_restore().await.unwrap().is_some());
    assert!(store.accept_restore().await.unwrap().is_none(), "once");
    assert!(store.restored().await.unwrap().is_none());
    run_jobs(&world, &store).await;
    assert_eq!(blob_count(&world).await, 2, "garbage and orphan are gone");
    let compared = store.compare_blobs().await.unwrap();
    assert_eq!((compared.named, compared.missing, compared.extra), (2, 0, 0));
}

#[tokio::test]
async fn what_is_deleted_before_the_restore_is_accepted_keeps_its_blobs() {
    let world = World::filled().await;
    world.take().await;
    let data = world.fresh("new");
    world.restore(None, &data).await.unwrap();
    let (store, engine) = world.open(&data).await;
    let bucket = store.bucket(&BucketName::for_creation("secret-bucket").unwrap()).await.unwrap();
    let key = ObjectKey::new("large-1").unwrap();
    store.delete_object(&bucket, &key, &DeleteObject::default()).await.unwrap();
    put_into(&store, &bucket, "large-2", LARGE).await;
    run_jobs(&world, &store).await;
    engine.close().unwrap();
    drop((store, engine));
    let again = world.fresh("again");
    world.restore(None, &again).await.unwrap();
    let (store, _engine) = world.open(&again).await;
    assert_eq!(store.compare_blobs().await.unwrap().missing, 0, "the same backup can be restored once more");
}

#[tokio::test]
async fn missing_blobs_are_told_by_bucket_and_object() {
    let world = World::filled().await;
    upload_part(&world).await;
    let compared = world.store.compare_blobs().await.unwrap();
    assert_eq!((compared.named, compared.missing, compared.extra), (4, 0, 0));
    assert_eq!(compared.incomplete, Some(Vec::new()));
    for blob in world.blobs.list(None, usize::MAX).await.unwrap() {
        world.blobs.delete(blob.id).await.unwrap();
    }
    let compared = world.store.compare_blobs().await.unwrap();
    assert_eq!((compared.named, compared.missing, compared.extra), (4, 4, 0));
    let [bucket] = &compared.incomplete.unwrap()[..] else { panic!("one bucket lacks something") };
    assert_eq!((bucket.name.as_str(), bucket.versions, bucket.upload_parts), ("secret-bucket", 3, 1));
    let names: Vec<_> = bucket.named.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(names, ["large-0", "large-1", "large-2"]);
}

/// An upload in progress with one part in a blob.
async fn upload_part(world: &World) {
    let create = CreateUpload {
        encryption: Encryption::SseS3,
        headers: Vec::new(),
        storage_class: "STANDARD".into(),
        tags: Vec::new(),
        access: ObjectAccess::default(),
        algorithm: None,
        composite: false,
        lock: Default::default(),
    };
    let key = ObjectKey::new("in progress").unwrap();
    let upload_id = world.store.create_upload(&world.bucket, &key, create).await.unwrap().upload_id;
    let put = UploadPart { upload_id, number: 1, keys: Keys::NONE, wanted: WantedDigests::default() };
    let body = &mut FullBody::new(Bytes::from(vec![1; LARGE]));
    world.store.upload_part(&world.bucket, &key, put, body).await.unwrap();
}

/// Writers put, overwrite and delete while backups are taken. In each of them every count of references is that of the
/// records: everything opens, and once everything is deleted nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_load_are_of_one_state_each() {
    const WRITERS: usize = 4;
    const BACKUPS: usize = 8;
    let world = Arc::new(World::over(Arc::new(MemoryEngine::new()), Arc::new(KeptBlobs(MemoryBlobs::default()))).await);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
            tokio::spawn(async move {
                for round in 0.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return round;
                    }
                    let name = format!("writer {writer} object {}", round % 7);
                    match round % 3 {
                        0 => world.put(&name, LARGE).await,
                        1 => world.put(&name, 100).await,
                        _ => world.delete(&name).await,
                    }
                }
                unreachable!("it is told to stop")
            })
        })
        .collect();
    let mut ids = Vec::new();
    for _ in 0..BACKUPS {
        ids.push(world.take().await.backup.id.to_string());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    for id in ids {
        let data = world.fresh(&id);
        world.restore(Some(&id), &data).await.unwrap();
        let (store, engine) = world.open(&data).await;
        assert_eq!(store.compare_blobs().await.unwrap().missing, 0, "no blob was ever removed");
        empty(&store).await;
        store.accept_restore().await.unwrap();
        for _ in 0..2 {
            world.clock.advance_ms(HOUR_MS);
            store.collect_garbage().await.unwrap();
        }
        let letters: Vec<_> = rows_of(&*engine).await.iter().map(|row| char::from(row.key[0])).collect();
        assert_eq!(letters, ['B'], "a count of references was not that of the records");
    }
}

/// Blobs that stay: several stores are opened over the same ones.
struct KeptBlobs(MemoryBlobs);

#[async_trait]
impl BlobStore for KeptBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.0.create().await
    }

    async fn read(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        self.0.read(id, range).await
    }

    async fn len(&self, id: BlobId) -> Result<u64, BlobError> {
        self.0.len(id).await
    }

    async fn delete(&self, _: BlobId) -> Result<(), BlobError> {
        Ok(())
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobEntry>, BlobError> {
        self.0.list(after, limit).await
    }
}

async fn empty(store: &Store) {
    let bucket = store.bucket(&BucketName::for_creation("secret-bucket").unwrap()).await.unwrap();
    let list = ListObjects { max_keys: 1000, ..Default::default() };
    for entry in store.list_objects(&bucket, &list).await.unwrap().entries {
        let ListEntry::Object(name, _) = entry else { panic!("there is no delimiter") };
        let key = ObjectKey::new(&name).unwrap();
        let reader = store.get_object(&bucket, &key, Keys::NONE).await.unwrap();
        let size = reader.info().size;
        let (mut stream, _) = reader.read(0..size).await.unwrap();
        while stream.next().await.unwrap().is_some() {}
        store.delete_object(&bucket, &key, &DeleteObject::default()).await.unwrap();
    }
}
