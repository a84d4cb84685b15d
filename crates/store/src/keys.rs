//! The keys of a bucket, unwrapped once per process.

use coffer_crypto::Key32;
use coffer_keyring::{Purpose, RootKeys, WrapContext};
use coffer_seal::{KekRef, Mode, RecordKey, metadata_key, record_generation};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::records::{WrappedKeyRecord, encode};
use crate::tables::Table;

/// Every generation of a bucket's key.
pub(crate) struct BucketKeys {
    /// Ascending generations; the last one is current.
    generations: Vec<BucketKey>,
}

struct BucketKey {
    id: [u8; 16],
    generation: u32,
    key: Key32,
    records: RecordKey,
}

impl BucketKeys {
    /// Draws the first key of a new bucket and wraps it.
    pub(crate) async fn create(
        root: &dyn RootKeys,
        bucket_id: [u8; 16],
    ) -> Result<(Self, Vec<WrappedKeyRecord>), StoreError> {
        let (id, generation) = (coffer_crypto::random_array(), 1);
        let key = Key32::generate();
        let wrapped = root.wrap(&context(bucket_id, id, generation), &key).await?;
        let keys = Self { generations: vec![BucketKey::new(bucket_id, id, generation, key)] };
        Ok((keys, vec![WrappedKeyRecord { id, generation, wrapped }]))
    }

    /// Unwraps the keys of a bucket.
    pub(crate) async fn unwrap(
        root: &dyn RootKeys,
        bucket_id: [u8; 16],
        wrapped: &[WrappedKeyRecord],
    ) -> Result<Self, StoreError> {
        let mut generations = Vec::with_capacity(wrapped.len());
        for record in wrapped {
            let key = root.unwrap(&context(bucket_id, record.id, record.generation), &record.wrapped).await?;
            generations.push(BucketKey::new(bucket_id, record.id, record.generation, key));
        }
        if generations.is_empty() {
            return Err(StoreError::Damaged("a bucket has no key".to_owned()));
        }
        Ok(Self { generations })
    }

    fn current(&self) -> &BucketKey {
        self.generations.last().expect("a bucket has a key")
    }

    /// The key that wraps object keys, and what envelopes call it.
    pub(crate) fn current_kek(&self) -> (KekRef, &Key32) {
        let key = self.current();
        (KekRef { mode: Mode::SseS3, id: key.id, generation: key.generation }, &key.key)
    }

    /// The key that an envelope names.
    pub(crate) fn kek(&self, by: KekRef) -> Option<&Key32> {
        self.generations.iter().find(|key| key.id == by.id && key.generation == by.generation).map(|key| &key.key)
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
        let generation = record_generation(sealed)?;
        let key = self
            .generations
            .iter()
            .find(|key| key.generation == generation)
            .ok_or_else(|| StoreError::Damaged(format!("no bucket key of generation {generation}")))?;
        open_with(&key.records, table, row, sealed)
    }
}

impl BucketKey {
    fn new(bucket_id: [u8; 16], id: [u8; 16], generation: u32, key: Key32) -> Self {
        let records = RecordKey::new(metadata_key(&key, &bucket_id), generation);
        Self { id, generation, key, records }
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
