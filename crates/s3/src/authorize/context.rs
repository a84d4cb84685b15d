//! What a request says about itself, under the names of the condition keys.

use coffer_access::Context;
use coffer_configuration::Tag;
use http::HeaderMap;
use http::header::{REFERER, USER_AGENT};

use crate::auth::SignaturePlace;
use crate::copy_source::CopySource;
use crate::error::LOCK_RETAIN_UNTIL;
use crate::object_lock::{LockDocument, legal_hold_name, remaining_days};
use crate::request::S3Request;
use crate::route::{Operation, TAG_KEYS};
use crate::tags::{TAGGING, read_tagging};
use crate::time::{iso8601, parse_timestamp};
use crate::xml::{parse_tag_resource, parse_tagging};

/// The condition keys of a request that do not depend on what it is about.
///
/// Values are as they were sent: a policy is asked before anybody has looked whether they are sound. Of a header that
/// stands several times the values are joined, so that it equals none of them; what reads it later refuses it.
///
/// Those of encryption are not among them: there is more to be asked about.
pub(super) fn of_request(request: &S3Request, region: &str) -> Context {
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
    set_signature(&mut context, request);
    // The same source has many spellings; a policy compares with one.
    if let Ok(source) = CopySource::parse(&request.headers) {
        context.set("s3:x-amz-copy-source", format!("{}/{}", source.bucket, source.key));
    }
    set_tags(&mut context, request);
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

/// Tags that the request gives to an object or a bucket, or takes from it.
fn set_tags(context: &mut Context, request: &S3Request) {
    match request.route.operation {
        Operation::TagResource => {
            let document = request.admitted.document.as_deref();
            set_resource_tags(context, &document.and_then(|body| parse_tag_resource(body).ok()).unwrap_or_default());
        }
        Operation::UntagResource => {
            let keys = request.query.iter().filter(|(name, _)| *name == TAG_KEYS).map(|(_, key)| key.to_owned());
            set_keys(context, "aws:TagKeys", keys.collect());
        }
        _ => {
            let tags = object_tags(request);
            set_each(context, "s3:RequestObjectTag/", tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())));
            set_keys(context, "s3:RequestObjectTagKeys", tags.into_iter().map(|tag| tag.key).collect());
        }
    }
}

/// Tags that an object is to have. What cannot be read is no tag, and is refused later; what the operation does not heed
/// does not count.
fn object_tags(request: &S3Request) -> Vec<Tag> {
    let form = request.form.as_ref().and_then(|form| form.tagging.as_deref()).map(str::as_bytes);
    let document = form.or(request.admitted.document.as_deref());
    let is_heeded = match request.route.operation {
        Operation::CopyObject => {
            text(request.headers.as_map(), "x-amz-tagging-directive").as_deref() == Some("REPLACE")
        }
        Operation::PutObject | Operation::PostObject | Operation::CreateMultipartUpload => true,
        _ => false,
    };
    let header = text(request.headers.as_map(), TAGGING).filter(|_| is_heeded);
    let tags = match (document, header) {
        (Some(document), _) => parse_tagging(document).ok(),
        (None, header) => header.and_then(|header| read_tagging(&header)),
    };
    tags.unwrap_or_default()
}

/// Sets the keys of tags that a bucket is to have.
pub(super) fn set_resource_tags(context: &mut Context, tags: &[Tag]) {
    set_each(context, "aws:RequestTag/", tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())));
    set_keys(context, "aws:TagKeys", tags.iter().map(|tag| tag.key.clone()).collect());
}

/// Sets a condition key for each tag. The names of condition keys have no case: one that stands for several tags has the
/// values of all of them.
pub(super) fn set_each<'a>(context: &mut Context, prefix: &str, tags: impl Iterator<Item = (&'a str, &'a str)>) {
    for (key, value) in tags {
        let name = format!("{prefix}{key}");
        let mut values = context.get(&name).map(<[String]>::to_vec).unwrap_or_default();
        values.push(value.to_owned());
        context.set_all(&name, values);
    }
}

/// Sets the condition key of the keys of tags; without any it is absent.
fn set_keys(context: &mut Context, name: &str, keys: Vec<String>) {
    if !keys.is_empty() {
        context.set_all(name, keys);
    }
}

/// What the request asks to be kept: of a document what it says, of headers how long.
fn set_lock(context: &mut Context, request: &S3Request) {
    let remaining = |until_ms| remaining_days(until_ms, request.now_ms);
    let days = match &request.admitted.lock_document {
        Some(Ok(LockDocument::Configuration(configuration))) => {
            configuration.default_retention.map(|default| default.period.days())
        }
        Some(Ok(LockDocument::LegalHold(on))) => {
            context.set("s3:object-lock-legal-hold", legal_hold_name(*on));
            None
        }
        Some(Ok(LockDocument::Retention(retention))) => retention.map(|retention| {
            context.set("s3:object-lock-mode", retention.mode.name());
            context.set("s3:object-lock-retain-until-date", iso8601(retention.until_ms));
            remaining(retention.until_ms)
        }),
        Some(Err(_)) => None,
        None => {
            let until = text(request.headers.as_map(), LOCK_RETAIN_UNTIL);
            until.as_deref().and_then(parse_timestamp).map(remaining)
        }
    };
    context.set_if("s3:object-lock-remaining-retention-days", days.map(|days| days.to_string()));
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

/// The text of a header of the request.
pub(super) fn header(request: &S3Request, name: &str) -> Option<String> {
    text(request.headers.as_map(), name)
}

/// The text of a header; of several of the same name, all of them.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?.into_owned();
    Some(values.fold(first, |joined, value| joined + "," + &value))
}

/// Condition keys that are headers by another name.
#[rustfmt::skip]
const HEADER_KEYS: [(&str, &str); 18] = [
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
    ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
    ("s3:x-amz-storage-class", "x-amz-storage-class"),
    ("s3:x-amz-tagging-directive", "x-amz-tagging-directive"),
    ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
];
