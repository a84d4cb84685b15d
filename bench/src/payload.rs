//! Bodies, prepared beforehand: nothing is generated or hashed while the clock runs.

/// One run of pseudo-random bytes; every body is a window of it, and bodies of neighbouring objects differ.
pub(crate) struct Payloads {
    pool: Vec<u8>,
}

/// Bodies start in this many places of the pool.
const STARTS: u64 = 1 << 20;
/// Bytes between the starts of neighbours. It is odd, so that all starts are used before one comes again.
const STRIDE: u64 = 4099;

impl Payloads {
    /// Prepares bodies of up to `len_max` bytes.
    #[must_use]
    pub(crate) fn new(len_max: usize) -> Self {
        let words = (len_max + STARTS as usize).div_ceil(8) as u64;
        Self { pool: (0..words).flat_map(|word| scramble(word).to_le_bytes()).collect() }
    }

    /// The body of `len` bytes that object number `index` has.
    ///
    /// # Panics
    /// When `len` is more than was prepared.
    #[must_use]
    pub(crate) fn body(&self, index: u64, len: usize) -> &[u8] {
        let start = (index.wrapping_mul(STRIDE) % STARTS) as usize;
        &self.pool[start..start + len]
    }
}

/// Spreads `value` over 64 bits (the finalizer of SplitMix64): good enough to choose keys and to resist compression.
#[must_use]
pub(crate) fn scramble(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Compares a body that comes in pieces with the one that was stored.
pub(crate) struct Comparison<'a> {
    rest: &'a [u8],
    same: bool,
}

impl<'a> Comparison<'a> {
    /// Starts a comparison with `expected`.
    #[must_use]
    pub(crate) fn with(expected: &'a [u8]) -> Self {
        Self { rest: expected, same: true }
    }

    /// Compares the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        match self.rest.strip_prefix(piece) {
            Some(rest) => self.rest = rest,
            None => self.same = false,
        }
    }

    /// Whether all of the body came, and nothing else.
    #[must_use]
    pub(crate) fn is_equal(&self) -> bool {
        self.same && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(expected: &[u8], pieces: &[&[u8]]) -> bool {
        let mut comparison = Comparison::with(expected);
        pieces.iter().for_each(|piece| comparison.feed(piece));
        comparison.is_equal()
    }

    #[test]
    fn bodies_repeat_for_one_object_and_differ_between_objects() {
        let payloads = Payloads::new(4096);
        assert_eq!(payloads.body(7, 4096), Payloads::new(4096).body(7, 4096));
        for other in (0..1000).filter(|other| *other != 7) {
            assert_ne!(payloads.body(7, 64), payloads.body(other, 64), "object {other}");
        }
    }

    #[test]
    fn the_longest_body_fits_behind_the_last_start() {
        let payloads = Payloads::new(10);
        for index in 0..STARTS {
            assert_eq!(payloads.body(index, 10).len(), 10);
        }
    }

    #[test]
    fn pieces_compare_like_the_whole() {
        assert!(equal(b"abcdef", &[b"ab", b"", b"cdef"]));
        assert!(equal(b"", &[]));
    }

    #[test]
    fn wrong_short_long_and_reordered_bodies_differ() {
        assert!(!equal(b"abcdef", &[b"abXdef"]));
        assert!(!equal(b"abcdef", &[b"abc"]));
        assert!(!equal(b"abcdef", &[b"abcdef", b"g"]));
        assert!(!equal(b"abcdef", &[b"def", b"abc"]));
        assert!(!equal(b"abcdef", &[b"X", b"abcdef"]));
    }
}
