//! Frames of the journal: the rows that one batch of commits leaves, sealed. The layout is docs/spec/journal.md.

use bytes::Bytes;
use coffer_crypto::{AeadKey, Key32, NONCE_LEN, OVERHEAD, TAG_LEN, random_array};

use super::overlay::Rows;

/// What every frame starts with.
const MAGIC: &[u8; 8] = b"cofferjl";
/// The version of the layout.
const VERSION: u32 = 1;
/// Bytes before the sealed rows.
pub(super) const HEADER_LEN: usize = 40;
/// Frames start and end at multiples of this: none shares a block with another, so none is written twice.
pub(super) const BLOCK_LEN: u64 = 4096;
/// The length that stands for a deleted row.
const DELETED: u32 = u32::MAX;

/// Seals and opens the frames of one journal.
pub(super) struct FrameKeys {
    journal_key: Key32,
    id: [u8; 16],
    /// The salt and the key of this run.
    run: ([u8; 16], AeadKey),
    /// Those of the run whose frame was opened last.
    opened: Option<([u8; 16], AeadKey)>,
}

/// What the header of a frame says; nothing of it is to be believed until the frame opens.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// Where the frame stands in the order of all frames.
    pub(super) seq: u64,
    salt: [u8; 16],
    body_len: u32,
    bytes: [u8; HEADER_LEN],
}

impl FrameKeys {
    /// The keys of the journal `id`, with a new one for this run.
    pub(super) fn new(journal_key: &Key32, id: [u8; 16]) -> Self {
        let salt = random_array();
        let run = (salt, run_key(journal_key, &salt, &id));
        let journal_key = Key32::from_slice(journal_key.expose()).expect("a key has the length of a key");
        Self { journal_key, id, run, opened: None }
    }

    /// The frame of `rows`, whole blocks.
    ///
    /// `None`: they are too many for one.
    pub(super) fn seal(&self, seq: u64, rows: &Rows) -> Option<Vec<u8>> {
        let body_len = body_len(rows)?;
        let frame_len = whole_blocks(body_len)?;
        let mut frame = Vec::with_capacity(frame_len);
        frame.extend_from_slice(MAGIC);
        frame.extend_from_slice(&VERSION.to_be_bytes());
        frame.extend_from_slice(&body_len.to_be_bytes());
        frame.extend_from_slice(&seq.to_be_bytes());
        frame.extend_from_slice(&self.run.0);
        frame.resize(HEADER_LEN + NONCE_LEN, 0);
        for (key, value) in rows {
            let value_len = value.as_ref().map_or(DELETED, |value| value.len() as u32);
            frame.extend_from_slice(&(key.len() as u32).to_be_bytes());
            frame.extend_from_slice(&value_len.to_be_bytes());
            frame.extend_from_slice(key);
            frame.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        frame.resize(frame.len() + TAG_LEN, 0);
        let (header, body) = frame.split_at_mut(HEADER_LEN);
        self.run.1.seal_in_place(header, body);
        frame.resize(frame_len, 0);
        Some(frame)
    }

    /// Opens the body of the frame that `header` heads; `None` when it is not one of this journal.
    pub(super) fn open(&mut self, header: &Header, mut body: Vec<u8>) -> Option<Rows> {
        if self.opened.as_ref().is_none_or(|(salt, _)| *salt != header.salt) {
            self.opened = Some((header.salt, run_key(&self.journal_key, &header.salt, &self.id)));
        }
        let (_, key) = self.opened.as_ref()?;
        let len = key.open_in_place(&header.bytes, &mut body).ok()?.len();
        parse_rows(&Bytes::from(body).slice(NONCE_LEN..NONCE_LEN + len))
    }
}

fn run_key(journal_key: &Key32, salt: &[u8; 16], id: &[u8; 16]) -> AeadKey {
    AeadKey::new(&coffer_seal::journal_run_key(journal_key, salt, id))
}

impl Header {
    /// Reads a header; `None` when the bytes are none.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (body_len, rest) = rest.split_first_chunk::<4>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let salt = *rest.first_chunk::<16>()?;
        if magic != MAGIC || u32::from_be_bytes(*version) != VERSION {
            return None;
        }
        let body_len = u32::from_be_bytes(*body_len);
        whole_blocks(body_len)?;
        Some(Self { seq: u64::from_be_bytes(*seq), salt, body_len, bytes: *bytes })
    }

