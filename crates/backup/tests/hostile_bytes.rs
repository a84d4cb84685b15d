//! Whatever is read instead of what was written: nothing panics, and what is understood has one meaning.

use coffer_backup::{apply_patch, read_manifest_body, read_rows};
use proptest::prelude::*;

/// Bytes, many of them small, as lengths are.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![2 => any::<u8>(), 3 => 0..4_u8], 0..120)
}

/// A field with its length, which is wrong now and then.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(b'a'..=b'f', 0..4);
    (text, prop_oneof![40 => Just(0_u32), 1 => 1..3_u32, 1 => Just(u32::MAX)]).prop_map(|(text, wrong)| {
        let len = u32::try_from(text.len()).unwrap_or_default().wrapping_add(wrong);
        [&len.to_be_bytes()[..], &text].concat()
    })
}

/// Keys and values, in the order of their keys as often as not; without some values they are a patch.
fn rows(is_patch: bool) -> impl Strategy<Value = Vec<u8>> {
    let gone = Just(vec![0xff; 4]);
    let value = if is_patch { prop_oneof![field(), gone].boxed() } else { field().boxed() };
    (prop::collection::vec((field(), value), 0..8), any::<bool>()).prop_map(|(mut rows, is_sorted)| {
        if is_sorted {
            rows.sort_by(|(a, _), (b, _)| a[4..].cmp(&b[4..]));
            rows.dedup_by(|(a, _), (b, _)| a == b);
        }
        rows.into_iter().flat_map(|(key, value)| [key, value].concat()).collect()
    })
}

proptest! {
    #[test]
    fn every_byte_of_a_chunk_is_in_a_row_and_keys_ascend(text in prop_oneof![bytes(), rows(false)]) {
        if let Some(rows) = read_rows(&text) {
            let again: Vec<u8> = rows.iter().flat_map(|row| {
                let len = |field: &[u8]| u32::try_from(field.len()).unwrap_or_default().to_be_bytes();
                [&len(&row.key)[..], &row.key, &len(&row.value)[..], &row.value].concat()
            }).collect();
            prop_assert_eq!(again, text);
            prop_assert!(rows.is_sorted_by(|a, b| a.key < b.key));
        }
    }

    #[test]
    fn a_patch_makes_rows_of_rows(base in rows(false), patch in prop_oneof![1 => bytes(), 4 => rows(true)]) {
        let made = apply_patch(&base, &patch);
        prop_assert!(made.is_none() || read_rows(&base).is_some(), "rows come of rows only");
        if let Some(made) = made {
            prop_assert!(made.is_empty() || read_rows(&made).is_some());
            prop_assert!(made.len() <= base.len() + patch.len());
            prop_assert!(!patch.is_empty() || made[..] == base);
            prop_assert!(apply_patch(&base, &[&patch[..], &[0]].concat()).is_none());
        }
    }

    #[test]
    fn bodies_of_manifests_are_no_larger_than_they_are(body in bytes(), starts_well in any::<bool>()) {
        let id = [&[0xa6, 0, 0x50][..], &[1; 16]].concat();
        let body = if starts_well { [&id[..], &body].concat() } else { body };
        if let Some(info) = read_manifest_body(&body) {
            prop_assert!(info.chunks <= body.len() as u64 && info.files <= 2 * info.chunks);
        }
    }
}

#[test]
fn a_body_that_claims_more_chunks_than_there_is_room_for_is_refused_at_once() {
    for claimed in [u64::MAX, 1 << 60, 1 << 32] {
        let mut body =
            [&[0xa6, 0, 0x50][..], &[1; 16], &[1, 1, 2, 2, 3, 0x58, 0x20], &[2; 32], &[4, 0, 5, 0x9b]].concat();
        body.extend_from_slice(&claimed.to_be_bytes());
        assert!(read_manifest_body(&body).is_none());
    }
}
