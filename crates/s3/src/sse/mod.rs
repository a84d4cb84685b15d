//! The encryption headers. This is the only module that reads them.
//!
//! Every operation takes the headers for its role, and gets a customer key, a mode, or S3's error. The order of the
//! checks is S3's, and shows in the answers: conflict with another method, algorithm there, key there, MD5 there
//! (writes), key not too short, MD5 right, algorithm `AES256`, key of 32 bytes (where a new key is introduced).

mod kms;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{Key32, ct_eq, md5};
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::error::S3Error;
use crate::headers::Headers;

pub use kms::{KmsRequest, RequestContext, S3_ARN};

/// A key that the customer provides with every request. No `Debug`, no `Clone`.
pub struct CustomerKey {
    key: Option<Key32>,
    md5: String,
}

impl CustomerKey {
    /// The key; `None` if it has not 32 bytes or is not base64. That is an error only where a new key is introduced
    /// (and never gets here then); elsewhere such a key simply is not the object's.
    #[must_use]
    pub fn key(&self) -> Option<&Key32> {
        self.key.as_ref()
    }

    /// Base64 of the key's MD5, for the header of the answer.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }
}

/// The encryption that a write asks for.
pub enum RequestEncryption {
    /// No method named: the bucket's default, which a header may tell to use a bucket key or not.
    Unspecified {
        /// What the header says.
        bucket_key: Option<bool>,
    },
    /// SSE-S3, by name.
    SseS3,
    /// SSE-KMS or DSSE-KMS.
    Kms(KmsRequest),
    /// SSE-C.
    CustomerKey(CustomerKey),
}

/// Refuses customer keys, of the object or of a copy source, sound or not, and SSE-KMS, unless the request came over
/// TLS.
///
/// # Errors
/// C-TLS, K-TLS.
pub fn check_transport(headers: &Headers, tls: bool) -> Result<(), S3Error> {
    if tls {
        return Ok(());
    }
    if [&OBJECT, &COPY_SOURCE].into_iter().flatten().any(|name| headers.contains(name)) {
        return Err(S3Error::customer_key_over_http());
    }
    if headers.all(METHOD).any(|method| method.starts_with(b"aws:kms")) {
        return Err(S3Error::kms_over_http());
    }
    Ok(())
}

/// Whether the request names a customer key for what it writes or reads, sound or not: what blocks on a bucket that
/// refuses them.
#[must_use]
pub fn names_customer_key(headers: &Headers) -> bool {
    OBJECT.iter().any(|name| headers.contains(name))
}

/// For PutObject, PostObject, CreateMultipartUpload.
///
/// # Errors
/// S-METHOD, C-CONFLICT, K-HDR, then C-NOALG to C-LEN, or K-CTX.
pub fn for_write(headers: &Headers) -> Result<RequestEncryption, S3Error> {
    refuse_unknown(headers)?;
    let method = method_of_write(headers)?;
    write_encryption(headers, method)
}

/// For CopyObject: the source's key, and the encryption of the destination. The source is judged first.
///
/// # Errors
/// As [`for_write`], with the errors of the source's key before those of the destination's.
pub fn for_copy(headers: &Headers) -> Result<(Option<CustomerKey>, RequestEncryption), S3Error> {
    refuse_unknown(headers)?;
    let method = method_of_write(headers)?;
    let source = customer_key(headers, &COPY_SOURCE, Role::Existing)?;
    Ok((source, write_encryption(headers, method)?))
}

/// For UploadPart.
///
/// # Errors
/// S-OP, then C-NOALG to C-BADALG.
pub fn for_part(headers: &Headers) -> Result<Option<CustomerKey>, S3Error> {
    refuse_unknown(headers)?;
    refuse_method(headers)?;
    customer_key(headers, &OBJECT, Role::Part)
}

/// For UploadPartCopy: the source's key, judged first, and the upload's.
///
/// # Errors
/// As [`for_part`].
pub fn for_part_copy(headers: &Headers) -> Result<(Option<CustomerKey>, Option<CustomerKey>), S3Error> {
    refuse_unknown(headers)?;
    refuse_other_methods(headers)?;
    let source = customer_key(headers, &COPY_SOURCE, Role::Existing)?;
    Ok((source, customer_key(headers, &OBJECT, Role::Part)?))
}

/// For CompleteMultipartUpload, where fewer than all three headers count as none.
///
/// # Errors
/// S-OP, then C-SHORT to C-BADALG.
pub fn for_complete(headers: &Headers) -> Result<Option<CustomerKey>, S3Error> {
    refuse_unknown(headers)?;
    refuse_other_methods(headers)?;
    if OBJECT.iter().all(|name| headers.contains(name)) {
        customer_key(headers, &OBJECT, Role::Existing)
    } else {
        Ok(None)
    }
}

