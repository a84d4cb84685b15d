//! Which addresses may be reached on behalf of somebody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Network;

/// Where clouds keep credentials of their machines for whoever asks from there, beside the link-local addresses.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether an address is the internet's or in one of the networks. Link-local addresses, where the metadata services of
/// clouds are, never may be reached.
pub(super) fn may_reach(address: IpAddr, networks: &[Network]) -> bool {
    let address = address.to_canonical();
    let never = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.octets()[0] == 0,
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || address == METADATA_V6
        }
    };
    !never && (is_public(address) || networks.iter().any(|network| network.contains(address)))
}

/// Whether an address is one of the internet (IANA's special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            !SPECIAL_V4.iter().any(|(start, len)| (bits ^ start.to_bits()) >> (32 - len) == 0)
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let is_in = |start: Ipv6Addr, len: u32| (bits ^ start.to_bits()) >> (128 - len) == 0;
            let is_global_unicast = is_in(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
            is_global_unicast && !SPECIAL_V6.iter().any(|(start, len)| is_in(*start, *len))
        }
    }
}

const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Those of the global unicast addresses that lead elsewhere: into IPv4 by Teredo and 6to4, and documentation.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, networks: &[&str], expected: bool) {
        let networks: Vec<Network> = networks.iter().map(|network| Network::parse(network).unwrap()).collect();
        assert_eq!(may_reach(address.parse().unwrap(), &networks), expected, "{address}");
    }

    #[test]
    fn the_internet_is_reached() {
        for address in ["1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            check(address, &[], true);
        }
    }

    #[test]
    fn other_networks_are_reached_only_if_they_are_named() {
        for (address, network) in [
            ("127.0.0.1", "127.0.0.0/8"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("172.31.255.255", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.0.0/16"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("fd12::1", "fd00::/8"),
            ("203.0.113.9", "203.0.113.0/24"),
            ("2001:db8::1", "2001:db8::/32"),
            ("2002:7f00:1::", "2002::/16"),
            ("64:ff9b::7f00:1", "64:ff9b::/96"),
        ] {
            check(address, &[], false);
            check(address, &["198.18.0.0/15"], false);
            check(address, &[network], true);
        }
    }

    #[test]
    fn metadata_services_are_never_reached() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
        ] {
            check(address, &[], false);
            check(address, &["0.0.0.0/0", "::/0"], false);
        }
    }
}
