//! The arithmetic of part streams against one that walks through the segments, and without limits by wide integers.
//!
//! Input: layers, a length, and both ends of a range.

#![no_main]

use coffer_seal::{SEGMENT_LEN, opened_len, sealed_len, sealed_range, segment_count, segments_of};
use libfuzzer_sys::fuzz_target;

const SEGMENT: u128 = SEGMENT_LEN as u128;
const MAX_SEGMENTS: u128 = 1 << 31;

fuzz_target!(|input: (bool, u64, u64, u64)| {
    let (dsse, len, start, end) = input;
    let layers = 1 + usize::from(dsse);
    let overhead = 28 * layers as u128;

    // Any length as a sealed one.
    match opened_len(len, layers) {
        Ok(plain_len) => assert_eq!(sealed_len(plain_len, layers), len),
        Err(_) => {
            let segments = u128::from(len).div_ceil(SEGMENT + overhead);
            let last = u128::from(len) - segments.saturating_sub(1) * (SEGMENT + overhead);
            // A last segment has bytes of its own, unless the part is empty.
            let possible = last > overhead || (last == overhead && segments == 1);
            assert!(segments > MAX_SEGMENTS || segments == 0 || !possible, "{len} bytes in {layers} layers");
        }
    }

    // Any length as a plaintext's.
    let segments = u128::from(len).div_ceil(SEGMENT).max(1);
    assert_eq!(u128::from(segment_count(len)), segments);
    if segments > MAX_SEGMENTS {
        return;
    }
    let sealed = sealed_len(len, layers);
    assert_eq!(u128::from(sealed), u128::from(len) + segments * overhead);
    assert_eq!(opened_len(sealed, layers), Ok(len));

    // Any range within that plaintext.
    let (start, end) = (start.min(end).min(len), start.max(end).min(len));
    let touched = segments_of(start..end);
    assert!(touched.start <= start / SEGMENT_LEN as u64 && !touched.is_empty());
    assert!(touched.end * SEGMENT_LEN as u64 >= end);
    let run = sealed_range(len, touched.clone(), layers);
    assert!(run.start <= run.end && run.end <= sealed);
    // Walked one by one where that ends soon.
    if touched.end - touched.start <= 8 {
        let walked: u64 =
            touched.map(|segment| sealed_range(len, segment..segment + 1, layers)).map(|one| one.end - one.start).sum();
        assert_eq!(walked, run.end - run.start);
    }
});
