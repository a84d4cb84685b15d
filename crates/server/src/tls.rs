//! TLS for the HTTPS listener: TLS 1.2 and 1.3, post-quantum hybrid key exchange first, HTTP/1.1 by ALPN.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;

use crate::certificate::MadeCertificate;

/// Where the certificate comes from.
pub(crate) enum CertificateSource {
    /// Files of the user's.
    Given {
        /// The certificate chain, in PEM.
        certificate: PathBuf,
        /// Its private key, in PEM.
        key: PathBuf,
    },
    /// Made by the server.
    Made {
        /// Where it is kept.
        directory: PathBuf,
        /// The names it is for.
        names: Vec<String>,
    },
}

/// The certificate in use. It can be replaced while connections are open; they keep the old one.
pub(crate) struct Tls {
    source: CertificateSource,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads, and if need be makes, the certificate.
    ///
    /// # Errors
    /// When the files cannot be read or do not belong together.
    pub(crate) fn load(source: CertificateSource) -> Result<Self> {
        let config = RwLock::new(read(&source)?);
        Ok(Self { source, config })
    }

    /// Reads the certificate again.
    ///
    /// # Errors
    /// As [`Tls::load`]; the old certificate stays in use.
    pub(crate) fn reload(&self) -> Result<()> {
        let config = read(&self.source)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// What performs the next handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The authority to be trusted by clients, if the server made the certificate.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        match &self.source {
            CertificateSource::Given { .. } => None,
            CertificateSource::Made { directory, .. } => Some(directory.join("ca.pem")),
        }
    }
}

fn read(source: &CertificateSource) -> Result<Arc<ServerConfig>> {
    match source {
        CertificateSource::Given { certificate, key } => config(certificate, key),
        CertificateSource::Made { directory, names } => {
            let made = MadeCertificate::ensure(directory, names, OffsetDateTime::now_utc())?;
            config(&made.certificate, &made.key)
        }
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let unreadable = |path: &Path| format!("cannot read {}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unreadable(certificate))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", certificate.display());
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("{} and {} do not belong together", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
