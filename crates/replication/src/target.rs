//! Where objects go: endpoints that whoever runs the server has named.

use std::collections::BTreeMap;

use coffer_sigv4::SecretKey;
use http::Uri;
use thiserror::Error;

use crate::answer::{Failure, element_text};
use crate::call::Call;
use crate::client::{Client, Connect};

/// An S3 endpoint and who signs there.
pub struct Target {
    pub(crate) client: Client,
    pub(crate) region: String,
    pub(crate) credentials: TargetCredentials,
}

/// An access key at a target. It has no `Debug`.
pub struct TargetCredentials {
    /// The access key ID.
    pub access_key: String,
    /// The secret.
    pub secret_key: SecretKey,
}

/// Every target, by the ARN of the role that names it.
#[derive(Default)]
pub struct Targets(pub BTreeMap<String, Target>);

/// The address of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the `Host` header has it.
    pub(crate) authority: String,
}

/// An address that is none of a target.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be a URL such as https://s3.example.org, without a path: objects leave this machine over HTTPS only")]
pub struct InvalidEndpoint;

/// What a bucket at a target is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedAt {
    /// It keeps every version.
    Versioned,
    /// It does not.
    Unversioned,
    /// It is not there, or may not be looked at.
    Missing,
    /// The target does not answer as it should.
    Unreachable,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`InvalidEndpoint`].
    pub fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = url.parse().map_err(|_| InvalidEndpoint)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(InvalidEndpoint)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if uri.scheme_str() != Some("https") || !is_bare || authority.host().is_empty() {
            return Err(InvalidEndpoint);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(443), authority: authority.as_str().to_owned() })
    }
}

impl Target {
    /// A target in a region, reached by `connector`.
    #[must_use]
    pub fn new(
        endpoint: Endpoint,
        region: String,
        credentials: TargetCredentials,
        connector: Box<dyn Connect>,
    ) -> Self {
        Self { client: Client::new(endpoint, connector), region, credentials }
    }

    /// Looks at a bucket. `owner` is the account that must own it.
    pub async fn look_at(&self, bucket: &str, owner: Option<&str>) -> LookedAt {
        let call = Call::new("GET", bucket).query("versioning", "").header_if("x-amz-expected-bucket-owner", owner);
        match self.call(call).await {
            Ok(answer) => match element_text(&answer.body, "Status").as_deref() {
                Some("Enabled") => LookedAt::Versioned,
                _ => LookedAt::Unversioned,
            },
            Err(Failure::Target(why)) => {
                tracing::warn!(why, "a replication target cannot be asked about a bucket");
                LookedAt::Unreachable
            }
            Err(_) => LookedAt::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_https_url_without_a_path() {
        let endpoint = Endpoint::parse("https://s3.example.org").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("s3.example.org", 443));
        let endpoint = Endpoint::parse("https://[::1]:9443/").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.authority.as_str()), ("::1", 9443, "[::1]:9443"));
    }

    #[test]
    fn what_would_leave_in_the_clear_or_elsewhere_is_refused() {
        for url in [
            "",
            "s3.example.org",
            "http://s3.example.org",
            "ftp://s3.example.org",
            "https://user:secret@s3.example.org",
            "https://s3.example.org/path",
            "https://s3.example.org/?x",
            "https://",
        ] {
            assert_eq!(Endpoint::parse(url), Err(InvalidEndpoint), "{url}");
        }
    }
}
