//! Who asks, and whether they may.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// The caller may not do this.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::access_denied_because("Access Denied")
    }

    /// The caller may not do this, for the reason that the message gives.
    #[must_use]
    pub fn access_denied_because(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// I-HNS: `x-amz-*` headers that the signature does not cover.
    #[must_use]
    pub fn headers_not_signed(names: &[String]) -> Self {
        Self::access_denied_because("There were headers present in the request which were not signed")
            .with("HeadersNotSigned", names.join(", "))
    }

    /// Nobody has this access key.
    #[must_use]
    pub fn invalid_access_key_id(access_key: &str) -> Self {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        Self::new(StatusCode::FORBIDDEN, "InvalidAccessKeyId", message).with("AWSAccessKeyId", access_key)
    }

    /// The session token is not one of ours.
    #[must_use]
    pub fn invalid_token() -> Self {
        let message = "The provided token is malformed or otherwise invalid.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidToken", message)
    }

    /// The session of the token is over.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ExpiredToken", "The provided token has expired.")
    }

    /// The signature is not the one of this request, or of a chunk of its body, and this access key.
    ///
    /// S3 echoes the string to sign and the canonical request here; the latter may hold a customer key.
    #[must_use]
    pub fn signature_does_not_match(access_key: Option<&str>) -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your key \
                       and signing method.";
        let error = Self::new(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message);
        match access_key {
            Some(access_key) => error.with("AWSAccessKeyId", access_key),
            None => error,
        }
    }

    /// The request was signed too long ago, or in the future. Both times are ISO 8601.
    #[must_use]
    pub fn request_time_too_skewed(request_time: &str, server_time: &str, max_skew_ms: u64) -> Self {
        let message = "The difference between the request time and the current time is too large.";
        Self::new(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message)
            .with("RequestTime", request_time)
            .with("ServerTime", server_time)
            .with("MaxAllowedSkewMilliseconds", max_skew_ms)
    }

    /// A presigned URL is past its end. Both times are ISO 8601.
    #[must_use]
    pub fn request_has_expired(expires_s: u64, expired_at: &str, server_time: &str) -> Self {
        Self::access_denied_because("Request has expired")
            .with("X-Amz-Expires", expires_s)
            .with("Expires", expired_at)
            .with("ServerTime", server_time)
    }

    /// The `Authorization` header cannot be read.
    #[must_use]
    pub fn authorization_header_malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", message)
    }

    /// The query parameters of a presigned URL cannot be read.
    #[must_use]
    pub fn authorization_query_parameters(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", message)
    }

    /// Signature Version 2 and other mechanisms are not accepted.
    #[must_use]
    pub fn authorization_not_supported() -> Self {
        Self::invalid_request(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        )
    }

    /// The bucket's owner is expected to be what is no account.
    #[must_use]
    pub fn invalid_bucket_owner(expected: &str) -> Self {
        let message =
            format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]");
        Self::new(StatusCode::BAD_REQUEST, "InvalidBucketOwnerAWSAccountID", message)
    }

    /// The policy of a form is none.
    #[must_use]
    pub fn invalid_policy_document(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidPolicyDocument", message.to_owned())
    }
}
