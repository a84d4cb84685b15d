//! Buckets.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coffer_access::Grant;
use coffer_configuration::{BucketSettings, ObjectLockConfiguration, VersioningStatus};
use coffer_crypto::random_array;
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use crate::access::{ObjectOwnership, PublicAccessBlock};
use crate::error::{Committed, StoreError, unless_damaged};
use crate::keys::{self, BucketKeys};
use crate::logging::BucketLogging;
use crate::names::{BucketName, InstanceId};
use crate::records::{
    BucketEncryptionRecord, BucketRecord, Deletion, LoggingRecord, UploadRecord, WrappedKeyRecord, grant_records,
    grants,
};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};

/// A bucket as it was when it was looked up. Cheap to clone.
#[derive(Clone)]
pub struct Bucket(Arc<State>);

struct State {
    name: BucketName,
    record: BucketRecord,
    /// The sealed row: a commit that checks for it knows that the bucket has not changed.
    row: Bytes,
    keys: Arc<BucketKeys>,
    acl: Option<Vec<Grant>>,
    logging: Option<BucketLogging>,
}

/// The default encryption that PutBucketEncryption set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEncryption {
    /// `AES256`.
    pub algorithm: String,
    /// The KMS key as it was given.
    pub kms_key_id: Option<String>,
    /// `BucketKeyEnabled`.
    pub bucket_key_enabled: bool,
}

/// What PutBucketEncryption changes; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketEncryptionChange {
    /// The default encryption.
    pub default: Option<BucketEncryption>,
    /// Whether uploads under customer keys are refused.
    pub sse_c_blocked: Option<bool>,
}

/// What a bucket is made with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewBucket {
    /// The region it is made in.
    pub region: String,
    /// The account that owns it.
    pub owner: String,
    /// Block Public Access, if it is set.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Object ownership.
    pub ownership: ObjectOwnership,
    /// The grants of the access control list; `None`: everything to the owner and nothing to others.
    pub acl: Option<Vec<Grant>>,
    /// What it is configured to do.
    pub settings: BucketSettings,
}

impl Bucket {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &BucketName {
        &self.0.name
    }

