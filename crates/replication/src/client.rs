//! HTTPS to one endpoint, over connections that are used again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::target::Endpoint;

/// The body of a request.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long it may take to connect and shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of the head of an answer.
const MAX_HEAD_LEN: usize = 64 << 10;
/// Connections that wait for the next request.
const MOST_IDLE: usize = 8;

/// A connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Makes connections.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects to a host, over TLS with a certificate that is verified to be the host's.
    ///
    /// # Errors
    /// A sentence for a log, without anything secret.
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Connection>, String>;
}

pub(crate) struct Client {
    endpoint: Endpoint,
    connector: Box<dyn Connect>,
    idle: Mutex<Vec<SendRequest<Outgoing>>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, connector: Box<dyn Connect>) -> Self {
        Self { endpoint, connector, idle: Mutex::default() }
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.endpoint.authority
    }

    /// Sends a request. Whoever has read the answer to its end gives the connection back.
    ///
    /// # Errors
    /// A sentence for a log.
    pub(crate) async fn send(
        &self,
        request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, SendRequest<Outgoing>), String> {
        let mut sender = match self.take_idle() {
            Some(sender) => sender,
            None => match tokio::time::timeout(CONNECT_TIMEOUT, self.connect()).await {
                Ok(connected) => connected?,
                Err(_) => return Err("it takes too long to connect".to_owned()),
            },
        };
        let answer = sender.send_request(request).await.map_err(|error| format!("HTTP: {error}"))?;
        Ok((answer, sender))
    }

    /// Keeps a connection for the next request.
    pub(crate) fn give_back(&self, sender: SendRequest<Outgoing>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push(sender);
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Outgoing>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    async fn connect(&self) -> Result<SendRequest<Outgoing>, String> {
        let stream = self.connector.connect(&self.endpoint.host, self.endpoint.port).await?;
        let builder = &mut http1::Builder::new();
        let shaken = builder.max_buf_size(MAX_HEAD_LEN).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| format!("HTTP: {error}"))?;
        // It ends when the sender is dropped, or the other side closes it: then the sender knows.
        tokio::spawn(connection);
        Ok(sender)
    }
}
