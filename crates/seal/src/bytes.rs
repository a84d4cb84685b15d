//! Big-endian fields and length prefixes, written and read.

use crate::error::OpenError;

/// The length prefix of `field`.
///
/// # Panics
/// When `field` has 4 GiB or more; names, boxes and contexts have a few kilobytes at most.
pub(crate) fn len_prefix(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len()).expect("a field is shorter than 4 GiB").to_be_bytes()
}

/// Appends `lp(field)`: its length as `u32`, then the field.
pub(crate) fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&len_prefix(field));
    out.extend_from_slice(field);
}

/// Reads fields from the front of a byte string; whatever is missing is [`OpenError::Malformed`] and names `piece`.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    piece: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], piece: &'static str) -> Self {
        Self { rest: bytes, piece }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn malformed(&self) -> OpenError {
        OpenError::Malformed(self.piece)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], OpenError> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(OpenError::Malformed(self.piece))?;
        self.rest = rest;
        Ok(field)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], OpenError> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked for"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, OpenError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, OpenError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, OpenError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Reads `lp(field)`.
    pub(crate) fn field(&mut self) -> Result<&'a [u8], OpenError> {
        let len = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        self.take(len)
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}
