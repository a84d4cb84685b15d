//! Checksums of plaintext. They confirm guesses of it, so they are stored inside boxes only.

use crate::bytes::Reader;
use crate::error::OpenError;

/// A checksum algorithm of the S3 API, with its number in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32 = 1,
    /// CRC-32C (Castagnoli).
    Crc32c = 2,
    /// CRC-64/NVME.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
    /// SHA-512.
    Sha512 = 6,
    /// MD5.
    Md5 = 7,
    /// XXH64.
    XxHash64 = 8,
    /// XXH3 with 64 bits.
    XxHash3 = 9,
    /// XXH3 with 128 bits.
    XxHash128 = 10,
}

impl ChecksumAlgorithm {
    /// The algorithm with this number in the format.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Crc32,
            2 => Self::Crc32c,
            3 => Self::Crc64Nvme,
            4 => Self::Sha1,
            5 => Self::Sha256,
            6 => Self::Sha512,
            7 => Self::Md5,
            8 => Self::XxHash64,
            9 => Self::XxHash3,
            10 => Self::XxHash128,
            _ => return None,
        })
    }
}

/// What the checksums of an object are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SumsType {
    /// The bytes of the object.
    FullObject = 1,
    /// The checksums of its parts.
    Composite = 2,
}

impl SumsType {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::FullObject,
            2 => Self::Composite,
            _ => return None,
        })
    }
}

/// At most one value for each algorithm.
///
/// There is no `Debug`: a checksum tells something about the plaintext.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Checksums(Vec<(ChecksumAlgorithm, Vec<u8>)>);

impl Checksums {
    /// No checksums.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of `algorithm`: its raw bytes.
    ///
    /// # Panics
    /// When `value` has more than 255 bytes; no checksum has.
    pub fn insert(&mut self, algorithm: ChecksumAlgorithm, value: impl Into<Vec<u8>>) {
        let value = value.into();
        assert!(value.len() <= usize::from(u8::MAX), "a checksum has at most 255 bytes");
        match self.0.binary_search_by_key(&algorithm, |(algorithm, _)| *algorithm) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (algorithm, value)),
        }
    }

    /// The value of `algorithm`.
    #[must_use]
    pub fn get(&self, algorithm: ChecksumAlgorithm) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == algorithm).map(|(_, value)| value)
    }

    /// Every value, ascending by algorithm.
    pub fn iter(&self) -> impl Iterator<Item = (ChecksumAlgorithm, &[u8])> {
        self.0.iter().map(|(algorithm, value)| (*algorithm, value.as_slice()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the list as it is stored: for each `u8 algorithm || u8 length || value`, ascending.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (algorithm, value) in &self.0 {
            let len = u8::try_from(value.len()).expect("insert admits at most 255 bytes");
            out.extend_from_slice(&[*algorithm as u8, len]);
            out.extend_from_slice(value);
        }
    }

    /// Reads a stored list.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] when it is cut, not strictly ascending, or names an unknown algorithm.
    pub fn decode(list: &[u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new(list, "checksum list");
        let mut checksums = Self::default();
        while !reader.is_empty() {
            let algorithm = ChecksumAlgorithm::from_byte(reader.u8()?).ok_or(reader.malformed())?;
            if checksums.0.last().is_some_and(|(last, _)| *last >= algorithm) {
                return Err(reader.malformed());
            }
            let len = usize::from(reader.u8()?);
            checksums.0.push((algorithm, reader.take(len)?.to_vec()));
        }
        Ok(checksums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(checksums: &Checksums) -> Vec<u8> {
        let mut out = Vec::new();
        checksums.encode(&mut out);
        out
    }

    fn check_malformed(list: &[u8]) {
        assert!(Checksums::decode(list).is_err_and(|error| error == OpenError::Malformed("checksum list")));
    }

    #[test]
    fn the_list_ascends_whatever_the_order_of_insertion() {
        let mut checksums = Checksums::new();
        checksums.insert(ChecksumAlgorithm::Md5, [7; 2]);
        checksums.insert(ChecksumAlgorithm::Crc32, [0; 1]);
        checksums.insert(ChecksumAlgorithm::Crc32, [1; 1]);
        assert_eq!(encoded(&checksums), [1, 1, 1, 7, 2, 7, 7]);
        assert_eq!(checksums.get(ChecksumAlgorithm::Crc32), Some(&[1][..]));
        assert_eq!(checksums.get(ChecksumAlgorithm::Sha1), None);
    }

    #[test]
    fn decodes_what_it_encoded() {
        let mut checksums = Checksums::new();
        for number in 1..=10 {
            checksums.insert(ChecksumAlgorithm::from_byte(number).unwrap(), vec![number; usize::from(number)]);
        }
        assert!(Checksums::decode(&encoded(&checksums)).unwrap() == checksums);
        assert!(Checksums::decode(b"").unwrap().is_empty());
    }

    #[test]
    fn cut_lists_are_malformed() {
        for list in [&[1][..], &[1, 4, 0, 0, 0], &[1, 1, 0, 2]] {
            check_malformed(list);
        }
    }

    #[test]
    fn repeated_descending_and_unknown_algorithms_are_malformed() {
        for list in [&[1, 0, 1, 0][..], &[2, 0, 1, 0], &[0, 0], &[11, 0]] {
            check_malformed(list);
        }
    }
}
