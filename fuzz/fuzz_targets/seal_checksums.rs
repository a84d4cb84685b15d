//! A stored list of checksums has one encoding: what is read is what would be written.

#![no_main]

use coffer_seal::Checksums;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|list: &[u8]| {
    if let Ok(checksums) = Checksums::decode(list) {
        let mut encoded = Vec::new();
        checksums.encode(&mut encoded);
        assert_eq!(encoded, list);
    }
});
