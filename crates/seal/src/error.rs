//! Why something does not open.

use coffer_crypto::NotAuthentic;
use thiserror::Error;

/// Why sealed bytes do not open. The text names the piece, never its content.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes cannot be of this format: wrong fixed length, version, number or list.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The key, or what it is bound to, is not the one this was sealed with. Under SSE-C: the client's mistake.
    #[error("the key does not fit")]
    WrongKey,
    /// The key fits, and the bytes are not what was sealed: damage or an attack.
    #[error("tampered: {0}")]
    Tampered(&'static str),
}

/// Names the piece that is not authentic.
pub(crate) fn tampered(piece: &'static str) -> impl Fn(NotAuthentic) -> OpenError {
    move |NotAuthentic| OpenError::Tampered(piece)
}
