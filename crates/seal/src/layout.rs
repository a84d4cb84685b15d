//! What the layout tag covers: the kind of an object, its boxes and the list of its parts.

use coffer_crypto::{Hmac, Key32};

use crate::bytes::len_prefix;
use crate::error::OpenError;

/// How the parts of an object came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// By one PUT: exactly one part, number 0.
    Single = 0,
    /// By a multipart upload: one or more parts, ascending from number 1.
    Multipart = 1,
}

impl TryFrom<u8> for Kind {
    type Error = OpenError;

    /// Reads a stored kind; any other number is [`OpenError::Malformed`].
    fn try_from(byte: u8) -> Result<Self, OpenError> {
        match byte {
            0 => Ok(Self::Single),
            1 => Ok(Self::Multipart),
            _ => Err(OpenError::Malformed("kind")),
        }
    }
}

/// The structure of an object, as one layer sees it.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    /// How the parts came to be.
    pub kind: Kind,
    /// The head box; empty when there is none.
    pub head_box: &'a [u8],
    /// The sums box; empty when there is none.
    pub sums_box: &'a [u8],
    /// The parts in the order of the object's bytes.
    pub parts: &'a [LayoutPart<'a>],
}

/// A part of a [`Layout`].
#[derive(Clone, Copy)]
pub struct LayoutPart<'a> {
    /// The part number.
    pub number: u32,
    /// Its plaintext bytes.
    pub plain_len: u64,
    /// Its part box of the layer.
    pub part_box: &'a [u8],
}

impl Layout<'_> {
    /// `HMAC-SHA-256(key, layout)`, or `None` when the lengths or the number of parts exceed their fields.
    pub(crate) fn tag(&self, key: &Key32) -> Option<[u8; 32]> {
        let total = self.parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.plain_len))?;
        let count = u32::try_from(self.parts.len()).ok()?;
        let mut mac = Hmac::sha256(key.expose());
        mac.update(&[self.kind as u8]);
        mac.update(&count.to_be_bytes());
        mac.update(&total.to_be_bytes());
        for sealed_box in [self.head_box, self.sums_box] {
            mac.update(&len_prefix(sealed_box));
            mac.update(sealed_box);
        }
        for part in self.parts {
            mac.update(&part.number.to_be_bytes());
            mac.update(&part.plain_len.to_be_bytes());
            mac.update(&len_prefix(part.part_box));
            mac.update(part.part_box);
        }
        Some(mac.finish())
    }
}
