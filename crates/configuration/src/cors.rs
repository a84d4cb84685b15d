//! CORS: what browsers let the pages of other origins do with a bucket.

use minicbor::{Decode, Encode};

/// The most rules of a bucket.
pub const MAX_CORS_RULES: usize = 100;

/// The CORS rules of a bucket. The first that matches a request decides.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct CorsConfiguration {
    /// The rules, in the order they were put.
    #[n(0)]
    pub rules: Vec<CorsRule>,
}

/// What a page of some origin may ask for.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct CorsRule {
    /// What its author calls it.
    #[n(0)]
    pub id: Option<String>,
    /// The methods.
    #[n(1)]
    pub allowed_methods: Vec<CorsMethod>,
    /// The origins, with at most one `*` each.
    #[n(2)]
    pub allowed_origins: Vec<String>,
    /// The headers that a request may have, with at most one `*` each.
    #[n(3)]
    pub allowed_headers: Vec<String>,
    /// How long a browser may remember the rule, in seconds.
    #[n(4)]
    pub max_age_seconds: Option<u32>,
    /// The headers of an answer that the page may see.
    #[n(5)]
    pub expose_headers: Vec<String>,
}

/// A method that a rule can allow.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum CorsMethod {
    /// `GET`.
    #[n(0)]
    Get,
    /// `PUT`.
    #[n(1)]
    Put,
    /// `POST`.
    #[n(2)]
    Post,
    /// `DELETE`.
    #[n(3)]
    Delete,
    /// `HEAD`.
    #[n(4)]
    Head,
}

impl CorsMethod {
    /// Its name in HTTP.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    /// The method with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let methods = [Self::Get, Self::Put, Self::Post, Self::Delete, Self::Head];
        methods.into_iter().find(|method| method.name() == name)
    }
}

/// A request that a page of another origin makes, or asks to make.
#[derive(Debug, Clone, Copy)]
pub struct CrossOriginRequest<'a> {
    /// The origin of the page, as the browser writes it.
    pub origin: &'a str,
    /// The method.
    pub method: &'a str,
    /// The names of the headers that it asks for.
    pub headers: &'a [&'a str],
}

/// A rule that matches a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsMatch<'a> {
    /// The rule.
    pub rule: &'a CorsRule,
    /// Whether it is for pages of whatever origin: such an answer does not depend on who asks, and is without credentials.
    pub any_origin: bool,
}

impl CorsConfiguration {
    /// The first rule that allows the request, all of its headers included.
    #[must_use]
    pub fn matching(&self, request: CrossOriginRequest<'_>) -> Option<CorsMatch<'_>> {
        self.rules.iter().find_map(|rule| rule.matching(request))
    }
}

impl CorsRule {
    fn matching(&self, request: CrossOriginRequest<'_>) -> Option<CorsMatch<'_>> {
        let allowed = self.allowed_origins.iter().find(|pattern| matches(pattern, request.origin))?;
        let has_method = self.allowed_methods.iter().any(|method| method.name() == request.method);
        let has_header = |name: &&str| self.allowed_headers.iter().any(|pattern| matches_header(pattern, name));
        (has_method && request.headers.iter().all(has_header))
            .then_some(CorsMatch { rule: self, any_origin: allowed == "*" })
    }
}

/// Whether `text` is what `pattern` says, whose `*` stands for any text, also for none.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// The same of the name of a header, whose case does not matter. Whoever asks makes this be called as often as there are
/// names and patterns, so it costs next to nothing.
fn matches_header(pattern: &str, name: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else { return pattern.eq_ignore_ascii_case(name) };
    let starts = |text: &[u8]| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()));
    let (longest, name) = (name.len().checked_sub(end.len()), name.as_bytes());
    longest.is_some_and(|at| starts(&name[..at]) && name[at..].eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str, methods: &[CorsMethod], headers: &[&str]) -> CorsRule {
        CorsRule {
            id: None,
            allowed_methods: methods.to_vec(),
            allowed_origins: vec![origin.to_owned()],
            allowed_headers: headers.iter().map(|&name| name.to_owned()).collect(),
            max_age_seconds: None,
            expose_headers: Vec::new(),
        }
    }

