//! The journal's file: frames one after the other, in a ring that grows up to a limit.

use std::io;

use super::frame::{BLOCK_LEN, FrameKeys, HEADER_LEN, Header};
use super::overlay::Rows;
use crate::pages::Disk;

/// Where frames start: before them is the head, a frame without rows that tells whose journal it is.
pub(super) const FIRST: u64 = BLOCK_LEN;
/// Bytes by which the file grows, at least.
const GROWTH: u64 = 1 << 20;

/// The end of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the frame.
    pub(super) seq: u64,
    /// The byte after it.
    pub(super) offset: u64,
}

impl Default for Position {
    /// Before the first frame of a new file.
    fn default() -> Self {
        Self { seq: 0, offset: FIRST }
    }
}

/// The frames that the tree does not have yet lie from `tail` to `head`, through the end of the file or not.
pub(super) struct Log {
    disk: Box<dyn Disk>,
    keys: FrameKeys,
    len: u64,
    max_len: u64,
    tail: u64,
    head: Position,
    /// Whether no frame is needed any more.
    empty: bool,
}

/// Why a journal cannot be opened or read.
#[derive(Debug)]
pub(super) enum LogError {
    /// It is not what was written.
    Damaged(&'static str),
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What became of a frame.
pub(super) enum Appended {
    /// It is on stable storage, and ends here.
    Durable(Position),
    /// There is no room until the tree has taken older frames.
    Full,
}

impl Log {
    /// Makes an empty journal, whose frames follow `before`, and returns when it is durable.
    pub(super) fn create(disk: Box<dyn Disk>, keys: FrameKeys, before: u64, max_len: u64) -> io::Result<Self> {
        disk.set_len(0)?;
        let head = Position { seq: before, offset: FIRST };
        let mut log = Self { disk, keys, len: 0, max_len, tail: FIRST, head, empty: true };
        log.grow(GROWTH.min(max_len).max(2 * BLOCK_LEN))?;
        let frame = log.keys.seal(before, &Rows::new()).expect("a frame of no rows is short");
        log.disk.write(0, &frame)?;
        log.disk.sync()?;
        Ok(log)
    }

    /// Opens a journal of which the tree has every row up to `taken`, and returns the rows after that, too.
    pub(super) fn open(
        disk: Box<dyn Disk>,
        keys: FrameKeys,
        taken: Position,
        max_len: u64,
    ) -> Result<(Self, Rows), LogError> {
        let len = disk.len()?;
        let mut log = Self { disk, keys, len, max_len, tail: taken.offset, head: taken, empty: true };
        if log.read_at(0)?.is_none() {
            return Err(LogError::Damaged("it is not the journal of this store"));
        }
        if !taken.offset.is_multiple_of(BLOCK_LEN) || !(FIRST..=len).contains(&taken.offset) {
            return Err(LogError::Damaged("it is cut short"));
        }
        let mut rows = Rows::new();
        let mut wrapped = false;
        while let Some((end, found)) = log.next_frame(&mut wrapped)? {
            rows.extend(found);
            log.head = end;
            log.empty = false;
        }
        // A frame is written once the one before it is durable, so what did not open is the last one, which nobody was
        // promised; or there is a later one, and it is damage.
        if log.finds_later()? {
            return Err(LogError::Damaged("a frame before the last one does not open"));
        }
        Ok((log, rows))
    }

    /// The frame after the head: behind it, or at the start of the ring if that was not passed yet.
    fn next_frame(&mut self, wrapped: &mut bool) -> Result<Option<(Position, Rows)>, LogError> {
        let seq = self.head.seq + 1;
        let mut places = vec![self.head.offset];
        if !*wrapped && self.head.offset != FIRST {
            places.push(FIRST);
        }
        for place in places {
            if let Some((header, rows)) = self.read_at(place)?
                && header.seq == seq
            {
                *wrapped |= place == FIRST && self.head.offset != FIRST;
                return Ok(Some((Position { seq, offset: place + header.frame_len() }, rows)));
            }
        }
        Ok(None)
    }

    /// Whether any frame opens that follows the one after the head.
    fn finds_later(&mut self) -> Result<bool, LogError> {
        let mut place = FIRST;
        while place < self.len {
            if let Some(header) = self.header_at(place)?
                && header.seq > self.head.seq + 1
                && self.read_at(place)?.is_some()
            {
                return Ok(true);
            }
            place += BLOCK_LEN;
        }
        Ok(false)
    }

    fn header_at(&self, place: u64) -> Result<Option<Header>, LogError> {
        if place + BLOCK_LEN > self.len {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_LEN];
        self.disk.read(place, &mut bytes)?;
        Ok(Header::parse(&bytes).filter(|header| place + header.frame_len() <= self.len))
    }

    fn read_at(&mut self, place: u64) -> Result<Option<(Header, Rows)>, LogError> {
        let Some(header) = self.header_at(place)? else { return Ok(None) };
        let mut body = vec![0; header.body_len()];
        self.disk.read(place + HEADER_LEN as u64, &mut body)?;
        Ok(self.keys.open(&header, body).map(|rows| (header, rows)))
    }

    /// Where the last frame ends.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// Whether more than half of the ring is in use: time for the tree to take frames.
    pub(super) fn is_half_full(&self) -> bool {
        let used = match (self.empty, self.head.offset.checked_sub(self.tail)) {
            (true, _) => 0,
            (false, Some(used)) if used > 0 => used,
            (false, _) => self.len - self.tail + self.head.offset - FIRST,
        };
        used > self.max_len / 2
    }

    /// Gives the frames up to `taken` free: the tree has their rows, durably.
    pub(super) fn free(&mut self, taken: Position) {
        self.tail = taken.offset;
        self.empty = taken.seq == self.head.seq;
    }

    /// Writes a frame of `rows`, at most half as long as the ring may be, and returns when it is durable. After an error
    /// nothing is known of the file.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn append(&mut self, rows: &Rows) -> io::Result<Appended> {
        let seq = self.head.seq + 1;
        let frame = self.keys.seal(seq, rows).ok_or_else(|| io::Error::other("too many rows for a frame"))?;
        let frame_len = frame.len() as u64;
        let Some(place) = self.place(frame_len)? else { return Ok(Appended::Full) };
        self.disk.write(place, &frame)?;
        self.disk.sync()?;
        if self.empty {
            self.tail = place;
        }
        self.empty = false;
        self.head = Position { seq, offset: place + frame_len };
        Ok(Appended::Durable(self.head))
    }

    /// Where a frame of `frame_len` bytes goes, if anywhere. It never ends where the oldest one begins, which would look
    /// like a ring without frames.
    fn place(&mut self, frame_len: u64) -> io::Result<Option<u64>> {
        let (tail, head) = (self.tail, self.head.offset);
        if self.empty {
            if head + frame_len <= self.len {
                return Ok(Some(head));
            }
            if FIRST + frame_len <= self.len || self.grow(FIRST + frame_len)? {
                return Ok(Some(FIRST));
            }
            return Ok(None);
        }
        if head <= tail {
            return Ok((head + frame_len < tail).then_some(head));
        }
        if head + frame_len <= self.len {
            return Ok(Some(head));
        }
        if FIRST + frame_len < tail {
            return Ok(Some(FIRST));
        }
        Ok(self.grow(head + frame_len)?.then_some(head))
    }

    /// Makes the file at least `least` bytes long, if it may be and the disk has the room. What it gains is written, so
    /// that a frame later costs the disk no more than its own bytes.
    fn grow(&mut self, least: u64) -> io::Result<bool> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        if least > self.max_len {
            return Ok(false);
        }
        let wanted = least.max((self.len * 2).max(GROWTH)).min(self.max_len).next_multiple_of(BLOCK_LEN);
        let write = || {
            self.disk.set_len(wanted)?;
            let mut at = self.len;
            while at < wanted {
                let run = (wanted - at).min(ZEROS.len() as u64);
                self.disk.write(at, &ZEROS[..run as usize])?;
                at += run;
            }
            Ok(())
        };
        match write() {
            Ok(()) => {
                self.len = wanted;
                Ok(true)
            }
            Err(error) if is_full(&error) && self.len > 0 => {
                self.disk.set_len(self.len)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
