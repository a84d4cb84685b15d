use serde_json::Value;

use super::*;
use crate::checksum::RequestedChecksums;
use crate::headers::headers;
use crate::storage_class::parse_storage_class;

/// KEY-A and KEY-B, base64, with their MD5s.
const KEY_A: (&str, &str) = ("pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=", "DWygnHRtgiJ77HCm+1rvHw==");

fn triple(algorithm: &'static str, key: &'static str, md5: &'static str) -> [(&'static str, &'static str); 3] {
    [(OBJECT[0], algorithm), (OBJECT[1], key), (OBJECT[2], md5)]
}

fn write(pairs: &[(&str, &str)]) -> Result<RequestEncryption, S3Error> {
    for_write(&headers(pairs))
}

fn refused(outcome: Result<RequestEncryption, S3Error>) -> S3Error {
    outcome.err().expect("the headers are refused")
}

#[test]
fn nothing_said_is_the_default_of_the_bucket() {
    assert!(matches!(write(&[]), Ok(RequestEncryption::Unspecified { bucket_key: None })));
    let with_bucket_key = write(&[(BUCKET_KEY, "true")]);
    assert!(matches!(with_bucket_key, Ok(RequestEncryption::Unspecified { bucket_key: Some(true) })));
    assert!(matches!(write(&[(METHOD, "AES256")]), Ok(RequestEncryption::SseS3)));
    assert!(matches!(write(&[(METHOD, "AES256"), (BUCKET_KEY, "true")]), Ok(RequestEncryption::SseS3)));
}

#[test]
fn a_sound_triple_gives_the_key_and_its_md5() {
    let Ok(RequestEncryption::CustomerKey(key)) = write(&triple("AES256", KEY_A.0, KEY_A.1)) else { panic!() };
    assert_eq!(STANDARD.encode(key.key().unwrap().expose()), KEY_A.0);
    assert_eq!(key.md5(), KEY_A.1);
}

#[test]
fn reads_do_not_need_the_md5() {
    let key = for_read(&headers(&triple("AES256", KEY_A.0, KEY_A.1)[..2])).unwrap().unwrap();
    assert_eq!(key.md5(), KEY_A.1);
}

#[test]
fn unknown_methods_are_refused() {
    for method in ["", "aes256", "AES-256", "AES192", "aes:kms", "aws:fsx", "AES256 ", "ÄES"] {
        let error = refused(write(&[(METHOD, method)]));
        assert_eq!(error.message(), "The encryption method specified is not supported", "{method}");
        assert_eq!(error.element("ArgumentValue"), Some(method));
    }
}

#[test]
fn what_belongs_to_a_kms_does_not_go_without_it() {
    for (pairs, method) in [
        (&[(KMS_KEY_ID, "k")][..], None),
        (&[(KMS_KEY_ID, "")], None),
        (&[(KMS_CONTEXT, "e30=")], None),
        (&[(METHOD, "AES256"), (KMS_KEY_ID, "k")], Some("AES256")),
        (&[(METHOD, "AES256"), (KMS_CONTEXT, "e30=")], Some("AES256")),
    ] {
        let error = refused(write(pairs));
        assert!(error.message().ends_with("requires HTTP header x-amz-server-side-encryption : aws:kms"));
        assert_eq!((error.element("ArgumentName"), error.element("ArgumentValue")), (Some(METHOD), method));
    }
}

#[test]
fn a_kms_is_asked_for_by_one_layer_or_two() {
    for (method, dsse) in [("aws:kms", false), ("aws:kms:dsse", true)] {
        let Ok(RequestEncryption::Kms(kms)) = write(&[(METHOD, method), (KMS_KEY_ID, "k")]) else { panic!() };
        assert_eq!((kms.dsse, kms.key_id.as_deref()), (dsse, Some("k")));
        let copy = for_copy(&headers(&[(METHOD, method)]));
        assert!(matches!(copy, Ok((None, RequestEncryption::Kms(kms))) if kms.dsse == dsse));
    }
}

#[test]
fn the_method_is_judged_before_what_goes_with_it() {
    let context = (KMS_CONTEXT, "not base64");
    assert_eq!(refused(write(&[(METHOD, "aes:kms"), context])).element("ArgumentValue"), Some("aes:kms"));
    assert!(refused(write(&[(METHOD, "aws:kms"), context, (OBJECT[0], "AES256")])).message().contains("incompatible"));
    assert!(refused(write(&[(METHOD, "AES256"), context])).message().contains("requires HTTP header"));
    assert!(refused(write(&[(METHOD, "aws:kms"), context])).message().contains("Base64-encoded UTF-8"));
}

