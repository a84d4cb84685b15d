//! What `coffer serve` prints when it is ready: what the person in front of it needs next, and no more.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use coffer_store::RootCredentials;

use crate::credentials::Root;
use crate::metadata_backup::LastBackups;

/// What there is to tell.
pub(crate) struct Welcome<'a> {
    /// Where HTTP is served.
    pub(crate) http: Option<SocketAddr>,
    /// Where HTTPS is served.
    pub(crate) https: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub(crate) admin: Option<SocketAddr>,
    /// What clients are to trust, if the server made its certificate.
    pub(crate) authority: Option<PathBuf>,
    /// The data directory.
    pub(crate) data: &'a Path,
    /// Where the root key is.
    pub(crate) root_key: &'a str,
    /// The files of the root key, if that is on this machine; one alone is under a passphrase.
    pub(crate) key_files: &'a [PathBuf],
    /// Whether the root key was made just now.
    pub(crate) made_key: bool,
    /// Whether a backup of the root key as it is now was verified.
    pub(crate) backup_verified: bool,
    /// The last attempts to back up the metadata.
    pub(crate) backups: &'a LastBackups,
    /// The root credentials; the secret is shown if they were made just now.
    pub(crate) root: &'a Root,
    /// The region.
    pub(crate) region: &'a str,
}

impl Welcome<'_> {
    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("Coffer {} is ready.\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, value: &str| {
            writeln!(text, "  {name:<8} {value}").expect("a String takes any text");
        };
        for (name, scheme, address) in [("HTTP", "http", self.http), ("HTTPS", "https", self.https)] {
            line(name, &address.map_or_else(|| "off".to_owned(), |address| url(scheme, address)));
        }
        if let Some(authority) = &self.authority {
            line("", &format!("clients trust {}", authority.display()));
        }
        line("admin", &self.admin.map_or_else(|| "off".to_owned(), |address| url("http", address)));
        line("data", &self.data.display().to_string());
        match self.backups {
            LastBackups { failed_ms: Some(_), .. } => line("", "the last backup of its metadata failed"),
            // Just now there is nothing to back up.
            LastBackups { taken: None, .. } if !self.made_key => {
                line("", "its metadata was never backed up: see `coffer backup create`");
            }
            LastBackups { .. } => {}
        }
        line("root key", self.root_key);
        if !self.backup_verified {
            line("", "no backup of it was verified yet: see `coffer key export`");
        }
        if self.made_key {
            text += &self.backup();
        }
        if let Root::Made(credentials) = self.root {
            text += &self.first_steps(credentials);
        } else {
            text += "\nRoot credentials: see `coffer credentials show` while the server is stopped.\n";
        }
        text
    }

    fn backup(&self) -> String {
        let what = if self.key_files.len() == 1 { "this file and its passphrase" } else { "both files" };
        let files: String = self.key_files.iter().map(|file| format!("  {}\n", file.display())).collect();
        format!(
            "\nThe root key was made just now. Without it nothing that is stored can ever be read again.\n\
             Back up {what}, apart from the data:\n{files}"
        )
    }

    /// The secret and ready lines. Credentials go by the environment, not by arguments that every user can list.
    fn first_steps(&self, credentials: &RootCredentials) -> String {
        let (access_key, secret_key) = (&credentials.access_key, credentials.expose_secret());
        format!(
            "\nRoot credentials, shown this once (later: `coffer credentials show`):\n\
             \x20 access key {access_key}\n\
             \x20 secret key {secret_key}\n\
             \nTry it:\n\
             \x20 export AWS_ACCESS_KEY_ID={access_key}\n\
             \x20 export AWS_SECRET_ACCESS_KEY={secret_key}\n\
             \x20 export AWS_DEFAULT_REGION={region}\n\
             with s3cmd\n\
             \x20 alias coffer-s3='s3cmd {s3cmd}'\n\
             \x20 coffer-s3 mb s3://directory1\n\
             \x20 coffer-s3 put ./my-encrypted-object s3://directory1 --server-side-encryption\n\
             or the AWS CLI\n\
             \x20 alias coffer-aws='aws {aws} s3'\n\
             \x20 coffer-aws mb s3://directory2\n\
             \x20 coffer-aws cp ./my-encrypted-object s3://directory2 --sse\n",
            region = self.region,
            s3cmd = self.s3cmd_endpoint(),
            aws = self.aws_endpoint(),
        )
    }

    fn s3cmd_endpoint(&self) -> String {
        if let Some(address) = self.http {
            let host = host(address);
            return format!("--no-ssl --region={} --host={host} --host-bucket={host}", self.region);
        }
        let host = self.https.map(host).unwrap_or_default();
        format!("--region={} --host={host} --host-bucket={host}{}", self.region, self.trust(" --ca-certs="))
    }

    fn aws_endpoint(&self) -> String {
        if let Some(address) = self.http {
            return format!("--endpoint-url {}", url("http", address));
        }
        let url = self.https.map(|address| url("https", address)).unwrap_or_default();
        format!("--endpoint-url {url}{}", self.trust(" --ca-bundle "))
    }

    fn trust(&self, flag: &str) -> String {
        self.authority.as_ref().map_or_else(String::new, |path| format!("{flag}{}", path.display()))
    }
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{}", host(address))
}

