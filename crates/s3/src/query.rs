//! The query string of a request.

use std::str::FromStr;

use crate::error::S3Error;

/// Decoded names and values in the order they were sent. There is no `Debug`: presigned URLs of old clients
/// carry customer keys.
///
/// A parameter without `=` has an empty value, as on S3.
#[derive(Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the part of the URI behind `?`.
    ///
    /// # Errors
    /// `InvalidURI` when it cannot be percent-decoded to UTF-8.
    pub fn parse(query: &str) -> Result<Self, S3Error> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_form(name)?, decode_form(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of the parameter; the first, if there are several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The value of a parameter that counts as absent when it is empty.
    #[must_use]
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The value of a parameter that is a number, or anything else that is parsed from text.
    ///
    /// # Errors
    /// `InvalidArgument` with `message` when it is there and is no `T`.
    pub fn parse_value<T: FromStr>(&self, name: &str, message: &'static str) -> Result<Option<T>, S3Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| S3Error::invalid_argument(message, name, Some(text)))
    }

    /// Every name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Percent-decodes a part of a query string, where `+` is a blank.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_form(text: &str) -> Result<String, S3Error> {
    if text.contains('+') { decode(&text.replace('+', " ")) } else { decode(text) }
}

/// Percent-decodes `text` to UTF-8.
///
/// # Errors
/// `InvalidURI` for a `%` without two hex digits, and for what is not UTF-8.
pub(crate) fn decode(text: &str) -> Result<String, S3Error> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => decoded.push((high << 4 | low) as u8),
            _ => return Err(S3Error::invalid_uri()),
        }
    }
    String::from_utf8(decoded).map_err(|_| S3Error::invalid_uri())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_keep_their_order() {
        let query = Query::parse("prefix=a%2Fb+c&&acl&x==&%C3%BC=1").unwrap();
        let pairs: Vec<_> = query.iter().collect();
        assert_eq!(pairs, [("prefix", "a/b c"), ("acl", ""), ("x", "="), ("ü", "1")]);
    }

    #[test]
    fn the_first_of_several_values_counts() {
        assert_eq!(Query::parse("a=1&a=2").unwrap().get("a"), Some("1"));
    }

    #[test]
    fn absent_is_not_empty() {
        let query = Query::parse("marker=").unwrap();
        assert_eq!((query.get("marker"), query.get("prefix")), (Some(""), None));
        assert_eq!(query.non_empty("marker"), None);
    }

    #[test]
    fn what_does_not_decode_to_utf8_is_refused() {
        for query in ["%", "a=%", "a=%2", "a=%zz", "a=%+1", "a=%ff", "a=%c3", "%ed%a0%80=1"] {
            assert_eq!(Query::parse(query).err().map(|error| error.code()), Some("InvalidURI"), "{query}");
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_named() {
        let query = Query::parse("max-keys=ten").unwrap();
        let error = query.parse_value::<u32>("max-keys", "Provided max-keys not an integer").unwrap_err();
        assert_eq!(error.element("ArgumentValue"), Some("ten"));
        assert_eq!(query.parse_value::<u32>("max-parts", "").unwrap(), None);
    }
}
