use coffer_crypto::{AeadKey, Key32};

use super::head::HEAD_LEN;
use super::sim_disk::{Dice, SimDisk, Trouble};
use super::*;

const KEY: [u8; 32] = [7; 32];

fn key32() -> Key32 {
    Key32::from_slice(&KEY).unwrap()
}

fn keys() -> PageKeys {
    PageKeys::new(key32())
}

fn empty_disk() -> SimDisk {
    let disk = SimDisk::new(&[]);
    SealedPages::create(&disk, &keys(), 0).unwrap();
    disk
}

fn open(disk: &SimDisk) -> SealedPages {
    SealedPages::open(Box::new(disk.clone()), keys()).unwrap()
}

fn refusal(image: &[u8], keys: PageKeys) -> FormatError {
    SealedPages::open(Box::new(SimDisk::new(image)), keys).unwrap_err()
}

fn page(byte: u8) -> Vec<u8> {
    vec![byte; PAGE_LEN]
}

fn at(page: u64) -> u64 {
    page * PAGE_LEN as u64
}

fn read_page(pages: &SealedPages, number: u64) -> std::io::Result<Vec<u8>> {
    let mut out = page(0xee);
    pages.read(at(number), &mut out)?;
    Ok(out)
}

/// A synced file whose pages 0, 1, 2 are full of 10, 11, 12.
fn three_pages() -> SimDisk {
    let disk = empty_disk();
    let pages = open(&disk);
    pages.set_len(at(3)).unwrap();
    for number in 0..3 {
        pages.write(at(number), &page(10 + number as u8)).unwrap();
    }
    pages.sync().unwrap();
    disk
}

fn flipped(image: &[u8], offset: u64) -> Vec<u8> {
    let mut image = image.to_vec();
    image[offset as usize] ^= 0x10;
    image
}

#[test]
fn any_offset_and_length_equals_plain_bytes() {
    let disk = empty_disk();
    let pages = open(&disk);
    let (mut model, mut dice) = (Vec::new(), Dice::new(1));
    for step in 0..400 {
        match dice.below(4) {
            0 => {
                let len = at(dice.below(6));
                pages.set_len(len).unwrap();
                // Pages that were never written below one that was do not open, and redb never reads them.
                let grown = (model.len() as u64).min(len);
                model.resize(len as usize, 0);
                pages.write(grown, &model[grown as usize..]).unwrap();
            }
            1 if !model.is_empty() => {
                let offset = dice.below(model.len() as u64) as usize;
                let len = dice.below((model.len() - offset) as u64 + 1) as usize;
                model[offset..offset + len].fill(step as u8);
                pages.write(offset as u64, &model[offset..offset + len]).unwrap();
            }
            2 => pages.sync().unwrap(),
            _ => {
                let offset = dice.below(model.len() as u64 + 1) as usize;
                let mut out = vec![0xee; dice.below((model.len() - offset) as u64 + 1) as usize];
                pages.read(offset as u64, &mut out).unwrap();
                assert!(out == model[offset..offset + out.len()], "step {step}");
            }
        }
        assert_eq!(pages.len(), model.len() as u64);
    }
    pages.sync().unwrap();
    let mut out = vec![0; model.len()];
    open(&disk).read(0, &mut out).unwrap();
    assert!(out == model);
}

#[test]
fn beyond_the_last_page_is_an_error() {
    let pages = open(&three_pages());
    assert!(pages.read(at(3) - 1, &mut [0; 2]).is_err());
    assert!(pages.read(u64::MAX, &mut [0; 2]).is_err());
    assert!(pages.write(at(3), &[0]).is_err());
    assert!(pages.set_len(at(3) + 1).is_err());
}

#[test]
fn a_slot_is_its_epoch_and_the_sealed_page() {
    let image = three_pages().image();
    let slot = &image[slot_offset(2) as usize..][..SLOT_LEN];
    assert_eq!(image.len() as u64, slot_offset(3));
    assert_eq!(SLOT_LEN, 4128);
    assert_eq!(slot[..4], 1_u32.to_be_bytes());
    let key = AeadKey::new(&coffer_seal::page_key(&key32(), 1));
    assert!(key.open(&coffer_seal::page_aad(2), &slot[4..]).unwrap() == page(12));
}

#[test]
fn grown_pages_are_zero_and_cut_ones_are_gone() {
    let disk = three_pages();
    let pages = open(&disk);
    pages.set_len(at(2)).unwrap();
    pages.set_len(at(5)).unwrap();
    assert!(read_page(&pages, 1).unwrap() == page(11));
    for number in 2..5 {
        assert!(read_page(&pages, number).unwrap() == page(0));
    }
}

