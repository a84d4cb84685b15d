//! What holds for every object: it opens to what was sealed, and every range of it is a slice of the whole.

mod stored;

use coffer_crypto::Key32;
use coffer_seal::{Mode, SEGMENT_LEN, opened_len, sealed_len, sealed_range, segments_of};
use proptest::prelude::*;
use stored::{Kek, StoredObject};

/// Lengths around the edges of segments, and any in between.
fn plain_len() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..=2_usize,
        (1..=3_usize, 0..=2_usize).prop_map(|(segments, more)| segments * SEGMENT_LEN - 1 + more),
        0..3 * SEGMENT_LEN,
    ]
}

/// The parts of a multipart object: ascending numbers, with their lengths.
fn parts() -> impl Strategy<Value = Vec<(u32, usize)>> {
    prop::collection::btree_map(1..=10_000_u32, plain_len(), 1..=4).prop_map(|parts| parts.into_iter().collect())
}

fn keks(layers: usize) -> Vec<Kek> {
    [Kek::new(Mode::SseKms, 1), Kek::new(Mode::SseS3, 2)].into_iter().take(layers).collect()
}

fn refs(keks: &[Kek]) -> Vec<&Key32> {
    keks.iter().map(|kek| &kek.key).collect()
}

fn pattern(len: usize, seed: u32) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).to_be_bytes()[0]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_object_opens_to_what_was_sealed_and_ranges_are_slices(
        parts in parts(),
        layers in 1..=2_usize,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
    ) {
        let data: Vec<_> = parts.iter().map(|(number, len)| (*number, pattern(*len, *number))).collect();
        let parts: Vec<_> = data.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
        let keks = keks(layers);
        let object = StoredObject::seal(&keks, &parts, &[], None);
        let whole: Vec<u8> = data.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        prop_assert!(object.read(&refs(&keks)).unwrap() == whole);
        for (a, b) in cuts {
            let (a, b) = (a.index(whole.len() + 1), b.index(whole.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let read = object.read_range(&refs(&keks), start as u64..end as u64).unwrap();
            prop_assert!(read == whole[start..end], "{start}..{end} of {}", whole.len());
        }
    }

    #[test]
    fn a_range_opens_only_the_parts_it_touches(parts in parts(), at in any::<prop::sample::Index>()) {
        let data: Vec<_> = parts.iter().map(|(number, len)| (*number, pattern(*len, *number))).collect();
        let parts: Vec<_> = data.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
        let keks = keks(1);
        let object = StoredObject::seal(&keks, &parts, &[], None);
        let total: usize = data.iter().map(|(_, bytes)| bytes.len()).sum();
        prop_assume!(total > 0);
        let at = at.index(total) as u64;
        let opened = object.open(&refs(&keks), Some(at..at + 1)).ok().unwrap();
        prop_assert_eq!(opened.parts.len(), 1);
        prop_assert!(opened.parts[0].offset <= at && at < opened.parts[0].offset + opened.parts[0].plain_len);
        let none = object.open(&refs(&keks), Some(at..at)).ok().unwrap();
        prop_assert!(none.parts.is_empty());
    }

    #[test]
    fn sealed_lengths_have_an_inverse(plain_len in 0..1_u64 << 47, layers in 1..=2_usize) {
        prop_assert_eq!(opened_len(sealed_len(plain_len, layers), layers), Ok(plain_len));
    }

    #[test]
    fn segments_of_a_range_cover_it_and_no_more(
        plain_len in 1..1_u64 << 40,
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
        layers in 1..=2_usize,
    ) {
        let (a, b) = (a.index(plain_len as usize) as u64, b.index(plain_len as usize) as u64);
        let (start, end) = (a.min(b), a.max(b) + 1);
        let segments = segments_of(start..end);
        let segment = SEGMENT_LEN as u64;
        prop_assert!(segments.start * segment <= start && start < (segments.start + 1) * segment);
        prop_assert!((segments.end - 1) * segment < end && end <= segments.end * segment);
        let sealed = sealed_range(plain_len, segments.clone(), layers);
        prop_assert!(sealed.end <= sealed_len(plain_len, layers));
        prop_assert_eq!(opened_len(sealed.end - sealed.start, layers).is_ok(), true);
    }
}
