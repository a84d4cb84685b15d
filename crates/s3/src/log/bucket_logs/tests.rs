use std::collections::BTreeMap;
use std::sync::OnceLock;

use coffer_blob::MemoryBlobs;
use coffer_crypto::Key32;
use coffer_keyring::LocalKeyring;
use coffer_meta::MemoryEngine;
use coffer_store::{Bootstrap, BucketAccessChange, BucketPolicy, ListObjects, LogKeyFormat, NewBucket, Settings};
use http::Request;

use super::*;
use crate::auth::tests::One;
use crate::request::ConnectionInfo;

const OWNER: &str = "123456789012";
const NOW_MS: u64 = 1_369_353_600_000;
const DONE: Completion = Completion { bytes_sent: 0, complete: true };

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// A store with a bucket `photos` whose log goes to `logs`, which lets the service in.
struct World {
    store: Store,
    logs: BucketLogs,
}

fn keyring() -> Arc<LocalKeyring> {
    static KEYRING: OnceLock<Arc<LocalKeyring>> = OnceLock::new();
    let make = || {
        let directory = tempfile::tempdir().unwrap();
        Arc::new(LocalKeyring::create(&directory.path().join("root.key")).unwrap())
    };
    Arc::clone(KEYRING.get_or_init(make))
}

fn name(name: &str) -> BucketName {
    BucketName::for_lookup(name).unwrap()
}

impl World {
    async fn new() -> Self {
        let bootstrap = Bootstrap { store_id: [0; 16], metadata_key: Key32::generate(), generation: 1 };
        let (engine, blobs) = (Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()));
        let store = Store::new(bootstrap, engine, blobs, keyring(), Arc::new(Stopped), Settings::default());
        let settings = BucketLogSettings {
            account_id: OWNER.to_owned(),
            interval: Duration::from_secs(300),
            dropped: Arc::default(),
        };
        let logs = BucketLogs::new(store.clone(), One::new(), settings, Arc::new(Stopped));
        let world = Self { store, logs };
        for bucket in ["photos", "logs"] {
            world.make(bucket, OWNER, "us-east-1").await;
        }
        world.admit("logs").await;
        world.log_to("logs", LogKeyFormat::NotSet).await;
        world
    }

    async fn make(&self, bucket: &str, owner: &str, region: &str) {
        let new = NewBucket { owner: owner.to_owned(), region: region.to_owned(), ..NewBucket::default() };
        self.store.create_bucket(&name(bucket), &new).await.unwrap();
    }

    async fn admit(&self, target: &str) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"logging.s3.amazonaws.com"}},
            "Action":"s3:PutObject","Resource":"arn:aws:s3:::{target}/*"}}]}}"#
        );
        self.set_policy(target, Some(policy)).await;
    }

    async fn set_policy(&self, target: &str, document: Option<String>) {
        let policy = document.map(|document| BucketPolicy { document, principals: BTreeMap::new() });
        let bucket = self.store.bucket(&name(target)).await.unwrap();
        self.store.change_bucket_access(&bucket, &BucketAccessChange::Policy(policy)).await.unwrap();
    }

    async fn log_to(&self, target: &str, key_format: LogKeyFormat) {
        let (target_bucket, target_prefix) = (target.to_owned(), "p/".to_owned());
        let logging = BucketLogging { target_bucket, target_prefix, grants: Vec::new(), key_format };
        self.store.put_bucket_logging(&name("photos"), Some(&logging)).await.unwrap();
        self.store.bucket(&name("photos")).await.unwrap();
    }

    fn note(&self, bucket: &str, received_ms: u64) {
        self.logs.note(&record(bucket, received_ms, b"agent"), DONE);
    }

    async fn keys(&self, bucket: &str) -> Vec<String> {
        let bucket = self.store.bucket(&name(bucket)).await.unwrap();
        let page = self.store.list_objects(&bucket, &ListObjects { max_keys: 1000, ..ListObjects::default() }).await;
        page.unwrap().entries.into_iter().map(|entry| entry.name().to_owned()).collect()
    }

    fn dropped(&self) -> u64 {
        self.logs.settings.dropped.load(Relaxed)
    }

    fn waiting_len(&self) -> usize {
        self.logs.waiting.lock().unwrap().len
    }
}

