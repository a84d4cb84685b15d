//! Refusals of UpdateObjectEncryption.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// Only Signature Version 4 lets the encryption of an object be changed.
    #[must_use]
    pub fn encryption_update_not_by_signature_4() -> Self {
        Self::invalid_request(
            "Requests that modify an object encryption configuration require AWS Signature Version 4. Modify the \
             request to use AWS Signature Version 4, and then try again.",
        )
    }

    /// The object is under a customer key, or sealed in two layers.
    #[must_use]
    pub fn encryption_update_of_unsupported_type() -> Self {
        Self::invalid_request(
            "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or \
             SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
        )
    }

    /// A retention or a legal hold keeps the object as it is.
    #[must_use]
    pub fn encryption_update_of_locked_object() -> Self {
        let message = "The encryption type for the specified object can't be updated because that object is protected \
                       by S3 Object Lock.";
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// An object cannot be put under a customer key or two layers of encryption later.
    #[must_use]
    pub fn encryption_update_to_unsupported_type() -> Self {
        Self::invalid_request(
            "The UpdateObjectEncryption operation doesn't support updating the encryption type to DSSE-KMS or SSE-C. \
             Modify the request to specify SSE-KMS for the updated encryption type, and then try again.",
        )
    }

    /// The document names no encryption, or none that there is.
    #[must_use]
    pub fn encryption_update_without_type() -> Self {
        Self::invalid_request(
            "Requests that modify an object encryption configuration require a valid new encryption type. Valid values \
             are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.",
        )
    }

    /// The document names no KMS key.
    #[must_use]
    pub fn encryption_update_without_key() -> Self {
        Self::invalid_request(
            "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name \
             (ARN). Modify the request to specify a KMS key ARN, and then try again.",
        )
    }

    /// The KMS key is not named by its ARN.
    #[must_use]
    pub fn encryption_update_with_bad_key() -> Self {
        Self::invalid_request(
            "Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource \
             Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try again.",
        )
    }

    /// `BucketKeyEnabled` is neither true nor false.
    #[must_use]
    pub fn encryption_update_with_bad_bucket_key() -> Self {
        Self::invalid_request(
            "The BucketKeyEnabled value isn't valid. Valid values are true or false. Modify the request to specify a \
             valid value, and then try again.",
        )
    }

    /// The KMS key is another account's.
    #[must_use]
    pub fn encryption_update_by_foreign_key() -> Self {
        let message = "The AWS KMS key in the request must be owned by the same account as the bucket. Modify the \
                       request to specify a KMS key from the same account, and then try again.";
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }
}
