//! Backups of the metadata: the manifest that seals what a backup consists of, and the keyed hashes of its chunks.
//!
//! ```text
//! manifest = "COFFERB" || 01 || u32(length of head) || head || salt(32) || commitment(32) || part stream of the body
//! t        = KDF(metadata key, salt, "backup", SHA-256(everything before the commitment), 64)
//! PK       = t[0:32]          commitment = t[32:64]
//! ```

use coffer_crypto::{Key32, ct_eq, hmac_sha256, random_array, sha256};
use zeroize::Zeroizing;

use crate::bytes::{Reader, len_prefix};
use crate::derive::{FIXED_SALT, derive_key, derive_pair};
use crate::error::OpenError;
use crate::length::{SEGMENT_LEN, opened_len};
use crate::part::{PartKeys, PartOpener, PartSealer, SegmentBuffer};

const MAGIC: &[u8; 8] = b"COFFERB\x01";
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;

/// Seals the manifest of a backup under the metadata key. `head` stays readable: it says how the metadata key is
/// wrapped.
///
/// # Panics
/// When `head` has 4 GiB or more.
#[must_use]
pub fn seal_backup_manifest(metadata_key: &Key32, head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&len_prefix(head));
    file.extend_from_slice(head);
    let salt: [u8; SALT_LEN] = random_array();
    file.extend_from_slice(&salt);
    let (key, commitment) = derive_pair(metadata_key, &salt, "backup", &sha256(&file));
    file.extend_from_slice(&*commitment);
    file.extend_from_slice(&seal_stream(&PartKeys::new(key, None), body));
    file
}

/// The head of a manifest, as it claims: [`open_backup_manifest`] proves it.
///
/// # Errors
/// [`OpenError::Malformed`] when it is no manifest.
pub fn backup_manifest_head(manifest: &[u8]) -> Result<&[u8], OpenError> {
    Parts::read(manifest).map(|parts| parts.head)
}

/// Returns the body of a manifest.
///
/// # Errors
/// [`OpenError::Malformed`] when it is no manifest; [`OpenError::WrongKey`] when it was sealed under another key, or
/// its head or salt is not what was sealed; [`OpenError::Tampered`] when its body is not.
pub fn open_backup_manifest(metadata_key: &Key32, manifest: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let parts = Parts::read(manifest)?;
    let (key, commitment) = derive_pair(metadata_key, parts.salt, "backup", &sha256(parts.bound));
    if !ct_eq(&*commitment, parts.commitment) {
        return Err(OpenError::WrongKey);
    }
    let plain_len = opened_len(parts.stream.len() as u64, 1)?;
    open_stream(PartKeys::new(key, None), plain_len, parts.stream.to_vec())
}

/// Seals `text` as one part stream.
#[must_use]
pub fn seal_stream(keys: &PartKeys, text: &[u8]) -> Vec<u8> {
    let mut buffer = SegmentBuffer::new(text.len().div_ceil(SEGMENT_LEN).max(1), keys.layers());
    buffer.push(text);
    PartSealer::new(keys).seal(buffer, true)
}

/// Opens a whole part stream of `plain_len` bytes of plaintext.
///
/// # Errors
/// [`OpenError::Tampered`] when it is not what was sealed.
pub fn open_stream(keys: PartKeys, plain_len: u64, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let opener = PartOpener::new(keys, plain_len);
    opener.verify_blob_len(sealed.len() as u64)?;
    let mut text = Zeroizing::new(sealed);
    let mut end = 0;
    for run in opener.open_in_place(0, &mut text)? {
        let len = run.len();
        text.copy_within(run, end);
        end += len;
    }
    text.truncate(end);
    Ok(text)
}

/// The keys by which the backups of one folder know chunks again, from the series key in their manifests.
///
/// Without the series key nobody can tell whether a chunk holds some rows: nothing is hashed without a key.
pub struct BackupSeries {
    boundary: Key32,
    content: Key32,
}

impl BackupSeries {
    /// The keys that follow from the series key.
    #[must_use]
    pub fn new(series_key: &Key32) -> Self {
        let derive = |label| derive_key(series_key, FIXED_SALT, label, b"");
        Self { boundary: derive("backup boundary"), content: derive("backup content") }
    }