fn record(bucket: &str, received_ms: u64, user_agent: &[u8]) -> RequestRecord {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let connection = ConnectionInfo { peer, client: peer.ip(), tls: None, secure: false };
    let record = RequestRecord::new(connection, "H".into(), received_ms);
    record.note_names(Some(bucket), Some("cat.jpg"));
    let request = Request::builder().uri("/photos/cat.jpg").header("user-agent", user_agent).body(()).unwrap();
    record.note_head(&request.into_parts().0);
    record
}

#[tokio::test]
async fn lines_of_one_bucket_become_one_object() {
    let world = World::new().await;
    world.note("photos", NOW_MS);
    world.note("photos", NOW_MS);
    world.logs.deliver().await;
    assert_eq!((world.keys("logs").await.len(), world.dropped(), world.waiting_len()), (1, 0, 0));
    world.logs.deliver().await;
    assert_eq!(world.keys("logs").await.len(), 1, "nothing is delivered twice, and no object is empty");
}

#[tokio::test]
async fn buckets_without_logging_and_unknown_ones_leave_no_line() {
    let world = World::new().await;
    world.note("logs", NOW_MS);
    world.note("missing", NOW_MS);
    assert_eq!(world.waiting_len(), 0);
}

#[tokio::test]
async fn requests_of_two_days_are_two_objects_of_a_partition_by_their_time() {
    let world = World::new().await;
    world.log_to("logs", LogKeyFormat::EventTime).await;
    world.note("photos", NOW_MS);
    world.note("photos", NOW_MS - DAY_MS);
    world.logs.deliver().await;
    let keys = world.keys("logs").await.join("\n");
    assert!(keys.contains("/photos/2013/05/24/") && keys.contains("/photos/2013/05/23/"), "{keys}");
}

#[tokio::test]
async fn what_may_not_be_delivered_is_dropped_and_counted() {
    let world = World::new().await;
    for (target, owner, region) in [("theirs", "999999999999", "us-east-1"), ("elsewhere", OWNER, "eu-west-1")] {
        world.make(target, owner, region).await;
        world.admit(target).await;
        world.log_to(target, LogKeyFormat::NotSet).await;
        let before = world.dropped();
        world.note("photos", NOW_MS);
        world.logs.deliver().await;
        assert_eq!((world.keys(target).await.len(), world.dropped() - before), (0, 1), "{target}");
    }
    world.log_to("gone", LogKeyFormat::NotSet).await;
    world.note("photos", NOW_MS);
    world.note("photos", NOW_MS);
    world.logs.deliver().await;
    assert_eq!(world.dropped(), 4);
}

#[tokio::test]
async fn a_policy_that_changes_is_asked_at_each_delivery() {
    let world = World::new().await;
    world.note("photos", NOW_MS);
    world.set_policy("logs", None).await;
    world.logs.deliver().await;
    assert_eq!((world.keys("logs").await.len(), world.dropped()), (0, 1));
    world.admit("logs").await;
    world.note("photos", NOW_MS);
    world.logs.deliver().await;
    assert_eq!((world.keys("logs").await.len(), world.dropped()), (1, 1));
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let world = World::new().await;
    let long = vec![b'a'; 8 << 10];
    for _ in 0..=MAX_WAITING_LEN / long.len() {
        world.logs.note(&record("photos", NOW_MS, &long), DONE);
    }
    assert!(world.waiting_len() <= MAX_WAITING_LEN && world.dropped() > 0);
    world.logs.deliver().await;
    assert_eq!((world.waiting_len(), world.keys("logs").await.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn it_is_time_after_the_interval_or_when_an_object_is_full() {
    let world = World::new().await;
    let started = tokio::time::Instant::now();
    world.logs.due().await;
    assert_eq!(started.elapsed(), world.logs.settings.interval);
    let long = vec![b'a'; 8 << 10];
    for _ in 0..=FULL_LEN / long.len() {
        world.logs.note(&record("photos", NOW_MS, &long), DONE);
    }
    let started = tokio::time::Instant::now();
    world.logs.due().await;
    assert!(started.elapsed().is_zero());
}
