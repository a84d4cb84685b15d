//! Errors about ownership, ACLs, policies and public access, about tags, and about copies that are too large.

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

    /// A source that CopyObject or UploadPartCopy does not take whole.
    #[must_use]
    pub fn copy_source_too_large(max: u64) -> Self {
        let message =
            format!("The specified copy source is larger than the maximum allowable size for a copy source: {max}");
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    /// A public ACL for a new bucket that is to have none.
    #[must_use]
    pub fn new_bucket_acl_blocked() -> Self {
        let message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
        Self::new(StatusCode::BAD_REQUEST, "InvalidBucketAclWithBlockPublicAccessError", message)
    }

    /// A public ACL where Block Public Access refuses them. The resource is an ARN.
    #[must_use]
    pub fn public_acl_blocked(caller: &str, action: &str, resource: &str) -> Self {
        Self::access_denied_because(format!(
            "User: {caller} is not authorized to perform: {action} on resource: \"{resource}\" because public ACLs are \
             prevented by the BlockPublicAcls setting in S3 Block Public Access."
        ))
    }

    /// A public policy where Block Public Access refuses them. The resource is an ARN.
    #[must_use]
    pub fn public_policy_blocked(caller: &str, resource: &str) -> Self {
        Self::access_denied_because(format!(
            "User: {caller} is not authorized to perform: s3:PutBucketPolicy on resource: \"{resource}\" because public \
             policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        ))
    }

    /// An ACL document that is none.
    #[must_use]
    pub fn malformed_acl() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new(StatusCode::BAD_REQUEST, "MalformedACLError", message)
    }

    /// An ACL is to be put, and there is none.
    #[must_use]
    pub fn acl_missing() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MissingSecurityHeader", "Your request was missing a required header")
            .with("MissingHeaderName", "x-amz-acl")
    }

    /// An ACL in the headers, and another one in the body.
    #[must_use]
    pub fn unexpected_content() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UnexpectedContent", "This request does not support content")
    }

    /// A grant to an e-mail address that nobody has.
    #[must_use]
    pub fn unresolvable_grant_by_email(email: &str) -> Self {
        let message = "The e-mail address you provided does not match any account on record.";
        Self::new(StatusCode::BAD_REQUEST, "UnresolvableGrantByEmailAddress", message).with("EmailAddress", email)
    }

    /// The bucket has no policy.
    #[must_use]
    pub fn no_such_bucket_policy(bucket: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucketPolicy", "The bucket policy does not exist")
            .with("BucketName", bucket)
    }

    /// A policy that is none, for the reason that the message gives.
    #[must_use]
    pub fn malformed_policy(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MalformedPolicy", message)
    }

    /// The bucket has no Block Public Access configuration.
    #[must_use]
    pub fn no_such_public_access_block(bucket: &str) -> Self {
        Self::public_access_block_not_found().with("BucketName", bucket)
    }

    /// The account has no Block Public Access configuration.
    #[must_use]
    pub fn no_such_account_public_access_block(account: &str) -> Self {
        Self::public_access_block_not_found().with("AccountId", account)
    }

    fn public_access_block_not_found() -> Self {
        let message = "The public access block configuration was not found";
        Self::new(StatusCode::NOT_FOUND, "NoSuchPublicAccessBlockConfiguration", message)
    }

    /// The bucket has no ownership controls.
    #[must_use]
    pub fn no_ownership_controls(bucket: &str) -> Self {
        let message = "The bucket ownership controls were not found";
        Self::new(StatusCode::NOT_FOUND, "OwnershipControlsNotFoundError", message).with("BucketName", bucket)
    }
}
