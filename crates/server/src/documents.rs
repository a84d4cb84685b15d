//! Documents of identity providers over HTTPS.
//!
//! The URLs are chosen by whoever may make identity providers, and by the providers. So what is reached is decided by
//! address, after the name is resolved and with no name looked up again: the internet, and the networks that the
//! settings name. Redirects are not followed, and an answer is bounded in size and time.

mod reach;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use coffer_iam::{DocumentError, Documents};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::config::Network;
use crate::outbound::OutboundTls;
use reach::may_reach;

/// How long it may take to have a document.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a document.
const MAX_LEN: usize = 256 << 10;
/// The most bytes of the head of an answer.
const MAX_HEAD_LEN: usize = 16 << 10;
/// The most addresses of a host that are tried.
const MOST_ADDRESSES: usize = 4;

/// Reads documents over HTTPS.
pub(crate) struct HttpsDocuments {
    /// Networks that are not the internet's, and may be reached.
    networks: Vec<Network>,
    tls: OutboundTls,
}

impl HttpsDocuments {
    /// The internet and these networks. `ca_file` holds certificate authorities in PEM.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(crate) fn new(networks: Vec<Network>, ca_file: Option<&Path>) -> Result<Self> {
        Ok(Self { networks, tls: OutboundTls::new("oidc_ca_file", ca_file)? })
    }

    async fn fetch(&self, url: &str) -> Result<Bytes, String> {
        let uri: Uri = url.parse().map_err(|_| "the URL cannot be read".to_owned())?;
        if uri.scheme_str() != Some("https") {
            return Err("the URL is not one of https".to_owned());
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or("the URL has no host")?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = self.connect(&name, authority.port_u16().unwrap_or(443)).await?;
        let server_name = ServerName::try_from(name).map_err(|_| "the host is no name".to_owned())?;
        let tls = self.tls.connector().await?;
        let stream = tls.connect(server_name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_LEN)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP: {error}"))?;
        let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, authority.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "coffer")
            .body(Empty::<Bytes>::new())
            .map_err(|_| "the URL cannot be asked for".to_owned())?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| format!("HTTP: {error}"))?;
            if answer.status() != StatusCode::OK {
                return Err(format!("the answer is {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), MAX_LEN).collect().await;
            body.map(http_body_util::Collected::to_bytes).map_err(|error| format!("the answer: {error}"))
        };
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = answer => answer,
            // Driven here, so that nothing of it is left when the answer is there or the time is over.
            ended = &mut connection => Err(ended.err().map_or_else(|| "closed".to_owned(), |error| error.to_string())),
        }
    }

    /// Connects to an address of the host that may be reached.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let found = tokio::net::lookup_host((host, port)).await;
                found.map_err(|error| format!("the host cannot be found: {error}"))?.collect()
            }
        };
        let mut last = "its address is neither public nor in `oidc_private_networks`".to_owned();
        let allowed = addresses.into_iter().filter(|address| may_reach(address.ip(), &self.networks));
        for address in allowed.take(MOST_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = format!("no connection: {error}"),
            }
        }
        Err(last)
    }
}

#[async_trait]
impl Documents for HttpsDocuments {
    async fn get(&self, url: &str) -> Result<Bytes, DocumentError> {
        match tokio::time::timeout(TIMEOUT, self.fetch(url)).await {
            Ok(outcome) => outcome.map_err(DocumentError),
            Err(_) => Err(DocumentError("it takes too long".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
