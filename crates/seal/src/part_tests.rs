use coffer_crypto::{Key32, OVERHEAD};

use super::*;
use crate::length::sealed_range;

const STRIDE: usize = SEGMENT_LEN + OVERHEAD;

fn keys(layers: usize) -> PartKeys {
    let key = |byte| Key32::from_slice(&[byte; 32]).unwrap();
    PartKeys::new(key(1), (layers == 2).then(|| key(2)))
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8) * 13) as u8).collect()
}

/// Seals `plaintext` through buffers of `segments` segments, holding each back until more comes.
fn sealed(plaintext: &[u8], segments: usize, layers: usize) -> Vec<u8> {
    let mut sealer = PartSealer::new(&keys(layers));
    let mut out = Vec::new();
    let mut rest = plaintext;
    loop {
        let mut buffer = SegmentBuffer::new(segments, layers);
        let taken = buffer.push(rest);
        rest = &rest[taken..];
        out.extend(sealer.seal(buffer, rest.is_empty()));
        if rest.is_empty() {
            return out;
        }
    }
}

fn opened(part: &[u8], plain_len: usize, layers: usize) -> Result<Vec<u8>, OpenError> {
    let mut part = part.to_vec();
    let runs = PartOpener::new(keys(layers), plain_len as u64).open_in_place(0, &mut part)?;
    Ok(runs.into_iter().flat_map(|run| part[run].to_vec()).collect())
}

fn check_refused(part: &[u8], plain_len: usize) {
    assert!(matches!(opened(part, plain_len, 1), Err(OpenError::Tampered(_))));
}

#[test]
fn opens_what_it_sealed_at_every_edge_of_a_segment() {
    for layers in [1, 2] {
        for len in [0, 1, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 3 * SEGMENT_LEN, 3 * SEGMENT_LEN + 9] {
            let part = sealed(&pattern(len), 2, layers);
            assert_eq!(part.len() as u64, sealed_len(len as u64, layers));
            assert!(opened(&part, len, layers) == Ok(pattern(len)), "{len} bytes in {layers} layers");
        }
    }
}

#[test]
fn any_run_of_segments_opens_on_its_own() {
    let len = 3 * SEGMENT_LEN + 100;
    let part = sealed(&pattern(len), 8, 2);
    let opener = PartOpener::new(keys(2), len as u64);
    for (first, end) in [(0, 1), (1, 3), (2, 4), (3, 4)] {
        let range = sealed_range(len as u64, first..end, 2);
        let mut run = part[range.start as usize..range.end as usize].to_vec();
        let places = opener.open_in_place(first, &mut run).unwrap();
        for (place, index) in places.into_iter().zip(first as usize..) {
            let start = index * SEGMENT_LEN;
            assert!(run[place] == pattern(len)[start..len.min(start + SEGMENT_LEN)]);
        }
    }
}

#[test]
fn a_buffer_takes_what_fits_and_shows_it() {
    let mut buffer = SegmentBuffer::new(2, 2);
    assert!(buffer.is_empty());
    assert_eq!(buffer.push(&pattern(SEGMENT_LEN - 1)), SEGMENT_LEN - 1);
    assert_eq!(buffer.push(&[7; 5]), 5);
    assert!(!buffer.is_full());
    assert_eq!(buffer.push(&pattern(2 * SEGMENT_LEN)), SEGMENT_LEN - 4);
    assert!(buffer.is_full());
    assert_eq!(buffer.push(b"more"), 0);
    assert_eq!(buffer.plain_len(), 2 * SEGMENT_LEN);
    let whole: Vec<u8> = buffer.plaintext().flatten().copied().collect();
    assert!(whole == [&pattern(SEGMENT_LEN - 1)[..], &[7; 5], &pattern(SEGMENT_LEN - 4)].concat());
}

#[test]
fn memory_grows_with_what_is_pushed_and_stays_within_a_full_buffer() {
    let mut buffer = SegmentBuffer::new(16, 1);
    buffer.push(&[0; 100]);
    assert!(buffer.bytes.capacity() < 1024);
    while !buffer.is_full() {
        buffer.push(&[0; 3000]);
    }
    assert!(buffer.bytes.capacity() <= 16 * STRIDE);
}

#[test]
fn sealing_moves_no_byte() {
    let mut buffer = SegmentBuffer::new(1, 1);
    buffer.push(&[0; SEGMENT_LEN]);
    let before = buffer.bytes.as_ptr();
    let sealed = PartSealer::new(&keys(1)).seal(buffer, true);
    assert_eq!(sealed.as_ptr(), before);
}

