//! CORS on the wire: what a request says of the page that makes it, and what the answer tells its browser.

use coffer_configuration::{CorsConfiguration, CorsMatch, CrossOriginRequest};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::Headers;

/// The most headers that a preflight can ask about: each is held against every pattern of every rule, for anybody.
const MOST_HEADERS: usize = 500;

/// What a request says of the page that makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Crossing {
    origin: String,
    method: String,
    headers: Vec<String>,
}

impl Crossing {
    /// What the headers say; `None` when no page of another origin makes the request, or not in a way that a browser
    /// has.
    ///
    /// The method and the headers that a preflight asks about are looked at in other requests too, as on S3; else the
    /// method is `method`.
    #[must_use]
    pub fn of(headers: &Headers, method: &str) -> Option<Self> {
        let origin = headers.text("origin").ok()??;
        let method = headers.text("access-control-request-method").ok()?.unwrap_or(method);
        let mut names = Vec::new();
        for value in headers.all("access-control-request-headers") {
            let value = std::str::from_utf8(value).ok()?;
            names.extend(value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase));
        }
        if names.len() > MOST_HEADERS {
            return None;
        }
        Some(Self { origin: origin.to_owned(), method: method.to_owned(), headers: names })
    }

    /// What the answer tells the browser; `None` if no rule allows the request.
    #[must_use]
    pub fn answer(&self, configuration: &CorsConfiguration) -> Option<HeaderMap> {
        let names: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        let request = CrossOriginRequest { origin: &self.origin, method: &self.method, headers: &names };
        configuration.matching(request).map(|matched| self.tell(matched))
    }

    fn tell(&self, CorsMatch { rule, any_origin }: CorsMatch<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            // Names of headers came in one, and the others were judged when the rule was put.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(ACCESS_CONTROL_ALLOW_ORIGIN, if any_origin { "*" } else { &self.origin });
        let methods: Vec<&str> = rule.allowed_methods.iter().map(|method| method.name()).collect();
        put(ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
        if !self.headers.is_empty() {
            put(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
        }
        if !rule.expose_headers.is_empty() {
            put(ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
        }
        if let Some(seconds) = rule.max_age_seconds {
            put(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        if !any_origin {
            put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        put(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
        headers
    }
}

#[cfg(test)]
mod tests {
    use coffer_configuration::{CorsMethod, CorsRule};

    use super::*;
    use crate::headers::headers;

    const ORIGIN: (&str, &str) = ("origin", "https://a.example");

    fn configuration(origin: &str) -> CorsConfiguration {
        CorsConfiguration {
            rules: vec![CorsRule {
                id: None,
                allowed_methods: vec![CorsMethod::Get, CorsMethod::Put],
                allowed_origins: vec![origin.to_owned()],
                allowed_headers: vec!["x-amz-*".to_owned()],
                max_age_seconds: Some(3000),
                expose_headers: vec!["ETag".to_owned(), "x-amz-version-id".to_owned()],
            }],
        }
    }

    fn answer(origin: &str, pairs: &[(&str, &str)], method: &str) -> Option<HeaderMap> {
        Crossing::of(&headers(pairs), method)?.answer(&configuration(origin))
    }

    #[test]
    fn a_page_of_a_named_origin_is_told_its_origin() {
        let told = answer("https://*", &[ORIGIN], "GET").unwrap();
        assert_eq!(told["access-control-allow-origin"], ORIGIN.1);
        assert_eq!(told["access-control-allow-credentials"], "true");
        assert_eq!(told["access-control-allow-methods"], "GET, PUT");
        assert_eq!(told["access-control-expose-headers"], "ETag, x-amz-version-id");
        assert_eq!(told["access-control-max-age"], "3000");
        assert_eq!(told["vary"], "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
        assert!(!told.contains_key("access-control-allow-headers"));
    }

    #[test]
    fn what_is_for_everybody_is_without_credentials() {
        let told = answer("*", &[ORIGIN], "PUT").unwrap();
        assert_eq!(told["access-control-allow-origin"], "*");
        assert!(!told.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn requested_headers_are_told_if_all_are_allowed() {
        let request = |names| [ORIGIN, ("access-control-request-headers", names)];
        let told = answer("*", &request("X-Amz-Date,, x-amz-meta-a"), "GET").unwrap();
        assert_eq!(told["access-control-allow-headers"], "x-amz-date, x-amz-meta-a");
        assert_eq!(answer("*", &request("x-amz-date, authorization"), "GET"), None);
    }

    #[test]
    fn the_requested_method_stands_for_that_of_the_request() {
        let request = |method| [ORIGIN, ("access-control-request-method", method)];
        assert!(answer("*", &request("GET"), "OPTIONS").is_some());
        assert_eq!(answer("*", &request("DELETE"), "GET"), None);
        assert_eq!(answer("*", &[ORIGIN], "DELETE"), None);
    }

    #[test]
    fn what_no_browser_sends_is_told_nothing() {
        let mut two = HeaderMap::new();
        two.append("origin", HeaderValue::from_static("https://a.example"));
        two.append("origin", HeaderValue::from_static("https://b.example"));
        assert_eq!(Crossing::of(&two.into(), "GET"), None);
        let mut binary = HeaderMap::new();
        binary.insert("origin", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(Crossing::of(&binary.into(), "GET"), None);
        assert_eq!(Crossing::of(&headers(&[]), "GET"), None);
        let asking = |count| ["x-amz-a"].repeat(count).join(",");
        let crossing =
            |names: &str| Crossing::of(&headers(&[ORIGIN, ("access-control-request-headers", names)]), "GET");
        assert!(crossing(&asking(MOST_HEADERS)).is_some());
        assert_eq!(crossing(&asking(MOST_HEADERS + 1)), None);
    }
}
