//! Whose things are, and `x-amz-expected-bucket-owner`: a client's guard against a bucket that is not whose it thinks.

use std::borrow::Cow;

use coffer_store::{Bucket, ObjectInfo};

use super::S3Operations;
use crate::auth::Identities;
use crate::error::S3Error;
use crate::headers::Headers;

/// The owner that the bucket of a request must have.
pub(super) const OF_BUCKET: &str = "x-amz-expected-bucket-owner";
/// The owner that the bucket of a copy source must have.
pub(super) const OF_SOURCE: &str = "x-amz-source-expected-bucket-owner";

impl S3Operations {
    /// Who owns a bucket and what is in it.
    pub(super) fn owners(&self, bucket: Bucket) -> Owners<'_> {
        let of_bucket = self.identities.canonical_id(self.authorizer.owner(&bucket));
        Owners { identities: &*self.identities, bucket, of_bucket }
    }

    /// Refuses a request that expects another owner than the account that owns the bucket.
    ///
    /// # Errors
    /// `InvalidBucketOwnerAWSAccountID` for what is no account ID; `AccessDenied` for another account.
    pub(super) fn check_owner(&self, headers: &Headers, name: &'static str, bucket: &Bucket) -> Result<(), S3Error> {
        match headers.text(name)? {
            None => Ok(()),
            Some(expected) if expected == self.authorizer.owner(bucket) => Ok(()),
            Some(expected) if is_account_id(expected) => Err(S3Error::access_denied()),
            Some(expected) => Err(S3Error::invalid_bucket_owner(expected)),
        }
    }
}

/// The canonical user IDs of the owners of a bucket and of what is in it.
pub(super) struct Owners<'a> {
    identities: &'a dyn Identities,
    bucket: Bucket,
    of_bucket: String,
}

impl Owners<'_> {
    /// The bucket's owner.
    pub(super) fn of_bucket(&self) -> &str {
        &self.of_bucket
    }

    /// The owner of what `account` made, or nobody in particular.
    pub(super) fn of_account(&self, account: Option<&str>) -> Cow<'_, str> {
        match account.filter(|_| self.bucket.acls_enabled()) {
            Some(account) => self.identities.canonical_id(account).into(),
            None => (&self.of_bucket).into(),
        }
    }

    /// An object's owner. Where access control lists are disabled, everything is the bucket owner's.
    pub(super) fn of_object(&self, object: &ObjectInfo) -> Cow<'_, str> {
        self.of_account(object.access.owner.as_deref())
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
