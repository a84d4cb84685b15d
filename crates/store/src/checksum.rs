//! Checksums and MD5 of what clients send, computed as it streams by.

use coffer_crypto::{Md5, Sha1, Sha256, Sha512};
use coffer_seal::{ChecksumAlgorithm, Checksums};
use crc_fast::CrcAlgorithm;
use xxhash_rust::xxh3::Xxh3Default;
use xxhash_rust::xxh64::Xxh64;

/// What was computed over a body.
#[derive(Clone, Default)]
pub struct Digests {
    /// The MD5, if it was wanted.
    pub md5: Option<[u8; 16]>,
    /// The checksums that were wanted.
    pub checksums: Checksums,
}

/// Computes the wanted hashes of one body.
pub struct Hasher {
    md5: Option<Md5>,
    sums: Vec<(ChecksumAlgorithm, Sum)>,
}

enum Sum {
    Crc(Box<crc_fast::Digest>, usize),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    XxHash64(Xxh64),
    XxHash3(Box<Xxh3Default>),
    XxHash128(Box<Xxh3Default>),
}

impl Hasher {
    /// Starts the hashes: MD5 if asked for, and each of `algorithms`.
    #[must_use]
    pub fn new(md5: bool, algorithms: &[ChecksumAlgorithm]) -> Self {
        let sums = algorithms.iter().map(|&algorithm| (algorithm, Sum::new(algorithm))).collect();
        Self { md5: md5.then(Md5::default), sums }
    }

    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(data);
        }
        for (_, sum) in &mut self.sums {
            match sum {
                Sum::Crc(crc, _) => crc.update(data),
                Sum::Md5(hash) => hash.update(data),
                Sum::Sha1(hash) => hash.update(data),
                Sum::Sha256(hash) => hash.update(data),
                Sum::Sha512(hash) => hash.update(data),
                Sum::XxHash64(hash) => hash.update(data),
                Sum::XxHash3(hash) | Sum::XxHash128(hash) => hash.update(data),
            }
        }
    }

    /// Returns what was computed.
    #[must_use]
    pub fn finish(self) -> Digests {
        let mut checksums = Checksums::default();
        for (algorithm, sum) in self.sums {
            let value = match sum {
                Sum::Crc(crc, len) => crc.finalize().to_be_bytes()[8 - len..].to_vec(),
                Sum::Md5(hash) => hash.finish().to_vec(),
                Sum::Sha1(hash) => hash.finish().to_vec(),
                Sum::Sha256(hash) => hash.finish().to_vec(),
                Sum::Sha512(hash) => hash.finish().to_vec(),
                Sum::XxHash64(hash) => hash.digest().to_be_bytes().to_vec(),
                Sum::XxHash3(hash) => hash.digest().to_be_bytes().to_vec(),
                Sum::XxHash128(hash) => hash.digest128().to_be_bytes().to_vec(),
            };
            checksums.insert(algorithm, value);
        }
        Digests { md5: self.md5.map(Md5::finish), checksums }
    }
}

impl Sum {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        if let Some((crc, len)) = crc_of(algorithm) {
            return Self::Crc(Box::new(crc_fast::Digest::new(crc)), len);
        }
        match algorithm {
            ChecksumAlgorithm::Sha1 => Self::Sha1(Sha1::default()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Sha256::default()),
            ChecksumAlgorithm::Sha512 => Self::Sha512(Sha512::default()),
            ChecksumAlgorithm::Md5 => Self::Md5(Md5::default()),
            ChecksumAlgorithm::XxHash64 => Self::XxHash64(Xxh64::new(0)),
            ChecksumAlgorithm::XxHash3 => Self::XxHash3(Box::default()),
            ChecksumAlgorithm::XxHash128 => Self::XxHash128(Box::default()),
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme => {
                unreachable!("the CRCs are above")
            }
        }
    }
}

fn crc_of(algorithm: ChecksumAlgorithm) -> Option<(CrcAlgorithm, usize)> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
        ChecksumAlgorithm::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
        ChecksumAlgorithm::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
        _ => None,
    }
}

/// The checksum of the concatenation of parts, from their checksums and lengths in bytes.
///
/// `None` when the algorithm is not linear, a value has the wrong length, or there is no part.
#[must_use]
pub fn combine(algorithm: ChecksumAlgorithm, parts: &[(&[u8], u64)]) -> Option<Vec<u8>> {
    let (crc, len) = crc_of(algorithm)?;
    let number = |value: &[u8]| {
        let mut wide = [0; 8];
        (value.len() == len).then(|| wide[8 - len..].copy_from_slice(value))?;
        Some(u64::from_be_bytes(wide))
    };
    let mut parts = parts.iter();
    let mut whole = number(parts.next()?.0)?;
    for (value, plain_len) in parts {
        whole = crc_fast::checksum_combine(crc, whole, number(value)?, *plain_len);
    }
    Some(whole.to_be_bytes()[8 - len..].to_vec())
}

/// The checksum of the concatenated checksums of the parts (S3's `COMPOSITE` type).
#[must_use]
pub fn composite<'a>(algorithm: ChecksumAlgorithm, parts: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut hasher = Hasher::new(false, &[algorithm]);
    parts.for_each(|part| hasher.update(part));
    hasher.finish().checksums.get(algorithm).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: [ChecksumAlgorithm; 3] =
        [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];

    fn checksum(algorithm: ChecksumAlgorithm, data: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(false, &[algorithm]);
        hasher.update(data);
        hasher.finish().checksums.get(algorithm).unwrap().to_vec()
    }

    #[test]
    fn check_values_of_the_catalogue() {
        // The "check" column of the CRC catalogue: over the ASCII digits 1 to 9.
        let check = |algorithm, expected: &str| assert_eq!(hex::encode(checksum(algorithm, b"123456789")), expected);
        check(ChecksumAlgorithm::Crc32, "cbf43926");
        check(ChecksumAlgorithm::Crc32c, "e3069283");
        check(ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888");
        check(ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b");
        check(ChecksumAlgorithm::XxHash64, "8cb841db40e6ae83");
        check(ChecksumAlgorithm::XxHash3, "72dcb18b67a17dff");
        check(ChecksumAlgorithm::XxHash128, "33119477ede5dcd5e9716427681d5860");
    }

    #[test]
    fn parts_combine_to_the_whole() {
        let data: Vec<u8> = (0..100_000_u32).map(|i| (i * 7) as u8).collect();
        for algorithm in LINEAR {
            for cut in [1, 100, 65_536, 99_999] {
                let (a, b) = data.split_at(cut);
                let (sum_a, sum_b) = (checksum(algorithm, a), checksum(algorithm, b));
                let parts = [(&sum_a[..], a.len() as u64), (&sum_b[..], b.len() as u64)];
                assert_eq!(combine(algorithm, &parts), Some(checksum(algorithm, &data)));
            }
        }
    }

    #[test]
    fn an_empty_part_changes_nothing() {
        for algorithm in LINEAR {
            let (some, empty) = (checksum(algorithm, b"some"), checksum(algorithm, b""));
            assert_eq!(combine(algorithm, &[(&some, 4), (&empty, 0)]), Some(some.clone()));
        }
    }

    #[test]
    fn only_crcs_combine() {
        let sum = checksum(ChecksumAlgorithm::Sha256, b"x");
        assert_eq!(combine(ChecksumAlgorithm::Sha256, &[(&sum, 1)]), None);
        assert_eq!(combine(ChecksumAlgorithm::Crc32, &[(&sum, 1)]), None, "wrong length");
        assert_eq!(combine(ChecksumAlgorithm::Crc32, &[]), None);
    }
}
