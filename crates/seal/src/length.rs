//! Arithmetic of the part stream: plaintext lengths, sealed lengths, segments. `layers` is 1 or 2 everywhere.

use std::ops::Range;

use coffer_crypto::OVERHEAD;

use crate::error::OpenError;

/// Plaintext bytes of every segment but the last of a part.
pub const SEGMENT_LEN: usize = 65536;

/// Segments of the longest part: 128 TiB of plaintext.
pub(crate) const MAX_SEGMENTS: u64 = 1 << 31;

const SEGMENT: u64 = SEGMENT_LEN as u64;

/// Bytes that sealing adds to each segment.
pub(crate) fn overhead(layers: usize) -> usize {
    assert!((1..=2).contains(&layers), "a part is sealed in one or two layers");
    OVERHEAD * layers
}

/// Segments of a part of `plain_len` bytes: at least one, which is empty in an empty part.
#[must_use]
pub fn segment_count(plain_len: u64) -> u64 {
    plain_len.div_ceil(SEGMENT).max(1)
}

/// Sealed bytes of a part of `plain_len` bytes. The inverse of [`opened_len`].
///
/// # Panics
/// When the part is longer than the format allows (2^31 segments).
#[must_use]
pub fn sealed_len(plain_len: u64, layers: usize) -> u64 {
    let segments = segment_count(plain_len);
    assert!(segments <= MAX_SEGMENTS, "a part has at most 2^31 segments");
    plain_len + segments * overhead(layers) as u64
}

/// Plaintext bytes of a part of `sealed_len` bytes. The inverse of [`sealed_len`].
///
/// # Errors
/// [`OpenError::Malformed`] when no plaintext seals to so many bytes.
pub fn opened_len(sealed_len: u64, layers: usize) -> Result<u64, OpenError> {
    let overhead = overhead(layers) as u64;
    let segments = sealed_len.div_ceil(SEGMENT + overhead);
    if segments > MAX_SEGMENTS {
        return Err(OpenError::Malformed("sealed length"));
    }
    match sealed_len.checked_sub(segments * overhead) {
        Some(plain_len) if segment_count(plain_len) == segments => Ok(plain_len),
        _ => Err(OpenError::Malformed("sealed length")),
    }
}

/// The segments that hold the plaintext bytes `plain_range` of a part.
///
/// An empty range still has the segment at its start, so that an empty part has one to authenticate.
#[must_use]
pub fn segments_of(plain_range: Range<u64>) -> Range<u64> {
    let first = plain_range.start / SEGMENT;
    first..plain_range.end.div_ceil(SEGMENT).max(first + 1)
}

/// The sealed bytes of `segments` in a part of `plain_len` bytes: one contiguous run.
///
/// Segments behind the last have no bytes.
#[must_use]
pub fn sealed_range(plain_len: u64, segments: Range<u64>, layers: usize) -> Range<u64> {
    let stride = SEGMENT + overhead(layers) as u64;
    let len = sealed_len(plain_len, layers);
    let at = |segment: u64| segment.saturating_mul(stride).min(len);
    at(segments.start)..at(segments.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_part_has_one_empty_segment() {
        assert_eq!(segment_count(0), 1);
        assert_eq!(sealed_len(0, 1), 28);
        assert_eq!(sealed_len(0, 2), 56);
        assert_eq!(segments_of(0..0), 0..1);
        assert_eq!(sealed_range(0, 0..1, 1), 0..28);
    }

    #[test]
    fn every_sealed_length_below_three_segments_is_judged() {
        for layers in [1, 2] {
            let mut possible = std::collections::BTreeMap::new();
            for plain_len in 0..3 * SEGMENT {
                possible.insert(sealed_len(plain_len, layers), plain_len);
            }
            for sealed in 0..sealed_len(3 * SEGMENT, layers) {
                let expected = possible.get(&sealed).copied().ok_or(OpenError::Malformed("sealed length"));
                assert_eq!(opened_len(sealed, layers), expected, "{sealed} bytes in {layers} layers");
            }
        }
    }

    #[test]
    fn lengths_beyond_the_format_are_refused_without_overflow() {
        let longest = MAX_SEGMENTS * SEGMENT;
        assert_eq!(opened_len(sealed_len(longest, 2), 2), Ok(longest));
        assert!(opened_len(sealed_len(longest, 1) + 29, 1).is_err());
        assert!(opened_len(u64::MAX, 2).is_err());
    }

    #[test]
    fn ranges_take_the_segments_they_touch() {
        assert_eq!(segments_of(0..1), 0..1);
        assert_eq!(segments_of(0..SEGMENT), 0..1);
        assert_eq!(segments_of(SEGMENT - 1..SEGMENT + 1), 0..2);
        assert_eq!(segments_of(SEGMENT..2 * SEGMENT), 1..2);
        assert_eq!(segments_of(SEGMENT..SEGMENT), 1..2);
    }

    #[test]
    fn sealed_ranges_follow_each_other_without_gap() {
        let plain_len = 2 * SEGMENT + 5;
        assert_eq!(sealed_range(plain_len, 0..1, 1), 0..65564);
        assert_eq!(sealed_range(plain_len, 1..3, 1), 65564..2 * 65564 + 33);
        assert_eq!(sealed_range(plain_len, 2..9, 2), 2 * 65592..2 * 65592 + 61);
        assert!(sealed_range(plain_len, 3..4, 1).is_empty());
    }
}
