//! The keys of a bucket, unwrapped once per process.
//!
//! What a handle of a bucket seals with is what the bucket's row named when it was looked up: its commit checks the row.
//! What it opens with is every generation that any handle in this process knows, so that rows that were sealed anew
//! since still open. A generation that was destroyed lives until the last handle that was looked up before has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use coffer_crypto::Key32;
use coffer_keyring::{KeyError, Purpose, RootKeys, WrapContext};
use coffer_seal::{KekRef, Mode, RecordKey, metadata_key, record_generation};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::records::{WrappedKeyRecord, encode};
use crate::tables::Table;

/// Every generation of a bucket's key, as one handle of the bucket has them.
pub(crate) struct BucketKeys {
    /// Those that the bucket's row names: ascending generations, the last one current.
    generations: Vec<Arc<BucketKey>>,
    known: Arc<KnownKeys>,
}

/// The generations of a bucket's key that handles in this process have.
#[derive(Default)]
pub(crate) struct KnownKeys(RwLock<Vec<Weak<BucketKey>>>);

/// What is unwrapped for each bucket that somebody has a handle of, by the id of the bucket.
#[derive(Default)]
pub(crate) struct KeyPools(Mutex<HashMap<[u8; 16], Weak<KnownKeys>>>);

struct BucketKey {
    id: [u8; 16],
    generation: u32,
    key: Arc<Key32>,
    records: RecordKey,
}

impl KeyPools {
    /// What is unwrapped for a bucket: the same for all of its handles.
    pub(crate) fn of(&self, bucket_id: [u8; 16]) -> Arc<KnownKeys> {
        const MOST: usize = 10_000;
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pools.get(&bucket_id).and_then(Weak::upgrade) {
            return known;
        }
        if pools.len() >= MOST {
            pools.retain(|_, known| known.strong_count() > 0);
        }
        let known = Arc::default();
        pools.insert(bucket_id, Arc::downgrade(&known));
        known
    }
}

impl KnownKeys {
    fn find(&self, is_it: impl Fn(&BucketKey) -> bool) -> Option<Arc<BucketKey>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter_map(Weak::upgrade).find(|key| is_it(key))
    }

    fn add(&self, key: &Arc<BucketKey>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.strong_count() > 0);
        if !known.iter().any(|known| known.as_ptr() == Arc::as_ptr(key)) {
            known.push(Arc::downgrade(key));
        }
    }
}

/// Draws the key of a generation of a bucket's key, and wraps it.
///
/// Nobody knows the key but the provider of the root key: it is unwrapped when the row that holds it is looked up.
///
/// # Errors
/// When the provider cannot be asked, or wraps what it cannot unwrap.
pub(crate) async fn new_generation(
    root: &dyn RootKeys,
    bucket_id: [u8; 16],
    id: [u8; 16],
    generation: u32,
) -> Result<WrappedKeyRecord, KeyError> {
    let key = Key32::generate();
    let wrapped = root.wrap(&context(bucket_id, id, generation), &key).await?;
    let record = WrappedKeyRecord { id, generation, wrapped };
    check_wrapped(root, bucket_id, &record, &key).await?;
    Ok(record)
}

/// Wraps a generation of a bucket's key anew, under the generation of the root key that wraps now.
///
/// # Errors
/// When the provider cannot be asked, has another root key, or wraps what it cannot unwrap.
pub(crate) async fn rewrap(
    root: &dyn RootKeys,
    bucket_id: [u8; 16],
    old: &WrappedKeyRecord,
) -> Result<WrappedKeyRecord, KeyError> {
    let context = context(bucket_id, old.id, old.generation);
    let key = root.unwrap(&context, &old.wrapped).await?;
    let record = WrappedKeyRecord { wrapped: root.wrap(&context, &key).await?, ..*old };
    check_wrapped(root, bucket_id, &record, &key).await?;
    Ok(record)
}

/// A key is not given up for a wrapping of it that nobody has unwrapped.
async fn check_wrapped(
    root: &dyn RootKeys,
    bucket_id: [u8; 16],
    record: &WrappedKeyRecord,
    key: &Key32,
) -> Result<(), KeyError> {
    let unwrapped = root.unwrap(&context(bucket_id, record.id, record.generation), &record.wrapped).await?;
    if coffer_crypto::ct_eq(unwrapped.expose(), key.expose()) {
        return Ok(());
    }
    Err(KeyError::Unavailable("it unwraps another key than it has wrapped".to_owned()))
}

