use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::credential::Scope;
use crate::error::SignatureMismatch;
use crate::key::{SecretKey, SigningKey};
use crate::payload::decode_hex;
use crate::timestamp::Timestamp;

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const CRC: &str = "x-amz-checksum-crc32c";

fn chain(seed: &str) -> ChunkChain {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned());
    let key = Arc::new(SigningKey::derive(&secret, &scope));
    let timestamp = Timestamp::parse("20130524T000000Z").unwrap();
    ChunkChain::new(key, scope, timestamp, decode_hex(seed.as_bytes()).unwrap())
}

fn announced() -> Vec<String> {
    vec![CRC.to_owned()]
}

/// Decodes a body that comes in pieces of these lengths, the last of them again and again.
fn decode(mut decoder: ChunkDecoder, body: &[u8], lens: &[usize]) -> Result<(Vec<u8>, Trailers), ChunkError> {
    let mut data = Vec::new();
    let (mut rest, mut lens) = (body, lens.iter());
    let mut len = usize::MAX;
    while !rest.is_empty() {
        len = lens.next().copied().unwrap_or(len);
        let (now, later) = rest.split_at(len.min(rest.len()));
        rest = later;
        let mut input = Bytes::copy_from_slice(now);
        while let Some(piece) = decoder.decode(&mut input)? {
            assert!(!piece.is_empty());
            data.extend_from_slice(&piece);
        }
        assert!(input.is_empty());
    }
    Ok((data, decoder.finish()?))
}

fn decode_unsigned(body: &str, decoded_len: u64, announced: &[&str]) -> Result<(Vec<u8>, Trailers), ChunkError> {
    let announced = announced.iter().map(ToString::to_string).collect();
    decode(ChunkDecoder::unsigned(decoded_len, announced), body.as_bytes(), &[])
}

/// The body of the examples in the S3 API Reference: 65 KiB of `a` in two chunks.
fn published(signatures: [&str; 3], end: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend_from_slice(&[b'a'; 65536]);
    body.extend_from_slice(format!("\r\n400;chunk-signature={second}\r\n").as_bytes());
    body.extend_from_slice(&[b'a'; 1024]);
    body.extend_from_slice(format!("\r\n0;chunk-signature={last}\r\n{end}").as_bytes());
    body
}

fn published_signed() -> Vec<u8> {
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    published(signatures, "\r\n")
}

const PUBLISHED_TRAILERS: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
    x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

fn published_trailer(end: &str) -> Vec<u8> {
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    published(signatures, end)
}

/// A small signed body with a trailer, and its decoder.
fn small() -> Vec<u8> {
    let mut encoder = ChunkEncoder::signed(chain(SEED));
    let mut body = encoder.chunk(b"hello");
    body.extend(encoder.finish(&[(CRC, "sOO8/Q==")]));
    body
}

fn small_decoder() -> ChunkDecoder {
    ChunkDecoder::signed(chain(SEED), 5, Some(announced()))
}

#[test]
fn the_published_bodies_decode_however_they_arrive() {
    let crc = vec![(CRC.to_owned(), "sOO8/Q==".to_owned())];
    for lens in [&[usize::MAX][..], &[1], &[2, 3, 5], &[85, 65536, 1], &[65536]] {
        let decoder = ChunkDecoder::signed(chain(SEED), 66560, None);
        assert_eq!(decode(decoder, &published_signed(), lens), Ok((vec![b'a'; 66560], vec![])));
        let decoder = ChunkDecoder::signed(chain(TRAILER_SEED), 66560, Some(announced()));
        let body = published_trailer(PUBLISHED_TRAILERS);
        assert_eq!(decode(decoder, &body, lens), Ok((vec![b'a'; 66560], crc.clone())));
    }
}

