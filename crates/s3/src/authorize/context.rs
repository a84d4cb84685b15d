//! What a request says about itself, under the names of the condition keys.

use coffer_access::Context;
use http::HeaderMap;
use http::header::{REFERER, USER_AGENT};

use crate::auth::SignaturePlace;
use crate::copy_source::CopySource;
use crate::error::LOCK_RETAIN_UNTIL;
use crate::object_lock::{LockDocument, legal_hold_name, remaining_days};
use crate::query::Query;
use crate::request::S3Request;
use crate::route::Operation;
use crate::time::{iso8601, parse_timestamp};

/// The condition keys of a request that do not depend on what it is about.
///
/// Values are as they were sent: a policy is asked before anybody has looked whether they are sound. Of a header that
/// stands several times the values are joined, so that it equals none of them; what reads it later refuses it.
///
/// `encryption` is the method that the write is to be judged by.
pub(super) fn of_request(request: &S3Request, region: &str, encryption: Option<String>) -> Context {
    let headers = request.headers.as_map();
    let mut context = Context::new();
    context.set("aws:SourceIp", request.connection.client.to_string());
    context.set("aws:SecureTransport", if request.connection.secure { "true" } else { "false" });
    context.set("aws:CurrentTime", iso8601(request.now_ms));
    context.set("aws:EpochTime", (request.now_ms / 1000).to_string());
    context.set("aws:RequestedRegion", region);
    context.set("aws:ViaAWSService", "false");
    context.set_if("aws:Referer", text(headers, REFERER.as_str()));
    context.set_if("aws:UserAgent", text(headers, USER_AGENT.as_str()));
    context.set_if("s3:TlsVersion", request.connection.tls.and_then(|tls| tls.version.strip_prefix("TLSv")));
    for (key, header) in HEADER_KEYS {
        // A header beside a document that says what is to be kept says nothing.
        if request.admitted.lock_document.is_none() || !key.starts_with("s3:object-lock-") {
            context.set_if(key, text(headers, header));
        }
    }
    context.set_if(ENCRYPTION, encryption);
    set_signature(&mut context, request);
    // The same source has many spellings; a policy compares with one.
    if let Ok(source) = CopySource::parse(&request.headers) {
        context.set("s3:x-amz-copy-source", format!("{}/{}", source.bucket, source.key));
    }
    set_tags(&mut context, text(headers, "x-amz-tagging").as_deref());
    set_lock(&mut context, request);
    if is_listing(request.route.operation) {
        for name in ["prefix", "delimiter", "max-keys"] {
            context.set_if(&format!("s3:{name}"), request.query.get(name));
        }
    }
    if let Some(creates) = creates_object(request.route.operation) {
        context.set("s3:ObjectCreationOperation", if creates { "true" } else { "false" });
    }
    context
}

fn set_signature(context: &mut Context, request: &S3Request) {
    let Some(signed) = request.signed else { return };
    context.set("s3:authType", signed.place.auth_type());
    context.set("s3:signatureversion", signed.version);
    if let SignaturePlace::Query { age_ms } = signed.place {
        context.set("s3:signatureAge", age_ms.to_string());
        // Whoever has the URL may send any body with it.
        context.set("s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    }
}

/// Tags that the request gives to an object. What cannot be read is no tag, and is refused later.
fn set_tags(context: &mut Context, tagging: Option<&str>) {
    let Some(Ok(tags)) = tagging.map(Query::parse) else { return };
    let keys: Vec<String> = tags.iter().map(|(key, _)| key.to_owned()).collect();
    if keys.is_empty() {
        return;
    }
    for (key, value) in tags.iter() {
        context.set(&format!("s3:RequestObjectTag/{key}"), value);
    }
    context.set_all("s3:RequestObjectTagKeys", keys);
}

/// What the request asks to be kept: of a document what it says, of headers how long.
fn set_lock(context: &mut Context, request: &S3Request) {
    let until_ms = match &request.admitted.lock_document {
        Some(Ok(LockDocument::LegalHold(on))) => {
            context.set("s3:object-lock-legal-hold", legal_hold_name(*on));
            None
        }
        Some(Ok(LockDocument::Retention(retention))) => retention.map(|retention| {
            context.set("s3:object-lock-mode", retention.mode.name());
            context.set("s3:object-lock-retain-until-date", iso8601(retention.until_ms));
            retention.until_ms
        }),
        Some(Err(_)) => None,
        None => text(request.headers.as_map(), LOCK_RETAIN_UNTIL).as_deref().and_then(parse_timestamp),
    };
    let days = until_ms.map(|until_ms| remaining_days(until_ms, request.now_ms).to_string());
    context.set_if("s3:object-lock-remaining-retention-days", days);
}

fn is_listing(operation: Operation) -> bool {
    matches!(operation, Operation::ListObjects | Operation::ListObjectsV2 | Operation::ListObjectVersions)
}

/// Whether the operation makes an object visible; `None` for one that has nothing to do with writing objects.
fn creates_object(operation: Operation) -> Option<bool> {
    match operation {
        Operation::PutObject | Operation::PostObject | Operation::CopyObject | Operation::CompleteMultipartUpload => {
            Some(true)
        }
        Operation::CreateMultipartUpload | Operation::UploadPart | Operation::UploadPartCopy => Some(false),
        _ => None,
    }
}

/// The method of encryption that a request names.
pub(super) fn encryption(request: &S3Request) -> Option<String> {
    text(request.headers.as_map(), "x-amz-server-side-encryption")
}

/// The text of a header; of several of the same name, all of them.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?.into_owned();
    Some(values.fold(first, |joined, value| joined + "," + &value))
}

/// The condition key of the method of encryption.
pub(super) const ENCRYPTION: &str = "s3:x-amz-server-side-encryption";

/// Condition keys that are headers by another name.
#[rustfmt::skip]
const HEADER_KEYS: [(&str, &str); 19] = [
    ("s3:if-match", "if-match"),
    ("s3:if-none-match", "if-none-match"),
    ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
    ("s3:object-lock-mode", "x-amz-object-lock-mode"),
    ("s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date"),
    ("s3:x-amz-acl", "x-amz-acl"),
    ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
    ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
    ("s3:x-amz-grant-read", "x-amz-grant-read"),
    ("s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"),
    ("s3:x-amz-grant-write", "x-amz-grant-write"),
    ("s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"),
    ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
    ("s3:x-amz-object-ownership", "x-amz-object-ownership"),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
    ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
    ("s3:x-amz-storage-class", "x-amz-storage-class"),
    ("s3:x-amz-tagging-directive", "x-amz-tagging-directive"),
    ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
];
