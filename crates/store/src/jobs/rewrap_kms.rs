//! Data keys of the KMS come under the material that their KMS keys have now.
//!
//! The KMS encrypts the same data key anew; what is wrapped under it stays as it is, and so do object keys and data.

use std::collections::{BTreeMap, HashMap};

use coffer_keyring::{KmsError, SealedDataKey};
use coffer_meta::{Commit, Direction, Entry, KeyRange, Snapshot};
use tokio::task::JoinSet;

use super::reseal::{MOST_ROUNDS, Subject, WITH_KEYS};
use super::runner::JobRunner;
use super::spec::{JobSpec, KmsKeyReferences, LeftObject};
use super::stage::{Failure, Stage};
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::names::{BucketName, InstanceId};
use crate::records::{JobPosition, JobRecord, KmsKeyCount, KmsSealRecord, SealRecord, UploadRecord};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::versions::{Content, open_noncurrent};

/// Rows that are looked at in one batch.
const BATCH: usize = 256;
/// Rows that are read at once for a count.
const PAGE: usize = 1000;
/// Of how many things a report says why they were left.
const MOST_LEFT: usize = 100;

/// A row with a data key.
enum Holder {
    Upload(Box<UploadRecord>),
    Version(Content, Option<u64>),
}

impl Holder {
    fn open(bucket: &Bucket, table: Table, row: &Entry) -> Result<Self, StoreError> {
        let keys = bucket.keys();
        Ok(match table {
            Table::Upload => Self::Upload(Box::new(keys.open(table, &row.key, &row.value)?)),
            Table::Object => Self::Version(Content::Object(Box::new(keys.open(table, &row.key, &row.value)?)), None),
            _ => {
                let found = open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?;
                Self::Version(found.content, found.noncurrent_since_ms)
            }
        })
    }

    fn seal(&self) -> Option<&SealRecord> {
        match self {
            Self::Upload(record) => Some(&record.seal),
            Self::Version(Content::Object(record), _) => Some(&record.seal),
            Self::Version(Content::Marker(_), _) => None,
        }
    }

    fn data_key(&self) -> Option<&KmsSealRecord> {
        self.seal()?.kms.as_ref()
    }

    fn data_key_mut(&mut self) -> Option<&mut KmsSealRecord> {
        match self {
            Self::Upload(record) => record.seal.kms.as_mut(),
            Self::Version(Content::Object(record), _) => record.seal.kms.as_mut(),
            Self::Version(Content::Marker(_), _) => None,
        }
    }

    /// Seals it for its row, with its envelopes under the newest generation of the bucket's key.
    fn into_row(self, bucket: &Bucket, row: &[u8]) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Upload(mut record) => {
                let upload_id = InstanceId(record.upload_id);
                record.seal.renew(bucket, record.key.as_bytes(), upload_id)?;
                Ok(bucket.keys().seal(Table::Upload, row, &*record))
            }
            Self::Version(mut content, since_ms) => {
                let key = tables::object_key_of(row);
                let key = key.ok_or_else(|| StoreError::Damaged("a version has an impossible key".to_owned()))?;
                content.renew(bucket, &key)?;
                Ok(match since_ms {
                    Some(since_ms) => bucket.keys().seal(Table::Version, row, &content.noncurrent(since_ms)),
                    None => content.seal_current(bucket, row),
                })
            }
        }
    }
}

/// What the KMS said in a batch.
struct Asked<'a> {
    runner: &'a JobRunner,
    /// The generation of the material that each KMS key has now.
    current: HashMap<String, u32>,
    /// Data keys that were encrypted anew, by what they were: objects may share one.
    renewed: HashMap<Vec<u8>, SealedDataKey>,
}

impl Asked<'_> {
    /// A data key as it is under the newest material; `None`: it is already.
    async fn renewed(&mut self, old: &SealedDataKey) -> Result<Option<SealedDataKey>, KmsError> {
        let kms = &self.runner.environment.data_keys;
        let current = match self.current.get(&old.key_arn) {
            Some(current) => *current,
            None => *self.current.entry(old.key_arn.clone()).or_insert(kms.current_generation(old).await?),
        };
        if kms.generation_of(old).is_some_and(|generation| generation >= current) {
            return Ok(None);
        }
        if let Some(renewed) = self.renewed.get(&old.ciphertext) {
            return Ok(Some(renewed.clone()));
        }
        let renewed = kms.re_encrypt(old).await?;
        self.renewed.insert(old.ciphertext.clone(), renewed.clone());
        Ok(Some(renewed))
    }
}

