//! The checksum headers of requests. What they announce is computed and compared where the body flows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::S3Error;
use crate::headers::Headers;

/// A checksum algorithm of the S3 API that this server computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes.
    Md5,
    /// XXH64, 8 bytes.
    XxHash64,
    /// XXH3 with 64 bits, 8 bytes.
    XxHash3,
    /// XXH3 with 128 bits, 16 bytes.
    XxHash128,
}

/// What a checksum of a multipart object is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumType {
    /// Of the parts' checksums.
    Composite,
    /// Of the whole object.
    FullObject,
}

impl ChecksumAlgorithm {
    /// Every algorithm, in the order S3 lists them.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The name as in `x-amz-checksum-algorithm` and in XML: `CRC32C`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// The header and trailer that carries such a checksum: `x-amz-checksum-crc32c`.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::Md5 => "x-amz-checksum-md5",
            Self::XxHash64 => "x-amz-checksum-xxhash64",
            Self::XxHash3 => "x-amz-checksum-xxhash3",
            Self::XxHash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// The name as in error messages: `crc32c`.
    #[must_use]
    pub fn lower_name(self) -> &'static str {
        self.header().trim_start_matches(PREFIX)
    }

    /// The XML element that carries such a checksum: `ChecksumCRC32C`.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
            Self::Sha512 => "ChecksumSHA512",
            Self::Md5 => "ChecksumMD5",
            Self::XxHash64 => "ChecksumXXHASH64",
            Self::XxHash3 => "ChecksumXXHASH3",
            Self::XxHash128 => "ChecksumXXHASH128",
        }
    }

    /// Bytes of the checksum.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The algorithm with this [`ChecksumAlgorithm::name`], in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose header or trailer is called so, in any case.
    #[must_use]
    pub fn from_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }

    /// Decodes a checksum: base64 of exactly [`ChecksumAlgorithm::digest_len`] bytes.
    #[must_use]
    pub fn decode(self, value: &str) -> Option<Vec<u8>> {
        STANDARD.decode(value).ok().filter(|digest| digest.len() == self.digest_len())
    }
}

impl ChecksumType {
    /// `COMPOSITE` or `FULL_OBJECT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    fn from_headers(headers: &Headers) -> Result<Option<Self>, S3Error> {
        match headers.text("x-amz-checksum-type")? {
            None => Ok(None),
            Some(name) if name.eq_ignore_ascii_case("COMPOSITE") => Ok(Some(Self::Composite)),
            Some(name) if name.eq_ignore_ascii_case("FULL_OBJECT") => Ok(Some(Self::FullObject)),
            Some(_) => Err(S3Error::invalid_checksum_type()),
        }
    }
}

/// What the client says about the bytes of a body (PutObject, UploadPart, PostObject, XML documents).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestedChecksums {
    /// `Content-MD5`, decoded.
    pub content_md5: Option<[u8; 16]>,
    /// The one additional checksum.
    pub additional: Option<AdditionalChecksum>,
}

/// An additional checksum of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum AdditionalChecksum {
    /// Sent in a header: the decoded value.
    Header(ChecksumAlgorithm, Vec<u8>),
    /// To be sent in a trailer: [`trailing_checksum`] decodes it once the body is read.
    Trailer(ChecksumAlgorithm),
}

impl AdditionalChecksum {
    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Header(algorithm, _) | Self::Trailer(algorithm) => *algorithm,
        }
    }
}

impl RequestedChecksums {
    /// Parses `Content-MD5`, `x-amz-checksum-*`, `x-amz-trailer` and `x-amz-sdk-checksum-algorithm`.
    ///
    /// # Errors
    /// I-MD5S, I-CKV, I-CK2; `NotImplemented` for an algorithm that this server does not compute.
    pub fn parse(headers: &Headers) -> Result<Self, S3Error> {
        let content_md5 = parse_content_md5(headers)?;
        let sent = sent_checksum(headers)?;
        let announced = announced_trailer(headers)?;
        let additional = match (sent, announced) {
            (Some(_), Some(_)) => return Err(S3Error::multiple_checksums()),
            (Some((algorithm, value)), None) => {
                let digest = algorithm.decode(value);
                let digest = digest.ok_or_else(|| S3Error::invalid_checksum_value(algorithm.header()))?;
                Some(AdditionalChecksum::Header(algorithm, digest))
            }
            (None, Some(algorithm)) => Some(AdditionalChecksum::Trailer(algorithm)),
            (None, None) => None,
        };
        if let Some(name) = headers.text("x-amz-sdk-checksum-algorithm")? {
            let sdk = ChecksumAlgorithm::from_name(name).ok_or_else(S3Error::invalid_sdk_checksum_algorithm)?;
            match additional.as_ref().map(AdditionalChecksum::algorithm) {
                Some(algorithm) if algorithm == sdk => {}
                Some(_) => return Err(S3Error::invalid_sdk_checksum_algorithm()),
                None => return Err(S3Error::announced_checksum_missing()),
            }
        }
        Ok(Self { content_md5, additional })
    }

