//! AES-256-GCM with a random 96-bit nonce drawn inside the module and a 128-bit tag
//! (NIST SP 800-38D, section 8.2.2).

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use thiserror::Error;

use crate::key::Key32;

/// Bytes of nonce in front of every sealed run.
pub const NONCE_LEN: usize = 12;
/// Bytes of tag behind every sealed run.
pub const TAG_LEN: usize = 16;
/// Bytes that sealing adds: nonce and tag.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Some bytes are not what was sealed under this key with this AAD.
///
/// There is no hint whether key, AAD or bytes were wrong.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("not authentic")]
pub struct NotAuthentic;

/// A key that seals and opens: `nonce(12) || AES-256-GCM(key, nonce, plaintext, aad) || tag(16)`.
///
/// There is no way to choose the nonce. At most 2^32 runs may be sealed under one key.
pub struct AeadKey(RandomizedNonceKey);

impl AeadKey {
    /// Expands `key` for use.
    #[must_use]
    pub fn new(key: &Key32) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose());
        Self(key.expect("a Key32 has the length of an AES-256 key"))
    }

    /// Returns `plaintext` sealed, [`OVERHEAD`] bytes longer.
    #[must_use]
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut run = vec![0; plaintext.len() + OVERHEAD];
        run[NONCE_LEN..NONCE_LEN + plaintext.len()].copy_from_slice(plaintext);
        self.seal_in_place(aad, &mut run);
        run
    }

    /// Seals the plaintext that lies in `run[NONCE_LEN..run.len() - TAG_LEN]`, and fills in nonce and tag around it.
    ///
    /// # Panics
    /// When `run` is shorter than [`OVERHEAD`]: there is no room for nonce and tag.
    pub fn seal_in_place(&self, aad: &[u8], run: &mut [u8]) {
        let (nonce, rest) = run.split_at_mut(NONCE_LEN);
        let (text, tag) = rest.split_at_mut(rest.len() - TAG_LEN);
        let (drawn, computed) =
            self.0.seal_in_place_separate_tag(Aad::from(aad), text).expect("AES-GCM seals any run below 2^36 bytes");
        nonce.copy_from_slice(drawn.as_ref());
        tag.copy_from_slice(computed.as_ref());
    }

    /// Opens a sealed run.
    ///
    /// # Errors
    /// [`NotAuthentic`] when `run` was not sealed by [`AeadKey::seal`] under this key with this `aad`.
    pub fn open(&self, aad: &[u8], run: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let mut run = run.to_vec();
        let len = self.open_in_place(aad, &mut run)?.len();
        run.drain(..NONCE_LEN);
        run.truncate(len);
        Ok(run)
    }

    /// Opens a sealed run where it lies and returns the plaintext: `run[NONCE_LEN..run.len() - TAG_LEN]`.
    ///
    /// # Errors
    /// As [`AeadKey::open`]. `run` holds no plaintext then.
    pub fn open_in_place<'a>(&self, aad: &[u8], run: &'a mut [u8]) -> Result<&'a mut [u8], NotAuthentic> {
        if run.len() < OVERHEAD {
            return Err(NotAuthentic);
        }
        let (nonce, rest) = run.split_at_mut(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotAuthentic)?;
        self.0.open_in_place(nonce, Aad::from(aad), rest).map_err(|_| NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AeadKey {
        AeadKey::new(&Key32::from_slice(&[1; 32]).unwrap())
    }

    #[test]
    fn opens_what_it_sealed() {
        for len in [0, 1, 15, 16, 17, 65536] {
            let plaintext = vec![0x5a; len];
            let sealed = key().seal(b"aad", &plaintext);
            assert_eq!(sealed.len(), len + OVERHEAD);
            assert_eq!(key().open(b"aad", &sealed), Ok(plaintext));
        }
    }

    #[test]
    fn the_same_plaintext_never_seals_to_the_same_bytes() {
        assert_ne!(key().seal(b"", b"again"), key().seal(b"", b"again"));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = key().seal(b"aad", b"text");
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key().open(b"aad", &bad), Err(NotAuthentic), "bit {bit}");
        }
    }

    #[test]
    fn cut_runs_are_not_authentic() {
        let sealed = key().seal(b"", b"text");
        for len in 0..sealed.len() {
            assert_eq!(key().open(b"", &sealed[..len]), Err(NotAuthentic));
        }
    }

    #[test]
    fn another_key_or_aad_does_not_open() {
        let sealed = key().seal(b"aad", b"text");
        assert!(key().open(b"aae", &sealed).is_err());
        assert!(AeadKey::new(&Key32::generate()).open(b"aad", &sealed).is_err());
    }
}
