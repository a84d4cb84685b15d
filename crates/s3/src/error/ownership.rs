//! Errors about ACLs and tags, and about copies that are too large.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// An object ACL while ACLs are disabled.
    #[must_use]
    pub fn acl_not_supported() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    }

    /// A bucket ACL while ACLs are disabled.
    #[must_use]
    pub fn bucket_acl_with_owner_enforced() -> Self {
        let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        Self::new(StatusCode::BAD_REQUEST, "InvalidBucketAclWithObjectOwnership", message)
    }

    /// More tags than an object may have.
    #[must_use]
    pub fn too_many_tags() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", "Object tags cannot be greater than 10")
    }

    /// A source that CopyObject or UploadPartCopy does not take whole.
    #[must_use]
    pub fn copy_source_too_large(max: u64) -> Self {
        let message =
            format!("The specified copy source is larger than the maximum allowable size for a copy source: {max}");
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }
}
