//! Where buckets may be replicated to: the file that `replication_targets` names.
//!
//! ```toml
//! [[target]]
//! role = "arn:aws:iam::000000000000:role/to-backup"
//! endpoint = "https://s3.backup.example"
//! region = "us-east-1"
//! credentials_file = "/etc/coffer/to-backup.credentials"
//! ca_file = "/etc/coffer/backup-ca.pem"
//! ```

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use async_trait::async_trait;
use coffer_replication::{Connect, Connection, Endpoint, LookedAt, Target, TargetCredentials, Targets};
use coffer_s3::error::S3Error;
use coffer_s3::ops::{DestinationState, ReplicationTargets};
use coffer_sigv4::SecretKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::outbound::{self, OutboundTls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    role: String,
    endpoint: String,
    region: String,
    credentials_file: PathBuf,
    ca_file: Option<PathBuf>,
}

/// It has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key: String,
    secret_key: String,
}

/// Reads the targets.
///
/// # Errors
/// A sentence for a person.
pub(crate) fn targets(path: Option<&Path>) -> Result<Targets> {
    let mut targets = Targets::default();
    let Some(path) = path else { return Ok(targets) };
    let unreadable = || format!("`replication_targets`: {}", path.display());
    let text = fs::read_to_string(path).with_context(unreadable)?;
    let file: File = toml::from_str(&text).with_context(unreadable)?;
    for entry in file.target {
        let role = entry.role.clone();
        ensure!(is_role(&role), "{}: {role:?} is not the ARN of a role", unreadable());
        let target = target(entry).with_context(|| format!("{}: the target of {role}", unreadable()))?;
        ensure!(targets.0.insert(role.clone(), target).is_none(), "{}: {role} has two targets", unreadable());
    }
    Ok(targets)
}

fn target(entry: Entry) -> Result<Target> {
    let endpoint = Endpoint::parse(&entry.endpoint).map_err(|error| anyhow!("`endpoint` {error}"))?;
    ensure!(!entry.region.is_empty(), "`region` is empty");
    let tls = OutboundTls::new("ca_file", entry.ca_file.as_deref())?;
    Ok(Target::new(endpoint, entry.region, credentials(&entry.credentials_file)?, Box::new(tls)))
}

fn credentials(path: &Path) -> Result<TargetCredentials> {
    let unreadable = || format!("`credentials_file`: {} cannot be read", path.display());
    let mode = fs::metadata(path).with_context(unreadable)?.mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "`credentials_file`: {} is open to others than its owner (mode {mode:04o}): chmod 600 it",
        path.display()
    );
    let text = fs::read_to_string(path).map(Zeroizing::new).with_context(unreadable)?;
    // The parser's own message would quote the file.
    let read: Result<Credentials, _> = toml::from_str(&text);
    let Ok(Credentials { access_key, secret_key }) = read else {
        return Err(anyhow!(
            "`credentials_file`: {} must hold two lines, access_key = \"...\" and secret_key = \"...\"",
            path.display()
        ));
    };
    ensure!(!access_key.is_empty() && !secret_key.is_empty(), "`credentials_file`: {} is empty", path.display());
    Ok(TargetCredentials { access_key, secret_key: SecretKey::new(secret_key) })
}

fn is_role(arn: &str) -> bool {
    coffer_access::account_of_arn(arn).is_some_and(|account| {
        arn.strip_prefix(&format!("arn:aws:iam::{account}:role/")).is_some_and(|name| !name.is_empty())
    })
}

#[async_trait]
impl Connect for OutboundTls {
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Connection>, String> {
        Ok(Box::new(outbound::connect(host, port, Some(self)).await?))
    }
}

/// The targets, as S3 asks about them.
pub(crate) struct Asked(pub(crate) Arc<Targets>);

#[async_trait]
impl ReplicationTargets for Asked {
    fn has_target(&self, role: &str) -> bool {
        self.0.0.contains_key(role)
    }

    async fn look_at(&self, role: &str, bucket: &str, owner: Option<&str>) -> Result<DestinationState, S3Error> {
        let Some(target) = self.0.0.get(role) else { return Ok(DestinationState::Missing) };
        match target.look_at(bucket, owner).await {
            LookedAt::Versioned => Ok(DestinationState::Versioned),
            LookedAt::Unversioned => Ok(DestinationState::Unversioned),
            LookedAt::Missing => Ok(DestinationState::Missing),
            LookedAt::Unreachable => Err(S3Error::service_unavailable()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ROLE: &str = "arn:aws:iam::000000000000:role/to-backup";

    fn written(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load(target: &str, credentials: &str, mode: u32) -> Result<Targets> {
        let directory = tempfile::tempdir().unwrap();
        let credentials = written(directory.path(), "credentials", credentials, mode);
        let text = target.replace("CREDENTIALS", &credentials.to_string_lossy());
        targets(Some(&written(directory.path(), "targets.toml", &text, 0o644)))
    }

    fn refusal(target: &str, credentials: &str, mode: u32) -> String {
        format!("{:#}", load(target, credentials, mode).err().expect("it is refused"))
    }

    fn entry(role: &str, endpoint: &str) -> String {
        format!(
            "[[target]]\nrole = \"{role}\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n\
             credentials_file = \"CREDENTIALS\"\n"
        )
    }

    const GOOD: &str = "access_key = \"AKIA\"\nsecret_key = \"canary-secret\"\n";

    #[test]
    fn a_target_is_found_by_its_role() {
        let targets = load(&entry(ROLE, "https://s3.example.org"), GOOD, 0o600).unwrap();
        assert!(targets.0.contains_key(ROLE));
        assert!(super::targets(None).unwrap().0.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = entry(ROLE, "https://s3.example.org");
        for (target, why) in [
            (entry(ROLE, "http://s3.example.org"), "HTTPS only"),
            (entry("arn:aws:iam::1:role/x", "https://s3.example.org"), "not the ARN of a role"),
            (entry("arn:aws:iam::000000000000:user/x", "https://s3.example.org"), "not the ARN of a role"),
            (format!("{good}{good}"), "two targets"),
            (format!("{good}extra = 1\n"), "unknown field"),
            (good.replace("region = \"us-east-1\"\n", ""), "missing field"),
        ] {
            let message = refusal(&target, GOOD, 0o600);
            assert!(message.contains(why), "{target}: {message}");
        }
    }

    #[test]
    fn credentials_are_for_one_reader_and_never_quoted() {
        let good = entry(ROLE, "https://s3.example.org");
        assert!(refusal(&good, GOOD, 0o640).contains("chmod 600"));
        for broken in
            ["secret_key = canary-secret", "secret_key = \"canary-secret\"", "access_key = \"\"\nsecret_key=\"\""]
        {
            let message = refusal(&good, broken, 0o600);
            assert!(message.contains("credentials_file") && !message.contains("canary-secret"), "{message}");
        }
    }
}