#[test]
fn a_bucket_key_is_on_or_off_whatever_the_method() {
    for method in ["AES256", "aws:kms", "aws:kms:dsse"] {
        assert_eq!(refused(write(&[(METHOD, method), (BUCKET_KEY, "maybe")])).code(), "InvalidArgument");
    }
    assert_eq!(refused(write(&[(BUCKET_KEY, "maybe")])).code(), "InvalidArgument");
}

#[test]
fn a_kms_is_not_asked_for_over_plain_http() {
    for method in ["aws:kms", "aws:kms:dsse", "aws:kms-junk"] {
        let headers = headers(&[(METHOD, method), (KMS_CONTEXT, "junk")]);
        assert!(
            check_transport(&headers, false).err().unwrap().message().contains("AWS KMS managed keys must be made")
        );
        assert!(check_transport(&headers, true).is_ok());
    }
    for pairs in [&[(METHOD, "AES256")][..], &[(METHOD, "aes:kms")], &[]] {
        assert!(check_transport(&headers(pairs), false).is_ok());
    }
    // Of both, the customer key is the worse to send.
    let both = headers(&[(METHOD, "aws:kms"), (OBJECT[1], "k")]);
    assert!(check_transport(&both, false).err().unwrap().message().contains("Customer provided keys"));
}

#[test]
fn one_header_of_the_triple_conflicts_with_another_method() {
    for method in ["AES256", "aws:kms"] {
        for name in OBJECT {
            let error = refused(write(&[(METHOD, method), (name, "")]));
            assert_eq!(error.element("ArgumentValue"), Some(method));
            assert!(error.message().contains("is incompatible with"));
        }
    }
}

#[test]
fn what_an_upload_fixed_cannot_be_asked_for_again() {
    for name in [METHOD, KMS_KEY_ID, KMS_CONTEXT, BUCKET_KEY] {
        let headers = headers(&[(name, "some")]);
        for outcome in [for_read(&headers), for_part(&headers), for_complete(&headers)] {
            let error = outcome.err().unwrap();
            assert_eq!(error.message(), format!("{name} header is not supported for this operation."));
        }
        assert!(for_part_copy(&headers).is_err());
    }
}

#[test]
fn keys_decode_strictly() {
    let padded: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs";
    for key in [padded, " pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=", "pO3upElrwuEXSoFwCfnZPdSsmt_xWeFa0N9KgDijwVs="]
    {
        let error = refused(write(&triple("AES256", key, KEY_A.1)));
        assert!(error.message().starts_with("The calculated MD5 hash"), "{key}");
    }
    // Without an MD5 to compare with, such a key is one that opens nothing.
    let key = for_read(&headers(&[(OBJECT[0], "AES256"), (OBJECT[1], padded)])).unwrap().unwrap();
    assert!(key.key().is_none());
}

#[test]
fn a_header_that_stands_twice_is_refused() {
    let mut pairs = triple("AES256", KEY_A.0, KEY_A.1).to_vec();
    pairs.push((OBJECT[1], KEY_A.0));
    assert_eq!(refused(write(&pairs)).code(), "InvalidArgument");
}

#[test]
fn no_error_holds_key_material() {
    for key in [KEY_A.0, "zqjwk!", "zqj", "zqéwk"] {
        for (algorithm, md5) in [("AES256", "x"), ("x", KEY_A.1), ("x", "x")] {
            for outcome in [write(&triple(algorithm, key, md5)).map(drop), {
                let pairs = triple(algorithm, key, md5)
                    .map(|(name, value)| (name.replace("x-amz-server", "x-amz-copy-source-server"), value));
                let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                for_copy(&headers(&pairs)).map(drop)
            }] {
                let error = outcome.unwrap_err();
                let shown = format!("{} {error:?} {error}", error.body("R", "H"));
                assert!(!shown.contains(key) && !shown.contains(KEY_A.1), "{shown}");
            }
        }
    }
}

#[test]
fn answers_name_what_was_applied() {
    let mut answer = HeaderMap::new();
    write_applied(&AppliedEncryption::CustomerKey { md5: Some(KEY_A.1) }, &mut answer);
    assert_eq!((answer.len(), &answer[OBJECT[2]]), (2, &HeaderValue::from_static(KEY_A.1)));
    let mut answer = HeaderMap::new();
    write_applied(&AppliedEncryption::SseS3, &mut answer);
    assert_eq!((answer.len(), &answer[METHOD]), (1, &HeaderValue::from_static("AES256")));
    for (bucket_key_enabled, len) in [(false, 2), (true, 3)] {
        let mut answer = HeaderMap::new();
        let key_arn = "arn:aws:kms:us-east-1:111122223333:key/1";
        write_applied(&AppliedEncryption::Kms { method: DSSE_KMS, key_arn, bucket_key_enabled }, &mut answer);
        assert_eq!((answer.len(), &answer[METHOD]), (len, &HeaderValue::from_static("aws:kms:dsse")));
        assert_eq!(answer[KMS_KEY_ID], key_arn);
        assert_eq!(answer.get(BUCKET_KEY).is_some_and(|value| value == "true"), bucket_key_enabled);
    }
}

