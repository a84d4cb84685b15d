//! A line: a flat JSON object under the names that CloudTrail has for the same facts.

use std::io;

use coffer_access::Principal;
use coffer_s3::log::{Completion, RequestRecord};
use coffer_s3::time::iso8601;
use http::HeaderValue;
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::config::Names;

/// The most bytes of a user agent that are logged.
const MAX_USER_AGENT_LEN: usize = 256;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    event_time: String,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source: Option<&'static str>,
    event_name: &'static str,
    #[serde(flatten)]
    identity: Option<Identity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(rename = "SSEApplied", skip_serializing_if = "Option::is_none")]
    sse_applied: Option<&'static str>,
    bytes_transferred_in: u64,
    bytes_transferred_out: u64,
    /// Whether the whole answer was handed to the connection.
    complete: bool,
    total_time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_byte_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher_suite: Option<&'static str>,
    #[serde(rename = "SignatureVersion", skip_serializing_if = "Option::is_none")]
    signature_version: Option<&'static str>,
    #[serde(rename = "AuthenticationMethod", skip_serializing_if = "Option::is_none")]
    authentication_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// Who asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    principal_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    access_key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
}

/// The line of a request that ended just now, with its line feed. `pseudonym` makes one of a scope and a name.
pub(super) fn line(
    record: &RequestRecord,
    completion: Completion,
    names: Names,
    pseudonym: impl Fn(&str, &str) -> String,
) -> Vec<u8> {
    let answered = record.answered();
    let bucket = record.bucket_name();
    let name = |scope: &str, name: &str| match names {
        Names::Plain => name.to_owned(),
        Names::Hidden => pseudonym(scope, name),
    };
    let user_agent = record.head().and_then(|head| head.user_agent.as_ref()).filter(|_| names == Names::Plain);
    let (action, signature) = (record.action(), record.signature());
    let line = Line {
        event_time: iso8601(record.received_ms),
        request_id: &record.request_id,
        source_ip_address: record.connection.client.to_string(),
        event_source: action.map(|action| action.service),
        event_name: action.map_or("Unknown", |action| action.name),
        identity: record.requester().map(|requester| {
            let principal = &requester.caller.principal;
            Identity {
                kind: kind(principal),
                principal_id: match principal {
                    Principal::Session { role_id, session_name, .. } => {
                        format!("{role_id}:{}", name("session", session_name))
                    }
                    _ => principal.user_id(),
                },
                account_id: principal.account(),
                access_key_id: &requester.access_key,
                // Every other one holds names that somebody chose.
                arn: (names == Names::Plain || matches!(principal, Principal::Root { .. })).then(|| principal.arn()),
            }
        }),
        bucket_name: bucket.map(|bucket| name("bucket", bucket)),
        key: record.key().map(|key| name(&format!("key/{}", bucket.unwrap_or_default()), key)),
        version_id: answered.and_then(|answered| answered.version_id.as_deref()),
        http_status: answered.map(|answered| answered.status.as_u16()),
        error_code: answered.and_then(|answered| answered.error_code),
        sse_applied: answered.and_then(|answered| answered.sse_applied),
        bytes_transferred_in: record.bytes_received(),
        bytes_transferred_out: completion.bytes_sent,
        complete: completion.complete,
        total_time_ms: millis(record.elapsed()),
        time_to_first_byte_ms: record.time_to_first_byte().map(millis),
        tls_version: record.connection.tls.map(|tls| tls.version),
        cipher_suite: record.connection.tls.map(|tls| tls.cipher_suite),
        signature_version: signature.map(|signature| signature.version),
        authentication_method: signature.map(|signature| signature.method),
        user_agent: user_agent.map(shortened),
    };
    let mut bytes = Vec::with_capacity(600);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Ascii);
    line.serialize(&mut serializer).expect("text and numbers can be serialised, and a Vec takes any bytes");
    bytes.push(b'\n');
    bytes
}

/// CloudTrail's word for the kind of principal.
fn kind(principal: &Principal) -> &'static str {
    match principal {
        Principal::Anonymous => "AWSAccount",
        Principal::Root { .. } => "Root",
        Principal::User { .. } => "IAMUser",
        Principal::Session { .. } => "AssumedRole",
        Principal::Service { .. } => "AWSService",
        Principal::WebIdentity { .. } => "WebIdentityUser",
    }
}

fn shortened(user_agent: &HeaderValue) -> String {
    let bytes = user_agent.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_USER_AGENT_LEN)]).into_owned()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// JSON in ASCII: whatever is in a name, a terminal that shows the line does nothing but show it.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for c in fragment.chars() {
            // Control characters below U+0020 never get here; U+007F does.
            if (' '..='~').contains(&c) {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
