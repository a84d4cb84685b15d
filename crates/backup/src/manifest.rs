//! The manifest of a backup: which chunks it has, and their keys.

use std::collections::BTreeMap;
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
    /// Files that it needs beside its manifest; other backups may need them, too.
    pub files: u64,
    /// Their bytes.
    pub stored_bytes: u64,
}

impl BackupInfo {
    /// The order in which backups were taken.
    pub(crate) fn order(&self) -> (u64, u64, BackupId) {
        (self.sequence, self.taken_ms, self.id)
    }
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

/// A sealed file.
pub(crate) struct Stored {
    /// Its name.
    pub(crate) file: [u8; 16],
    /// The key of its part stream, drawn for this file.
    pub(crate) key: Key32,
    /// Bytes of plaintext.
    pub(crate) plain_len: u64,
}

/// A chunk of a backup.
pub(crate) struct ChunkEntry {
    /// Where its rows are, or what the patch makes them of.
    pub(crate) stored: Stored,
    pub(crate) rows: u64,
    /// The keyed hash of its rows.
    pub(crate) mac: [u8; 32],
    /// The keyed hash of the key of its last row.
    pub(crate) end: u64,
    pub(crate) patch: Option<Patch>,
}

/// What changed in a chunk since it was written: a part of the plaintext of a file.
pub(crate) struct Patch {
    pub(crate) stored: Stored,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Stored {
    pub(crate) fn part_keys(&self) -> PartKeys {
        PartKeys::new(copy_of(&self.key), None)
    }

    pub(crate) fn len(&self) -> u64 {
        sealed_len(self.plain_len, 1)
    }

    pub(crate) fn copy(&self) -> Self {
        Self { key: copy_of(&self.key), ..*self }
    }
}

impl ChunkEntry {
    /// The files that the chunk needs.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Stored> {
        std::iter::once(&self.stored).chain(self.patch.as_ref().map(|patch| &patch.stored))
    }

    pub(crate) fn copy(&self) -> Self {
        let patch = self.patch.as_ref().map(|patch| Patch { stored: patch.stored.copy(), ..*patch });
        Self { stored: self.stored.copy(), patch, ..*self }
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
    #[n(5)]
    end: u64,
    #[n(6)]
    patch: Option<PatchRecord>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PatchRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    file: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(2)]
    plain_len: u64,
    #[n(3)]
    start: u64,
    #[n(4)]
    len: u64,
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

impl Drop for PatchRecord {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Stored {
    /// `None` for a length that no file has.
    fn take(file: [u8; 16], key: &mut [u8; 32], plain_len: u64) -> Option<Self> {
        let key = Key32::take(key);
        (1..=MAX_PLAIN_LEN).contains(&plain_len).then_some(Self { file, key, plain_len })
    }
}

impl ChunkRecord {
    fn new(chunk: &ChunkEntry) -> Self {
        let ChunkEntry { stored: Stored { file, key, plain_len }, rows, mac, end, patch } = chunk;
        let patch = patch.as_ref().map(|Patch { stored: Stored { file, key, plain_len }, start, len }| PatchRecord {
            file: *file,
            key: *key.expose(),
            plain_len: *plain_len,
            start: *start,
            len: *len,
        });
        Self { file: *file, key: *key.expose(), plain_len: *plain_len, rows: *rows, mac: *mac, end: *end, patch }
    }

    /// `None` when it says what no chunk can be.
    fn entry(&mut self) -> Option<ChunkEntry> {
        let stored = Stored::take(self.file, &mut self.key, self.plain_len)?;
        let patch = match &mut self.patch {
            Some(PatchRecord { file, key, plain_len, start, len }) => {
                let stored = Stored::take(*file, key, *plain_len)?;
                let is_inside = *len > 0 && start.checked_add(*len).is_some_and(|end| end <= *plain_len);
                Some(is_inside.then_some(Patch { stored, start: *start, len: *len })?)
            }
            None => None,
        };
        Some(ChunkEntry { stored, rows: self.rows, mac: self.mac, end: self.end, patch })
    }
}

impl Manifest {
    /// The body, to be sealed.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let record = ManifestRecord {
            id: self.id.0,
            sequence: self.sequence,
            taken_ms: self.taken_ms,
            series_key: *self.series_key.expose(),
            rows: self.rows,
            chunks: self.chunks.iter().map(ChunkRecord::new).collect(),
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
            chunks.push(chunk.entry()?);
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
        let files = self.files();
        BackupInfo {
            id: self.id,
            sequence: self.sequence,
            taken_ms: self.taken_ms,
            rows: self.rows,
            chunks: self.chunks.len() as u64,
            files: files.len() as u64,
            stored_bytes: files.values().sum(),
        }
    }

    /// The names of the files that the backup needs, and their lengths.
    pub(crate) fn files(&self) -> BTreeMap<[u8; 16], u64> {
        self.chunks.iter().flat_map(ChunkEntry::files).map(|stored| (stored.file, stored.len())).collect()
    }
}

/// No file has more plaintext: a reader keeps it in memory.
const MAX_PLAIN_LEN: u64 = 1 << 30;

/// Reads what the body of a manifest says; `None` unless it is one.
#[must_use]
pub fn read_manifest_body(body: &[u8]) -> Option<BackupInfo> {
    Manifest::decode(body).map(|manifest| manifest.info())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let stored =
            |byte: u8| Stored { file: [byte; 16], key: Key32::from_slice(&[byte; 32]).unwrap(), plain_len: 1000 };
        let chunk = |byte: u8| ChunkEntry {
            stored: stored(byte),
            rows: u64::from(byte),
            mac: [byte; 32],
            end: u64::from(byte),
            patch: (byte == 2).then(|| Patch { stored: stored(7), start: 900, len: 100 }),
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
        assert!(read.chunks.iter().zip(&manifest().chunks).all(|(a, b)| a.mac == b.mac && a.end == b.end));
        assert_eq!(read.files(), manifest().files());
        assert_eq!(read.files().len(), 3, "a patch is in a file, too");
        assert_eq!(read.chunks[1].stored.key.expose(), &[2; 32]);
        assert_eq!(read.series_key.expose(), &[8; 32]);
    }

    #[test]
    fn bodies_that_do_not_add_up_are_refused() {
        let mut other = manifest();
        other.rows = 4;
        assert!(Manifest::decode(&other.encode()).is_none(), "rows");
        for plain_len in [0, MAX_PLAIN_LEN + 1, u64::MAX] {
            let mut other = manifest();
            other.chunks[0].stored.plain_len = plain_len;
            assert!(Manifest::decode(&other.encode()).is_none(), "{plain_len}");
        }
        for (start, len) in [(901, 100), (0, 0), (0, 1001), (u64::MAX, 2), (2, u64::MAX)] {
            let mut other = manifest();
            let Some(patch) = &mut other.chunks[1].patch else { panic!("the second has a patch") };
            (patch.start, patch.len) = (start, len);
            assert!(Manifest::decode(&other.encode()).is_none(), "{start} {len}");
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
