//! The worked examples of the Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use coffer_sigv4::{
    AuthKind, PayloadHash, RequestParts, Scope, SecretKey, Signer, Timestamp, check_time, parse_authorization, verify,
};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const HOST: (&str, &[u8]) = ("host", b"examplebucket.s3.amazonaws.com");
const DATE: (&str, &[u8]) = ("x-amz-date", b"20130524T000000Z");
const EMPTY: (&str, &[u8]) =
    ("x-amz-content-sha256", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
const NOW_UNIX_S: i64 = 1_369_353_600;

fn secret() -> SecretKey {
    SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned())
}

fn signer() -> Signer {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    Signer::new(ACCESS_KEY, &secret(), scope)
}

/// Signing gives the published signature, and what was signed verifies.
fn check(method: &str, path: &str, query: &str, headers: &[(&str, &[u8])], signature: &str) {
    let request = RequestParts { method, path, query, headers };
    let signed = signer().sign_header(&request).unwrap();
    assert_eq!(signed.authorization.rsplit_once('=').unwrap().1, signature);

    let mut headers = headers.to_vec();
    headers.push(("authorization", signed.authorization.as_bytes()));
    let request = RequestParts { headers: &headers, ..request };
    let auth = parse_authorization(&request).unwrap().unwrap();
    assert_eq!(auth.access_key, ACCESS_KEY);
    assert_eq!(auth.kind, AuthKind::Header);
    assert_eq!(auth.check_scope("us-east-1", "s3"), Ok(()));
    assert_eq!(check_time(&auth, NOW_UNIX_S, 900), Ok(()));
    assert_eq!(verify(&auth, &request, signer().key()), Ok(()));
}

#[test]
fn get_object() {
    check(
        "GET",
        "/test.txt",
        "",
        &[HOST, ("range", b"bytes=0-9"), EMPTY, DATE],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
}

#[test]
fn put_object() {
    let hash: &[u8] = b"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    check(
        "PUT",
        "/test$file.text",
        "",
        &[
            HOST,
            ("date", b"Fri, 24 May 2013 00:00:00 GMT"),
            DATE,
            ("x-amz-storage-class", b"REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", hash),
        ],
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
}

#[test]
fn get_bucket_lifecycle() {
    check(
        "GET",
        "/",
        "lifecycle",
        &[HOST, DATE, EMPTY],
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn list_objects() {
    check(
        "GET",
        "/",
        "max-keys=2&prefix=J",
        &[HOST, DATE, EMPTY],
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn streaming_seed() {
    let seed = |payload: &[u8], more: &[(&str, &[u8])], signature: &str| {
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("host", b"s3.amazonaws.com"),
            DATE,
            ("x-amz-storage-class", b"REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", payload),
            ("content-encoding", b"aws-chunked"),
            ("x-amz-decoded-content-length", b"66560"),
        ];
        headers.extend_from_slice(more);
        check("PUT", "/examplebucket/chunkObject.txt", "", &headers, signature);
    };
    seed(
        b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        &[("content-length", b"66824")],
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    seed(
        b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        &[("x-amz-trailer", b"x-amz-checksum-crc32c")],
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
}

#[test]
fn presigned_get_object() {
    let headers = [HOST];
    let mut request = RequestParts { method: "GET", path: "/test.txt", query: "", headers: &headers };
    let query = signer().presign(&request, &Timestamp::from_unix_s(NOW_UNIX_S).unwrap(), 86_400).unwrap();
    assert_eq!(
        query,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
    request.query = &query;
    let auth = parse_authorization(&request).unwrap().unwrap();
    assert_eq!(auth.kind, AuthKind::Presigned { expires_s: 86_400 });
    assert_eq!(auth.payload, PayloadHash::Unsigned);
    assert_eq!(verify(&auth, &request, signer().key()), Ok(()));
}