    fn allows(rule: &CorsRule, origin: &str, method: &str, headers: &[&str]) -> bool {
        let configuration = CorsConfiguration { rules: vec![rule.clone()] };
        configuration.matching(CrossOriginRequest { origin, method, headers }).is_some()
    }

    #[test]
    fn an_origin_is_the_same_text_but_for_one_wildcard() {
        for (pattern, origin, expected) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://a.example:8443", false),
            ("https://a.example", "https://A.example", false),
            ("https://a.example", "https://a.example.evil.test", false),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://.example", true),
            ("https://*.example", "https://a.example.evil.test", false),
            ("https://*.example", "http://a.example", false),
            ("http*://a.example", "https://a.example", true),
            ("https://a.example:*", "https://a.example", false),
            // What stands before the wildcard and what stands behind it do not share a letter.
            ("aba*aba", "aba", false),
            ("aba*aba", "abaaba", true),
            ("*", "null", true),
            ("*", "anything", true),
            ("null", "null", true),
            ("", "https://a.example", false),
            ("https://a.example", "", false),
        ] {
            let rule = rule(pattern, &[CorsMethod::Get], &[]);
            assert_eq!(allows(&rule, origin, "GET", &[]), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_method_must_be_named() {
        let rule = rule("*", &[CorsMethod::Get, CorsMethod::Put], &["*"]);
        for method in ["HEAD", "DELETE", "get", "", "OPTIONS"] {
            assert!(!allows(&rule, "o", method, &[]), "{method}");
        }
        assert!(allows(&rule, "o", "PUT", &[]));
    }

    #[test]
    fn every_header_must_be_allowed_whatever_its_case() {
        let rule = rule("*", &[CorsMethod::Get], &["X-Amz-*", "content-TYPE"]);
        assert!(allows(&rule, "o", "GET", &[]));
        assert!(allows(&rule, "o", "GET", &["x-amz-date", "Content-Type"]));
        assert!(!allows(&rule, "o", "GET", &["x-amz-date", "authorization"]));
        assert!(!allows(&rule, "o", "GET", &["content-type-2"]));
        for (pattern, name, expected) in [
            ("a*A", "a", false),
            ("a*A", "aa", true),
            ("a*A", "Aba", true),
            ("*-ID", "x-id", true),
            ("x-*", "ü", false),
        ] {
            assert_eq!(allows(&self::rule("*", &[CorsMethod::Get], &[pattern]), "o", "GET", &[name]), expected);
        }
    }

    #[test]
    fn a_rule_without_headers_allows_none() {
        let rule = rule("*", &[CorsMethod::Get], &[]);
        assert!(!allows(&rule, "o", "GET", &["x-amz-date"]));
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let configuration = CorsConfiguration {
            rules: vec![
                rule("https://other.example", &[CorsMethod::Get], &[]),
                rule("https://*", &[CorsMethod::Get], &[]),
                rule("*", &[CorsMethod::Get, CorsMethod::Put], &[]),
            ],
        };
        let matching = |method| {
            let request = CrossOriginRequest { origin: "https://a.example", method, headers: &[] };
            configuration.matching(request)
        };
        let get = matching("GET").unwrap();
        assert_eq!((get.rule, get.any_origin), (&configuration.rules[1], false));
        let put = matching("PUT").unwrap();
        assert_eq!((put.rule, put.any_origin), (&configuration.rules[2], true));
        assert_eq!(matching("DELETE"), None);
    }

    #[test]
    fn names_and_methods_mirror_each_other() {
        for name in ["GET", "PUT", "POST", "DELETE", "HEAD"] {
            assert_eq!(CorsMethod::from_name(name).unwrap().name(), name);
        }
        for name in ["get", " GET", "OPTIONS", "PATCH", "*", ""] {
            assert_eq!(CorsMethod::from_name(name), None, "{name}");
        }
    }
}
