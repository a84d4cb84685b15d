//! A line of S3's server access log.
//!
//! Fields are separated by blanks, and `-` stands for what is not there. What a client sent cannot end a field or a
//! line: blanks, quotation marks, controls and everything outside of ASCII are percent-encoded in it.

use std::borrow::Cow;

use coffer_access::Principal;
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};

use super::operation::operation;
use super::record::{Completion, FurtherObject, RequestHead, RequestRecord};
use crate::time::log_time;

/// What a line says besides what is in the record.
pub struct LineContext<'a> {
    /// The canonical user ID of the bucket's owner.
    pub bucket_owner: &'a str,
    /// The name of the bucket.
    pub bucket: &'a str,
    /// Tells the canonical user ID of an account.
    pub canonical_id: &'a dyn Fn(&str) -> String,
}

/// The line of a request that ended just now, with its line feed.
#[must_use]
pub fn line(record: &RequestRecord, completion: Completion, context: &LineContext<'_>) -> String {
    let (head, answered, tls) = (record.head(), record.answered(), record.connection.tls);
    let header = |value: fn(&RequestHead) -> &Option<HeaderValue>| head.and_then(|head| value(head).as_ref());
    let fields: [Cow<'_, str>; 26] = [
        context.bucket_owner.into(),
        context.bucket.into(),
        format!("[{}]", log_time(record.received_ms)).into(),
        record.connection.client.to_string().into(),
        requester(record, context).into(),
        record.request_id.as_str().into(),
        operation(record).into(),
        optional(record.key().map(|key| utf8_percent_encode(key, IN_KEY).to_string())),
        quoted(head.map(request_uri)),
        optional(answered.map(|answered| answered.status.as_u16())),
        optional(answered.and_then(|answered| answered.error_code)),
        optional((completion.bytes_sent > 0).then_some(completion.bytes_sent)),
        optional(answered.and_then(|answered| answered.object_size)),
        record.elapsed().as_millis().to_string().into(),
        optional(record.turn_around().map(|time| time.as_millis())),
        quoted(header(|head| &head.referer).map(|value| escaped(value.as_bytes(), IN_QUOTES))),
        quoted(header(|head| &head.user_agent).map(|value| escaped(value.as_bytes(), IN_QUOTES))),
        optional(answered.and_then(|answered| answered.version_id.as_deref())),
        record.host_id.as_ref().into(),
        optional(record.signature().map(|signature| signature.version)),
        optional(tls.map(|tls| tls.cipher_suite)),
        optional(record.signature().map(|signature| signature.method)),
        optional(header(|head| &head.host).map(|value| escaped(value.as_bytes(), IN_FIELD))),
        optional(tls.map(|tls| tls.version)),
        // There are no access points.
        ABSENT.into(),
        if record.acl_required() { "Yes".into() } else { ABSENT.into() },
    ];
    finished(&fields)
}

/// The line of another object that a request was about. What the request's own line says is left out, as in S3's.
#[must_use]
pub fn further_line(record: &RequestRecord, object: &FurtherObject, context: &LineContext<'_>) -> String {
    let tls = record.connection.tls;
    let host = record.head().and_then(|head| head.host.as_ref());
    let fields: [Cow<'_, str>; 26] = [
        context.bucket_owner.into(),
        context.bucket.into(),
        format!("[{}]", log_time(record.received_ms)).into(),
        record.connection.client.to_string().into(),
        requester(record, context).into(),
        record.request_id.as_str().into(),
        object.operation.into(),
        utf8_percent_encode(&object.key, IN_KEY).to_string().into(),
        ABSENT.into(),
        object.status.as_u16().to_string().into(),
        optional(object.error_code),
        ABSENT.into(),
        optional(object.size),
        ABSENT.into(),
        ABSENT.into(),
        ABSENT.into(),
        ABSENT.into(),
        optional(object.version_id.as_ref().map(|id| escaped(id.as_bytes(), IN_FIELD))),
        record.host_id.as_ref().into(),
        optional(record.signature().map(|signature| signature.version)),
        optional(tls.map(|tls| tls.cipher_suite)),
        optional(record.signature().map(|signature| signature.method)),
        optional(host.map(|value| escaped(value.as_bytes(), IN_FIELD))),
        optional(tls.map(|tls| tls.version)),
        ABSENT.into(),
        ABSENT.into(),
    ];
    finished(&fields)
}

/// The fields as a line.
fn finished(fields: &[Cow<'_, str>]) -> String {
    let mut line = fields.join(" ");
    // Nobody asks from an AWS region.
    line.push_str(" -\n");
    line
}

/// The canonical user ID of an account, the ARN of whoever is less than one.
fn requester(record: &RequestRecord, context: &LineContext<'_>) -> String {
    match record.requester().map(|requester| &requester.caller.principal) {
        None | Some(Principal::Anonymous) => ABSENT.to_owned(),
        Some(Principal::Root { account }) => (context.canonical_id)(account),
        Some(principal) => escaped(principal.arn().as_bytes(), IN_FIELD),
    }
}

fn optional(value: Option<impl ToString>) -> Cow<'static, str> {
    value.map(|value| value.to_string()).filter(|value| !value.is_empty()).map_or(ABSENT.into(), Cow::Owned)
}

fn quoted(value: Option<String>) -> Cow<'static, str> {
    format!("\"{}\"", value.filter(|value| !value.is_empty()).as_deref().unwrap_or(ABSENT)).into()
}

fn escaped(bytes: &[u8], set: &'static AsciiSet) -> String {
    let bytes = &bytes[..bytes.len().min(MAX_HEADER_LEN)];
    percent_encode(bytes, set).to_string()
}

/// Method, target and version, without anything in the query that lets somebody else in.
fn request_uri(head: &RequestHead) -> String {
    let target = escaped(without_secrets(&head.uri).as_bytes(), IN_URI);
    format!("{} {target} {:?}", escaped(head.method.as_str().as_bytes(), IN_FIELD), head.version)
}

/// Path and query, with the values of secret parameters replaced.
fn without_secrets(uri: &Uri) -> Cow<'_, str> {
    let Some(query) = uri.query() else { return uri.path().into() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => Cow::Owned(format!("{name}={REDACTED}")),
        _ => Cow::Borrowed(pair),
    });
    format!("{}?{}", uri.path(), pairs.collect::<Vec<_>>().join("&")).into()
}

/// Whether a parameter of this name, percent-encoded as it came, holds a signature, a session token, or a customer key
/// that some client put where no key belongs.
fn is_secret(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    ["signature", "security-token", "customer-key", "secret", "password"].iter().any(|part| name.contains(part))
}

/// What stands for a field that is not there.
const ABSENT: &str = "-";
/// What stands for a secret.
const REDACTED: &str = "REDACTED";
/// The most bytes of a header, or of a target, in a line.
const MAX_HEADER_LEN: usize = 8 << 10;

/// What is percent-encoded in a field without quotation marks.
const IN_FIELD: &AsciiSet = &CONTROLS.add(b' ').add(b'"');
/// What is percent-encoded between quotation marks.
const IN_QUOTES: &AsciiSet = &CONTROLS.add(b'"');
/// What is percent-encoded in a target, where there is no blank.
const IN_URI: &AsciiSet = &CONTROLS.add(b' ').add(b'"');
/// What of an object key is percent-encoded.
const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

#[cfg(test)]
mod tests;
