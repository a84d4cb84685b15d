//! ACL headers while ownership is the bucket owner's (AWS's default): ACLs are disabled.

use crate::error::S3Error;
use crate::headers::Headers;

/// Refuses an ACL that would give away anything, on an object.
///
/// # Errors
/// `AccessControlListNotSupported`.
pub(super) fn check_object(headers: &Headers) -> Result<(), S3Error> {
    if is_private(headers)? { Ok(()) } else { Err(S3Error::acl_not_supported()) }
}

/// Refuses an ACL that would give away anything, on a bucket.
///
/// # Errors
/// `InvalidBucketAclWithObjectOwnership`.
pub(super) fn check_bucket(headers: &Headers) -> Result<(), S3Error> {
    if is_private(headers)? { Ok(()) } else { Err(S3Error::bucket_acl_with_owner_enforced()) }
}

fn is_private(headers: &Headers) -> Result<bool, S3Error> {
    let canned = match headers.text("x-amz-acl")? {
        None | Some("private" | "bucket-owner-full-control" | "bucket-owner-read") => true,
        Some("public-read" | "public-read-write" | "authenticated-read" | "aws-exec-read" | "log-delivery-write") => {
            false
        }
        Some(other) => {
            return Err(S3Error::invalid_argument("Argument format not recognized.", "x-amz-acl", Some(other)));
        }
    };
    Ok(canned && !headers.contains_prefix("x-amz-grant-"))
}
