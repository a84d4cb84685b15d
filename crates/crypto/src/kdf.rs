//! Key derivation: HKDF-SHA-512 (RFC 5869) and PBKDF2-HMAC-SHA-512 (RFC 8018).

use aws_lc_rs::{hkdf, pbkdf2};

use crate::key::Key32;
use std::num::NonZeroU32;

/// Derives `out.len()` bytes: HKDF-SHA-512, extract then expand, with the concatenation of `info`.
///
/// # Panics
/// When `salt` is empty (AWS-LC does not count that as an approved service) or `out` is longer than 255 blocks.
pub fn hkdf_sha512(ikm: &Key32, salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    assert!(!salt.is_empty(), "HKDF is used with a salt");
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    hkdf::Salt::new(hkdf::HKDF_SHA512, salt)
        .extract(ikm.expose())
        .expand(info, Len(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("the output is at most 255 blocks");
}

/// Derives a key from a passphrase.
pub fn pbkdf2_sha512(passphrase: &[u8], salt: &[u8], iterations: NonZeroU32) -> Key32 {
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, passphrase, &mut key);
    Key32::take(&mut key)
}
