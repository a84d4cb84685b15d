//! One request, as the logs see it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use coffer_access::Caller;
use coffer_crypto::random_array;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};
use http_body::Body as _;

use crate::body::Received;
use crate::request::ConnectionInfo;
use crate::response::ResponseBody;
use crate::route::Operation;

/// What is known of a request. Every fact is noted once; what is noted again stays as it was.
///
/// There is no `Debug`: the URI may hold a signature.
pub struct RequestRecord {
    /// When the request came, in milliseconds since 1970.
    pub received_ms: u64,
    /// How it came.
    pub connection: ConnectionInfo,
    /// 16 upper-case hexadecimal digits, new for each request.
    pub request_id: String,
    /// The same for as long as the process lives.
    pub host_id: Arc<str>,
    started: Instant,
    head: OnceLock<RequestHead>,
    received: OnceLock<Received>,
    action: OnceLock<Action>,
    operation: OnceLock<Operation>,
    bucket_name: OnceLock<String>,
    key: OnceLock<String>,
    requester: OnceLock<Requester>,
    signature: OnceLock<Signature>,
    names_sse: AtomicBool,
    acl_required: AtomicBool,
    website: AtomicBool,
    stored_len: OnceLock<u64>,
    further: Mutex<Vec<FurtherObject>>,
    answered: OnceLock<Answered>,
}

/// The parts of a request's head that logs quote.
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target, with its query: it may hold a signature.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The `Host` header.
    pub host: Option<HeaderValue>,
    /// The `User-Agent` header.
    pub user_agent: Option<HeaderValue>,
    /// The `Referer` header.
    pub referer: Option<HeaderValue>,
}

/// How a request is signed, rightly or wrongly, in the words of S3's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// `AuthHeader`, `QueryString`, or `POST` for one in a form.
    pub method: &'static str,
    /// `SigV4`, or `SigV2` for a form.
    pub version: &'static str,
}

impl Signature {
    /// The signature of a request that is no form, if it has one.
    fn of(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        let is_presigned = || {
            let parameters = uri.query().unwrap_or_default().split('&');
            parameters.into_iter().any(|pair| pair.split('=').next() == Some("X-Amz-Algorithm"))
        };
        if headers.contains_key(AUTHORIZATION) {
            Some(Self { method: "AuthHeader", version: "SigV4" })
        } else {
            is_presigned().then_some(Self { method: "QueryString", version: "SigV4" })
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The endpoint of the service, such as `s3.amazonaws.com`.
    pub service: &'static str,
    /// AWS's name for it.
    pub name: &'static str,
}

/// Who asked, once their signature was verified.
pub struct Requester {
    /// The principal.
    pub caller: Arc<Caller>,
    /// The access key ID.
    pub access_key: String,
}

/// An object that a request was about besides the one that it names: a source of a copy, or one of several deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherObject {
    /// What was done with it, in the words of S3's logs.
    pub operation: &'static str,
    /// The name of its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// The version that was named.
    pub version_id: Option<String>,
    /// The status that a request of its own would have had.
    pub status: StatusCode,
    /// The code of the error, if it is one.
    pub error_code: Option<&'static str>,
    /// Its length, in bytes.
    pub size: Option<u64>,
}

/// The head of the answer.
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The code of the error, if it is one.
    pub error_code: Option<&'static str>,
    /// How the object is encrypted, as CloudTrail's `SSEApplied` says it.
    pub sse_applied: Option<&'static str>,
    /// The version of the object.
    pub version_id: Option<String>,
    /// The whole length of the object, in bytes.
    pub object_size: Option<u64>,
    at: Instant,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// Bytes of the answer's body that were handed to the connection.
    pub bytes_sent: u64,
    /// Whether that was all of it.
    pub complete: bool,
}

impl RequestRecord {
    /// A request that came just now, `now_ms` in milliseconds since 1970.
    #[must_use]
    pub fn new(connection: ConnectionInfo, host_id: Arc<str>, now_ms: u64) -> Self {
        Self {
            received_ms: now_ms,
            connection,
            request_id: hex::encode_upper(random_array::<8>()),
            host_id,
            started: Instant::now(),
            head: OnceLock::new(),
            received: OnceLock::new(),
            action: OnceLock::new(),
            operation: OnceLock::new(),
            bucket_name: OnceLock::new(),
            key: OnceLock::new(),
            requester: OnceLock::new(),
            signature: OnceLock::new(),
            names_sse: AtomicBool::new(false),
            acl_required: AtomicBool::new(false),
            website: AtomicBool::new(false),
            stored_len: OnceLock::new(),
            further: Mutex::default(),
            answered: OnceLock::new(),
        }
    }

    /// Notes the head of the request.
    pub fn note_head(&self, parts: &Parts) {
        if let Some(signature) = Signature::of(&parts.headers, &parts.uri) {
            self.note_signature(signature);
        }
        let header = |name| parts.headers.get(name).cloned();
        let _ = self.head.set(RequestHead {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            host: header(HOST),
            user_agent: header(USER_AGENT),
            referer: header(REFERER),
        });
    }

    /// Notes where to see how much of the body has come.
    pub fn note_body(&self, received: Received) {
        let _ = self.received.set(received);
    }

    /// Notes what is asked of S3.
    pub fn note_operation(&self, operation: Operation) {
        let _ = self.operation.set(operation);
        self.note_action(Action { service: "s3.amazonaws.com", name: operation.name() });
    }

    /// Notes what is asked for.
    pub fn note_action(&self, action: Action) {
        let _ = self.action.set(action);
    }

