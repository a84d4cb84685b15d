//! Versions on the wire: `versionId`, `x-amz-version-id`, `x-amz-delete-marker`.

use coffer_store::{Bucket, DeleteMarkerInfo, ObjectKey, ObjectVersion, VersionId};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::get::ascii;
use super::store_error::Subject;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::time::http_date;

pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
pub(super) const COPY_SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
pub(super) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// Reads a version ID.
///
/// # Errors
/// `InvalidArgument` for what is none.
pub(super) fn parse_version_id(text: Option<&str>) -> Result<Option<VersionId>, S3Error> {
    let Some(text) = text else { return Ok(None) };
    match VersionId::parse(text) {
        Some(id) => Ok(Some(id)),
        None if text.is_empty() => {
            let message = "Version id cannot be the empty string";
            Err(S3Error::invalid_argument(message, "versionId", Some("")))
        }
        None => Err(S3Error::invalid_argument("Invalid version id specified", "versionId", Some(text))),
    }
}

/// The version of `key` that the request names; without a name the current one.
///
/// # Errors
/// `InvalidArgument` for what is no version ID.
pub(super) fn target<'k>(request: &S3Request, key: &'k ObjectKey) -> Result<ObjectVersion<'k>, S3Error> {
    Ok(ObjectVersion { key, version: parse_version_id(request.query.get("versionId"))? })
}

/// What errors about the object of the request name.
pub(super) fn subject(request: &S3Request) -> Subject<'_> {
    Subject {
        bucket: request.bucket_name(),
        key: request.key_text(),
        version_id: request.query.get("versionId"),
        method: request.method.as_str(),
        ..Subject::default()
    }
}

/// Says which version an answer is about. A bucket that never had versioning has no versions to speak of.
pub(super) fn write_version(bucket: &Bucket, version: VersionId, headers: &mut HeaderMap) {
    if bucket.versioning().is_some() || version != VersionId::Null {
        headers.insert(VERSION_ID, ascii(&version.to_string()));
    }
}

/// Says which version a write made. S3 does not say it of the version `null`.
pub(super) fn write_new_version(version: VersionId, headers: &mut HeaderMap) {
    if version != VersionId::Null {
        headers.insert(VERSION_ID, ascii(&version.to_string()));
    }
}

/// The answer to who asked for a version that is a delete marker.
pub(super) fn named_marker(method: &str, marker: &DeleteMarkerInfo) -> S3Error {
    let error = S3Error::method_not_allowed(method, "DeleteMarker", "DELETE".to_owned());
    with_marker(error, marker).with_header(header::LAST_MODIFIED, ascii(&http_date(marker.last_modified_ms)))
}

/// Adds to an error that what was found is a delete marker.
pub(super) fn with_marker(error: S3Error, marker: &DeleteMarkerInfo) -> S3Error {
    error
        .with_header(VERSION_ID, ascii(&marker.version.to_string()))
        .with_header(DELETE_MARKER, HeaderValue::from_static("true"))
}