#[test]
fn the_encoder_makes_the_published_bodies() {
    let encode = |mut encoder: ChunkEncoder, trailers: &[(&str, &str)]| {
        let mut body = encoder.chunk(&[b'a'; 65536]);
        body.extend(encoder.chunk(&[b'a'; 1024]));
        body.extend(encoder.finish(trailers));
        body
    };
    assert_eq!(encode(ChunkEncoder::signed(chain(SEED)), &[]), published_signed());
    let encoder = ChunkEncoder::signed(chain(TRAILER_SEED));
    assert_eq!(encode(encoder, &[(CRC, "sOO8/Q==")]), published_trailer(PUBLISHED_TRAILERS));
}

#[test]
fn trailers_with_bare_line_feeds_and_spare_empty_lines_decode() {
    let end = PUBLISHED_TRAILERS.replacen("\r\n", "\n\r\n", 1);
    let decoder = ChunkDecoder::signed(chain(TRAILER_SEED), 66560, Some(announced()));
    assert!(decode(decoder, &published_trailer(&end), &[]).is_ok());
    assert!(decode_unsigned("0\r\na:1\n\r\n\r\n", 0, &["a"]).is_ok());
}

#[test]
fn an_empty_body_is_a_last_chunk() {
    let body = ChunkEncoder::signed(chain(SEED)).finish(&[]);
    assert_eq!(decode(ChunkDecoder::signed(chain(SEED), 0, None), &body, &[]), Ok((vec![], vec![])));
    assert_eq!(decode_unsigned("0\r\n\r\n", 0, &[]), Ok((vec![], vec![])));
    let incomplete = ChunkDecoder::unsigned(0, vec![]).finish();
    assert_eq!(incomplete, Err(ChunkError::Incomplete));
}

#[test]
fn a_truncated_body_is_incomplete_wherever_it_ends() {
    let body = small();
    assert!(decode(small_decoder(), &body, &[]).is_ok());
    for len in 0..body.len() {
        assert_eq!(decode(small_decoder(), &body[..len], &[1]), Err(ChunkError::Incomplete), "{len}");
    }
    let body = "5\r\nhello\r\n0\r\na:1\r\n\r\n";
    for len in 0..body.len() {
        assert_eq!(decode_unsigned(&body[..len], 5, &["a"]), Err(ChunkError::Incomplete), "{len}");
    }
}

