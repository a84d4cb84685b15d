//! A seeded random walk through everything a bucket can do, beside a map in memory.
//!
//! What a failed run printed last is its seed and step.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::ObjectLock;
use std::collections::BTreeMap;

use bytes::Bytes;
use coffer_crypto::{Key32, md5};
use coffer_store::{
    CopyObject, DeleteObject, ETagMatch, Encryption, EncryptionMode, FullBody, InstanceId, KmsEncryption, ListEntry,
    ListObjects, MIN_PART_LEN, Origin, PutObject, StoreError, WriteConditions,
};
use common::kms::{KEY_1, KEY_2, Mood};
use common::rng::Rng;
use common::{World, customer_key, key};

const NAMES: [&str; 6] = ["a", "a/b", "a/c", "b", "ключ", "z\u{0}"];

type Fields = Vec<(String, String)>;

/// What an object is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    OfStore,
    Customer(u8),
    Kms(&'static str),
    Dsse(&'static str),
}

/// What the store must know of an object.
#[derive(Clone)]
struct Object {
    data: Vec<u8>,
    lock: Lock,
    etag: String,
    headers: Fields,
    tags: Fields,
    /// Numbers and lengths, if it was uploaded in parts.
    parts: Option<Vec<(u32, usize)>>,
}

struct Upload {
    name: &'static str,
    lock: Lock,
    parts: BTreeMap<u32, (Vec<u8>, String)>,
}

struct Walk {
    rng: Rng,
    world: World,
    locks: BTreeMap<u8, Key32>,
    /// A data key under each KMS key, as they are with S3 Bucket Keys.
    data_keys: BTreeMap<&'static str, KmsEncryption>,
    objects: BTreeMap<&'static str, Object>,
    uploads: BTreeMap<InstanceId, Upload>,
    /// 5 MiB of which every large part is a variant.
    large: Vec<u8>,
}

impl Walk {
    async fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let large = rng.bytes(usize::try_from(MIN_PART_LEN).unwrap());
        let locks = [1, 2].map(|byte| (byte, customer_key(byte))).into();
        let world = World::new().await;
        let data_keys = [KEY_1, KEY_2].map(|key_arn| (key_arn, world.kms.draw(key_arn, "bucket"))).into();
        Self { rng, world, locks, data_keys, objects: BTreeMap::new(), uploads: BTreeMap::new(), large }
    }

    fn name(&mut self) -> &'static str {
        self.rng.pick::<&str>(&NAMES)
    }

    fn lock(&mut self) -> Lock {
        let customer = [Lock::Customer(1), Lock::Customer(2)];
        let kms = [Lock::Kms(KEY_1), Lock::Kms(KEY_2), Lock::Dsse(KEY_1), Lock::Dsse(KEY_2)];
        match self.rng.below(3) {
            0 => Lock::OfStore,
            1 => *self.rng.pick(&customer),
            _ => *self.rng.pick(&kms),
        }
    }

    fn encryption(&self, lock: Lock) -> Encryption<'_> {
        match lock {
            Lock::OfStore => Encryption::SseS3,
            Lock::Customer(byte) => Encryption::SseC(&self.locks[&byte]),
            Lock::Kms(key_arn) => Encryption::SseKms(&self.data_keys[key_arn]),
            Lock::Dsse(key_arn) => Encryption::DsseKms(&self.data_keys[key_arn]),
        }
    }

    fn customer_key(&self, lock: Lock) -> Option<&Key32> {
        match lock {
            Lock::Customer(byte) => Some(&self.locks[&byte]),
            Lock::OfStore | Lock::Kms(_) | Lock::Dsse(_) => None,
        }
    }

    /// Lengths around every edge: empty, inline, segment, unit.
    fn data(&mut self) -> Vec<u8> {
        let edge: usize = *self.rng.pick(&[0, 1, 1000, 65_536, 131_072, 196_608, 262_144]);
        let len = match self.rng.below(4) {
            0 => edge,
            1 => edge + 1,
            2 => edge.saturating_sub(1),
            _ => self.rng.below(150_000),
        };
        self.rng.bytes(len)
    }

    fn fields(&mut self, prefix: &str) -> Fields {
        (0..self.rng.below(3)).map(|i| (format!("{prefix}{i}"), format!("zoë {}", self.rng.next()))).collect()
    }

    /// Conditions, and what must become of a write to `name` under them.
    fn conditions(&mut self, name: &str) -> (WriteConditions, bool) {
        let current = self.objects.get(name);
        let etag = current.map_or_else(|| "none".to_owned(), |object| object.etag.clone());
        let (conditions, holds) = match self.rng.below(8) {
            0 => (WriteConditions { if_none_match: true, if_match: None }, current.is_none()),
            1 => (WriteConditions { if_none_match: false, if_match: Some(ETagMatch::Any) }, current.is_some()),
            2 => {
                let etags = ETagMatch::OneOf(vec!["other".to_owned(), etag]);
                (WriteConditions { if_none_match: false, if_match: Some(etags) }, current.is_some())
            }
            3 => {
                let etags = ETagMatch::OneOf(vec!["other".to_owned()]);
                (WriteConditions { if_none_match: false, if_match: Some(etags) }, false)
            }
            _ => (WriteConditions::default(), true),
        };
        (conditions, holds)
    }

    async fn step(&mut self) {
        match self.rng.below(100) {
            0..22 => self.put().await,
            22..30 => self.delete().await,
            30..44 => self.copy().await,
            44..60 => self.read().await,
            60..64 => self.list().await,
            64..70 => self.create_upload().await,
            70..84 => self.upload_part().await,
            84..90 => self.complete().await,
            90..92 => self.abort().await,
            92..94 => self.update_encryption().await,
            94..95 => self.refuse().await,
            95..97 => self.world.assert_no_leak("in the middle").await,
            97..99 => self.world.clock.advance_ms(60_000),
            _ => self.world = self.world.after_crash().await,
        }
    }

    async fn put(&mut self) {
        let (name, lock, data) = (self.name(), self.lock(), self.data());
        let (headers, tags) = (self.fields("x-amz-meta-"), self.fields("tag "));
        let (conditions, holds) = self.conditions(name);
        let put = PutObject {
            headers: headers.clone(),
            tags: tags.clone(),
            conditions,
            ..PutObject::new(self.encryption(lock))
        };
        let mut body = FullBody::new(Bytes::copy_from_slice(&data));
        let stored = self.world.store.put_object(&self.world.bucket, &key(name), put, &mut body).await;
        match stored {
            Ok(stored) => {
                assert!(holds, "put in spite of its conditions");
                let etag = stored.info.etag;
                assert_eq!((lock == Lock::OfStore), etag == hex::encode(md5(&data)));
                self.objects.insert(name, Object { data, lock, etag, headers, tags, parts: None });
            }
            Err(StoreError::PreconditionFailed(_) | StoreError::PreconditionNoSuchKey) => assert!(!holds),
            Err(error) => panic!("{error}"),
        }
    }

    async fn delete(&mut self) {
        let name = self.name();
        let (conditions, holds) = self.conditions(name);
        let if_match = conditions.if_match;
        let unconditional = if_match.is_none();
        let delete = DeleteObject { if_match, ..DeleteObject::default() };
        let deleted = self.world.store.delete_object(&self.world.bucket, &key(name), &delete).await;
        if unconditional || holds {
            deleted.unwrap();
            self.objects.remove(name);
        } else {
            let refused = deleted.unwrap_err();
            assert!(matches!(refused, StoreError::PreconditionFailed(_) | StoreError::PreconditionNoSuchKey));
        }
    }

    async fn copy(&mut self) {
        let (from, to, lock) = (self.name(), self.name(), self.lock());
        let (conditions, holds) = self.conditions(to);
        let headers = self.rng.one_in(2).then(|| self.fields("x-amz-meta-"));
        let tags = self.rng.one_in(2).then(|| self.fields("tag "));
        let Some(source) = self.objects.get(from).cloned() else { return };
        let source_key = self.customer_key(source.lock);
        let reader =
            self.world.store.get_object(&self.world.bucket, &key(from), self.world.keys(source_key)).await.unwrap();
        let copy = CopyObject {
            encryption: self.encryption(lock),
            headers: headers.clone(),
            tags: tags.clone(),
            access: coffer_store::ObjectAccess::default(),
            storage_class: "STANDARD".into(),
            algorithm: None,
            conditions,
            lock: ObjectLock::default(),
            origin: Origin::default(),
        };
        let (store, bucket) = (&self.world.store, &self.world.bucket);
        let copied = store.copy_object(reader, from == to, bucket, &key(to), copy).await;
        if !holds {
            let refused = copied.err().unwrap();
            assert!(matches!(refused, StoreError::PreconditionFailed(_) | StoreError::PreconditionNoSuchKey));
            return;
        }
        let etag = copied.unwrap().info.etag;
        assert_eq!((lock == Lock::OfStore), etag == hex::encode(md5(&source.data)));
        assert!(lock == Lock::OfStore || etag != source.etag);
        let headers = headers.unwrap_or(source.headers);
        let tags = tags.unwrap_or(source.tags);
        self.objects.insert(to, Object { lock, etag, headers, tags, parts: None, data: source.data });
    }

    /// Reads all of an object or some, with the right key or a wrong one.
    async fn read(&mut self) {
        let (name, given) = (self.name(), self.lock());
        let Some(object) = self.objects.get(name).cloned() else {
            assert!(matches!(self.world.try_get(name, self.customer_key(given)).await, Err(StoreError::NoSuchKey)));
            return;
        };
        let refused = match (given, object.lock) {
            (Lock::Customer(given), Lock::Customer(lock)) => (given != lock).then_some("mismatch"),
            (Lock::Customer(_), _) => Some("not applicable"),
            (_, Lock::Customer(_)) => Some("missing"),
            _ => None,
        };
        if let Some(refused) = refused {
            let said = match self.world.try_get(name, self.customer_key(given)).await.unwrap_err() {
                StoreError::CustomerKeyMissing => "missing",
                StoreError::CustomerKeyNotApplicable => "not applicable",
                StoreError::CustomerKeyMismatch => "mismatch",
                error => panic!("{error}"),
            };
            assert_eq!(said, refused);
        }
        let start = self.rng.below(object.data.len() + 1);
        let end = start + self.rng.below(object.data.len() - start + 1);
        let range = start as u64..end as u64;
        let got = self.world.try_get_range(name, self.customer_key(object.lock), range).await.unwrap();
        assert!(got == object.data[start..end], "{start}..{end} of {}", object.data.len());
        self.check(name).await;
    }

    /// Compares everything that is known of an object.
    async fn check(&self, name: &str) {
        let object = &self.objects[name];
        let customer_key = self.customer_key(object.lock);
        let reader =
            self.world.store.get_object(&self.world.bucket, &key(name), self.world.keys(customer_key)).await.unwrap();
        let info = reader.info().clone();
        assert_eq!(info.size, object.data.len() as u64);
        assert_eq!(info.etag, object.etag);
        let key_arn = info.kms.map(|kms| kms.key_arn);
        let lock = match (info.mode, key_arn.as_deref(), object.lock) {
            (EncryptionMode::SseS3, None, Lock::OfStore) | (EncryptionMode::SseC, None, Lock::Customer(_)) => true,
            (EncryptionMode::SseKms, Some(shown), Lock::Kms(key_arn)) => shown == key_arn,
            (EncryptionMode::DsseKms, Some(shown), Lock::Dsse(key_arn)) => shown == key_arn,
            _ => false,
        };
        assert!(lock, "{:?} and {key_arn:?} for {:?}", info.mode, object.lock);
        assert_eq!(info.headers, object.headers);
        assert_eq!(info.tags, object.tags);
        let parts = object.parts.as_ref().map(|parts| u32::try_from(parts.len()).unwrap());
        assert_eq!(info.part_count, parts);
        if let Some(parts) = &object.parts {
            let shown = reader.part_infos().await.unwrap();
            let shown: Vec<_> = shown.into_iter().map(|part| (part.number, part.range)).collect();
            let mut start = 0;
            for ((number, len), shown) in parts.iter().zip(shown) {
                assert_eq!(shown, (*number, start..start + *len as u64));
                start += *len as u64;
            }
        }
        assert!(self.world.try_get(name, customer_key).await.unwrap() == object.data);
    }

    async fn update_encryption(&mut self) {
        let (name, key_arn) = (self.name(), *self.rng.pick(&[KEY_1, KEY_2]));
        let (store, bucket, target) = (&self.world.store, &self.world.bucket, key(name));
        let (keys, encryption) = (self.world.keys(None), &self.data_keys[key_arn]);
        let updated = store.update_object_encryption(bucket, &target, keys, encryption, &Origin::default()).await;
        match self.objects.get_mut(name) {
            None => assert!(matches!(updated, Err(StoreError::NoSuchKey))),
            Some(Object { lock: Lock::Customer(_) | Lock::Dsse(_), .. }) => {
                assert!(matches!(updated, Err(StoreError::EncryptionNotUpdatable)));
            }
            Some(object) => {
                assert_eq!(updated.unwrap().etag, object.etag);
                object.lock = Lock::Kms(key_arn);
            }
        }
    }

    /// The KMS refuses or is down: what is under it does not open, everything else does, and nothing is lost.
    async fn refuse(&mut self) {
        self.world.kms.set_mood(*self.rng.pick(&[Mood::Refuses, Mood::IsDown]));
        for (name, object) in &self.objects {
            let read = self.world.try_get(name, self.customer_key(object.lock)).await;
            match object.lock {
                Lock::Kms(_) | Lock::Dsse(_) => assert!(matches!(read, Err(StoreError::Kms(_)))),
                Lock::OfStore | Lock::Customer(_) => assert!(read.unwrap() == object.data),
            }
        }
        for (upload_id, upload) in &self.uploads {
            if let Lock::Kms(_) | Lock::Dsse(_) = upload.lock {
                let part = self.world.part(upload.name, *upload_id, 1, b"refused", None).await;
                assert!(matches!(part, Err(StoreError::Kms(_))));
            }
        }
        self.world.kms.set_mood(Mood::Works);
    }

    async fn list(&mut self) {
        let list = ListObjects { max_keys: 1000, ..ListObjects::default() };
        let page = self.world.store.list_objects(&self.world.bucket, &list).await.unwrap();
        let listed: Vec<_> = page
            .entries
            .into_iter()
            .map(|entry| match entry {
                ListEntry::Object(name, info) => (name, info.size, info.etag),
                ListEntry::CommonPrefix(prefix) => panic!("{prefix} is rolled up without a delimiter"),
            })
            .collect();
        let expected: Vec<_> = self
            .objects
            .iter()
            .map(|(name, object)| ((*name).to_owned(), object.data.len() as u64, object.etag.clone()))
            .collect();
        assert_eq!(listed, expected);
    }

    async fn create_upload(&mut self) {
        let (name, lock) = (self.name(), self.lock());
        let upload_id = self.world.create_upload(name, self.encryption(lock)).await;
        self.uploads.insert(upload_id, Upload { name, lock, parts: BTreeMap::new() });
    }

    fn any_upload(&mut self) -> Option<InstanceId> {
        let ids: Vec<_> = self.uploads.keys().copied().collect();
        (!ids.is_empty()).then(|| *self.rng.pick(&ids))
    }

    async fn upload_part(&mut self) {
        let Some(upload_id) = self.any_upload() else { return };
        let number = u32::try_from(1 + self.rng.below(8)).unwrap();
        let data = if self.rng.one_in(4) {
            self.data()
        } else {
            let mut data = self.large.clone();
            data[..8].copy_from_slice(&self.rng.next().to_le_bytes());
            data
        };
        let (name, lock) = (self.uploads[&upload_id].name, self.uploads[&upload_id].lock);
        let etag = self.world.part(name, upload_id, number, &data, self.customer_key(lock)).await.unwrap();
        assert_eq!((lock == Lock::OfStore), etag == hex::encode(md5(&data)));
        self.uploads.get_mut(&upload_id).unwrap().parts.insert(number, (data, etag));
    }

    async fn complete(&mut self) {
        let Some(upload_id) = self.any_upload() else { return };
        let keyless = self.rng.one_in(2);
        let upload = &self.uploads[&upload_id];
        let (name, lock) = (upload.name, upload.lock);
        // Small parts only fit at the end: one of them at most is taken.
        let large = |data: &[u8]| data.len() as u64 >= MIN_PART_LEN;
        let mut taken: Vec<_> = upload.parts.iter().filter(|(_, (data, _))| large(data)).collect();
        let after = taken.last().map_or(0, |(number, _)| **number);
        taken.extend(upload.parts.range(after + 1..).next());
        let named: Vec<_> = taken.iter().map(|(number, (_, etag))| (**number, &**etag)).collect();
        let customer_key = self.customer_key(lock).filter(|_| !keyless);
        let completed = self.world.complete(name, upload_id, &named, customer_key).await;
        if named.is_empty() {
            assert!(matches!(completed, Err(StoreError::InvalidPart { .. })));
            return;
        }
        let etags: Vec<u8> = named.iter().flat_map(|(_, etag)| hex::decode(etag).unwrap()).collect();
        let object = Object {
            data: taken.iter().flat_map(|(_, (data, _))| data.iter().copied()).collect(),
            lock,
            etag: format!("{}-{}", hex::encode(md5(&etags)), named.len()),
            headers: vec![("content-type".into(), "text/plain".into())],
            tags: Vec::new(),
            parts: Some(taken.iter().map(|(number, (data, _))| (**number, data.len())).collect()),
        };
        assert_eq!(completed.unwrap().info.etag, object.etag);
        self.objects.insert(name, object);
        self.uploads.remove(&upload_id);
        self.check(name).await;
    }

    async fn abort(&mut self) {
        let Some(upload_id) = self.any_upload() else { return };
        let upload = self.uploads.remove(&upload_id).unwrap();
        self.world.abort(upload.name, upload_id).await.unwrap();
        assert!(matches!(self.world.abort(upload.name, upload_id).await, Err(StoreError::NoSuchUpload)));
    }

    /// Everything is there, and then everything goes.
    async fn end(mut self) {
        self.list().await;
        for name in self.objects.keys() {
            self.check(name).await;
        }
        self.world.assert_no_leak("at the end").await;
        for (upload_id, upload) in &self.uploads {
            self.world.abort(upload.name, *upload_id).await.unwrap();
        }
        for name in self.objects.keys() {
            self.world.delete(name).await;
        }
        self.world.assert_empty("after everything").await;
        self.world.store.delete_bucket(self.world.bucket.name()).await.unwrap();
        assert_eq!(self.world.rows().await.len(), 0);
    }
}

#[tokio::test]
async fn the_store_does_what_a_map_does() {
    for seed in 0..common::rng::seeds(6) {
        let mut walk = Walk::new(seed).await;
        for step in 0..300 {
            eprintln!("seed {seed}, step {step}");
            walk.step().await;
        }
        walk.end().await;
    }
}
