//! The one key derivation of the format.

use coffer_crypto::{Key32, hkdf_sha512};
use zeroize::Zeroizing;

/// The salt where the input key is itself random and used for one thing.
pub(crate) const FIXED_SALT: &[u8] = b"seal/1 fixed salt";

/// `KDF(key, salt, label, context, N)`: HKDF-SHA-512 with `info = "seal/1 " || label || 00 || context`.
pub(crate) fn derive<const N: usize>(key: &Key32, salt: &[u8], label: &str, context: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    hkdf_sha512(key, salt, &[b"seal/1 ", label.as_bytes(), &[0], context], &mut *out);
    out
}

/// `KDF(key, salt, label, context, 32)` as a key.
pub(crate) fn derive_key(key: &Key32, salt: &[u8], label: &str, context: &[u8]) -> Key32 {
    Key32::take(&mut derive::<32>(key, salt, label, context))
}

/// `KDF(key, salt, label, context, 64)`: the first half as a key, and the second half.
pub(crate) fn derive_pair(key: &Key32, salt: &[u8], label: &str, context: &[u8]) -> (Key32, Zeroizing<[u8; 32]>) {
    let both = derive::<64>(key, salt, label, context);
    let (first, second) = both.split_at(32);
    let first = Key32::from_slice(first).expect("half of 64 bytes is a key");
    let mut half = Zeroizing::new([0; 32]);
    half.copy_from_slice(second);
    (first, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_and_context_do_not_run_into_each_other() {
        let key = Key32::from_slice(&[1; 32]).unwrap();
        assert_ne!(*derive::<32>(&key, FIXED_SALT, "ab", b"c"), *derive::<32>(&key, FIXED_SALT, "a", b"bc"));
    }

    #[test]
    fn a_pair_is_the_two_halves_of_64_bytes() {
        let key = Key32::from_slice(&[1; 32]).unwrap();
        let whole = derive::<64>(&key, FIXED_SALT, "object", b"");
        let (first, second) = derive_pair(&key, FIXED_SALT, "object", b"");
        assert_eq!(whole[..32], first.expose()[..]);
        assert_eq!(whole[32..], second[..]);
    }
}
