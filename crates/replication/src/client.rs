//! HTTPS to one endpoint, over connections that are used again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::target::Endpoint;

/// The body of a request.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long it may take to connect and shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of the head of an answer.
const MAX_HEAD_LEN: usize = 64 << 10;
/// Connections that wait for the next request.
const MOST_IDLE: usize = 8;

pub(crate) struct Client {
    endpoint: Endpoint,
    authorities: Vec<CertificateDer<'static>>,
    /// Made when it is needed: a server that replicates nowhere does not read the system's certificates.
    tls: OnceCell<TlsConnector>,
    idle: Mutex<Vec<SendRequest<Outgoing>>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, authorities: Vec<CertificateDer<'static>>) -> Self {
        Self { endpoint, authorities, tls: OnceCell::new(), idle: Mutex::default() }
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
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        let name = ServerName::try_from(host.clone()).map_err(|_| "the host is no name".to_owned())?;
        let tls = self.tls.get_or_try_init(|| self.connector()).await?;
        let stream = tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        let builder = &mut http1::Builder::new();
        let shaken = builder.max_buf_size(MAX_HEAD_LEN).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| format!("HTTP: {error}"))?;
        // It ends when the sender is dropped, or the other side closes it: then the sender knows.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn connector(&self) -> Result<TlsConnector, String> {
        let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
        let system = system.await.map_err(|_| "the system's certificates cannot be read".to_owned())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system.certs);
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| format!("a certificate authority: {error}"))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}
