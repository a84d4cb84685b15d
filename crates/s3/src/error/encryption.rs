//! Server-side encryption.

use http::StatusCode;

use super::S3Error;

/// What S3 names as the wrong argument in every error about encryption headers, whichever header was wrong.
pub const SSE_ARGUMENT: &str = "x-amz-server-side-encryption";

fn sse_argument(message: &'static str) -> S3Error {
    S3Error::invalid_argument(message, SSE_ARGUMENT, None)
}

impl S3Error {
    /// C-TLS: customer keys never travel over plain HTTP.
    #[must_use]
    pub fn customer_key_over_http() -> Self {
        sse_argument(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure \
             connection.",
        )
    }

    /// C-NOALG: key or MD5 without the algorithm.
    #[must_use]
    pub fn customer_algorithm_missing() -> Self {
        sse_argument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption \
             algorithm.",
        )
    }

    /// C-NOKEY: the algorithm without the key.
    #[must_use]
    pub fn customer_key_missing() -> Self {
        sse_argument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate \
             secret key.",
        )
    }

    /// C-NOMD5: a write without the key's MD5.
    #[must_use]
    pub fn customer_key_md5_missing() -> Self {
        sse_argument(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the client \
             calculated MD5 of the secret key.",
        )
    }

    /// C-SHORT: fewer than four base64 characters. S3 echoes the key; this does not.
    #[must_use]
    pub fn customer_key_too_short() -> Self {
        sse_argument("The secret key was invalid - too short.")
    }

    /// C-B64: characters outside of ASCII. S3 echoes the key; this does not.
    #[must_use]
    pub fn customer_key_not_base64() -> Self {
        sse_argument("The secret key was improperly encoded. The secret key must be Base64 encoded.")
    }

    /// C-BADMD5: the MD5 is not the key's.
    #[must_use]
    pub fn customer_key_md5_mismatch() -> Self {
        sse_argument("The calculated MD5 hash of the key did not match the hash that was provided.")
    }

    /// C-BADALG: the algorithm is not `AES256`.
    #[must_use]
    pub fn invalid_encryption_algorithm(algorithm: &str) -> Self {
        let message = "The Encryption request you specified is not valid. Supported value: AES256.";
        let error = Self::new(StatusCode::BAD_REQUEST, "InvalidEncryptionAlgorithmError", message)
            .with("ArgumentName", SSE_ARGUMENT);
        if algorithm.is_empty() { error } else { error.with("ArgumentValue", algorithm) }
    }

    /// C-LEN: a new key that has not 32 bytes.
    #[must_use]
    pub fn customer_key_wrong_length() -> Self {
        sse_argument("The secret key was invalid for the specified algorithm.")
    }

    /// C-CONFLICT: a customer key together with another encryption method.
    #[must_use]
    pub fn customer_key_conflict(method: &str) -> Self {
        // S3 ends this one without a dot.
        let message = "Server Side Encryption with Customer provided key is incompatible with the encryption method \
                       specified";
        Self::invalid_argument(message, SSE_ARGUMENT, Some(method))
    }

    /// C-NEED: the object is under a customer key, and none was sent.
    #[must_use]
    pub fn customer_key_needed() -> Self {
        Self::invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided \
             to retrieve the object.",
        )
    }

    /// C-WRONG: reading with a key that is not the object's.
    #[must_use]
    pub fn customer_key_wrong() -> Self {
        Self::access_denied_because(
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret \
             key.",
        )
    }

    /// C-NA: a customer key for an object that has none.
    #[must_use]
    pub fn customer_key_not_applicable() -> Self {
        Self::invalid_request("The encryption parameters are not applicable to this object.")
    }

    /// C-ORIG: a key that is not the copy source's, or not the upload's.
    #[must_use]
    pub fn customer_key_not_the_original() -> Self {
        Self::invalid_request("The provided encryption parameters did not match the ones used originally.")
    }

    /// C-PART: a part without the upload's key, or with a key although the upload has none.
    #[must_use]
    pub fn customer_key_for_part() -> Self {
        Self::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the \
             appropriate encryption parameters.",
        )
    }

    /// C-COMPL: Complete with a key that is not the upload's, or without one where checksums need it.
    #[must_use]
    pub fn customer_key_for_complete() -> Self {
        Self::invalid_request(
            "The object was stored using a form of Server Side Encryption. Correct SSE-C request parameters are \
             required for this request when specifying checksums for each part.",
        )
    }

    /// C-LIST: listing the parts of an upload whose checksums are under a customer key, without the key.
    #[must_use]
    pub fn customer_key_for_list_parts() -> Self {
        Self::invalid_request("To retrieve Part Checksum data requests must include appropriate encryption parameters.")
    }

    /// C-BLOCK: the bucket takes no uploads under customer keys. `action` is such as `s3:PutObject`.
    #[must_use]
    pub fn customer_key_blocked(user_arn: &str, action: &str, resource_arn: &str) -> Self {
        Self::access_denied_because(format!(
            "User: {user_arn} is not authorized to perform: {action} on resource: \"{resource_arn}\" because this \
             bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys \
             (SSE-C). Please specify a different server-side encryption type"
        ))
    }

    /// S-METHOD: no such encryption method.
    #[must_use]
    pub fn encryption_method_not_supported(method: &str) -> Self {
        Self::invalid_argument("The encryption method specified is not supported", SSE_ARGUMENT, Some(method))
    }

    /// S-OP: the operation takes no `header`, an encryption header other than the customer key's.
    #[must_use]
    pub fn encryption_header_not_supported(header: &'static str, value: &str) -> Self {
        Self::invalid_argument(format!("{header} header is not supported for this operation."), header, Some(value))
    }
}
