//! Short words for what tests do with jobs over keys.

use std::sync::Arc;

use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_store::{
    Encryption, JobEnvironment, JobId, JobInfo, JobRunner, JobSpec, JobState, JobStep, ObjectVersion, Settings, Store,
};

use super::{World, key, pattern, settings};

/// Keys can be destroyed at once.
pub fn hasty() -> Settings {
    Settings { key_destruction_delay_ms: 0, ..settings() }
}

/// A root key that no other world has.
pub fn own_root() -> Arc<dyn RootKeys> {
    let dir = tempfile::tempdir().unwrap();
    // The files stay for as long as the test runs: a rotation writes them.
    Arc::new(LocalKeyring::create(&dir.keep().join("root.key")).unwrap())
}

pub fn runner(store: &Store) -> JobRunner {
    JobRunner::new(store.clone(), JobEnvironment::default())
}

/// Does all there is to do now.
pub async fn run_all(runner: &mut JobRunner) {
    while runner.step().await.unwrap() != JobStep::Idle {}
}

pub fn rotation(world: &World) -> JobSpec {
    JobSpec::RotateBucketKey { bucket: world.bucket.name().as_str().to_owned() }
}

pub fn destruction(world: &World, generation: u32) -> JobSpec {
    let bucket = world.bucket.name().as_str().to_owned();
    JobSpec::DestroyBucketKeyGeneration { bucket, generation, not_before_ms: None }
}

/// Runs a job to its end.
pub async fn run(store: &Store, spec: JobSpec) -> JobInfo {
    let id = store.start_job(spec).await.unwrap();
    run_all(&mut runner(store)).await;
    store.job(id).await.unwrap()
}

/// As [`run`], and it must come to its end.
pub async fn done(store: &Store, spec: JobSpec) -> JobInfo {
    let job = run(store, spec).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
    job
}

pub async fn state(store: &Store, id: JobId) -> JobState {
    store.job(id).await.unwrap().state
}

impl World {
    /// Puts something into every table of the bucket, in every mode. Returns what must be readable, by name.
    pub async fn furnish(&self) -> Vec<(&'static str, Vec<u8>)> {
        let drawn = self.kms.draw(super::kms::KEY_1, "place");
        let objects = [
            ("small", pattern(100), Encryption::SseS3),
            ("large", pattern(200_000), Encryption::SseS3),
            ("kms", pattern(5000), Encryption::SseKms(&drawn)),
            ("dsse", pattern(5001), Encryption::DsseKms(&drawn)),
        ];
        let mut expected = Vec::new();
        for (name, data, encryption) in objects {
            self.put(name, b"an older version", encryption).await;
            self.put(name, &data, encryption).await;
            expected.push((name, data));
        }
        self.copy(("large", None), "copy", Encryption::SseS3).await.unwrap();
        expected.push(("copy", pattern(200_000)));
        self.put("deleted", b"data", Encryption::SseS3).await;
        self.delete("deleted").await;
        let upload = self.create_upload("upload", Encryption::DsseKms(&drawn)).await;
        self.part("upload", upload, 1, &pattern(3000), None).await.unwrap();
        expected
    }

    /// Reads what must be readable, through a store and a bucket that may be other than those of the world.
    pub async fn check_furniture(&self, expected: &[(&'static str, Vec<u8>)]) {
        for (name, data) in expected {
            assert!(self.get(name).await == *data, "{name}");
        }
    }

    /// The version of an object that is current.
    pub async fn instance(&self, name: &str) -> coffer_store::ObjectInfo {
        let name = key(name);
        self.store.object_info(&self.bucket, ObjectVersion::from(&name)).await.unwrap()
    }
}
