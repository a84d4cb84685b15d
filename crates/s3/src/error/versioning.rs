//! Errors of versioning.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// PutBucketVersioning without a status.
    #[must_use]
    pub fn versioning_status_missing() -> Self {
        let message = "The Versioning element must be specified";
        Self::new(StatusCode::BAD_REQUEST, "IllegalVersioningConfigurationException", message)
    }

    /// MFA delete needs a device that nobody can have here.
    #[must_use]
    pub fn mfa_not_supported() -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", "Mfa Authentication must be used for this request")
    }

    /// What is locked must keep its versions.
    #[must_use]
    pub fn versioning_cannot_be_suspended() -> Self {
        let message =
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
        Self::new(StatusCode::CONFLICT, "InvalidBucketState", message)
    }

    /// The source of a copy names a version that is a delete marker.
    #[must_use]
    pub fn copy_source_is_marker() -> Self {
        Self::invalid_request(
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        )
    }
}