    /// When it was made, in milliseconds since 1970.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.0.record.created_ms
    }

    /// The region it was made in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.record.region
    }

    /// The account that owns it; `None` for a bucket of the first account from before there were others.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.record.owner.as_deref()
    }

    /// The default encryption that was set explicitly.
    #[must_use]
    pub fn encryption(&self) -> Option<BucketEncryption> {
        self.0.record.encryption.as_ref().map(|record| BucketEncryption {
            algorithm: record.algorithm.clone(),
            kms_key_id: record.kms_key_id.clone(),
            bucket_key_enabled: record.bucket_key_enabled,
        })
    }

    /// Whether uploads under customer keys are refused.
    #[must_use]
    pub fn sse_c_blocked(&self) -> bool {
        self.0.record.sse_c_blocked
    }

    /// The bucket policy as it was sent. As long as it is the same and names the same principals, so is the allocation.
    #[must_use]
    pub fn policy(&self) -> Option<&Arc<str>> {
        self.0.record.policy.as_ref().map(|policy| &policy.0)
    }

    /// The unique IDs of the users, roles and sessions that the bucket policy names by ARN, by ARN.
    #[must_use]
    pub fn policy_principals(&self) -> Option<&BTreeMap<String, String>> {
        self.0.record.policy_principals.as_ref()
    }

    /// Block Public Access of the bucket alone, if it is set.
    #[must_use]
    pub fn public_access_block(&self) -> Option<PublicAccessBlock> {
        self.0.record.public_access_block.map(Into::into)
    }

    /// Object ownership; `None` if it was deleted, which means the same as `ObjectWriter`.
    #[must_use]
    pub fn ownership(&self) -> Option<ObjectOwnership> {
        self.0.record.ownership.map_or(Some(ObjectOwnership::BucketOwnerEnforced), Into::into)
    }

    /// Whether access control lists count, of the bucket and of its objects.
    #[must_use]
    pub fn acls_enabled(&self) -> bool {
        self.ownership() != Some(ObjectOwnership::BucketOwnerEnforced)
    }

    /// The grants of the access control list; `None`: everything to the owner and nothing to others.
    #[must_use]
    pub fn acl(&self) -> Option<&[Grant]> {
        self.0.acl.as_deref()
    }

    /// Where the log of requests to the bucket is delivered; `None` for nowhere.
    #[must_use]
    pub fn logging(&self) -> Option<&BucketLogging> {
        self.0.logging.as_ref()
    }

    /// What the bucket is configured to do; `None`: nothing.
    #[must_use]
    pub fn settings(&self) -> Option<&BucketSettings> {
        self.0.record.settings.as_ref()
    }

    /// Versioning; `None` if it was never enabled.
    #[must_use]
    pub fn versioning(&self) -> Option<VersioningStatus> {
        self.settings()?.versioning
    }

    /// Object Lock; `None` if it is not enabled.
    #[must_use]
    pub fn object_lock(&self) -> Option<&ObjectLockConfiguration> {
        self.settings()?.object_lock.as_ref()
    }

    pub(crate) fn id(&self) -> &[u8; 16] {
        &self.0.record.id
    }

    pub(crate) fn keys(&self) -> &BucketKeys {
        &self.0.keys
    }

    /// Makes a writer's commit hold only while the bucket is as it was looked up, and nobody deletes it.
    pub(crate) fn check(&self, commit: &mut Commit) {
        let expected = (self.0.record.deletion == Deletion::No).then(|| self.0.row.clone());
        commit.check(self.row_key(), expected);
    }

    /// The generations of its key, wrapped, the last one current.
    pub(crate) fn wrapped_keys(&self) -> &[WrappedKeyRecord] {
        &self.0.record.keys
    }

    pub(crate) fn is_being_shredded(&self) -> bool {
        self.0.record.deletion == Deletion::Shredding
    }

    pub(crate) fn is_being_deleted(&self) -> bool {
        self.0.record.deletion != Deletion::No
    }

    fn row_key(&self) -> Vec<u8> {
        tables::bucket(self.name().as_str())
    }
}

impl Store {
    /// Makes a bucket.
    ///
    /// # Errors
    /// [`StoreError::BucketAlreadyOwnedByYou`].
    pub async fn create_bucket(&self, name: &BucketName, new: &NewBucket) -> Result<(), StoreError> {
        let mut record = BucketRecord {
            id: random_array(),
            created_ms: self.now_ms(),
            region: new.region.clone(),
            keys: Vec::new(),
            encryption: None,
            sse_c_blocked: self.0.settings.block_sse_c_on_new_buckets,
            deletion: Deletion::No,
            owner: Some(new.owner.clone()),
            policy: None,
            policy_principals: None,
            public_access_block: new.public_access_block.map(Into::into),
            ownership: Some(Some(new.ownership).into()),
            acl: new.acl.as_deref().map(grant_records),
            logging: None,
            settings: Some(new.settings.clone()).filter(|settings| *settings != BucketSettings::default()),
        };
        let row = tables::bucket(name.as_str());
        for _ in 0..MOST_TRIES {
            let fence = self.root_fence().await?;
            record.keys = vec![keys::new_generation(&*self.0.root, record.id, random_array(), 1).await?];
            let mut commit = Commit::new();
            let sealed = self.seal_system(Table::Bucket, &row, &record);
            commit.check(row.clone(), None).put(row.clone(), sealed);
            fence.check(&mut commit);
            match self.commit(commit).await? {
                Committed::Yes => return Ok(()),
                Committed::Conflict(0) => {
                    let taken = self.bucket_even_if_deleting(name).await;
                    if matches!(&taken, Ok(taken) if taken.is_being_shredded()) {
                        return Err(StoreError::Contention);
                    }
                    return Err(StoreError::BucketAlreadyOwnedByYou);
                }
                // The root key was rotated meanwhile.
                Committed::Conflict(_) => {}
            }
        }
        Err(StoreError::Contention)
    }

