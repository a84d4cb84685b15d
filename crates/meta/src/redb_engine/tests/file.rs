//! The file as such: who may open it, and what can be read in it.

use std::fs;
use std::path::PathBuf;

use super::*;

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("meta")
}

fn open(folder: &tempfile::TempDir) -> Result<RedbEngine, OpenError> {
    RedbEngine::open(&path(folder), keys(), settings())
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).unwrap();
    assert_eq!(acknowledged(&engine, 0..4), 4);
    engine.close().unwrap();
    let engine = open(&folder).unwrap();
    assert_eq!(acknowledged(&engine, 4..6), 2);
    drop(engine);
    assert!(entries(&open(&folder).unwrap()).unwrap() == model(6));
}

#[test]
fn keys_and_values_are_not_in_the_file() {
    const CANARY: &[u8] = b"canary-5b1e0a7c";
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).unwrap();
    for index in 0..200_u32 {
        let mut commit = Commit::new();
        commit.put([CANARY, &index.to_be_bytes()].concat(), CANARY.repeat(1 + index as usize % 300));
        wait(engine.commit(commit)).unwrap();
    }
    // Both while it is open and when it was closed.
    for _ in 0..2 {
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, [path(&folder)]);
        let bytes = fs::read(path(&folder)).unwrap();
        assert!(!find(&bytes, CANARY) && !find(&bytes, b"entries") && !find(&bytes, b"redb"));
        engine.close().unwrap();
    }
}

#[test]
fn a_second_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).unwrap();
    assert!(matches!(open(&folder), Err(OpenError::AlreadyOpen)));
    put(&engine, "key", vec![1]).unwrap();
    drop(engine);
    assert!(open(&folder).is_ok());
}

#[test]
fn another_key_is_refused_and_the_file_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    let before = fs::read(path(&folder)).unwrap();
    let refused = RedbEngine::open(&path(&folder), PageKeys::new(Key32::generate()), settings());
    assert!(matches!(refused, Err(OpenError::WrongKey)));
    assert!(fs::read(path(&folder)).unwrap() == before);
}

#[test]
fn another_file_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for content in [Vec::new(), b"not metadata".to_vec(), vec![0; 100_000]] {
        fs::write(path(&folder), &content).unwrap();
        assert!(matches!(open(&folder), Err(OpenError::NotMetadata)));
        assert!(fs::read(path(&folder)).unwrap() == content);
    }
}

#[test]
fn a_file_half_made_by_a_crash_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("meta.new"), vec![0xaa; 50_000]).unwrap();
    let engine = open(&folder).unwrap();
    assert_eq!(acknowledged(&engine, 0..1), 1);
    assert!(!folder.path().join("meta.new").exists());
}

#[test]
fn a_file_being_made_elsewhere_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let building = fs::File::create(folder.path().join("meta.new")).unwrap();
    building.lock().unwrap();
    assert!(matches!(open(&folder), Err(OpenError::AlreadyOpen)));
    assert!(!path(&folder).exists());
}

#[test]
fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    assert_eq!(fs::metadata(path(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_missing_folder_is_an_io_error() {
    let nowhere = tempfile::tempdir().unwrap().path().join("gone").join("meta");
    assert!(matches!(RedbEngine::open(&nowhere, keys(), settings()), Err(OpenError::Io(_))));
}

#[test]
fn a_closed_engine_refuses_work() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).unwrap();
    engine.close().unwrap();
    engine.close().unwrap();
    assert!(matches!(put(&engine, "key", vec![1]), Err(CommitError::Engine(EngineError::Poisoned(_)))));
    assert!(matches!(wait(engine.get(b"key")), Err(EngineError::Poisoned(_))));
}

#[test]
fn closing_finishes_the_commits_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).unwrap();
    wait(async {
        let mut waiting: Vec<_> = (0..20).map(|index| engine.commit(change(index))).collect();
        for commit in &mut waiting {
            // The first poll puts the commit into the queue.
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx))).await.is_pending());
        }
        engine.close().unwrap();
        for commit in waiting {
            commit.await.unwrap();
        }
    });
    drop(engine);
    assert!(entries(&open(&folder).unwrap()).unwrap() == model(20));
}
