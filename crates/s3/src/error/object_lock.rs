//! Refusals of Object Lock.

use http::StatusCode;

use super::S3Error;
use crate::time::java_date;

/// The header that names the mode of a retention.
pub const LOCK_MODE: &str = "x-amz-object-lock-mode";
/// The header that names the end of a retention.
pub const LOCK_RETAIN_UNTIL: &str = "x-amz-object-lock-retain-until-date";
/// The header that names a legal hold.
pub const LOCK_LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";

impl S3Error {
    /// The version is kept, by a retention or a legal hold.
    #[must_use]
    pub fn object_locked() -> Self {
        Self::access_denied_because("Access Denied because object protected by object lock.")
    }

    /// Versions of objects in this bucket have no retention and no legal hold.
    #[must_use]
    pub fn bucket_without_object_lock() -> Self {
        Self::invalid_request("Bucket is missing Object Lock Configuration")
    }

    /// A write asks for a retention or legal hold in a bucket that has no Object Lock: in S3's other spelling.
    #[must_use]
    pub fn write_without_object_lock() -> Self {
        Self::invalid_request("Bucket is missing ObjectLockConfiguration")
    }

    /// The version has no retention, or never had a legal hold.
    #[must_use]
    pub fn no_such_object_lock_configuration() -> Self {
        let message = "The specified object does not have a ObjectLock configuration";
        Self::new(StatusCode::NOT_FOUND, "NoSuchObjectLockConfiguration", message)
    }

    /// Object Lock needs versions.
    #[must_use]
    pub fn object_lock_without_versioning() -> Self {
        let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        Self::new(StatusCode::CONFLICT, "InvalidBucketState", message)
    }

    /// The default retention lasts no time at all. `unit` is the element, `Days` or `Years`.
    #[must_use]
    pub fn retention_period_not_positive(unit: &str, value: &str) -> Self {
        Self::invalid_argument("Default retention period must be a positive integer value.", unit, Some(value))
    }

    /// The default retention lasts longer than 100 years.
    #[must_use]
    pub fn retention_period_too_large(unit: &str, value: &str) -> Self {
        Self::invalid_argument("Default retention period too large.", unit, Some(value))
    }

    /// One of the two headers of a retention is there without the other, which is named.
    #[must_use]
    pub fn incomplete_retention(missing: &'static str) -> Self {
        let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
        Self::invalid_argument(message, missing, None)
    }

    /// There is no such mode.
    #[must_use]
    pub fn unknown_lock_mode(mode: &str) -> Self {
        Self::invalid_argument("Unknown wormMode directive.", LOCK_MODE, Some(mode))
    }

    /// A legal hold is on or off.
    #[must_use]
    pub fn unknown_legal_hold(status: &str) -> Self {
        Self::invalid_argument("Legal Hold must be either of 'ON' or 'OFF'", LOCK_LEGAL_HOLD, Some(status))
    }

    /// The end of a retention is no date.
    #[must_use]
    pub fn retain_until_no_date(value: &str) -> Self {
        let message = "The retain until date must be provided in ISO 8601 format";
        Self::invalid_argument(message, LOCK_RETAIN_UNTIL, Some(value))
    }

    /// A retention in a header has ended before it begins.
    #[must_use]
    pub fn retain_until_past(value: &str) -> Self {
        Self::invalid_argument("The retain until date must be in the future!", LOCK_RETAIN_UNTIL, Some(value))
    }

    /// A retention in a document has ended before it begins.
    #[must_use]
    pub fn retention_past(until_ms: u64) -> Self {
        let message = "The retain until date must be in the future!";
        Self::invalid_argument(message, "RetainUntilDate", Some(&java_date(until_ms)))
    }

    /// What is to be kept must arrive as it was sent.
    #[must_use]
    pub fn locked_object_without_digest() -> Self {
        Self::invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
             parameters",
        )
    }

    /// As [`S3Error::locked_object_without_digest`], of a part.
    #[must_use]
    pub fn locked_part_without_digest() -> Self {
        Self::invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters",
        )
    }

    /// Nobody in particular locks objects.
    #[must_use]
    pub fn anonymous_object_lock() -> Self {
        let message = "Put Object requests with Object Lock parameters require AWS Signature Version 4";
        Self::invalid_argument(message, "Authorization", None)
    }
}
