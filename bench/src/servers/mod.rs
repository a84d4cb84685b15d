//! The servers that are measured: Coffer, nginx with plain files, and peers that already run.

mod certificate;
mod coffer;
mod nginx;
mod peer;
mod process;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_crypto::{md5, random_array};

pub(crate) use certificate::Certificate;
pub(crate) use peer::Peer;

use crate::case::{Encryption, Operation};
use crate::http::Endpoint;
use crate::sign::Credentials;

/// A server, as its clients see it.
pub(crate) struct Target {
    /// Its name in the report.
    pub(crate) name: String,
    /// Where it speaks HTTP, HTTPS, or both.
    pub(crate) endpoints: Endpoints,
    /// What requests are signed with; `None`: plain files by WebDAV, unsigned, without buckets or encryption.
    pub(crate) credentials: Option<Credentials>,
    /// The process whose CPU time and memory are counted, with its children.
    pub(crate) pid: Option<u32>,
    /// The three headers of an SSE-C request.
    pub(crate) customer_headers: [(&'static str, String); 3],
}

/// Where a server listens.
pub(crate) enum Endpoints {
    /// One protocol for everything.
    One(Endpoint),
    /// Both.
    Both {
        /// HTTP.
        plain: Endpoint,
        /// HTTPS.
        tls: Endpoint,
    },
}

impl Target {
    /// Where requests for objects of this encryption go: those with customer keys by HTTPS, if there is a choice.
    #[must_use]
    pub(crate) fn endpoint(&self, encryption: Encryption) -> &Endpoint {
        match (&self.endpoints, encryption) {
            (Endpoints::One(endpoint), _) => endpoint,
            (Endpoints::Both { plain, .. }, Encryption::Default) => plain,
            (Endpoints::Both { tls, .. }, Encryption::SseC) => tls,
        }
    }

    /// Whether the server can do it at all: plain files have no listing in key order.
    #[must_use]
    pub(crate) fn can(&self, operation: Operation) -> bool {
        operation != Operation::List || self.credentials.is_some()
    }
}

/// A server started by the bench; it ends when this is dropped.
pub(crate) struct Started {
    /// How to reach it.
    pub(crate) target: Target,
    _process: process::Process,
}

pub(crate) use coffer::{build, start as start_coffer};
pub(crate) use nginx::{REFERENCE, start as start_nginx};

/// The headers of SSE-C requests with one random key, which is the same for a whole run.
#[must_use]
pub(crate) fn customer_headers() -> [(&'static str, String); 3] {
    let key: [u8; 32] = random_array();
    [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256".to_owned()),
        ("x-amz-server-side-encryption-customer-key", BASE64_STANDARD.encode(key)),
        ("x-amz-server-side-encryption-customer-key-md5", BASE64_STANDARD.encode(md5(&key))),
    ]
}

/// Addresses on loopback that nobody listens on now.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    // All are held at once, so that they differ.
    let listeners: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<std::io::Result<_>>()
        .context("no free port on 127.0.0.1")?;
    let addresses: Vec<SocketAddr> = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?;
    Ok(addresses.try_into().expect("there are N listeners"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_addresses_differ() {
        let [a, b, c] = free_addresses::<3>().unwrap();
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn each_run_has_its_own_customer_key() {
        assert_ne!(customer_headers()[1].1, customer_headers()[1].1);
    }
}
