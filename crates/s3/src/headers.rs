//! The headers of a request, or the fields of a form in their place.

use std::str::FromStr;

use http::{HeaderMap, HeaderValue};

use crate::error::S3Error;

/// Headers by lower-case name. There is no `Debug`: they may hold customer keys.
///
/// An absent header and an empty one are different things, here as on S3.
#[derive(Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Whether the header is there, even if empty.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a header with this prefix is there.
    #[must_use]
    pub fn contains_prefix(&self, prefix: &str) -> bool {
        self.0.keys().any(|name| name.as_str().starts_with(prefix))
    }

    /// The bytes of a header that may be there once.
    ///
    /// # Errors
    /// `InvalidArgument` when it is there several times: what is signed and what is meant would differ.
    pub fn bytes(&self, name: &str) -> Result<Option<&[u8]>, S3Error> {
        let mut values = self.0.get_all(name).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(HeaderValue::as_bytes)),
            (_, Some(_)) => Err(S3Error::invalid_argument("Only one value is allowed for this header.", name, None)),
        }
    }

    /// The text of a header that may be there once, as it was sent.
    ///
    /// # Errors
    /// `InvalidArgument` when it is there several times, or is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, S3Error> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(S3Error::invalid_argument("The header value is not UTF-8.", name, None)),
        }
    }

    /// A header that holds a number, or anything else that is parsed from text.
    ///
    /// # Errors
    /// As [`Headers::text`]; `InvalidArgument` when it is no `T`.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, S3Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(S3Error::invalid_argument("The header value is invalid.", name, Some(text))),
        }
    }

    /// Every value of a header, in the order they were sent.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// Every header whose name starts with `prefix`, in the order of the names' first appearance.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let with_prefix = move |name: &&http::HeaderName| name.as_str().starts_with(prefix);
        let values = move |name| self.0.get_all(name).iter();
        self.0
            .keys()
            .filter(with_prefix)
            .flat_map(move |name| values(name).map(move |value| (name.as_str(), value.as_bytes())))
    }

    /// The headers as the HTTP library has them.
    #[must_use]
    pub fn as_map(&self) -> &HeaderMap {
        &self.0
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self(map)
    }
}

#[cfg(test)]
pub(crate) fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_empty() {
        let headers = headers(&[("a", "")]);
        assert_eq!(headers.text("a").unwrap(), Some(""));
        assert_eq!(headers.text("b").unwrap(), None);
    }

    #[test]
    fn a_header_that_stands_twice_has_no_single_value() {
        let headers = headers(&[("a", "1"), ("A", "2")]);
        assert_eq!(headers.text("a").unwrap_err().code(), "InvalidArgument");
        assert_eq!(headers.with_prefix("a").count(), 2);
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        let headers = headers(&[("a", "12"), ("b", "1x"), ("c", ""), ("d", "-1")]);
        assert_eq!(headers.parse::<u64>("a").unwrap(), Some(12));
        for name in ["b", "c", "d"] {
            assert_eq!(headers.parse::<u64>(name).unwrap_err().element("ArgumentName"), Some(name));
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_has_bytes_but_no_text() {
        let mut map = HeaderMap::new();
        map.insert("a", HeaderValue::from_bytes(b"\xff").unwrap());
        let headers = Headers::from(map);
        assert_eq!(headers.bytes("a").unwrap(), Some(b"\xff".as_slice()));
        assert!(headers.text("a").is_err());
    }
}
