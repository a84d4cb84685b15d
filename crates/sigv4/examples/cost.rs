//! What a request costs: `cargo run --release -p coffer-sigv4 --example cost`.

#![expect(clippy::unwrap_used, reason = "the requests are known to be good")]
#![expect(clippy::print_stdout, reason = "the figures are the purpose")]

use std::hint::black_box;
use std::time::Instant;

use coffer_sigv4::{RequestParts, Scope, SecretKey, Signer, SigningKey, parse_authorization, verify};

fn main() {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned());
    let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", &secret, scope.clone());
    let hash: &[u8] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"localhost:9000"),
        ("user-agent", b"aws-sdk-rust/1.3.3 os/linux lang/rust/1.90.0"),
        ("content-type", b"application/octet-stream"),
        ("x-amz-content-sha256", hash),
        ("x-amz-date", b"20130524T000000Z"),
        ("x-amz-meta-owner", b"somebody"),
    ];
    let (path, query) = ("/bucket/some/folder/object-000123.bin", "partNumber=7&uploadId=abcdefghijklmnopqrstuvwxyz");
    let authorization =
        signer.sign_header(&RequestParts { method: "PUT", path, query, headers: &headers }).unwrap().authorization;
    headers.push(("authorization", authorization.as_bytes()));
    let request = RequestParts { method: "PUT", path, query, headers: &headers };
    let auth = parse_authorization(&request).unwrap().unwrap();

    measure("derive a signing key", || drop(black_box(SigningKey::derive(&secret, &scope))));
    measure("parse the authorization", || drop(black_box(parse_authorization(&request))));
    measure("verify", || verify(&auth, black_box(&request), signer.key()).unwrap());
}

fn measure(what: &str, mut run: impl FnMut()) {
    const RUNS: u32 = 200_000;
    let start = Instant::now();
    for _ in 0..RUNS {
        run();
    }
    println!("{what}: {:.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS));
}
