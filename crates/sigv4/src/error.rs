//! What is wrong with a request's authentication, in S3's words.
//!
//! `Display` is the `Message` of S3's answer; the documentation names its `Code` and further elements. None of
//! the errors holds a signature, a header value that could be secret, or a canonical request.

use thiserror::Error;

/// Why a request is not authenticated.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum AuthError {
    /// `AuthorizationHeaderMalformed`, 400; a [`CredentialFault::Region`] adds the element `Region`.
    #[error("The authorization header is malformed; {0}")]
    HeaderMalformed(HeaderFault),

    /// `AuthorizationQueryParametersError`, 400; a [`CredentialFault::Region`] adds the element `Region`.
    #[error(transparent)]
    QueryParameters(QueryFault),

    /// `InvalidArgument`, 400, `ArgumentName` `Authorization`: there is no scheme in front of a space.
    #[error("Authorization header is invalid -- one and only one ' ' (space) required")]
    NoScheme,

    /// `InvalidArgument`, 400, `ArgumentName` `Authorization`.
    ///
    /// S3 echoes the header as `ArgumentValue`; it can be a password (`Basic`), so it should not be.
    #[error("Unsupported Authorization Type")]
    UnsupportedType,

    /// `InvalidArgument`, 400, `ArgumentName` `Authorization`: signed more than once, in more than one way or place.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms,

    /// `InvalidRequest`, 400: Signature Version 2, which S3 refuses in every region opened since 2014.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    SignatureVersion2,

    /// `NotImplemented`, 501: Signature Version 4A, which is asymmetric and signs for several regions.
    #[error("AWS4-ECDSA-P256-SHA256 is not supported. Please use AWS4-HMAC-SHA256.")]
    SignatureVersion4A,

    /// `AccessDenied`, 403.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,

    /// `RequestTimeTooSkewed`, 403, with `RequestTime`, `ServerTime` and `MaxAllowedSkewMilliseconds`.
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed,

    /// `AccessDenied`, 403, with `X-Amz-Expires`, `Expires` and `ServerTime`: a presigned URL is over.
    #[error("Request has expired")]
    Expired,

    /// `AccessDenied`, 403: a presigned URL is of the future.
    #[error("Request is not yet valid")]
    NotYetValid,

    /// `InvalidRequest`, 400.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,

    /// `InvalidArgument`, 400, `ArgumentName` `x-amz-content-sha256`, with the header's value as `ArgumentValue`.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER \
         or a valid sha256 value."
    )]
    InvalidContentSha256,

    /// `AccessDenied`, 403; the names, joined by `", "`, are the element `HeadersNotSigned`.
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned(Vec<String>),

    /// `SignatureDoesNotMatch`, 403.
    #[error(transparent)]
    Signature(#[from] SignatureMismatch),
}

/// What is wrong with an `Authorization` header.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum HeaderFault {
    /// A component is missing, there twice, unknown or unreadable.
    #[error("the authorization header requires three components: Credential, SignedHeaders, and Signature.")]
    Components,
    /// The credential is wrong.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// The credential is of another day than the request.
    #[error(transparent)]
    Date(#[from] DateMismatch),
}

/// What is wrong with the `X-Amz-*` parameters of a presigned URL.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum QueryFault {
    /// A parameter is missing, there twice or unreadable.
    #[error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
         X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )]
    Parameters,
    /// Another algorithm.
    #[error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")]
    Algorithm,
    /// The credential is wrong.
    #[error("Error parsing the X-Amz-Credential parameter; {0}")]
    Credential(#[from] CredentialFault),
    /// The credential is of another day than the request.
    #[error(transparent)]
    Date(#[from] DateMismatch),
    /// The date is unreadable.
    #[error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")]
    DateFormat,
    /// `X-Amz-Expires` is no number.
    #[error("X-Amz-Expires should be a number")]
    ExpiresNumber,
    /// `X-Amz-Expires` is below zero.
    #[error("X-Amz-Expires must be non-negative")]
    ExpiresNegative,
    /// `X-Amz-Expires` is above [`MAX_EXPIRES_S`](crate::MAX_EXPIRES_S).
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
         604800 seconds"
    )]
    ExpiresTooLarge,
}

/// What is wrong with a credential. On its own the `InvalidArgument` message of a POST form.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum CredentialFault {
    /// There are not five parts.
    #[error("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")]
    Malformed,
    /// The date is no day.
    #[error("incorrect date format \"{0}\". This date in the credential must be in the format \"yyyyMMdd\".")]
    Date(String),
    /// Signed for another region.
    #[error("the region '{given}' is wrong; expecting '{expected}'")]
    Region {
        /// The region of the request.
        given: String,
        /// The region of this endpoint: the element `Region`.
        expected: String,
    },
    /// Signed for another service.
    #[error("incorrect service \"{given}\". This endpoint belongs to \"{expected}\".")]
    Service {
        /// The service of the request.
        given: String,
        /// The service of this endpoint.
        expected: String,
    },
    /// The last part is not `aws4_request`.
    #[error("incorrect terminal \"{0}\". This endpoint uses \"aws4_request\".")]
    Terminal(String),
}

/// The day of the credential is not the day of the request.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("Invalid credential date \"{credential}\". This date is not the same as X-Amz-Date: \"{request}\".")]
pub struct DateMismatch {
    /// The day of the credential, `YYYYMMDD`.
    pub credential: String,
    /// The day of the request, `YYYYMMDD`.
    pub request: String,
}

/// `SignatureDoesNotMatch`, 403: the signature is not the one of this request under this key.
///
/// There is no hint what differs. S3 echoes the canonical request; that can hold a customer's encryption key.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error(
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)]
pub struct SignatureMismatch;
