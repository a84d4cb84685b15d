//! One certificate for every server that the bench starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A self-signed certificate for loopback, as files and as the trust of the clients.
pub(crate) struct Certificate {
    /// The certificate, in PEM.
    pub(crate) chain: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
    /// Clients that trust it and nothing else.
    pub(crate) clients: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes a certificate and writes it to `folder`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let (chain, key) = (folder.join("tls-cert.pem"), folder.join("tls-key.pem"));
        fs::write(&chain, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let clients = trust(&chain)?;
        Ok(Self { chain, key, clients })
    }
}

/// Clients that trust the certificates in `file` (PEM).
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(super) fn trust(file: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(|| file.display().to_string())? {
        roots.add(certificate?)?;
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
