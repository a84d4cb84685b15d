//! A request, parsed and authenticated: what operations get.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use coffer_store::{Bucket, ChangedBy, InvalidObjectKey, ObjectKey, Origin};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::checksum::ChecksumAlgorithm;
use crate::copy_source::CopySource;
use crate::error::S3Error;
use crate::headers::Headers;
use crate::log::RequestRecord;
use crate::object_lock::LockDocument;
use crate::post::FormAnswer;
use crate::query::Query;
use crate::route::{MAX_KEY_LEN, Route};

pub use crate::auth::{Principal, SignaturePlace, Signed};
use crate::authorize::replication_action;
pub use crate::body::RequestBody;

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionInfo {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// The address of the client: the peer's, or what trusted proxies say it is.
    pub client: IpAddr,
    /// What was agreed in the TLS handshake; `None` over plain HTTP.
    pub tls: Option<TlsInfo>,
    /// Whether nobody on the way could read the request: TLS here, or at a proxy that is trusted to say so.
    pub secure: bool,
}

/// What was agreed in a TLS handshake, in the words of S3's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite under OpenSSL's name for it, such as `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher_suite: &'static str,
}

/// A request. There is no `Debug`: headers and query may hold customer keys.
pub struct S3Request {
    /// The method.
    pub method: Method,
    /// Bucket, object key and operation. The key of PostObject is the form's.
    pub route: Route,
    /// The headers; of PostObject the fields that stand in for them. `x-amz-*` parameters of the query are among
    /// them.
    pub headers: Headers,
    /// The query.
    pub query: Query,
    /// Who asks.
    pub principal: Principal,
    /// How it was signed; `None` for an anonymous request.
    pub signed: Option<Signed>,
    /// When it came, in milliseconds since 1970.
    pub now_ms: u64,
    /// How the request came.
    pub connection: ConnectionInfo,
    /// The host that was asked, with its port if it was named.
    pub host: String,
    /// What the logs will know of it.
    pub record: Arc<RequestRecord>,
    /// What the form of a PostObject says besides headers.
    pub form: Option<FormDetails>,
    /// The body; of PostObject the file.
    pub body: RequestBody,
    /// What it was admitted to.
    pub(crate) admitted: Admitted,
}

/// The buckets that a request is about, once it is certain that whoever asks may do it.
#[derive(Default)]
pub(crate) struct Admitted {
    /// The bucket of the request.
    pub(crate) bucket: Option<Bucket>,
    /// The source of a copy, and its bucket.
    pub(crate) source: Option<(CopySource, Bucket)>,
    /// What the body of PutObjectLockConfiguration, PutObjectRetention or PutObjectLegalHold asks for.
    pub(crate) lock_document: Option<Result<LockDocument, S3Error>>,
    /// The body, if it had a part in the question: not verified yet.
    pub(crate) document: Option<Bytes>,
    /// Whether whoever asks pays for it.
    pub(crate) is_charged: bool,
}

/// What a form says that no header could.
pub struct FormDetails {
    /// How success is answered.
    pub answer: FormAnswer,
    /// The `tagging` field, an XML document.
    pub tagging: Option<String>,
}

impl S3Request {
    /// The name of the bucket; empty for ListBuckets alone.
    #[must_use]
    pub fn bucket_name(&self) -> &str {
        self.route.bucket.as_deref().unwrap_or_default()
    }

    /// The bucket that the request was admitted to.
    ///
    /// # Errors
    /// `InternalError` for a request that nobody asked about yet.
    pub(crate) fn bucket(&self) -> Result<Bucket, S3Error> {
        self.admitted.bucket.clone().ok_or_else(S3Error::internal_error)
    }

    /// Who asks, for the events of what is changed by `by`.
    #[must_use]
    pub fn origin(&self, by: ChangedBy) -> Origin {
        Origin {
            by,
            principal_id: self.principal.user_id(),
            source_ip: self.connection.client.to_string(),
            request_id: self.record.request_id.clone(),
            host_id: self.record.host_id.to_string(),
            is_replication: self.headers.contains(REPLICA) && replication_action(self.route.operation).is_some(),
        }
    }

    /// The object key as text; empty for operations on buckets.
    #[must_use]
    pub fn key_text(&self) -> &str {
        self.route.key.as_deref().unwrap_or_default()
    }

    /// The URL of the object, in the style of the request.
    #[must_use]
    pub fn location(&self) -> String {
        let (scheme, host, bucket) =
            (if self.connection.secure { "https" } else { "http" }, &self.host, self.bucket_name());
        let key = utf8_percent_encode(self.key_text(), IN_PATH);
        let host_name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        match host.strip_prefix(bucket) {
            Some(rest) if rest.starts_with('.') && host_name.parse::<IpAddr>().is_err() => {
                format!("{scheme}://{host}/{key}")
            }
            _ => format!("{scheme}://{host}/{bucket}/{key}"),
        }
    }

