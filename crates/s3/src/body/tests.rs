use std::sync::Arc;
use std::time::Duration;

use coffer_crypto::sha256;
use coffer_sigv4::{ChunkChain, ChunkEncoder, Scope, SecretKey, SigningKey, Timestamp};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

const IDLE: Duration = Duration::from_secs(30);

fn wire(pieces: &[&[u8]]) -> Source {
    let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    Source::wire(StreamBody::new(stream::iter::<Vec<Result<_, BoxError>>>(frames)), IDLE)
}

fn plain(pieces: &[&[u8]], len: u64) -> RequestBody {
    RequestBody::new(wire(pieces), Framing::Plain { sha256: None }, Some(len))
}

fn code<T>(outcome: Result<T, S3Error>) -> Option<&'static str> {
    outcome.err().map(|error| error.code())
}

#[tokio::test]
async fn a_body_of_the_announced_length_is_whole() {
    let mut body = plain(&[b"ab", b"", b"c"], 3);
    assert_eq!(body.read_all(3).await.unwrap(), "abc");
    assert_eq!(body.next().await.unwrap(), None);
}

#[tokio::test]
async fn another_length_is_incomplete() {
    for len in [2, 4] {
        let error = plain(&[b"abc"], len).read_all(100).await.unwrap_err();
        assert_eq!((error.code(), error.element("NumberBytesProvided")), ("IncompleteBody", Some("3")));
    }
}

#[tokio::test]
async fn a_broken_connection_is_an_incomplete_body() {
    let frames = vec![Ok(Frame::data(Bytes::from("a"))), Err(BoxError::from("reset"))];
    let source = Source::wire(StreamBody::new(stream::iter(frames)), IDLE);
    let received = source.received();
    let mut body = RequestBody::new(source, Framing::Plain { sha256: None }, None);
    assert!(body.next().await.unwrap().is_some());
    assert_eq!(code(body.next().await), Some("IncompleteBody"));
    assert_eq!(code(body.next().await), Some("IncompleteBody"));
    assert!(!received.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up() {
    let frames = stream::pending::<Result<Frame<Bytes>, BoxError>>();
    let mut body =
        RequestBody::new(Source::wire(StreamBody::new(frames), IDLE), Framing::Plain { sha256: None }, Some(1));
    let started = tokio::time::Instant::now();
    assert_eq!(code(body.next().await), Some("RequestTimeout"));
    assert_eq!(started.elapsed(), IDLE);
}

#[tokio::test]
async fn the_signed_hash_is_compared_at_the_end() {
    let body = |hash: [u8; 32]| RequestBody::new(wire(&[b"ab", b"c"]), Framing::Plain { sha256: Some(hash) }, Some(3));
    assert!(body(sha256(b"abc")).read_all(3).await.is_ok());
    let mut wrong = body(sha256(b"abd"));
    assert_eq!(wrong.next().await.unwrap().unwrap(), "ab");
    assert_eq!(wrong.next().await.unwrap().unwrap(), "c");
    assert_eq!(code(wrong.next().await), Some("XAmzContentSHA256Mismatch"));
    // Asking again must not look like a clean end.
    assert!(wrong.next().await.is_err());
}

#[tokio::test]
async fn documents_have_a_limit() {
    assert_eq!(code(plain(&[b"abc"], 3).read_all(2).await), Some("MaxMessageLengthExceeded"));
    let mut unannounced = RequestBody::new(wire(&[b"ab", b"c"]), Framing::Plain { sha256: None }, None);
    assert_eq!(code(unannounced.read_all(2).await), Some("MaxMessageLengthExceeded"));
}

#[tokio::test]
async fn the_end_of_the_wire_is_seen() {
    let source = wire(&[b"a"]);
    let received = source.received();
    let mut body = RequestBody::new(source, Framing::Plain { sha256: None }, Some(1));
    body.next().await.unwrap();
    assert!(!received.is_complete());
    body.next().await.unwrap();
    assert!(received.is_complete());
    let empty = Source::wire(http_body_util::Empty::new(), IDLE);
    assert!(empty.received().is_complete());
}

fn chain() -> ChunkChain {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let key = SigningKey::derive(&SecretKey::new("secret"), &scope);
    ChunkChain::new(Arc::new(key), scope, Timestamp::parse("20130524T000000Z").unwrap(), [7; 32])
}

fn signed_chunks() -> Vec<u8> {
    let mut encoder = ChunkEncoder::signed(chain());
    let mut wire = encoder.chunk(b"hello");
    wire.extend(encoder.finish(&[("x-amz-checksum-crc32", "NhCmhg==")]));
    wire
}

fn chunked(wire_bytes: &[u8], piece_len: usize, decoded_len: u64) -> RequestBody {
    let pieces: Vec<&[u8]> = wire_bytes.chunks(piece_len).collect();
    let decoder = ChunkDecoder::signed(chain(), decoded_len, Some(vec!["x-amz-checksum-crc32".into()]));
    RequestBody::new(wire(&pieces), Framing::Chunked(Box::new(decoder)), Some(decoded_len))
}

#[tokio::test]
async fn chunks_lose_their_framing_however_they_arrive() {
    let wire_bytes = signed_chunks();
    for piece_len in [1, 2, 7, wire_bytes.len()] {
        let mut body = chunked(&wire_bytes, piece_len, 5);
        assert_eq!(body.read_all(5).await.unwrap(), "hello");
        assert_eq!(body.trailers(), [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]);
    }
}

#[tokio::test]
async fn chunks_that_are_cut_or_changed_are_refused() {
    let wire_bytes = signed_chunks();
    for len in 1..wire_bytes.len() - 2 {
        assert!(chunked(&wire_bytes[..len], 16, 5).read_all(5).await.is_err(), "cut at {len}");
    }
    let mut changed = wire_bytes.clone();
    let at = wire_bytes.windows(5).position(|window| window == b"hello").unwrap();
    changed[at] ^= 1;
    assert_eq!(code(chunked(&changed, 16, 5).read_all(5).await), Some("SignatureDoesNotMatch"));
    assert_eq!(code(chunked(&wire_bytes, 16, 6).read_all(6).await), Some("IncompleteBody"));
}
