//! Who may do what, as far as a bucket or an object says so itself: policy, Block Public Access, object ownership,
//! access control lists. The store keeps it; what it means is decided above.

use std::collections::BTreeMap;

use coffer_access::Grant;
use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::events::{ObjectChange, Origin};
use crate::names::InstanceId;
use crate::object::ObjectInfo;
use crate::records::{AccountRecord, ObjectAccessRecord, PolicyText, grant_records};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};
use crate::versions::ObjectVersion;

/// The settings of Block Public Access, of a bucket or an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// `BlockPublicAcls`: access control lists that grant to everybody are refused.
    pub block_public_acls: bool,
    /// `IgnorePublicAcls`: grants to everybody do not count.
    pub ignore_public_acls: bool,
    /// `BlockPublicPolicy`: policies that grant to everybody are refused.
    pub block_public_policy: bool,
    /// `RestrictPublicBuckets`: a policy that grants to everybody counts within the account only.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Nothing is public.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    /// What holds where both are set: whatever one of them blocks.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}

/// The object ownership setting of a bucket, under S3's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// Access control lists are disabled, and every object is the bucket owner's.
    #[default]
    BucketOwnerEnforced,
    /// An object belongs to the bucket's owner if it is written with `bucket-owner-full-control`, else to its writer.
    BucketOwnerPreferred,
    /// An object belongs to its writer.
    ObjectWriter,
}

impl ObjectOwnership {
    /// S3's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The setting with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];
        all.into_iter().find(|ownership| ownership.name() == name)
    }
}

/// Whose an object is, and its access control list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectAccess {
    /// The account that owns it; `None`: the bucket's owner.
    pub owner: Option<String>,
    /// The grants of its access control list; `None`: everything to its owner and nothing to others.
    pub grants: Option<Vec<Grant>>,
}

/// The policy of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPolicy {
    /// The document, as it was sent.
    pub document: String,
    /// The unique IDs of the users, roles and sessions that the document names by ARN, by ARN: another one of the same
    /// name is somebody else.
    pub principals: BTreeMap<String, String>,
}

/// A change of who may do what with a bucket. `None` deletes the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketAccessChange {
    /// The policy.
    Policy(Option<BucketPolicy>),
    /// Block Public Access.
    PublicAccessBlock(Option<PublicAccessBlock>),
    /// Object ownership.
    Ownership(Option<ObjectOwnership>),
    /// The grants of the access control list.
    Acl(Option<Vec<Grant>>),
}

/// What became of a change that was decided on a bucket as it was looked up.
pub enum BucketChanged {
    /// It is on stable storage.
    Yes,
    /// The bucket has changed since. This is what it is now: decide again.
    Meanwhile(Bucket),
}

impl Store {
    /// Changes who may do what with a bucket, if the bucket is still what it was when it was looked up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], also for another bucket of the same name.
    pub async fn change_bucket_access(
        &self,
        bucket: &Bucket,
        change: &BucketAccessChange,
    ) -> Result<BucketChanged, StoreError> {
        let committed = self.replace_bucket(bucket, |record| match change {
            BucketAccessChange::Policy(policy) => {
                record.policy = policy.as_ref().map(|policy| PolicyText(policy.document.as_str().into()));
                record.policy_principals = policy.as_ref().map(|policy| policy.principals.clone());
            }
            BucketAccessChange::PublicAccessBlock(block) => record.public_access_block = block.map(Into::into),
            BucketAccessChange::Ownership(ownership) => record.ownership = Some((*ownership).into()),
            BucketAccessChange::Acl(grants) => record.acl = grants.as_deref().map(grant_records),
        });
        match committed.await? {
            Committed::Yes => Ok(BucketChanged::Yes),
            Committed::Conflict(_) => self.same_bucket(bucket).await.map(BucketChanged::Meanwhile),
        }
    }

    /// What is known of a version of an object without its key: no headers.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn object_info(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
    ) -> Result<ObjectInfo, StoreError> {
        let (record, found) = self.object_version(bucket, target.into()).await?;
        Ok(ObjectInfo { noncurrent_since_ms: found.noncurrent_since_ms, ..record.info(Vec::new())? })
    }

    /// Changes the access control list of a version of an object. Returns `false`, and changes nothing, if that is not
    /// `instance` any more.
    ///
    /// No key is needed. When this returns, the change is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`].
    pub async fn put_object_acl(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        instance: InstanceId,
        grants: &[Grant],
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let target = target.into();
        let changed = self.change_version(bucket, target, ObjectChange::AclSet, origin, |record| {
            if record.instance_id != instance.0 {
                return Err(StoreError::NoSuchVersion);
            }
            let owner = record.object_access()?.owner;
            record.access = ObjectAccessRecord::of(&ObjectAccess { owner, grants: Some(grants.to_vec()) });
            Ok(())
        });
        match changed.await {
            Ok(_) => Ok(true),
            Err(StoreError::NoSuchVersion) if target.version.is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Block Public Access of an account; `None` if it is not set.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn account_public_access_block(&self, account: &str) -> Result<Option<PublicAccessBlock>, StoreError> {
        let found = self.system_row::<AccountRecord>(Table::Account, &tables::account(account)).await?;
        Ok(found.and_then(|(record, _)| record.public_access_block).map(Into::into))
    }

    /// Sets or deletes Block Public Access of an account.
    ///
    /// # Errors
    /// [`StoreError::Contention`] when others change it again and again.
    pub async fn put_account_public_access_block(
        &self,
        account: &str,
        block: Option<PublicAccessBlock>,
    ) -> Result<(), StoreError> {
        let row = tables::account(account);
        for _ in 0..MOST_TRIES {
            let (mut record, sealed) = match self.system_row::<AccountRecord>(Table::Account, &row).await? {
                Some((record, sealed)) => (record, Some(sealed)),
                None => (AccountRecord::default(), None),
            };
            record.public_access_block = block.map(Into::into);
            let mut commit = Commit::new();
            let changed = self.seal_system(Table::Account, &row, &record);
            commit.check(row.clone(), sealed).put(row.clone(), changed);
            if let Committed::Yes = self.commit(commit).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_setting_holds() {
        let acls = PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() };
        let policy = PublicAccessBlock { block_public_policy: true, ..PublicAccessBlock::default() };
        let both = acls.or(policy);
        assert!(both.block_public_acls && both.block_public_policy);
        assert!(!both.ignore_public_acls && !both.restrict_public_buckets);
        assert_eq!(acls.or(PublicAccessBlock::ALL), PublicAccessBlock::ALL);
    }
}
