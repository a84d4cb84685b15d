//! Keyring files: bytes from a disk, and entries as only who has the key could have sealed them.

#![no_main]

use std::num::NonZeroU32;

use coffer_crypto::{AeadKey, Key32, hkdf_sha512, sha256};
use coffer_fuzz::key;
use coffer_seal::{KeyState, open_keyring_with_key_file, open_keyring_with_passphrase, seal_keyring_with_key_file};
use libfuzzer_sys::fuzz_target;

/// More would only make the target slow: the number is read before anything else is done with it.
const MAX_ITERATIONS: u32 = 64;
const ENTRY_LEN: usize = 61;

fuzz_target!(|bytes: &[u8]| {
    assert!(open_keyring_with_key_file(&key(), bytes).is_err());
    let iterations = bytes.get(5..9).map_or(0, |field| u32::from_be_bytes(field.try_into().expect("4 bytes")));
    if !(MAX_ITERATIONS + 1..=20_000_000).contains(&iterations) {
        assert!(open_keyring_with_passphrase(b"correct horse battery", NonZeroU32::MIN, bytes).is_err());
    }

    let file = forge(bytes);
    let Ok(entries) = open_keyring_with_key_file(&key(), &file) else { return };
    assert_eq!(entries.len() * ENTRY_LEN, bytes.len());
    let destroyed = |state| state == KeyState::Destroyed;
    assert!(entries.iter().all(|entry| !destroyed(entry.state) || *entry.key.expose() == [0; 32]));
    let sealed = seal_keyring_with_key_file(&key(), &entries);
    assert_eq!(sealed.len(), file.len());
    assert!(open_keyring_with_key_file(&key(), &sealed).is_ok_and(|again| again.len() == entries.len()));
});

/// A keyring file under the key file [`key`] whose entries are `entries`, whatever these are.
fn forge(entries: &[u8]) -> Vec<u8> {
    let mut file = b"SKR1\0\0\0\0\0".to_vec();
    file.extend_from_slice(&[9; 32]);
    let mut keys = [0; 64];
    hkdf_sha512(&key(), &[9; 32], &[b"seal/1 keyring\0", &sha256(&file)], &mut keys);
    file.extend_from_slice(&keys[32..]);
    let sealing = Key32::from_slice(&keys[..32]).expect("half of 64 bytes is a key");
    file.extend_from_slice(&AeadKey::new(&sealing).seal(b"", entries));
    file
}
