//! What somebody can do who has the key of the bucket, and so can rewrite its records, but not the KMS.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_blob::MemoryBlobs;
use coffer_crypto::random_array;
use coffer_crypto::sha256;
use coffer_keyring::{DataKeys, KmsError, LocalKeyring, SealedDataKey};
use coffer_meta::{Commit, MemoryEngine};

use super::*;
use crate::names::BucketName;
use crate::records::ObjectRecord;
use crate::tables::{self, Table};
use crate::{Bootstrap, FullBody, NewBucket, PutObject, Settings, Store, SystemClock};

const ARN: &str = "arn:aws:kms:eu-central-1:000000000000:key/11111111-1111-1111-1111-111111111111";
const LEN: usize = 5000;

/// A KMS that opens whatever it is shown, to another key each: it never helps to find what was changed.
struct LenientKms;

impl LenientKms {
    fn data_key(sealed: &SealedDataKey) -> Key32 {
        let bound = [&sealed.ciphertext[..], &canonical_context(&sealed.context)].concat();
        Key32::from_slice(&sha256(&bound)).unwrap()
    }

    fn draw(place: &str) -> KmsEncryption {
        let context = BTreeMap::from([("aws:s3:arn".to_owned(), place.to_owned())]);
        let sealed = SealedDataKey { key_arn: ARN.to_owned(), ciphertext: random_array::<48>().to_vec(), context };
        let data_key = Self::data_key(&sealed);
        KmsEncryption { data_key, sealed, id: random_array(), bucket_key_enabled: false }
    }
}

#[async_trait]
impl DataKeys for LenientKms {
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        Ok(Self::data_key(sealed))
    }
}

const KEYS: Keys<'static> = Keys { customer: None, data_keys: &LenientKms };

struct Forgery {
    store: Store,
    bucket: Bucket,
}