#[test]
fn every_changed_byte_of_a_signed_body_is_noticed() {
    let body = small();
    for at in 0..body.len() {
        let mut bad = body.clone();
        bad[at] ^= 1;
        assert!(decode(small_decoder(), &bad, &[]).is_err(), "{at}");
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    for more in ["x", "\r\n\r\n", "\r\nx", "\r", "\n", "0\r\n\r\n"] {
        let body = [&small()[..], more.as_bytes()].concat();
        assert_eq!(decode(small_decoder(), &body, &[]), Err(ChunkError::Incomplete), "{more:?}");
    }
}

#[test]
fn chunks_of_another_place_key_or_request_do_not_match() {
    let mismatch = Err(ChunkError::Signature(SignatureMismatch));
    let encode = |chunks: &[u8], order: &[usize]| {
        let mut encoder = ChunkEncoder::signed(chain(SEED));
        let framed: Vec<Vec<u8>> = chunks.iter().map(|byte| encoder.chunk(&[*byte; 8192])).collect();
        let body: Vec<u8> = order.iter().flat_map(|index| framed[*index].clone()).collect();
        [body, encoder.finish(&[])].concat()
    };
    let decoder = |seed| ChunkDecoder::signed(chain(seed), 2 * 8192, None);
    assert!(decode(decoder(SEED), &encode(b"ab", &[0, 1]), &[]).is_ok());
    assert_eq!(decode(decoder(SEED), &encode(b"ab", &[1, 0]), &[]), mismatch);
    assert_eq!(decode(decoder(SEED), &encode(b"ab", &[0, 0]), &[]), mismatch);
    assert_eq!(decode(decoder(SEED), &encode(b"abc", &[0, 2]), &[]), mismatch);
    assert_eq!(decode(decoder(SEED), &encode(b"abc", &[0, 1]), &[]), mismatch);
    assert_eq!(decode(decoder(TRAILER_SEED), &encode(b"ab", &[0, 1]), &[]), mismatch);
}

#[test]
fn the_last_piece_of_a_chunk_waits_for_the_signature() {
    let mut body = ChunkEncoder::signed(chain(SEED)).chunk(b"hello");
    let end = body.len() - 2;
    body[end - 1] = b'O';
    let mut input = Bytes::from(body);
    let mut decoder = ChunkDecoder::signed(chain(SEED), 5, None);
    assert_eq!(decoder.decode(&mut input), Err(ChunkError::Signature(SignatureMismatch)));
}

#[test]
fn nothing_succeeds_after_a_failure() {
    let mut decoder = ChunkDecoder::unsigned(0, vec![]);
    assert_eq!(decoder.decode(&mut Bytes::from_static(b"x\r\n")), Err(ChunkError::Incomplete));
    assert_eq!(decoder.decode(&mut Bytes::from_static(b"0\r\n\r\n")), Err(ChunkError::Incomplete));
    assert_eq!(decoder.finish(), Err(ChunkError::Incomplete));
}

#[test]
fn broken_framing_is_incomplete() {
    let long_line = format!("{}\r\n", "0".repeat(200));
    let unending = "0".repeat(200);
    for body in [
        "\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\n",
        &long_line,
        &unending,
    ] {
        assert_eq!(decode_unsigned(body, 5, &[]), Err(ChunkError::Incomplete), "{body:?}");
    }
}

#[test]
fn a_signed_body_has_a_signature_on_every_chunk() {
    let check = |body: &str, expected: ChunkError| {
        let decoder = ChunkDecoder::signed(chain(SEED), 5, None);
        assert_eq!(decode(decoder, body.as_bytes(), &[]), Err(expected), "{body:?}");
    };
    check("5\r\nhello\r\n0\r\n\r\n", ChunkError::Incomplete);
    check("5;chunk-signature\r\nhello\r\n", ChunkError::Incomplete);
    check("5;chunk-signature=\r\nhello\r\n", SignatureMismatch.into());
    check(&format!("5;chunk-signature={}\r\nhello\r\n", SEED.to_uppercase()), SignatureMismatch.into());
    check(&format!("5;chunk-signature={SEED}\r\nhello\r\n"), SignatureMismatch.into());
}

#[test]
fn the_chunks_add_up_to_the_decoded_length() {
    let length = |provided| Err(ChunkError::Length { expected: 5, provided });
    assert_eq!(decode_unsigned("0\r\n\r\n", 5, &[]), length(0));
    assert_eq!(decode_unsigned("4\r\nhell\r\n0\r\n\r\n", 5, &[]), length(4));
    assert_eq!(decode_unsigned("6\r\n", 5, &[]), length(6));
    assert_eq!(decode_unsigned("FFFFFFFFFFFFFFFF\r\n", 5, &[]), length(u64::MAX));
}

#[test]
fn only_the_last_chunk_is_small() {
    let body = format!("2000\r\n{}\r\n1fff\r\n{}\r\n1\r\n", "a".repeat(8192), "a".repeat(8191));
    assert_eq!(decode_unsigned(&body, 20_000, &[]), Err(ChunkError::SmallChunk { chunk: 3, size: 8191 }));
}

#[test]
fn trailers_are_those_announced() {
    let check = |announced: &[&str], trailers: &str, expected: Result<&[(&str, &str)], ChunkError>| {
        let found = decode_unsigned(&format!("0\r\n{trailers}\r\n"), 0, announced).map(|(_, trailers)| trailers);
        let expected = expected.map(|expected| expected.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect());
        assert_eq!(found, expected, "{announced:?} {trailers:?}");
    };
    check(&["a"], "a:1\r\n", Ok(&[("a", "1")]));
    check(&["A"], "A: 1 \r\n", Ok(&[("a", "1")]));
    check(&["a", "b"], "b:1:2\r\na:\r\n", Ok(&[("b", "1:2"), ("a", "")]));
    for (announced, trailers) in [
        (&["a"][..], ""),
        (&["a", "b"], "a:1\r\n"),
        (&[], "a:1\r\n"),
        (&["a"], "b:1\r\n"),
        (&["a"], "a:1\r\na:1\r\n"),
        (&["a"], "a1\r\n"),
        (&["a"], ":1\r\n"),
        (&["a"], "a :1\r\n"),
        (&["a"], "a:1\r1\r\n"),
        (&["a"], "a:1\r\nx-amz-trailer-signature:00\r\n"),
        (&["a"], &"a:1\r\n".repeat(17)),
    ] {
        check(announced, trailers, Err(ChunkError::Trailer));
    }
    check(&["a"], &format!("a:{}\r\n", "1".repeat(2000)), Err(ChunkError::Incomplete));
}

#[test]
fn signed_trailers_need_their_signature() {
    let check = |end: &str, expected: ChunkError| {
        let decoder = ChunkDecoder::signed(chain(TRAILER_SEED), 66560, Some(announced()));
        assert_eq!(decode(decoder, &published_trailer(end), &[]), Err(expected), "{end:?}");
    };
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    check(&PUBLISHED_TRAILERS.replace(signature, SEED), SignatureMismatch.into());
    check(&PUBLISHED_TRAILERS.replace(signature, ""), SignatureMismatch.into());
    check(&PUBLISHED_TRAILERS.replace("sOO8", "AAAA"), SignatureMismatch.into());
    check(&format!("x-amz-trailer-signature:{signature}\r\n\r\n"), SignatureMismatch.into());
    check("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", ChunkError::Incomplete);
    check(&PUBLISHED_TRAILERS.replace("\r\n\r\n", "\r\na:1\r\n\r\n"), ChunkError::Incomplete);
    check(&"\r\n".repeat(17), ChunkError::Trailer);
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(body: Vec<u8>, len in 1usize..9, decoded_len in 0u64..9) {
        decode(ChunkDecoder::unsigned(decoded_len, vec![]), &body, &[len]).ok();
        decode(ChunkDecoder::signed(chain(SEED), decoded_len, Some(announced())), &body, &[len]).ok();
    }

    #[test]
    fn framing_shaped_bytes_give_the_same_result_however_they_arrive(
        parts in prop::collection::vec(prop::sample::select(vec!["0", "5", "hello", "\r\n", "\n", "a:1", ";", "\r"]), 0..12),
        lens in prop::collection::vec(1usize..8, 1..8),
    ) {
        let body = parts.concat();
        let whole = decode(ChunkDecoder::unsigned(5, vec!["a".into()]), body.as_bytes(), &[]);
        let pieces = decode(ChunkDecoder::unsigned(5, vec!["a".into()]), body.as_bytes(), &lens);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn what_was_encoded_decodes_however_it_arrives(
        sizes in prop::collection::vec(8192usize..20_000, 0..4),
        last in prop::option::of(1usize..100),
        signed: bool,
        lens in prop::collection::vec(1usize..30_000, 1..6),
    ) {
        let mut encoder = if signed { ChunkEncoder::signed(chain(SEED)) } else { ChunkEncoder::unsigned() };
        let (mut data, mut body) = (Vec::new(), Vec::new());
        for (index, size) in sizes.iter().copied().chain(last).enumerate() {
            let chunk: Vec<u8> = (0..size).map(|at| (at * 31 + index) as u8).collect();
            body.extend(encoder.chunk(&chunk));
            data.extend(chunk);
        }
        body.extend(encoder.finish(&[(CRC, "sOO8/Q==")]));
        let len = data.len() as u64;
        let decoder = if signed {
            ChunkDecoder::signed(chain(SEED), len, Some(announced()))
        } else {
            ChunkDecoder::unsigned(len, announced())
        };
        prop_assert_eq!(decode(decoder, &body, &lens), Ok((data, vec![(CRC.to_owned(), "sOO8/Q==".to_owned())])));
    }
}
