use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsConnector;

use super::*;

fn made(directory: &Path) -> Tls {
    let names = ["localhost", "127.0.0.1", "::1", "*.s3.example"].map(str::to_owned).to_vec();
    Tls::load(CertificateSource::Made { directory: directory.to_owned(), names }).unwrap()
}

fn client(authority: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Shakes hands, sends one byte each way, and returns the client's ALPN protocol and key exchange group.
async fn shake(tls: &Tls, client: ClientConfig, name: &str) -> std::io::Result<(Vec<u8>, NamedGroup)> {
    let (near, far) = duplex(16 * 1024);
    let acceptor = tls.acceptor();
    let server = tokio::spawn(async move {
        let mut stream = acceptor.accept(near).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await
    });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, far).await?;
    stream.write_u8(7).await?;
    assert_eq!(stream.read_u8().await?, 7);
    server.await.unwrap()?;
    let (_, session) = stream.get_ref();
    let group = session.negotiated_key_exchange_group().unwrap().name();
    Ok((session.alpn_protocol().unwrap().to_vec(), group))
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_connects_under_every_name() {
    let directory = tempfile::tempdir().unwrap();
    let tls = made(directory.path());
    for name in ["localhost", "127.0.0.1", "::1", "bucket.s3.example"] {
        let (protocol, group) = shake(&tls, client(&tls.authority().unwrap()), name).await.unwrap();
        assert_eq!(protocol, b"http/1.1");
        assert_eq!(group, NamedGroup::X25519MLKEM768);
    }
}

#[tokio::test]
async fn another_name_is_not_vouched_for() {
    let directory = tempfile::tempdir().unwrap();
    let tls = made(directory.path());
    assert!(shake(&tls, client(&tls.authority().unwrap()), "other.example").await.is_err());
}

#[tokio::test]
async fn another_servers_authority_does_not_vouch() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = made(there.path());
    assert!(shake(&made(here.path()), client(&other.authority().unwrap()), "localhost").await.is_err());
}

#[tokio::test]
async fn replaced_files_are_used_after_a_reload() {
    let (user, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(made(user.path()));
    let (certificate, key) = (user.path().join("cert.pem"), user.path().join("key.pem"));
    let tls = Tls::load(CertificateSource::Given { certificate: certificate.clone(), key: key.clone() }).unwrap();
    let replacement = made(other.path()).authority().unwrap();
    std::fs::copy(other.path().join("cert.pem"), &certificate).unwrap();
    assert!(tls.reload().is_err(), "the key is still the old one");
    shake(&tls, client(&user.path().join("ca.pem")), "localhost").await.unwrap();
    std::fs::copy(other.path().join("key.pem"), &key).unwrap();
    tls.reload().unwrap();
    shake(&tls, client(&replacement), "localhost").await.unwrap();
}

#[test]
fn files_that_hold_nothing_useful_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(made(directory.path()));
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty.pem"), "").unwrap();
    for (certificate, key, why) in [
        ("missing.pem", "key.pem", "cannot read"),
        ("cert.pem", "missing.pem", "cannot read"),
        ("empty.pem", "key.pem", "holds no certificate"),
        ("cert.pem", "empty.pem", "cannot read"),
        ("ca.pem", "key.pem", "do not belong together"),
    ] {
        let source = CertificateSource::Given { certificate: path(certificate), key: path(key) };
        let Err(error) = Tls::load(source) else { panic!("{certificate} and {key} are accepted") };
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
}

#[test]
fn every_cipher_suite_of_the_provider_has_a_name() {
    for suite in aws_lc_rs::ALL_CIPHER_SUITES {
        assert_ne!(openssl_name(suite.suite()), "-", "{suite:?}");
    }
}
