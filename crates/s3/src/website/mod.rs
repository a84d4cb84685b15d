//! Websites: the hosts that are some, the pages of errors, and where redirects lead.

mod location;
mod page;

use crate::route::virtual_bucket;

pub(crate) use location::{Asked, folder, location, stored_location};
pub(crate) use page::error_page;

/// Which hosts are websites of which buckets. None of them serves anything else.
#[derive(Debug, Clone, Default)]
pub struct Websites {
    /// Base domains, lower-case: `BUCKET.DOMAIN` is the website of BUCKET.
    pub domains: Vec<String>,
    /// Hosts, lower-case, that are the websites of the buckets of the same name.
    pub hosts: Vec<String>,
}

impl Websites {
    /// The bucket whose website `host` is, with or without a port.
    #[must_use]
    pub fn bucket(&self, host: &str) -> Option<String> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let named = self.hosts.iter().find(|host| host.eq_ignore_ascii_case(name));
        named.cloned().or_else(|| virtual_bucket(host, &self.domains))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_websites_by_domain_or_by_name() {
        let websites = Websites { domains: vec!["web.example".to_owned()], hosts: vec!["www.shop.example".to_owned()] };
        for (host, bucket) in [
            ("photos.web.example", Some("photos")),
            ("Photos.WEB.example:8080", Some("photos")),
            ("a.b.web.example", Some("a.b")),
            ("www.shop.example", Some("www.shop.example")),
            ("WWW.shop.example:443", Some("www.shop.example")),
            ("web.example", None),
            (".web.example", None),
            ("shop.example", None),
            ("a.www.shop.example", None),
            ("photos.web.example.evil.test", None),
            ("photosweb.example", None),
            ("", None),
        ] {
            assert_eq!(websites.bucket(host).as_deref(), bucket, "{host}");
        }
    }
}
