//! Buckets, objects, uploads, requests.

use http::{HeaderValue, StatusCode, header};

use super::S3Error;

impl S3Error {
    /// The bucket does not exist.
    #[must_use]
    pub fn no_such_bucket(bucket: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist")
            .with("BucketName", bucket)
    }

    /// The object does not exist, or its current version is a delete marker.
    #[must_use]
    pub fn no_such_key(key: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    /// The object has no version with this ID.
    #[must_use]
    pub fn no_such_version(key: &str, version_id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchVersion", "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", version_id)
    }

    /// The multipart upload does not exist, any more or at all.
    #[must_use]
    pub fn no_such_upload(upload_id: &str) -> Self {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                       aborted or completed.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchUpload", message).with("UploadId", upload_id)
    }

    /// The bucket exists and belongs to who wanted to create it.
    #[must_use]
    pub fn bucket_already_owned_by_you(bucket: &str) -> Self {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        Self::new(StatusCode::CONFLICT, "BucketAlreadyOwnedByYou", message).with("BucketName", bucket)
    }

    /// Somebody else has a bucket of this name.
    #[must_use]
    pub fn bucket_already_exists(bucket: &str) -> Self {
        let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                       system. Please select a different name and try again.";
        Self::new(StatusCode::CONFLICT, "BucketAlreadyExists", message).with("BucketName", bucket)
    }

    /// Only an empty bucket can be deleted.
    #[must_use]
    pub fn bucket_not_empty(bucket: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            .with("BucketName", bucket)
    }

    /// Only an empty bucket can be deleted, and one with versioning has more than a listing of objects shows.
    #[must_use]
    pub fn bucket_with_versions_not_empty(bucket: &str) -> Self {
        let message = "The bucket you tried to delete is not empty. You must delete all versions in the bucket.";
        Self::new(StatusCode::CONFLICT, "BucketNotEmpty", message).with("BucketName", bucket)
    }

    /// The name cannot be a bucket's.
    #[must_use]
    pub fn invalid_bucket_name(bucket: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidBucketName", "The specified bucket is not valid.")
            .with("BucketName", bucket)
    }

    /// The object key is longer than 1,024 bytes of UTF-8.
    #[must_use]
    pub fn key_too_long(size: usize, max: usize) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "KeyTooLongError", "Your key is too long")
            .with("Size", size)
            .with("MaxSizeAllowed", max)
    }

    /// The resource knows no such method. `allow` lists those it knows, for the header of that name.
    #[must_use]
    pub fn method_not_allowed(method: &str, resource_type: &str, allow: String) -> Self {
        Self::resource_not_allowed(method, resource_type)
            .with_header(header::ALLOW, HeaderValue::try_from(allow).expect("method names are a valid header value"))
    }

    /// The resource knows no method at all: S3 has it no more, or for other buckets only.
    #[must_use]
    pub fn resource_not_allowed(method: &str, resource_type: &str) -> Self {
        let message = "The specified method is not allowed against this resource.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
            .with("Method", method)
            .with("ResourceType", resource_type)
    }

    /// A precondition does not hold; `condition` is the header or the rule that failed.
    #[must_use]
    pub fn precondition_failed(condition: &str) -> Self {
        let message = "At least one of the pre-conditions you specified did not hold";
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message).with("Condition", condition)
    }

    /// The client's copy is still good: status 304 without a body.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(StatusCode::NOT_MODIFIED, "NotModified", "Not Modified")
    }

    /// The range lies outside of the object.
    #[must_use]
    pub fn invalid_range(requested: &str, object_size: u64) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable")
            .with("RangeRequested", requested)
            .with("ActualObjectSize", object_size)
            .with_header(header::CONTENT_RANGE, content_range_of(object_size))
    }

    /// `partNumber` and `Range` cannot be used together.
    #[must_use]
    pub fn range_and_part_number() -> Self {
        Self::invalid_request("Cannot specify both Range header and partNumber query parameter")
    }

    /// The object has no part with this number.
    #[must_use]
    pub fn invalid_part_number(requested: u32, actual_part_count: usize) -> Self {
        let message = "The requested partnumber is not satisfiable";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidPartNumber", message)
            .with("PartNumberRequested", requested)
            .with("ActualPartCount", actual_part_count)
    }

    /// The length of the body must be known beforehand.
    #[must_use]
    pub fn missing_content_length() -> Self {
        let message = "You must provide the Content-Length HTTP header.";
        Self::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message)
    }

    /// B-XML: the XML is not well-formed, or not what the operation reads.
    #[must_use]
    pub fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new(StatusCode::BAD_REQUEST, "MalformedXML", message)
    }

    /// A document is larger than the operation reads.
    #[must_use]
    pub fn max_message_length_exceeded(max: u64) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MaxMessageLengthExceeded", "Your request was too big.")
            .with("MaxMessageLengthBytes", max)
    }

    /// The body of a POST is not a form.
    #[must_use]
    pub fn malformed_post_request() -> Self {
        let message = "The body of your POST request is not well-formed multipart/form-data.";
        Self::new(StatusCode::BAD_REQUEST, "MalformedPOSTRequest", message)
    }

    /// The fields in front of a form's file are too large. Bytes.
    #[must_use]
    pub fn max_post_pre_data_length_exceeded(max: usize) -> Self {
        // The spelling is S3's.
        let message = "Your POST request fields preceeding the upload file was too large.";
        Self::new(StatusCode::BAD_REQUEST, "MaxPostPreDataLengthExceeded", message)
            .with("MaxPostPreDataLengthBytes", max)
    }

    /// The body ended before its announced length.
    #[must_use]
    pub fn incomplete_body(expected: u64, provided: u64) -> Self {
        Self::body_cut_short().with("NumberBytesExpected", expected).with("NumberBytesProvided", provided)
    }

    /// The body ended early, and how early is not known.
    #[must_use]
    pub fn body_cut_short() -> Self {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
    }

    /// The client sent nothing for too long.
    #[must_use]
    pub fn request_timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the timeout \
                       period. Idle connections will be closed.";
        Self::new(StatusCode::BAD_REQUEST, "RequestTimeout", message)
    }

    /// The request is wrong in a way that the message says.
    #[must_use]
    pub fn invalid_request(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    /// An argument is wrong. `value` is echoed: it is never a key.
    #[must_use]
    pub fn invalid_argument(
        message: impl Into<std::borrow::Cow<'static, str>>,
        name: &str,
        value: Option<&str>,
    ) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message).with("ArgumentName", name);
        match value {
            Some(value) => error.with("ArgumentValue", value),
            None => error,
        }
    }

    /// User metadata is larger than 2 KiB.
    #[must_use]
    pub fn metadata_too_large(size: usize, max: usize) -> Self {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        Self::new(StatusCode::BAD_REQUEST, "MetadataTooLarge", message).with("Size", size).with("MaxSizeAllowed", max)
    }

    /// The path cannot be decoded to UTF-8.
    #[must_use]
    pub fn invalid_uri() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidURI", "Couldn't parse the specified URI.")
    }

    /// I-SC: there is no such storage class.
    #[must_use]
    pub fn invalid_storage_class(requested: &str) -> Self {
        let message = "The storage class you specified is not valid";
        Self::new(StatusCode::BAD_REQUEST, "InvalidStorageClass", message).with("StorageClassRequested", requested)
    }

    /// `x-amz-website-redirect-location` leads nowhere.
    #[must_use]
    pub fn invalid_redirect_location() -> Self {
        let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidRedirectLocation", message)
    }

    /// The bucket cannot be created in that region.
    #[must_use]
    pub fn invalid_location_constraint(location: &str) -> Self {
        let message = "The specified location-constraint is not valid";
        Self::new(StatusCode::BAD_REQUEST, "InvalidLocationConstraint", message).with("LocationConstraint", location)
    }

    /// CP-SELF: a copy onto itself that would change nothing.
    #[must_use]
    pub fn copy_to_itself() -> Self {
        Self::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        )
    }

    /// Another operation on the same resource is under way.
    #[must_use]
    pub fn operation_aborted() -> Self {
        let message = "A conflicting conditional operation is currently in progress against this resource. Please try \
                       again.";
        Self::new(StatusCode::CONFLICT, "OperationAborted", message)
    }

    /// A header asks for what is not built. Nothing is done.
    #[must_use]
    pub fn not_implemented_header(header: &str) -> Self {
        let message = "A header you provided implies functionality that is not implemented";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message).with("Header", header)
    }

    /// The operation is not built. Nothing is done.
    #[must_use]
    pub fn not_implemented() -> Self {
        let message = "The operation you requested is not implemented";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// Something failed inside.
    #[must_use]
    pub fn internal_error() -> Self {
        let message = "We encountered an internal error. Please try again.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// Something that the server needs is away, such as the key provider: try later.
    #[must_use]
    pub fn service_unavailable() -> Self {
        let message = "Service is unable to handle request.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// The disk is full. S3 has no word for it; 507 is HTTP's, and unlike a 503 the SDKs do not retry it blindly.
    #[must_use]
    pub fn insufficient_storage() -> Self {
        let message = "There is not enough space left to store what you sent.";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message)
    }
}

/// `bytes */SIZE`.
fn content_range_of(object_size: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{object_size}")).expect("digits are a valid header value")
}