impl Forgery {
    /// A bucket with the objects "one" and "two" in each mode that a KMS has to do with, and "plain" in neither.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Arc::new(LocalKeyring::create(&dir.path().join("root.key")).unwrap());
        let bootstrap = Bootstrap { store_id: [0; 16], metadata_key: Key32::generate(), generation: 1 };
        let (engine, blobs) = (Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()));
        let store = Store::new(bootstrap, engine, blobs, root, Arc::new(SystemClock), Settings::default());
        let name = BucketName::for_creation("bucket").unwrap();
        store.create_bucket(&name, &NewBucket::default()).await.unwrap();
        let bucket = store.bucket(&name).await.unwrap();
        let forgery = Self { store, bucket };
        for name in ["one", "two"] {
            // All have the same context, as under one bucket key.
            let [first, second] = [(); 2].map(|()| LenientKms::draw("arn:aws:s3:::bucket"));
            forgery.put(&format!("kms {name}"), Encryption::SseKms(&first)).await;
            forgery.put(&format!("dsse {name}"), Encryption::DsseKms(&second)).await;
        }
        forgery.put("plain", Encryption::SseS3).await;
        forgery
    }

    async fn put(&self, name: &str, encryption: Encryption<'_>) {
        let body = Bytes::from(vec![b'x'; LEN]);
        let put = PutObject::new(encryption);
        self.store.put_object(&self.bucket, &key(name), put, &mut FullBody::new(body)).await.unwrap();
    }

    async fn record(&self, name: &str) -> ObjectRecord {
        self.store.object_version(&self.bucket, (&key(name)).into()).await.unwrap().0
    }

    /// Puts a record in the place of that of `name`, sealed as the store seals it.
    async fn write(&self, name: &str, record: &ObjectRecord) {
        let row = tables::object(self.bucket.id(), &key(name));
        let sealed = self.bucket.keys().seal(Table::Object, &row, record);
        let mut commit = Commit::new();
        commit.put(row, sealed);
        self.store.0.engine.commit(commit).await.unwrap();
    }

    async fn read(&self, name: &str) -> Result<usize, StoreError> {
        let reader = self.store.get_object(&self.bucket, &key(name), KEYS).await?;
        let (mut stream, _) = reader.read(0..LEN as u64).await?;
        let mut len = 0;
        while let Some(piece) = stream.next().await? {
            assert!(piece.iter().all(|byte| *byte == b'x'));
            len += piece.len();
        }
        Ok(len)
    }

    async fn check_damaged(&self, name: &str, what: &str, change: impl FnOnce(&mut ObjectRecord)) {
        let before = self.record(name).await;
        let mut record = before.clone();
        change(&mut record);
        self.write(name, &record).await;
        let read = self.read(name).await;
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{what} of {name}: {:?}", read.map_err(|e| e.to_string()));
        let head = self.store.head_object(&self.bucket, &key(name), KEYS, true).await;
        let of_parts_alone = ["outer layer removed", "boxes exchanged"];
        assert!(head.is_err() || of_parts_alone.contains(&what), "checksums after: {what} of {name}");
        self.write(name, &before).await;
        assert_eq!(self.read(name).await.unwrap(), LEN);
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

fn kms(record: &mut ObjectRecord) -> &mut KmsSealRecord {
    record.seal.kms.as_mut().unwrap()
}

#[tokio::test]
async fn data_keys_and_contexts_of_others_open_nothing() {
    let forgery = Forgery::new().await;
    for (name, other) in [("kms one", "kms two"), ("dsse one", "dsse two"), ("kms one", "dsse one")] {
        let other = forgery.record(other).await.seal;
        let of_other = other.kms.clone().unwrap();
        forgery.check_damaged(name, "ciphertext of another", |r| kms(r).ciphertext = of_other.ciphertext.clone()).await;
        forgery.check_damaged(name, "data key of another", |r| r.seal.kms = Some(of_other)).await;
        forgery.check_damaged(name, "all that seals another", |r| r.seal = other).await;
        forgery.check_damaged(name, "no ciphertext", |r| kms(r).ciphertext.clear()).await;
        let add = |r: &mut ObjectRecord| drop(kms(r).context.insert("a".to_owned(), "b".to_owned()));
        forgery.check_damaged(name, "another pair in the context", add).await;
        forgery.check_damaged(name, "no context", |r| kms(r).context.clear()).await;
        let change = |r: &mut ObjectRecord| kms(r).context.values_mut().for_each(|value| value.push('x'));
        forgery.check_damaged(name, "another context", change).await;
    }
}

#[tokio::test]
async fn a_context_is_bound_even_if_the_kms_does_not_look_at_it() {
    let forgery = Forgery::new().await;
    let record = forgery.record("kms one").await;
    let data_key = record.seal.data_key(KEYS).await.unwrap().unwrap();
    let envelopes = record.seal.envelopes().unwrap();
    let instance = InstanceId(record.instance_id);
    let name = key("kms one");
    let opens = |context: &[u8]| unwrap(&data_key, &envelopes[0], &scope(&forgery.bucket, &name, instance, context));
    assert!(opens(&record.seal.context()).is_ok());
    assert!(opens(b"").is_err_and(|error| error == OpenError::WrongKey));
}

#[tokio::test]
async fn layers_and_modes_cannot_be_changed() {
    let forgery = Forgery::new().await;
    forgery
        .check_damaged("dsse one", "outer layer removed", |r| {
            r.seal.envelopes.truncate(1);
            r.layout_tags.truncate(1);
            r.parts[0].boxes.truncate(1);
        })
        .await;
    forgery
        .check_damaged("dsse one", "inner layer removed", |r| {
            r.seal.envelopes.remove(0);
            r.layout_tags.remove(0);
            r.parts[0].boxes.remove(0);
            r.seal.kms = None;
        })
        .await;
    forgery.check_damaged("dsse one", "an envelope removed", |r| drop(r.seal.envelopes.remove(0))).await;
    forgery.check_damaged("dsse one", "layers exchanged", |r| r.seal.envelopes.reverse()).await;
    forgery.check_damaged("dsse one", "boxes exchanged", |r| r.parts[0].boxes.reverse()).await;
    for name in ["kms one", "dsse one"] {
        forgery.check_damaged(name, "no data key", |r| r.seal.kms = None).await;
        for mode in [0_u8, 1, 3, 4, 0x10, 0x12] {
            forgery.check_damaged(name, "another mode", |r| r.seal.envelopes[0].0[1] = mode).await;
            let mode_alone = |r: &mut ObjectRecord| {
                r.seal.envelopes[0].0[1] = mode;
                r.seal.kms = None;
            };
            let read = forgery.record(name).await;
            let mut record = read.clone();
            mode_alone(&mut record);
            forgery.write(name, &record).await;
            let refused = forgery.read(name).await;
            assert!(matches!(refused, Err(StoreError::Damaged(_) | StoreError::CustomerKeyMissing)), "mode {mode}");
            forgery.write(name, &read).await;
        }
    }
    let of_kms = forgery.record("kms one").await.seal.kms;
    forgery.check_damaged("plain", "a data key where there is none", |r| r.seal.kms = of_kms).await;
}

#[tokio::test]
async fn the_envelope_of_an_earlier_version_does_not_open() {
    let forgery = Forgery::new().await;
    for (name, dsse) in [("kms one", false), ("dsse one", true)] {
        let before = forgery.record(name).await.seal;
        let kms = LenientKms::draw("arn:aws:s3:::bucket");
        let encryption = if dsse { Encryption::DsseKms(&kms) } else { Encryption::SseKms(&kms) };
        forgery.put(name, encryption).await;
        forgery.check_damaged(name, "earlier envelopes", |r| r.seal = before).await;
    }
}

#[tokio::test]
async fn what_only_answers_show_changes_no_key() {
    let forgery = Forgery::new().await;
    let mut record = forgery.record("kms one").await;
    kms(&mut record).bucket_key_enabled = true;
    forgery.write("kms one", &record).await;
    assert_eq!(forgery.read("kms one").await.unwrap(), LEN);
}