    /// Whether the body is covered by a digest of either kind, as configuration documents must be.
    #[must_use]
    pub const fn covers_body(&self) -> bool {
        self.content_md5.is_some() || self.additional.is_some()
    }
}

/// Parses `Content-MD5`.
///
/// # Errors
/// I-MD5S when it is not base64 of 16 bytes; an empty one is not.
pub fn parse_content_md5(headers: &Headers) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(text) = headers.text("content-md5")? else { return Ok(None) };
    let digest = STANDARD.decode(text).ok().and_then(|digest| digest.try_into().ok());
    digest.map(Some).ok_or_else(|| S3Error::invalid_digest(text))
}

/// Decodes the checksum that came in a trailer after the body.
///
/// # Errors
/// I-CKV when it is missing or not a checksum of `algorithm`.
pub fn trailing_checksum(algorithm: ChecksumAlgorithm, trailers: &[(String, String)]) -> Result<Vec<u8>, S3Error> {
    let value = trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case(algorithm.header()));
    let digest = value.and_then(|(_, value)| algorithm.decode(value.trim()));
    digest.ok_or_else(|| S3Error::invalid_checksum_value(algorithm.header()))
}

/// The one `x-amz-checksum-*` header with a value.
fn sent_checksum(headers: &Headers) -> Result<Option<(ChecksumAlgorithm, &str)>, S3Error> {
    let mut sent = None;
    for (name, value) in headers.with_prefix(PREFIX) {
        if matches!(name, "x-amz-checksum-algorithm" | "x-amz-checksum-mode" | "x-amz-checksum-type") {
            continue;
        }
        let algorithm = ChecksumAlgorithm::from_header(name).ok_or_else(|| S3Error::not_implemented_header(name))?;
        let value = std::str::from_utf8(value).map_err(|_| S3Error::invalid_checksum_value(algorithm.header()))?;
        if sent.replace((algorithm, value)).is_some() {
            return Err(S3Error::multiple_checksums());
        }
    }
    Ok(sent)
}

/// The algorithm whose trailer `x-amz-trailer` announces.
fn announced_trailer(headers: &Headers) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(names) = headers.text("x-amz-trailer")? else { return Ok(None) };
    let mut announced = None;
    for name in names.split(',').map(str::trim) {
        let algorithm = ChecksumAlgorithm::from_header(name).ok_or_else(S3Error::invalid_trailer_name)?;
        if announced.replace(algorithm).is_some() {
            return Err(S3Error::multiple_checksums());
        }
    }
    Ok(announced)
}

/// Parses what CreateMultipartUpload says of the object's checksum: algorithm and type.
///
/// # Errors
/// I-CKA, I-CKTA, I-CKC.
pub fn parse_upload_checksum(headers: &Headers) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, S3Error> {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme};
    let checksum_type = ChecksumType::from_headers(headers)?;
    let Some(algorithm) = parse_checksum_algorithm(headers)? else {
        return match checksum_type {
            None => Ok(None),
            Some(_) => Err(S3Error::checksum_type_without_algorithm()),
        };
    };
    let refuse = |ty: ChecksumType| Err(S3Error::checksum_type_not_for_algorithm(ty.name(), algorithm.lower_name()));
    // Only a CRC of the whole follows from those of the parts, and S3 has CRC64NVME of the whole alone.
    match (algorithm, checksum_type) {
        (Crc64Nvme, Some(ChecksumType::Composite)) => refuse(ChecksumType::Composite),
        (Crc64Nvme, None) => Ok(Some((algorithm, ChecksumType::FullObject))),
        (Crc64Nvme | Crc32 | Crc32c, Some(checksum_type)) => Ok(Some((algorithm, checksum_type))),
        (_, Some(ChecksumType::FullObject)) => refuse(ChecksumType::FullObject),
        (_, Some(ChecksumType::Composite) | None) => Ok(Some((algorithm, ChecksumType::Composite))),
    }
}

