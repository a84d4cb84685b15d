//! Records that were not sealed do not open, and one that was opens in its place only, whatever is changed.
//!
//! The first byte picks a byte of a genuine record, the second what is done to it; the others are a record, and the
//! value of the genuine one.

#![no_main]

use std::sync::LazyLock;

use coffer_fuzz::key;
use coffer_seal::{RECORD_OVERHEAD, RecordKey, record_generation};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<RecordKey> = LazyLock::new(|| RecordKey::new(key(), 3));

fuzz_target!(|input: &[u8]| {
    let [at, change, bytes @ ..] = input else { return };
    assert_eq!(record_generation(bytes).is_ok(), bytes.len() >= RECORD_OVERHEAD && bytes[0] == 1);
    assert!(KEY.open(b"t", b"k", bytes).is_err());

    let sealed = KEY.seal(b"t", b"k", bytes);
    assert_eq!(sealed.len(), bytes.len() + RECORD_OVERHEAD);
    assert!(KEY.open(b"t", b"k", &sealed).is_ok_and(|value| value == bytes));
    assert!(KEY.open(b"tk", b"", &sealed).is_err());
    let mut changed = sealed;
    let at = usize::from(*at) % changed.len();
    changed[at] ^= change;
    assert_eq!(KEY.open(b"t", b"k", &changed).is_ok(), *change == 0);
});
