//! Digests, checksums, sizes and parts.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// I-MD5S: `Content-MD5` is not base64 of 16 bytes.
    #[must_use]
    pub fn invalid_digest(content_md5: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidDigest", "The Content-MD5 you specified was invalid.")
            .with("Content-MD5", content_md5)
    }

    /// I-MD5: `Content-MD5` is not the MD5 of the body. Both are base64.
    #[must_use]
    pub fn bad_digest(expected: &str, calculated: &str) -> Self {
        let message = "The Content-MD5 you specified did not match what we received.";
        Self::new(StatusCode::BAD_REQUEST, "BadDigest", message)
            .with("ExpectedDigest", expected)
            .with("CalculatedDigest", calculated)
    }

    /// I-CK: a checksum is not the body's. `algorithm` is upper-case for a body, lower-case on Complete.
    #[must_use]
    pub fn bad_checksum(algorithm: &str) -> Self {
        let message = format!("The {algorithm} you specified did not match the calculated checksum.");
        Self::new(StatusCode::BAD_REQUEST, "BadDigest", message)
    }

    /// I-CKP: a part's checksum in the Complete document is not the part's. `algorithm` is lower-case.
    #[must_use]
    pub fn bad_part_checksum(algorithm: &str, part_number: u32) -> Self {
        let message = format!("The {algorithm} you specified for part {part_number} did not match what we received.");
        Self::new(StatusCode::BAD_REQUEST, "BadDigest", message)
    }

    /// I-CKV: a checksum header or trailer is not base64 of the algorithm's length. `header` is lower-case.
    #[must_use]
    pub fn invalid_checksum_value(header: &str) -> Self {
        Self::invalid_request(format!("Value for {header} header is invalid."))
    }

    /// I-CK2: more than one checksum.
    #[must_use]
    pub fn multiple_checksums() -> Self {
        Self::invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    }

    /// A checksum algorithm is announced, and neither a header nor a trailer brings the checksum.
    #[must_use]
    pub fn announced_checksum_missing() -> Self {
        Self::invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
             were found.",
        )
    }

    /// `x-amz-trailer` names something that cannot be a trailer.
    #[must_use]
    pub fn invalid_trailer_name() -> Self {
        Self::invalid_request("The value specified in the x-amz-trailer header is not supported")
    }

    /// `x-amz-sdk-checksum-algorithm` names no algorithm.
    #[must_use]
    pub fn invalid_sdk_checksum_algorithm() -> Self {
        Self::invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    }

    /// I-CKT: a part's checksum algorithm is not the upload's. Both names are lower-case.
    #[must_use]
    pub fn checksum_type_mismatch(expected: &str, actual: &str) -> Self {
        Self::invalid_request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
        ))
    }

    /// I-CKM: a composite checksum needs every part's. `algorithm` is lower-case.
    #[must_use]
    pub fn part_checksum_missing(algorithm: &str, part_number: u32) -> Self {
        Self::invalid_request(format!(
            "The upload was created using a {algorithm} checksum. The complete request must include the checksum for \
             each part. It was missing for part {part_number} in the request."
        ))
    }

    /// I-CKMODE: `x-amz-checksum-type` on Complete is not the upload's. `mode` is the upload's, or `null`.
    #[must_use]
    pub fn checksum_mode_mismatch(mode: &str) -> Self {
        Self::invalid_request(format!(
            "The upload was created using the {mode} checksum mode. The complete request must use the same checksum \
             mode."
        ))
    }

    /// I-CKC: this checksum type does not go with this algorithm. `algorithm` is lower-case.
    #[must_use]
    pub fn checksum_type_not_for_algorithm(checksum_type: &str, algorithm: &str) -> Self {
        Self::invalid_request(format!(
            "The {checksum_type} checksum type cannot be used with the {algorithm} checksum algorithm."
        ))
    }

    /// I-CKA: there is no such checksum algorithm. `valid` lists those there are: `CRC32, CRC32C`.
    #[must_use]
    pub fn unsupported_checksum_algorithm(valid: &str) -> Self {
        Self::invalid_request(format!(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{valid}]"
        ))
    }

    /// I-CKTA: a checksum type without an algorithm.
    #[must_use]
    pub fn checksum_type_without_algorithm() -> Self {
        Self::invalid_request(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )
    }

    /// `x-amz-checksum-type` is neither `COMPOSITE` nor `FULL_OBJECT`.
    #[must_use]
    pub fn invalid_checksum_type() -> Self {
        Self::invalid_request("Value for x-amz-checksum-type header is invalid.")
    }

    /// A chunk of an `aws-chunked` body, not the last, is smaller than 8 KiB. Bytes.
    #[must_use]
    pub fn invalid_chunk_size(chunk: u64, size: u64) -> Self {
        let message = "Only the last chunk is allowed to have a size less than 8192 bytes";
        Self::new(StatusCode::BAD_REQUEST, "InvalidChunkSizeError", message)
            .with("Chunk", chunk)
            .with("BadChunkSize", size)
    }

    /// The trailers of an `aws-chunked` body are not what was announced.
    #[must_use]
    pub fn malformed_trailer() -> Self {
        let message = "The request contained trailing data that was not well-formed or did not conform to our \
                       published schema.";
        Self::new(StatusCode::BAD_REQUEST, "MalformedTrailerError", message)
    }

    /// I-SIZE: `x-amz-mp-object-size` is not the sum of the parts. Bytes.
    #[must_use]
    pub fn object_size_mismatch(provided: u64, computed: u64) -> Self {
        Self::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {provided} does not match what was computed: {computed}"
        ))
    }

    /// The operation wants its body covered by a digest, and there is none.
    #[must_use]
    pub fn missing_body_digest() -> Self {
        Self::invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    }

    /// `x-amz-content-sha256` is not the SHA-256 of the body. Both are lower-case hex.
    #[must_use]
    pub fn content_sha256_mismatch(client: &str, computed: &str) -> Self {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        Self::new(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch", message)
            .with("ClientComputedContentSHA256", client)
            .with("S3ComputedContentSHA256", computed)
    }

    /// I-PN: a part number below 1, in the Complete document.
    #[must_use]
    pub fn part_number_below_one(value: i64) -> Self {
        Self::invalid_argument("PartNumber must be >= 1", "PartNumber", Some(&value.to_string()))
    }

    /// `partNumber` in the query is not a number from 1 to 10,000.
    #[must_use]
    pub fn part_number_out_of_range(value: &str) -> Self {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        Self::invalid_argument(message, "partNumber", Some(value))
    }

    /// I-PART: the Complete document names a part that is not there, or not with this ETag.
    #[must_use]
    pub fn invalid_part(upload_id: &str, part_number: u32, etag: &str) -> Self {
        // The two spaces are S3's.
        let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, \
                       or the specified entity tag may not match the part's entity tag.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidPart", message)
            .with("UploadId", upload_id)
            .with("PartNumber", part_number)
            .with("ETag", etag)
    }

    /// The Complete document's parts do not ascend.
    #[must_use]
    pub fn invalid_part_order(upload_id: &str) -> Self {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidPartOrder", message).with("UploadId", upload_id)
    }

    /// A part other than the last is too small. Bytes.
    #[must_use]
    pub fn part_too_small(proposed: u64, min: u64, part_number: u32, etag: &str) -> Self {
        Self::entity_too_small(proposed, min).with("PartNumber", part_number).with("ETag", etag)
    }

    /// The upload is smaller than it may be. Bytes.
    #[must_use]
    pub fn entity_too_small(proposed: u64, min: u64) -> Self {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        Self::new(StatusCode::BAD_REQUEST, "EntityTooSmall", message)
            .with("ProposedSize", proposed)
            .with("MinSizeAllowed", min)
    }

    /// The upload is larger than it may be. Bytes.
    #[must_use]
    pub fn entity_too_large(proposed: u64, max: u64) -> Self {
        let message = "Your proposed upload exceeds the maximum allowed size";
        Self::new(StatusCode::BAD_REQUEST, "EntityTooLarge", message)
            .with("ProposedSize", proposed)
            .with("MaxSizeAllowed", max)
    }
}
