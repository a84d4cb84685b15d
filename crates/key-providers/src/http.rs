//! HTTP to one endpoint, over connections that are used again. Whoever calls bounds the time.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use crate::provider::CallError;

/// The most bytes of an answer.
const MAX_ANSWER_LEN: usize = 64 << 10;
/// Connections that wait for the next request.
const MOST_IDLE: usize = 4;

/// A connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Makes connections.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects to a host; with `tls`, over TLS with a certificate that is verified to be the host's.
    ///
    /// # Errors
    /// A sentence for a log, without anything secret.
    async fn connect(&self, host: &str, port: u16, tls: bool) -> Result<Box<dyn Connection>, String>;
}

/// The address of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: String,
    tls: bool,
}

/// An address that is none of a provider.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// It is no URL of a host.
    #[error("must be a URL such as https://kms.example.org, without a path")]
    Url,
    /// It would be spoken to in the clear.
    #[error("must be an https URL: what is sent there holds keys. Plain HTTP is for this machine alone")]
    Plain,
}

impl Endpoint {
    /// Reads a URL. Plain HTTP is for this machine, unless `allow_http`.
    ///
    /// # Errors
    /// [`InvalidEndpoint`].
    pub fn parse(url: &str, allow_http: bool) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = url.parse().map_err(|_| InvalidEndpoint::Url)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.filter(|authority| !authority.host().is_empty()).ok_or(InvalidEndpoint::Url)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(InvalidEndpoint::Url);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if allow_http || is_loopback(&host) => false,
            Some("http") => return Err(InvalidEndpoint::Plain),
            _ => return Err(InvalidEndpoint::Url),
        };
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, authority: authority.as_str().to_owned(), tls })
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A client of one endpoint.
pub(crate) struct Client {
    endpoint: Endpoint,
    connector: Box<dyn Connect>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, connector: Box<dyn Connect>) -> Self {
        Self { endpoint, connector, idle: Mutex::default() }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request, to which the headers `host`, `content-length` and `user-agent` are added, and reads the answer.
    ///
    /// # Errors
    /// [`CallError::Unavailable`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let body = Bytes::from_owner(body);
        let request = || {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = path.parse().map_err(|_| CallError::unavailable("the path is none"))?;
            *request.headers_mut() = headers.clone();
            let host = self.endpoint.authority.parse().map_err(|_| CallError::unavailable("the host is none"))?;
            request.headers_mut().insert(header::HOST, host);
            request.headers_mut().insert(header::USER_AGENT, http::HeaderValue::from_static("coffer"));
            Ok::<_, CallError>(request)
        };
        if let Some(sender) = self.take_idle()
            && let Ok(answer) = self.exchange(sender, request()?).await
        {
            return Ok(answer);
        }
        // A connection that waited may have ended meanwhile: that says nothing about the provider.
        let sender = self.connect().await?;
        self.exchange(sender, request()?).await
    }

    async fn exchange(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        let failed = |_| CallError::unavailable("the connection broke");
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_LEN).collect().await;
        let body = body.map_err(|_| CallError::unavailable("the answer broke off, or is too long"))?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push(sender);
        }
        Ok(Answer { status: head.status, body: Zeroizing::new(body.to_vec()) })
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CallError> {
        let Endpoint { host, port, tls, .. } = &self.endpoint;
        let stream = self.connector.connect(host, *port, *tls).await.map_err(CallError::Unavailable)?;
        let shaken = http1::Builder::new().max_buf_size(MAX_ANSWER_LEN).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| CallError::unavailable("the connection broke"))?;
        // It ends when the sender is dropped, or the other side closes it: then the sender knows.
        tokio::spawn(connection);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_https_url_or_this_machine() {
        let endpoint = Endpoint::parse("https://[2001:db8::1]:8200/", false).unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.tls), ("2001:db8::1", 8200, true));
        for url in ["http://127.0.0.1:8200", "http://localhost", "http://[::1]:80"] {
            assert!(!Endpoint::parse(url, false).unwrap().tls, "{url}");
        }
        assert_eq!(Endpoint::parse("http://vault.example", false), Err(InvalidEndpoint::Plain));
        assert_eq!(Endpoint::parse("http://127.0.0.1.example", false), Err(InvalidEndpoint::Plain));
        assert!(Endpoint::parse("http://vault.example", true).is_ok());
        for url in ["", "vault", "ftp://vault", "https://u:p@vault", "https://vault/path", "https://vault/?x"] {
            assert_eq!(Endpoint::parse(url, true), Err(InvalidEndpoint::Url), "{url}");
        }
    }
}
