//! What a bucket does not have.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// The bucket has no rules for other origins.
    #[must_use]
    pub fn no_such_cors_configuration(bucket: &str) -> Self {
        Self::not_set("NoSuchCORSConfiguration", "The CORS configuration does not exist", bucket)
    }

    /// The bucket is no website.
    #[must_use]
    pub fn no_such_website_configuration(bucket: &str) -> Self {
        let message = "The specified bucket does not have a website configuration";
        Self::not_set("NoSuchWebsiteConfiguration", message, bucket)
    }

    /// The bucket has no lifecycle rules.
    #[must_use]
    pub fn no_such_lifecycle_configuration(bucket: &str) -> Self {
        Self::not_set("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", bucket)
    }

    /// The bucket is replicated nowhere.
    #[must_use]
    pub fn replication_configuration_not_found(bucket: &str) -> Self {
        Self::not_set("ReplicationConfigurationNotFoundError", "The replication configuration was not found", bucket)
    }

    /// The bucket has no tags.
    #[must_use]
    pub fn no_such_tag_set(bucket: &str) -> Self {
        Self::not_set("NoSuchTagSet", "The TagSet does not exist", bucket)
    }

    /// The bucket locks no objects.
    #[must_use]
    pub fn object_lock_configuration_not_found(bucket: &str) -> Self {
        let message = "Object Lock configuration does not exist for this bucket";
        Self::not_set("ObjectLockConfigurationNotFoundError", message, bucket)
    }

    fn not_set(code: &'static str, message: &'static str, bucket: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message).with("BucketName", bucket)
    }
}
