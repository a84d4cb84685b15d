//! Keys and AAD of sealed pages and of the journal before them. The metadata engine lays both out and does their IO.

use coffer_crypto::Key32;

use crate::derive::{FIXED_SALT, derive_key};

/// The key of the pages written in one epoch of the engine's file.
#[must_use]
pub fn page_key(metadata_key: &Key32, epoch: u32) -> Key32 {
    derive_key(metadata_key, FIXED_SALT, "page", &epoch.to_be_bytes())
}

/// What the page at `page_number` is bound to: `"page" || u64(page_number)`.
#[must_use]
pub fn page_aad(page_number: u64) -> [u8; 12] {
    let mut aad = *b"page\0\0\0\0\0\0\0\0";
    aad[4..].copy_from_slice(&page_number.to_be_bytes());
    aad
}

/// The key from which the keys of the engine's journal are derived.
#[must_use]
pub fn journal_key(metadata_key: &Key32) -> Key32 {
    derive_key(metadata_key, FIXED_SALT, "journal", b"")
}

/// The key of the frames that one run of the engine writes: `salt` is drawn when the run begins, `id` is that of the
/// journal.
#[must_use]
pub fn journal_run_key(journal_key: &Key32, salt: &[u8; 16], id: &[u8; 16]) -> Key32 {
    derive_key(journal_key, salt, "run", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_and_every_journal_has_its_own_key() {
        let key = journal_key(&Key32::generate());
        let run = |salt: u8, id: u8| journal_run_key(&key, &[salt; 16], &[id; 16]).expose().to_vec();
        assert_ne!(run(1, 1), run(2, 1));
        assert_ne!(run(1, 1), run(1, 2));
        assert_eq!(run(1, 1), run(1, 1));
    }

    #[test]
    fn every_epoch_has_its_own_key() {
        let key = Key32::generate();
        assert_ne!(page_key(&key, 1).expose(), page_key(&key, 2).expose());
    }

    #[test]
    fn the_aad_holds_the_page_number_big_endian() {
        assert_eq!(&page_aad(258), b"page\0\0\0\0\0\0\x01\x02");
    }
}
