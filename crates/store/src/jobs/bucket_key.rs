//! Rotating the key of a bucket, and destroying its generations.

use coffer_crypto::random_array;
use coffer_meta::Commit;

use super::runner::JobRunner;
use super::spec::{JobId, JobSpec};
use super::stage::{Failure, Stage};
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::keys;
use crate::names::BucketName;
use crate::records::{JobPosition, JobRecord, WrappedKeyRecord};
use crate::store::MOST_TRIES;

impl JobRunner {
    /// The bucket that a job is about, as it is now.
    pub(super) async fn bucket_of(&self, job: &JobRecord) -> Result<Bucket, Failure> {
        let name = job.spec.bucket().and_then(BucketName::for_lookup).ok_or(StoreError::NoSuchBucket)?;
        let bucket = self.store.bucket(&name).await?;
        if Some(*bucket.id()) == job.facts.bucket_id { Ok(bucket) } else { Err(StoreError::NoSuchBucket.into()) }
    }

    /// Whether the bucket of a job is not there any more, or another one of its name.
    pub(super) async fn is_bucket_gone(&self, job: &JobRecord) -> Result<bool, StoreError> {
        let Some(name) = job.spec.bucket().and_then(BucketName::for_lookup) else { return Ok(true) };
        match self.store.bucket_even_if_deleting(&name).await {
            Ok(bucket) => Ok(Some(*bucket.id()) != job.facts.bucket_id),
            Err(StoreError::NoSuchBucket) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether a job that shreds is at a bucket that somebody else has deleted, and its key with it: it goes on then.
    pub(super) async fn has_lost_bucket(&self, stage: Stage, job: &mut JobRecord) -> Result<bool, StoreError> {
        if job.spec.shreds().is_none() || !stage.is_of_bucket() || !self.is_bucket_gone(job).await? {
            return Ok(false);
        }
        let what = "bucket, which was gone already";
        if job.facts.destroyed.iter().all(|it| it.what != what) {
            self.keep_removed(job, what, hex::encode(job.facts.bucket_id.unwrap_or_default()));
        }
        Ok(true)
    }

    /// Makes a new generation of the bucket's key: first notes which one it will be, so that it is done once.
    pub(super) async fn append_generation(
        &self,
        id: JobId,
        job: &mut JobRecord,
    ) -> Result<Option<JobPosition>, Failure> {
        let store = &self.store;
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket_of(job).await?;
            let current = bucket.keys().generation();
            let Some(generation) = job.facts.generation else {
                let next = current.checked_add(1);
                job.facts.generation =
                    Some(next.ok_or_else(|| Failure::Final("there are no more generations".to_owned()))?);
                return Ok(Some(job.position.clone()));
            };
            if current >= generation {
                self.note("coffer:RotateBucketKey", &audited(&bucket, generation), id);
                return Ok(None);
            }
            let fence = store.root_fence().await?;
            let record = keys::new_generation(&*store.0.root, *bucket.id(), random_array(), generation).await;
            let record = record.map_err(StoreError::from)?;
            let append = |keys: &mut Vec<_>| keys.push(record.clone());
            let mut commit = Commit::new();
            fence.check(&mut commit);
            // If it does not hold, the next turn looks at what has changed.
            store.replace_bucket_keys(&bucket, commit, append).await?;
        }
        Err(StoreError::Contention.into())
    }

    /// Removes generations from the row of the bucket: nothing has them then.
    pub(super) async fn destroy_generations(
        &self,
        id: JobId,
        job: &mut JobRecord,
    ) -> Result<Option<JobPosition>, Failure> {
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket_of(job).await?;
            let doomed: Vec<u32> = match &job.spec {
                JobSpec::DestroyBucketKeyGeneration { generation, .. } => vec![*generation],
                JobSpec::Shred { .. } => job.counted_before(),
                _ => Vec::new(),
            };
            if doomed.contains(&bucket.keys().generation()) {
                return Err(Failure::Final("the generation is in use".to_owned()));
            }
            job.refuse_if_needed("bucket key", &doomed)?;
            let remove = |keys: &mut Vec<WrappedKeyRecord>| {
                keys.retain(|key| !doomed.contains(&key.generation));
            };
            if let Committed::Conflict(_) = self.store.replace_bucket_keys(&bucket, Commit::new(), remove).await? {
                continue;
            }
            // What is kept of the bucket is replaced: the keys leave memory with the last request from before.
            self.store.bucket(bucket.name()).await?;
            for generation in doomed {
                self.note("coffer:DestroyBucketKeyGeneration", &audited(&bucket, generation), id);
                self.keep_destroyed(job, "bucket key", hex::encode(bucket.id()), generation);
            }
            return Ok(None);
        }
        Err(StoreError::Contention.into())
    }
}

fn audited(bucket: &Bucket, generation: u32) -> String {
    format!("bucket-key/{}:{generation}", hex::encode(bucket.id()))
}
