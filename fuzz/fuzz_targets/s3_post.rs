//! POST forms: the fields, the policy that their signer wrote, and the file; the same however they arrive.
//!
//! The first byte says how the body is cut; then a policy document, which is signed as it is, and behind a NUL the raw
//! parts of a `multipart/form-data` body with the boundary `b`, up to the file and its end, which are added.

#![no_main]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coffer_fuzz::{ACCESS_KEY, DATE, NOW_MS, Root, SCOPE, pieces, runtime, signer};
use coffer_s3::auth::Authenticator;
use coffer_s3::body::{BoxError, Source};
use coffer_s3::error::S3Error;
use coffer_s3::headers::Headers;
use coffer_s3::post::receive;
use coffer_s3::route::MAX_KEY_LEN;
use coffer_sigv4::sign_policy;
use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use libfuzzer_sys::fuzz_target;

/// What a form comes to: key, headers, tags and file, or the code and message of the refusal.
type Outcome = Result<(String, HeaderMap, Option<String>, Vec<u8>), (&'static str, String)>;

fuzz_target!(|input: &[u8]| {
    let Some((cut, input)) = input.split_first() else { return };
    let nul = input.iter().position(|byte| *byte == 0);
    let (policy, fields) = nul.map_or((input, [].as_slice()), |at| (&input[..at], &input[at + 1..]));
    let body = form(policy, fields);
    let whole = send(vec![Bytes::copy_from_slice(&body)]);
    let cut = send(pieces(&body, *cut).map(Bytes::copy_from_slice).collect());
    assert!(whole == cut, "a form means something else when it is cut");
    if let Ok((key, headers, _, file)) = whole {
        assert!(!key.is_empty() && key.len() <= MAX_KEY_LEN && file.len() <= body.len());
        assert!(!headers.contains_key("x-amz-signature") && !headers.contains_key("authorization"));
    }
});

fn form(policy: &[u8], fields: &[u8]) -> Vec<u8> {
    let policy = STANDARD.encode(policy);
    let signature = sign_policy(&policy, signer().key());
    let mut body = Vec::new();
    for (name, value) in [
        ("x-amz-credential", &*format!("{ACCESS_KEY}/{SCOPE}")),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-date", DATE),
        ("policy", &policy),
        ("x-amz-signature", &signature),
    ] {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    body.extend(fields);
    body.extend(
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nthe file\r\n--b--\r\n",
    );
    body
}

fn send(pieces: Vec<Bytes>) -> Outcome {
    let frames = pieces.into_iter().map(|piece| Ok::<_, BoxError>(Frame::data(piece)));
    let source = Source::wire(StreamBody::new(stream::iter(frames)), Duration::from_secs(1));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=b"));
    let headers = Headers::from(headers);
    let refused = |error: S3Error| (error.code(), error.message().to_owned());
    runtime().block_on(async {
        let authenticator = Authenticator::new(Root::new(), "us-east-1".to_owned());
        let mut form = receive(source, "photos", &headers, &authenticator, NOW_MS).await.map_err(refused)?;
        let mut file = Vec::new();
        while let Some(bytes) = form.file.next().await.map_err(refused)? {
            file.extend_from_slice(&bytes);
        }
        Ok((form.key, form.headers.as_map().clone(), form.tagging, file))
    })
}
