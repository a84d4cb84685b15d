//! Whatever is read instead of what was stored: nothing panics, nothing opens, and what is understood has one meaning.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::num::NonZeroU32;

use coffer_crypto::{AeadKey, Key32, hkdf_sha512, sha256};
use coffer_seal::{
    Checksums, ENVELOPE_LEN, Envelope, KeyState, KmsCiphertext, ObjectKeys, PartKeys, PartOpener, RECORD_OVERHEAD,
    RecordKey, Scope, open_keyring_with_key_file, open_keyring_with_passphrase, opened_len, record_generation,
    seal_keyring_with_key_file, sealed_len, sealed_range, segments_of, unwrap,
};
use proptest::prelude::*;

/// Bytes, many of them small, as lengths and numbers of kinds are.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![3 => any::<u8>(), 2 => 0..4_u8], 0..220)
}

fn key() -> Key32 {
    Key32::from_slice(&[7; 32]).unwrap()
}

/// A box that an honest writer never seals: of any plaintext.
fn forge_box(label: &str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut keys = [0; 64];
    hkdf_sha512(&key(), b"seal/1 fixed salt", &[b"seal/1 object\0"], &mut keys);
    let box_key = Key32::from_slice(&keys[..32]).unwrap();
    AeadKey::new(&box_key).seal(&[b"box1 ", label.as_bytes(), &[0], context].concat(), plaintext)
}

/// A keyring file under the key file [`key`], of any entries.
fn forge_keyring(entries: &[u8]) -> Vec<u8> {
    let mut file = b"SKR1\0\0\0\0\0".to_vec();
    file.extend_from_slice(&[9; 32]);
    let mut keys = [0; 64];
    hkdf_sha512(&key(), &[9; 32], &[b"seal/1 keyring\0", &sha256(&file)], &mut keys);
    file.extend_from_slice(&keys[32..]);
    file.extend_from_slice(&AeadKey::new(&Key32::from_slice(&keys[..32]).unwrap()).seal(b"", entries));
    file
}

proptest! {
    #[test]
    fn envelopes_keep_their_bytes_and_unwrap_under_no_other_key(mut bytes in prop::collection::vec(any::<u8>(), ENVELOPE_LEN), mode in 0..0x14_u8) {
        bytes[..2].copy_from_slice(&[1, mode]);
        if let Ok(envelope) = Envelope::from_bytes(&bytes) {
            prop_assert_eq!(&envelope.as_bytes()[..], &bytes);
            prop_assert_eq!(envelope.kek().mode as u8, mode);
            let scope = Scope { bucket_id: [1; 16], instance_id: [2; 16], object_key: b"k", context: b"" };
            prop_assert!(unwrap(&key(), &envelope, &scope).is_err());
        } else {
            prop_assert!(!matches!(mode, 1..=3 | 0x10..=0x12));
        }
        prop_assert!(Envelope::from_bytes(&bytes[1..]).is_err());
    }

    #[test]
    fn ciphertexts_of_kms_keys_open_under_no_other_key(mut bytes in bytes(), context in bytes()) {
        let is_long_enough = bytes.len() >= 113;
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let ciphertext = KmsCiphertext::parse(&bytes);
        prop_assert_eq!(ciphertext.is_ok(), is_long_enough);
        if let Ok(ciphertext) = ciphertext {
            prop_assert_eq!(&ciphertext.key_id[..], &bytes[1..17]);
            prop_assert!(ciphertext.open(&key(), &context).is_err());
        }
    }

    #[test]
    fn a_list_of_checksums_has_one_encoding(list in prop::collection::vec(0..12_u8, 0..24)) {
        if let Ok(checksums) = Checksums::decode(&list) {
            let mut encoded = Vec::new();
            checksums.encode(&mut encoded);
            prop_assert_eq!(encoded, list);
        }
    }

    #[test]
    fn boxes_of_anything_are_refused_or_seal_to_as_many_bytes(bytes in bytes()) {
        let keys = ObjectKeys::derive(&key());
        prop_assert!(keys.open_head_box(&bytes).is_err() && keys.open_sums_box(&bytes).is_err());
        prop_assert!(keys.open_part_box(1, &bytes).is_err());
        let sealed = forge_box("head", b"", &bytes);
        if let Ok(fields) = keys.open_head_box(&sealed) {
            prop_assert_eq!(keys.seal_head_box(&fields).len(), sealed.len());
        }
        let sealed = forge_box("sums", b"", &bytes);
        if let Ok((sums_type, sums)) = keys.open_sums_box(&sealed) {
            prop_assert_eq!(keys.seal_sums_box(sums_type, &sums).len(), sealed.len());
        }
        let sealed = forge_box("part", &[0, 0, 0, 1], &bytes);
        if let Ok(part) = keys.open_part_box(1, &sealed) {
            let again = keys.seal_part_box(1, &part.key, part.plain_len, part.flags, &part.checksums);
            prop_assert_eq!(again.len(), sealed.len());
        }
    }

    #[test]
    fn records_that_nobody_sealed_do_not_open(mut bytes in bytes(), right_version: bool) {
        if let (true, Some(version)) = (right_version, bytes.first_mut()) {
            *version = 1;
        }
        let is_record = bytes.len() >= RECORD_OVERHEAD && bytes[0] == 1;
        prop_assert_eq!(record_generation(&bytes).is_ok(), is_record);
        prop_assert!(RecordKey::new(key(), 1).open(b"t", b"k", &bytes).is_err());
    }

    #[test]
    fn keyrings_of_anything_are_refused_or_seal_to_as_many_bytes(bytes in bytes(), entries in 0..3_usize) {
        prop_assert!(open_keyring_with_key_file(&key(), &bytes).is_err());
        // Few iterations, so that the key is derived and not only the head refused.
        let stretched = [b"SKR1\x01\0\0\0\x02", &bytes[..]].concat();
        prop_assert!(open_keyring_with_passphrase(b"correct horse battery", NonZeroU32::MIN, &stretched).is_err());
        for list in [&bytes[..], &bytes[..bytes.len().min(61 * entries)]] {
            let file = forge_keyring(list);
            if let Ok(entries) = open_keyring_with_key_file(&key(), &file) {
                let destroyed = entries.iter().filter(|entry| entry.state == KeyState::Destroyed);
                prop_assert!(destroyed.map(|entry| entry.key.expose()).all(|key| *key == [0; 32]));
                prop_assert_eq!(seal_keyring_with_key_file(&key(), &entries).len(), file.len());
            }
        }
    }

    #[test]
    fn segments_that_nobody_sealed_do_not_open_and_leave_zeros(
        mut bytes in bytes(),
        layers in 1..=2_usize,
        plain_len in prop_oneof![0..200_u64, 0..1_u64 << 47],
        first_segment in prop_oneof![0..3_u64, any::<u64>()],
    ) {
        let keys = PartKeys::new(key(), (layers == 2).then(key));
        prop_assert!(PartOpener::new(keys, plain_len).open_in_place(first_segment, &mut bytes).is_err());
        prop_assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn no_length_or_range_overflows(len: u64, a: u64, b: u64, layers in 1..=2_usize) {
        if let Ok(plain_len) = opened_len(len, layers) {
            prop_assert_eq!(sealed_len(plain_len, layers), len);
        }
        let segments = segments_of(a.min(b)..a.max(b));
        prop_assert!(!segments.is_empty());
        let plain_len = len % (1 << 47);
        let run = sealed_range(plain_len, segments, layers);
        prop_assert!(run.start <= run.end && run.end <= sealed_len(plain_len, layers));
    }
}