/// For GetObject, HeadObject, GetObjectAttributes, ListParts.
///
/// # Errors
/// S-OP, then C-NOALG to C-BADALG.
pub fn for_read(headers: &Headers) -> Result<Option<CustomerKey>, S3Error> {
    refuse_unknown(headers)?;
    refuse_method(headers)?;
    customer_key(headers, &OBJECT, Role::Existing)
}

/// How an object or upload is encrypted, as answers say it.
pub enum AppliedEncryption<'a> {
    /// SSE-S3.
    SseS3,
    /// SSE-KMS or DSSE-KMS.
    Kms {
        /// `aws:kms` or `aws:kms:dsse`.
        method: &'static str,
        /// The ARN of the key, whatever the request called it.
        key_arn: &'a str,
        /// Whether the data key is that of the bucket: said only if so.
        bucket_key_enabled: bool,
    },
    /// SSE-C. Complete without the key answers without the MD5.
    CustomerKey {
        /// Base64 of the key's MD5.
        md5: Option<&'a str>,
    },
}

/// Writes the encryption headers of an answer.
pub fn write_applied(applied: &AppliedEncryption<'_>, headers: &mut HeaderMap) {
    let aes256 = HeaderValue::from_static("AES256");
    match applied {
        AppliedEncryption::SseS3 => {
            headers.insert(HeaderName::from_static(METHOD), aes256);
        }
        AppliedEncryption::Kms { method, key_arn, bucket_key_enabled } => {
            headers.insert(HeaderName::from_static(METHOD), HeaderValue::from_static(method));
            let key_arn = HeaderValue::try_from(*key_arn).expect("ARNs of keys are ASCII");
            headers.insert(HeaderName::from_static(KMS_KEY_ID), key_arn);
            if *bucket_key_enabled {
                headers.insert(HeaderName::from_static(BUCKET_KEY), HeaderValue::from_static("true"));
            }
        }
        AppliedEncryption::CustomerKey { md5 } => {
            headers.insert(HeaderName::from_static(OBJECT[0]), aes256);
            if let Some(md5) = md5 {
                let md5 = HeaderValue::try_from(*md5).expect("base64 is a valid header value");
                headers.insert(HeaderName::from_static(OBJECT[2]), md5);
            }
        }
    }
}

/// Repeats the encryption context of a write in its answer.
pub fn write_context(context: &RequestContext, headers: &mut HeaderMap) {
    let context = HeaderValue::try_from(&context.header).expect("base64 is a valid header value");
    headers.insert(HeaderName::from_static(KMS_CONTEXT), context);
}

/// What the object's key is to the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A new key: the MD5 must be there, and the length be right.
    Write,
    /// The upload's key: the MD5 must be there.
    Part,
    /// A key that exists already.
    Existing,
}

/// The method a write asks for besides a customer key, in S3's order: known, without a customer key, and with nothing
/// that belongs to another method.
fn method_of_write(headers: &Headers) -> Result<Option<&'static str>, S3Error> {
    let method = lossy(headers.bytes(METHOD)?);
    let known = match method.as_deref() {
        None => None,
        Some("AES256") => Some("AES256"),
        Some("aws:kms") => Some(SSE_KMS),
        Some("aws:kms:dsse") => Some(DSSE_KMS),
        Some(other) => return Err(S3Error::encryption_method_not_supported(other)),
    };
    if let Some(method) = known
        && names_customer_key(headers)
    {
        return Err(S3Error::customer_key_conflict(method));
    }
    if known.is_none_or(|method| method == "AES256") && (headers.contains(KMS_KEY_ID) || headers.contains(KMS_CONTEXT))
    {
        return Err(S3Error::kms_header_without_kms(known));
    }
    Ok(known)
}

fn write_encryption(headers: &Headers, method: Option<&'static str>) -> Result<RequestEncryption, S3Error> {
    let key = customer_key(headers, &OBJECT, Role::Write)?;
    let bucket_key = kms::bucket_key(headers)?;
    Ok(match (key, method) {
        (Some(key), _) => RequestEncryption::CustomerKey(key),
        (None, Some(method @ (SSE_KMS | DSSE_KMS))) => {
            RequestEncryption::Kms(KmsRequest::parse(headers, method == DSSE_KMS)?)
        }
        (None, Some(_)) => RequestEncryption::SseS3,
        (None, None) => RequestEncryption::Unspecified { bucket_key },
    })
}

