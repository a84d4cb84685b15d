//! Every operation with every one of its calls to the engine and to the blobs failing in every way: the state is the
//! old one or the new one, what was acknowledged is there, and after a restart nothing is left over.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use coffer_blob::{BlobError, MemoryBlobs};
use coffer_meta::{CommitError, EngineError, MemoryEngine};
use coffer_store::{
    BucketEncryptionChange, DeleteObject, Encryption, EncryptionMode, InstanceId, ListUploads, Origin, StoreError,
    UploadEntry,
};
use coffer_testkit::{FailingBlobs, FailingEngine, Fault, When};
use common::kms::KEY_1;
use common::{World, customer_key, key, pattern};

const PART: usize = 5 << 20;

type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is done before faults begin, and what is done while they last. Uploads are found by the name of their object.
struct Scenario {
    name: &'static str,
    prepare: for<'a> fn(&'a World) -> Doing<'a, ()>,
    act: for<'a> fn(&'a World) -> Doing<'a, Result<(), StoreError>>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "put a small object",
        prepare: |_| Box::pin(async {}),
        act: |world| Box::pin(put(world, "a", 500)),
    },
    Scenario {
        name: "put a large object over a small one",
        prepare: |world| Box::pin(async { put(world, "a", 500).await.unwrap() }),
        act: |world| Box::pin(put(world, "a", 300_000)),
    },
    Scenario {
        name: "put a small object over a large one",
        prepare: |world| Box::pin(async { put(world, "a", 5000).await.unwrap() }),
        act: |world| Box::pin(put(world, "a", 600)),
    },
    Scenario {
        name: "delete a large object",
        prepare: |world| Box::pin(async { put(world, "a", 5000).await.unwrap() }),
        act: |world| {
            Box::pin(async {
                world.store.delete_object(&world.bucket, &key("a"), &DeleteObject::default()).await.map(|_| ())
            })
        },
    },
    Scenario {
        name: "copy by sharing",
        prepare: |world| {
            Box::pin(async {
                put(world, "a", 5000).await.unwrap();
                put(world, "b", 6000).await.unwrap();
            })
        },
        act: |world| Box::pin(async { world.copy(("a", None), "b", Encryption::SseS3).await.map(drop) }),
    },
    Scenario {
        name: "copy under a customer key",
        prepare: |world| Box::pin(async { put(world, "a", 200_000).await.unwrap() }),
        act: |world| {
            Box::pin(async { world.copy(("a", None), "b", Encryption::SseC(&customer_key(1))).await.map(drop) })
        },
    },
    Scenario {
        name: "change a customer key",
        prepare: |world| {
            Box::pin(async {
                world.put("a", &pattern(5000), Encryption::SseC(&customer_key(1))).await;
            })
        },
        act: |world| {
            Box::pin(async {
                let (old, new) = (customer_key(1), customer_key(2));
                world.copy(("a", Some(&old)), "a", Encryption::SseC(&new)).await.map(drop)
            })
        },
    },
    Scenario {
        name: "put an object in two layers over a large one",
        prepare: |world| Box::pin(async { put(world, "a", 5000).await.unwrap() }),
        act: |world| {
            Box::pin(async {
                let kms = world.kms.draw(KEY_1, "a");
                let put = common::plain_put(Encryption::DsseKms(&kms));
                world.try_put("a", &pattern(200_000), put).await.map(drop)
            })
        },
    },
    Scenario {
        name: "change the KMS key of an object that shares its blob",
        prepare: |world| {
            Box::pin(async {
                put(world, "a", 5000).await.unwrap();
                world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
            })
        },
        act: |world| {
            Box::pin(async {
                let kms = world.kms.draw(KEY_1, "a");
                let (target, keys, origin) = (key("a"), world.keys(None), Origin::default());
                world.store.update_object_encryption(&world.bucket, &target, keys, &kms, &origin).await.map(drop)
            })
        },
    },
    Scenario {
        name: "create an upload",
        prepare: |_| Box::pin(async {}),
        act: |world| Box::pin(async { world.try_create_upload("a").await.map(drop) }),
    },
    Scenario {
        name: "replace a part",
        prepare: |world| Box::pin(begin_upload(world, &[(1, 5000)])),
        act: |world| {
            Box::pin(async {
                let upload_id = upload_of(world, "a").await?;
                world.part("a", upload_id, 1, &pattern(6000), None).await.map(drop)
            })
        },
    },
    Scenario {
        name: "complete an upload over an object and leave a part out",
        prepare: |world| {
            Box::pin(async {
                put(world, "a", 6000).await.unwrap();
                begin_upload(world, &[(1, 5000), (2, 7)]).await;
            })
        },
        act: |world| Box::pin(complete(world, 1)),
    },
    Scenario {
        name: "put an object over one of many parts",
        prepare: |world| {
            Box::pin(async {
                begin_upload(world, &[(1, PART), (2, PART), (3, PART), (4, PART), (5, 1)]).await;
                complete(world, 5).await.unwrap();
            })
        },
        act: |world| Box::pin(put(world, "a", 5000)),
    },
    Scenario {
        name: "abort an upload",
        prepare: |world| Box::pin(begin_upload(world, &[(1, 5000), (2, 7)])),
        act: |world| {
            Box::pin(async {
                let upload_id = upload_of(world, "a").await?;
                world.abort("a", upload_id).await
            })
        },
    },
    Scenario {
        name: "change a bucket",
        prepare: |_| Box::pin(async {}),
        act: |world| {
            Box::pin(async {
                let change = BucketEncryptionChange { sse_c_blocked: Some(true), ..Default::default() };
                world.store.put_bucket_encryption(world.bucket.name(), &change).await
            })
        },
    },
    Scenario {
        name: "delete a bucket with an upload",
        prepare: |world| Box::pin(begin_upload(world, &[(1, 5000)])),
        act: |world| Box::pin(async { world.store.delete_bucket(world.bucket.name()).await }),
    },
    Scenario {
        name: "collect garbage",
        prepare: |world| {
            Box::pin(async {
                put(world, "a", 5000).await.unwrap();
                world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
                world.delete("a").await;
                put(world, "c", 6000).await.unwrap();
                world.delete("c").await;
                world.clock.advance_ms(3_600_000);
            })
        },
        act: |world| Box::pin(async { world.store.collect_garbage().await.map(drop) }),
    },
];

