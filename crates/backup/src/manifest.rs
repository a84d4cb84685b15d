//! The manifest of a backup: which chunks it has, and their keys.

use std::fmt;

use coffer_crypto::Key32;
use coffer_seal::{PartKeys, sealed_len};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize as _, Zeroizing};

/// The id of a backup, which is the name of its manifest: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(pub [u8; 16]);

impl BackupId {
    /// Reads an id from 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).ok()?;
        (hex::encode(id) == text).then_some(Self(id))
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What there is to tell of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its id.
    pub id: BackupId,
    /// How many backups the folder has had, this one included.
    pub sequence: u64,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    /// Rows.
    pub rows: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of its chunks, as they are stored; other backups may have them, too.
    pub stored_bytes: u64,
}

/// A manifest, opened.
pub(crate) struct Manifest {
    pub(crate) id: BackupId,
    pub(crate) sequence: u64,
    pub(crate) taken_ms: u64,
    pub(crate) series_key: Key32,
    pub(crate) rows: u64,
    pub(crate) chunks: Vec<ChunkEntry>,
}

/// A chunk of a backup.
pub(crate) struct ChunkEntry {
    /// The name of its file.
    pub(crate) file: [u8; 16],
    /// The key of its part stream, drawn for this file.
    pub(crate) key: Key32,
    /// Bytes of plaintext.
    pub(crate) plain_len: u64,
    pub(crate) rows: u64,
    /// The keyed hash of its plaintext.
    pub(crate) mac: [u8; 32],
}

impl ChunkEntry {
    pub(crate) fn part_keys(&self) -> PartKeys {
        PartKeys::new(copy_of(&self.key), None)
    }

    pub(crate) fn stored_len(&self) -> u64 {
        sealed_len(self.plain_len, 1)
    }

    pub(crate) fn copy(&self) -> Self {
        Self { key: copy_of(&self.key), ..*self }
    }
}

pub(crate) fn copy_of(key: &Key32) -> Key32 {
    Key32::from_slice(key.expose()).expect("a key has the length of a key")
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ManifestRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    sequence: u64,
    #[n(2)]
    taken_ms: u64,
    #[cbor(n(3), with = "minicbor::bytes")]
    series_key: [u8; 32],
    #[n(4)]
    rows: u64,
    #[n(5)]
    chunks: Vec<ChunkRecord>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ChunkRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    file: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(2)]
    plain_len: u64,
    #[n(3)]
    rows: u64,
    #[cbor(n(4), with = "minicbor::bytes")]
    mac: [u8; 32],
}

impl Drop for ManifestRecord {
    fn drop(&mut self) {
        self.series_key.zeroize();
    }
}

impl Drop for ChunkRecord {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Manifest {
    /// The body, to be sealed.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let chunk = |chunk: &ChunkEntry| ChunkRecord {
            file: chunk.file,
            key: *chunk.key.expose(),
            plain_len: chunk.plain_len,
            rows: chunk.rows,
            mac: chunk.mac,
        };
        let record = ManifestRecord {
            id: self.id.0,
            sequence: self.sequence,
            taken_ms: self.taken_ms,
            series_key: *self.series_key.expose(),
            rows: self.rows,
            chunks: self.chunks.iter().map(chunk).collect(),
        };
        Zeroizing::new(minicbor::to_vec(&record).unwrap_or_else(|_| unreachable!("a Vec takes any bytes")))
    }

    /// Reads a body; `None` unless it is one.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut decoder = minicbor::Decoder::new(body);
        let mut record: ManifestRecord = decoder.decode().ok()?;
        if decoder.position() != body.len() {
            return None;
        }
        let mut chunks = Vec::with_capacity(record.chunks.len());
        let mut rows = 0_u64;
        for chunk in &mut record.chunks {
            rows = rows.checked_add(chunk.rows)?;
            let key = Key32::take(&mut chunk.key);
            let ChunkRecord { file, plain_len, rows, mac, .. } = *chunk;
            if plain_len == 0 || plain_len > MAX_CHUNK_LEN {
                return None;
            }
            chunks.push(ChunkEntry { file, key, plain_len, rows, mac });
        }
        (rows == record.rows).then(|| Self {
            id: BackupId(record.id),
            sequence: record.sequence,
            taken_ms: record.taken_ms,
            series_key: Key32::take(&mut record.series_key),
            rows,
            chunks,
        })
    }

    pub(crate) fn info(&self) -> BackupInfo {
        BackupInfo {
            id: self.id,
            sequence: self.sequence,
            taken_ms: self.taken_ms,
            rows: self.rows,
            chunks: self.chunks.len() as u64,
            stored_bytes: self.chunks.iter().map(ChunkEntry::stored_len).sum(),
        }
    }
}

/// No chunk is longer: a reader keeps one in memory.
const MAX_CHUNK_LEN: u64 = 1 << 30;

/// Reads what the body of a manifest says; `None` unless it is one.
#[must_use]
pub fn read_manifest_body(body: &[u8]) -> Option<BackupInfo> {
    Manifest::decode(body).map(|manifest| manifest.info())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let chunk = |byte: u8| ChunkEntry {
            file: [byte; 16],
            key: Key32::from_slice(&[byte; 32]).unwrap(),
            plain_len: 1000,
            rows: u64::from(byte),
            mac: [byte; 32],
        };
        Manifest {
            id: BackupId([9; 16]),
            sequence: 3,
            taken_ms: 1_800_000_000_000,
            series_key: Key32::from_slice(&[8; 32]).unwrap(),
            rows: 3,
            chunks: vec![chunk(1), chunk(2)],
        }
    }

    #[test]
    fn a_body_reads_back() {
        let read = Manifest::decode(&manifest().encode()).unwrap();
        assert_eq!(read.info(), manifest().info());
        assert!(read.chunks.iter().zip(&manifest().chunks).all(|(a, b)| a.mac == b.mac && a.file == b.file));
        assert_eq!(read.chunks[1].key.expose(), &[2; 32]);
        assert_eq!(read.series_key.expose(), &[8; 32]);
    }

    #[test]
    fn bodies_that_do_not_add_up_are_refused() {
        let mut other = manifest();
        other.rows = 4;
        assert!(Manifest::decode(&other.encode()).is_none(), "rows");
        for plain_len in [0, MAX_CHUNK_LEN + 1, u64::MAX] {
            let mut other = manifest();
            other.chunks[0].plain_len = plain_len;
            assert!(Manifest::decode(&other.encode()).is_none(), "{plain_len}");
        }
        let body = manifest().encode();
        assert!(Manifest::decode(&[&body[..], &[0]].concat()).is_none(), "more bytes");
        for len in 0..body.len() {
            assert!(Manifest::decode(&body[..len]).is_none(), "cut to {len}");
        }
    }

    #[test]
    fn an_id_is_32_lower_case_digits() {
        let id = BackupId([0xab; 16]);
        assert_eq!(BackupId::parse(&id.to_string()), Some(id));
        for text in ["", "ab", &"AB".repeat(16), &"ab".repeat(17), &"xy".repeat(16)] {
            assert_eq!(BackupId::parse(text), None, "{text}");
        }
    }
}
