//! TLS for the HTTPS listener: TLS 1.2 and 1.3, post-quantum hybrid key exchange first, HTTP/1.1 by ALPN.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use coffer_s3::request::TlsInfo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, ServerConnection};
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

/// What a finished handshake agreed on.
pub(crate) fn agreed(connection: &ServerConnection) -> TlsInfo {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        // The configuration allows these two.
        _ => "TLSv1.3",
    };
    let cipher_suite = connection.negotiated_cipher_suite().map_or("-", |suite| openssl_name(suite.suite()));
    TlsInfo { version, cipher_suite }
}

/// The name by which OpenSSL, and so S3's logs, know a cipher suite of the provider.
fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "-",
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
    anyhow::ensure!(!cfg!(feature = "fips") || config.fips(), "TLS is not in its FIPS mode");
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
