//! Changes of what a bucket is configured to do.

use coffer_configuration::BucketSettings;
use coffer_store::{Bucket, StoreError};

use super::S3Operations;
use super::store_error::Subject;
use crate::error::S3Error;
use crate::request::S3Request;

impl S3Operations {
    /// Changes the settings of the bucket of the request. `change` sees the bucket that it applies to, may refuse, and
    /// may be called again if others change the bucket meanwhile.
    pub(super) async fn configure(
        &self,
        request: &S3Request,
        change: impl Fn(&Bucket, &mut BucketSettings) -> Result<(), S3Error>,
    ) -> Result<(), S3Error> {
        let bucket = request.bucket()?;
        let change = |bucket: &Bucket, settings: &mut BucketSettings| change(bucket, settings).map_err(Refusal::S3);
        match self.store.configure_bucket(bucket.name(), change).await {
            Ok(()) => Ok(()),
            Err(Refusal::S3(error)) => Err(error),
            Err(Refusal::Store(error)) => {
                Err(Subject { bucket: request.bucket_name(), ..Subject::default() }.error(error))
            }
        }
    }
}

/// Who refuses a change.
enum Refusal {
    Store(StoreError),
    S3(S3Error),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
