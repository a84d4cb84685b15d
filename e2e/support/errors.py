"""The errors of S3 as they appear on the wire, and the one assertion on them."""

from typing import NamedTuple, Optional

ENCRYPTION_ARGUMENT = "x-amz-server-side-encryption"


class S3Error(NamedTuple):
    """What an error looks like. `message` is None where S3's own words are not known for certain."""

    status: int
    code: str
    message: Optional[str] = None
    argument_name: Optional[str] = None


def expect_error(response, status, code, message, argument_name=None, **elements):
    """Asserts that `response` is exactly this error. `elements` are further children of `<Error>`; None says "absent"."""
    assert response.status == status, response
    assert response.header("Content-Type") == "application/xml", response
    assert response.header("x-amz-request-id"), response
    root = response.xml
    assert root.tag == "Error", response
    assert root.findtext("Code") == code, response
    if message is not None:
        assert root.findtext("Message") == message, response
    assert root.findtext("Message"), "clients fail on an error without a message"
    assert root.findtext("ArgumentName") == argument_name, response
    assert root.findtext("RequestId") == response.header("x-amz-request-id"), response
    for name, value in elements.items():
        assert root.findtext(name) == value, (name, value, response)


def expect_status_only(response, status):
    """Asserts an error to HEAD, which has no body."""
    assert response.status == status, response
    assert response.body == b""


# Customer-provided keys (SSE-C).

_SSE_C = "Requests specifying Server Side Encryption with Customer provided keys must "
INSECURE_TRANSPORT = S3Error(400, "InvalidArgument", _SSE_C + "be made over a secure connection.", ENCRYPTION_ARGUMENT)
ALGORITHM_MISSING = S3Error(400, "InvalidArgument", _SSE_C + "provide a valid encryption algorithm.", ENCRYPTION_ARGUMENT)
KEY_MISSING = S3Error(400, "InvalidArgument", _SSE_C + "provide an appropriate secret key.", ENCRYPTION_ARGUMENT)
MD5_MISSING = S3Error(400, "InvalidArgument", _SSE_C + "provide the client calculated MD5 of the secret key.", ENCRYPTION_ARGUMENT)
KEY_TOO_SHORT = S3Error(400, "InvalidArgument", "The secret key was invalid - too short.", ENCRYPTION_ARGUMENT)
KEY_NOT_BASE64 = S3Error(
    400, "InvalidArgument", "The secret key was improperly encoded. The secret key must be Base64 encoded.", ENCRYPTION_ARGUMENT)
