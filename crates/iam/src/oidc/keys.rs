//! The keys of an identity provider: a JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_crypto::{PublicKey, SignatureAlgorithm};
use serde_json::Value;

/// The most keys of a provider that are looked at.
const MOST: usize = 200;

/// Keys that verify signatures.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The one algorithm that the key is for, if it says so.
    algorithm: Option<String>,
    key: PublicKey,
}

impl KeySet {
    /// Reads a set. Keys for other purposes, or of kinds that verify no signature here, are left out.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(document).ok()?;
        Some(Self(set.get("keys")?.as_array()?.iter().take(MOST).filter_map(Key::parse).collect()))
    }

    /// Whether there is a key of this ID; any key will do for a token that names none.
    pub(super) fn has(&self, id: Option<&str>) -> bool {
        self.0.iter().any(|key| key.may_be(id))
    }

    /// Whether one of the keys of this ID verifies the signature.
    pub(super) fn verify(
        &self,
        id: Option<&str>,
        algorithm: (SignatureAlgorithm, &str),
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let (algorithm, name) = algorithm;
        let is_for = |key: &&Key| key.may_be(id) && key.algorithm.as_deref().is_none_or(|only| only == name);
        self.0.iter().filter(is_for).any(|key| key.key.verify(algorithm, message, signature).is_ok())
    }
}

impl Key {
    fn parse(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let operations = key.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return None;
        }
        let point = |len: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == len && y.len() == len).then(|| [vec![4], x, y].concat())
        };
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => PublicKey::Rsa { modulus: shortest(bytes("n")?), exponent: shortest(bytes("e")?) },
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("EC", Some("P-521")) => PublicKey::P521(point(66)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), key: public })
    }

    fn may_be(&self, id: Option<&str>) -> bool {
        id.is_none() || self.id.as_deref() == id
    }
}

/// A number without leading zeros.
fn shortest(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str) -> Option<Key> {
        Key::parse(&serde_json::from_str(key).unwrap())
    }

    #[test]
    fn keys_that_verify_nothing_are_left_out() {
        let (x, short) = (URL_SAFE_NO_PAD.encode([1; 32]), URL_SAFE_NO_PAD.encode([1; 31]));
        assert!(parse(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#)).is_some());
        for key in [
            "{}".to_owned(),
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            r#"{"kty":"RSA","n":"AQAB"}"#.to_owned(),
            r#"{"kty":"RSA","n":"????","e":"AQAB"}"#.to_owned(),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{short}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","use":"enc"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","key_ops":["encrypt"]}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
        ] {
            assert!(parse(&key).is_none(), "{key}");
        }
    }

    #[test]
    fn sets_that_are_none_are_refused() {
        for set in ["", "[]", "{}", r#"{"keys":{}}"#, "null"] {
            assert!(KeySet::parse(set.as_bytes()).is_none(), "{set}");
        }
        assert!(KeySet::parse(br#"{"keys":[1,null,{}]}"#).is_some_and(|set| !set.has(None)));
    }
}
