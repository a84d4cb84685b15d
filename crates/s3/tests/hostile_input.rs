//! Whatever arrives, no parser panics, and what a parser accepts is within its bounds.

use coffer_s3::checksum::{CompleteChecksum, RequestedChecksums, parse_upload_checksum};
use coffer_s3::conditional::{ReadConditions, WriteCondition};
use coffer_s3::copy_source::CopySource;
use coffer_s3::headers::Headers;
use coffer_s3::metadata::Metadata;
use coffer_s3::query::Query;
use coffer_s3::range::RangeRequest;
use coffer_s3::route::{MAX_KEY_LEN, RequestLine, may_be_a_bucket, route};
use coffer_s3::time::{http_date, iso8601, parse_http_date, parse_iso8601};
use coffer_s3::xml::{
    AccessControlPolicy, CreateBucketConfiguration, Delete, ServerSideEncryptionConfiguration, XmlReader, document,
    parse_complete_multipart_upload, parse_lifecycle_configuration, parse_ownership_controls,
    parse_public_access_block, write_lifecycle_configuration,
};
use coffer_s3::{rfc2047, sse};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

fn headers(names: &[&'static str], value: &[u8]) -> Option<Headers> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let map: HeaderMap = names.iter().map(|name| (http::HeaderName::from_static(name), value.clone())).collect();
    Some(map.into())
}

/// Text that looks like XML now and then.
fn nearly_xml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,8}",
        Just("<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList>".to_owned()),
        Just("<Grant><Grantee xsi:type=\"Group\">".to_owned()),
        Just("</Grantee></Grant>".to_owned()),
        Just("<Delete>".to_owned()),
        Just("<Object>".to_owned()),
        Just("<Key>".to_owned()),
        Just("</Key>".to_owned()),
        Just("</Object>".to_owned()),
        Just("</Delete>".to_owned()),
        Just("&amp;&#x41;<![CDATA[x]]><!-- c -->".to_owned()),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// Lifecycle rules, sound ones now and then.
fn nearly_rules() -> impl Strategy<Value = String> {
    let filter = prop_oneof![
        Just("<Prefix>".to_owned()),
        "<Filter>(<Prefix>[a-z]{0,3}</Prefix>|<ObjectSizeLessThan>[0-9]{1,20}</ObjectSizeLessThan>)?</Filter>",
        "<Filter><And><Prefix>[ -;=?-~]{0,3}</Prefix><Tag><Key>[a-z]?</Key><Value/></Tag></And></Filter>",
        "<Prefix>[a-z]{0,2}</Prefix>",
    ];
    let action = prop_oneof![
        "<Expiration><Days>-?[0-9]{1,10}</Days></Expiration>",
        "<Expiration><Date>20[0-9]{2}-[0-9]{2}-[0-9]{2}(T00:00:00Z)?</Date></Expiration>",
        "<Expiration><ExpiredObjectDeleteMarker>(true|false)</ExpiredObjectDeleteMarker></Expiration>",
        "<Transition><Days>[0-9]{1,3}</Days><StorageClass>(GLACIER|STANDARD_IA|ONEZONE_IA|STANDARD)</StorageClass></Transition>",
        "<NoncurrentVersionExpiration><NoncurrentDays>[0-9]{1,2}</NoncurrentDays></NoncurrentVersionExpiration>",
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>[0-9]</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
    ];
    let rule = ("[a-c]{0,2}", filter, prop::collection::vec(action, 0..3)).prop_map(|(id, filter, actions)| {
        format!("<Rule><ID>{id}</ID>{filter}<Status>Enabled</Status>{}</Rule>", actions.concat())
    });
    prop::collection::vec(rule, 0..4)
        .prop_map(|rules| format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.concat()))
}

