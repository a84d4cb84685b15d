//! Signing what others verify: Ed25519 (RFC 8032, FIPS 186-5).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use crate::key::Key32;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// A key that signs. No `Debug`, no `Clone`; the cipher library zeroes it on drop.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of this seed: the same seed is the same key.
    #[must_use]
    pub fn from_seed(seed: &Key32) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        Self(pair.expect("any 32 bytes are a seed of Ed25519"))
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).as_ref().try_into().expect("a signature of Ed25519 has 64 bytes")
    }

    /// The bytes that others verify with.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("a public key of Ed25519 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, SignatureAlgorithm};

    fn key(hex: &str) -> Key32 {
        let bytes: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        Key32::from_slice(&bytes).unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signs_as_the_standard_says() {
        let key = SigningKey::from_seed(&key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
        assert_eq!(text(&key.public()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(text(&key.sign(&[0x72])), signature);
    }

    #[test]
    fn what_it_signs_verifies() {
        let key = SigningKey::from_seed(&Key32::generate());
        let signature = key.sign(b"message");
        let public = PublicKey::Ed25519(key.public().to_vec());
        assert!(public.verify(SignatureAlgorithm::EdDsa, b"message", &signature).is_ok());
        assert!(public.verify(SignatureAlgorithm::EdDsa, b"messagf", &signature).is_err());
    }
}
