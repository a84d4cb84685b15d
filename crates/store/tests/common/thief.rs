//! Somebody who has a copy of the rows from before, and every key that there is now.

use std::collections::{BTreeMap, BTreeSet};

use coffer_crypto::Key32;
use coffer_keyring::{DataKeys as _, Purpose, SealedDataKey, WrapContext};
use coffer_meta::{Direction, Entry, KeyRange};
use coffer_seal::{Envelope, RecordKey, Scope, canonical_context, metadata_key, unwrap};
use minicbor::Decode;
use minicbor::bytes::ByteVec;

use super::World;

/// The copy.
pub struct Thief {
    rows: Vec<Entry>,
}

/// What opens of a copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The instances of the versions and uploads all of whose object keys open, in hexadecimal digits.
    pub instances: BTreeSet<String>,
    /// Envelopes that open.
    pub envelopes: usize,
    /// Rows of buckets that open.
    pub rows: usize,
    /// Generations of keys of buckets that unwrap, of the copy and of the store as it is now.
    pub bucket_keys: usize,
}

#[derive(Decode)]
#[cbor(map)]
struct BucketRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(3)]
    keys: Vec<WrappedKey>,
}

#[derive(Decode)]
#[cbor(map)]
struct WrappedKey {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    generation: u32,
    #[cbor(n(2), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
}

#[derive(Decode)]
#[cbor(map)]
struct ObjectRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    instance: [u8; 16],
    #[n(2)]
    seal: SealRow,
}

#[derive(Decode)]
#[cbor(map)]
struct VersionRow {
    #[n(0)]
    object: Option<ObjectRow>,
}

#[derive(Decode)]
#[cbor(map)]
struct SealRow {
    #[n(0)]
    envelopes: Vec<ByteVec>,
    #[n(3)]
    kms: Option<DataKeyRow>,
}

#[derive(Decode)]
#[cbor(map)]
struct DataKeyRow {
    #[n(0)]
    key_arn: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
    #[n(2)]
    context: BTreeMap<String, String>,
}

/// The tables whose rows are sealed under keys of buckets, and the names that the rows are bound to.
const TABLES: [(u8, &[u8]); 7] = [
    (b'U', b"upload"),
    (b'P', b"part"),
    (b'O', b"object"),
    (b'M', b"delete-marker"),
    (b'N', b"null-version"),
    (b'V', b"version"),
    (b'Q', b"part-list"),
];

impl Thief {
    /// Copies every row.
    pub async fn copy(world: &World) -> Self {
        Self { rows: rows(world).await }
    }

    /// Tries every key that there is now, and every key that these open, on everything in the copy.
    pub async fn open(&self, world: &World, customers: &[&Key32]) -> Opened {
        let mut opened = Opened::default();
        let now = rows(world).await;
        let mut keks: Vec<([u8; 16], u32, Key32)> = Vec::new();
        for row in self.rows.iter().chain(&now).filter(|row| row.key[0] == b'B') {
            let system = RecordKey::new(copy_of(&world.metadata_key), 1);
            let record = system.open(b"bucket", &row.key, &row.value).unwrap();
            let bucket: BucketRow = minicbor::decode(&record).unwrap();
            for key in bucket.keys {
                let purpose = Purpose::BucketKey { bucket_id: bucket.id };
                let context = WrapContext { purpose, key_id: key.id, generation: key.generation };
                if let Ok(unwrapped) = world.root.unwrap(&context, &key.wrapped).await {
                    keks.push((bucket.id, key.generation, unwrapped));
                }
            }
        }
        opened.bucket_keys = keks.len();
        for row in &self.rows {
            let Some((_, table)) = TABLES.iter().find(|(letter, _)| *letter == row.key[0]) else { continue };
            let bucket_id: [u8; 16] = row.key[1..17].try_into().unwrap();
            let records = keks.iter().map(|(_, generation, key)| {
                let records = RecordKey::new(metadata_key(key, &bucket_id), *generation);
                records.open(table, &row.key, &row.value)
            });
            let Some(record) = records.flatten().next() else { continue };
            opened.rows += 1;
            let Some((instance, key, seal)) = sealed(row, &record) else { continue };
            self.open_envelopes(world, customers, &keks, (bucket_id, instance, &key), &seal, &mut opened).await;
        }
        opened
    }

    async fn open_envelopes(
        &self,
        world: &World,
        customers: &[&Key32],
        keks: &[([u8; 16], u32, Key32)],
        (bucket_id, instance, key): ([u8; 16], [u8; 16], &[u8]),
        seal: &SealRow,
        opened: &mut Opened,
    ) {
        let mut data_keys = Vec::new();
        let mut context = Vec::new();
        if let Some(DataKeyRow { key_arn, ciphertext, context: pairs }) = &seal.kms {
            let (key_arn, ciphertext, pairs) = (key_arn.clone(), ciphertext.clone(), pairs.clone());
            context = canonical_context(&pairs);
            data_keys.extend(world.kms.open(&SealedDataKey { key_arn, ciphertext, context: pairs }).await);
        }
        let scope = Scope { bucket_id, instance_id: instance, object_key: key, context: &context };
        let mut of_instance = 0;
        for envelope in &seal.envelopes {
            let envelope = Envelope::from_bytes(envelope).unwrap();
            let all = keks.iter().map(|(.., key)| key).chain(&data_keys).chain(customers.iter().copied());
            of_instance += usize::from(all.into_iter().any(|kek| unwrap(kek, &envelope, &scope).is_ok()));
        }
        opened.envelopes += of_instance;
        if of_instance == seal.envelopes.len() {
            opened.instances.insert(hex(&instance));
        }
    }
}

/// Instance, object key and seal of a row, if it has envelopes.
fn sealed(row: &Entry, record: &[u8]) -> Option<([u8; 16], Vec<u8>, SealRow)> {
    let object: ObjectRow = match row.key[0] {
        b'O' => minicbor::decode(record).unwrap(),
        b'V' => minicbor::decode::<VersionRow>(record).unwrap().object?,
        // An upload names its object's key in its record.
        b'U' => {
            #[derive(Decode)]
            #[cbor(map)]
            struct UploadRow {
                #[cbor(n(0), with = "minicbor::bytes")]
                id: [u8; 16],
                #[n(1)]
                key: String,
                #[n(2)]
                seal: SealRow,
            }
            let UploadRow { id, key, seal } = minicbor::decode(record).unwrap();
            return Some((id, key.into_bytes(), seal));
        }
        _ => return None,
    };
    // The keys of the tests have no zero bytes, so none is escaped; a version has its order and instance behind them.
    let key = if row.key[0] == b'V' { &row.key[17..row.key.len() - 26] } else { &row.key[17..] };
    Some((object.instance, key.to_vec(), object.seal))
}

async fn rows(world: &World) -> Vec<Entry> {
    world.engine.scan(KeyRange::prefix(&[]), usize::MAX, Direction::Forward).await.unwrap()
}

fn copy_of(key: &Key32) -> Key32 {
    Key32::from_slice(key.expose()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
