//! Shredding a key of the KMS.

use async_trait::async_trait;
use coffer_meta::{Direction, KeyRange};

use super::runner::JobRunner;
use super::spec::{JobId, JobSpec, ShredTarget};
use super::stage::{Failure, Stage};
use crate::bucket::Bucket;
use crate::error::{StoreError, unless_damaged};
use crate::names::BucketName;
use crate::records::{JobPosition, JobRecord, ObjectRecord, SealRecord, ShredFacts, UploadRecord};
use crate::tables::{self, Table};
use crate::versions::open_noncurrent;

/// The keys of the KMS that draws the data keys of this store.
#[async_trait]
pub trait KmsKeys: Send + Sync {
    /// The material of a key; `None`: there is no such key, or it was destroyed.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    async fn key_material(&self, key_arn: &str) -> Result<Option<KmsMaterial>, StoreError>;

    /// Destroys a key at once, whatever its state, with all of its material, its aliases and its grants. One that is not
    /// there is no error.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; it may be called again.
    async fn destroy_key(&self, key_arn: &str) -> Result<(), StoreError>;
}

/// What is known of the material of a key of the KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsMaterial {
    /// Its generations.
    pub generations: Vec<u32>,
    /// The custom key store whose provider wraps it; `None`: the root key does.
    pub key_store: Option<String>,
}

/// The tables whose rows name KMS keys.
const TABLES: [Table; 3] = [Table::Upload, Table::Object, Table::Version];
/// Rows that are looked at in one batch.
const BATCH: usize = 256;

impl JobRunner {
    /// Looks at some rows of some bucket: counts what the key protects, and refuses if a lock keeps some of it. The
    /// position has the name of the bucket, then a zero byte and the last row.
    pub(super) async fn find_protected(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let JobSpec::Shred { target: ShredTarget::KmsKey { key_arn }, .. } = &job.spec else { return Ok(None) };
        let key_arn = key_arn.clone();
        let position = job.position.clone();
        if position == Stage::FindProtected.start() {
            job.facts.shred = Some(ShredFacts::default());
        }
        let Some(split) = position.after.iter().position(|byte| *byte == 0) else {
            let next = self.bucket_name_after(&position.after).await?;
            return Ok(next.map(|name| JobPosition { part: 0, after: [&name[..], &[0]].concat(), ..position }));
        };
        let (name, after) = (&position.after[..split], &position.after[split + 1..]);
        let next_bucket = JobPosition { part: 0, after: name.to_vec(), ..position.clone() };
        let name = std::str::from_utf8(name).ok().and_then(BucketName::for_lookup);
        let bucket = match &name {
            Some(name) => unless_gone(self.store.bucket_even_if_deleting(name).await)?,
            None => None,
        };
        let (Some(name), Some(bucket)) = (name, bucket) else { return Ok(Some(next_bucket)) };
        let table = TABLES[(position.part as usize).min(TABLES.len() - 1)];
        let prefix = tables::of_bucket(table, bucket.id());
        let range = if after.is_empty() { KeyRange::prefix(&prefix) } else { KeyRange::prefix_after(&prefix, after) };
        let rows = self.store.0.engine.scan(range, BATCH, Direction::Forward).await.map_err(StoreError::from)?;
        let mut facts = job.facts.shred.take().unwrap_or_default();
        for row in &rows {
            let found = protected_by(&key_arn, self.store.now_ms(), &bucket, table, &row.key, &row.value);
            match unless_damaged("shredding", found)? {
                Some(Protected::No) => {}
                Some(Protected::Upload) => facts.uploads += 1,
                Some(Protected::Version { is_locked: false }) => facts.versions += 1,
                Some(Protected::Version { is_locked: true }) => {
                    return Err(Failure::Final(
                        "the key protects a version that a retention or a legal hold keeps: nothing was destroyed"
                            .to_owned(),
                    ));
                }
                None => facts.unreadable += 1,
            }
        }
        job.facts.shred = Some(facts);
        job.counts.looked_at += rows.len() as u64;
        let name = name.as_str().as_bytes();
        Ok(Some(match rows.last().filter(|_| rows.len() == BATCH) {
            Some(last) => JobPosition { after: [name, &[0], &last.key[..]].concat(), ..position },
            None if position.part as usize + 1 < TABLES.len() => {
                JobPosition { part: position.part + 1, after: [name, &[0]].concat(), ..position }
            }
            None => next_bucket,
        }))
    }

    /// The name of the first bucket after a name.
    async fn bucket_name_after(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let prefix = Table::Bucket.prefix();
        let range = KeyRange::prefix_after(&prefix, &[&prefix[..], name].concat());
        let rows = self.store.0.engine.scan(range, 1, Direction::Forward).await?;
        Ok(rows.first().map(|row| row.key[prefix.len()..].to_vec()))
    }

    /// Destroys the key, with all of its material.
    pub(super) async fn destroy_kms_key(&self, id: JobId, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let JobSpec::Shred { target: ShredTarget::KmsKey { key_arn }, .. } = &job.spec else { return Ok(None) };
        let key_arn = key_arn.clone();
        let keys = self.environment.kms_keys.as_ref();
        let keys = keys.ok_or_else(|| Failure::Final("there is no KMS here: nothing was destroyed".to_owned()))?;
        if job.position.part == 0 {
            let material = keys.key_material(&key_arn).await?;
            let material =
                material.ok_or_else(|| Failure::Final("there is no such key: nothing was destroyed".to_owned()))?;
            job.facts.references = material.generations.into_iter().map(|generation| (generation, 0)).collect();
            job.facts.shred.get_or_insert_default().key_store = material.key_store;
            return Ok(Some(JobPosition { part: 1, ..job.position.clone() }));
        }
        keys.destroy_key(&key_arn).await?;
        for generation in job.facts.references.clone().into_keys() {
            self.keep_destroyed(job, "KMS key", key_arn.clone(), generation);
        }
        job.counts.changed += 1;
        self.note("coffer:ShredKmsKey", &key_arn, id);
        self.keep_removed(job, "KMS key", key_arn);
        Ok(None)
    }
}

enum Protected {
    No,
    Upload,
    Version { is_locked: bool },
}

/// What a row of a bucket is, if the KMS key protects it.
fn protected_by(
    key_arn: &str,
    now_ms: u64,
    bucket: &Bucket,
    table: Table,
    row: &[u8],
    sealed: &bytes::Bytes,
) -> Result<Protected, StoreError> {
    let is_by = |seal: &SealRecord| seal.kms.as_ref().is_some_and(|kms| kms.key_arn == key_arn);
    let of_version = |record: &ObjectRecord| {
        let is_locked = record.lock.is_some_and(|lock| !lock.permits_removal(now_ms, false));
        if is_by(&record.seal) { Protected::Version { is_locked } } else { Protected::No }
    };
    Ok(match table {
        Table::Upload => {
            let record: UploadRecord = bucket.keys().open(table, row, sealed)?;
            if is_by(&record.seal) { Protected::Upload } else { Protected::No }
        }
        Table::Version => {
            let found = open_noncurrent(bucket, row.to_vec(), sealed.clone())?;
            found.object().map_or(Protected::No, of_version)
        }
        _ => of_version(&bucket.keys().open(table, row, sealed)?),
    })
}

fn unless_gone(bucket: Result<Bucket, StoreError>) -> Result<Option<Bucket>, StoreError> {
    match bucket {
        Err(StoreError::NoSuchBucket) => Ok(None),
        bucket => unless_damaged("shredding", bucket),
    }
}
