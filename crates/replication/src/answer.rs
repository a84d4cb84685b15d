//! What a target answers, and what follows from it.

use bytes::Bytes;
use coffer_store::StoreError;
use http::{HeaderMap, StatusCode};
use quick_xml::Reader;
use quick_xml::events::Event;

/// An answer that says yes.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a replica is not as it should be, and what is to be done about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The target cannot be reached, or refuses everything: nothing is sent there for a while.
    Target(String),
    /// The target refuses this now: it is tried again later.
    Later(String),
    /// It will not be otherwise: the replica is given up.
    Never(String),
    /// What it names is not there.
    Absent {
        /// Because it is a delete marker.
        is_marker: bool,
    },
    /// This side fails.
    Source(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(_) => Self::Never("the version is damaged".to_owned()),
            error => Self::Source(error),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The version that was made or that it is about; `null` without versioning.
    pub(crate) fn version_id(&self) -> Option<String> {
        self.header("x-amz-version-id").map(str::to_owned)
    }
}

/// What follows from a status and a body that do not say yes.
pub(crate) fn failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let code = element_text(body, "Code").unwrap_or_default();
    let why = format!("{} {}", status.as_u16(), harmless(&code));
    match status.as_u16() {
        404 if matches!(code.as_str(), "NoSuchKey" | "NoSuchVersion") || code.is_empty() => {
            Failure::Absent { is_marker: headers.get("x-amz-delete-marker").is_some_and(|value| value == "true") }
        }
        405 if headers.contains_key("x-amz-delete-marker") => Failure::Absent { is_marker: true },
        400 | 403 if OF_CREDENTIALS.contains(&code.as_str()) => Failure::Target(why),
        501 => Failure::Never(why),
        408 | 429 | 500.. => Failure::Target(why),
        // Policies change, and buckets are made.
        300..=399 | 401 | 403 | 404 | 409 => Failure::Later(why),
        _ => Failure::Never(why),
    }
}

/// The text of the first element of this name in a document.
pub(crate) fn element_text(document: &[u8], name: &str) -> Option<String> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == name.as_bytes() => {
                return match reader.read_event().ok()? {
                    Event::Text(text) => Some(text.xml10_content().ok()?.trim().to_owned()),
                    _ => None,
                };
            }
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// A code of another server, as far as it may be in a log.
fn harmless(code: &str) -> String {
    const MOST_CHARS: usize = 64;
    code.chars().filter(char::is_ascii_alphanumeric).take(MOST_CHARS).collect()
}

/// The codes of a target that does not take the credentials.
const OF_CREDENTIALS: [&str; 8] = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "NotSignedUp",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "AccountProblem",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: &str) -> &'static str {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        match failure(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes()) {
            Failure::Target(_) => "target",
            Failure::Later(_) => "later",
            Failure::Never(_) => "never",
            Failure::Absent { .. } => "absent",
            Failure::Source(_) => "source",
        }
    }

    #[test]
    fn what_follows_from_an_answer() {
        for (status, code, expected) in [
            (503, "SlowDown", "target"),
            (500, "InternalError", "target"),
            (403, "SignatureDoesNotMatch", "target"),
            (403, "InvalidAccessKeyId", "target"),
            (403, "AccessDenied", "later"),
            (404, "NoSuchBucket", "later"),
            (404, "NoSuchKey", "absent"),
            (301, "PermanentRedirect", "later"),
            (400, "InvalidRequest", "never"),
            (501, "NotImplemented", "never"),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_code_cannot_write_into_the_log() {
        let body = "<Error><Code>A\nB=\u{1b}[31mC</Code></Error>";
        let Failure::Never(why) = failure(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes()) else {
            panic!("a bad request is not repeated");
        };
        assert_eq!(why, "400 AB31mC");
    }

    #[test]
    fn only_the_first_element_of_a_name_counts_and_nothing_hostile() {
        assert_eq!(element_text(b"<a><b>1</b><b>2</b></a>", "b").as_deref(), Some("1"));
        for document in
            [&b"<!DOCTYPE a [<!ENTITY e 'x'>]><a><b>1</b></a>"[..], b"<a><b/></a>", b"<a", b"", b"\xff<b>1</b>"]
        {
            assert_eq!(element_text(document, "b"), None);
        }
    }
}
