//! Sealed segments that were cut, moved or changed do not open, and nothing of them stays in the buffer.
//!
//! Input: layers, the length that the part box says, a segment index, and bytes: the sealed segments, or the
//! plaintext of a genuine part that is opened elsewhere and otherwise.

#![no_main]

use coffer_fuzz::key;
use coffer_seal::{PartKeys, PartOpener, PartSealer, SegmentBuffer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u64, u64, u16, &[u8])| {
    let (dsse, plain_len, first_segment, at, bytes) = input;
    let layers = 1 + usize::from(dsse);
    let keys = || PartKeys::new(key(), dsse.then(key));
    let plain_len = plain_len % (1 << 47);

    let opener = PartOpener::new(keys(), plain_len);
    let mut sealed = bytes.to_vec();
    assert!(opener.open_in_place(first_segment, &mut sealed).is_err());
    assert!(sealed.iter().all(|byte| *byte == 0));

    let mut buffer = SegmentBuffer::new(1, layers);
    if buffer.push(bytes) != bytes.len() {
        return;
    }
    let genuine = PartSealer::new(&keys()).seal(buffer, true);
    let mut sealed = genuine.clone();
    let opened = opener.open_in_place(first_segment, &mut sealed);
    assert_eq!(opened.is_ok(), plain_len == bytes.len() as u64 && first_segment == 0);

    let opener = PartOpener::new(keys(), bytes.len() as u64);
    let mut sealed = genuine.clone();
    let runs = opener.open_in_place(0, &mut sealed).expect("a genuine part opens");
    assert_eq!(&sealed[runs[0].clone()], bytes);
    let mut changed = genuine;
    let at = usize::from(at) % changed.len();
    changed[at] ^= 1;
    assert!(opener.open_in_place(0, &mut changed).is_err());
    assert!(changed.iter().all(|byte| *byte == 0));
});
