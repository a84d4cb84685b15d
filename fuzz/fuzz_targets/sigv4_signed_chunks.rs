//! A signed `aws-chunked` body decodes to what was signed, and after any change to that or to nothing.
//!
//! Two bytes pick a byte of the body and one is what happens to it, one says how the body is cut; then a line that is
//! the value of a trailer, and the data.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use coffer_fuzz::{DATE, pieces, signer, split_line};
use coffer_sigv4::{ChunkChain, ChunkDecoder, ChunkEncoder, Timestamp, Trailers};
use libfuzzer_sys::fuzz_target;

const TRAILER: &str = "x-amz-checksum-crc32c";

fuzz_target!(|input: &[u8]| {
    let [at_high, at_low, change, cut, rest @ ..] = input else { return };
    let (value, seed) = split_line(rest);
    let Ok(value) = str::from_utf8(value) else { return };
    let value = value.trim_ascii();
    if value.len() > 900 || value.chars().any(char::is_control) {
        return;
    }
    // Chunks before the last one are long; what is in them follows from the seed.
    let data: Vec<u8> =
        seed.iter().copied().cycle().take(if seed.is_empty() { 0 } else { 8192 + seed.len() }).collect();
    let mut encoder = ChunkEncoder::signed(chain());
    let mut body = Vec::new();
    for chunk in data.chunks(8192) {
        body.extend(encoder.chunk(chunk));
    }
    body.extend(encoder.finish(&[(TRAILER, value)]));

    let signed = (data.clone(), vec![(TRAILER.to_owned(), value.to_owned())]);
    assert!(decode(&body, &data, *cut) == Some(signed.clone()));
    let at = usize::from(u16::from_be_bytes([*at_high, *at_low]));
    // From the front or from the end: most of the body is data.
    let at = if at < body.len() { at } else { body.len() - 1 - at % body.len().min(400) };
    body[at] ^= change;
    assert!(decode(&body, &data, *cut).is_none_or(|decoded| decoded == signed));
    body.truncate(at);
    assert!(decode(&body, &data, *cut).is_none_or(|decoded| decoded == signed));
});

fn chain() -> ChunkChain {
    let signer = signer();
    let timestamp = Timestamp::parse(DATE).expect("the date is one");
    ChunkChain::new(Arc::clone(signer.key()), signer.scope().clone(), timestamp, [5; 32])
}

fn decode(body: &[u8], data: &[u8], cut: u8) -> Option<(Vec<u8>, Trailers)> {
    let mut decoder = ChunkDecoder::signed(chain(), data.len() as u64, Some(vec![TRAILER.to_owned()]));
    let mut decoded = Vec::new();
    for piece in pieces(body, cut) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(piece) = decoder.decode(&mut input).ok()? {
            decoded.extend_from_slice(&piece);
        }
    }
    decoder.finish().ok().map(|trailers| (decoded, trailers))
}
