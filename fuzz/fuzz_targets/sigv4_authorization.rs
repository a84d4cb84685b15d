//! Requests that claim to be signed: what was not signed does not verify, what was signed does.

#![no_main]

use coffer_fuzz::{Request, signer};
use coffer_sigv4::{ParsedAuth, Scope, SecretKey, SigningKey, check_time, parse_authorization, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Some(mut request) = Request::parse(text) else { return };
    let headers = request.borrowed_headers();
    let parts = request.parts(&headers);
    if let Ok(Some(auth)) = parse_authorization(&parts) {
        check(&auth);
        assert!(verify(&auth, &parts, &stranger()).is_err());
    }
    let Ok(signed) = signer().sign_header(&parts) else { return };
    request.headers.retain(|(name, _)| name != "authorization");
    request.headers.push(("authorization".to_owned(), signed.authorization.as_bytes()));
    let headers = request.borrowed_headers();
    let parts = request.parts(&headers);
    if let Ok(Some(auth)) = parse_authorization(&parts) {
        check(&auth);
        assert_eq!(auth.signature, signed.signature);
        // Removing a header that the text had brought itself changes what is signed.
        let is_same = !text.to_ascii_lowercase().windows(13).any(|name| name == b"authorization");
        assert!(!is_same || verify(&auth, &parts, signer().key()).is_ok());
        assert!(verify(&auth, &parts, &stranger()).is_err());
    }
});

fn check(auth: &ParsedAuth) {
    assert!(auth.signed_headers().any(|name| name == "host"));
    assert_eq!(auth.timestamp.date(), auth.scope.date);
    // What the answers are does not matter here.
    let _ = (auth.check_scope("us-east-1", "s3"), check_time(auth, 1_369_353_600, 900));
    assert!(check_time(auth, i64::MAX, u32::MAX).is_err() && check_time(auth, i64::MIN, u32::MAX).is_err());
}

fn stranger() -> SigningKey {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    SigningKey::derive(&SecretKey::new("another secret"), &scope)
}
