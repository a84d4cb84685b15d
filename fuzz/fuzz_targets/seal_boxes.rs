//! What is sealed in a box may be anything, when a key has leaked: it is refused, or it has one meaning.
//!
//! The first byte says which box the others are the plaintext of.

#![no_main]

use coffer_fuzz::{forge_box, key};
use coffer_seal::{ObjectKeys, OpenError, segment_count};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((label, plaintext)) = input.split_first() else { return };
    let keys = ObjectKeys::derive(&key());
    match label {
        b'h' => {
            let Ok(fields) = keys.open_head_box(&forge_box("head", b"", plaintext)) else { return };
            assert!(fields.is_sorted_by(|a, b| a.0 <= b.0));
            let sealed = keys.seal_head_box(&fields);
            assert_eq!(sealed.len(), plaintext.len() + 28);
            assert!(keys.open_head_box(&sealed).is_ok_and(|again| again == fields));
        }
        b's' => {
            let Ok((sums_type, sums)) = keys.open_sums_box(&forge_box("sums", b"", plaintext)) else { return };
            let sealed = keys.seal_sums_box(sums_type, &sums);
            assert_eq!(sealed.len(), plaintext.len() + 28);
            assert!(keys.open_sums_box(&sealed).is_ok_and(|again| again == (sums_type, sums)));
        }
        b'p' => {
            let number = 3_u32;
            let sealed = forge_box("part", &number.to_be_bytes(), plaintext);
            let Ok(part) = keys.open_part_box(number, &sealed) else { return };
            assert!(segment_count(part.plain_len) <= 1 << 31);
            let again = keys.seal_part_box(number, &part.key, part.plain_len, part.flags, &part.checksums);
            assert_eq!(again.len(), sealed.len());
            assert!(keys.open_part_box(number + 1, &sealed).is_err());
        }
        // Not sealed at all.
        _ => {
            let refused = |error| matches!(error, OpenError::Malformed(_) | OpenError::Tampered(_));
            assert!(keys.open_head_box(plaintext).is_err_and(refused));
            assert!(keys.open_sums_box(plaintext).is_err_and(refused));
            assert!(keys.open_part_box(1, plaintext).is_err_and(refused));
        }
    }
});
