//! A disk whose power can be cut.
//!
//! The model: `live` is what reads see, `durable` what survived the last sync. When the power goes, every write
//! since then is on the platter wholly, not at all, or in some of its 512-byte sectors, in any order; changes of
//! the length happen in order, up to some point. A full disk takes writes to blocks it has, and no others.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::Disk;

const SECTOR_LEN: u64 = 512;
const BLOCK_LEN: u64 = 4096;

/// A handle on a simulated disk; clones share the disk.
#[derive(Clone)]
pub(crate) struct SimDisk {
    sim: Arc<Mutex<Sim>>,
    fate: Arc<Mutex<Fate>>,
}

/// What goes wrong and when: disks of one machine share it.
#[derive(Default)]
struct Fate {
    /// Calls that change something, so far.
    changes: usize,
    trouble: Option<Trouble>,
}

struct Sim {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// Blocks that need no further room.
    allocated: Vec<bool>,
    available: u64,
}

enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

/// What goes wrong, counted in calls that change something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// That call and every call after it fail.
    PowerCut(usize),
    /// That one call fails.
    Failure(usize),
    /// From that call on there is no room for new blocks.
    Full(usize),
}

impl SimDisk {
    /// A disk that holds `image`.
    pub(crate) fn new(image: &[u8]) -> Self {
        let sim = Sim {
            live: image.to_vec(),
            durable: image.to_vec(),
            unsynced: Vec::new(),
            allocated: image.chunks(BLOCK_LEN as usize).map(|block| block.iter().any(|&byte| byte != 0)).collect(),
            available: u64::MAX,
        };
        Self { sim: Arc::new(Mutex::new(sim)), fate: Arc::default() }
    }

    /// Another disk of the same machine: their calls are counted together, and trouble is trouble of both.
    pub(crate) fn beside(&self, image: &[u8]) -> Self {
        Self { fate: Arc::clone(&self.fate), ..Self::new(image) }
    }

    pub(crate) fn with(image: &[u8], trouble: Trouble) -> Self {
        let disk = Self::new(image);
        disk.set_trouble(Some(trouble));
        disk
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.fate.lock().unwrap().trouble = trouble;
    }

    pub(crate) fn set_available(&self, available: u64) {
        self.sim().available = available;
    }

    /// How many calls changed something so far.
    pub(crate) fn changes(&self) -> usize {
        self.fate.lock().unwrap().changes
    }

    /// What reads see.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.sim().live.clone()
    }

    /// Changes a bit of the byte at `offset` behind everybody's back.
    pub(crate) fn flip(&self, offset: usize) {
        let mut sim = self.sim();
        sim.live[offset] ^= 1;
        sim.durable[offset] ^= 1;
    }

    /// What a power cut leaves; every `seed` is another way for the unsynced writes to end. Of four seeds one keeps
    /// all of them, one most, one half, one few.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Vec<u8> {
        let sim = self.sim();
        let mut image = sim.durable.clone();
        let mut dice = Dice::new(seed);
        let whole = [16, 14, 5, 1][(seed % 4) as usize];
        let mut lengths_follow = true;
        for change in &sim.unsynced {
            match change {
                Change::SetLen(len) => {
                    lengths_follow &= dice.below(16) < whole;
                    if lengths_follow {
                        image.resize(*len as usize, 0);
                    }
                }
                Change::Write { offset, data } => match dice.below(16) {
                    roll if roll < whole => overlay(&mut image, *offset, data, || true),
                    roll if roll < (16 + whole) / 2 => overlay(&mut image, *offset, data, || dice.below(2) == 0),
                    _ => {}
                },
            }
        }
        image
    }

    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.sim.lock().unwrap()
    }

    /// Counts a call and lets it fail if its time has come; returns whether there is no room for new blocks.
    fn change(&self) -> io::Result<bool> {
        let mut fate = self.fate.lock().unwrap();
        let number = fate.changes;
        fate.changes += 1;
        match fate.trouble {
            Some(Trouble::PowerCut(from)) if number >= from => Err(io::Error::other("the power is gone")),
            Some(Trouble::Failure(at)) if number == at => Err(io::Error::other("the disk failed")),
            trouble => Ok(matches!(trouble, Some(Trouble::Full(from)) if number >= from)),
        }
    }
}

/// Writes the sectors of `data` that `keep` keeps, as far as the image reaches.
fn overlay(image: &mut [u8], offset: u64, data: &[u8], mut keep: impl FnMut() -> bool) {
    let end = (offset + data.len() as u64).min(image.len() as u64);
    let mut at = offset;
    while at < end {
        let next = (at / SECTOR_LEN + 1) * SECTOR_LEN;
        let next = next.min(end);
        if keep() {
            let part = &data[(at - offset) as usize..(next - offset) as usize];
            image[at as usize..next as usize].copy_from_slice(part);
        }
        at = next;
    }
}

impl Sim {
    fn allocate(&mut self, offset: u64, len: usize, full: bool) -> io::Result<()> {
        let blocks = (offset / BLOCK_LEN) as usize..(offset + len as u64).div_ceil(BLOCK_LEN) as usize;
        let missing = self.allocated[blocks.clone()].iter().any(|&allocated| !allocated);
        if full && missing {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.allocated[blocks].fill(true);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sim().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let sim = self.sim();
        let found = sim.live.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let full = self.change()?;
        let mut sim = self.sim();
        assert!(offset as usize + data.len() <= sim.live.len(), "a write beyond the end");
        sim.allocate(offset, data.len(), full)?;
        sim.live[offset as usize..][..data.len()].copy_from_slice(data);
        sim.unsynced.push(Change::Write { offset, data: data.to_vec() });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change()?;
        let mut sim = self.sim();
        sim.live.resize(len as usize, 0);
        sim.allocated.resize(len.div_ceil(BLOCK_LEN) as usize, false);
        sim.unsynced.push(Change::SetLen(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.change()?;
        let mut sim = self.sim();
        sim.unsynced.clear();
        sim.durable = sim.live.clone();
        Ok(())
    }

    fn available(&self) -> io::Result<u64> {
        Ok(self.sim().available)
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimDisk").finish_non_exhaustive()
    }
}

/// A xorshift generator: the same numbers from the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % bound
    }
}