/// Parses `x-amz-checksum-algorithm` (CopyObject, CreateMultipartUpload).
///
/// # Errors
/// I-CKA.
pub fn parse_checksum_algorithm(headers: &Headers) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(name) = headers.text("x-amz-checksum-algorithm")? else { return Ok(None) };
    let algorithm = ChecksumAlgorithm::from_name(name);
    algorithm.map(Some).ok_or_else(|| {
        S3Error::unsupported_checksum_algorithm(&ChecksumAlgorithm::ALL.map(ChecksumAlgorithm::name).join(", "))
    })
}

/// What CompleteMultipartUpload says of the whole object's checksum.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CompleteChecksum {
    /// The checksum and, for a composite one, the number of parts if it was sent behind a dash.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>, Option<u32>)>,
    /// `x-amz-checksum-type`.
    pub checksum_type: Option<ChecksumType>,
}

impl CompleteChecksum {
    /// Parses `x-amz-checksum-*` of CompleteMultipartUpload.
    ///
    /// # Errors
    /// I-CKV, I-CK2; `NotImplemented` for an algorithm that this server does not compute.
    pub fn parse(headers: &Headers) -> Result<Self, S3Error> {
        let checksum_type = ChecksumType::from_headers(headers)?;
        let Some((algorithm, value)) = sent_checksum(headers)? else {
            return Ok(Self { checksum: None, checksum_type });
        };
        let invalid = || S3Error::invalid_checksum_value(algorithm.header());
        let (digest, count) = match value.split_once('-') {
            Some((digest, count)) => (digest, Some(count.parse().map_err(|_| invalid())?)),
            None => (value, None),
        };
        let digest = algorithm.decode(digest).ok_or_else(invalid)?;
        Ok(Self { checksum: Some((algorithm, digest, count)), checksum_type })
    }
}

/// What GET and HEAD say with `x-amz-checksum-mode`: whether the answer shows the object's checksum.
///
/// # Errors
/// `InvalidArgument` for anything but `ENABLED`.
pub fn parse_checksum_mode(headers: &Headers) -> Result<bool, S3Error> {
    match headers.text("x-amz-checksum-mode")? {
        None => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case("ENABLED") => Ok(true),
        Some(mode) => {
            Err(S3Error::invalid_argument("Invalid value for x-amz-checksum-mode", "x-amz-checksum-mode", Some(mode)))
        }
    }
}

