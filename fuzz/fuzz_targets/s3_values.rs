//! Single values of headers and documents: what is written back is what was read.
//!
//! Input: a size, and a text that is taken for each kind of value in turn.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_s3::etag::{ETagCondition, quoted};
use coffer_s3::query::Query;
use coffer_s3::range::RangeRequest;
use coffer_s3::rfc2047;
use coffer_s3::time::{http_date, iso8601, parse_http_date, parse_iso8601};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    if let Some(range) = RangeRequest::parse(text).and_then(|request| request.resolve(size)) {
        assert!(range.start < range.end && range.end <= size);
    }
    if let Some(unix_s) = parse_http_date(text) {
        assert_eq!(parse_http_date(&http_date(unix_s * 1000)), Some(unix_s));
    }
    if let Some(unix_ms) = parse_iso8601(text) {
        assert_eq!(parse_iso8601(&iso8601(unix_ms)), Some(unix_ms));
    }
    let etag = text.trim().trim_matches('"');
    if !etag.contains(',') && !etag.starts_with("W/") && etag == etag.trim() {
        assert!(ETagCondition::parse(&quoted(etag)).matches(etag));
    }
    if let Ok(query) = Query::parse(text) {
        let len: usize = query.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(len <= text.len());
    }
    check_encoded_words(text);
});

fn check_encoded_words(text: &str) {
    let encoded = rfc2047::encode(text);
    assert!(encoded.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
    if encoded == text {
        return;
    }
    let mut decoded = Vec::new();
    for word in encoded.split(' ') {
        assert!(word.len() <= 75, "{word}");
        let word = word.strip_prefix("=?UTF-8?").and_then(|word| word.strip_suffix("?=")).expect("an encoded word");
        match word.split_once('?').expect("an encoding") {
            ("B", base64) => decoded.extend(STANDARD.decode(base64).expect("base64")),
            ("Q", quoted) => unquote(quoted, &mut decoded),
            (other, _) => panic!("no encoding is called {other}"),
        }
    }
    assert_eq!(decoded, text.as_bytes());
}

fn unquote(quoted: &str, decoded: &mut Vec<u8>) {
    let mut rest = quoted;
    while let Some(at) = rest.find('=') {
        decoded.extend(rest[..at].replace('_', " ").bytes());
        decoded.push(u8::from_str_radix(&rest[at + 1..at + 3], 16).expect("two digits"));
        rest = &rest[at + 3..];
    }
    decoded.extend(rest.replace('_', " ").bytes());
}