#[test]
fn swapped_repeated_and_missing_segments_are_refused() {
    let len = 3 * SEGMENT_LEN;
    let part = sealed(&pattern(len), 4, 1);
    let [a, b, c] = [0, 1, 2].map(|i| &part[i * STRIDE..(i + 1) * STRIDE]);
    for wrong in [[b, a, c].concat(), [a, a, c].concat(), [a, c].concat(), [a, b, c, c].concat()] {
        check_refused(&wrong, len);
    }
}

#[test]
fn a_part_cut_at_a_segment_does_not_open_at_the_shorter_length() {
    let part = sealed(&pattern(3 * SEGMENT_LEN), 4, 1);
    check_refused(&part[..2 * STRIDE], 2 * SEGMENT_LEN);
}

#[test]
fn missing_segments_show_in_the_length_of_the_blob() {
    let opener = PartOpener::new(keys(1), 3 * SEGMENT_LEN as u64);
    assert_eq!(opener.verify_blob_len(3 * STRIDE as u64), Ok(()));
    for blob_len in [0, 2 * STRIDE, 3 * STRIDE - 1, 3 * STRIDE + 1, 3 * STRIDE + OVERHEAD] {
        assert_eq!(opener.verify_blob_len(blob_len as u64), Err(OpenError::Tampered("part length")));
    }
}

#[test]
fn cut_extended_and_absent_parts_are_refused() {
    let part = sealed(&pattern(100), 1, 1);
    check_refused(&part[..part.len() - 1], 100);
    check_refused(&[&part[..], &[0]].concat(), 100);
    check_refused(&[], 100);
    check_refused(&[], 0);
}

#[test]
fn a_segment_opens_at_its_own_place_only() {
    let len = 3 * SEGMENT_LEN;
    let part = sealed(&pattern(len), 4, 1);
    let opener = PartOpener::new(keys(1), len as u64);
    for first in [1, 2, 3, u64::MAX] {
        assert!(opener.open_in_place(first, &mut part[..STRIDE].to_vec()).is_err());
    }
}

#[test]
fn layers_can_be_neither_stripped_nor_exchanged() {
    let part = sealed(&pattern(10), 1, 2);
    let PartKeys { inner, outer } = keys(2);
    let exchanged = PartOpener::new(PartKeys::new(outer.unwrap(), Some(inner)), 10);
    assert!(exchanged.open_in_place(0, &mut part.clone()).is_err());
    let outer_only = PartOpener::new(PartKeys::new(keys(2).outer.unwrap(), None), 10 + OVERHEAD as u64);
    assert!(outer_only.open_in_place(0, &mut part.clone()).is_ok(), "the outer layer holds the inner sealed");
    assert!(opened(&part, 10, 1).is_err());
}

#[test]
fn a_refused_run_holds_no_plaintext() {
    let len = 2 * SEGMENT_LEN;
    let mut part = sealed(&pattern(len), 2, 1);
    *part.last_mut().unwrap() ^= 1;
    assert!(PartOpener::new(keys(1), len as u64).open_in_place(0, &mut part).is_err());
    assert!(part.iter().all(|byte| *byte == 0));
}

#[test]
fn generated_keys_differ_between_attempts_and_layers() {
    let (a, b) = (PartKeys::generate(2), PartKeys::generate(2));
    let keys: std::collections::BTreeSet<_> = a.iter().chain(b.iter()).map(|key| *key.expose()).collect();
    assert_eq!(keys.len(), 4);
}

#[test]
#[should_panic(expected = "only the last segment of a part is short")]
fn a_short_buffer_ends_the_part() {
    let mut buffer = SegmentBuffer::new(1, 1);
    buffer.push(b"short");
    PartSealer::new(&keys(1)).seal(buffer, false);
}

#[test]
#[should_panic(expected = "only an empty part ends with an empty segment")]
fn a_full_part_does_not_end_with_an_empty_segment() {
    let mut sealer = PartSealer::new(&keys(1));
    let mut buffer = SegmentBuffer::new(1, 1);
    buffer.push(&[0; SEGMENT_LEN]);
    sealer.seal(buffer, false);
    sealer.seal(SegmentBuffer::new(1, 1), true);
}

#[test]
#[should_panic(expected = "nothing comes after the last buffer")]
fn a_finished_part_does_not_go_on() {
    let mut sealer = PartSealer::new(&keys(1));
    sealer.seal(SegmentBuffer::new(1, 1), true);
    sealer.seal(SegmentBuffer::new(1, 1), true);
}