    /// Looks a bucket up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub async fn bucket(&self, name: &BucketName) -> Result<Bucket, StoreError> {
        for turn in 0..MOST_TRIES {
            let bucket = self.bucket_even_if_deleting(name).await?;
            match bucket.0.record.deletion {
                Deletion::No => return Ok(bucket),
                Deletion::Shredding => return Err(StoreError::NoSuchBucket),
                Deletion::Deciding | Deletion::Decided => {}
            }
            if turn < PATIENT_TURNS {
                tokio::time::sleep(TURN).await;
                continue;
            }
            // Its caller went away, or it failed: somebody has to decide.
            match self.decide_deletion(&bucket).await {
                Ok(()) | Err(StoreError::BucketNotEmpty) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contention)
    }

    /// A bucket as it was when it was last looked up, without looking; `None` if that was long ago.
    #[must_use]
    pub fn known_bucket(&self, name: &str) -> Option<Bucket> {
        self.cached_bucket(name)
    }

    pub(crate) async fn bucket_even_if_deleting(&self, name: &BucketName) -> Result<Bucket, StoreError> {
        match self.0.engine.get(&tables::bucket(name.as_str())).await? {
            Some(row) => self.open_bucket(name, row).await,
            None => {
                self.forget_bucket(name.as_str());
                Err(StoreError::NoSuchBucket)
            }
        }
    }

    pub(crate) async fn open_bucket(&self, name: &BucketName, row: Bytes) -> Result<Bucket, StoreError> {
        let cached = self.cached_bucket(name.as_str());
        if let Some(bucket) = cached.as_ref().filter(|bucket| bucket.0.row == row) {
            return Ok(bucket.clone());
        }
        let mut record: BucketRecord = self.open_system(Table::Bucket, &tables::bucket(name.as_str()), &row)?;
        let is_same_policy =
            |known: &BucketRecord| known.policy == record.policy && known.policy_principals == record.policy_principals;
        if let Some(known) = cached.as_ref().filter(|bucket| is_same_policy(&bucket.0.record)) {
            record.policy.clone_from(&known.0.record.policy);
        }
        let acl = record.acl.as_deref().map(grants).transpose()?;
        let logging = record.logging.as_ref().map(LoggingRecord::logging).transpose()?;
        let keys = match cached.filter(|bucket| bucket.0.record.keys == record.keys && *bucket.id() == record.id) {
            Some(bucket) => bucket.0.keys.clone(),
            None => {
                let known = self.0.key_pools.of(record.id);
                Arc::new(BucketKeys::unwrap(&*self.0.root, known, record.id, &record.keys).await?)
            }
        };
        let bucket = Bucket(Arc::new(State { name: name.clone(), record, row, keys, acl, logging }));
        self.cache_bucket(&bucket);
        Ok(bucket)
    }

    /// Lists up to `limit` buckets whose names start with `prefix` and come after `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn list_buckets(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Bucket>, StoreError> {
        let start = tables::bucket(prefix);
        let range = match after {
            Some(after) if after >= prefix => KeyRange::prefix_after(&start, &tables::bucket(after)),
            _ => KeyRange::prefix(&start),
        };
        let (mut range, mut buckets) = (range, Vec::new());
        while buckets.len() < limit {
            let wanted = limit - buckets.len();
            let rows = self.0.engine.scan(range.clone(), wanted, Direction::Forward).await?;
            let is_last = rows.len() < wanted;
            for entry in rows {
                range.start = Bound::Excluded(entry.key.to_vec());
                let bucket = self.open_bucket(&bucket_name(&entry.key)?, entry.value).await?;
                if !bucket.is_being_shredded() {
                    buckets.push(bucket);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(buckets)
    }

    /// Changes the default encryption of a bucket.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub async fn put_bucket_encryption(
        &self,
        name: &BucketName,
        change: &BucketEncryptionChange,
    ) -> Result<(), StoreError> {
        self.change_bucket(name, |record| {
            if let Some(default) = &change.default {
                record.encryption = Some(BucketEncryptionRecord {
                    algorithm: default.algorithm.clone(),
                    kms_key_id: default.kms_key_id.clone(),
                    bucket_key_enabled: default.bucket_key_enabled,
                });
            }
            record.sse_c_blocked = change.sse_c_blocked.unwrap_or(record.sse_c_blocked);
        })
        .await
    }

    /// Returns a bucket to the implicit default encryption. A block of SSE-C stays.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub async fn delete_bucket_encryption(&self, name: &BucketName) -> Result<(), StoreError> {
        self.change_bucket(name, |record| record.encryption = None).await
    }

