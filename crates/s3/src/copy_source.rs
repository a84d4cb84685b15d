//! The source of a copy.

use crate::error::S3Error;
use crate::headers::Headers;
use crate::query::decode_form;
use crate::route::{MAX_KEY_LEN, may_be_a_bucket};

/// What `x-amz-copy-source` names.
#[derive(Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: String,
    /// The object key, not empty.
    pub key: String,
    /// The version; without it the current one is meant.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Parses `x-amz-copy-source`: `bucket/key` or `/bucket/key`, encoded as in a query, with `?versionId=` or without.
    ///
    /// # Errors
    /// `InvalidArgument`; `InvalidBucketName`; `KeyTooLongError`; `NotImplemented` for access points.
    pub fn parse(headers: &Headers) -> Result<Self, S3Error> {
        let value = headers.text(HEADER)?.unwrap_or_default();
        if value.starts_with("arn:") {
            return Err(S3Error::not_implemented_header(HEADER));
        }
        let malformed = || {
            let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            S3Error::invalid_argument(message, HEADER, Some(value))
        };
        let (path, version_id) = match value.rsplit_once("?versionId=") {
            Some((path, version_id)) => (path, Some(decode_form(version_id).map_err(|_| malformed())?)),
            None => (value, None),
        };
        // Some clients encode the slash between bucket and key as well; some, like s5cmd, a blank as `+`.
        let path = decode_form(path).map_err(|_| malformed())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(malformed)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(malformed());
        }
        if !may_be_a_bucket(bucket) {
            return Err(S3Error::invalid_bucket_name(bucket));
        }
        if key.len() > MAX_KEY_LEN {
            return Err(S3Error::key_too_long(key.len(), MAX_KEY_LEN));
        }
        Ok(Self { bucket: bucket.into(), key: key.into(), version_id })
    }
}

const HEADER: &str = "x-amz-copy-source";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn parse(value: &str) -> Result<(String, String, Option<String>), &'static str> {
        match CopySource::parse(&headers(&[(HEADER, value)])) {
            Ok(source) => Ok((source.bucket, source.key, source.version_id)),
            Err(error) => Err(error.code()),
        }
    }

    fn source(
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(String, String, Option<String>), &'static str> {
        Ok((bucket.into(), key.into(), version_id.map(str::to_owned)))
    }

    #[test]
    fn sources_are_decoded_and_not_normalised() {
        assert_eq!(parse("photos/a"), source("photos", "a", None));
        assert_eq!(parse("/photos/a//../b%20%C3%BC+%2B"), source("photos", "a//../b ü +", None));
        assert_eq!(parse("photos%2Fa%3FversionId=x"), source("photos", "a?versionId=x", None));
        assert_eq!(parse("photos/a?b?versionId=v1"), source("photos", "a?b", Some("v1")));
        assert_eq!(parse("photos//a"), source("photos", "/a", None));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for value in ["", "/", "photos", "photos/", "/photos", "//a", "photos/%", "photos/%ff", "photos/a?versionId=%"]
        {
            assert_eq!(parse(value), Err("InvalidArgument"), "{value}");
        }
        assert_eq!(parse("p/a"), Err("InvalidBucketName"));
        assert_eq!(parse("arn:aws:s3:us-east-1:1:accesspoint/a/object/k"), Err("NotImplemented"));
        assert_eq!(parse(&format!("photos/{}", "k".repeat(1025))), Err("KeyTooLongError"));
    }
}