/// Refuses encryption headers that mean nothing to this server, as a misspelt one does: what they ask for cannot be
/// honoured. Their values are not repeated, since one may be a key.
fn refuse_unknown(headers: &Headers) -> Result<(), S3Error> {
    let known = |name: &str| {
        [METHOD, KMS_KEY_ID, KMS_CONTEXT, BUCKET_KEY].contains(&name)
            || OBJECT.contains(&name)
            || COPY_SOURCE.contains(&name)
    };
    let mut named = headers.with_prefix(METHOD).chain(headers.with_prefix(COPY_SOURCE_PREFIX));
    match named.find(|(name, _)| !known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("{name} header is not supported for this operation.");
            Err(S3Error::invalid_argument(message, name, None))
        }
    }
}

/// S-OP: what is fixed already cannot be asked for.
fn refuse_method(headers: &Headers) -> Result<(), S3Error> {
    for name in [METHOD, KMS_KEY_ID, KMS_CONTEXT, BUCKET_KEY] {
        if let Some(value) = lossy(headers.bytes(name)?) {
            return Err(S3Error::encryption_header_not_supported(name, &value));
        }
    }
    Ok(())
}

/// S-OP for what no upload can have been created with. SSE-S3 is held against the upload itself, by
/// [`check_method_of_upload`].
fn refuse_other_methods(headers: &Headers) -> Result<(), S3Error> {
    if headers.bytes(METHOD)? == Some(b"AES256") && ![KMS_KEY_ID, KMS_CONTEXT].iter().any(|name| headers.contains(name))
    {
        return Ok(());
    }
    refuse_method(headers)
}

/// For CompleteMultipartUpload and UploadPartCopy: a method named again must be the one that the upload has.
///
/// S3 refuses the header there whatever it says. Clients that know other stores than S3 send it to them all the same,
/// and what they ask for is what they get (docs/decisions/0005-method-named-again.md).
///
/// # Errors
/// S-OP.
pub fn check_method_of_upload(headers: &Headers, upload_is_sse_s3: bool) -> Result<(), S3Error> {
    if upload_is_sse_s3 { Ok(()) } else { refuse_method(headers) }
}

/// Judges algorithm, key and MD5 under `names`.
fn customer_key(headers: &Headers, names: &[&str; 3], role: Role) -> Result<Option<CustomerKey>, S3Error> {
    let [algorithm, key, key_md5] = names;
    let (algorithm, key, key_md5) = (headers.bytes(algorithm)?, headers.bytes(key)?, headers.bytes(key_md5)?);
    if algorithm.is_none() && key.is_none() && key_md5.is_none() {
        return Ok(None);
    }
    let algorithm = algorithm.ok_or_else(S3Error::customer_algorithm_missing)?;
    let key = key.ok_or_else(S3Error::customer_key_missing)?;
    if key_md5.is_none() && role != Role::Existing {
        return Err(S3Error::customer_key_md5_missing());
    }
    if !key.is_ascii() {
        return Err(S3Error::customer_key_not_base64());
    }
    if key.iter().filter(|byte| is_base64(**byte)).count() < 4 {
        return Err(S3Error::customer_key_too_short());
    }
    // S3's decoder takes stray characters and wrong padding; this one does not. What it does not take has no MD5,
    // which is what S3 answers to most of it.
    let raw = STANDARD.decode(key).map(Zeroizing::new).ok();
    let md5 = raw.as_ref().map(|raw| STANDARD.encode(md5(raw)));
    if let Some(sent) = key_md5
        && !md5.as_ref().is_some_and(|md5| ct_eq(md5.as_bytes(), sent))
    {
        return Err(S3Error::customer_key_md5_mismatch());
    }
    if algorithm != b"AES256" {
        return Err(S3Error::invalid_encryption_algorithm(&String::from_utf8_lossy(algorithm)));
    }
    let key = raw.as_ref().and_then(|raw| Key32::from_slice(raw));
    if key.is_none() && role == Role::Write {
        return Err(S3Error::customer_key_wrong_length());
    }
    Ok(Some(CustomerKey { key, md5: md5.unwrap_or_default() }))
}

fn lossy(value: Option<&[u8]>) -> Option<String> {
    value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// SSE-KMS, as headers and configurations name it.
pub const SSE_KMS: &str = "aws:kms";
/// DSSE-KMS, as headers and configurations name it.
pub const DSSE_KMS: &str = "aws:kms:dsse";

const METHOD: &str = "x-amz-server-side-encryption";
const KMS_KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const KMS_CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// Algorithm, key, MD5 of the key.
const OBJECT: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const COPY_SOURCE_PREFIX: &str = "x-amz-copy-source-server-side-encryption";
const COPY_SOURCE: [&str; 3] = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
];

#[cfg(test)]
mod tests;