/// Host and port under which a client on this machine reaches `address`.
fn host(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata_backup::TakenBackup;

    fn text(made: bool, http: Option<&str>) -> String {
        text_with(made, http, &backed_up())
    }

    fn backed_up() -> LastBackups {
        LastBackups { taken: Some(TakenBackup { id: [1; 16], taken_ms: 1 }), failed_ms: None }
    }

    fn text_with(made: bool, http: Option<&str>, backups: &LastBackups) -> String {
        let credentials = RootCredentials::new("ACCESS".to_owned(), "canary-secret".to_owned(), 0);
        Welcome {
            http: http.map(|address| address.parse().unwrap()),
            https: Some("127.0.0.1:9443".parse().unwrap()),
            admin: None,
            authority: Some(PathBuf::from("/keys/tls/ca.pem")),
            data: Path::new("/data"),
            root_key: "/keys/root.key",
            key_files: &[PathBuf::from("/keys/root.key"), PathBuf::from("/keys/root.key.keyring")],
            made_key: made,
            backup_verified: !made,
            backups,
            root: &if made { Root::Made(credentials) } else { Root::Kept },
            region: "us-east-1",
        }
        .text()
    }

    #[test]
    fn the_first_start_shows_the_secret_and_asks_for_a_backup() {
        let text = text(true, Some("127.0.0.1:9000"));
        for part in [
            "canary-secret",
            "  /keys/root.key\n  /keys/root.key.keyring\n",
            "--no-ssl --region=us-east-1 --host=127.0.0.1:9000 --host-bucket=127.0.0.1:9000",
            "--endpoint-url http://127.0.0.1:9000",
            "clients trust /keys/tls/ca.pem",
            "no backup of it was verified yet: see `coffer key export`",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn later_starts_do_not_show_the_secret() {
        let text = text(false, Some("127.0.0.1:9000"));
        assert!(!text.contains("canary-secret"), "{text}");
        assert!(!text.contains("Back up"), "{text}");
        assert!(!text.contains("no backup"), "{text}");
    }

    #[test]
    fn metadata_without_a_backup_is_told_of() {
        let (never, failed) = (LastBackups::default(), LastBackups { failed_ms: Some(2), ..backed_up() });
        assert!(text_with(false, None, &never).contains("never backed up: see `coffer backup create`"));
        assert!(!text_with(true, None, &never).contains("backed up"), "there is nothing yet");
        assert!(text_with(false, None, &failed).contains("the last backup of its metadata failed"));
        assert!(!text_with(false, None, &backed_up()).contains("its metadata"));
    }

    #[test]
    fn without_http_the_lines_speak_https_and_name_the_authority() {
        let text = text(true, None);
        assert!(text.contains("--host=127.0.0.1:9443 --host-bucket=127.0.0.1:9443 --ca-certs=/keys/tls/ca.pem"));
        assert!(text.contains("--endpoint-url https://127.0.0.1:9443 --ca-bundle /keys/tls/ca.pem"));
    }

    #[test]
    fn an_address_of_all_interfaces_is_reached_as_localhost() {
        assert!(text(true, Some("0.0.0.0:9000")).contains("http://localhost:9000"));
    }
}
