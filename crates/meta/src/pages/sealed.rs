//! The pages of redb over a disk that holds them sealed.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use coffer_crypto::AeadKey;
use thiserror::Error;

use super::disk::Disk;
use super::fault::{DamagedPage, Faults};
use super::head::{HEAD_LEN, Head, HeadError};
use super::keys::PageKeys;
use super::{EPOCH_LEN, HEAD_ROOM, HEADS_LEN, PAGE_LEN, SLOT_LEN, SLOTS_PER_EPOCH, slot_offset};

/// A file of sealed pages.
///
/// Nothing that redb writes reaches page 0 on disk before the next sync: a head is written whole, to the slot
/// that does not hold the last durable one.
pub(crate) struct SealedPages {
    disk: Box<dyn Disk>,
    keys: PageKeys,
    front: Mutex<Front>,
    sealer: RwLock<Sealer>,
    /// Slots that may still be sealed in this epoch.
    slots_left: AtomicU64,
    slots_per_epoch: u64,
    /// Pages in the file, page 0 included.
    page_count: AtomicU64,
    /// Pages from here on have not been written since the file grew: they are zero without a look at the disk.
    /// Every other page must open.
    written_end: AtomicU64,
    /// Pages written since the last sync.
    unsynced: Mutex<Vec<Range<u64>>>,
    /// Whether a slot that does not open reads as zeros.
    lenient: AtomicBool,
    faults: Arc<Faults>,
}

/// Page 0 as redb sees it, and as the disk has it.
struct Front {
    /// The last head that is on stable storage.
    durable: Head,
    /// Which head slot holds it.
    slot: u64,
    /// Page 0 with what was written since; `None`: nothing was.
    changed: Option<Box<[u8; PAGE_LEN]>>,
    /// Whether the other head did not open when the file was opened.
    fell_back: bool,
}

struct Sealer {
    epoch: u32,
    key: Arc<AeadKey>,
}

/// Why a file is not taken for sealed pages.
#[derive(Debug, Error)]
pub(crate) enum FormatError {
    #[error("not a metadata file")]
    NotMetadata,
    #[error("version {0} of the metadata file is not known")]
    Version(u32),
    #[error("sealed under another key")]
    WrongKey,
    #[error("{0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SealedPages {
    /// Makes `disk` a file of no pages in `epoch` and returns when that is durable. Whatever was there is lost.
    pub(crate) fn create(disk: &dyn Disk, keys: &PageKeys, epoch: u32) -> io::Result<()> {
        disk.set_len(0)?;
        disk.set_len(HEADS_LEN)?;
        let key = keys.derive(epoch);
        for slot in 0..2 {
            let head = Head { seq: slot, epoch, page: Box::new([0; PAGE_LEN]) };
            disk.write(slot * HEAD_ROOM, &head.seal(&key))?;
        }
        disk.sync()
    }

    /// Opens the file on `disk` and starts an epoch.
    ///
    /// Nothing is written unless the key is the right one.
    pub(crate) fn open(disk: Box<dyn Disk>, keys: PageKeys) -> Result<Self, FormatError> {
        Self::open_with(disk, keys, SLOTS_PER_EPOCH)
    }

    pub(super) fn open_with(disk: Box<dyn Disk>, keys: PageKeys, slots_per_epoch: u64) -> Result<Self, FormatError> {
        let front = read_front(&*disk, &keys)?;
        let page_count = page_count(&*disk)?;
        let sealer = Sealer { epoch: front.durable.epoch, key: keys.derive(front.durable.epoch) };
        let pages = Self {
            disk,
            keys,
            front: Mutex::new(front),
            sealer: RwLock::new(sealer),
            slots_left: AtomicU64::new(0),
            slots_per_epoch,
            page_count: AtomicU64::new(page_count),
            written_end: AtomicU64::new(page_count),
            unsynced: Mutex::default(),
            lenient: AtomicBool::new(false),
            faults: Arc::default(),
        };
        pages.start_epoch()?;
        Ok(pages)
    }

    /// Bytes that the disk can still allocate.
    pub(crate) fn available(&self) -> io::Result<u64> {
        self.disk.available()
    }

    /// What failed since the file was opened or [`SealedPages::rewind`] was called.
    pub(crate) fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// Whether the file was opened with the older head, because the newer is torn or damaged.
    ///
    /// A torn head is the trace of a sync that never returned: what the older head needs is whole then. A damaged
    /// one is not, and later writes may have reused pages of the older state. The two look alike, so redb must
    /// verify the checksum of every page it keeps.
    pub(crate) fn fell_back(&self) -> bool {
        lock(&self.front).fell_back
    }

    /// Whether redb verifies the checksum of every page when it opens the file as it is: the last commit was in
    /// one phase, and the file was not closed after it.
    pub(crate) fn needs_walk(&self) -> bool {
        const FLAGS: usize = 9;
        const RECOVERY_REQUIRED: u8 = 2;
        const TWO_PHASE_COMMIT: u8 = 4;
        let flags = lock(&self.front).page()[FLAGS];
        flags & RECOVERY_REQUIRED != 0 && flags & TWO_PHASE_COMMIT == 0
    }

