//! Lines of the log.
//!
//! ```text
//! h NUMBER HASH STORE-ID        begins a file: the number of its first entry, and the hash before it
//! e NUMBER SEALED HASH          an entry
//! c NUMBER HASH SIGNATURE       a checkpoint
//! ```
//!
//! Hashes and ids are in hexadecimal, sealed entries and signatures in base64 (RFC 4648, section 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::chain::{Checkpoint, Hash};

/// The most bytes of a line: an encryption context of 8 KiB, sealed, with room to spare.
pub(crate) const MAX_LINE_LEN: usize = 1 << 20;

/// A line, read.
pub(crate) enum Line {
    Head { first: u64, previous: Hash, store_id: [u8; 16] },
    Entry { number: u64, sealed: Vec<u8>, hash: Hash },
    Checkpoint { checkpoint: Checkpoint, signature: Vec<u8> },
}

impl Line {
    /// Reads a line, without its end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [kind, number, middle, last] = fields[..] else { return None };
        let number = number.parse().ok().filter(|read: &u64| read.to_string() == number)?;
        Some(match kind {
            "h" => Self::Head { first: number, previous: hash(middle)?, store_id: hex_array(last)? },
            "e" => Self::Entry { number, sealed: STANDARD.decode(middle).ok()?, hash: hash(last)? },
            "c" => {
                let checkpoint = Checkpoint { number, hash: hash(middle)? };
                Self::Checkpoint { checkpoint, signature: STANDARD.decode(last).ok()? }
            }
            _ => return None,
        })
    }

    /// The line with its end.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Head { first, previous, store_id } => {
                format!("h {first} {} {}\n", hex::encode(previous), hex::encode(store_id))
            }
            Self::Entry { number, sealed, hash } => {
                format!("e {number} {} {}\n", STANDARD.encode(sealed), hex::encode(hash))
            }
            Self::Checkpoint { checkpoint: Checkpoint { number, hash }, signature } => {
                format!("c {number} {} {}\n", hex::encode(hash), STANDARD.encode(signature))
            }
        }
    }
}

fn hash(text: &str) -> Option<Hash> {
    hex_array(text)
}

/// Lower-case hexadecimal, so that a line has one form only.
fn hex_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode(text).ok()?.try_into().ok().filter(|_| is_lower)
}
