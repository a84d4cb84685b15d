//! `x-amz-expected-bucket-owner`: a client's guard against a bucket that is not whose it thinks.

use super::S3Operations;
use crate::error::S3Error;
use crate::headers::Headers;

/// The owner that the bucket of a request must have.
pub(super) const OF_BUCKET: &str = "x-amz-expected-bucket-owner";
/// The owner that the bucket of a copy source must have.
pub(super) const OF_SOURCE: &str = "x-amz-source-expected-bucket-owner";

impl S3Operations {
    /// Refuses a request that expects another owner than the account that owns every bucket.
    ///
    /// # Errors
    /// `InvalidBucketOwnerAWSAccountID` for what is no account ID; `AccessDenied` for another account.
    pub(super) fn check_owner(&self, headers: &Headers, name: &'static str) -> Result<(), S3Error> {
        match headers.text(name)? {
            None => Ok(()),
            Some(expected) if expected == self.settings.account_id => Ok(()),
            Some(expected) if is_account_id(expected) => Err(S3Error::access_denied()),
            Some(expected) => Err(S3Error::invalid_bucket_owner(expected)),
        }
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
