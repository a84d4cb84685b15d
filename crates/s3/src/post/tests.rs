use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coffer_sigv4::{Scope, SecretKey, SigningKey, sign_policy, sign_policy_v2};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;

use super::*;
use crate::auth::tests::{ACCESS_KEY, NOW_MS, One, SECRET};
use crate::body::BoxError;
use crate::headers::headers;

const BOUNDARY: &str = "9431149156168";
const POLICY: &str = r#"{"expiration":"2013-05-25T00:00:00Z","conditions":[{"bucket":"photos"},["starts-with","$key","user/"],
    {"x-amz-credential":"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-date":"20130524T000000Z"},["starts-with","$x-amz-meta-a",""],
    ["content-length-range",3,10]]}"#;

/// A form: each field, then the file.
fn encode(fields: &[(&str, &str)], file_name: Option<&str>, file: &str) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
    body += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"{file_name}\r\n\r\n{file}\r\n");
    body + &format!("--{BOUNDARY}--\r\n")
}

fn signed<'a>(policy: &'a str, signature: &'a str, key: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("key", key),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("Policy", policy),
        ("X-Amz-Signature", signature),
    ]
}

fn policy_and_signature(policy: &str) -> (String, String) {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let policy = STANDARD.encode(policy);
    let signature = sign_policy(&policy, &SigningKey::derive(&SecretKey::new(SECRET), &scope));
    (policy, signature)
}

async fn send_pieces(body: &str, piece_len: usize) -> Result<PostForm, S3Error> {
    let frames: Vec<Result<_, BoxError>> =
        body.as_bytes().chunks(piece_len).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let source = Source::wire(StreamBody::new(stream::iter(frames)), Duration::from_secs(1));
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let authenticator = Authenticator::new(One::new(), "us-east-1".into());
    receive(source, "photos", &headers(&[("content-type", &content_type)]), &authenticator, NOW_MS).await
}

async fn send(body: &str) -> Result<PostForm, S3Error> {
    send_pieces(body, 1000).await
}

async fn read(mut form: PostForm) -> Result<String, S3Error> {
    let mut file = Vec::new();
    while let Some(bytes) = form.file.next().await? {
        file.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8(file).unwrap())
}

