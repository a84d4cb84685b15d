//! What a KMS key encrypts: the ciphertext of Encrypt and of data keys.
//!
//! ```text
//! ciphertext = u8 1 || key id(16) || u32 generation || salt(32) || commitment(32) || SEAL(t[0:32], "", plaintext)
//! t          = KDF(key material, salt, "kms", SHA-256(u8 1 || key id || u32 generation || lp(context)), 64)
//! commitment = t[32:64]
//! ```

use coffer_crypto::{AeadKey, Key32, OVERHEAD, ct_eq, random_array, sha256};
use zeroize::Zeroizing;

use crate::bytes::put_field;
use crate::derive::derive_pair;
use crate::error::{OpenError, tampered};

/// The most bytes that a KMS key encrypts, as on AWS.
pub const MAX_KMS_PLAINTEXT_LEN: usize = 4096;

const VERSION: u8 = 1;
const KEY_ID_AT: usize = 1;
const GENERATION_AT: usize = 17;
const SALT_AT: usize = 21;
const COMMITMENT_AT: usize = 53;
const SEALED_AT: usize = 85;

/// A ciphertext that says which key it needs. Whether it is authentic shows when it is opened.
pub struct KmsCiphertext<'a> {
    bytes: &'a [u8],
    /// The id of the KMS key.
    pub key_id: [u8; 16],
    /// The generation of its key material.
    pub generation: u32,
}

/// Encrypts `plaintext`, at most [`MAX_KMS_PLAINTEXT_LEN`] bytes, under key material, with a fresh salt. `context` is
/// the [`canonical_context`](crate::canonical_context) that must be given again to decrypt it.
#[must_use]
pub fn seal_for_kms(material: &Key32, key_id: [u8; 16], generation: u32, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let salt: [u8; 32] = random_array();
    let (key, commitment) = derive_pair(material, &salt, "kms", &bound(key_id, generation, context));
    let mut out = Vec::with_capacity(SEALED_AT + plaintext.len() + OVERHEAD);
    out.push(VERSION);
    out.extend_from_slice(&key_id);
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&*commitment);
    out.extend_from_slice(&AeadKey::new(&key).seal(b"", plaintext));
    out
}

impl<'a> KmsCiphertext<'a> {
    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] when it is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let sound = SEALED_AT + OVERHEAD..=SEALED_AT + OVERHEAD + MAX_KMS_PLAINTEXT_LEN;
        if !sound.contains(&bytes.len()) || bytes[0] != VERSION {
            return Err(OpenError::Malformed("ciphertext"));
        }
        Ok(Self {
            bytes,
            key_id: bytes[KEY_ID_AT..GENERATION_AT].try_into().expect("the field has 16 bytes"),
            generation: u32::from_be_bytes(bytes[GENERATION_AT..SALT_AT].try_into().expect("the field has 4 bytes")),
        })
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// [`OpenError::WrongKey`] when material, key, generation or context are not those it was encrypted with;
    /// [`OpenError::Tampered`] when they are and the rest is damaged.
    pub fn open(&self, material: &Key32, context: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let bound = bound(self.key_id, self.generation, context);
        let (key, commitment) = derive_pair(material, &self.bytes[SALT_AT..COMMITMENT_AT], "kms", &bound);
        if !ct_eq(&*commitment, &self.bytes[COMMITMENT_AT..SEALED_AT]) {
            return Err(OpenError::WrongKey);
        }
        AeadKey::new(&key).open(b"", &self.bytes[SEALED_AT..]).map(Zeroizing::new).map_err(tampered("ciphertext"))
    }
}

fn bound(key_id: [u8; 16], generation: u32, context: &[u8]) -> [u8; 32] {
    let mut bound = vec![VERSION];
    bound.extend_from_slice(&key_id);
    bound.extend_from_slice(&generation.to_be_bytes());
    put_field(&mut bound, context);
    sha256(&bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = [7; 16];

    fn error_of(bytes: &[u8], material: &Key32, context: &[u8]) -> OpenError {
        KmsCiphertext::parse(bytes).and_then(|sealed| sealed.open(material, context)).err().unwrap()
    }

    #[test]
    fn decrypts_what_it_encrypted() {
        let material = Key32::generate();
        for len in [0, 1, 32, MAX_KMS_PLAINTEXT_LEN] {
            let bytes = seal_for_kms(&material, ID, 3, b"context", &vec![5; len]);
            let sealed = KmsCiphertext::parse(&bytes).unwrap();
            assert_eq!((sealed.key_id, sealed.generation), (ID, 3));
            assert_eq!(*sealed.open(&material, b"context").unwrap(), vec![5; len]);
        }
    }

    #[test]
    fn another_material_or_context_is_refused() {
        let material = Key32::generate();
        let bytes = seal_for_kms(&material, ID, 3, b"context", b"secret");
        assert_eq!(error_of(&bytes, &Key32::generate(), b"context"), OpenError::WrongKey);
        assert_eq!(error_of(&bytes, &material, b""), OpenError::WrongKey);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let material = Key32::generate();
        let sealed = seal_for_kms(&material, ID, 3, b"context", b"secret");
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => OpenError::Malformed("ciphertext"),
                KEY_ID_AT..SEALED_AT => OpenError::WrongKey,
                _ => OpenError::Tampered("ciphertext"),
            };
            assert_eq!(error_of(&bytes, &material, b"context"), expected);
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_ciphertext() {
        let bytes = seal_for_kms(&Key32::generate(), ID, 1, b"", &[0; MAX_KMS_PLAINTEXT_LEN]);
        let longer = [&bytes[..], &[0]].concat();
        for bytes in [&longer[..], &bytes[..SEALED_AT + OVERHEAD - 1], &[]] {
            assert!(KmsCiphertext::parse(bytes).is_err_and(|error| error == OpenError::Malformed("ciphertext")));
        }
    }
}