proptest! {
    #[test]
    fn lifecycle_rules_that_are_understood_can_be_said_again(rules in nearly_rules()) {
        match parse_lifecycle_configuration(rules.as_bytes()) {
            Ok(parsed) => {
                let again = write_lifecycle_configuration(&parsed);
                prop_assert_eq!(parse_lifecycle_configuration(again.as_bytes()).expect(&again), parsed);
            }
            Err(error) => prop_assert_eq!(error.status().as_u16(), 400),
        }
    }

    #[test]
    fn documents(text in nearly_xml(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for body in [text.as_bytes(), &bytes] {
            let _ = Delete::parse(body);
            let _ = CreateBucketConfiguration::parse(body);
            let _ = ServerSideEncryptionConfiguration::parse(body);
            let _ = AccessControlPolicy::parse(body);
            let _ = parse_ownership_controls(body);
            let _ = parse_public_access_block(body);
            let _ = parse_lifecycle_configuration(body);
            let _ = parse_complete_multipart_upload(body);
        }
    }

    #[test]
    fn text_that_xml_can_hold_comes_back(text in "[\\t\\n\\r -~\u{a0}-\u{d7ff}]{0,40}") {
        let written = document("R", |xml| { xml.text("K", &text); });
        let mut xml = XmlReader::open(written.as_bytes(), "R").unwrap();
        prop_assert_eq!(xml.child().unwrap(), Some("K".to_owned()));
        prop_assert_eq!(xml.text().unwrap(), text);
    }

    #[test]
    fn routes(method in "GET|PUT|POST|DELETE|HEAD|X", host in "\\PC{0,20}", path in "/\\PC{0,40}", query in "\\PC{0,40}") {
        let Ok(query) = Query::parse(&query) else { return Ok(()) };
        let line = RequestLine { method: &method, host: &host, path: &path, query: &query, headers: &Headers::default() };
        if let Ok(found) = route(&line, &["localhost".to_owned()]) {
            prop_assert!(found.bucket.is_none_or(|bucket| may_be_a_bucket(&bucket)));
            prop_assert!(found.key.is_none_or(|key| !key.is_empty() && key.len() <= MAX_KEY_LEN));
        }
    }

    #[test]
    fn ranges_lie_within_the_object(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
        if let Some(range) = RangeRequest::parse(&value).and_then(|request| request.resolve(size)) {
            prop_assert!(range.start < range.end && range.end <= size);
        }
    }

    #[test]
    fn dates(text in "\\PC{0,40}", unix_ms in 0_u64..253_402_300_799_999) {
        let _ = (parse_http_date(&text), parse_iso8601(&text));
        prop_assert_eq!(parse_http_date(&http_date(unix_ms)), Some(unix_ms / 1000));
        prop_assert_eq!(parse_iso8601(&iso8601(unix_ms)), Some(unix_ms));
    }

    #[test]
    fn header_values(value in prop::collection::vec(any::<u8>(), 0..60)) {
        const NAMES: &[&str] = &[
            "content-md5", "if-match", "if-modified-since", "x-amz-copy-source", "x-amz-checksum-crc32",
            "x-amz-checksum-algorithm", "x-amz-trailer", "x-amz-meta-a", "content-encoding",
            "x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key",
            "x-amz-server-side-encryption-customer-key-md5",
        ];
        let Some(headers) = headers(NAMES, &value) else { return Ok(()) };
        let _ = RequestedChecksums::parse(&headers);
        let _ = CompleteChecksum::parse(&headers);
        let _ = parse_upload_checksum(&headers);
        let _ = (ReadConditions::of_object(&headers), WriteCondition::of_put(&headers));
        let _ = CopySource::parse(&headers);
        prop_assert!(sse::for_write(&headers).is_err());
        let mut answer = HeaderMap::new();
        if let Ok(metadata) = Metadata::parse(&headers) {
            metadata.write(&mut answer);
            prop_assert!(answer["x-amz-meta-a"].to_str().is_ok());
        }
    }

    #[test]
    fn encoded_words_are_ascii(text in "\\PC{0,200}") {
        prop_assert!(rfc2047::encode(&text).bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
    }
}