    /// Notes the names in the request, of which there may be none.
    pub fn note_names(&self, bucket: Option<&str>, key: Option<&str>) {
        if let Some(bucket) = bucket {
            let _ = self.bucket_name.set(bucket.to_owned());
        }
        if let Some(key) = key {
            let _ = self.key.set(key.to_owned());
        }
    }

    /// Notes how the request is signed.
    pub fn note_signature(&self, signature: Signature) {
        let _ = self.signature.set(signature);
    }

    /// Notes who asks.
    pub fn note_requester(&self, requester: Requester) {
        let _ = self.requester.set(requester);
    }

    /// Notes whether headers or form fields name an encryption.
    pub fn note_request_headers(&self, headers: &HeaderMap) {
        self.names_sse.store(headers.contains_key(SSE), Relaxed);
    }

    /// Notes that nothing but an access control list allowed the request.
    pub fn note_acl_required(&self) {
        self.acl_required.store(true, Relaxed);
    }

    /// Notes that the website of the bucket is visited.
    pub fn note_website(&self) {
        self.website.store(true, Relaxed);
    }

    /// Notes how many bytes the body meant, without its framing.
    pub fn note_stored_len(&self, len: u64) {
        let _ = self.stored_len.set(len);
    }

    /// Notes another object that the request is about. Only what is in a bucket that is logged needs to be noted.
    pub fn note_further(&self, object: FurtherObject) {
        self.further.lock().unwrap_or_else(PoisonError::into_inner).push(object);
    }

    /// Notes the answer, which goes out from now on.
    pub fn note_answer(&self, response: &Response<ResponseBody>, error_code: Option<&'static str>) {
        let headers = response.headers();
        let _ = self.answered.set(Answered {
            status: response.status(),
            error_code,
            sse_applied: self.sse_applied(headers),
            version_id: headers.get("x-amz-version-id").and_then(|id| id.to_str().ok()).map(str::to_owned),
            object_size: if error_code.is_none() { self.object_size(response) } else { None },
            at: Instant::now(),
        });
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> Option<&RequestHead> {
        self.head.get()
    }

    /// What was asked for; `None` if it could not be told.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        self.action.get().copied()
    }

    /// What was asked of S3; `None` if it could not be told.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.operation.get().copied()
    }

    /// The name of the bucket as it was asked for, whether or not there is one.
    #[must_use]
    pub fn bucket_name(&self) -> Option<&str> {
        self.bucket_name.get().map(String::as_str)
    }

    /// The object key as it was asked for.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.get().map(String::as_str)
    }

    /// Who asked; `None` for nobody in particular, and for a signature that was not right.
    #[must_use]
    pub fn requester(&self) -> Option<&Requester> {
        self.requester.get()
    }

    /// How it was signed, rightly or wrongly.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        self.signature.get().copied()
    }

    /// Whether nothing but an access control list allowed the request.
    #[must_use]
    pub fn acl_required(&self) -> bool {
        self.acl_required.load(Relaxed)
    }

    /// Whether the website of the bucket is visited.
    #[must_use]
    pub fn website(&self) -> bool {
        self.website.load(Relaxed)
    }

    /// Takes the other objects that the request was about, in the order in which they were noted.
    #[must_use]
    pub fn take_further(&self) -> Vec<FurtherObject> {
        std::mem::take(&mut *self.further.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The head of the answer; `None` if the client was gone before there was one.
    #[must_use]
    pub fn answered(&self) -> Option<&Answered> {
        self.answered.get()
    }

    /// The bytes of the request's body that came, with its framing.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.received.get().map_or(0, Received::byte_count)
    }

    /// From the request's head until now.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// From the request's head to the first byte of the answer.
    #[must_use]
    pub fn time_to_first_byte(&self) -> Option<Duration> {
        Some(self.answered.get()?.at.duration_since(self.started))
    }

    /// From the last byte of the request to the first of the answer; `None` if one of them never was.
    #[must_use]
    pub fn turn_around(&self) -> Option<Duration> {
        let received = self.received.get()?.completed_at()?;
        Some(self.answered.get()?.at.duration_since(received.max(self.started)))
    }

    fn sse_applied(&self, headers: &HeaderMap) -> Option<&'static str> {
        if headers.contains_key(SSE_CUSTOMER_ALGORITHM) {
            return Some("SSE_C");
        }
        let makes_object = matches!(
            self.operation(),
            Some(
                Operation::PutObject | Operation::PostObject | Operation::CopyObject | Operation::CreateMultipartUpload
            )
        );
        let by_default = makes_object && !self.names_sse.load(Relaxed);
        match (headers.get(SSE)?.as_bytes(), by_default) {
            (b"AES256", false) => Some("SSE_S3"),
            (b"AES256", true) => Some("Default_SSE_S3"),
            (b"aws:kms", false) => Some("SSE_KMS"),
            (b"aws:kms", true) => Some("Default_SSE_KMS"),
            (b"aws:kms:dsse", false) => Some("DSSE_KMS"),
            (b"aws:kms:dsse", true) => Some("Default_DSSE_KMS"),
            _ => None,
        }
    }

    fn object_size(&self, response: &Response<ResponseBody>) -> Option<u64> {
        let header = |name| response.headers().get(name)?.to_str().ok();
        let number = |text: &str| text.parse().ok();
        match self.operation()? {
            Operation::PutObject | Operation::PostObject | Operation::UploadPart => self.stored_len.get().copied(),
            Operation::GetObject | Operation::HeadObject => match (header(CONTENT_RANGE), header(CONTENT_LENGTH)) {
                (Some(range), _) => number(range.rsplit_once('/')?.1),
                (None, Some(len)) => number(len),
                (None, None) => response.body().size_hint().exact(),
            },
            _ => None,
        }
    }
}

const SSE: &str = "x-amz-server-side-encryption";
const SSE_CUSTOMER_ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
