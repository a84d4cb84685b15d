//! One S3 client: builds, signs and checks the requests of the cases.

use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::case::{Encryption, PAGE_KEY_COUNT};
use crate::http::{Connection, ExchangeError, Reply};
use crate::payload::Comparison;
use crate::servers::Target;
use crate::sign::{Credentials, RequestSigner};

/// The bucket everything is stored in.
pub(crate) const BUCKET: &str = "coffer-bench";

/// A client of one server, on one connection.
pub(crate) struct Client<'a> {
    signer: Option<RequestSigner<'a>>,
    connection: Connection,
    host: String,
    /// Headers that each request for an object carries.
    object_headers: Vec<(&'static str, String)>,
    request: String,
}

/// Why an operation does not count.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// There is no reply.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The server says no.
    #[error("answered {status}: {excerpt}")]
    Status {
        /// The status code.
        status: u16,
        /// The start of the reply's body.
        excerpt: String,
    },
    /// A body or an announced length is not that of the object.
    #[error("answered with {actual} bytes instead of {expected}")]
    Length {
        /// Bytes that came, or were announced.
        actual: u64,
        /// Bytes that were stored.
        expected: u64,
    },
    /// A body is not what was stored.
    #[error("answered with other bytes than were stored")]
    Content,
    /// A page of the listing does not have the keys it should have.
    #[error("listed {0} keys instead of {PAGE_KEY_COUNT}")]
    Page(u64),
}

/// What is asked of a server.
struct Request<'a> {
    method: &'static str,
    path: &'a str,
    query: &'a str,
    range: Option<(u64, u64)>,
    body: &'a [u8],
}

impl<'a> Client<'a> {
    /// Connects to `target`, by the protocol that objects of this `encryption` need.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub(crate) fn open(target: &'a Target, encryption: Encryption) -> Result<Self, ExchangeError> {
        let endpoint = target.endpoint(encryption).clone();
        let object_headers = match (encryption, target.credentials.is_some()) {
            (Encryption::SseC, true) => target.customer_headers.to_vec(),
            _ => Vec::new(),
        };
        let signer = target.credentials.as_ref().map(Credentials::signer);
        let host = endpoint.host.clone();
        Ok(Self { signer, connection: Connection::open(endpoint)?, host, object_headers, request: String::new() })
    }

    /// Creates the bucket, unless it is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn create_bucket(&mut self) -> Result<(), ClientError> {
        let path = format!("/{BUCKET}");
        let request = Request { method: "PUT", path: &path, query: "", range: None, body: b"" };
        match self.send(&request, &mut |_| ()) {
            Ok(_) | Err(ClientError::Status { status: 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stores `body`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn put(&mut self, path: &str, body: &[u8]) -> Result<(), ClientError> {
        self.send(&Request { method: "PUT", path, query: "", range: None, body }, &mut |_| ()).map(|_| ())
    }

    /// Reads the object whose body is `expected`. The length is checked always, the bytes if `compare`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn get(&mut self, path: &str, expected: &[u8], compare: bool) -> Result<(), ClientError> {
        self.read(path, None, expected, compare)
    }

    /// Reads the bytes from `start` on that are `expected`, as [`Client::get`] does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn get_range(
        &mut self,
        path: &str,
        start: u64,
        expected: &[u8],
        compare: bool,
    ) -> Result<(), ClientError> {
        self.read(path, Some((start, start + expected.len() as u64 - 1)), expected, compare)
    }

    /// Asks for the metadata of an object of `len` bytes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn head(&mut self, path: &str, len: u64) -> Result<(), ClientError> {
        let reply = self.send(&Request { method: "HEAD", path, query: "", range: None, body: b"" }, &mut |_| ())?;
        expect_len(reply.content_length.unwrap_or(0), len)
    }

    /// Removes an object.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn delete(&mut self, path: &str) -> Result<(), ClientError> {
        self.send(&Request { method: "DELETE", path, query: "", range: None, body: b"" }, &mut |_| ()).map(|_| ())
    }

    /// Lists the page of keys with `prefix` that come after `start_after`. The keys are counted if `count`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn list(&mut self, prefix: &str, start_after: &str, count: bool) -> Result<(), ClientError> {
        let escape = |key: &str| key.replace('/', "%2F");
        let (prefix, start_after) = (escape(prefix), escape(start_after));
        let query = format!("list-type=2&max-keys={PAGE_KEY_COUNT}&prefix={prefix}&start-after={start_after}");
        let path = format!("/{BUCKET}");
        let mut page = Vec::new();
        let request = Request { method: "GET", path: &path, query: &query, range: None, body: b"" };
        self.send(&request, &mut |piece| {
            if count {
                page.extend_from_slice(piece);
            }
        })?;
        let keys = page.windows(5).filter(|window| window == b"<Key>").count() as u64;
        if count && keys != PAGE_KEY_COUNT { Err(ClientError::Page(keys)) } else { Ok(()) }
    }

    fn read(
        &mut self,
        path: &str,
        range: Option<(u64, u64)>,
        expected: &[u8],
        compare: bool,
    ) -> Result<(), ClientError> {
        let mut comparison = Comparison::with(expected);
        let request = Request { method: "GET", path, query: "", range, body: b"" };
        let reply = self.send(&request, &mut |piece| {
            if compare {
                comparison.feed(piece);
            }
        })?;
        expect_len(reply.body_len, expected.len() as u64)?;
        if compare && !comparison.is_equal() { Err(ClientError::Content) } else { Ok(()) }
    }

    fn send(&mut self, request: &Request<'_>, on_body: &mut dyn FnMut(&[u8])) -> Result<Reply, ClientError> {
        self.write_head(request);
        let is_head = request.method == "HEAD";
        let reply = self.connection.exchange(self.request.as_bytes(), request.body, is_head, on_body)?;
        if !(200..300).contains(&reply.status) {
            return Err(ClientError::Status { status: reply.status, excerpt: reply.excerpt });
        }
        Ok(reply)
    }

    /// Writes the head of `request` into `self.request`.
    fn write_head(&mut self, request: &Request<'_>) {
        let Request { method, path, query, range, body } = *request;
        let is_object = path.len() > BUCKET.len() + 1;
        let mut headers = vec![("host", self.host.as_str())];
        if is_object {
            headers.extend(self.object_headers.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let signature = self.signer.as_mut().map(|signer| signer.sign(method, path, query, &headers));
        let signature = signature.iter().flatten().map(|(name, value)| (*name, value.as_str()));

        let separator = if query.is_empty() { "" } else { "?" };
        let head = &mut self.request;
        head.clear();
        let mut line = |line: fmt::Arguments<'_>| {
            head.write_fmt(line).expect("a string takes what is written");
            head.push_str("\r\n");
        };
        line(format_args!("{method} {path}{separator}{query} HTTP/1.1"));
        for (name, value) in headers.iter().copied().chain(signature) {
            line(format_args!("{name}: {value}"));
        }
        if method == "PUT" {
            line(format_args!("content-length: {}", body.len()));
        }
        if let Some((first, last)) = range {
            line(format_args!("range: bytes={first}-{last}"));
        }
        line(format_args!(""));
    }
}

fn expect_len(actual: u64, expected: u64) -> Result<(), ClientError> {
    if actual == expected { Ok(()) } else { Err(ClientError::Length { actual, expected }) }
}
