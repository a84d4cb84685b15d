//! A bucket with everything that data can be sealed in, and what is seen of it from outside.

use coffer_crypto::{Key32, md5};
use coffer_store::{
    CreateUpload, Encryption, InstanceId, JobEnvironment, JobInfo, JobRunner, JobSpec, JobState, ListVersions,
    ObjectVersion, PutObject, Store, VersionEntry,
};

use super::jobs::run_all;
use super::kms::{KEY_1, KEY_2};
use super::{World, customer_key, key, pattern, plain_put, plain_upload};

/// What must not change: key, version, and all that requests show of it.
pub type Seen = Vec<(String, String)>;

impl World {
    /// Versions and uploads in every mode, in every place, of every shape. Returns the upload in progress.
    pub async fn furnish_for_reseal(&self) -> InstanceId {
        self.furnish().await;
        let drawn = [self.kms.draw(KEY_1, "one"), self.kms.draw(KEY_2, "two")];
        let customer = customer_key(1);
        let put = PutObject {
            tags: vec![("tag".into(), "value".into())],
            storage_class: "GLACIER_IR".into(),
            ..plain_put(Encryption::SseKms(&drawn[1]))
        };
        self.try_put("tagged", &pattern(70_000), put).await.unwrap();
        self.put("empty", b"", Encryption::DsseKms(&drawn[0])).await;
        self.put("customer", &pattern(3000), Encryption::SseC(&customer)).await;
        for (name, encryption) in [
            ("parts", Encryption::SseS3),
            ("parts-kms", Encryption::SseKms(&drawn[0])),
            ("parts-dsse", Encryption::DsseKms(&drawn[1])),
        ] {
            let create = CreateUpload {
                algorithm: Some(coffer_store::ChecksumAlgorithm::Crc64Nvme),
                ..plain_upload(encryption)
            };
            let upload = self.store.create_upload(&self.bucket, &key(name), create).await.unwrap().upload_id;
            let mut etags = Vec::new();
            for number in 1..=if name == "parts" { 6 } else { 2 } {
                let len = if number == 6 || name != "parts" && number == 2 { 100 } else { 5 << 20 };
                etags.push((number, self.part(name, upload, number, &pattern(len), None).await.unwrap()));
            }
            let etags: Vec<_> = etags.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
            self.complete(name, upload, &etags, None).await.unwrap();
        }
        let create = CreateUpload {
            algorithm: Some(coffer_store::ChecksumAlgorithm::Sha256),
            ..plain_upload(Encryption::SseKms(&drawn[0]))
        };
        let upload = self.store.create_upload(&self.bucket, &key("open"), create).await.unwrap().upload_id;
        for number in [1, 3, 4] {
            self.part("open", upload, number, &pattern(1000 * number as usize), None).await.unwrap();
        }
        upload
    }

    /// All that is seen from outside, data and parts included.
    pub async fn see(&self) -> Seen {
        let list = ListVersions { max_keys: usize::MAX - 1, ..ListVersions::default() };
        let mut seen = Vec::new();
        for entry in self.store.list_versions(&self.bucket, &list).await.unwrap().entries {
            let VersionEntry::Object(name, info) = entry else { continue };
            let customer = customer_key(1);
            let given = (info.mode == coffer_store::EncryptionMode::SseC).then_some(&customer);
            let name_of = key(&name);
            let target = ObjectVersion { key: &name_of, version: Some(info.version) };
            let (info, sums) =
                self.store.head_object(&self.bucket, target, self.keys(given), true).await.expect("it is there");
            let shape = (info.size, &info.etag, info.last_modified_ms, info.part_count, info.version);
            let said = (&info.storage_class, &info.headers, &info.tags, info.mode, &info.kms, info.noncurrent_since_ms);
            let sums =
                sums.map(|(_, sums)| sums.iter().map(|(name, sum)| (name, hex::encode(sum))).collect::<Vec<_>>());
            let parts = self.parts_and_data(target, given).await;
            let shown = format!("{shape:?} {said:?} {:?} {sums:?} {parts:?}", info.lock);
            seen.push((name, shown));
        }
        seen
    }

    /// The ranges of the parts of a version, how many checksums they have, and a hash of the data.
    async fn parts_and_data(&self, target: ObjectVersion<'_>, customer: Option<&Key32>) -> (Vec<String>, String) {
        let reader = self.store.get_object(&self.bucket, target, self.keys(customer)).await.unwrap();
        let size = reader.info().size;
        let parts = reader.part_infos().await.unwrap();
        let parts =
            parts.iter().map(|part| format!("{} {:?} {}", part.number, part.range, part.checksums.iter().count()));
        let parts = parts.collect();
        let (mut stream, _) = reader.read(0..size).await.unwrap();
        let mut data = Vec::new();
        while let Some(piece) = stream.next().await.unwrap() {
            data.extend_from_slice(&piece);
        }
        (parts, hex::encode(md5(&data)))
    }

    pub fn reseal(&self) -> JobSpec {
        JobSpec::Reseal { bucket: self.bucket.name().as_str().to_owned() }
    }

    pub fn environment(&self) -> JobEnvironment {
        JobEnvironment { data_keys: self.kms.clone(), ..JobEnvironment::default() }
    }

    /// Whoever does the jobs of a store of this world, KMS included.
    pub fn runner_of(&self, store: &Store) -> JobRunner {
        JobRunner::new(store.clone(), self.environment())
    }

    /// Runs a job to its end.
    pub async fn run_job(&self, spec: JobSpec) -> JobInfo {
        let id = self.store.start_job(spec).await.unwrap();
        run_all(&mut self.runner_of(&self.store)).await;
        self.store.job(id).await.unwrap()
    }

    /// Draws new keys for everything; nothing may be left but what is under customers' keys.
    pub async fn resealed(&self) -> JobInfo {
        let job = self.run_job(self.reseal()).await;
        assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
        let new_keys = job.report.new_keys.as_ref().unwrap();
        assert_eq!((new_keys.old, job.counts.failed, job.report.unreadable), (0, 0, 0), "{}", job.report.text());
        job
    }
}
