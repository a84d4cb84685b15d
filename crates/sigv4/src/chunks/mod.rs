//! `aws-chunked` bodies: data in chunks, each signed if the request says so, then trailers.
//!
//! ```text
//! body     = *chunk last-chunk [ *trailer [ "x-amz-trailer-signature:" 64HEX CRLF ] ] CRLF
//! chunk    = size [ ";chunk-signature=" 64HEX ] CRLF data CRLF
//! last     = "0"  [ ";chunk-signature=" 64HEX ] CRLF
//! trailer  = name ":" value CRLF
//! ```
//!
//! Each signature covers the one before it, the first one that of the request, so chunks cannot be left out,
//! repeated or swapped.

mod decoder;
mod encoder;
mod signature;

pub use decoder::{ChunkDecoder, ChunkError, Trailers};
pub use encoder::ChunkEncoder;
pub use signature::ChunkChain;

const SIGNATURE_EXTENSION: &[u8] = b";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

#[cfg(test)]
mod tests;