MD5_MISMATCH = S3Error(
    400, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.", ENCRYPTION_ARGUMENT)
ALGORITHM_UNSUPPORTED = S3Error(
    400, "InvalidEncryptionAlgorithmError",
    "The Encryption request you specified is not valid. Supported value: AES256.", ENCRYPTION_ARGUMENT)
KEY_LENGTH = S3Error(400, "InvalidArgument", "The secret key was invalid for the specified algorithm.", ENCRYPTION_ARGUMENT)
METHOD_CONFLICT = S3Error(
    400, "InvalidArgument",
    "Server Side Encryption with Customer provided key is incompatible with the encryption method specified", ENCRYPTION_ARGUMENT)
KEY_REQUIRED = S3Error(
    400, "InvalidRequest",
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
WRONG_KEY = S3Error(403, "AccessDenied", _SSE_C + "provide the correct secret key.")
NOT_APPLICABLE = S3Error(400, "InvalidRequest", "The encryption parameters are not applicable to this object.")
NOT_THE_ORIGINAL_KEY = S3Error(
    400, "InvalidRequest", "The provided encryption parameters did not match the ones used originally.")
PART_PARAMETERS = S3Error(
    400, "InvalidRequest",
    "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
WRONG_KEY_ON_COMPLETE = S3Error(
    400, "InvalidRequest",
    "The object was stored using a form of Server Side Encryption. "
    "Correct SSE-C request parameters are required for this request when specifying checksums for each part.")
WRONG_KEY_ON_LIST_PARTS = S3Error(
    400, "InvalidRequest", "To retrieve Part Checksum data requests must include appropriate encryption parameters.")
# The message names the caller, the action and the object; only its end is the same for all.
BLOCKED = S3Error(403, "AccessDenied")
BLOCKED_TEXT = (
    "because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). "
    "Please specify a different server-side encryption type")

# The header x-amz-server-side-encryption, and keys of a KMS.

METHOD_UNKNOWN = S3Error(400, "InvalidArgument", "The encryption method specified is not supported", ENCRYPTION_ARGUMENT)
METHOD_NOT_HERE = S3Error(
    400, "InvalidArgument", "x-amz-server-side-encryption header is not supported for this operation.", ENCRYPTION_ARGUMENT)
KMS_KEY_WITHOUT_KMS = S3Error(
    400, "InvalidArgument",
    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms", ENCRYPTION_ARGUMENT)
KMS_INSECURE = S3Error(
    400, "InvalidArgument",
    "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.")
KMS_UNSIGNED = S3Error(
    400, "InvalidArgument",
    "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.", "Authorization")
CONTEXT_MALFORMED = S3Error(
    400, "InvalidArgument",
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents "
    "a string-string map", "x-amz-server-side-encryption-context")
DEFAULT_KEY_WITHOUT_KMS = S3Error(
    400, "InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
    "ApplyServerSideEncryptionByDefault")

# Copies.

COPY_ONTO_ITSELF = S3Error(
    400, "InvalidRequest",
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "
    "storage class, website redirect location or encryption attributes.")

# Digests, checksums, parts.

CONTENT_MD5_MALFORMED = S3Error(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
CONTENT_MD5_MISMATCH = S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
CONTENT_SHA256_MISMATCH = S3Error(
    400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
CHECKSUM_UNKNOWN = S3Error(
    400, "InvalidRequest",
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]")
CHECKSUM_TYPE_ALONE = S3Error(
    400, "InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
SEVERAL_CHECKSUMS = S3Error(
    400, "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
STORAGE_CLASS_UNKNOWN = S3Error(400, "InvalidStorageClass", "The storage class you specified is not valid")
PART_NUMBER_BELOW_ONE = S3Error(400, "InvalidArgument", "PartNumber must be >= 1", "PartNumber")
PART_NUMBER_OUT_OF_BOUNDS = S3Error(
    400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", "partNumber")
INVALID_PART = S3Error(
    400, "InvalidPart",
    "One or more of the specified parts could not be found.  The part may not have been uploaded, "
    "or the specified entity tag may not match the part's entity tag.")
PART_ORDER = S3Error(
    400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
PART_TOO_SMALL = S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
NO_SUCH_PART_NUMBER = S3Error(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
RANGE_AND_PART_NUMBER = S3Error(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
RANGE_NOT_SATISFIABLE = S3Error(416, "InvalidRange", "The requested range is not satisfiable")

# Everything else.

ACCESS_DENIED = S3Error(403, "AccessDenied", "Access Denied")
# To a caller of the account that owns it the message says why.
DENIED = S3Error(403, "AccessDenied")
UNSIGNED_HEADERS = S3Error(403, "AccessDenied", "There were headers present in the request which were not signed")
EXPIRED = S3Error(403, "AccessDenied", "Request has expired")
UNKNOWN_ACCESS_KEY = S3Error(
    403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
SIGNATURE_MISMATCH = S3Error(
    403, "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
SKEWED = S3Error(
    403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
NO_SUCH_BUCKET = S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
NO_SUCH_KEY = S3Error(404, "NoSuchKey", "The specified key does not exist.")
NO_SUCH_UPLOAD = S3Error(
    404, "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
BUCKET_ALREADY_EXISTS = S3Error(
    409, "BucketAlreadyExists",
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
    "Please select a different name and try again.")
BUCKET_NOT_EMPTY = S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
BUCKET_NAME = S3Error(400, "InvalidBucketName", "The specified bucket is not valid.")
KEY_TOO_LONG = S3Error(400, "KeyTooLongError", "Your key is too long")
METADATA_TOO_LARGE = S3Error(
    400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
MALFORMED_XML = S3Error(
    400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
LENGTH_MISSING = S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
PRECONDITION_FAILED = S3Error(
    412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
NOT_IMPLEMENTED = S3Error(501, "NotImplemented")
