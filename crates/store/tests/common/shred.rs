//! Short words for what tests of shredding do.

use std::collections::BTreeSet;
use std::sync::Arc;

use coffer_blob::MemoryBlobs;
use coffer_configuration::{
    BucketSettings, ObjectLock, ObjectLockConfiguration, Retention, RetentionMode, VersioningStatus,
};
use coffer_meta::{Engine, MemoryEngine};
use coffer_store::{
    BucketName, Clock as _, Encryption, JobInfo, JobSpec, JobState, NewBucket, ShredTarget, StoreError,
};

use super::jobs::{hasty, own_root};
use super::thief::Opened;
use super::{World, pattern};

pub async fn world() -> World {
    over(Arc::new(MemoryEngine::default())).await
}

pub async fn over(engine: Arc<dyn Engine>) -> World {
    World::with_root(engine, Arc::new(MemoryBlobs::default()), hasty(), own_root()).await
}

pub async fn versioned() -> World {
    with_versions(world().await).await
}

pub async fn with_versions(mut world: World) -> World {
    world.set_lifecycle(Vec::new(), Some(VersioningStatus::Enabled)).await;
    world
}

/// A world whose bucket can lock versions.
pub async fn locking() -> World {
    let world = world().await;
    let name = world.bucket.name();
    let configured = world.store.configure_bucket::<StoreError>(name, |_, settings: &mut BucketSettings| {
        settings.versioning = Some(VersioningStatus::Enabled);
        settings.object_lock = Some(ObjectLockConfiguration { default_retention: None });
        Ok(())
    });
    configured.await.unwrap();
    world.with_bucket(world.store.bucket(name).await.unwrap())
}

/// Every way in which a version can be locked.
pub fn locks(world: &World) -> [ObjectLock; 3] {
    let until_ms = world.clock.now_ms() + 1000;
    let retained = |mode| ObjectLock { retention: Some(Retention { mode, until_ms }), legal_hold: None };
    [
        retained(RetentionMode::Governance),
        retained(RetentionMode::Compliance),
        ObjectLock { retention: None, legal_hold: Some(true) },
    ]
}

pub fn shred(target: ShredTarget) -> JobSpec {
    JobSpec::Shred { target, keep_backups: false, even_if_shared: false }
}

/// To shred an object's current version, with every key that opens a copy of it.
pub fn of_version(world: &World, name: &str) -> JobSpec {
    let bucket = world.bucket.name().as_str().to_owned();
    shred(ShredTarget::Version { bucket, key: name.to_owned(), version: None })
}

/// To shred the bucket.
pub fn of_bucket(world: &World) -> JobSpec {
    shred(ShredTarget::Bucket { bucket: world.bucket.name().as_str().to_owned() })
}

pub fn of_key(key_arn: &str) -> JobSpec {
    shred(ShredTarget::KmsKey { key_arn: key_arn.to_owned() })
}

pub fn keeping_backups(spec: JobSpec) -> JobSpec {
    let JobSpec::Shred { target, even_if_shared, .. } = spec else { unreachable!() };
    JobSpec::Shred { target, keep_backups: true, even_if_shared }
}

pub fn even_if_shared(spec: JobSpec) -> JobSpec {
    let JobSpec::Shred { target, keep_backups, .. } = spec else { unreachable!() };
    JobSpec::Shred { target, keep_backups, even_if_shared: true }
}

pub fn limits(job: &JobInfo) -> String {
    job.report.cannot_promise.join("\n")
}

pub fn trouble(job: &JobInfo) -> &str {
    assert_eq!(job.state, JobState::Failed);
    job.trouble.as_deref().unwrap()
}

/// Puts an object, and another bucket beside the one of the world with an object of its own.
pub async fn neighbour(world: &World) -> World {
    let name = BucketName::for_creation("neighbour").unwrap();
    world.store.create_bucket(&name, &NewBucket::default()).await.unwrap();
    let neighbour = world.with_bucket(world.store.bucket(&name).await.unwrap());
    neighbour.put("kept", &pattern(9000), Encryption::SseS3).await;
    neighbour
}

/// What opens if nothing does but the object in the other bucket, whose keys are in use.
pub async fn kept_alone(neighbour: &World, opened: &Opened) -> Opened {
    let instances = BTreeSet::from([neighbour.instance("kept").await.instance_id.to_string()]);
    Opened { instances, envelopes: 1, rows: 1, bucket_keys: opened.bucket_keys }
}