async fn refused(body: &str) -> S3Error {
    match send(body).await {
        Ok(form) => read(form).await.expect_err("the form is refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_signed_form_streams_its_file_however_it_arrives() {
    let (policy, signature) = policy_and_signature(POLICY);
    let mut fields = signed(&policy, &signature, "user/${filename}");
    fields.extend([("x-amz-meta-a", "ü\u{1}")]);
    let body = encode(&fields, Some("C:\\dir\\a.txt"), "\r\n--94\r\n");
    for piece_len in [1, 7, 100, body.len()] {
        let form = send_pieces(&body, piece_len).await.unwrap();
        assert!(matches!(&form.principal, Principal::Identity(who) if who.access_key() == ACCESS_KEY));
        assert_eq!(form.key, "user/a.txt");
        assert_eq!(form.headers.text("x-amz-meta-a").unwrap(), Some("=?UTF-8?B?w7wB?="));
        assert!(!form.headers.contains("x-amz-signature"));
        assert_eq!(read(form).await.unwrap(), "\r\n--94\r\n");
    }
}

#[tokio::test]
async fn version_2_signs_forms_too() {
    let policy = STANDARD.encode(r#"{"expiration":"2013-05-25T00:00:00Z","conditions":[["starts-with","$key",""]]}"#);
    let signature = sign_policy_v2(&policy, &SecretKey::new(SECRET));
    let fields = [("key", "k"), ("awsaccesskeyid", ACCESS_KEY), ("signature", &signature), ("policy", &policy)];
    assert!(matches!(send(&encode(&fields, None, "x")).await.unwrap().principal, Principal::Identity(_)));
    let fields = [("key", "k"), ("AWSAccessKeyId", ACCESS_KEY), ("signature", "AAAA"), ("policy", &policy)];
    assert_eq!(refused(&encode(&fields, None, "x")).await.code(), "SignatureDoesNotMatch");
    let error = refused(&encode(&[("key", "k"), ("AWSAccessKeyId", ACCESS_KEY), ("policy", &policy)], None, "x")).await;
    assert_eq!(error.element("ArgumentName"), Some("Signature"));
}

#[tokio::test]
async fn a_form_without_a_signature_is_anonymous() {
    let form = send(&encode(&[("key", "${filename}"), ("acl", "private")], None, "x")).await.unwrap();
    assert!(matches!(form.principal, Principal::Anonymous));
    assert_eq!(form.key, "${filename}");
    assert_eq!(form.headers.text("x-amz-acl").unwrap(), Some("private"));
}

#[tokio::test]
async fn signatures_that_do_not_hold_are_refused() {
    let (policy, signature) = policy_and_signature(POLICY);
    let cut = &policy[..policy.len() - 4];
    assert_eq!(refused(&encode(&signed(cut, &signature, "user/a"), None, "abc")).await.code(), "SignatureDoesNotMatch");
    let wrong = "0".repeat(64);
    assert_eq!(refused(&encode(&signed(&policy, &wrong, "user/a"), None, "abc")).await.code(), "SignatureDoesNotMatch");
    for missing in ["X-Amz-Credential", "X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Signature", "Policy"] {
        let mut fields = signed(&policy, &signature, "user/a");
        fields.retain(|(name, _)| *name != missing);
        let error = refused(&encode(&fields, None, "abc")).await;
        assert_eq!((error.code(), error.element("ArgumentName")), ("InvalidArgument", Some(missing)));
    }
    for (name, value, argument) in [
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/s3/aws4_request", "X-Amz-Credential"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE", "X-Amz-Credential"),
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256", "X-Amz-Algorithm"),
        ("X-Amz-Date", "yesterday", "X-Amz-Date"),
    ] {
        let mut fields = signed(&policy, &signature, "user/a");
        fields.retain(|(other, _)| *other != name);
        fields.push((name, value));
        let error = refused(&encode(&fields, None, "abc")).await;
        assert_eq!((error.code(), error.element("ArgumentName")), ("InvalidArgument", Some(argument)), "{value}");
    }
}

#[tokio::test]
async fn the_policy_holds_for_names_fields_and_lengths() {
    let (policy, signature) = policy_and_signature(POLICY);
    let post = async |key: &str, extra: &[(&str, &str)], file: &str| {
        let mut fields = signed(&policy, &signature, key);
        fields.extend(extra);
        refused(&encode(&fields, None, file)).await
    };
    assert!(post("other/a", &[], "abc").await.message().contains("Policy Condition failed"));
    assert!(
        post("user/a", &[("x-amz-meta-b", "1")], "abc").await.message().ends_with("Extra input fields: x-amz-meta-b")
    );
    let error = post("user/a", &[], "12345678901").await;
    assert_eq!((error.code(), error.element("MaxSizeAllowed")), ("EntityTooLarge", Some("10")));
    let error = post("user/a", &[], "12").await;
    assert_eq!((error.code(), error.element("MinSizeAllowed")), ("EntityTooSmall", Some("3")));
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    for (body, code) in [
        (String::new(), "MalformedPOSTRequest"),
        ("garbage".into(), "MalformedPOSTRequest"),
        (format!("--{BOUNDARY}--\r\n"), "InvalidArgument"),
        (format!("--{BOUNDARY}\r\n\r\nno name\r\n--{BOUNDARY}--\r\n"), "MalformedPOSTRequest"),
        (encode(&[], None, "x"), "InvalidArgument"),
        (encode(&[("key", "")], None, "x"), "InvalidArgument"),
        (encode(&[("key", &"k".repeat(1025))], None, "x"), "KeyTooLongError"),
        (encode(&[("key", "k"), ("expires", "a\r\nb")], None, "x"), "InvalidArgument"),
        (encode(&[("key", "k"), ("x", &"v".repeat(20 * 1024))], None, "x"), "MaxPostPreDataLengthExceeded"),
        (format!("{}{}", "p".repeat(200_000), encode(&[("key", "k")], None, "x")), "MaxPostPreDataLengthExceeded"),
    ] {
        assert_eq!(refused(&body).await.code(), code, "{body:.80}");
    }
}

#[tokio::test]
async fn a_file_name_counts_wherever_it_is_put() {
    let (references, name) = ("${filename}".repeat(100), "n".repeat(10_000));
    assert!(send(&encode(&[("key", "${filename}"), ("x", &references)], Some("a.txt"), "x")).await.is_ok());
    assert!(send(&encode(&[("key", "k")], Some(&name), "x")).await.is_ok());
    let error = refused(&encode(&[("key", "k"), ("x", &references)], Some(&name), "x")).await;
    assert_eq!(error.code(), "MaxPostPreDataLengthExceeded");
}

#[tokio::test]
async fn a_form_must_end_and_have_one_file() {
    let whole = encode(&[("key", "k")], None, "abc");
    for len in 0..whole.len() - 4 {
        assert_eq!(refused(&whole[..len]).await.code(), "MalformedPOSTRequest", "cut at {len}");
    }
    let open = whole.strip_suffix(&format!("--{BOUNDARY}--\r\n")).unwrap();
    let error = refused(&format!("{open}{}", encode(&[], None, "second"))).await;
    assert_eq!((error.code(), error.element("ArgumentValue")), ("InvalidArgument", Some("2")));
    let ignored =
        format!("{open}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nx\r\n--{BOUNDARY}--");
    assert_eq!(read(send(&ignored).await.unwrap()).await.unwrap(), "abc");
    let endless =
        format!("{open}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{}", "x".repeat(200_000));
    assert_eq!(refused(&endless).await.code(), "MaxPostPreDataLengthExceeded");
}

#[tokio::test]
async fn other_content_types_and_headers_are_refused() {
    let authenticator = Authenticator::new(One::new(), "us-east-1".into());
    let post = async |pairs: &[(&str, &str)]| {
        receive(Source::empty(), "photos", &headers(pairs), &authenticator, NOW_MS).await.err().unwrap()
    };
    let error = post(&[("content-type", "text/html")]).await;
    assert_eq!(error.status().as_u16(), 412);
    assert_eq!(error.element("Condition"), Some("Bucket POST must be of the enclosure-type multipart/form-data"));
    assert_eq!(post(&[("content-type", "multipart/form-data")]).await.code(), "MalformedPOSTRequest");
    let sse = [("content-type", "multipart/form-data; boundary=x"), ("x-amz-server-side-encryption", "AES256")];
    assert_eq!(post(&sse).await.code(), "InvalidRequest");
}

#[tokio::test]
async fn a_fast_client_is_not_buffered() {
    let body = encode(&[("key", "k")], None, &"x".repeat(1_000_000));
    let mut form = send_pieces(&body, 1000).await.unwrap();
    let mut largest = 0;
    while let Some(bytes) = form.file.next().await.unwrap() {
        largest = largest.max(bytes.len());
    }
    assert!(largest <= 64_000, "{largest}");
}

/// What a form comes to, or the code of its refusal.
fn outcome(body: &str, piece_len: usize) -> Result<(String, HeaderMap, String), &'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let form = send_pieces(body, piece_len).await.map_err(|error| error.code())?;
        let (key, headers) = (form.key.clone(), form.headers.as_map().clone());
        Ok((key, headers, read(form).await.map_err(|error| error.code())?))
    })
}