async fn put(world: &World, name: &str, len: usize) -> Result<(), StoreError> {
    world.try_put(name, &pattern(len), common::plain_put(Encryption::SseS3)).await.map(drop)
}

async fn begin_upload(world: &World, parts: &[(u32, usize)]) {
    let upload_id = world.create_upload("a", Encryption::SseS3).await;
    for (number, len) in parts {
        world.part("a", upload_id, *number, &pattern(*len), None).await.unwrap();
    }
}

async fn upload_of(world: &World, name: &str) -> Result<InstanceId, StoreError> {
    let list = ListUploads { max_uploads: 10, ..Default::default() };
    let page = world.store.list_uploads(&world.bucket, &list).await?;
    let found = page.entries.into_iter().find_map(|entry| match entry {
        UploadEntry::Upload(info) if info.key == name => Some(info.upload_id),
        _ => None,
    });
    found.ok_or(StoreError::NoSuchUpload)
}

/// Completes with the first `count` parts.
async fn complete(world: &World, count: usize) -> Result<(), StoreError> {
    let upload_id = upload_of(world, "a").await?;
    let (_, parts) = world.store.list_parts(&world.bucket, &key("a"), upload_id, world.keys(None), 0, count).await?;
    let parts: Vec<_> = parts.iter().map(|part| (part.number, &*part.etag)).collect();
    world.complete("a", upload_id, &parts, None).await.map(drop)
}

/// All that a client can see, but for ids and times.
#[derive(PartialEq, Debug)]
struct Seen {
    bucket: Option<bool>,
    /// Which key opens it, a length, and whether the content is what it must be.
    objects: BTreeMap<&'static str, (Option<u8>, usize, bool)>,
    modes: BTreeMap<&'static str, EncryptionMode>,
    parts: Vec<(u32, u64)>,
}

async fn see(world: &World) -> Seen {
    let bucket = match world.store.bucket(world.bucket.name()).await {
        Ok(bucket) => Some(bucket.sse_c_blocked()),
        Err(StoreError::NoSuchBucket) => None,
        Err(error) => panic!("{error}"),
    };
    let (mut objects, mut modes) = (BTreeMap::new(), BTreeMap::new());
    for name in ["a", "b", "c"] {
        if let Ok(info) = world.store.object_info(&world.bucket, &key(name)).await {
            modes.insert(name, info.mode);
        }
        for lock in [None, Some(1), Some(2)] {
            match world.try_get(name, lock.map(customer_key).as_ref()).await {
                Ok(data) => drop(objects.insert(name, (lock, data.len(), is_whole(&data)))),
                Err(error) => assert!(!matches!(error, StoreError::Damaged(_)), "{name}: {error}"),
            }
        }
    }
    let parts = match upload_of(world, "a").await {
        Ok(upload_id) => {
            let (_, parts) =
                world.store.list_parts(&world.bucket, &key("a"), upload_id, world.keys(None), 0, 10).await.unwrap();
            parts.iter().map(|part| (part.number, part.size)).collect()
        }
        Err(_) => Vec::new(),
    };
    Seen { bucket, objects, modes, parts }
}

/// Objects are a pattern, or large parts of it one after the other.
fn is_whole(data: &[u8]) -> bool {
    data.chunks(PART).all(|part| part == pattern(part.len()))
}

struct Faulty {
    world: World,
    engine: Arc<FailingEngine<MemoryEngine>>,
    blobs: Arc<FailingBlobs<MemoryBlobs>>,
}