impl BucketKeys {
    /// Unwraps the keys of a bucket, as far as they are not `known`.
    pub(crate) async fn unwrap(
        root: &dyn RootKeys,
        known: Arc<KnownKeys>,
        bucket_id: [u8; 16],
        wrapped: &[WrappedKeyRecord],
    ) -> Result<Self, StoreError> {
        let mut generations = Vec::with_capacity(wrapped.len());
        for record in wrapped {
            let found = known.find(|key| key.id == record.id && key.generation == record.generation);
            let key = match found {
                Some(key) => key,
                None => {
                    let key = root.unwrap(&context(bucket_id, record.id, record.generation), &record.wrapped).await?;
                    Arc::new(BucketKey::new(bucket_id, record.id, record.generation, key))
                }
            };
            known.add(&key);
            generations.push(key);
        }
        if generations.is_empty() {
            return Err(StoreError::Damaged("a bucket has no key".to_owned()));
        }
        Ok(Self { generations, known })
    }

    fn current(&self) -> &BucketKey {
        self.generations.last().expect("a bucket has a key")
    }

    /// The generation that seals.
    pub(crate) fn generation(&self) -> u32 {
        self.current().generation
    }

    /// The key that wraps object keys, and what envelopes call it.
    pub(crate) fn current_kek(&self) -> (KekRef, &Key32) {
        let key = self.current();
        (KekRef { mode: Mode::SseS3, id: key.id, generation: key.generation }, &key.key)
    }

    /// The key that an envelope names.
    pub(crate) fn kek(&self, by: KekRef) -> Option<Arc<Key32>> {
        self.find(|key| key.id == by.id && key.generation == by.generation).map(|key| Arc::clone(&key.key))
    }

    fn find(&self, is_it: impl Fn(&BucketKey) -> bool) -> Option<Arc<BucketKey>> {
        let own = self.generations.iter().find(|key| is_it(key)).cloned();
        own.or_else(|| self.known.find(is_it))
    }

    /// Seals a row of the bucket.
    pub(crate) fn seal<T: minicbor::Encode<()>>(&self, table: Table, row: &[u8], record: &T) -> Vec<u8> {
        self.current().records.seal(table.name(), row, &Zeroizing::new(encode(record)))
    }

    /// Opens a row of the bucket.
    pub(crate) fn open<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: Table,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<T, StoreError> {
        open_with(&self.sealed_by(sealed)?.records, table, row, sealed)
    }

    /// Seals a row of the bucket anew, as it is, under the generation that seals.
    pub(crate) fn reseal(&self, table: Table, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let record = Zeroizing::new(self.sealed_by(sealed)?.records.open(table.name(), row, sealed)?);
        Ok(self.current().records.seal(table.name(), row, &record))
    }

    /// Checks that a row of the bucket opens.
    pub(crate) fn check(&self, table: Table, row: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
        Ok(self
            .sealed_by(sealed)?
            .records
            .open(table.name(), row, sealed)
            .map(|record| drop(Zeroizing::new(record)))?)
    }

    /// The generation that a row claims to be sealed under.
    fn sealed_by(&self, sealed: &[u8]) -> Result<Arc<BucketKey>, StoreError> {
        let generation = record_generation(sealed)?;
        self.find(|key| key.generation == generation)
            .ok_or_else(|| StoreError::Damaged(format!("no bucket key of generation {generation}")))
    }
}

impl BucketKey {
    fn new(bucket_id: [u8; 16], id: [u8; 16], generation: u32, key: Key32) -> Self {
        let records = RecordKey::new(metadata_key(&key, &bucket_id), generation);
        Self { id, generation, key: Arc::new(key), records }
    }
}

fn context(bucket_id: [u8; 16], key_id: [u8; 16], generation: u32) -> WrapContext {
    WrapContext { purpose: Purpose::BucketKey { bucket_id }, key_id, generation }
}

/// Opens and decodes a row.
pub(crate) fn open_with<T: for<'b> minicbor::Decode<'b, ()>>(
    key: &RecordKey,
    table: Table,
    row: &[u8],
    sealed: &[u8],
) -> Result<T, StoreError> {
    let table_name = String::from_utf8_lossy(table.name());
    let record = key
        .open(table.name(), row, sealed)
        .map_err(|error| StoreError::Damaged(format!("a row of table {table_name}: {error}")))?;
    crate::records::decode(&Zeroizing::new(record))
}
