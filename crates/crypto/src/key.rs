//! Secrets and randomness.

use aws_lc_rs::{constant_time, rand};
use zeroize::Zeroize;

/// Bytes in every symmetric key of the project.
pub const KEY_LEN: usize = 32;

/// A 256-bit secret key.
///
/// It lives on the heap, so that moving it leaves no copy behind, and is zeroed on drop. It has no
/// `Debug`, `Clone`, `PartialEq` or `Serialize`: the bytes leave only through [`Key32::expose`].
pub struct Key32(Box<[u8; KEY_LEN]>);

impl Key32 {
    /// Draws a fresh key from the module's random generator.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Box::new([0; KEY_LEN]);
        fill_random(&mut *key);
        Self(key)
    }

    /// Takes the key from `bytes` and zeroes them there.
    #[must_use]
    pub fn take(bytes: &mut [u8; KEY_LEN]) -> Self {
        let key = Self(Box::new(*bytes));
        bytes.zeroize();
        key
    }

    /// Copies the key from `bytes`; `None` unless there are [`KEY_LEN`] of them.
    ///
    /// The caller zeroes its own copy.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Box::new([0; KEY_LEN]);
        if bytes.len() != KEY_LEN {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    /// The bytes of the key. The one way out, so that a search finds every use.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl Drop for Key32 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Compares two byte strings in a time that depends on their lengths only.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Fills `out` with random bytes.
///
/// # Panics
/// When the system has no randomness to give: nothing can be sealed then.
pub fn fill_random(out: &mut [u8]) {
    rand::fill(out).expect("the system's random generator works");
}

/// Returns `N` random bytes: identifiers, salts. Keys come from [`Key32::generate`].
#[must_use]
pub fn random_array<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill_random(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_a_key_zeroes_the_source() {
        let mut source = [7; KEY_LEN];
        let key = Key32::take(&mut source);
        assert_eq!(key.expose(), &[7; KEY_LEN]);
        assert_eq!(source, [0; KEY_LEN]);
    }

    #[test]
    fn a_key_has_exactly_32_bytes() {
        assert!(Key32::from_slice(&[0; 31]).is_none());
        assert!(Key32::from_slice(&[0; 33]).is_none());
        assert!(Key32::from_slice(&[0; 32]).is_some());
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(Key32::generate().expose(), Key32::generate().expose());
    }
}
