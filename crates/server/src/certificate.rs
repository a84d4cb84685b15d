//! The certificate that the server makes for itself when it is given none.
//!
//! A certification authority signs one certificate for this machine's names, and its private key is then thrown
//! away: a client that trusts `ca.pem` trusts this server and can never be made to trust another. The price is
//! that a new certificate brings a new `ca.pem`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::files::replace;

/// The longest that clients accept for a server certificate, under any authority.
const LIFETIME: Duration = Duration::days(825);
/// A certificate with less than this left is replaced.
const RENEWAL: Duration = Duration::days(30);
/// For clients whose clock is behind.
const BACKDATE: Duration = Duration::days(1);

/// Where a made certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeCertificate {
    /// What clients are to trust.
    pub(crate) authority: PathBuf,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// What a certificate was made for; written last, so that its presence means the other files are whole.
#[derive(Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    /// Seconds since 1970.
    not_after: i64,
}

impl MadeCertificate {
    /// Returns the certificate in `directory`, after making a new one if there is none, if it is about to expire
    /// at `now`, or if it was made for other names than `names`.
    ///
    /// # Errors
    /// When the files cannot be written, or a name cannot stand in a certificate.
    pub(crate) fn ensure(directory: &Path, names: &[String], now: OffsetDateTime) -> Result<Self> {
        let made = Self {
            authority: directory.join("ca.pem"),
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
        };
        let record = directory.join("made.toml");
        if !is_current(&record, names, now) {
            made.make(&record, names, now)
                .with_context(|| format!("no certificate can be made in {}", directory.display()))?;
        }
        Ok(made)
    }

    fn make(&self, record: &Path, names: &[String], now: OffsetDateTime) -> Result<()> {
        if let Some(directory) = record.parent() {
            fs::create_dir_all(directory)?;
        }
        match fs::remove_file(record) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let authority_key = KeyPair::generate()?;
        let authority = authority(now);
        let authority_certificate = authority.self_signed(&authority_key)?;
        let key = KeyPair::generate()?;
        let certificate = server(names, now)?.signed_by(&key, &Issuer::new(authority, &authority_key))?;
        replace(&self.key, key.serialize_pem().as_bytes())?;
        replace(&self.certificate, certificate.pem().as_bytes())?;
        replace(&self.authority, authority_certificate.pem().as_bytes())?;
        let made = Made { names: names.to_vec(), not_after: (now + LIFETIME).unix_timestamp() };
        replace(record, toml::to_string(&made)?.as_bytes())?;
        Ok(())
    }
}

/// The names under which this machine is reached: itself, its host name, `domains` with their buckets, and `hosts`.
pub(crate) fn own_names(domains: &[String], hosts: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let is_name = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if !host.is_empty() && host != "localhost" && is_name(&host) {
        names.push(host);
    }
    for domain in domains {
        names.extend([domain.clone(), format!("*.{domain}")]);
    }
    names.extend_from_slice(hosts);
    names
}

fn is_current(record: &Path, names: &[String], now: OffsetDateTime) -> bool {
    let made = fs::read_to_string(record).ok().and_then(|text| toml::from_str::<Made>(&text).ok());
    made.is_some_and(|made| made.names == names && made.not_after > (now + RENEWAL).unix_timestamp())
}

fn authority(now: OffsetDateTime) -> CertificateParams {
    let mut params = dated(CertificateParams::default(), "Coffer authority of this server", now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(names: &[String], now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new(names)?, "Coffer", now);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated(mut params: CertificateParams, name: &str, now: OffsetDateTime) -> CertificateParams {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now - BACKDATE;
    params.not_after = now + LIFETIME - BACKDATE;
    params
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn now() -> OffsetDateTime {
        time::macros::datetime!(2030-01-01 0:00 UTC)
    }

    fn names() -> Vec<String> {
        vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "*.s3.example".to_owned()]
    }

    fn made(directory: &Path, names: &[String], now: OffsetDateTime) -> [String; 3] {
        let made = MadeCertificate::ensure(directory, names, now).unwrap();
        [made.authority, made.certificate, made.key].map(|path| fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_certificate_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let tls = directory.path().join("tls");
        assert_eq!(made(&tls, &names(), now()), made(&tls, &names(), now() + Duration::days(700)));
    }

    #[test]
    fn the_private_key_is_the_users_alone_and_the_authoritys_is_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let [authority, certificate, key] = made(directory.path(), &names(), now());
        let made = MadeCertificate::ensure(directory.path(), &names(), now()).unwrap();
        assert_eq!(fs::metadata(made.key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!authority.contains("PRIVATE") && !certificate.contains("PRIVATE"));
        assert_eq!(key.matches("PRIVATE KEY").count(), 2);
        let files = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 4, "ca.pem, cert.pem, key.pem, made.toml");
    }

    #[test]
    fn an_expiring_certificate_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let first = made(directory.path(), &names(), now());
        let second = made(directory.path(), &names(), now() + LIFETIME - RENEWAL);
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    }

    #[test]
    fn other_names_make_another_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let first = made(directory.path(), &names(), now());
        assert_ne!(first, made(directory.path(), &names()[..1], now()));
    }

    #[test]
    fn a_half_made_certificate_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let first = made(directory.path(), &names(), now());
        fs::remove_file(directory.path().join("made.toml")).unwrap();
        assert_ne!(first, made(directory.path(), &names(), now()));
    }

    #[test]
    fn own_names_hold_each_domain_and_its_buckets() {
        let names = own_names(&["s3.example".to_owned()], &["www.shop.example".to_owned()]);
        for name in ["localhost", "127.0.0.1", "::1", "s3.example", "*.s3.example", "www.shop.example"] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }
}
