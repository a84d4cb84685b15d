//! The head of a request: route, query, and everything that reads headers.

#![no_main]

use coffer_fuzz::Request;
use coffer_s3::checksum::{
    CompleteChecksum, RequestedChecksums, parse_checksum_algorithm, parse_checksum_mode, parse_content_md5,
    parse_upload_checksum,
};
use coffer_s3::conditional::{ReadConditions, WriteCondition};
use coffer_s3::copy_source::CopySource;
use coffer_s3::error::S3Error;
use coffer_s3::headers::Headers;
use coffer_s3::metadata::{MAX_USER_METADATA_LEN, Metadata, response_overrides};
use coffer_s3::query::Query;
use coffer_s3::range::{copied_range, parse_copy_source_range, requested_range};
use coffer_s3::route::{MAX_KEY_LEN, RequestLine, may_be_a_bucket, route};
use coffer_s3::sse;
use coffer_s3::storage_class::parse_storage_class;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Some(request) = Request::parse(text) else { return };
    let headers = Headers::from(request.header_map());
    if let Ok(query) = Query::parse(request.query) {
        check_route(&request, &query, &headers);
        if let Ok(overrides) = response_overrides(&query) {
            assert!(overrides.iter().all(|(_, value)| !value.as_bytes().contains(&b'\n')));
        }
    }
    check_encryption(&headers);
    check_metadata(&headers);
    let object_len = request.body.len() as u64;
    if let Ok(Some(range)) = requested_range(&headers, object_len) {
        assert!(range.start < range.end && range.end <= object_len);
    }
    if let Ok(Some(range)) = parse_copy_source_range(&headers) {
        assert!(range.start < range.end);
        assert!(copied_range(range, object_len).is_ok_and(|range| range.end <= object_len) || object_len < u64::MAX);
    }
    if let Ok(source) = CopySource::parse(&headers) {
        assert!(may_be_a_bucket(&source.bucket) && !source.key.is_empty() && source.key.len() <= MAX_KEY_LEN);
    }
    if let Ok(conditions) = ReadConditions::of_object(&headers) {
        assert!(conditions.check("0123", 7).is_ok() || request.headers.iter().any(|(name, _)| name.starts_with("if-")));
    }
    drop((
        ReadConditions::of_copy_source(&headers),
        WriteCondition::of_put(&headers),
        WriteCondition::of_delete(&headers),
    ));
    drop((RequestedChecksums::parse(&headers), CompleteChecksum::parse(&headers), parse_upload_checksum(&headers)));
    drop((parse_checksum_algorithm(&headers), parse_checksum_mode(&headers), parse_content_md5(&headers)));
    drop(parse_storage_class(&headers));
});

fn check_route(request: &Request<'_>, query: &Query, headers: &Headers) {
    let host = headers.text("host").ok().flatten().unwrap_or_default();
    let line = RequestLine { method: request.method, host, path: request.path, query, headers };
    match route(&line, &["s3.example.org".to_owned()]) {
        Ok(found) => {
            assert!(found.bucket.is_none_or(|bucket| may_be_a_bucket(&bucket)));
            assert!(found.key.is_none_or(|key| !key.is_empty() && key.len() <= MAX_KEY_LEN));
        }
        Err(error) => assert!(error.body("R", "H").ends_with("</Error>")),
    }
}

/// Each way to read the encryption headers. Whatever it makes of them, a refusal does not repeat the key.
fn check_encryption(headers: &Headers) {
    let refusals = [
        sse::for_write(headers).err(),
        sse::for_copy(headers).err(),
        sse::for_part(headers).err(),
        sse::for_part_copy(headers).err(),
        sse::for_complete(headers).err(),
        sse::for_read(headers).err(),
        sse::check_transport(headers, false).err(),
    ];
    if sse::names_customer_key(headers) {
        assert!(refusals[6].is_some(), "a customer key came over plain HTTP");
    }
    for name in ["x-amz-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-customer-key"] {
        let Ok(Some(key)) = headers.text(name) else { continue };
        // Shorter texts, and what also stands elsewhere, may well be part of a message.
        let elsewhere = headers.as_map().iter().filter(|(other, value)| {
            other.as_str() != name && value.as_bytes().windows(key.len().max(1)).any(|window| window == key.as_bytes())
        });
        if key.len() >= 16 && elsewhere.count() == 0 {
            assert!(refusals.iter().flatten().all(|refusal| !shows(refusal, key)), "a refusal repeats the key");
        }
    }
}

fn shows(error: &S3Error, text: &str) -> bool {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    error.body("R", "H").contains(&escaped) || error.message().contains(text)
}

fn check_metadata(headers: &Headers) {
    let Ok(metadata) = Metadata::parse(headers) else { return };
    let fields = metadata.fields();
    assert!(fields.is_sorted());
    let user = fields.iter().filter(|(name, _)| name.starts_with("x-amz-meta-"));
    assert!(user.map(|(_, value)| value.len()).sum::<usize>() <= MAX_USER_METADATA_LEN);
    let mut answer = HeaderMap::new();
    metadata.write(&mut answer);
    assert!(answer.contains_key("content-type"));
    for (name, value) in &answer {
        assert!(!name.as_str().starts_with("x-amz-meta-") || value.to_str().is_ok());
    }
}