impl JobRunner {
    /// Has the KMS encrypt some data keys anew.
    pub(super) async fn rewrap_data_keys(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let Some(bucket) = self.walked_bucket(job).await? else { return Ok(None) };
        let (table, rows, next) = self.batch(&bucket, &job.position, &WITH_KEYS, BATCH).await?;
        let mut asked = Asked { runner: self, current: HashMap::new(), renewed: HashMap::new() };
        let mut tasks = JoinSet::new();
        job.counts.looked_at += rows.len() as u64;
        for row in rows {
            let Some(holder) = unless_damaged("encrypting data keys anew", Holder::open(&bucket, table, &row))? else {
                job.counts.failed += 1;
                continue;
            };
            let Some(old) = holder.data_key().filter(|key| job.spec.is_about(&key.key_arn)) else {
                job.counts.left_alone += 1;
                continue;
            };
            let old = old.data_key();
            match asked.renewed(&old).await {
                Ok(None) => job.counts.left_alone += 1,
                Ok(Some(new)) => {
                    tasks.spawn(put_data_key(self.store.clone(), bucket.clone(), table, row, old.ciphertext, new));
                }
                Err(error) => {
                    let subject = Subject::of(&bucket, table, &row)?;
                    job.note_refused(|| subject.map_or_else(String::new, |subject| subject.words()), &error);
                }
            }
            if tasks.len() >= AT_ONCE {
                take_all(&mut tasks, job).await?;
            }
        }
        take_all(&mut tasks, job).await?;
        if next.is_some() || job.spec.bucket().is_some() {
            return Ok(next);
        }
        let after = bucket.name().as_str();
        Ok(self.next_bucket_name(Some(after)).await?.map(|bucket| JobPosition { bucket, ..job.start_of_stage() }))
    }

    /// The bucket that a walk through one or all of them is at; `None` after the last. What is gone is passed over.
    async fn walked_bucket(&self, job: &mut JobRecord) -> Result<Option<Bucket>, Failure> {
        if job.spec.bucket().is_some() {
            return Ok(Some(self.bucket_of(job).await?));
        }
        if job.position.bucket.is_empty() {
            let Some(first) = self.next_bucket_name(None).await? else { return Ok(None) };
            job.position.bucket = first;
        }
        loop {
            match self.bucket_if_there(&job.position.bucket).await {
                Ok(Some(bucket)) => return Ok(Some(bucket)),
                Ok(None) => {}
                Err(error) => {
                    unless_damaged::<()>("encrypting data keys anew", Err(error))?;
                    job.counts.failed += 1;
                }
            }
            let next = self.next_bucket_name(Some(&job.position.bucket)).await?;
            let Some(bucket) = next else { return Ok(None) };
            job.position = JobPosition { bucket, ..job.start_of_stage() };
        }
    }

    async fn bucket_if_there(&self, name: &str) -> Result<Option<Bucket>, StoreError> {
        let Some(name) = BucketName::for_lookup(name) else { return Ok(None) };
        match self.store.bucket(&name).await {
            Err(StoreError::NoSuchBucket) => Ok(None),
            bucket => bucket.map(Some),
        }
    }

    async fn next_bucket_name(&self, after: Option<&str>) -> Result<Option<String>, StoreError> {
        let prefix = Table::Bucket.prefix();
        let range = match after {
            Some(after) => KeyRange::prefix_after(&prefix, &tables::bucket(after)),
            None => KeyRange::prefix(&prefix),
        };
        let rows = self.store.0.engine.scan(range, 1, Direction::Forward).await?;
        Ok(rows.first().map(|row| String::from_utf8_lossy(&row.key[prefix.len()..]).into_owned()))
    }

    /// Counts which material each data key is encrypted with, as of one moment; goes through everything again if that may
    /// help.
    pub(super) async fn count_data_keys(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let mut names = Vec::new();
        match job.spec.bucket() {
            Some(name) => names.push(name.to_owned()),
            None => {
                while let Some(name) = self.next_bucket_name(names.last().map(String::as_str)).await? {
                    names.push(name);
                }
            }
        }
        let snapshot = self.store.0.engine.snapshot().await.map_err(StoreError::from)?;
        let (mut keys, mut unreadable) = (BTreeMap::new(), 0);
        for name in names {
            match self.bucket_if_there(&name).await {
                Ok(None) => {}
                Ok(Some(bucket)) => {
                    let counted = self.count_data_keys_of(&*snapshot, &bucket, &job.spec, &mut keys).await?;
                    unreadable += counted;
                }
                Err(error) => {
                    unless_damaged::<()>("counting data keys", Err(error))?;
                    unreadable += 1;
                }
            }
        }
        let older: u64 = keys.values().map(KmsKeyCount::older).sum();
        let facts = job.facts.rewrap.get_or_insert_default();
        facts.keys = keys;
        job.facts.unreadable = unreadable;
        if older == 0 || facts.changed_in_round == 0 || facts.rounds >= MOST_ROUNDS {
            return Ok(None);
        }
        facts.rounds += 1;
        facts.changed_in_round = 0;
        job.facts.left.clear();
        job.facts.left_objects.clear();
        Ok(Some(Stage::RewrapDataKeys.start()))
    }

