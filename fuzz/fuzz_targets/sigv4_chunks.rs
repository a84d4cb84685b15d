//! `aws-chunked` bodies as they come: bounded, and the same however they arrive.
//!
//! The first byte says how the body is framed, the second how it is cut, two more how long it decodes to; then a line
//! of trailers that are announced, and the body.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use coffer_fuzz::{DATE, pieces, signer, split_line};
use coffer_sigv4::{ChunkChain, ChunkDecoder, ChunkError, Timestamp, Trailers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [framing, cut, len_high, len_low, rest @ ..] = input else { return };
    let decoded_len = u64::from(u16::from_be_bytes([*len_high, *len_low]));
    let (announced, body) = split_line(rest);
    let announced: Vec<String> =
        String::from_utf8_lossy(announced).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let decoder = || match framing {
        b's' => ChunkDecoder::signed(chain(), decoded_len, None),
        b't' => ChunkDecoder::signed(chain(), decoded_len, Some(announced.clone())),
        _ => ChunkDecoder::unsigned(decoded_len, announced.clone()),
    };
    let (whole, data) = decode(decoder(), std::iter::once(body));
    let (cut, cut_data) = decode(decoder(), pieces(body, *cut));
    assert_eq!(whole, cut);
    assert!(data.len() as u64 <= decoded_len && data.len() <= body.len());
    match whole {
        Ok(trailers) => {
            assert_eq!(data.len() as u64, decoded_len);
            assert_eq!(trailers.len(), if *framing == b's' { 0 } else { announced.len() });
            assert_eq!(data, cut_data);
        }
        // The last piece of a chunk waits for its signature, so a cut one may have given up earlier pieces.
        Err(_) => assert!(cut_data.starts_with(&data)),
    }
});

fn chain() -> ChunkChain {
    let signer = signer();
    let timestamp = Timestamp::parse(DATE).expect("the date is one");
    ChunkChain::new(Arc::clone(signer.key()), signer.scope().clone(), timestamp, [5; 32])
}

fn decode<'a>(
    mut decoder: ChunkDecoder,
    body: impl Iterator<Item = &'a [u8]>,
) -> (Result<Trailers, ChunkError>, Vec<u8>) {
    let mut data = Vec::new();
    for piece in body {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(decoded)) => {
                    assert!(!decoded.is_empty());
                    data.extend_from_slice(&decoded);
                }
                Ok(None) => break,
                Err(error) => {
                    let mut more = Bytes::from_static(b"0\r\n\r\n");
                    assert!(decoder.decode(&mut more).is_err(), "a body that failed stays so");
                    assert!(decoder.finish().is_err());
                    return (Err(error), data);
                }
            }
        }
        assert!(input.is_empty());
    }
    (decoder.finish(), data)
}
