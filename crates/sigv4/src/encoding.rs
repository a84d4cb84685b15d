//! Percent-encoding as the signature wants it: RFC 3986, every byte but the unreserved ones, once.
//!
//! Clients differ in what they leave unencoded on the wire, so a canonical form is decoded first, then encoded.
//! Whoever routes a request must decode it as the signature does, hence the public functions.

use std::borrow::Cow;

/// Decodes a path. `+` is itself; a `%` that two hexadecimal digits do not follow is itself.
#[must_use]
pub fn decode_path(path: &str) -> Cow<'_, [u8]> {
    decode(path.as_bytes(), b'+')
}

/// The parameters of a query string, decoded, in order. `+` is a space; a parameter without `=` has the empty
/// value; an empty run between two `&` is no parameter.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.as_bytes().split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
        (decode(&pair[..equals], b' '), decode(pair.get(equals + 1..).unwrap_or_default(), b' '))
    })
}

/// The canonical URI of S3: `/` stays, nothing is normalised.
pub(crate) fn canonical_path(path: &str) -> Cow<'_, [u8]> {
    if path.is_empty() {
        return Cow::Borrowed(b"/");
    }
    if path.bytes().all(|byte| byte == b'/' || is_unreserved(byte)) {
        return Cow::Borrowed(path.as_bytes());
    }
    let mut encoded = Vec::with_capacity(path.len() * 3);
    for &byte in &*decode_path(path) {
        match byte {
            b'/' => encoded.push(b'/'),
            _ => encode_byte(byte, &mut encoded),
        }
    }
    Cow::Owned(encoded)
}

/// The canonical query string, of every parameter but `X-Amz-Signature`: sorted by encoded name, then by
/// encoded value.
pub(crate) fn canonical_query(query: &str) -> Vec<u8> {
    // All encoded bytes lie in one buffer; a pair is where its name starts, where that ends, where the value ends.
    let mut encoded = Vec::with_capacity(query.len() * 2);
    let mut pairs = Vec::new();
    for (name, value) in query_pairs(query) {
        if *name == *b"X-Amz-Signature" {
            continue;
        }
        let start = encoded.len();
        encode(&name, &mut encoded);
        let middle = encoded.len();
        encode(&value, &mut encoded);
        pairs.push((start, middle, encoded.len()));
    }
    let split = |&(start, middle, end): &(usize, usize, usize)| (&encoded[start..middle], &encoded[middle..end]);
    pairs.sort_unstable_by(|a, b| split(a).cmp(&split(b)));

    let mut canonical = Vec::with_capacity(encoded.len() + pairs.len() * 2);
    for (name, value) in pairs.iter().map(split) {
        if !canonical.is_empty() {
            canonical.push(b'&');
        }
        canonical.extend_from_slice(name);
        canonical.push(b'=');
        canonical.extend_from_slice(value);
    }
    canonical
}

/// Appends `bytes` encoded; `/` too.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        encode_byte(byte, out);
    }
}

fn encode_byte(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_unreserved(byte) {
        out.push(byte);
    } else {
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn decode(raw: &[u8], plus: u8) -> Cow<'_, [u8]> {
    if !raw.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(plus),
            b'%' => match escaped(after) {
                Some(byte) => {
                    decoded.push(byte);
                    rest = &after[2..];
                }
                None => decoded.push(b'%'),
            },
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(decoded)
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits.get(..2)?, &mut byte).ok()?;
    Some(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> String {
        String::from_utf8(canonical_path(raw).into_owned()).unwrap()
    }

    fn query(raw: &str) -> String {
        String::from_utf8(canonical_query(raw)).unwrap()
    }

    #[test]
    fn paths_are_encoded_once_and_never_normalised() {
        for (raw, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a//b/../c/./", "/a//b/../c/./"),
            ("/test$file.text", "/test%24file.text"),
            ("/test%24file.text", "/test%24file.text"),
            ("/a%2fb", "/a/b"),
            ("/a+b%20c", "/a%2Bb%20c"),
            ("/%7euser", "/~user"),
            ("/ü", "/%C3%BC"),
            ("/100%", "/100%25"),
            ("/%zz%4", "/%25zz%254"),
            ("/%2525", "/%2525"),
        ] {
            assert_eq!(path(raw), expected, "{raw}");
        }
    }

    #[test]
    fn queries_are_sorted_by_encoded_name_then_value() {
        for (raw, expected) in [
            ("", ""),
            ("&&", ""),
            ("lifecycle", "lifecycle="),
            ("prefix=J&max-keys=2", "max-keys=2&prefix=J"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            // '-' sorts before '=', so whole pairs must not be compared.
            ("a-b=1&a=2", "a=2&a-b=1"),
            ("b=%2f&a=~*", "a=~%2A&b=%2F"),
            ("k=a=b", "k=a%3Db"),
            ("=v", "=v"),
            ("é=1&Z=2", "%C3%A9=1&Z=2"),
            ("X-Amz-Signature=abc&x=1", "x=1"),
            ("X-Amz%2DSignature=abc", ""),
        ] {
            assert_eq!(query(raw), expected, "{raw}");
        }
    }

    #[test]
    fn a_plus_in_a_query_is_a_space_and_an_encoded_one_is_a_plus() {
        assert_eq!(query("prefix=a+b"), "prefix=a%20b");
        assert_eq!(query("prefix=a%20b"), "prefix=a%20b");
        assert_eq!(query("prefix=a%2Bb"), "prefix=a%2Bb");
    }
}