/// JSON that looks like a policy now and then.
fn nearly_policy() -> impl Strategy<Value = String> {
    let item = prop::sample::select(vec![
        r#""eq""#,
        r#""starts-with""#,
        r#""content-length-range""#,
        r#""$key""#,
        r#""k""#,
        "1",
        "7",
        "1e3",
        "null",
    ]);
    let condition = prop_oneof![
        prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        prop::sample::select(vec![
            r#"{"key":"k"}"#,
            r#"["starts-with","$key",""]"#,
            r#"["content-length-range",1,"7"]"#
        ])
        .prop_map(str::to_owned),
    ];
    let signature = r#"["starts-with","$x-amz-credential",""],["starts-with","$x-amz-algorithm",""],{"x-amz-date":"20130524T000000Z"}"#;
    prop::collection::vec(condition, 0..4).prop_map(move |conditions| {
        let conditions: String = conditions.iter().map(|condition| format!(",{condition}")).collect();
        format!(r#"{{"expiration":"2013-05-25T00:00:00Z","conditions":[{signature}{conditions}]}}"#)
    })
}

proptest! {
    #[test]
    fn form_shaped_bytes_mean_the_same_however_they_arrive(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "--9431149156168", "--", "\r\n", "\r\n\r\n", "Content-Disposition: form-data; name=\"", "key\"", "file\"",
            "; filename=\"a/b\"", "Content-Type: text/plain", "${filename}", "x",
        ]), 0..30),
        piece_len in 1..20_usize,
    ) {
        let body = pieces.concat() + &encode(&[("key", "k")], None, "abc");
        prop_assert_eq!(outcome(&body, 10_000), outcome(&body, piece_len));
    }

    #[test]
    fn any_signed_policy_lets_a_form_through_or_refuses_it(policy in nearly_policy()) {
        let (policy, signature) = policy_and_signature(&policy);
        let code = outcome(&encode(&signed(&policy, &signature, "k"), None, "abc"), 100).err();
        let expected = [None, Some("AccessDenied"), Some("InvalidPolicyDocument"), Some("EntityTooSmall"), Some("EntityTooLarge")];
        prop_assert!(expected.contains(&code), "{:?}", code);
    }
}