    /// Changes what a bucket is configured to do. `change` may be called again when others change the bucket meanwhile;
    /// the bucket it gets is the one that the change applies to.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`]. Whatever error `change` gives, through `E`; then nothing has changed.
    pub async fn configure_bucket<E: From<StoreError>>(
        &self,
        name: &BucketName,
        change: impl Fn(&Bucket, &mut BucketSettings) -> Result<(), E>,
    ) -> Result<(), E> {
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket(name).await?;
            let mut settings = bucket.settings().cloned().unwrap_or_default();
            change(&bucket, &mut settings)?;
            let settings = Some(settings).filter(|settings| *settings != BucketSettings::default());
            let committed = self.replace_bucket(&bucket, |record| record.settings.clone_from(&settings)).await?;
            if let Committed::Yes = committed {
                return Ok(());
            }
        }
        Err(StoreError::Contention.into())
    }

    pub(crate) async fn change_bucket(
        &self,
        name: &BucketName,
        change: impl Fn(&mut BucketRecord),
    ) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket(name).await?;
            if let Committed::Yes = self.replace_bucket(&bucket, &change).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contention)
    }

    /// Changes which generations of its key a bucket has, with what else `commit` holds.
    pub(crate) async fn replace_bucket_keys(
        &self,
        bucket: &Bucket,
        mut commit: Commit,
        change: impl Fn(&mut Vec<WrappedKeyRecord>),
    ) -> Result<Committed, StoreError> {
        let mut record = bucket.0.record.clone();
        change(&mut record.keys);
        let row = bucket.row_key();
        let sealed = self.seal_system(Table::Bucket, &row, &record);
        commit.check(row.clone(), Some(bucket.0.row.clone())).put(row, sealed);
        self.commit(commit).await
    }

    pub(crate) async fn replace_bucket(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut BucketRecord),
    ) -> Result<Committed, StoreError> {
        let mut record = bucket.0.record.clone();
        change(&mut record);
        if record == bucket.0.record {
            return Ok(Committed::Yes);
        }
        let row = bucket.row_key();
        let sealed = self.seal_system(Table::Bucket, &row, &record);
        let mut commit = Commit::new();
        commit.check(row.clone(), Some(bucket.0.row.clone())).put(row, sealed);
        self.commit(commit).await
    }

    /// Deletes an empty bucket, and aborts the uploads in progress in it.
    ///
    /// The bucket is marked first, which makes every commit of a writer that saw it unmarked fail; then it is certain
    /// that nothing is added behind the scan for objects.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::BucketNotEmpty`].
    pub async fn delete_bucket(&self, name: &BucketName) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let bucket = self.bucket(name).await?;
            if !self.is_empty(&bucket).await? {
                return Err(StoreError::BucketNotEmpty);
            }
            match self.replace_bucket(&bucket, |record| record.deletion = Deletion::Deciding).await? {
                Committed::Yes => return self.decide_deletion(&bucket).await,
                Committed::Conflict(_) => {}
            }
        }
        Err(StoreError::Contention)
    }

    /// Decides about a bucket that is marked: it goes, or the mark goes. Several may do this at once.
    async fn decide_deletion(&self, marked: &Bucket) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let bucket = match self.bucket_even_if_deleting(marked.name()).await {
                Err(StoreError::NoSuchBucket) => return Ok(()),
                bucket => bucket?,
            };
            if bucket.id() != marked.id() {
                return Ok(());
            }
            match bucket.0.record.deletion {
                Deletion::No => return Err(StoreError::BucketNotEmpty),
                Deletion::Shredding => return Err(StoreError::NoSuchBucket),
                Deletion::Deciding => {
                    let next = if self.is_empty(&bucket).await? { Deletion::Decided } else { Deletion::No };
                    // Whoever comes first decides; the next turn looks at what was decided.
                    self.replace_bucket(&bucket, |record| record.deletion = next).await?;
                }
                Deletion::Decided => {
                    self.abort_all_uploads(&bucket).await?;
                    self.finish_ended_uploads_of(&bucket).await?;
                    self.remove_bucket_row(&bucket).await?;
                }
            }
        }
        Err(StoreError::Contention)
    }

    /// Decides about the buckets that a crash left marked. Called once, before the store is used.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails. A damaged bucket is logged and left alone.
    pub async fn resume_bucket_deletions(&self) -> Result<(), StoreError> {
        const PAGE: usize = 1000;
        let mut range = KeyRange::prefix(&Table::Bucket.prefix());
        loop {
            let rows = self.0.engine.scan(range.clone(), PAGE, Direction::Forward).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            range.start = Bound::Excluded(last.key.to_vec());
            for entry in rows {
                unless_damaged("the deletion of a bucket", self.resume_bucket_deletion(entry).await)?;
            }
        }
    }

    async fn resume_bucket_deletion(&self, entry: Entry) -> Result<(), StoreError> {
        let bucket = self.open_bucket(&bucket_name(&entry.key)?, entry.value).await?;
        // What shreds it goes on by itself.
        if matches!(bucket.0.record.deletion, Deletion::No | Deletion::Shredding) {
            return Ok(());
        }
        match self.decide_deletion(&bucket).await {
            Err(StoreError::BucketNotEmpty) => Ok(()),
            decided => decided,
        }
    }

    /// Marks a bucket, or takes its mark away, if it is as it was looked up.
    pub(crate) async fn mark_bucket(&self, bucket: &Bucket, deletion: Deletion) -> Result<Committed, StoreError> {
        self.replace_bucket(bucket, |record| record.deletion = deletion).await
    }

    /// Removes the row of a bucket, and with it every generation of its key, if it is as it was looked up.
    pub(crate) async fn remove_bucket_row(&self, bucket: &Bucket) -> Result<Committed, StoreError> {
        let mut commit = Commit::new();
        commit.check(bucket.row_key(), Some(bucket.0.row.clone())).delete(bucket.row_key());
        let committed = self.commit(commit).await?;
        self.forget_bucket(bucket.name().as_str());
        Ok(committed)
    }

    async fn is_empty(&self, bucket: &Bucket) -> Result<bool, StoreError> {
        for table in [Table::Object, Table::DeleteMarker, Table::Version] {
            let rows = KeyRange::prefix(&tables::of_bucket(table, bucket.id()));
            if !self.0.engine.scan(rows, 1, Direction::Forward).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn abort_all_uploads(&self, bucket: &Bucket) -> Result<(), StoreError> {
        let prefix = tables::of_bucket(Table::Upload, bucket.id());
        loop {
            let uploads = self.0.engine.scan(KeyRange::prefix(&prefix), 100, Direction::Forward).await?;
            if uploads.is_empty() {
                return Ok(());
            }
            for entry in uploads {
                let record: UploadRecord = bucket.keys().open(Table::Upload, &entry.key, &entry.value)?;
                match self.end_upload(bucket, entry.key, entry.value, InstanceId(record.upload_id)).await {
                    // Its client was faster.
                    Err(StoreError::NoSuchUpload) => {}
                    ended => ended?,
                }
            }
        }
    }
}

/// DeleteBucket decides within moments whether a bucket stays: so often others look whether it has,
const PATIENT_TURNS: usize = 50;
/// and wait so long in between, before they decide themselves.
const TURN: Duration = Duration::from_millis(10);

/// The name in a bucket row's key.
fn bucket_name(row: &[u8]) -> Result<BucketName, StoreError> {
    let name = std::str::from_utf8(&row[1..]).ok().and_then(BucketName::for_lookup);
    name.ok_or_else(|| StoreError::Damaged("a bucket row has an impossible name".to_owned()))
}
