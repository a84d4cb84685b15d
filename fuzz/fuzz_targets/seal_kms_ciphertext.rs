//! Ciphertexts of KMS keys: what is none is refused, what is one opens under no key that did not make it, and any bytes
//! are encrypted to something that opens in the same context and no other.

#![no_main]

use coffer_fuzz::key;
use coffer_seal::{KmsCiphertext, MAX_KMS_PLAINTEXT_LEN, seal_for_kms};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ciphertext) = KmsCiphertext::parse(bytes) {
        assert_eq!(bytes[1..17], ciphertext.key_id);
        assert_eq!(bytes[17..21], ciphertext.generation.to_be_bytes());
        assert!(ciphertext.open(&key(), b"").is_err());
    }
    let plaintext = &bytes[..bytes.len().min(MAX_KMS_PLAINTEXT_LEN)];
    let (context, id) = (&bytes[..bytes.len().min(64)], [7; 16]);
    let sealed = seal_for_kms(&key(), id, 1, context, plaintext);
    let ciphertext = KmsCiphertext::parse(&sealed).expect("it was made here");
    let opened = ciphertext.open(&key(), context).expect("key and context are those it was made with");
    assert_eq!(*opened, plaintext);
    assert!(ciphertext.open(&key(), &[context, b"x"].concat()).is_err());
});