const PREFIX: &str = "x-amz-checksum-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn parse(pairs: &[(&str, &str)]) -> Result<RequestedChecksums, S3Error> {
        RequestedChecksums::parse(&headers(pairs))
    }

    fn message<T>(outcome: Result<T, S3Error>) -> String {
        outcome.err().map(|error| format!("{} {}", error.code(), error.message())).unwrap_or_default()
    }

    #[test]
    fn nothing_said_is_nothing_asked() {
        assert_eq!(parse(&[("x-amz-checksum-mode", "ENABLED")]).unwrap(), RequestedChecksums::default());
    }

    #[test]
    fn a_header_carries_its_digest() {
        let checksums =
            parse(&[("x-amz-checksum-crc32", "AQIDBA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]).unwrap();
        let digest = AdditionalChecksum::Header(ChecksumAlgorithm::Crc32, vec![1, 2, 3, 4]);
        assert_eq!(checksums.additional, Some(digest));
    }

    #[test]
    fn a_trailer_brings_its_digest_later() {
        let checksums =
            parse(&[("x-amz-trailer", "X-Amz-Checksum-Sha1"), ("x-amz-sdk-checksum-algorithm", "SHA1")]).unwrap();
        assert_eq!(checksums.additional, Some(AdditionalChecksum::Trailer(ChecksumAlgorithm::Sha1)));
        let trailer = |value: &str| vec![("X-amz-checksum-crc32".to_owned(), value.to_owned())];
        let digest = |value: &str| trailing_checksum(ChecksumAlgorithm::Crc32, &trailer(value));
        assert_eq!(digest("AQIDBA==").unwrap(), [1, 2, 3, 4]);
        for value in ["", "AQIDBA", "AQIDBAU=", "!"] {
            assert_eq!(message(digest(value)), "InvalidRequest Value for x-amz-checksum-crc32 header is invalid.");
        }
        assert!(trailing_checksum(ChecksumAlgorithm::Crc32c, &trailer("AQIDBA==")).is_err());
    }

    #[test]
    fn values_that_are_no_digest_are_refused() {
        for value in ["", "AQIDBA", "AQIDBAU=", "AQIDBA==x", "AQIDBB==", "----", "AQ IDBA=="] {
            let said = message(parse(&[("x-amz-checksum-crc32", value)]));
            assert_eq!(said, "InvalidRequest Value for x-amz-checksum-crc32 header is invalid.", "{value}");
        }
    }

    #[test]
    fn there_is_one_checksum() {
        let two = [("x-amz-checksum-crc32", "AQIDBA=="), ("x-amz-checksum-crc32c", "AQIDBA==")];
        let twice = [("x-amz-checksum-crc32", "AQIDBA=="), ("x-amz-checksum-crc32", "AQIDBA==")];
        let both = [("x-amz-checksum-crc32", "AQIDBA=="), ("x-amz-trailer", "x-amz-checksum-crc32")];
        let trailers = [("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1")];
        for pairs in [&two[..], &twice, &both, &trailers] {
            assert!(message(parse(pairs)).contains("Expecting a single x-amz-checksum- header."));
        }
    }

    #[test]
    fn an_algorithm_that_is_announced_must_come() {
        assert!(message(parse(&[("x-amz-sdk-checksum-algorithm", "CRC32")])).contains("no corresponding"));
        let other = [("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "AQIDBA==")];
        assert!(message(parse(&other)).contains("x-amz-sdk-checksum-algorithm header is invalid"));
        assert!(message(parse(&[("x-amz-sdk-checksum-algorithm", "ROT13")])).contains("is invalid"));
    }

    #[test]
    fn an_algorithm_we_do_not_compute_is_refused_not_ignored() {
        let error = parse(&[("x-amz-checksum-blake3", "AAAAAAAAAAA=")]).unwrap_err();
        assert_eq!((error.code(), error.element("Header")), ("NotImplemented", Some("x-amz-checksum-blake3")));
    }

    #[test]
    fn trailers_other_than_checksums_are_refused() {
        for names in ["", "content-md5", "x-amz-checksum-crc32,", "authorization"] {
            assert!(parse(&[("x-amz-trailer", names)]).is_err(), "{names}");
        }
    }

    #[test]
    fn content_md5_is_base64_of_16_bytes() {
        let md5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
        assert!(parse(&[("content-md5", md5)]).unwrap().content_md5.is_some());
        for value in ["", "1B2M2Y8AsgTpgAmY7PhCfg", "AAAA", "not base64", "d41d8cd98f00b204e9800998ecf8427e"] {
            let error = parse(&[("content-md5", value)]).unwrap_err();
            assert_eq!((error.code(), error.element("Content-MD5")), ("InvalidDigest", Some(value)));
        }
    }

    #[test]
    fn uploads_choose_algorithm_and_type() {
        use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha256};
        use ChecksumType::{Composite, FullObject};
        let parse = |algorithm: &str, ty: &str| {
            let pairs = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", ty)];
            parse_upload_checksum(&headers(if ty.is_empty() { &pairs[..1] } else { &pairs }))
        };
        assert_eq!(parse("CRC32", "").unwrap(), Some((Crc32, Composite)));
        assert_eq!(parse("CRC32", "FULL_OBJECT").unwrap(), Some((Crc32, FullObject)));
        assert_eq!(parse("CRC64NVME", "").unwrap(), Some((Crc64Nvme, FullObject)));
        assert_eq!(parse("sha256", "").unwrap(), Some((Sha256, Composite)));
        assert_eq!(parse("XXHASH3", "").unwrap(), Some((ChecksumAlgorithm::XxHash3, Composite)));
        assert!(parse("XXHASH3", "FULL_OBJECT").is_err());
        assert!(
            message(parse("CRC64NVME", "COMPOSITE"))
                .contains("The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")
        );
        assert!(
            message(parse("SHA1", "FULL_OBJECT")).contains("FULL_OBJECT checksum type cannot be used with the sha1")
        );
        assert!(message(parse("ROT13", "")).contains("[CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XX"));
        assert!(parse("CRC32", "HALF").is_err());
        assert!(
            message(parse_upload_checksum(&headers(&[("x-amz-checksum-type", "COMPOSITE")])))
                .contains("can only be used with the x-amz-checksum-algorithm header.")
        );
    }

    #[test]
    fn complete_reads_composite_values() {
        let parse = |value: &str| CompleteChecksum::parse(&headers(&[("x-amz-checksum-crc32", value)]));
        let digest = vec![1, 2, 3, 4];
        assert_eq!(parse("AQIDBA==-2").unwrap().checksum, Some((ChecksumAlgorithm::Crc32, digest.clone(), Some(2))));
        assert_eq!(parse("AQIDBA==").unwrap().checksum, Some((ChecksumAlgorithm::Crc32, digest, None)));
        for value in ["AQIDBA==-", "AQIDBA==--2", "AQIDBA==-x", "-2", "AQID-2"] {
            assert!(parse(value).is_err(), "{value}");
        }
    }
}