    /// Says whether slots that do not open read as zeros: only while redb verifies every page it reads.
    pub(crate) fn set_lenient(&self, lenient: bool) {
        self.lenient.store(lenient, Ordering::Release);
    }

    /// Returns to the last durable state, as if the file were opened anew; redb must be opened anew on it.
    pub(crate) fn rewind(&self) -> Result<(), FormatError> {
        let mut front = lock(&self.front);
        front.changed = None;
        let page_count = page_count(&*self.disk)?;
        self.page_count.store(page_count, Ordering::Release);
        self.written_end.store(page_count, Ordering::Release);
        lock(&self.unsynced).clear();
        self.faults.clear();
        Ok(())
    }

    /// Starts the next epoch: both heads name it on stable storage before a page is sealed in it, so that the
    /// loss of one head never brings an epoch back.
    fn start_epoch(&self) -> io::Result<()> {
        let mut front = lock(&self.front);
        let mut sealer = self.sealer.write().unwrap_or_else(PoisonError::into_inner);
        let epoch = sealer.epoch.checked_add(1).ok_or_else(|| io::Error::other("all epochs are used up"))?;
        *sealer = Sealer { epoch, key: self.keys.derive(epoch) };
        for _ in 0..2 {
            self.write_head(&mut front, &sealer)?;
        }
        self.slots_left.store(self.slots_per_epoch, Ordering::Release);
        Ok(())
    }

    /// Writes page 0 to the standby head and syncs everything.
    ///
    /// A failure is never told as want of room: what a failed sync left behind is unknown.
    fn write_head(&self, front: &mut Front, sealer: &Sealer) -> io::Result<()> {
        let page = Box::new(*front.page());
        let head = Head { seq: front.durable.seq + 1, epoch: sealer.epoch, page };
        let slot = 1 - front.slot;
        self.disk.write(slot * HEAD_ROOM, &head.seal(&sealer.key)).map_err(io::Error::other)?;
        self.disk.sync().map_err(io::Error::other)?;
        *front = Front { durable: head, slot, changed: None, fell_back: front.fell_back };
        Ok(())
    }

    /// The length of the pages in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.page_count.load(Ordering::Acquire) * PAGE_LEN as u64
    }

    /// Fills `out` from byte `offset` of the pages.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, covered_len) = self.cover(offset, out.len())?;
        if covered_len == out.len() {
            return self.read_pages(first, out);
        }
        let mut covered = vec![0; covered_len];
        self.read_pages(first, &mut covered)?;
        out.copy_from_slice(&covered[offset_in_page(offset)..][..out.len()]);
        Ok(())
    }

    /// Writes `data` at byte `offset` of the pages.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (first, covered_len) = self.cover(offset, data.len())?;
        if covered_len == data.len() {
            return self.write_pages(first, data);
        }
        let mut covered = vec![0; covered_len];
        self.read_pages(first, &mut covered)?;
        covered[offset_in_page(offset)..][..data.len()].copy_from_slice(data);
        self.write_pages(first, &covered)
    }

    /// Cuts the pages to `len` bytes, or adds zero pages.
    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(PAGE_LEN as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a length is whole pages"));
        }
        let pages = len / PAGE_LEN as u64;
        self.written_end.fetch_min(pages, Ordering::AcqRel);
        self.disk.set_len(slot_offset(pages))?;
        self.page_count.store(pages, Ordering::Release);
        Ok(())
    }

    /// Returns once everything written is on stable storage.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut front = lock(&self.front);
        if front.changed.is_none() {
            self.disk.sync()?;
        } else {
            let sealer = self.sealer.read().unwrap_or_else(PoisonError::into_inner);
            self.write_head(&mut front, &sealer)?;
        }
        lock(&self.unsynced).clear();
        Ok(())
    }

    /// Whether one of the pages that `len` bytes from `offset` touch was written since the last sync.
    pub(super) fn is_unsynced(&self, offset: u64, len: usize) -> bool {
        let page_len = PAGE_LEN as u64;
        let (start, end) = (offset / page_len, (offset + len as u64).div_ceil(page_len));
        lock(&self.unsynced).iter().any(|written| written.start < end && start < written.end)
    }

    /// Fills `out`, whole pages, from page `first`.
    fn read_pages(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, out) = match out.split_at_mut_checked(PAGE_LEN) {
            Some((page, rest)) if first == 0 => {
                page.copy_from_slice(lock(&self.front).page());
                (1, rest)
            }
            _ => (first, out),
        };
        let written = self.written_end.load(Ordering::Acquire).saturating_sub(first);
        let written = usize::try_from(written).unwrap_or(usize::MAX).min(out.len() / PAGE_LEN);
        let (written, fresh) = out.split_at_mut(written * PAGE_LEN);
        fresh.fill(0);
        self.read_slots(first, written)
    }

    fn read_slots(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut slots = vec![0; out.len() / PAGE_LEN * SLOT_LEN];
        self.disk.read(slot_offset(first), &mut slots)?;
        for ((page, out), slot) in (first..).zip(out.chunks_exact_mut(PAGE_LEN)).zip(slots.chunks_exact_mut(SLOT_LEN)) {
            let (epoch, run) = slot.split_first_chunk_mut().expect("a slot starts with its epoch");
            match self.keys.open(u32::from_be_bytes(*epoch), &coffer_seal::page_aad(page), run) {
                Some(opened) => out.copy_from_slice(opened),
                None if self.lenient.load(Ordering::Acquire) => out.fill(0),
                None => return Err(io::Error::new(io::ErrorKind::InvalidData, DamagedPage(page))),
            }
        }
        Ok(())
    }

    /// Writes `data`, whole pages, from page `first`.
    fn write_pages(&self, first: u64, data: &[u8]) -> io::Result<()> {
        let (first, data) = match data.split_first_chunk::<PAGE_LEN>() {
            Some((page, rest)) if first == 0 => {
                lock(&self.front).changed = Some(Box::new(*page));
                (1, rest)
            }
            _ => (first, data),
        };
        if data.is_empty() {
            return Ok(());
        }
        let count = (data.len() / PAGE_LEN) as u64;
        self.take_slots(count)?;
        let mut slots = vec![0; data.len() / PAGE_LEN * SLOT_LEN];
        let sealer = self.sealer.read().unwrap_or_else(PoisonError::into_inner);
        for ((page, data), slot) in (first..).zip(data.chunks_exact(PAGE_LEN)).zip(slots.chunks_exact_mut(SLOT_LEN)) {
            let (epoch, run) = slot.split_at_mut(EPOCH_LEN);
            epoch.copy_from_slice(&sealer.epoch.to_be_bytes());
            run[coffer_crypto::NONCE_LEN..][..PAGE_LEN].copy_from_slice(data);
            sealer.key.seal_in_place(&coffer_seal::page_aad(page), run);
        }
        drop(sealer);
        lock(&self.unsynced).push(first..first + count);
        self.disk.write(slot_offset(first), &slots)?;
        self.written_end.fetch_max(first + count, Ordering::AcqRel);
        Ok(())
    }

    /// Counts `count` slots against the epoch, starting the next one when it is used up.
    fn take_slots(&self, count: u64) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(count);
        if self.slots_left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_err() {
            self.start_epoch()?;
            self.slots_left.fetch_sub(count.min(self.slots_per_epoch), Ordering::AcqRel);
        }
        Ok(())
    }

    /// The pages that `len` bytes from `offset` touch: the first, and the bytes from its start to the end of the last.
    fn cover(&self, offset: u64, len: usize) -> io::Result<(u64, usize)> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len());
        let end = end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the last page"))?;
        let first = offset / PAGE_LEN as u64;
        let pages = end.div_ceil(PAGE_LEN as u64) - first;
        Ok((first, pages as usize * PAGE_LEN))
    }
}