    /// A number that depends on the row key alone: where a chunk may end.
    #[must_use]
    pub fn boundary(&self, row_key: &[u8]) -> u64 {
        let mac = hmac_sha256(self.boundary.expose(), row_key);
        u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
    }

    /// What names a chunk of this plaintext in the manifests.
    #[must_use]
    pub fn chunk_mac(&self, plaintext: &[u8]) -> [u8; 32] {
        hmac_sha256(self.content.expose(), plaintext)
    }
}

/// A manifest, cut into its fields.
struct Parts<'a> {
    head: &'a [u8],
    salt: &'a [u8],
    /// Everything before the commitment.
    bound: &'a [u8],
    commitment: &'a [u8],
    stream: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(manifest: &'a [u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new(manifest, "backup manifest");
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(reader.malformed());
        }
        let head = reader.field()?;
        let salt = reader.take(SALT_LEN)?;
        let commitment = reader.take(COMMITMENT_LEN)?;
        let stream = reader.rest();
        let bound = &manifest[..manifest.len() - stream.len() - COMMITMENT_LEN];
        Ok(Self { head, salt, bound, commitment, stream })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key32 {
        Key32::from_slice(&[7; 32]).unwrap()
    }

    #[test]
    fn a_manifest_opens_to_its_body_and_shows_its_head() {
        for len in [0, 1, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 3 * SEGMENT_LEN] {
            let body: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let file = seal_backup_manifest(&key(), b"head", &body);
            assert_eq!(backup_manifest_head(&file), Ok(&b"head"[..]));
            assert!(open_backup_manifest(&key(), &file).unwrap()[..] == body);
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let file = seal_backup_manifest(&key(), b"head", b"body");
        for bit in 0..file.len() * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open_backup_manifest(&key(), &bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn cut_and_extended_manifests_are_refused() {
        let file = seal_backup_manifest(&key(), b"head", &[1; SEGMENT_LEN + 1]);
        for len in (0..200).chain(file.len() - 100..file.len()).chain([SEGMENT_LEN + 28 + 80]) {
            assert!(open_backup_manifest(&key(), &file[..len]).is_err(), "cut to {len}");
        }
        let whole_segments = 8 + 4 + 4 + 64 + SEGMENT_LEN + 28;
        assert!(open_backup_manifest(&key(), &file[..whole_segments]).is_err(), "the last segment is missing");
        assert!(open_backup_manifest(&key(), &[&file[..], b"more"].concat()).is_err());
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let mut file = seal_backup_manifest(&key(), b"head", b"body");
        assert_eq!(open_backup_manifest(&Key32::generate(), &file).unwrap_err(), OpenError::WrongKey);
        *file.last_mut().unwrap() ^= 1;
        assert!(matches!(open_backup_manifest(&key(), &file), Err(OpenError::Tampered(_))));
    }

    #[test]
    fn the_same_body_never_seals_to_the_same_bytes() {
        assert_ne!(seal_backup_manifest(&key(), b"", b"body"), seal_backup_manifest(&key(), b"", b"body"));
    }

    #[test]
    fn a_stream_of_another_length_does_not_open() {
        let sealed = seal_stream(&PartKeys::new(key(), None), b"some rows");
        let open = |plain_len, sealed| open_stream(PartKeys::new(key(), None), plain_len, sealed);
        assert!(open(9, sealed.clone()).unwrap()[..] == b"some rows"[..]);
        assert!(open(8, sealed.clone()).is_err());
        assert!(open(9, [sealed, vec![0]].concat()).is_err());
        assert!(open(0, Vec::new()).is_err());
    }

    #[test]
    fn hashes_of_chunks_depend_on_the_series() {
        let (one, other) = (BackupSeries::new(&key()), BackupSeries::new(&Key32::generate()));
        assert_eq!(one.chunk_mac(b"rows"), BackupSeries::new(&key()).chunk_mac(b"rows"));
        assert_ne!(one.chunk_mac(b"rows"), other.chunk_mac(b"rows"));
        assert_ne!(one.boundary(b"row"), other.boundary(b"row"));
        assert_ne!(one.boundary(b"row").to_be_bytes(), one.chunk_mac(b"row")[..8]);
    }
}
