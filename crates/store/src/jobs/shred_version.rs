//! Shredding: what may be, and a version of an object.

use coffer_meta::Commit;

use super::api::JobError;
use super::runner::JobRunner;
use super::shared_data::blobs_of;
use super::spec::{Destroyed, JobId, JobSpec, ShredTarget};
use super::stage::Failure;
use crate::bucket::Bucket;
use crate::delete::DeleteObject;
use crate::error::{Committed, StoreError};
use crate::names::{ObjectKey, VersionId};
use crate::records::{JobPosition, JobRecord, ShredFacts};
use crate::sealing::EncryptionMode;
use crate::store::{MOST_TRIES, Store};
use crate::versions::{Content, Found, ObjectVersion};

/// Why nothing is done to what a lock keeps.
const LOCKED: &str = "a retention or a legal hold keeps the version: nothing was destroyed";

impl Store {
    /// Refuses what may not be shredded, and fills in which version is meant.
    pub(super) async fn check_shred(
        &self,
        target: &ShredTarget,
        bucket: Option<&Bucket>,
    ) -> Result<ShredFacts, JobError> {
        if self.restored().await?.is_some() {
            return Err(JobError::NotPossible(
                "the store was restored from a backup, and another backup may still be wanted: accept this one first, \
                 by `coffer backup accept`"
                    .to_owned(),
            ));
        }
        let mut facts = ShredFacts::default();
        if let (ShredTarget::Version { key, version, .. }, Some(bucket)) = (target, bucket) {
            let (key, version) = parse(key, version.as_deref())?;
            let found = self.find_version(bucket, ObjectVersion { key: &key, version }).await?;
            let found =
                found.ok_or(if version.is_some() { StoreError::NoSuchVersion } else { StoreError::NoSuchKey })?;
            if let (Content::Marker(marker), None) = (&found.content, version) {
                return Err(StoreError::DeleteMarker(marker.info(found.noncurrent_since_ms)).into());
            }
            if self.is_locked(&found) {
                return Err(JobError::NotPossible(LOCKED.to_owned()));
            }
            facts.instance = Some(found.content.instance().0);
        }
        Ok(facts)
    }

    /// Whether a retention of any mode, or a legal hold, keeps a version.
    fn is_locked(&self, found: &Found) -> bool {
        let lock = found.object().and_then(|record| record.lock);
        lock.is_some_and(|lock| !lock.permits_removal(self.now_ms(), false))
    }
}

impl JobRunner {
    /// Removes the version that was meant when the job was started, and no other.
    pub(super) async fn remove_version(&self, id: JobId, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let JobSpec::Shred { target: ShredTarget::Version { key, version, .. }, even_if_shared, .. } = &job.spec else {
            return Ok(None);
        };
        let (even_if_shared, (key, version)) = (*even_if_shared, parse(key, version.as_deref())?);
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket_of(job).await?;
            let Some(found) = self.meant_version(&bucket, &key, version, job).await? else {
                // Whoever was faster: it is gone, and copies of it are still there.
                let by_us = job.position.part > 0;
                let what = if by_us { "object version" } else { "object version, which was gone already" };
                self.keep_removed(job, what, job.meant_instance());
                return Ok(None);
            };
            if self.store.is_locked(&found) {
                return Err(Failure::Final(LOCKED.to_owned()));
            }
            let parts = match found.object() {
                Some(record) => self.store.parts_of(&bucket, record).await?,
                None => Vec::new(),
            };
            let sharing = self.store.sharing(&blobs_of(&parts)).await?;
            if sharing.others > 0 && !even_if_shared {
                return Err(Failure::Final(shared_by(sharing.others)));
            }
            let facts = job.facts.shred.get_or_insert_default();
            facts.shared = sharing.others;
            facts.versions = 1;
            if let Some(record) = found.object() {
                facts.under_customers_keys = u64::from(record.seal.mode()? == EncryptionMode::SseC);
            }
            if job.position.part == 0 {
                // What there is to say of it is noted before it is gone.
                return Ok(Some(JobPosition { part: 1, ..job.position.clone() }));
            }
            let mut commit = Commit::new();
            bucket.check(&mut commit);
            sharing.check(&mut commit);
            self.store.remove_found(&mut commit, &bucket, &key, &found, &DeleteObject::default()).await?;
            if let Committed::Yes = self.store.commit(commit).await? {
                let instance = job.meant_instance();
                self.note("coffer:ShredVersion", &format!("version/{}/{instance}", hex::encode(bucket.id())), id);
                self.keep_removed(job, "object version", instance);
                job.counts.looked_at += 1;
                job.counts.changed += 1;
                return Ok(None);
            }
        }
        Err(StoreError::Contention.into())
    }

    /// The version that was meant, unless it is gone.
    async fn meant_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        job: &JobRecord,
    ) -> Result<Option<Found>, StoreError> {
        let found = self.store.find_version(bucket, ObjectVersion { key, version }).await?;
        let is_meant = |found: &Found| found.content.instance().to_string() == job.meant_instance();
        Ok(found.filter(is_meant))
    }

    /// Keeps for the report that something is gone.
    pub(super) fn keep_removed(&self, job: &mut JobRecord, what: &str, id: String) {
        let at_ms = self.store.now_ms();
        job.facts.destroyed.push(Destroyed { what: what.to_owned(), id, generation: None, at_ms });
    }
}

impl JobRecord {
    fn meant_instance(&self) -> String {
        let instance = self.facts.shred.as_ref().and_then(|facts| facts.instance);
        instance.map_or_else(String::new, hex::encode)
    }
}

/// Why nothing is done to what others share.
pub(super) fn shared_by(others: u64) -> String {
    format!(
        "{others} other objects or versions share the sealed data, and would still show it: shred them as well, or do it \
         even if it is shared. Nothing was destroyed"
    )
}

/// Reads what a job names.
fn parse(key: &str, version: Option<&str>) -> Result<(ObjectKey, Option<VersionId>), StoreError> {
    let key = ObjectKey::new(key).map_err(|_| StoreError::NoSuchKey)?;
    let version = version.map(|version| VersionId::parse(version).ok_or(StoreError::NoSuchVersion)).transpose()?;
    Ok((key, version))
}
