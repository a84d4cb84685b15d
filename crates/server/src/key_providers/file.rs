//! One section of the file of key providers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use async_trait::async_trait;
use coffer_key_providers::{
    AccessKey, AwsCredentials, AwsKms, AwsKmsSettings, Connect, Connection, Endpoint, Limits, Pkcs11Settings, Provider,
    RemoteRootKeys, SecretFile, Transit, TransitAuth, TransitSettings,
};
use coffer_sigv4::SecretKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::outbound::{self, OutboundTls};

/// A provider.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Entry {
    AwsKms {
        endpoint: String,
        region: String,
        key_arn: String,
        credentials_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
        #[serde(default)]
        allow_http: bool,
        timeout_seconds: Option<u64>,
        max_calls: Option<usize>,
    },
    Transit {
        endpoint: String,
        namespace: Option<String>,
        #[serde(default = "transit")]
        mount: String,
        key: String,
        token_file: Option<PathBuf>,
        role_id: Option<String>,
        secret_id_file: Option<PathBuf>,
        #[serde(default = "approle")]
        approle_mount: String,
        ca_file: Option<PathBuf>,
        #[serde(default)]
        allow_http: bool,
        timeout_seconds: Option<u64>,
        max_calls: Option<usize>,
    },
    Pkcs11 {
        module: PathBuf,
        token_label: Option<String>,
        token_serial: Option<String>,
        key: String,
        pin_file: PathBuf,
        #[serde(default)]
        create: bool,
        timeout_seconds: Option<u64>,
        max_calls: Option<usize>,
    },
}

fn transit() -> String {
    "transit".to_owned()
}

fn approle() -> String {
    "approle".to_owned()
}

impl Entry {
    /// The provider, as root keys that are called `name`.
    pub(super) fn into_keys(self, name: &str) -> Result<RemoteRootKeys> {
        let sentence = |error: String| anyhow!(error);
        let (provider, limits): (Box<dyn Provider>, Limits) = match self {
            Self::AwsKms {
                endpoint,
                region,
                key_arn,
                credentials_file,
                ca_file,
                allow_http,
                timeout_seconds,
                max_calls,
            } => {
                let credentials = match &credentials_file {
                    Some(path) => AwsCredentials::File(SecretFile::new(path)),
                    None => AwsCredentials::Given(from_environment(|name| std::env::var(name).ok())?),
                };
                let endpoint = self::endpoint(&endpoint, allow_http)?;
                let settings = AwsKmsSettings { endpoint, region, key_arn, credentials };
                let kms = AwsKms::new(settings, Box::new(way_out(ca_file.as_deref())?)).map_err(sentence)?;
                (Box::new(kms), limits(timeout_seconds, max_calls)?)
            }
            Self::Transit {
                endpoint,
                namespace,
                mount,
                key,
                token_file,
                role_id,
                secret_id_file,
                approle_mount,
                ca_file,
                allow_http,
                timeout_seconds,
                max_calls,
            } => {
                let auth = match (token_file, role_id, secret_id_file) {
                    (Some(token), None, None) => TransitAuth::Token(SecretFile::new(&token)),
                    (None, Some(role_id), Some(secret_id)) => {
                        let secret_id = SecretFile::new(&secret_id);
                        TransitAuth::AppRole { mount: approle_mount, role_id, secret_id }
                    }
                    _ => return Err(anyhow!("either `token_file`, or `role_id` and `secret_id_file`, must be set")),
                };
                let endpoint = self::endpoint(&endpoint, allow_http)?;
                let settings = TransitSettings { endpoint, namespace, mount, key, auth };
                let transit = Transit::new(settings, Box::new(way_out(ca_file.as_deref())?)).map_err(sentence)?;
                (Box::new(transit), limits(timeout_seconds, max_calls)?)
            }
            Self::Pkcs11 { module, token_label, token_serial, key, pin_file, create, timeout_seconds, max_calls } => {
                let pin_file = SecretFile::new(&pin_file);
                let settings = Pkcs11Settings { module, token_label, token_serial, key, pin_file, create };
                (settings.provider().map_err(sentence)?, limits(timeout_seconds, max_calls)?)
            }
        };
        Ok(RemoteRootKeys::new(name, provider, limits))
    }
}

fn endpoint(url: &str, allow_http: bool) -> Result<Endpoint> {
    let parsed = Endpoint::parse(url, allow_http);
    parsed.map_err(|error| anyhow!("`endpoint` {error} (`allow_http = true` if you know what you do)"))
}

fn way_out(ca_file: Option<&Path>) -> Result<WayOut> {
    Ok(WayOut(OutboundTls::new("ca_file", ca_file)?))
}

fn limits(timeout_seconds: Option<u64>, max_calls: Option<usize>) -> Result<Limits> {
    let mut limits = Limits::default();
    if let Some(seconds) = timeout_seconds {
        ensure!((1..=60).contains(&seconds), "`timeout_seconds` must be from 1 to 60");
        limits.attempt = Duration::from_secs(seconds);
        limits.call = limits.attempt * 3 + Duration::from_secs(1);
    }
    if let Some(calls) = max_calls {
        ensure!((1..=1000).contains(&calls), "`max_calls` must be from 1 to 1000");
        limits.concurrent = calls;
    }
    Ok(limits)
}

/// The access key in the environment, by the names that every client of AWS knows.
fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<AccessKey> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let missing =
        "without `credentials_file`, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set in the environment";
    Ok(AccessKey {
        id: set("AWS_ACCESS_KEY_ID").context(missing)?,
        secret: SecretKey::new(set("AWS_SECRET_ACCESS_KEY").context(missing)?),
        session_token: set("AWS_SESSION_TOKEN").map(Zeroizing::new),
    })
}

/// Connections to providers.
struct WayOut(OutboundTls);

#[async_trait]
impl Connect for WayOut {
    async fn connect(&self, host: &str, port: u16, tls: bool) -> Result<Box<dyn Connection>, String> {
        Ok(Box::new(outbound::connect(host, port, tls.then_some(&self.0)).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_may_come_from_the_environment() {
        let all = |name: &str| Some(format!("value of {name}"));
        let key = from_environment(all).ok().unwrap();
        assert_eq!(key.id, "value of AWS_ACCESS_KEY_ID");
        assert!(key.session_token.is_some());
        for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let some = |name: &str| (name != missing).then(|| "x".to_owned());
            assert!(from_environment(some).is_err(), "{missing}");
        }
        assert!(from_environment(|name| (name != "AWS_SESSION_TOKEN").then(|| "x".to_owned())).is_ok());
    }

    #[test]
    fn bounds_have_bounds() {
        let limits = super::limits(Some(2), Some(5)).unwrap();
        assert_eq!((limits.attempt.as_secs(), limits.call.as_secs(), limits.concurrent), (2, 7, 5));
        for (seconds, calls) in [(Some(0), None), (Some(61), None), (None, Some(0)), (None, Some(1001))] {
            assert!(super::limits(seconds, calls).is_err(), "{seconds:?} {calls:?}");
        }
    }
}