    /// The object key.
    ///
    /// # Errors
    /// `KeyTooLongError`; `InvalidArgument` when there is none.
    pub fn object_key(&self) -> Result<ObjectKey, S3Error> {
        let key = self.key_text();
        ObjectKey::new(key).map_err(|error| match error {
            InvalidObjectKey::TooLong(_) => S3Error::key_too_long(key.len(), MAX_KEY_LEN),
            InvalidObjectKey::Empty => {
                S3Error::invalid_argument("User key must have a length greater than 0.", "key", Some(""))
            }
        })
    }
}

/// Puts the `x-amz-*` parameters of a query among the headers, where S3 reads them as well: presigned URLs of old
/// clients carry them there, and to ignore one, say an encryption, would be to do something else than was asked.
///
/// Checksums are ignored, as on S3: the JavaScript SDK puts that of an empty body into every URL for an upload. Who
/// wants one to hold signs it as a header.
///
/// Returns the headers as they came, which are what is signed, if that made a difference.
///
/// # Errors
/// `InvalidArgument` for customer keys, which must not be part of a URL, and for what cannot be a header.
pub(crate) fn hoist_query(query: &Query, headers: &mut HeaderMap) -> Result<Option<HeaderMap>, S3Error> {
    let mut as_they_came = None;
    for (name, value) in query.iter() {
        let name = name.to_ascii_lowercase();
        let is_checksum = ChecksumAlgorithm::from_header(&name).is_some();
        if !name.starts_with("x-amz-") || is_checksum || NOT_HOISTED.contains(&name.as_str()) {
            continue;
        }
        if name.contains("server-side-encryption-customer") {
            let message = "Customer provided keys are accepted in headers only.";
            return Err(S3Error::invalid_argument(message, &name, None));
        }
        let (Ok(header), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        else {
            return Err(S3Error::invalid_argument("The parameter cannot be represented as a header.", &name, None));
        };
        as_they_came.get_or_insert_with(|| headers.clone());
        // Beside a header of the same name it is a second value, which whoever reads the header refuses.
        headers.append(header, value);
    }
    Ok(as_they_came)
}

/// What a request says that brings a replica, or changes one: the version ID of what it is a replica of. Who says so
/// has to be allowed to replicate.
pub const REPLICA: &str = "x-coffer-replica-of";

/// What of an object key is not left as it is in a URL.
pub(crate) const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What makes a URL presigned, and what SDKs leave in one although no checksum will follow.
const NOT_HOISTED: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hoisted(query: &str) -> Result<Headers, S3Error> {
        let mut map = HeaderMap::new();
        map.insert("x-amz-acl", HeaderValue::from_static("private"));
        hoist_query(&Query::parse(query).unwrap(), &mut map)?;
        Ok(map.into())
    }

    #[test]
    fn parameters_count_as_headers() {
        let headers = hoisted("X-Amz-Server-Side-Encryption=AES256&x-id=1&prefix=a").unwrap();
        assert_eq!(headers.text("x-amz-server-side-encryption").unwrap(), Some("AES256"));
        assert!(!headers.contains("prefix") && !headers.contains("x-id"));
    }

    #[test]
    fn a_parameter_beside_a_header_is_no_single_value() {
        assert!(hoisted("x-amz-acl=public-read").unwrap().text("x-amz-acl").is_err());
    }

    #[test]
    fn signatures_and_hints_stay_where_they_are() {
        let headers = hoisted("X-Amz-Signature=1&x-amz-sdk-checksum-algorithm=CRC32&X-Amz-Checksum-CRC32=AAAAAA==");
        let headers = headers.unwrap();
        assert_eq!(headers.as_map().len(), 1);
    }

    #[test]
    fn the_signed_headers_are_kept_if_others_join_them() {
        let mut map = HeaderMap::new();
        assert!(hoist_query(&Query::parse("prefix=a").unwrap(), &mut map).unwrap().is_none());
        assert!(hoist_query(&Query::parse("x-amz-acl=private").unwrap(), &mut map).unwrap().unwrap().is_empty());
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn customer_keys_are_refused_in_a_url() {
        for name in [
            "x-amz-server-side-encryption-customer-key",
            "X-Amz-Server-Side-Encryption-Customer-Algorithm",
            "x-amz-copy-source-server-side-encryption-customer-key-MD5",
        ] {
            let error = hoisted(&format!("{name}=SECRET")).err().unwrap();
            assert!(!error.body("", "").contains("SECRET"));
        }
    }

    #[test]
    fn what_cannot_be_a_header_is_refused() {
        assert!(hoisted("x-amz-meta-a=b%0D%0Ac").is_err());
        assert!(hoisted("x-amz-meta-%20=b").is_err());
    }
}
