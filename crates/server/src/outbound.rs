//! The way out: connections to other servers, over TLS that is verified.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// TLS to servers whose certificates are signed by an authority of the system, or of a file.
pub(crate) struct OutboundTls {
    /// Certificate authorities that are trusted beside those of the system.
    authorities: Vec<CertificateDer<'static>>,
    /// The setting that names the file, for messages.
    setting: String,
    /// Made when it is needed: a server that connects to nobody does not read the system's certificates.
    connector: OnceCell<TlsConnector>,
}

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl OutboundTls {
    /// `ca_file` holds certificate authorities in PEM; `setting` is the name of the setting that names it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(crate) fn new(setting: &str, ca_file: Option<&Path>) -> Result<Self> {
        let mut authorities = Vec::new();
        if let Some(path) = ca_file {
            let read = || -> Result<Vec<_>> {
                let certificates = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
                anyhow::ensure!(!certificates.is_empty(), "it holds no certificate");
                Ok(certificates)
            };
            authorities = read().with_context(|| format!("`{setting}`: {} cannot be read", path.display()))?;
        }
        Ok(Self { authorities, setting: setting.to_owned(), connector: OnceCell::new() })
    }

    /// What makes TLS of a connection.
    ///
    /// # Errors
    /// What keeps TLS from being used.
    pub(crate) async fn connector(&self) -> Result<&TlsConnector, String> {
        self.connector.get_or_try_init(|| self.make_connector()).await
    }

    async fn make_connector(&self) -> Result<TlsConnector, String> {
        let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
        let system = system.await.map_err(|_| "the system's certificates cannot be read".to_owned())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system.certs);
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| format!("`{}`: {error}", self.setting))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if cfg!(feature = "fips") && !config.fips() {
            return Err("TLS is not in its FIPS mode".to_owned());
        }
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Connects to whatever address `host` has; over TLS if `tls` is given.
///
/// # Errors
/// What is in the way, without anything secret.
pub(crate) async fn connect(host: &str, port: u16, tls: Option<&OutboundTls>) -> Result<Box<dyn Stream>, String> {
    let host = bare(host);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| format!("no connection: {error}"))?;
    // A message is one small write, whose answer is waited for.
    stream.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(tls) => secure(Box::new(stream), host, tls).await,
    }
}

/// Goes on over TLS, with the server of this name.
///
/// # Errors
/// What is in the way: above all a certificate that is not the host's.
pub(crate) async fn secure(stream: Box<dyn Stream>, host: &str, tls: &OutboundTls) -> Result<Box<dyn Stream>, String> {
    let name = ServerName::try_from(bare(host).to_owned()).map_err(|_| "the host is no name".to_owned())?;
    let stream = tls.connector().await?.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(stream))
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}
