//! A new metadata key: every row comes under it, nothing of the old one is needed, and a crash leaves one or the other.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use coffer_blob::MemoryBlobs;
use coffer_crypto::Key32;
use coffer_keyring::{KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use coffer_meta::{Commit, Direction, Engine, EngineError, Entry, KeyRange, MemoryEngine};
use coffer_seal::record_generation;
use coffer_store::bootstrap::FILE_NAME;
use coffer_store::{
    Bootstrap, BootstrapError, BootstrapFile, BucketName, CopiedRows, NewBucket, NextMetadataKey, RowChanges, RowTable,
    Store, StoreError, WrappedKeys as _,
};
use coffer_testkit::{FailingEngine, Fault, When};

use common::jobs::own_root;
use common::{World, settings};

/// The tables whose records are under the metadata key.
const SYSTEM: &[u8] = b"ABCEGHIJKLRWXY";

type Expected = Vec<(&'static str, Vec<u8>)>;

/// A world with a data directory for its bootstrap file.
struct Rotation {
    dir: tempfile::TempDir,
    world: World,
    expected: Expected,
}

impl Rotation {
    async fn new() -> Self {
        Self::over(Arc::new(MemoryEngine::new())).await
    }

    async fn over(engine: Arc<dyn Engine>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = World::with_root(engine.clone(), Arc::new(MemoryBlobs::default()), settings(), own_root()).await;
        // The rows of the other metadata key go.
        let mut commit = Commit::new();
        for row in rows(&*engine).await {
            commit.delete(row.key);
        }
        engine.commit(commit).await.unwrap();
        Bootstrap::create(dir.path(), &*base.root).await.unwrap();
        let rotation = Self { dir, world: base, expected: Vec::new() };
        let world = rotation.opened(engine, true).await;
        let expected = world.furnish().await;
        let mut changes = RowChanges::new();
        for table in [RowTable::Audit, RowTable::Identity, RowTable::AccessKey, RowTable::Kms, RowTable::KeyBackup] {
            changes.put(&world.store, table, b"row", &"canary value".to_owned());
        }
        assert!(world.store.commit_rows(changes).await.unwrap());
        Self { world, expected, ..rotation }
    }

    fn data(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self) -> Vec<u8> {
        fs::read(self.data().join(FILE_NAME)).unwrap()
    }

    /// The store as the bootstrap file and an engine have it.
    async fn opened(&self, engine: Arc<dyn Engine>, is_new: bool) -> World {
        let bootstrap = Bootstrap::open(self.data(), &*self.world.root).await.unwrap();
        let World { blobs, root, clock, .. } = self.world.clone();
        let store = Store::new(bootstrap, engine.clone(), blobs, root, clock, settings());
        let name = BucketName::for_creation("bucket").unwrap();
        if is_new {
            store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        }
        let bucket = store.bucket(&name).await.unwrap();
        World { store, engine, bucket, ..self.world.clone() }
    }

    async fn draw(&self) -> NextMetadataKey {
        NextMetadataKey::draw(self.data(), &*self.world.root).await.unwrap()
    }

    async fn copy(&self, next: &NextMetadataKey, to: &dyn Engine) -> Result<CopiedRows, StoreError> {
        let snapshot = self.world.engine.snapshot().await?;
        let put = vec![next.row(RowTable::Audit, b"row", &"another value".to_owned())];
        let copied = next.copy_rows(&*snapshot, to, put, &|_| {}).await?;
        next.check_rows(&copied, &*to.snapshot().await?, &|_| {}).await?;
        Ok(copied)
    }
}

async fn rows(engine: &dyn Engine) -> Vec<Entry> {
    let all = KeyRange { start: std::ops::Bound::Unbounded, end: std::ops::Bound::Unbounded };
    engine.scan(all, usize::MAX, Direction::Forward).await.unwrap()
}

#[tokio::test]
async fn every_row_comes_under_the_new_key_and_reads_as_before() {
    let rotation = Rotation::new().await;
    let (next, to) = (rotation.draw().await, Arc::new(MemoryEngine::new()));
    let copied = rotation.copy(&next, &*to).await.unwrap();
    let (before, after) = (rows(&*rotation.world.engine).await, rows(&*to).await);
    assert_eq!((copied.rows, before.len()), (after.len() as u64, after.len()));
    for (old, new) in before.iter().zip(&after) {
        assert!(old.key == new.key);
        if SYSTEM.contains(&old.key[0]) {
            assert_eq!((record_generation(&old.value), record_generation(&new.value)), (Ok(1), Ok(2)));
        } else {
            assert!(old.value == new.value, "a row that is not under the metadata key stays as it is");
        }
    }
    next.announce().unwrap();
    Bootstrap::settle(rotation.data(), 2).unwrap();
    let world = rotation.opened(to, false).await;
    assert_eq!(world.store.metadata_key_generation(), 2);
    world.check_furniture(&rotation.expected).await;
    world.put("new", b"data", coffer_store::Encryption::SseS3).await;
    let row = |table, key: &'static [u8]| world.store.row::<String>(table, key);
    assert_eq!(row(RowTable::Kms, b"row").await.unwrap().0.as_deref(), Some("canary value"));
    assert_eq!(row(RowTable::Audit, b"row").await.unwrap().0.as_deref(), Some("another value"));
}

#[tokio::test]
async fn neither_key_opens_what_is_under_the_other() {
    let rotation = Rotation::new().await;
    let (next, to) = (rotation.draw().await, Arc::new(MemoryEngine::new()));
    let old = Bootstrap::open(rotation.data(), &*rotation.world.root).await.unwrap();
    rotation.copy(&next, &*to).await.unwrap();
    next.announce().unwrap();
    Bootstrap::settle(rotation.data(), 2).unwrap();
    let new = Bootstrap::open(rotation.data(), &*rotation.world.root).await.unwrap();
    assert_ne!(old.metadata_key.expose(), new.metadata_key.expose());
    for (bootstrap, engine) in [(&old, &*to as &dyn Engine), (&new, &*rotation.world.engine)] {
        let opened = bootstrap.row::<String>(engine, RowTable::Kms, b"row").await;
        assert!(matches!(opened, Err(StoreError::Damaged(_))), "generation {}", bootstrap.generation);
    }
}

#[tokio::test]
async fn an_engine_that_fails_anywhere_fails_the_copy_and_nothing_is_changed() {
    let from = Arc::new(FailingEngine::new(MemoryEngine::new()));
    let faults = from.faults().clone();
    let rotation = Rotation::over(from).await;
    let (before, file) = (rows(&*rotation.world.engine).await, rotation.file());
    let next = rotation.draw().await;
    let fail = Fault::Fail(|| EngineError::NoSpace.into());
    faults.reset();
    let clean = FailingEngine::new(MemoryEngine::new());
    rotation.copy(&next, &clean).await.unwrap();
    let (reads, writes) = (faults.calls().len() as u64, clean.faults().calls().len() as u64);
    assert!(reads >= 2 && writes >= 3);
    for call in 1..=reads {
        faults.reset();
        faults.inject(When::NthOfAny(call), fail);
        let failed = rotation.copy(&next, &MemoryEngine::new()).await;
        assert!(matches!(failed, Err(StoreError::NoSpace)), "read {call}");
    }
    faults.reset();
    for call in 1..=writes {
        let to = FailingEngine::new(MemoryEngine::new());
        to.faults().inject(When::NthOfAny(call), fail);
        assert!(matches!(rotation.copy(&next, &to).await, Err(StoreError::NoSpace)), "write {call}");
    }
    assert!(rows(&*rotation.world.engine).await == before);
    assert_eq!(rotation.file(), file);
}

#[tokio::test]
async fn rows_that_nobody_can_open_are_not_carried_over() {
    for (row, value) in [(&b"Wrow"[..], &b"no record"[..]), (b"Zrow", b"of a later version"), (b"", b"no table")] {
        let rotation = Rotation::new().await;
        let mut commit = Commit::new();
        commit.put(row, value);
        rotation.world.engine.commit(commit).await.unwrap();
        let failed = rotation.copy(&rotation.draw().await, &MemoryEngine::new()).await;
        assert!(matches!(failed, Err(StoreError::Damaged(_))), "{row:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_not_what_was_copied_is_found() {
    let rotation = Rotation::new().await;
    let next = rotation.draw().await;
    let sound = MemoryEngine::new();
    let copied = rotation.copy(&next, &sound).await.unwrap();
    let all = rows(&sound).await;
    let other_value = next.row(RowTable::Kms, b"row", &"another value".to_owned());
    let mut harms = vec![(other_value.key, Some(other_value.value)), ("Wnew".into(), Some("value".into()))];
    for letter in [b'W', b'H', b'O', b'D'] {
        let row = all.iter().find(|row| row.key[0] == letter).unwrap();
        harms.push((row.key.clone(), None));
        let mut changed = row.value.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        harms.push((row.key.clone(), Some(changed.into())));
    }
    for (key, value) in harms {
        let harmed = MemoryEngine::new();
        rotation.copy(&next, &harmed).await.unwrap();
        let mut commit = Commit::new();
        match value {
            Some(value) => commit.put(key.clone(), value),
            None => commit.delete(key.clone()),
        };
        harmed.commit(commit).await.unwrap();
        let checked = next.check_rows(&copied, &*harmed.snapshot().await.unwrap(), &|_| {}).await;
        assert!(matches!(checked, Err(StoreError::Damaged(_))), "{key:?}");
    }
}

#[tokio::test]
async fn an_announced_key_is_settled_either_way_and_the_other_is_gone() {
    for generation in [1, 2] {
        let rotation = Rotation::new().await;
        let next = rotation.draw().await;
        let old = Bootstrap::open(rotation.data(), &*rotation.world.root).await.unwrap();
        let keys = [old.metadata_key, Key32::from_slice(next.key().expose()).unwrap()];
        next.announce().unwrap();
        let both = Bootstrap::open_all(rotation.data(), &*rotation.world.root).await.unwrap();
        assert_eq!(both.iter().map(|one| one.generation).collect::<Vec<_>>(), [1, 2]);
        assert!(both.iter().zip(&keys).all(|(one, key)| one.metadata_key.expose() == key.expose()));
        // What a kill in the middle of the next write leaves.
        fs::write(rotation.data().join(".coffer.store.new"), b"half a fi").unwrap();
        Bootstrap::settle(rotation.data(), generation).unwrap();
        let left = Bootstrap::open_all(rotation.data(), &*rotation.world.root).await.unwrap();
        let expected = (1, generation, keys[generation as usize - 1].expose(), old.store_id);
        assert_eq!((left.len(), left[0].generation, left[0].metadata_key.expose(), left[0].store_id), expected);
        assert_eq!(fs::read_dir(rotation.data()).unwrap().count(), 1);
        Bootstrap::settle(rotation.data(), generation).unwrap();
    }
}

#[tokio::test]
async fn while_two_keys_are_there_neither_a_third_nor_another_root_key_comes() {
    let rotation = Rotation::new().await;
    rotation.draw().await.announce().unwrap();
    let file = rotation.file();
    let third = NextMetadataKey::draw(rotation.data(), &*rotation.world.root).await;
    assert!(matches!(third, Err(BootstrapError::Unsettled(_))));
    rotation.world.root.rotate().await.unwrap();
    let wrapped = BootstrapFile::new(rotation.data().to_owned(), rotation.world.root.clone());
    assert!(wrapped.visit(None, true).await.is_err());
    assert_eq!(rotation.file(), file);
}

#[tokio::test]
async fn keys_are_drawn_one_after_the_other() {
    let rotation = Rotation::new().await;
    for generation in 2..5 {
        let next = rotation.draw().await;
        assert_eq!(next.generation(), generation);
        assert!(next.audit_name().ends_with(&format!(":{generation}")));
        next.announce().unwrap();
        Bootstrap::settle(rotation.data(), generation).unwrap();
    }
}

/// A provider of root keys that is away, or that wraps what it cannot unwrap.
struct Unsound {
    root: Arc<dyn RootKeys>,
    is_away: AtomicBool,
}

#[async_trait]
impl RootKeys for Unsound {
    async fn wrap(&self, context: &WrapContext, _: &Key32) -> Result<Vec<u8>, KeyError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable("away".to_owned()));
        }
        self.root.wrap(context, &Key32::generate()).await
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
        self.root.rotate().await
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        self.root.destroy_generation(generation).await
    }
}

#[tokio::test]
async fn no_key_is_drawn_that_the_root_key_does_not_give_back() {
    let rotation = Rotation::new().await;
    let file = rotation.file();
    for is_away in [true, false] {
        let root = Unsound { root: rotation.world.root.clone(), is_away: is_away.into() };
        let refused = NextMetadataKey::draw(rotation.data(), &root).await.err();
        assert!(matches!(refused, Some(BootstrapError::RootKey { source: KeyError::Unavailable(_), .. })));
    }
    let stranger = NextMetadataKey::draw(rotation.data(), &*own_root()).await.err();
    assert!(matches!(stranger, Some(BootstrapError::RootKey { source: KeyError::WrongKey, .. })));
    assert_eq!(rotation.file(), file);
}