#[test]
fn a_page_never_written_below_a_written_one_is_damage() {
    let pages = open(&three_pages());
    pages.set_len(at(6)).unwrap();
    pages.write(at(4), &page(1)).unwrap();
    assert!(read_page(&pages, 3).is_err());
    assert!(read_page(&pages, 5).unwrap() == page(0));
}

#[test]
fn a_zeroed_slot_is_no_fresh_page() {
    let mut image = three_pages().image();
    image[slot_offset(2) as usize..].fill(0);
    let pages = open(&SimDisk::new(&image));
    let error = read_page(&pages, 2).unwrap_err();
    pages.faults().note(&error, false);
    assert!(matches!(pages.faults().first(), Some(Fault::Damaged(_))));
    assert!(read_page(&pages, 1).unwrap() == page(11));
}

#[test]
fn a_slot_that_does_not_open_reads_as_zeros_only_while_lenient() {
    let pages = open(&SimDisk::new(&flipped(&three_pages().image(), slot_offset(1) + 100)));
    assert!(read_page(&pages, 1).is_err());
    pages.set_lenient(true);
    assert!(read_page(&pages, 1).unwrap() == page(0));
    pages.set_lenient(false);
    assert!(read_page(&pages, 1).is_err());
}

#[test]
fn a_page_moved_to_another_number_does_not_open() {
    let mut image = three_pages().image();
    let (one, two) = (slot_offset(1) as usize, slot_offset(2) as usize);
    image.copy_within(one..one + SLOT_LEN, two);
    let pages = open(&SimDisk::new(&image));
    assert!(read_page(&pages, 1).is_ok());
    assert!(read_page(&pages, 2).is_err());
}

#[test]
fn every_flipped_byte_of_a_slot_is_noticed() {
    let image = three_pages().image();
    for offset in 0..SLOT_LEN as u64 {
        let pages = open(&SimDisk::new(&flipped(&image, slot_offset(1) + offset)));
        assert!(read_page(&pages, 1).is_err(), "byte {offset}");
    }
}

#[test]
fn every_flipped_byte_of_a_head_falls_back_to_the_other() {
    let image = three_pages().image();
    for slot in 0..2 {
        for offset in 0..HEAD_LEN as u64 {
            let pages = open(&SimDisk::new(&flipped(&image, slot * HEAD_ROOM + offset)));
            assert!(pages.fell_back(), "head {slot}, byte {offset}");
            let front = read_page(&pages, 0).unwrap();
            assert!(front == page(10) || front == page(0), "head {slot}, byte {offset}");
        }
    }
    assert!(!open(&SimDisk::new(&image)).fell_back());
}

#[test]
fn a_head_of_one_seq_does_not_pass_for_another() {
    let image = three_pages().image();
    let newest = (0..2).max_by_key(|slot| image[(slot * HEAD_ROOM) as usize + 23]).unwrap();
    let mut forged = image.clone();
    forged[((1 - newest) * HEAD_ROOM) as usize + 23] = 0xff;
    let pages = open(&SimDisk::new(&forged));
    assert!(read_page(&pages, 0).unwrap() == page(10));
}

#[test]
fn page_0_is_durable_with_the_sync_and_not_before() {
    let disk = three_pages();
    let pages = open(&disk);
    pages.write(0, &page(99)).unwrap();
    assert!(read_page(&pages, 0).unwrap() == page(99));
    assert!(read_page(&open(&SimDisk::new(&disk.image())), 0).unwrap() == page(10));
    pages.sync().unwrap();
    assert!(read_page(&open(&SimDisk::new(&disk.image())), 0).unwrap() == page(99));
}

#[test]
fn a_torn_head_leaves_the_older_page_0() {
    let image = three_pages().image();
    let fresh = SimDisk::new(&image);
    let pages = open(&fresh);
    let opening = fresh.changes();
    drop(pages);
    let mut torn = 0;
    for seed in 0..50 {
        // The head is written, the sync fails.
        let disk = SimDisk::with(&image, Trouble::PowerCut(opening + 1));
        let pages = open(&disk);
        pages.write(0, &page(99)).unwrap();
        assert!(pages.sync().is_err());
        let pages = open(&SimDisk::new(&disk.after_power_cut(seed)));
        let front = read_page(&pages, 0).unwrap();
        assert!(front == page(10) || front == page(99));
        torn += usize::from(pages.fell_back());
        assert!(!pages.fell_back() || front == page(10));
    }
    assert!(torn > 0);
}

