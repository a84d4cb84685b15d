//! Where the log of requests to a bucket is delivered. The store keeps it; who delivers is above.

use coffer_access::Grant;

use crate::error::StoreError;
use crate::names::BucketName;
use crate::records::LoggingRecord;
use crate::store::Store;

/// What PutBucketLogging set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketLogging {
    /// The name of the bucket that log objects are put into, which may be gone.
    pub target_bucket: String,
    /// What the keys of log objects start with.
    pub target_prefix: String,
    /// What the access control lists of log objects grant besides everything to the owner.
    pub grants: Vec<Grant>,
    /// How the keys of log objects go on.
    pub key_format: LogKeyFormat,
}

/// `TargetObjectKeyFormat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LogKeyFormat {
    /// Not said, which means `SimplePrefix`.
    #[default]
    NotSet,
    /// `SimplePrefix`: the time of delivery.
    SimplePrefix,
    /// `PartitionedPrefix` by `EventTime`: account, region, bucket, and the day of the requests.
    EventTime,
    /// `PartitionedPrefix` by `DeliveryTime`: account, region, bucket, and the time of delivery.
    DeliveryTime,
}

impl Store {
    /// Says where the log of requests to a bucket is delivered; `None` for nowhere.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub async fn put_bucket_logging(
        &self,
        name: &BucketName,
        logging: Option<&BucketLogging>,
    ) -> Result<(), StoreError> {
        self.change_bucket(name, |record| record.logging = logging.map(LoggingRecord::from)).await
    }
}
