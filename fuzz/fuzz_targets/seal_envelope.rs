//! Envelopes keep every byte they are read from, and unwrap under no key that did not wrap them.

#![no_main]

use coffer_fuzz::key;
use coffer_seal::{Envelope, Scope, unwrap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
    assert_eq!(envelope.as_bytes(), bytes);
    let kek = envelope.kek();
    assert_eq!(bytes[1], kek.mode as u8);
    assert_eq!(bytes[2..18], kek.id);
    assert_eq!(bytes[18..22], kek.generation.to_be_bytes());
    let scope = Scope { bucket_id: [1; 16], instance_id: [2; 16], object_key: b"k", context: b"" };
    assert!(unwrap(&key(), &envelope, &scope).is_err());
});
