//! One signed request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coffer_sigv4::{RequestParts, Scope, Signer, Timestamp};
use coffer_store::ObjectStream;
use coffer_store::checksum::Hasher;
use http::{Request, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer::{Answer, Failure, element_text, failure};
use crate::client::Outgoing;
use crate::target::Target;

/// A request that is not signed yet.
pub(crate) struct Call<'a> {
    method: &'static str,
    bucket: &'a str,
    key: Option<&'a str>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(String, Vec<u8>)>,
    payload: Payload,
}

enum Payload {
    None,
    Bytes(Bytes),
    /// So many bytes, which are opened as they go out.
    Stream(ObjectStream, u64),
}

impl<'a> Call<'a> {
    /// A request about a bucket.
    pub(crate) fn new(method: &'static str, bucket: &'a str) -> Self {
        Self { method, bucket, key: None, query: Vec::new(), headers: Vec::new(), payload: Payload::None }
    }

    /// A request about an object.
    pub(crate) fn of_object(method: &'static str, bucket: &'a str, key: &'a str) -> Self {
        Self { key: Some(key), ..Self::new(method, bucket) }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header. The name is in lower case.
    pub(crate) fn header(mut self, name: impl Into<String>, value: impl AsRef<str>) -> Self {
        self.headers.push((name.into(), value.as_ref().as_bytes().to_vec()));
        self
    }

    pub(crate) fn header_if(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    pub(crate) fn headers(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend(headers.iter().map(|(name, value)| (name.clone(), value.as_bytes().to_vec())));
        self
    }

    /// Sends a document, with its MD5 as S3 demands it.
    pub(crate) fn document(self, document: String) -> Self {
        let mut hasher = Hasher::new(true, &[]);
        hasher.update(document.as_bytes());
        let md5 = hasher.finish().md5.expect("the MD5 was asked for");
        let call = self.header("content-md5", STANDARD.encode(md5));
        Self { payload: Payload::Bytes(document.into()), ..call }
    }

    /// Sends `len` bytes of an object.
    pub(crate) fn stream(self, stream: ObjectStream, len: u64) -> Self {
        Self { payload: Payload::Stream(stream, len), ..self }
    }

    fn path(&self) -> String {
        match self.key {
            Some(key) => format!("/{}/{}", self.bucket, utf8_percent_encode(key, IN_PATH)),
            None => format!("/{}", self.bucket),
        }
    }

    fn query_string(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, IN_QUERY)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

impl Target {
    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// [`Failure`], for an answer that does not say yes, too.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let len = match &call.payload {
            Payload::None => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Stream(_, len) => *len,
        };
        let broken = Arc::new(AtomicBool::new(false));
        let request = self.signed(call, len, &broken)?;
        let patience = PATIENCE + Duration::from_secs(len / SLOWEST_BYTES_A_SECOND);
        let outcome = tokio::time::timeout(patience, async {
            let (answer, sender) = self.client.send(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_LEN).collect().await;
            let body = body.map_err(|error| format!("the answer: {error}"))?.to_bytes();
            self.client.give_back(sender);
            Ok((head, body))
        });
        let (head, body) = match outcome.await {
            _ if broken.load(Relaxed) => return Err(Failure::Never("the version does not open".to_owned())),
            Ok(Ok(answered)) => answered,
            Ok(Err(why)) => return Err(Failure::Target(why)),
            Err(_) => return Err(Failure::Target("it takes too long".to_owned())),
        };
        // A completion may find out that it fails after it has said that it does not.
        if head.status.is_success() && element_text(&body, "Code").is_some() {
            return Err(failure(StatusCode::INTERNAL_SERVER_ERROR, &head.headers, &body));
        }
        if !head.status.is_success() {
            return Err(failure(head.status, &head.headers, &body));
        }
        Ok(Answer { headers: head.headers, body })
    }

    fn signed(&self, call: Call<'_>, len: u64, broken: &Arc<AtomicBool>) -> Result<Request<Outgoing>, Failure> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let timestamp = i64::try_from(now_s).ok().and_then(Timestamp::from_unix_s);
        let timestamp = timestamp.ok_or_else(|| Failure::Target("the clock is wrong".to_owned()))?;
        let (path, query) = (call.path(), call.query_string());
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("host", self.client.authority().as_bytes()),
            // The checksum goes along, and TLS keeps the rest.
            ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            ("x-amz-date", timestamp.as_str().as_bytes()),
        ];
        fields.extend(call.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        let scope = Scope { date: timestamp.date().into(), region: self.region.clone(), service: "s3".into() };
        let signer = Signer::new(self.credentials.access_key.clone(), &self.credentials.secret_key, scope);
        let parts = RequestParts { method: call.method, path: &path, query: &query, headers: &fields };
        let signed =
            signer.sign_header(&parts).expect("host, date and payload are there, and the date is in the scope");
        let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(call.method).uri(uri);
        for (name, value) in &fields {
            request = request.header(*name, *value);
        }
        request = request.header(header::AUTHORIZATION, signed.authorization).header(header::USER_AGENT, "coffer");
        if matches!(call.method, "PUT" | "POST") {
            request = request.header(header::CONTENT_LENGTH, len);
        }
        let body = outgoing(call.payload, broken);
        request.body(body).map_err(|_| Failure::Never("it cannot be said in HTTP".to_owned()))
    }
}

fn outgoing(payload: Payload, broken: &Arc<AtomicBool>) -> Outgoing {
    match payload {
        Payload::None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        Payload::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        Payload::Stream(stream, _) => {
            let broken = Arc::clone(broken);
            let pieces = futures_util::stream::unfold((stream, broken), |(mut stream, broken)| async {
                match stream.next().await {
                    Ok(piece) => piece.map(|piece| (Ok(Frame::data(piece)), (stream, broken))),
                    Err(error) => {
                        tracing::error!(%error, "an object broke off while it was replicated");
                        broken.store(true, Relaxed);
                        Some((Err(std::io::Error::other("the object broke off")), (stream, broken)))
                    }
                }
            });
            StreamBody::new(pieces).boxed_unsync()
        }
    }
}

/// What a request may take besides the time for its bytes.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOWEST_BYTES_A_SECOND: u64 = 128 << 10;
/// The most bytes of an answer.
const MAX_ANSWER_LEN: usize = 64 << 10;

/// What is left as it is in a URL.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_encoded_as_they_are_signed() {
        let call = Call::of_object("PUT", "b", "a b/ü?&%41").query("versionId", "x+/=").query("tagging", "");
        assert_eq!(call.path(), "/b/a%20b/%C3%BC%3F%26%2541");
        assert_eq!(call.query_string(), "versionId=x%2B%2F%3D&tagging=");
    }
}
