//! Sealed pages: what redb takes for its file. The layout is docs/spec/pages.md.
//!
//! [`SealedPages`] maps the pages of redb to sealed slots of a [`disk::Disk`]. Page 0, which redb changes in place with
//! every commit, lives in two [`head`] slots that are written in turn.

mod backend;
mod catch;
mod disk;
mod fault;
mod head;
mod keys;
mod sealed;
#[cfg(test)]
pub(crate) mod sim_disk;
#[cfg(test)]
mod tests;

pub(crate) use backend::Backend;
pub(crate) use catch::catch;
pub(crate) use disk::{Disk, FileDisk};
pub(crate) use fault::{Fault, Faults};
pub use keys::PageKeys;
pub(crate) use sealed::{FormatError, SealedPages};

/// Bytes in a page.
pub(crate) const PAGE_LEN: usize = 4096;
/// Bytes of a page's slot: epoch (4), nonce (12), sealed page, tag (16).
pub(crate) const SLOT_LEN: usize = EPOCH_LEN + PAGE_LEN + coffer_crypto::OVERHEAD;
/// Bytes of the epoch in front of every slot.
const EPOCH_LEN: usize = 4;
/// Bytes before the slots: room for two heads, which share no 4 KiB block.
pub(crate) const HEADS_LEN: u64 = 2 * HEAD_ROOM;
/// Bytes between the starts of the two heads.
pub(crate) const HEAD_ROOM: u64 = 8192;
/// Slots sealed in one epoch. A key may seal 2^32; the distance covers what a crash leaves uncounted.
const SLOTS_PER_EPOCH: u64 = 1 << 26;

/// Where the slot of page `page` starts in the file. The slot of page 0 stays a hole: its page is in the heads.
pub(crate) fn slot_offset(page: u64) -> u64 {
    HEADS_LEN + page * SLOT_LEN as u64
}