impl Front {
    fn page(&self) -> &[u8; PAGE_LEN] {
        self.changed.as_ref().unwrap_or(&self.durable.page)
    }
}

/// Chooses between the two heads.
fn read_front(disk: &dyn Disk, keys: &PageKeys) -> Result<Front, FormatError> {
    if disk.len()? < HEADS_LEN {
        return Err(FormatError::NotMetadata);
    }
    let mut bytes = [0; HEAD_LEN];
    let mut read = |slot| {
        disk.read(slot * HEAD_ROOM, &mut bytes)?;
        io::Result::Ok(Head::open(keys, &bytes))
    };
    let (durable, slot, fell_back) = match (read(0)?, read(1)?) {
        (Ok(a), Ok(b)) if a.seq > b.seq => (a, 0, false),
        (Ok(_), Ok(b)) => (b, 1, false),
        (Ok(a), Err(_)) => (a, 0, true),
        (Err(_), Ok(b)) => (b, 1, true),
        (Err(a), Err(b)) => return Err(both_bad(a, b)),
    };
    Ok(Front { durable, slot, changed: None, fell_back })
}

/// A key check that opens proves the key right, whatever else is wrong with either head.
fn both_bad(a: HeadError, b: HeadError) -> FormatError {
    let either = [a, b];
    if either.contains(&HeadError::Damaged) {
        return FormatError::Damaged("both heads are damaged");
    }
    if either.contains(&HeadError::WrongKey) {
        return FormatError::WrongKey;
    }
    match (a, b) {
        (HeadError::Version(version), _) | (_, HeadError::Version(version)) => FormatError::Version(version),
        _ => FormatError::NotMetadata,
    }
}

fn page_count(disk: &dyn Disk) -> Result<u64, FormatError> {
    let slots_len = disk.len()?.checked_sub(HEADS_LEN).ok_or(FormatError::Damaged("the file is cut short"))?;
    if !slots_len.is_multiple_of(SLOT_LEN as u64) {
        return Err(FormatError::Damaged("the file ends inside a page"));
    }
    Ok(slots_len / SLOT_LEN as u64)
}

fn offset_in_page(offset: u64) -> usize {
    (offset % PAGE_LEN as u64) as usize
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for SealedPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedPages").field("len", &self.len()).finish_non_exhaustive()
    }
}
