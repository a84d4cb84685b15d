//! The small parts of a signature, and the signatures of POST policies. The input is one text, or lines of it.

#![no_main]

use coffer_fuzz::{SECRET, signer};
use coffer_sigv4::{
    Credential, PayloadHash, SecretKey, Timestamp, decode_path, query_pairs, sign_policy, sign_policy_v2,
    verify_policy, verify_policy_v2,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(credential) = Credential::parse(text) {
        assert_eq!(format!("{}/{}", credential.access_key, credential.scope), text);
    }
    if let Some(timestamp) = Timestamp::parse(text) {
        assert_eq!(timestamp.as_str(), text);
        assert_eq!(Timestamp::from_unix_s(timestamp.unix_s()), Some(timestamp));
    }
    if let Some(timestamp) = Timestamp::parse_http_date(text) {
        assert_eq!(Timestamp::parse(timestamp.as_str()), Some(timestamp));
    }
    if let Some(payload) = PayloadHash::parse(text.as_bytes()) {
        assert_eq!(payload.as_text(&mut [0; 64]), text);
    }
    assert!(decode_path(text).len() <= text.len());
    let decoded: usize = query_pairs(text).map(|(name, value)| name.len() + value.len()).sum();
    assert!(decoded <= text.len());

    let (policy, signature) = text.split_once('\n').unwrap_or((text, ""));
    let (signer, secret) = (signer(), SecretKey::new(SECRET));
    let (v4, v2) = (sign_policy(policy, signer.key()), sign_policy_v2(policy, &secret));
    assert!(verify_policy(policy, &v4, signer.key()).is_ok() && verify_policy_v2(policy, &v2, &secret).is_ok());
    assert_eq!(verify_policy(policy, signature, signer.key()).is_ok(), v4 == signature);
    assert_eq!(verify_policy_v2(policy, signature, &secret).is_ok(), v2 == signature);
});