#[test]
fn every_opening_starts_an_epoch() {
    let disk = three_pages();
    for epoch in 2..5_u32 {
        let pages = open(&disk);
        for head in 0..2 {
            assert_eq!(disk.image()[(head * HEAD_ROOM) as usize + 12..][..4], epoch.to_be_bytes());
        }
        pages.write(at(1), &page(epoch as u8)).unwrap();
        assert_eq!(disk.image()[slot_offset(1) as usize..][..4], epoch.to_be_bytes());
        assert!(read_page(&pages, 1).unwrap() == page(epoch as u8));
        assert!(read_page(&pages, 2).unwrap() == page(12), "pages of older epochs open");
    }
}

#[test]
fn an_epoch_is_durable_before_it_is_used() {
    let image = three_pages().image();
    let disk = SimDisk::new(&image);
    let before = { open(&disk).len() };
    let opening = disk.changes();
    for cut in 0..=opening {
        let disk = SimDisk::with(&image, Trouble::PowerCut(cut));
        let opened = SealedPages::open(Box::new(disk.clone()), keys());
        assert_eq!(opened.is_ok(), cut == opening);
        for seed in 0..10 {
            let after = disk.after_power_cut(seed);
            assert_eq!(open(&SimDisk::new(&after)).len(), before);
            assert!(after[HEADS_LEN as usize..] == image[HEADS_LEN as usize..], "no page is sealed yet");
        }
    }
}

#[test]
fn an_epoch_ends_when_its_slots_are_used_up() {
    let disk = three_pages();
    let pages = SealedPages::open_with(Box::new(disk.clone()), keys(), 4).unwrap();
    let mut epochs = Vec::new();
    for round in 0..9 {
        pages.write(at(1), &page(round)).unwrap();
        epochs.push(disk.image()[slot_offset(1) as usize + 3]);
        assert!(read_page(&pages, 1).unwrap() == page(round));
    }
    assert_eq!(epochs, [2, 2, 2, 2, 3, 3, 3, 3, 4]);
    assert!(read_page(&pages, 0).unwrap() == page(10));
    assert!(read_page(&open(&disk), 1).unwrap() == page(8));
}

#[test]
fn another_key_is_refused_and_nothing_is_written() {
    let image = three_pages().image();
    let disk = SimDisk::new(&image);
    let refused = SealedPages::open(Box::new(disk.clone()), PageKeys::new(Key32::generate()));
    assert!(matches!(refused, Err(FormatError::WrongKey)));
    assert!(disk.changes() == 0 && disk.image() == image);
}

#[test]
fn another_key_is_told_from_damage() {
    let image = three_pages().image();
    let one_head_bad = flipped(&image, 30);
    assert!(matches!(refusal(&one_head_bad, PageKeys::new(Key32::generate())), FormatError::WrongKey));
    let both_pages_bad = flipped(&flipped(&image, 100), HEAD_ROOM + 100);
    assert!(matches!(refusal(&both_pages_bad, keys()), FormatError::Damaged(_)));
    let check_and_page_bad = flipped(&flipped(&image, 30), HEAD_ROOM + 100);
    assert!(matches!(refusal(&check_and_page_bad, keys()), FormatError::Damaged(_)));
}

#[test]
fn other_files_are_refused() {
    for image in [&[][..], b"SQLite format 3\0", &[0; 1 << 16], &[0xff; 1 << 16], &[0; 100]] {
        let disk = SimDisk::new(image);
        let refused = SealedPages::open(Box::new(disk.clone()), keys());
        assert!(matches!(refused, Err(FormatError::NotMetadata)));
        assert_eq!(disk.changes(), 0);
    }
}

#[test]
fn another_version_is_refused() {
    let mut image = three_pages().image();
    for head in 0..2 {
        image[(head * HEAD_ROOM) as usize + 11] = 2;
    }
    assert!(matches!(refusal(&image, keys()), FormatError::Version(2)));
}

#[test]
fn a_file_cut_inside_a_page_is_damaged() {
    let image = three_pages().image();
    assert!(matches!(refusal(&image[..image.len() - 1], keys()), FormatError::Damaged(_)));
}

#[test]
fn want_of_room_is_told_from_failure() {
    let pages = open(&three_pages());
    pages.faults().note(&std::io::ErrorKind::StorageFull.into(), true);
    assert!(matches!(pages.faults().first(), Some(Fault::NoSpace)));
    pages.faults().note(&std::io::Error::other("later"), true);
    assert!(matches!(pages.faults().first(), Some(Fault::NoSpace)), "the first failure counts");
    pages.rewind().unwrap();
    assert!(pages.faults().first().is_none());
    pages.faults().note(&std::io::ErrorKind::StorageFull.into(), false);
    assert!(matches!(pages.faults().first(), Some(Fault::Io(_))));
}

#[test]
fn rewinding_returns_to_the_last_sync() {
    let pages = open(&three_pages());
    pages.write(0, &page(99)).unwrap();
    pages.rewind().unwrap();
    assert!(read_page(&pages, 0).unwrap() == page(10));
}
