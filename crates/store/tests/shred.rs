//! Shredding: a copy from before opens nothing of it with any key that is left, and all else stays readable.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use coffer_blob::MemoryBlobs;
use coffer_configuration::ObjectLock;
use coffer_crypto::Key32;
use coffer_keyring::{KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use coffer_meta::MemoryEngine;
use coffer_store::{
    Encryption, JobEnvironment, JobError, JobInfo, JobRunner, JobSpec, JobState, KmsKeys, KmsMaterial, NewBucket,
    PutObject, ShredTarget, StoreError,
};
use common::jobs::{done, hasty, own_root, run, run_all};
use common::kms::{KEY_1, KEY_2};
use common::shred::{
    even_if_shared, keeping_backups, kept_alone, limits, locking, locks, neighbour, of_bucket, of_key, of_version,
    shred, trouble, versioned, world,
};
use common::thief::Thief;
use common::{World, customer_key, key, pattern, plain_put};

#[tokio::test]
async fn a_copy_from_before_opens_nothing_of_the_version_with_any_key_that_is_left() {
    let world = versioned().await;
    let expected = world.furnish().await;
    let customer = customer_key(7);
    world.put("customer", &pattern(5000), Encryption::SseC(&customer)).await;
    let thief = Thief::copy(&world).await;
    let before = thief.open(&world, &[&customer]).await;
    assert!(before.instances.len() > 10 && before.envelopes > before.instances.len(), "{before:?}");
    let mut names = vec!["small", "kms", "dsse", "customer"];
    for name in names.clone() {
        let meant = world.instance(name).await.instance_id.to_string();
        assert!(before.instances.contains(&meant), "{name}");
        let job = done(&world.store, of_version(&world, name)).await;
        assert!(job.report.destroyed.iter().any(|it| it.id == meant), "{:?}", job.report);
        // A copy from after the shredding before this one, too.
        let after = thief.open(&world, &[&customer]).await;
        assert_eq!((after.rows, after.envelopes, after.instances.len()), (0, 0, 0), "{name}");
        assert!(world.try_get(name, Some(&customer)).await.is_err() || name != "customer");
        names.retain(|other| *other != name);
        for left in names.iter().filter(|left| **left != "customer") {
            assert!(world.try_get(left, None).await.is_ok(), "{left} after {name}");
        }
    }
    // The version before each is the current one now.
    assert_eq!(world.get("small").await, b"an older version");
    let kept: Vec<_> = expected.into_iter().filter(|(name, _)| ["large", "copy"].contains(name)).collect();
    world.after_crash().await.check_furniture(&kept).await;
    world.assert_no_leak("after shredding").await;
}

#[tokio::test]
async fn a_copy_from_before_opens_nothing_of_the_bucket_with_any_key_that_is_left() {
    let world = versioned().await;
    world.furnish().await;
    let customer = customer_key(7);
    world.put("customer", &pattern(5000), Encryption::SseC(&customer)).await;
    let neighbour = neighbour(&world).await;
    let thief = Thief::copy(&world).await;
    let before = thief.open(&world, &[&customer]).await;
    // The copy within the bucket shares its data with nobody outside of it.
    let job = done(&world.store, of_bucket(&world)).await;
    let after = thief.open(&world, &[&customer]).await;
    assert!(before.instances.len() > 10);
    assert_eq!(after, kept_alone(&neighbour, &after).await);
    assert!(job.report.found[0].contains("12 versions and 1 uploads"), "{:?}", job.report.found);
    assert!(limits(&job).contains("1 were under keys of customers"), "{}", limits(&job));
    assert!(limits(&job).contains("Backups from before") && !limits(&job).contains("share the sealed data"));
    let destroyed: Vec<_> = job.report.destroyed.iter().map(|it| (it.what.as_str(), it.generation)).collect();
    assert_eq!(destroyed, [("bucket key", Some(1)), ("bucket", None), ("root key", Some(1))]);
    assert!(matches!(world.store.bucket(world.bucket.name()).await, Err(StoreError::NoSuchBucket)));
    assert_eq!(neighbour.get("kept").await, pattern(9000));
    assert_eq!(neighbour.after_crash().await.get("kept").await, pattern(9000));
    // Nothing of it is left, but for the other bucket.
    world.collect().await;
    let rows = world.rows().await;
    assert_eq!((rows[&'B'], rows[&'O'], rows.get(&'V'), rows.get(&'U'), rows.get(&'G')), (1, 1, None, None, None));
    assert_eq!(world.blob_count().await, 1);
    world.store.create_bucket(world.bucket.name(), &NewBucket::default()).await.unwrap();
}

/// Keys of the KMS that a world has, which can be destroyed.
struct Keys(Arc<common::kms::FakeKms>);

#[async_trait]
impl KmsKeys for Keys {
    async fn key_material(&self, key_arn: &str) -> Result<Option<KmsMaterial>, StoreError> {
        let material = KmsMaterial { generations: vec![1, 2], key_store: None };
        Ok(self.0.has(key_arn).then_some(material))
    }

    async fn destroy_key(&self, key_arn: &str) -> Result<(), StoreError> {
        self.0.destroy(key_arn);
        Ok(())
    }
}

async fn run_with_kms(world: &World, spec: JobSpec) -> JobInfo {
    let kms_keys: Option<Arc<dyn KmsKeys>> = Some(Arc::new(Keys(world.kms.clone())));
    let environment = JobEnvironment { kms_keys, ..JobEnvironment::default() };
    let id = world.store.start_job(spec).await.unwrap();
    run_all(&mut JobRunner::new(world.store.clone(), environment)).await;
    world.store.job(id).await.unwrap()
}

#[tokio::test]
async fn a_copy_from_before_opens_nothing_that_the_kms_key_protected_in_any_bucket() {
    let world = versioned().await;
    let expected = world.furnish().await;
    let neighbour = neighbour(&world).await;
    let (first, second) = (world.kms.draw(KEY_1, "elsewhere"), world.kms.draw(KEY_2, "elsewhere"));
    neighbour.put("by the first", &pattern(3000), Encryption::SseKms(&first)).await;
    neighbour.put("by the second", &pattern(3000), Encryption::SseKms(&second)).await;
    let thief = Thief::copy(&world).await;
    let before = thief.open(&world, &[]).await;
    let job = run_with_kms(&world, of_key(KEY_1)).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
    // Of the bucket: two versions each of two objects, and an upload. A layer under the bucket's key shows nothing.
    assert!(job.report.found[0].contains("protected 5 versions and 1 uploads"), "{:?}", job.report.found);
    let destroyed: Vec<_> = job.report.destroyed.iter().map(|it| (it.what.as_str(), it.generation)).collect();
    assert_eq!(destroyed, [("KMS key", Some(1)), ("KMS key", Some(2)), ("KMS key", None), ("root key", Some(1))]);
    let of_key = [world.instance("kms").await, world.instance("dsse").await, neighbour.instance("by the first").await];
    let after = thief.open(&world, &[]).await;
    for info in of_key {
        let id = info.instance_id.to_string();
        assert!(before.instances.contains(&id) && !after.instances.contains(&id));
    }
    assert!(world.try_get("kms", None).await.is_err() && world.try_get("dsse", None).await.is_err());
    assert_eq!(neighbour.get("by the second").await, pattern(3000));
    let kept: Vec<_> = expected.into_iter().filter(|(name, _)| !["kms", "dsse"].contains(name)).collect();
    world.check_furniture(&kept).await;
}

#[tokio::test]
async fn a_kms_key_that_is_not_there_destroys_nothing() {
    let world = world().await;
    let job = run_with_kms(&world, of_key("arn:aws:kms:x:0:key/none")).await;
    assert!(trouble(&job).contains("nothing was destroyed") && job.report.destroyed.is_empty());
    let job = run(&world.store, of_key(KEY_1)).await;
    assert!(trouble(&job).contains("no KMS"));
}

#[tokio::test]
async fn what_a_lock_keeps_is_never_shredded() {
    for place in 0..3 {
        let world = locking().await;
        let lock = locks(&world)[place];
        let drawn = world.kms.draw(KEY_1, "place");
        let put = PutObject { lock, ..plain_put(Encryption::SseKms(&drawn)) };
        let version = world.try_put("locked", &pattern(5000), put).await.unwrap().info.version;
        world.put("free", &pattern(3000), Encryption::SseS3).await;
        // A newer version does not make the older one free.
        let one = shred(ShredTarget::Version {
            bucket: "bucket".to_owned(),
            key: "locked".to_owned(),
            version: Some(version.to_string()),
        });
        for spec in [
            of_version(&world, "locked"),
            one.clone(),
            keeping_backups(one),
            even_if_shared(of_version(&world, "locked")),
        ] {
            assert!(matches!(world.store.start_job(spec).await, Err(JobError::NotPossible(_))), "{lock:?}");
        }
        for spec in [of_bucket(&world), even_if_shared(keeping_backups(of_bucket(&world)))] {
            let job = run(&world.store, spec).await;
            assert!(trouble(&job).contains("a retention or a legal hold keeps"), "{lock:?}");
            assert!(job.report.destroyed.is_empty());
        }
        let job = run_with_kms(&world, of_key(KEY_1)).await;
        assert!(trouble(&job).contains("a retention or a legal hold keeps") && job.report.destroyed.is_empty());
        // The bucket is given back as it was.
        assert_eq!(world.get("locked").await, pattern(5000));
        world.put("free", &pattern(100), Encryption::SseS3).await;
        assert_eq!(world.root.describe().generation, 1);
        world.clock.advance_ms(1000);
        if lock.legal_hold.is_none() {
            done(&world.store, of_version(&world, "locked")).await;
            done(&world.store, of_bucket(&world)).await;
        }
    }
}

#[tokio::test]
async fn what_others_share_is_shredded_only_if_that_is_asked_for_and_the_report_says_so() {
    let world = world().await;
    let neighbour = neighbour(&world).await;
    world.put("original", &pattern(200_000), Encryption::SseS3).await;
    world.copy(("original", None), "copy", Encryption::SseS3).await.unwrap();
    let thief = Thief::copy(&world).await;
    let job = run(&world.store, of_version(&world, "original")).await;
    assert!(trouble(&job).contains("1 other objects or versions share") && job.report.destroyed.is_empty());
    assert_eq!(world.root.describe().generation, 1);
    let meant = world.instance("original").await.instance_id.to_string();
    let job = done(&world.store, even_if_shared(of_version(&world, "original"))).await;
    assert!(limits(&job).contains("1 other objects or versions share the sealed data"), "{}", limits(&job));
    assert!(!thief.open(&world, &[]).await.instances.contains(&meant));
    assert_eq!(world.get("copy").await, pattern(200_000));
    // What waits as garbage shares nothing: the copy can go.
    done(&world.store, of_version(&world, "copy")).await;
    drop(neighbour);
}

#[tokio::test]
async fn a_bucket_whose_data_is_shared_with_another_is_given_back() {
    let world = world().await;
    let neighbour = neighbour(&world).await;
    world.put("original", &pattern(200_000), Encryption::SseS3).await;
    world.copy(("original", None), "copy within", Encryption::SseS3).await.unwrap();
    let source = world.store.get_object(&world.bucket, &key("original"), world.keys(None)).await.unwrap();
    let copy = coffer_store::CopyObject {
        encryption: Encryption::SseS3,
        headers: None,
        tags: None,
        access: coffer_store::ObjectAccess::default(),
        storage_class: "STANDARD".into(),
        algorithm: None,
        conditions: coffer_store::WriteConditions::default(),
        lock: ObjectLock::default(),
        origin: coffer_store::Origin::default(),
    };
    world.store.copy_object(source, false, &neighbour.bucket, &key("copy"), copy).await.unwrap();
    let job = run(&world.store, of_bucket(&world)).await;
    assert!(trouble(&job).contains("1 other objects or versions share"), "{}", trouble(&job));
    assert_eq!(world.get("copy within").await, pattern(200_000));
    let job = done(&world.store, even_if_shared(of_bucket(&world))).await;
    assert!(limits(&job).contains("1 other objects or versions share the sealed data"), "{}", limits(&job));
    assert_eq!(neighbour.get("copy").await, pattern(200_000));
    neighbour.assert_no_leak("after a shared bucket").await;
}

#[tokio::test]
async fn with_backups_kept_the_report_says_what_still_opens() {
    let world = versioned().await;
    world.furnish().await;
    let thief = Thief::copy(&world).await;
    let meant = world.instance("small").await.instance_id.to_string();
    let job = done(&world.store, keeping_backups(of_version(&world, "small"))).await;
    assert!(limits(&job).contains("Older generations of the root key were kept"), "{}", limits(&job));
    assert!(thief.open(&world, &[]).await.instances.contains(&meant), "that is what it says");
    assert_eq!(world.get("small").await, b"an older version");
    // What it says to do closes the copy.
    done(&world.store, JobSpec::RewrapRoot { rotate: true }).await;
    done(&world.store, JobSpec::DestroyRootGeneration { generation: 1, not_before_ms: None }).await;
    assert_eq!(thief.open(&world, &[]).await.envelopes, 0);
}

#[tokio::test]
async fn older_generations_of_the_root_key_go_all_together() {
    let world = world().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    let first = Thief::copy(&world).await;
    for _ in 0..2 {
        done(&world.store, JobSpec::RewrapRoot { rotate: true }).await;
    }
    let later = Thief::copy(&world).await;
    let job = done(&world.store, of_version(&world, "a")).await;
    let root: Vec<_> = job.report.destroyed.iter().filter(|it| it.what == "root key").map(|it| it.generation).collect();
    assert_eq!(root, [Some(1), Some(2), Some(3)]);
    for thief in [first, later] {
        assert_eq!(thief.open(&world, &[]).await.envelopes, 0);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_shredded() {
    let world = versioned().await;
    world.put("a", b"data", Encryption::SseS3).await;
    world.put("marked", b"data", Encryption::SseS3).await;
    world.delete("marked").await;
    let start = async |spec| world.store.start_job(spec).await.err().unwrap();
    assert!(matches!(start(of_version(&world, "none")).await, JobError::Store(StoreError::NoSuchKey)));
    assert!(matches!(start(of_version(&world, "marked")).await, JobError::Store(StoreError::DeleteMarker(_))));
    for version in ["null", "nonsense"] {
        let (bucket, key) = ("bucket".to_owned(), "a".to_owned());
        let spec = shred(ShredTarget::Version { bucket, key, version: Some(version.to_owned()) });
        assert!(matches!(start(spec).await, JobError::Store(StoreError::NoSuchVersion)), "{version}");
    }
    let elsewhere = shred(ShredTarget::Bucket { bucket: "none".to_owned() });
    assert!(matches!(start(elsewhere).await, JobError::Store(StoreError::NoSuchBucket)));
    assert_eq!(world.get("a").await, b"data");
}

#[tokio::test]
async fn an_older_version_is_shredded_and_the_current_one_stays() {
    let world = versioned().await;
    let older = world.put("a", &pattern(5000), Encryption::SseS3).await.info;
    world.put("a", &pattern(6000), Encryption::SseS3).await;
    let thief = Thief::copy(&world).await;
    let (bucket, key) = ("bucket".to_owned(), "a".to_owned());
    let version = Some(older.version.to_string());
    done(&world.store, shred(ShredTarget::Version { bucket, key, version })).await;
    assert_eq!(thief.open(&world, &[]).await.envelopes, 0);
    assert_eq!(world.get("a").await, pattern(6000));
    assert_eq!(world.rows().await.get(&'V'), None);
}

/// A root key that nobody here can rotate, or of which nothing can be destroyed.
struct Elsewhere {
    root: Arc<dyn RootKeys>,
    rotates: bool,
}

#[async_trait]
impl RootKeys for Elsewhere {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        self.root.wrap(context, key).await
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        self.root.unwrap(context, wrapped).await
    }

    fn describe(&self) -> RootDescription {
        self.root.describe()
    }

    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError> {
        self.root.generation_of(wrapped)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        self.root.generations().await
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        if self.rotates { self.root.rotate().await } else { Err(KeyError::Unsupported("rotate it there")) }
    }

    async fn destroy_generation(&self, _: u32) -> Result<(), KeyError> {
        Err(KeyError::Unsupported("it keeps everything"))
    }
}

#[tokio::test]
async fn a_provider_that_destroys_nothing_is_named_in_place_of_a_promise() {
    for (rotates, reason) in [(true, "it keeps everything"), (false, "rotate it there")] {
        let root = Arc::new(Elsewhere { root: own_root(), rotates });
        let engine = Arc::new(MemoryEngine::default());
        let world = World::with_root(engine, Arc::new(MemoryBlobs::default()), hasty(), root).await;
        world.put("a", &pattern(5000), Encryption::SseS3).await;
        let job = done(&world.store, of_version(&world, "a")).await;
        assert!(limits(&job).contains(reason) && limits(&job).contains("could not be destroyed"), "{}", limits(&job));
        assert!(!limits(&job).contains("cannot be restored"));
        assert!(job.report.destroyed.iter().all(|it| it.what != "root key"));
        assert!(matches!(world.try_get("a", None).await, Err(StoreError::NoSuchKey)));
    }
}

#[tokio::test]
async fn what_cannot_be_opened_keeps_keys_from_being_destroyed_and_the_report_says_so() {
    let world = world().await;
    world.put("a", &pattern(5000), Encryption::SseS3).await;
    world.put("damaged", &pattern(5000), Encryption::SseS3).await;
    world.put("whole", &pattern(5000), Encryption::SseS3).await;
    let row = world.row_keys('O').await.into_iter().find(|row| row.ends_with(b"damaged")).unwrap();
    let mut value = world.engine.get(&row).await.unwrap().unwrap().to_vec();
    *value.last_mut().unwrap() ^= 1;
    let mut commit = coffer_meta::Commit::new();
    commit.put(row, value);
    world.engine.commit(commit).await.unwrap();
    let job = run(&world.store, of_version(&world, "a")).await;
    assert!(trouble(&job).contains("1 could not be opened"), "{}", trouble(&job));
    let destroyed: Vec<_> = job.report.destroyed.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(destroyed, ["object version"]);
    assert!(limits(&job).contains("Older generations of the root key are not destroyed"), "{}", limits(&job));
    assert_eq!(world.get("whole").await, pattern(5000));
    // The bucket as a whole can go: nothing of it is needed.
    let thief = Thief::copy(&world).await;
    let job = done(&world.store, of_bucket(&world)).await;
    assert!(limits(&job).contains("1 rows could not be opened"), "{}", limits(&job));
    assert_eq!(thief.open(&world, &[]).await.envelopes, 0);
}
