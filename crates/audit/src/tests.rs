//! A log that is written, cut, changed and read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use coffer_crypto::Key32;
use coffer_keyring::{KeyAudit as _, KeyEvent, KeyOutcome};
use tempfile::TempDir;

use crate::chain::Checkpoint;
use crate::reader::files;
use crate::{AuditError, AuditKeys, AuditLog, EarlierKeys, Verified, read_entries, verify};

const STORE: [u8; 16] = [7; 16];

/// A folder for a log, and the key of its store.
struct World {
    folder: TempDir,
    metadata_key: Key32,
    generation: u32,
    earlier: Vec<EarlierKeys>,
}

impl World {
    fn new() -> Self {
        let (folder, metadata_key) = (tempfile::tempdir().unwrap(), Key32::generate());
        Self { folder, metadata_key, generation: 1, earlier: Vec::new() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("audit")
    }

    fn keys(&self) -> Arc<AuditKeys> {
        Arc::new(AuditKeys::derive(&self.metadata_key, self.generation, STORE, &self.earlier))
    }

    /// The store gets another metadata key.
    fn rotate(&mut self) {
        self.earlier.push(EarlierKeys::of(&self.metadata_key, self.generation));
        self.metadata_key = Key32::generate();
        self.generation += 1;
    }

    fn open(&self) -> AuditLog {
        AuditLog::open(&self.path(), self.keys()).unwrap()
    }

    fn verify(&self, kept: &[Checkpoint]) -> Result<Verified, AuditError> {
        verify(&self.path(), &STORE, self.keys().public_keys(), kept)
    }

    fn actions(&self) -> Vec<String> {
        let mut actions = Vec::new();
        read_entries(&self.path(), &self.keys(), |number, entry| {
            assert_eq!(number, actions.len() as u64 + 1);
            actions.push(entry.key);
            Ok(())
        })
        .unwrap();
        actions
    }

    fn file(&self) -> std::path::PathBuf {
        files(&self.path()).unwrap().pop().unwrap()
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    fn write_lines(&self, lines: &[String]) {
        fs::write(self.file(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

fn event(key: &str) -> KeyEvent {
    KeyEvent {
        action: "kms:Decrypt",
        key: key.to_owned(),
        who: "arn:aws:iam::000000000000:root".to_owned(),
        outcome: KeyOutcome::Denied("AccessDeniedException".to_owned()),
        details: vec![("context/aws:s3:arn".to_owned(), "arn:aws:s3:::canary-bucket/canary-name".to_owned())],
    }
}

/// A log of so many entries, each signed by itself.
async fn written(count: usize) -> World {
    let world = World::new();
    let log = world.open();
    for index in 0..count {
        log.record(event(&format!("key {index}")));
        log.flush().await.unwrap();
    }
    log.close();
    world
}

#[tokio::test]
async fn what_is_noted_reads_back_in_its_order_across_restarts() {
    let world = written(3).await;
    let log = world.open();
    for index in 3..2500 {
        log.record(event(&format!("key {index}")));
    }
    log.flush().await.unwrap();
    let status = log.status();
    log.close();
    assert_eq!((status.signed.number, status.lost), (2500, 0));
    let expected: Vec<_> = (0..2500).map(|index| format!("key {index}")).collect();
    assert_eq!(world.actions(), expected);
    let verified = world.verify(&[status.signed]).unwrap();
    assert_eq!((verified.entries, verified.end, verified.is_cut), (2500, status.signed, false));
    assert_eq!(verified.signed, verified.end);
}

#[tokio::test]
async fn nothing_of_an_entry_is_readable() {
    let world = written(2).await;
    let text = fs::read_to_string(world.file()).unwrap();
    for canary in ["canary", "Decrypt", "key 0", "Denied", "arn:"] {
        assert!(!text.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn a_line_that_is_removed_changed_or_moved_is_found() {
    let world = written(4).await;
    let lines = world.lines();
    let kept = [world.verify(&[]).unwrap().end];
    // Head, and for each entry the entry and its checkpoint.
    assert_eq!(lines.len(), 9);
    for at in 0..lines.len() {
        let mut without = lines.clone();
        let removed = without.remove(at);
        world.write_lines(&without);
        // An earlier checkpoint may be missing: the later ones sign everything that it did.
        let is_checkpoint = removed.starts_with('c');
        assert_eq!(world.verify(&kept).is_err(), !is_checkpoint, "{removed}");
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            world.write_lines(&swapped);
            assert!(world.verify(&kept).is_err(), "{at} and {other}");
        }
    }
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let world = written(2).await;
    let kept = [world.verify(&[]).unwrap().end];
    let bytes = fs::read(world.file()).unwrap();
    for at in 0..bytes.len() {
        for flip in [1, 0x20] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            fs::write(world.file(), &changed).unwrap();
            let found = world.verify(&kept);
            // The end of the last line, a checkpoint that is taken for a cut one.
            let is_cut = matches!(&found, Ok(verified) if verified.is_cut);
            assert!(found.is_err() || (is_cut && at + 1 == bytes.len()), "byte {at}: {found:?}");
        }
    }
}

#[tokio::test]
async fn an_end_that_is_missing_is_found_by_a_checkpoint_kept_elsewhere() {
    let world = written(3).await;
    let kept = world.verify(&[]).unwrap().end;
    let lines = world.lines();
    world.write_lines(&lines[..5]);
    assert_eq!(world.verify(&[]).unwrap().entries, 2);
    assert!(matches!(world.verify(&[kept]), Err(AuditError::Missing { .. })));
    fs::remove_dir_all(world.path()).unwrap();
    assert!(matches!(world.verify(&[kept]), Err(AuditError::Missing { .. })));
    assert_eq!(Checkpoint::parse(&kept.text()), Some(kept));
}

#[tokio::test]
async fn a_beginning_that_is_missing_is_found() {
    let world = written(3).await;
    let mut lines = world.lines();
    let third = lines[3].clone();
    let hash = third.rsplit(' ').next().unwrap();
    lines.drain(1..5);
    lines[0] = format!("h 3 {hash} {}", "07".repeat(16));
    world.write_lines(&lines);
    assert!(matches!(world.verify(&[]), Err(AuditError::Beginning { number: 3 })));
}

#[tokio::test]
async fn another_stores_log_or_signature_does_not_verify() {
    let world = written(2).await;
    let other = World::new();
    let others = verify(&world.path(), &STORE, other.keys().public_keys(), &[]);
    assert!(matches!(others, Err(AuditError::Checkpoint { .. })));
    assert!(verify(&world.path(), &[8; 16], world.keys().public_keys(), &[]).is_err());
    let opened = read_entries(&world.path(), &other.keys(), |_, _| Ok(()));
    assert!(matches!(opened, Err(AuditError::Sealed { number: 1 })));
}

#[tokio::test]
async fn a_crash_anywhere_in_a_write_leaves_a_log_that_goes_on() {
    let world = written(2).await;
    let bytes = fs::read(world.file()).unwrap();
    let whole = world.verify(&[]).unwrap();
    for len in 0..bytes.len() {
        fs::write(world.file(), &bytes[..len]).unwrap();
        let entries = world.verify(&[]).unwrap().entries;
        assert!(entries <= whole.entries);
        let log = world.open();
        log.record(event("after the crash"));
        log.flush().await.unwrap();
        log.close();
        let verified = world.verify(&[]).unwrap();
        assert_eq!((verified.entries, verified.is_cut), (entries + 1, false), "cut at {len}");
        assert_eq!(verified.signed, verified.end);
    }
}

#[tokio::test]
async fn a_log_of_many_files_is_one_chain() {
    let world = World::new();
    for round in 0..4 {
        let log = AuditLog::open_with(&world.path(), world.keys(), 1000).unwrap();
        for index in 0..5 {
            log.record(event(&format!("key {}", round * 5 + index)));
            log.flush().await.unwrap();
        }
        log.close();
    }
    assert_eq!(world.actions().len(), 20);
    let all = files(&world.path()).unwrap();
    assert!(all.len() > 4, "{all:?}");
    assert_eq!(world.verify(&[]).unwrap().entries, 20);
    for removed in &all[..all.len() - 1] {
        let content = fs::read(removed).unwrap();
        fs::remove_file(removed).unwrap();
        assert!(world.verify(&[]).is_err(), "{removed:?}");
        fs::write(removed, &content[..content.len() - 1]).unwrap();
        assert!(world.verify(&[]).is_err(), "only the last file may be cut");
        fs::write(removed, content).unwrap();
    }
}

#[tokio::test]
async fn a_log_that_was_changed_is_not_gone_on_with() {
    let world = written(2).await;
    let mut lines = world.lines();
    lines.remove(1);
    world.write_lines(&lines);
    assert!(AuditLog::open(&world.path(), world.keys()).is_err());
}

/// A log of three entries under the first metadata key and three under the second.
async fn rotated() -> World {
    let mut world = written(3).await;
    world.rotate();
    let log = world.open();
    for index in 3..6 {
        log.record(event(&format!("key {index}")));
        log.flush().await.unwrap();
    }
    log.close();
    world
}

#[tokio::test]
async fn a_log_goes_on_under_the_next_metadata_key() {
    let world = rotated().await;
    let verified = world.verify(&[]).unwrap();
    assert_eq!((verified.entries, verified.generation, verified.signed), (6, 2, verified.end));
    assert_eq!(world.actions(), ["key 0", "key 1", "key 2", "key 3", "key 4", "key 5"]);
}

#[tokio::test]
async fn every_part_of_a_log_needs_its_own_public_key() {
    let world = rotated().await;
    let keys = world.keys();
    for generation in [1, 2] {
        let mut some = keys.public_keys().clone();
        some.remove(&generation);
        let refused = verify(&world.path(), &STORE, &some, &[]);
        assert!(matches!(refused, Err(AuditError::Checkpoint { .. })), "without {generation}");
        some.insert(generation, keys.public_keys()[&(3 - generation)]);
        assert!(verify(&world.path(), &STORE, &some, &[]).is_err(), "the wrong one for {generation}");
    }
}

#[tokio::test]
async fn who_has_the_old_metadata_key_cannot_go_on_with_the_log() {
    let world = written(3).await;
    let before = fs::read_to_string(world.file()).unwrap();
    let mut rotated = world;
    let old_key = Key32::from_slice(rotated.metadata_key.expose()).unwrap();
    rotated.rotate();
    let log = rotated.open();
    log.record(event("under the new key"));
    log.flush().await.unwrap();
    let kept = log.status().signed;
    log.close();
    let after = fs::read_to_string(rotated.file()).unwrap();
    let old = || Arc::new(AuditKeys::derive(&old_key, 1, STORE, &[]));
    // The log as it is now is not theirs to write.
    let refused = AuditLog::open(&rotated.path(), old()).err();
    assert!(matches!(refused, Some(AuditError::LaterKey { generation: 2 })), "{refused:?}");
    // What they append to the log as it was replaces what came after, and the kept checkpoint shows that.
    fs::write(rotated.file(), &before).unwrap();
    let forged = AuditLog::open(&rotated.path(), old()).unwrap();
    forged.record(event("forged"));
    forged.flush().await.unwrap();
    forged.close();
    assert!(matches!(rotated.verify(&[kept]), Err(AuditError::Missing { .. })));
    fs::write(rotated.file(), after).unwrap();
    rotated.verify(&[kept]).unwrap();
}

#[tokio::test]
async fn an_entry_under_an_old_key_after_one_under_a_new_key_is_found() {
    let world = rotated().await;
    let thief = AuditKeys::derive(&Key32::generate(), 1, STORE, &[]);
    let sealed = crate::Entry::of(event("forged"), 0).seal(&thief, 7);
    let end = world.verify(&[]).unwrap().end;
    let hash = crate::chain::hash(&end.hash, 7, &sealed);
    let mut lines = world.lines();
    lines.push(crate::line::Line::Entry { number: 7, sealed, hash }.text().trim_end().to_owned());
    world.write_lines(&lines);
    assert!(matches!(world.verify(&[]), Err(AuditError::OldKey { number: 7, .. })));
}

#[tokio::test]
async fn what_was_left_unsigned_is_signed_with_the_first_entry_under_the_next_key() {
    let mut world = written(3).await;
    let mut lines = world.lines();
    assert!(lines.pop().unwrap().starts_with("c 3 "));
    world.write_lines(&lines);
    world.rotate();
    let log = world.open();
    assert_eq!(world.verify(&[]).unwrap().signed.number, 2);
    log.record(event("key 3"));
    log.flush().await.unwrap();
    log.close();
    let verified = world.verify(&[]).unwrap();
    assert_eq!((verified.entries, verified.signed.number), (4, 4));
}

#[tokio::test]
async fn a_closed_log_says_so() {
    let world = World::new();
    let log = world.open();
    log.close();
    log.record(event("too late"));
    assert!(log.flush().await.is_err());
    assert_eq!(log.status().lost, 1);
}

#[test]
fn no_log_is_an_empty_one() {
    let world = World::new();
    assert_eq!(world.verify(&[]).unwrap().entries, 0);
    assert!(!Path::new(&world.path()).exists());
}