    /// Bytes of the sealed rows.
    pub(super) fn body_len(&self) -> usize {
        self.body_len as usize
    }

    /// Bytes of the frame, whole blocks.
    pub(super) fn frame_len(&self) -> u64 {
        (HEADER_LEN as u64 + u64::from(self.body_len)).next_multiple_of(BLOCK_LEN)
    }
}

/// Bytes of the sealed `rows`, if a frame can hold them.
fn body_len(rows: &Rows) -> Option<u32> {
    let mut len = OVERHEAD;
    for (key, value) in rows {
        len = len.checked_add(8 + key.len() + value.as_ref().map_or(0, Bytes::len))?;
    }
    u32::try_from(len).ok()
}

/// Bytes of the frame of `rows`, if one can hold them.
pub(super) fn frame_len(rows: &Rows) -> Option<u64> {
    whole_blocks(body_len(rows)?).map(|len| len as u64)
}

fn whole_blocks(body_len: u32) -> Option<usize> {
    let len = usize::try_from(body_len).ok()?.checked_add(HEADER_LEN)?;
    (body_len as usize >= OVERHEAD).then_some(len.next_multiple_of(BLOCK_LEN as usize))
}

/// Reads opened rows; `None` when they are not what [`FrameKeys::seal`] writes.
fn parse_rows(body: &Bytes) -> Option<Rows> {
    let mut rows = Rows::new();
    let mut at = 0;
    while at < body.len() {
        let mut number = || {
            let bytes = body.get(at..at + 4)?;
            at += 4;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        let (key_len, value_len) = (number()?, number()?);
        let mut take = |len: u32| {
            let end = at.checked_add(len as usize).filter(|&end| end <= body.len())?;
            let bytes = body.slice(at..end);
            at = end;
            Some(bytes)
        };
        let key = take(key_len)?;
        let value = if value_len == DELETED { None } else { Some(take(value_len)?) };
        rows.insert(key, value);
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: u8) -> FrameKeys {
        FrameKeys::new(&Key32::from_slice(&[3; 32]).unwrap(), [id; 16])
    }

    fn rows() -> Rows {
        [
            (Bytes::from_static(b""), Some(Bytes::from_static(b"of the empty key"))),
            (Bytes::from_static(b"empty"), Some(Bytes::new())),
            (Bytes::from_static(b"gone"), None),
            (Bytes::from_static(b"long"), Some(Bytes::from(vec![9; 10_000]))),
        ]
        .into()
    }

    fn open(keys: &mut FrameKeys, frame: &[u8]) -> Option<(u64, Rows)> {
        let header = Header::parse(frame.first_chunk()?)?;
        let body = frame.get(HEADER_LEN..HEADER_LEN + header.body_len())?;
        Some((header.seq, keys.open(&header, body.to_vec())?))
    }

    #[test]
    fn a_frame_opens_to_what_was_sealed() {
        for rows in [Rows::new(), rows()] {
            let frame = keys(1).seal(77, &rows).unwrap();
            assert!(frame.len().is_multiple_of(BLOCK_LEN as usize));
            assert!(open(&mut keys(1), &frame) == Some((77, rows)), "another run opens it");
        }
    }

    #[test]
    fn a_frame_of_another_journal_does_not_open() {
        assert!(open(&mut keys(2), &keys(1).seal(1, &rows()).unwrap()).is_none());
    }

    #[test]
    fn every_changed_byte_that_counts_keeps_it_from_opening() {
        let frame = keys(1).seal(5, &rows()).unwrap();
        let header = Header::parse(frame.first_chunk().unwrap()).unwrap();
        for at in 0..HEADER_LEN + header.body_len() {
            let mut changed = frame.clone();
            changed[at] ^= 0x10;
            assert!(open(&mut keys(1), &changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn rows_that_end_early_are_none() {
        let mut body = Vec::new();
        for (key_len, value_len) in [(1_u32, 1_u32), (u32::MAX, 0), (0, u32::MAX - 1), (4, 0)] {
            body.clear();
            body.extend_from_slice(&key_len.to_be_bytes());
            body.extend_from_slice(&value_len.to_be_bytes());
            body.push(b'k');
            assert!(parse_rows(&Bytes::copy_from_slice(&body)).is_none(), "{key_len} {value_len}");
        }
        assert!(parse_rows(&Bytes::from_static(&[0; 7])).is_none());
    }
}
