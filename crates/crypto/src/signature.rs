//! Verifying what others have signed (FIPS 186-5, RFC 8032), with the algorithms under their JOSE names (RFC 7518,
//! RFC 8037).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::aead::NotAuthentic;

/// How something is signed. There is no algorithm with a shared secret, and none without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// ECDSA over P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

impl SignatureAlgorithm {
    /// The algorithm of this JOSE name, such as `RS256`; `None` for any other name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// The key of somebody who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2048 to 8192 bits: big-endian, without leading zeros.
    Rsa {
        /// n
        modulus: Vec<u8>,
        /// e
        exponent: Vec<u8>,
    },
    /// A point on P-256, uncompressed: `4 || x || y`.
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
    /// A point on P-521, uncompressed.
    P521(Vec<u8>),
    /// 32 bytes.
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Verifies the signature of `message`. Those of ECDSA are `r || s`.
    ///
    /// # Errors
    /// [`NotAuthentic`]: also when the key is none, or is not one of this algorithm.
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), NotAuthentic> {
        use SignatureAlgorithm as A;
        let rsa = |parameters: &'static RsaParameters| match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(parameters, message, signature)
                .map_err(|_| NotAuthentic),
            _ => Err(NotAuthentic),
        };
        let key = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| NotAuthentic)
        };
        match (algorithm, self) {
            (A::Rs256, _) => rsa(&RSA_PKCS1_2048_8192_SHA256),
            (A::Rs384, _) => rsa(&RSA_PKCS1_2048_8192_SHA384),
            (A::Rs512, _) => rsa(&RSA_PKCS1_2048_8192_SHA512),
            (A::Ps256, _) => rsa(&RSA_PSS_2048_8192_SHA256),
            (A::Ps384, _) => rsa(&RSA_PSS_2048_8192_SHA384),
            (A::Ps512, _) => rsa(&RSA_PSS_2048_8192_SHA512),
            (A::Es256, Self::P256(point)) => key(&ECDSA_P256_SHA256_FIXED, point),
            (A::Es384, Self::P384(point)) => key(&ECDSA_P384_SHA384_FIXED, point),
            (A::Es512, Self::P521(point)) => key(&ECDSA_P521_SHA512_FIXED, point),
            (A::EdDsa, Self::Ed25519(point)) => key(&ED25519, point),
            _ => Err(NotAuthentic),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    };

    use super::*;

    const MESSAGE: &[u8] = b"attack at dawn";
    const ALL: [&str; 10] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

    /// A key, and the signature of the message, for each algorithm.
    fn signed() -> Vec<(SignatureAlgorithm, PublicKey, Vec<u8>)> {
        use SignatureAlgorithm as A;
        let random = SystemRandom::new();
        let mut all = Vec::new();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // SEQUENCE { INTEGER n of 257 bytes, the first of them 0, INTEGER e = 65537 }
        let der = rsa.public_key().as_ref();
        assert!(der.len() == 270 && der[8] == 0 && der.ends_with(&[2, 3, 1, 0, 1]));
        let public = PublicKey::Rsa { modulus: der[9..265].to_vec(), exponent: vec![1, 0, 1] };
        for (algorithm, encoding) in [
            (A::Rs256, &RSA_PKCS1_SHA256 as &'static dyn aws_lc_rs::signature::RsaEncoding),
            (A::Rs384, &RSA_PKCS1_SHA384),
            (A::Rs512, &RSA_PKCS1_SHA512),
            (A::Ps256, &RSA_PSS_SHA256),
            (A::Ps384, &RSA_PSS_SHA384),
            (A::Ps512, &RSA_PSS_SHA512),
        ] {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(encoding, &random, MESSAGE, &mut signature).unwrap();
            all.push((algorithm, public.clone(), signature));
        }
        let ecdsa = |signing| {
            let pair = EcdsaKeyPair::generate(signing).unwrap();
            (pair.public_key().as_ref().to_vec(), pair.sign(&random, MESSAGE).unwrap().as_ref().to_vec())
        };
        let (point, signature) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
        all.push((A::Es256, PublicKey::P256(point), signature));
        let (point, signature) = ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING);
        all.push((A::Es384, PublicKey::P384(point), signature));
        let (point, signature) = ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING);
        all.push((A::Es512, PublicKey::P521(point), signature));
        let pair = Ed25519KeyPair::generate().unwrap();
        let point = pair.public_key().as_ref().to_vec();
        all.push((A::EdDsa, PublicKey::Ed25519(point), pair.sign(MESSAGE).as_ref().to_vec()));
        all
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let all = signed();
        assert_eq!(all.len(), ALL.len());
        for (algorithm, key, signature) in &all {
            assert_eq!(key.verify(*algorithm, MESSAGE, signature), Ok(()), "{algorithm:?}");
            assert!(key.verify(*algorithm, b"attack at noon", signature).is_err(), "{algorithm:?}");
            assert!(key.verify(*algorithm, MESSAGE, b"").is_err(), "{algorithm:?}");
            assert!(key.verify(*algorithm, MESSAGE, &signature[1..]).is_err(), "{algorithm:?}");
            assert!(key.verify(*algorithm, MESSAGE, &vec![0; signature.len()]).is_err(), "{algorithm:?}");
            for bit in [0, signature.len() * 8 - 1] {
                let mut wrong = signature.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(key.verify(*algorithm, MESSAGE, &wrong).is_err(), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn a_signature_is_of_one_algorithm_and_one_key() {
        let all = signed();
        for (algorithm, _, signature) in &all {
            for (other, key, _) in &all {
                if algorithm == other {
                    continue;
                }
                assert!(key.verify(*other, MESSAGE, signature).is_err(), "{algorithm:?} {other:?}");
                // One RSA key serves all its algorithms here.
                let same_key = is_rsa(*algorithm) && is_rsa(*other);
                assert_eq!(key.verify(*algorithm, MESSAGE, signature).is_ok(), same_key, "{algorithm:?} {other:?}");
            }
        }
    }

    fn is_rsa(algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as A;
        matches!(algorithm, A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512)
    }

    #[test]
    fn keys_that_are_none_verify_nothing() {
        for (algorithm, _, signature) in signed() {
            for key in [
                PublicKey::Rsa { modulus: Vec::new(), exponent: Vec::new() },
                PublicKey::Rsa { modulus: vec![0xff; 128], exponent: vec![1, 0, 1] },
                PublicKey::Rsa { modulus: vec![0xff; 256], exponent: vec![1] },
                PublicKey::P256(vec![4; 65]),
                PublicKey::P384(Vec::new()),
                PublicKey::P521(vec![0; 133]),
                PublicKey::Ed25519(vec![0; 31]),
            ] {
                assert!(key.verify(algorithm, MESSAGE, &signature).is_err());
            }
        }
    }

    #[test]
    fn shared_secrets_and_no_signature_are_no_algorithms() {
        for name in ["none", "None", "", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K", "A256GCM"] {
            assert_eq!(SignatureAlgorithm::named(name), None, "{name}");
        }
        assert!(ALL.iter().all(|name| SignatureAlgorithm::named(name).is_some()));
    }
}
