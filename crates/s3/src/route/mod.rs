//! From method, host, path and query to bucket, key and operation.

mod bucket_name;
mod control;
mod operation;
mod table;

use crate::error::S3Error;
use crate::headers::Headers;
use crate::query::{Query, decode};
use control::control_route;
use table::{BUCKET, OBJECT, Row};

pub use bucket_name::may_be_a_bucket;
pub use control::{ACCOUNT_ID, TAG_KEYS};
pub use operation::Operation;

/// Bytes of UTF-8 that an object key can have.
pub const MAX_KEY_LEN: usize = 1024;

/// What a request is about.
///
/// There is a bucket in every operation but ListBuckets and those on an account's Block Public Access, and a key in
/// every operation on an object but PostObject, whose key is in its form.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// The bucket: any name that [`may_be_a_bucket`].
    pub bucket: Option<String>,
    /// The object key as it is after percent-decoding, nothing normalised: not empty, at most [`MAX_KEY_LEN`] bytes.
    pub key: Option<String>,
    /// The operation.
    pub operation: Operation,
}

/// What a request line and its headers say, before anything is made of it.
pub struct RequestLine<'a> {
    /// The method, upper-case.
    pub method: &'a str,
    /// The `Host` header or the authority of the URI, with or without a port.
    pub host: &'a str,
    /// The path as it came, percent-encoded.
    pub path: &'a str,
    /// The decoded query.
    pub query: &'a Query,
    /// The headers: a copy source makes a copy.
    pub headers: &'a Headers,
}

/// Finds bucket, key and operation. `domains` are the base domains of virtual-hosted buckets, lower-case; any other
/// host is path style.
///
/// # Errors
/// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, `MethodNotAllowed`; `InvalidArgument` for two sub-resources
/// at once.
pub fn route(request: &RequestLine<'_>, domains: &[String]) -> Result<Route, S3Error> {
    if let Some(route) = control_route(request, domains)? {
        return Ok(route);
    }
    let path = request.path.strip_prefix('/').unwrap_or(request.path);
    let (bucket, key) = match virtual_bucket(request.host, domains) {
        Some(bucket) => (bucket, path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decode(bucket)?, key)
        }
    };
    let key = decode(key)?;
    if bucket.is_empty() && key.is_empty() {
        return Ok(Route { bucket: None, key: None, operation: service_operation(request)? });
    }
    if !may_be_a_bucket(&bucket) {
        return Err(S3Error::invalid_bucket_name(&bucket));
    }
    if key.is_empty() {
        return Ok(Route { bucket: Some(bucket), key: None, operation: bucket_operation(request)? });
    }
    if key.len() > MAX_KEY_LEN {
        return Err(S3Error::key_too_long(key.len(), MAX_KEY_LEN));
    }
    Ok(Route { bucket: Some(bucket), key: Some(key), operation: object_operation(request)? })
}

/// The bucket that the host names: `photos.s3.example.org` under the domain `s3.example.org`.
pub(crate) fn virtual_bucket(host: &str, domains: &[String]) -> Option<String> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.to_ascii_lowercase();
    let bucket = |domain: &String| host.strip_suffix(domain.as_str())?.strip_suffix('.').map(str::to_owned);
    domains.iter().find_map(bucket).filter(|bucket| !bucket.is_empty())
}

fn service_operation(request: &RequestLine<'_>) -> Result<Operation, S3Error> {
    match request.method {
        "GET" => Ok(Operation::ListBuckets),
        "OPTIONS" => Ok(Operation::PreflightObject),
        method => Err(S3Error::method_not_allowed(method, "SERVICE", "GET".into())),
    }
}

fn bucket_operation(request: &RequestLine<'_>) -> Result<Operation, S3Error> {
    if let Some(operation) = sub_resource_operation(request, BUCKET)? {
        return Ok(operation);
    }
    match request.method {
        "GET" if request.query.get("list-type") == Some("2") => Ok(Operation::ListObjectsV2),
        "GET" => Ok(Operation::ListObjects),
        "HEAD" => Ok(Operation::HeadBucket),
        "PUT" => Ok(Operation::CreateBucket),
        "DELETE" => Ok(Operation::DeleteBucket),
        "POST" => Ok(Operation::PostObject),
        "OPTIONS" => Ok(Operation::PreflightObject),
        method => Err(S3Error::method_not_allowed(method, "BUCKET", "GET, HEAD, PUT, DELETE, POST".into())),
    }
}

fn object_operation(request: &RequestLine<'_>) -> Result<Operation, S3Error> {
    let is_copy = request.headers.contains("x-amz-copy-source");
    match sub_resource_operation(request, OBJECT)? {
        Some(Operation::UploadPart) if is_copy => return Ok(Operation::UploadPartCopy),
        Some(operation) => return Ok(operation),
        None => {}
    }
    match request.method {
        // A part without its upload would silently become the whole object.
        "PUT" if request.query.contains("partNumber") => {
            Err(S3Error::invalid_argument("This operation needs uploadId together with partNumber", "uploadId", None))
        }
        "PUT" if is_copy => Ok(Operation::CopyObject),
        "PUT" => Ok(Operation::PutObject),
        "GET" => Ok(Operation::GetObject),
        "HEAD" => Ok(Operation::HeadObject),
        "DELETE" => Ok(Operation::DeleteObject),
        "OPTIONS" => Ok(Operation::PreflightObject),
        method => Err(S3Error::method_not_allowed(method, "OBJECT", "GET, HEAD, PUT, DELETE".into())),
    }
}

/// The operation that the one sub-resource in the query makes. Parameters outside of `table` are plain ones.
fn sub_resource_operation(request: &RequestLine<'_>, table: &[Row]) -> Result<Option<Operation>, S3Error> {
    let is_sub_resource = |name: &&str| table.iter().any(|(sub_resource, ..)| sub_resource == name);
    let mut named: Vec<&str> = request.query.iter().map(|(name, _)| name).filter(is_sub_resource).collect();
    named.dedup();
    let sub_resource = match named.as_slice() {
        [] => return Ok(None),
        [sub_resource] => *sub_resource,
        [first, ..] => {
            let message = format!("Conflicting query string parameters: {}", named.join(", "));
            return Err(S3Error::invalid_argument(message, "ResourceType", Some(first)));
        }
    };
    if request.method == "OPTIONS" {
        return Ok(Some(Operation::PreflightObject));
    }
    let rows = || table.iter().filter(|row| row.0 == sub_resource);
    let fits = |row: &&Row| row.1 == request.method && (row.2.is_empty() || request.query.contains(row.2));
    match rows().find(fits) {
        Some(row) => Ok(Some(row.3)),
        None => {
            let mut allow: Vec<&str> = rows().map(|row| row.1).collect();
            allow.dedup();
            Err(S3Error::method_not_allowed(request.method, &sub_resource.to_uppercase(), allow.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