impl Faulty {
    async fn new(scenario: &Scenario) -> Self {
        let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
        let blobs = Arc::new(FailingBlobs::new(MemoryBlobs::default()));
        let world = World::over(engine.clone(), blobs.clone()).await;
        (scenario.prepare)(&world).await;
        let faulty = Self { world, engine, blobs };
        faulty.mend();
        faulty
    }

    /// No call fails from now on, and calls count from 1.
    fn mend(&self) {
        self.engine.faults().reset();
        self.blobs.faults().reset();
    }
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug)]
enum Site {
    Engine,
    Blobs,
}

fn engine_fails() -> CommitError {
    EngineError::Io(std::io::Error::other("injected")).into()
}

fn engine_is_full() -> CommitError {
    EngineError::NoSpace.into()
}

fn blobs_fail() -> BlobError {
    BlobError::Io(std::io::Error::other("injected"))
}

/// What can be seen before and after, when nothing fails.
async fn before_and_after(scenario: &Scenario) -> (Seen, Seen) {
    let faulty = Faulty::new(scenario).await;
    let before = see(&faulty.world).await;
    (scenario.act)(&faulty.world).await.unwrap();
    (before, see(&faulty.world).await)
}

/// Strikes the nth call with the `kind`th fault. Returns whether there was an nth call.
async fn strike(scenario: &Scenario, site: Site, kind: usize, nth: u64, (before, after): &(Seen, Seen)) -> bool {
    let faulty = Faulty::new(scenario).await;
    match site {
        Site::Engine => {
            let faults = [
                Fault::Fail(engine_fails as fn() -> CommitError),
                Fault::Fail(engine_is_full),
                Fault::FailAfter(engine_fails),
                Fault::Freeze,
                Fault::FreezeAfter,
            ];
            faulty.engine.faults().inject(When::NthOfAny(nth), faults[kind]);
        }
        Site::Blobs => {
            let faults = [
                Fault::Fail(blobs_fail as fn() -> BlobError),
                Fault::Fail(|| BlobError::NoSpace),
                Fault::FailAfter(blobs_fail),
                Fault::Freeze,
                Fault::FreezeAfter,
            ];
            faulty.blobs.faults().inject(When::NthOfAny(nth), faults[kind]);
        }
    }
    // A call that freezes stands for the end of the process: what was to come after it never does.
    let done = tokio::select! {
        done = (scenario.act)(&faulty.world) => Some(done),
        () = faulty.engine.faults().frozen() => None,
        () = faulty.blobs.faults().frozen() => None,
    };
    let calls = match site {
        Site::Engine => faulty.engine.faults().calls().len(),
        Site::Blobs => faulty.blobs.faults().calls().len(),
    };
    let was_met = calls as u64 >= nth;
    faulty.mend();

    let context = format!("{}: {site:?} call {nth}, fault {kind}", scenario.name);
    let is_acknowledged = matches!(done, Some(Ok(())));
    assert!(was_met || is_acknowledged, "{context}: failed by itself");
    let check = |seen: Seen| assert!(seen == *after || !is_acknowledged && seen == *before, "{context}: {seen:?}");
    // A bucket that is going loses its uploads one by one, which shows until it is decided.
    if before.bucket == after.bucket {
        check(see(&faulty.world).await);
    }
    let restarted = faulty.world.after_crash().await;
    check(see(&restarted).await);
    restarted.assert_no_leak(&context).await;
    check(see(&restarted).await);
    clear(&restarted).await;
    restarted.assert_empty(&context).await;
    was_met
}

/// Deletes all that can be seen.
async fn clear(world: &World) {
    for name in ["a", "b", "c"] {
        world.delete(name).await;
    }
    if let Ok(upload_id) = upload_of(world, "a").await {
        world.abort("a", upload_id).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_may_fail() {
    for scenario in SCENARIOS {
        let seen = before_and_after(scenario).await;
        for site in [Site::Engine, Site::Blobs] {
            for kind in 0..5 {
                let mut nth = 1;
                while strike(scenario, site, kind, nth, &seen).await {
                    nth += 1;
                }
                assert!(nth > 1 || matches!(site, Site::Blobs), "{} asks the engine nothing", scenario.name);
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_keeps_no_blob_of_what_it_refused() {
    let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
    let world = World::over(engine.clone(), Arc::new(MemoryBlobs::default())).await;
    let upload_id = world.create_upload("a", Encryption::SseS3).await;
    engine.faults().inject(When::Every(coffer_testkit::EngineCall::Commit), Fault::Fail(engine_is_full));
    for _ in 0..3 {
        assert!(matches!(put(&world, "a", 5000).await, Err(StoreError::NoSpace)));
        assert!(matches!(world.part("a", upload_id, 1, &pattern(5000), None).await, Err(StoreError::NoSpace)));
    }
    assert_eq!(world.blob_count().await, 0);
}
