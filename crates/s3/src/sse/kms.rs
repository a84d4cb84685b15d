//! The headers of SSE-KMS and DSSE-KMS.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BUCKET_KEY, KMS_CONTEXT, KMS_KEY_ID};
use crate::error::S3Error;
use crate::headers::Headers;

/// The pair that S3 adds to every encryption context: the ARN of the object, or of the bucket under a bucket key.
pub const S3_ARN: &str = "aws:s3:arn";

/// What a write says of the KMS that it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsRequest {
    /// Whether it is `aws:kms:dsse`: two layers of encryption.
    pub dsse: bool,
    /// The key as the request names it: an ID, an ARN or an alias; `None`: `aws/s3`.
    pub key_id: Option<String>,
    /// The encryption context besides what S3 adds.
    pub context: Option<RequestContext>,
    /// Whether a bucket key is to be used; `None`: as the bucket is set.
    pub bucket_key: Option<bool>,
}

/// An encryption context that came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The header, which the answer repeats.
    pub header: String,
    /// What it says.
    pub pairs: BTreeMap<String, String>,
}

impl KmsRequest {
    /// Reads what goes with `x-amz-server-side-encryption: aws:kms`, or `aws:kms:dsse`.
    ///
    /// # Errors
    /// K-CTX; `InvalidArgument` for a bucket key that is neither on nor off.
    pub(super) fn parse(headers: &Headers, dsse: bool) -> Result<Self, S3Error> {
        Ok(Self {
            dsse,
            key_id: headers.text(KMS_KEY_ID)?.map(str::to_owned),
            context: headers.text(KMS_CONTEXT)?.map(RequestContext::parse).transpose()?,
            bucket_key: bucket_key(headers)?,
        })
    }
}

impl RequestContext {
    fn parse(header: &str) -> Result<Self, S3Error> {
        let refused = || S3Error::encryption_context_malformed(header);
        let json = STANDARD.decode(header).map_err(|_| refused())?;
        let pairs: BTreeMap<String, String> = serde_json::from_slice(&json).map_err(|_| refused())?;
        // What the object is called is not for the caller to say.
        if pairs.contains_key(S3_ARN) { Err(refused()) } else { Ok(Self { header: header.to_owned(), pairs }) }
    }
}

/// Whether a bucket key is asked for.
///
/// # Errors
/// `InvalidArgument` for anything but `true` and `false`.
pub(super) fn bucket_key(headers: &Headers) -> Result<Option<bool>, S3Error> {
    match headers.text(BUCKET_KEY)? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(S3Error::invalid_argument("The header value is invalid.", BUCKET_KEY, Some(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::METHOD;
    use super::*;
    use crate::headers::headers;

    fn parse(pairs: &[(&str, &str)]) -> Result<KmsRequest, S3Error> {
        KmsRequest::parse(&headers(pairs), false)
    }

    #[test]
    fn a_context_that_is_no_map_of_strings_is_refused() {
        for text in ["not json", "", "[]", "1", r#""a""#, r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#, r#"{"a":null}"#, "{"] {
            let encoded = STANDARD.encode(text);
            let error = parse(&[(KMS_CONTEXT, &encoded)]).unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (400, "InvalidArgument"), "{text}");
            assert!(error.message().contains("Base64-encoded UTF-8 string holding JSON"), "{text}");
            assert_eq!(error.element("ArgumentName"), Some(KMS_CONTEXT));
        }
    }

    #[test]
    fn a_context_that_is_no_base64_or_no_utf8_is_refused() {
        let latin1 = STANDARD.encode(b"{\"a\":\"\xe4\"}");
        for header in ["", "{}", "e30", "e30==", "e3 0=", " e30=", latin1.as_str()] {
            assert!(parse(&[(KMS_CONTEXT, header)]).is_err(), "{header}");
        }
    }

    #[test]
    fn the_name_of_the_object_is_not_for_the_caller_to_say() {
        let context = STANDARD.encode(r#"{"team":"a","aws:s3:arn":"arn:aws:s3:::other/object"}"#);
        assert!(parse(&[(KMS_CONTEXT, &context)]).is_err());
    }

    #[test]
    fn a_bucket_key_is_on_or_off() {
        for value in ["", "True", "TRUE", "1", "yes", "true ", "true,true"] {
            assert_eq!(parse(&[(BUCKET_KEY, value)]).unwrap_err().element("ArgumentName"), Some(BUCKET_KEY), "{value}");
        }
        assert!(parse(&[(BUCKET_KEY, "true"), (BUCKET_KEY, "true")]).is_err());
        assert_eq!(parse(&[(BUCKET_KEY, "false")]).unwrap().bucket_key, Some(false));
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        for name in [KMS_KEY_ID, KMS_CONTEXT] {
            assert!(parse(&[(name, "e30="), (name, "e30=")]).is_err());
        }
    }

    #[test]
    fn what_is_sound_is_taken_as_it_is() {
        let header = STANDARD.encode(r#"{ "team": "ä", "": "" }"#);
        let named = [(METHOD, "aws:kms"), (KMS_KEY_ID, "alias/x"), (KMS_CONTEXT, &header), (BUCKET_KEY, "true")];
        let pairs = [("team".to_owned(), "ä".to_owned()), (String::new(), String::new())].into();
        let expected = KmsRequest {
            dsse: false,
            key_id: Some("alias/x".into()),
            context: Some(RequestContext { header: header.clone(), pairs }),
            bucket_key: Some(true),
        };
        assert_eq!(parse(&named).unwrap(), expected);
        assert_eq!(parse(&[]).unwrap(), KmsRequest { dsse: false, key_id: None, context: None, bucket_key: None });
    }
}