/// Captures in which S3's lenient decoder takes a key that ours does not: it has blanks, tabs or other characters
/// outside of the alphabet inside, or padding where none belongs. No known client sends such keys.
#[rustfmt::skip]
const LENIENT: &[(&str, &str)] = &[
    ("CompleteMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("CompleteMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-in-middle]"),
    ("CompleteMultipartUpload", "sse_c_key_base64_with_tabs_and_newlines"),
    ("CopyObject", "dest_customer_key_with_garbage_chars_in_base64[garbage-at-end-K0+/yQHJcx5CgotqScZJqhfJ8hpfw4leiB3Bzyo8HSo=!!!!#]"),
    ("CopyObject", "dest_customer_key_with_garbage_chars_in_base64[garbage-in-middle-K0+/yQHJcx5CgotqScZJqh!!!!#fJ8hpfw4leiB3Bzyo8HSo=]"),
    ("CopyObject", "dest_customer_key_with_garbage_chars_in_base64[garbage-scattered-!K0+/yQHJ#cx5CgotqScZJ!!qhfJ8hpfw4leiB3Bzyo8HSo=#]"),
    ("CopyObject", "dest_key_base64_with_spaces"),
    ("CopyObject", "dest_key_base64_with_tabs_and_newlines"),
    ("CopyObject", "source_customer_key_with_garbage_chars_in_base64[garbage-in-middle-K0+/yQHJcx5CgotqScZJqh!!!!#fJ8hpfw4leiB3Bzyo8HSo=]"),
    ("CopyObject", "source_key_base64_with_spaces"),
    ("CreateMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("CreateMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("CreateMultipartUpload", "sse_c_key_base64_with_extra_padding"),
    ("CreateMultipartUpload", "sse_c_key_base64_with_tabs_and_newlines"),
    ("GetObject", "get_ssec_object_key_base64_with_tabs_and_newlines"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-in-middle]"),
    ("HeadObject", "head_ssec_object_key_base64_with_extra_padding"),
    ("HeadObject", "head_ssec_object_key_base64_with_tabs_and_newlines"),
    ("HeadObject", "head_ssec_object_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("HeadObject", "head_ssec_object_key_with_garbage_chars_in_base64[garbage-scattered]"),
    ("PutObject", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("PutObject", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("PutObject", "sse_c_key_base64_with_extra_padding"),
    ("PutObject", "sse_c_key_base64_with_tabs_and_newlines"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-scattered]"),
    ("UploadPart", "sse_c_key_base64_with_extra_padding"),
    ("UploadPart", "sse_c_key_base64_with_spaces"),
    ("UploadPart", "sse_c_key_base64_with_tabs_and_newlines"),
];

/// Captures that the signature decides before this module sees them: S3 signs the UTF-8 of what travels as Latin-1.
const BY_SIGNATURE: &str = "signature_mismatch";

#[test]
fn the_287_captures_of_real_s3() {
    let vectors: Value = serde_json::from_str(include_str!("../../../../vectors/aws/sse-c.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 287);
    let stored = STANDARD.decode(vectors["stored_key"].as_str().unwrap()).unwrap();
    let mut lenient = Vec::new();
    for case in cases {
        let name = (case["operation"].as_str().unwrap(), case["name"].as_str().unwrap());
        if case["error"] == BY_SIGNATURE || name.1.contains("latin1_chars") {
            continue;
        }
        // What the Complete document says goes before the headers; `xml` judges it.
        if case["error"] == "part_number_below_one" {
            continue;
        }
        let outcome = predict(case, &stored);
        let accepted = case["status"].as_u64().unwrap() < 300;
        if accepted && outcome.is_err() {
            lenient.push(name);
            continue;
        }
        match outcome {
            Ok(()) => assert!(accepted, "{name:?}"),
            Err(error) => check_error(case, &error, &vectors["errors"]),
        }
    }
    assert_eq!(lenient, LENIENT);
}

fn check_error(case: &Value, error: &S3Error, errors: &Value) {
    let name = &case["name"];
    assert_eq!(case["status"], error.status().as_u16(), "{name} {error:?}");
    let Some(expected) = case["error"].as_str().map(|id| &errors[id]) else {
        assert_eq!(case["operation"], "HeadObject");
        return;
    };
    assert_eq!((&expected["code"], &expected["message"]), (&error.code().into(), &error.message().into()), "{name}");
    assert_eq!(expected["argument_name"].as_str(), error.element("ArgumentName"), "{name}");
    let value = case["argument_value"].as_str().filter(|value| !value.is_empty());
    // The raw key is what S3 echoes here.
    let echo = if case["error"] == "key_too_short" { None } else { value };
    assert_eq!(echo, error.element("ArgumentValue"), "{name}");
}

/// What an operation makes of the headers, in the order of the pipeline.
fn predict(case: &Value, stored: &[u8]) -> Result<(), S3Error> {
    let pairs = case["headers"].as_object().unwrap();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let headers = headers(&pairs);
    check_transport(&headers, case["tls"].as_bool().unwrap())?;
    parse_storage_class(&headers)?;
    RequestedChecksums::parse(&headers)?;
    let is_stored = |key: &Option<CustomerKey>| {
        key.as_ref().and_then(CustomerKey::key).is_some_and(|key| key.expose().as_slice() == stored)
    };
    let source_fits = |key: Option<CustomerKey>| match (case["source"].as_str().unwrap(), &key) {
        ("plain", None) => Ok(()),
        ("plain", Some(_)) => Err(S3Error::customer_key_not_applicable()),
        (_, None) => Err(S3Error::customer_key_needed()),
        (_, Some(_)) if is_stored(&key) => Ok(()),
        (_, Some(_)) => Err(S3Error::customer_key_not_the_original()),
    };
    let part_fits = |key: Option<CustomerKey>| match (case["upload"].as_str().unwrap(), &key) {
        ("plain", None) => Ok(()),
        ("plain", Some(_)) | (_, None) => Err(S3Error::customer_key_for_part()),
        (_, Some(_)) if is_stored(&key) => Ok(()),
        (_, Some(_)) => Err(S3Error::customer_key_not_the_original()),
    };
    match case["operation"].as_str().unwrap() {
        "PutObject" | "CreateMultipartUpload" => for_write(&headers).map(drop),
        "CopyObject" => for_copy(&headers).and_then(|(source, _)| source_fits(source)),
        "UploadPart" => for_part(&headers).and_then(part_fits),
        "UploadPartCopy" => {
            let (source, key) = for_part_copy(&headers)?;
            source_fits(source)?;
            part_fits(key)
        }
        "CompleteMultipartUpload" => match for_complete(&headers)? {
            None => Ok(()),
            key if case["upload"] == "ssec" && is_stored(&key) => Ok(()),
            _ => Err(S3Error::customer_key_for_complete()),
        },
        "GetObject" | "HeadObject" => {
            let key = for_read(&headers)?;
            match (case["object"].as_str().unwrap(), &key) {
                ("plain", None) => Ok(()),
                ("plain", Some(_)) => Err(S3Error::customer_key_not_applicable()),
                (_, None) => Err(S3Error::customer_key_needed()),
                (_, Some(_)) if is_stored(&key) => Ok(()),
                (_, Some(_)) => Err(S3Error::customer_key_wrong()),
            }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_upload_may_be_completed_under_its_own_method_named_again() {
    let named = headers(&[(METHOD, "AES256")]);
    assert!(for_complete(&named).is_ok() && for_part_copy(&named).is_ok());
    assert!(check_method_of_upload(&named, true).is_ok());
    assert_eq!(check_method_of_upload(&named, false).err().unwrap().code(), "InvalidArgument");
    assert!(check_method_of_upload(&headers(&[]), false).is_ok());
    assert!(for_part(&named).is_err(), "a part names no method, not even the right one");
    for pairs in [&[(METHOD, "aws:kms")][..], &[(METHOD, "aes256")], &[(METHOD, "AES256"), (KMS_KEY_ID, "k")]] {
        assert!(for_complete(&headers(pairs)).is_err() && for_part_copy(&headers(pairs)).is_err());
    }
}

#[test]
fn encryption_headers_that_mean_nothing_are_refused_and_not_repeated() {
    for name in [
        "x-amz-server-side-encryption-customer-keys",
        "x-amz-server-side-encryption-aws-bucket-key-enabled",
        "x-amz-copy-source-server-side-encryption-customer-secret",
    ] {
        let headers = headers(&[(name, "SECRET")]);
        for outcome in [
            for_write(&headers).err(),
            for_copy(&headers).err(),
            for_part(&headers).err(),
            for_part_copy(&headers).err(),
            for_complete(&headers).err(),
            for_read(&headers).err(),
        ] {
            let body = outcome.unwrap().body("", "");
            assert!(body.contains(name) && !body.contains("SECRET"), "{body}");
        }
    }
}
