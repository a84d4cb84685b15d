//! Another S3 server that already runs on this machine.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;

use super::certificate::trust;
use super::{Endpoints, Target};
use crate::http::Endpoint;
use crate::sign::Credentials;

/// A peer as the command line names it: `NAME=URL,ACCESS,SECRET[,PID]`.
pub(crate) struct Peer {
    name: String,
    https: bool,
    /// Host and port.
    authority: String,
    access_key: String,
    secret_key: String,
    pid: Option<u32>,
}

impl Peer {
    /// How to reach the peer. `ca`: the certificates that vouch for an `https` peer, in PEM.
    ///
    /// # Errors
    /// When it is not on this machine, or speaks HTTPS and there is no `ca`.
    pub(crate) fn target(self, ca: Option<&Path>, customer_headers: [(&'static str, String); 3]) -> Result<Target> {
        let address = self.loopback_address()?;
        let tls = if self.https {
            let ca = ca.with_context(|| format!("{}: an https peer needs --ca", self.name))?;
            let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
            Some((ServerName::try_from(host.to_owned())?, trust(ca)?))
        } else {
            None
        };
        Ok(Target {
            name: self.name,
            endpoints: Endpoints::One(Endpoint { address, host: self.authority, tls }),
            credentials: Some(Credentials::new(self.access_key, self.secret_key)),
            pid: self.pid,
            customer_headers,
        })
    }

    fn loopback_address(&self) -> Result<SocketAddr> {
        let addresses = self.authority.to_socket_addrs().with_context(|| format!("{}: no such host", self.name))?;
        let mut loopback = addresses.filter(|address| address.ip().is_loopback());
        loopback.next().with_context(|| format!("{}: only servers on this machine are measured", self.name))
    }
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once('=').context("expected NAME=URL,ACCESS,SECRET[,PID]")?;
        let fields: Vec<&str> = rest.split(',').collect();
        let (url, access_key, secret_key, pid) = match fields[..] {
            [url, access_key, secret_key] => (url, access_key, secret_key, None),
            [url, access_key, secret_key, pid] => {
                (url, access_key, secret_key, Some(pid.parse().context("PID is no number")?))
            }
            _ => bail!("expected NAME=URL,ACCESS,SECRET[,PID]"),
        };
        let (scheme, authority) = url.split_once("://").context("the URL has no scheme")?;
        let https = match scheme {
            "http" => false,
            "https" => true,
            _ => bail!("the URL is neither http nor https"),
        };
        let authority = authority.trim_end_matches('/');
        ensure!(!authority.contains('/'), "the URL has a path");
        ensure!(authority.contains(':'), "the URL has no port");
        let words = [name, authority, access_key, secret_key];
        ensure!(words.iter().all(|word| !word.is_empty()), "a field is empty");
        let [name, authority, access_key, secret_key] = words.map(str::to_owned);
        Ok(Self { name, https, authority, access_key, secret_key, pid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Encryption;
    use crate::servers::customer_headers;

    #[test]
    fn a_peer_is_named_reached_and_counted() {
        let peer: Peer = "minio=http://127.0.0.1:9000/,user,pass+word/=,77".parse().unwrap();
        let target = peer.target(None, customer_headers()).unwrap();
        assert_eq!((target.name.as_str(), target.pid), ("minio", Some(77)));
        let endpoint = target.endpoint(Encryption::SseC);
        assert_eq!(endpoint.address, SocketAddr::from(([127, 0, 0, 1], 9000)));
        assert_eq!(endpoint.host, "127.0.0.1:9000");
    }

    #[test]
    fn malformed_peers_are_refused_without_their_secret() {
        for text in [
            "",
            "hunter2",
            "minio=hunter2",
            "minio=http://127.0.0.1:9000,hunter2",
            "minio=127.0.0.1:9000,a,hunter2",
            "minio=ftp://127.0.0.1:9000,a,hunter2",
            "minio=http://127.0.0.1,a,hunter2",
            "minio=http://127.0.0.1:9000/path,a,hunter2",
            "minio=http://127.0.0.1:9000,a,b,hunter2",
            "minio=http://127.0.0.1:9000,a,hunter2,1,2",
            "minio=http://127.0.0.1:9000,,hunter2",
            "=http://127.0.0.1:9000,a,hunter2",
        ] {
            let error = text.parse::<Peer>().err().unwrap();
            assert!(!format!("{error:?}").contains("hunter2"), "{text:?}");
        }
    }

    #[test]
    fn a_peer_on_another_machine_is_refused() {
        let peer: Peer = "far=http://192.0.2.1:9000,a,b".parse().unwrap();
        let error = peer.target(None, customer_headers()).err().unwrap().to_string();
        assert!(error.contains("on this machine"), "{error}");
    }

    #[test]
    fn an_https_peer_needs_somebody_to_trust() {
        let peer: Peer = "near=https://127.0.0.1:9443,a,b".parse().unwrap();
        assert!(peer.target(None, customer_headers()).is_err());
    }
}
