//! The canonical request and the signature over it.

use coffer_crypto::Sha256;
use zeroize::Zeroize;

use crate::ALGORITHM;
use crate::credential::{Scope, TERMINATOR};
use crate::encoding::{canonical_path, canonical_query};
use crate::key::SigningKey;
use crate::payload::{PayloadHash, encode_hex};
use crate::request::RequestParts;

/// Signs `request`: `HMAC(key, string to sign)`.
///
/// `signed_headers` are names joined by `;`. `None` when the request lacks one of them: a header that was
/// signed and then taken out is not the same as an empty one.
pub(crate) fn signature(
    request: &RequestParts<'_>,
    signed_headers: &str,
    payload: PayloadHash,
    timestamp: &str,
    scope: &Scope,
    key: &SigningKey,
) -> Option<[u8; 32]> {
    let hash = canonical_hash(request, signed_headers, payload)?;
    Some(sign_under(ALGORITHM, timestamp, scope, &[encode_hex(&hash, &mut [0; 64])], key))
}

/// Signs `algorithm`, `timestamp`, `scope` and `lines`, joined by line feeds.
pub(crate) fn sign_under(
    algorithm: &str,
    timestamp: &str,
    scope: &Scope,
    lines: &[&str],
    key: &SigningKey,
) -> [u8; 32] {
    let head =
        [algorithm, "\n", timestamp, "\n", &scope.date, "/", &scope.region, "/", &scope.service, "/", TERMINATOR];
    let lines = lines.iter().flat_map(|line| ["\n", line]);
    let parts: Vec<&[u8]> = head.into_iter().chain(lines).map(str::as_bytes).collect();
    key.sign(&parts)
}

/// SHA-256 of the canonical request:
/// `method LF path LF query LF (name ":" values LF)* LF signed headers LF payload`.
fn canonical_hash(request: &RequestParts<'_>, signed_headers: &str, payload: PayloadHash) -> Option<[u8; 32]> {
    let mut hash = BufferedHash::new();
    hash.write(request.method.as_bytes());
    hash.write(b"\n");
    hash.write(&canonical_path(request.path));
    hash.write(b"\n");
    if !request.query.is_empty() {
        hash.write(&canonical_query(request.query));
    }
    hash.write(b"\n");
    for name in signed_headers.split(';') {
        hash.write(name.as_bytes());
        let mut separator: &[u8] = b":";
        for value in request.values(name) {
            hash.write(separator);
            write_header_value(value, &mut hash);
            separator = b",";
        }
        if separator == b":" {
            return None;
        }
        hash.write(b"\n");
    }
    hash.write(b"\n");
    hash.write(signed_headers.as_bytes());
    hash.write(b"\n");
    hash.write(payload.as_text(&mut [0; 64]).as_bytes());
    Some(hash.finish())
}

/// Writes a value trimmed, with runs of white space as one space.
///
/// The specification speaks of spaces; a tab counts as one because botocore signs it so and S3 accepts that.
fn write_header_value(value: &[u8], hash: &mut BufferedHash) {
    let mut rest = value.trim_ascii();
    while let Some(at) = rest.iter().position(u8::is_ascii_whitespace) {
        let (word, white) = rest.split_at(at);
        hash.write(word);
        hash.write(b" ");
        rest = white.trim_ascii_start();
    }
    hash.write(rest);
}

/// SHA-256 of many small writes, gathered so that the hash sees few large ones.
///
/// A signed header can be a customer's encryption key: the buffer is on the stack, of fixed size, and zeroed.
struct BufferedHash {
    hash: Sha256,
    buffer: [u8; 512],
    len: usize,
}

impl BufferedHash {
    fn new() -> Self {
        Self { hash: Sha256::default(), buffer: [0; 512], len: 0 }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let free = &mut self.buffer[self.len..];
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            free[..now.len()].copy_from_slice(now);
            self.len += now.len();
            if self.len == self.buffer.len() {
                self.hash.update(&self.buffer);
                self.len = 0;
            }
            bytes = later;
        }
    }

    fn finish(mut self) -> [u8; 32] {
        let mut hash = std::mem::take(&mut self.hash);
        hash.update(&self.buffer[..self.len]);
        hash.finish()
    }
}

impl Drop for BufferedHash {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_crypto::sha256;

    fn request<'a>(headers: &'a [(&'a str, &'a [u8])]) -> RequestParts<'a> {
        RequestParts { method: "GET", path: "/k", query: "", headers }
    }

    fn check(value: &[u8], canonical: &str) {
        let headers = [("x", value)];
        let hash = canonical_hash(&request(&headers), "x", PayloadHash::Unsigned);
        let text = format!("GET\n/k\n\nx:{canonical}\n\nx\nUNSIGNED-PAYLOAD");
        assert_eq!(hash, Some(sha256(text.as_bytes())), "{canonical}");
    }

    #[test]
    fn header_values_are_trimmed_and_runs_of_white_space_collapse() {
        check(b"", "");
        check(b"  ", "");
        check(b" a\t", "a");
        check(b"a b", "a b");
        check(b"a  b    c", "a b c");
        check(b"   a  b   ", "a b");
        check(b"a\tb", "a b");
        check(b"a \t b\t\tc", "a b c");
        check("größe  1".as_bytes(), "größe 1");
        check("\"a  b\"".as_bytes(), "\"a b\"");
    }

    #[test]
    fn values_longer_than_the_buffer_are_hashed_whole() {
        for len in [490, 511, 512, 513, 1024, 5000] {
            let value = "v".repeat(len);
            check(value.as_bytes(), &value);
        }
    }

    #[test]
    fn headers_of_one_name_are_joined_by_a_comma() {
        let headers: [(&str, &[u8]); 3] = [("x", b" a "), ("y", b"-"), ("x", b"b  c")];
        let hash = canonical_hash(&request(&headers), "x;y", PayloadHash::Unsigned);
        assert_eq!(hash, Some(sha256(b"GET\n/k\n\nx:a,b c\ny:-\n\nx;y\nUNSIGNED-PAYLOAD")));
    }

    #[test]
    fn a_missing_header_is_not_an_empty_one() {
        let headers: [(&str, &[u8]); 1] = [("x", b"")];
        assert!(canonical_hash(&request(&headers), "x", PayloadHash::Unsigned).is_some());
        assert_eq!(canonical_hash(&request(&headers), "x;y", PayloadHash::Unsigned), None);
        assert_eq!(canonical_hash(&request(&headers), "X", PayloadHash::Unsigned), None);
    }
}