    /// Counts those of a bucket. Returns how many rows could not be opened.
    async fn count_data_keys_of(
        &self,
        snapshot: &dyn Snapshot,
        bucket: &Bucket,
        spec: &JobSpec,
        keys: &mut BTreeMap<String, KmsKeyCount>,
    ) -> Result<u64, StoreError> {
        let mut unreadable = 0;
        for table in WITH_KEYS {
            let prefix = tables::of_bucket(table, bucket.id());
            let mut range = KeyRange::prefix(&prefix);
            loop {
                let rows = snapshot.scan(range, PAGE, Direction::Forward).await?;
                for row in &rows {
                    let Some(holder) = unless_damaged("counting data keys", Holder::open(bucket, table, row))? else {
                        unreadable += 1;
                        continue;
                    };
                    if let Some(held) = holder.data_key().filter(|key| spec.is_about(&key.key_arn)) {
                        self.count_data_key(&held.data_key(), keys).await;
                    }
                }
                match rows.last().filter(|_| rows.len() == PAGE) {
                    Some(last) => range = KeyRange::prefix_after(&prefix, &last.key),
                    None => break,
                }
            }
        }
        Ok(unreadable)
    }

    async fn count_data_key(&self, sealed: &SealedDataKey, keys: &mut BTreeMap<String, KmsKeyCount>) {
        let kms = &self.environment.data_keys;
        if !keys.contains_key(&sealed.key_arn) {
            let mut count = KmsKeyCount::default();
            match kms.current_generation(sealed).await {
                Ok(current) => count.current = Some(current),
                Err(error) => count.trouble = Some(error.to_string()),
            }
            keys.insert(sealed.key_arn.clone(), count);
        }
        let count = keys.entry(sealed.key_arn.clone()).or_default();
        match kms.generation_of(sealed) {
            Some(generation) => *count.by_generation.entry(generation).or_default() += 1,
            None => count.unknown += 1,
        }
    }
}

/// Changes that are made at once, so that their commits share syncs.
const AT_ONCE: usize = 32;

async fn take_all(tasks: &mut JoinSet<Result<bool, StoreError>>, job: &mut JobRecord) -> Result<(), StoreError> {
    while let Some(task) = tasks.join_next().await {
        let result = task.map_err(|_| StoreError::Unavailable("the store is stopping".to_owned()))?;
        match unless_damaged("encrypting data keys anew", result)? {
            Some(true) => {
                job.counts.changed += 1;
                job.facts.rewrap.get_or_insert_default().changed_in_round += 1;
            }
            Some(false) => job.counts.left_alone += 1,
            None => job.counts.failed += 1,
        }
    }
    Ok(())
}

/// Puts a data key in the place of what it was, unless another one has come there. Returns whether it did.
async fn put_data_key(
    store: Store,
    mut bucket: Bucket,
    table: Table,
    mut row: Entry,
    old: Vec<u8>,
    new: SealedDataKey,
) -> Result<bool, StoreError> {
    for _ in 0..MOST_TRIES {
        let mut holder = Holder::open(&bucket, table, &row)?;
        let Some(data_key) = holder.data_key_mut().filter(|data_key| data_key.ciphertext == old) else {
            return Ok(false);
        };
        data_key.ciphertext.clone_from(&new.ciphertext);
        let sealed = holder.into_row(&bucket, &row.key)?;
        let mut commit = Commit::new();
        bucket.check(&mut commit);
        commit.check(row.key.clone(), Some(row.value.clone())).put(row.key.clone(), sealed);
        if let Committed::Yes = store.commit(commit).await? {
            return Ok(true);
        }
        bucket = match store.same_bucket(&bucket).await {
            Err(StoreError::NoSuchBucket) => return Ok(false),
            bucket => bucket?,
        };
        let Some(value) = store.0.engine.get(&row.key).await? else { return Ok(false) };
        row.value = value;
    }
    Err(StoreError::Contention)
}

impl JobRecord {
    fn start_of_stage(&self) -> JobPosition {
        JobPosition { stage: self.position.stage, ..JobPosition::default() }
    }

    /// Notes that the KMS refused what something needs.
    pub(super) fn note_refused(&mut self, what: impl FnOnce() -> String, error: &KmsError) {
        self.counts.left_alone += 1;
        *self.facts.left.entry(format!("that the KMS refuses ({})", error.code)).or_default() += 1;
        if self.facts.left_objects.len() < MOST_LEFT {
            self.facts.left_objects.push(LeftObject { what: what(), why: error.to_string() });
        }
    }
}

impl KmsKeyCount {
    pub(super) fn references(self, key_arn: String) -> KmsKeyReferences {
        let Self { current, by_generation, unknown, trouble } = self;
        KmsKeyReferences { key_arn, current, references: by_generation.into_iter().collect(), unknown, trouble }
    }

    /// How many data keys are not encrypted with the newest material.
    fn older(&self) -> u64 {
        let current = self.current.unwrap_or(0);
        self.by_generation.range(..current).map(|(_, count)| count).sum()
    }
}
