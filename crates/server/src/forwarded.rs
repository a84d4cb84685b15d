//! What proxies say about the client behind them.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::Network;

/// The address of the client: the last one in `X-Forwarded-For` that is no trusted proxy's, if the peer is one.
///
/// Whatever stands in front of that address is hearsay: the client itself may have written it. An entry that is no
/// address ends the search as well; the proxy that wrote it is then as far as anybody knows.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    // Several headers of this name are one list.
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else { return client };
        for entry in value.rsplit(',') {
            if !is_trusted(client) {
                return client;
            }
            let Some(address) = address(entry.trim()) else { return client };
            client = address.to_canonical();
        }
    }
    client
}

/// Whether `X-Forwarded-Proto` says that the client came over TLS. What stands there twice says nothing: the client may
/// have written one of them.
pub(crate) fn says_https(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all("x-forwarded-proto").iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.as_bytes().eq_ignore_ascii_case(b"https"),
        _ => false,
    }
}

/// An address, with or without a port: some proxies write one.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("::1").unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let client = client_address(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(client.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn a_client_without_a_proxy_is_the_peer_whatever_it_says() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.7"], "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_says_who_the_client_is() {
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::1", &["2001:db8::7"], "2001:db8::7");
        check("::ffff:10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        check("10.0.0.1", &["192.0.2.1, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["192.0.2.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["192.0.2.1,unknown,10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["192.0.2.1,,10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["198.51.100.7\u{e9}"], "10.0.0.1");
    }

    #[test]
    fn one_word_says_https_and_nothing_else_does() {
        for (values, expected) in [
            (&["https"][..], true),
            (&["HTTPS"], true),
            (&[], false),
            (&["http"], false),
            (&["https", "http"], false),
            (&["http", "https"], false),
            (&["https", "https"], false),
            (&["https,http"], false),
            (&["https "], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-proto", HeaderValue::from_static(value));
            }
            assert_eq!(says_https(&headers), expected, "{values:?}");
        }
    }
}
