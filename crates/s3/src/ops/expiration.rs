//! `x-amz-expiration`, `x-amz-abort-date`, `x-amz-abort-rule-id`: what lifecycle rules will do, and when.
//!
//! They tell days of 24 hours, whatever the job counts in tests.

use std::fmt::Write as _;

use coffer_configuration::{CurrentVersion, DAY_MS, LifecycleConfiguration};
use coffer_store::{Bucket, ObjectInfo, ObjectKey, UploadInfo};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::get::ascii;
use crate::request::S3Request;
use crate::time::http_date;

const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");
const ABORT_DATE: HeaderName = HeaderName::from_static("x-amz-abort-date");
const ABORT_RULE_ID: HeaderName = HeaderName::from_static("x-amz-abort-rule-id");

/// Says when an object expires that is the current version now.
pub(super) fn write_expiration(bucket: &Bucket, key: &ObjectKey, info: &ObjectInfo, headers: &mut HeaderMap) {
    let version = CurrentVersion {
        key: key.as_str(),
        size: info.size,
        tags: &info.tags,
        storage_class: &info.storage_class,
        made_ms: info.last_modified_ms,
    };
    if let Some(due) = rules(bucket).and_then(|rules| rules.expiration(&version, DAY_MS)) {
        let (date, rule_id) = (http_date(due.at_ms), quotable(due.rule_id));
        headers.insert(EXPIRATION, ascii(&format!("expiry-date=\"{date}\", rule-id=\"{rule_id}\"")));
    }
}

/// Says when an object expires that was asked for; nothing of a version that was asked for by its ID, as on S3.
pub(super) fn write_expiration_of_read(
    request: &S3Request,
    bucket: &Bucket,
    key: &ObjectKey,
    info: &ObjectInfo,
    headers: &mut HeaderMap,
) {
    if request.query.get("versionId").is_none() {
        write_expiration(bucket, key, info, headers);
    }
}

/// Says when an upload is aborted.
pub(super) fn write_abort(bucket: &Bucket, upload: &UploadInfo, headers: &mut HeaderMap) {
    let due = rules(bucket).and_then(|rules| rules.abort(&upload.key, upload.initiated_ms, DAY_MS));
    if let Some(due) = due {
        headers.insert(ABORT_DATE, ascii(&http_date(due.at_ms)));
        let rule_id = HeaderValue::from_str(&quotable(due.rule_id));
        headers.insert(ABORT_RULE_ID, rule_id.unwrap_or(HeaderValue::from_static("")));
    }
}

fn rules(bucket: &Bucket) -> Option<&LifecycleConfiguration> {
    bucket.settings()?.lifecycle.as_ref()
}

/// The ID of a rule as it is; what cannot stand between quotation marks in a header is percent-encoded.
fn quotable(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b' '..=b'~' if byte != b'"' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_as_they_are_where_a_header_can() {
        assert_eq!(quotable("Delete after 14 days, 100%"), "Delete after 14 days, 100%");
        assert_eq!(quotable("\"a\"\r\nb: c"), "%22a%22%0D%0Ab: c");
        assert_eq!(quotable("für"), "f%C3%BCr");
    }
}
