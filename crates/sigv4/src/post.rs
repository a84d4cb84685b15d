//! The signature of a POST form: over the policy document, in the base64 in which the form carries it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{ct_eq, hmac_sha1};

use crate::error::SignatureMismatch;
use crate::key::{SecretKey, SigningKey};
use crate::payload::{decode_hex, encode_hex};

/// Checks `x-amz-signature` of a form: 64 hexadecimal digits, `HMAC-SHA-256(key, policy)`.
///
/// `policy` is the form's field as it came, not decoded.
///
/// # Errors
/// [`SignatureMismatch`].
pub fn verify_policy(policy: &str, signature: &str, key: &SigningKey) -> Result<(), SignatureMismatch> {
    let given = decode_hex(signature.as_bytes()).ok_or(SignatureMismatch)?;
    if ct_eq(&key.sign(&[policy.as_bytes()]), &given) { Ok(()) } else { Err(SignatureMismatch) }
}

/// Checks `signature` of a form signed with Signature Version 2: base64 of `HMAC-SHA-1(secret, policy)`.
///
/// # Errors
/// [`SignatureMismatch`].
pub fn verify_policy_v2(policy: &str, signature: &str, secret: &SecretKey) -> Result<(), SignatureMismatch> {
    let given = STANDARD.decode(signature).map_err(|_| SignatureMismatch)?;
    let expected = hmac_sha1(secret.expose(), policy.as_bytes());
    if ct_eq(&expected, &given) { Ok(()) } else { Err(SignatureMismatch) }
}

/// Returns `x-amz-signature` for a form with this policy.
#[must_use]
pub fn sign_policy(policy: &str, key: &SigningKey) -> String {
    encode_hex(&key.sign(&[policy.as_bytes()]), &mut [0; 64]).to_owned()
}

/// Returns `signature` for a form with this policy, in Signature Version 2.
#[must_use]
pub fn sign_policy_v2(policy: &str, secret: &SecretKey) -> String {
    STANDARD.encode(hmac_sha1(secret.expose(), policy.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Scope;

    fn secret() -> SecretKey {
        SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned())
    }

    fn key() -> SigningKey {
        let scope = Scope { date: "20151229".into(), region: "us-east-1".into(), service: "s3".into() };
        SigningKey::derive(&secret(), &scope)
    }

    #[test]
    fn a_signed_policy_verifies() {
        assert_eq!(verify_policy("e30=", &sign_policy("e30=", &key()), &key()), Ok(()));
        assert_eq!(verify_policy_v2("e30=", &sign_policy_v2("e30=", &secret()), &secret()), Ok(()));
    }

    #[test]
    fn another_policy_signature_or_key_does_not_match() {
        let signature = sign_policy("e30=", &key());
        for (policy, signature) in [
            ("e31=", &*signature),
            ("e30", &signature),
            ("e30=", &signature[1..]),
            ("e30=", &signature.to_uppercase()),
            ("e30=", ""),
            ("e30=", &"0".repeat(64)),
            ("e30=", "é"),
        ] {
            assert_eq!(verify_policy(policy, signature, &key()), Err(SignatureMismatch), "{policy} {signature}");
        }
        let signature = sign_policy_v2("e30=", &secret());
        for (policy, signature) in [("e31=", &*signature), ("e30=", ""), ("e30=", "AAAA"), ("e30=", "*")] {
            assert_eq!(verify_policy_v2(policy, signature, &secret()), Err(SignatureMismatch), "{policy} {signature}");
        }
        let other = SecretKey::new("other".to_owned());
        assert_eq!(verify_policy_v2("e30=", &signature, &other), Err(SignatureMismatch));
    }
}
