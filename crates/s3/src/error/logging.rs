//! Refusals of targets for logs.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// The bucket that logs are to go to is not there.
    #[must_use]
    pub fn no_such_log_target(target: &str) -> Self {
        Self::invalid_log_target("The target bucket for logging does not exist", target)
    }

    /// The bucket that logs are to go to is another account's.
    #[must_use]
    pub fn foreign_log_target(target: &str) -> Self {
        Self::invalid_log_target(
            "The owner for the bucket to be logged and the target bucket must be the same.",
            target,
        )
    }

    /// The bucket that logs are to go to does not let log delivery in.
    #[must_use]
    pub fn closed_log_target(target: &str) -> Self {
        let message = "You must either provide the necessary permissions to the logging service using a bucket policy \
                       or give the log-delivery group WRITE and READ_ACP permissions to the target bucket";
        Self::invalid_log_target(message, target)
    }

    /// The bucket that logs are to go to is in another region.
    #[must_use]
    pub fn cross_location_logging(source_region: &str, target_region: &str) -> Self {
        let message = "Cross S3 location logging not allowed.";
        Self::new(StatusCode::FORBIDDEN, "CrossLocationLoggingProhibited", message)
            .with("SourceBucketLocation", source_region)
            .with("TargetBucketLocation", target_region)
    }

    fn invalid_log_target(message: &'static str, target: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidTargetBucketForLogging", message).with("TargetBucket", target)
    }
}
