use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};

use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use super::writer::{BATCH_LEN, SYNC_LEN};
use super::*;

crate::conformance!({
    let dir = TempDir::new().unwrap();
    (LocalBlobs::open(dir.path(), LocalSettings::default()).unwrap(), dir)
});

mod without_held_files {
    use super::*;

    crate::conformance!({
        let dir = TempDir::new().unwrap();
        (LocalBlobs::open(dir.path(), LocalSettings::default().with_open_file_count(0)).unwrap(), dir)
    });
}

const ID: BlobId = BlobId([0xab; 16]);
const NEIGHBOUR: BlobId = BlobId([0xab, 0xab, 0xab, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const COUSIN: BlobId = BlobId([0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// A disk that notes its calls and asks, before each, whether it shall fail.
struct FaultyDisk {
    root: PathBuf,
    calls: Arc<Mutex<Vec<String>>>,
    fault: Fault,
}

type Fault = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

impl FaultyDisk {
    fn meet(&self, call: String) -> io::Result<()> {
        let outcome = (self.fault)(&call);
        self.calls.lock().unwrap().push(call);
        outcome
    }
}

impl Disk for FaultyDisk {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.meet("write".into())?;
        SystemDisk.write(file, bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.meet("sync file".into())?;
        SystemDisk.sync_file(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let name = path.strip_prefix(&self.root).map_or("above", |path| path.to_str().unwrap());
        self.meet(format!("sync /{name}"))?;
        SystemDisk.sync_dir(path)
    }
}

/// A store on a faulty disk.
struct Bench {
    dir: TempDir,
    calls: Arc<Mutex<Vec<String>>>,
    blobs: LocalBlobs,
}

impl Bench {
    fn new(fault: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let dir = TempDir::new().unwrap();
        let calls = Arc::default();
        let disk = FaultyDisk { root: dir.path().into(), calls: Arc::clone(&calls), fault: Box::new(fault) };
        let blobs = LocalBlobs::open_on(Box::new(disk), dir.path(), LocalSettings::default()).unwrap();
        Self { dir, calls, blobs }
    }

    fn writer(&self, id: BlobId) -> Box<dyn BlobWriter> {
        Box::new(LocalWriter::new(Arc::clone(&self.blobs.0), id))
    }

    async fn put(&self, id: BlobId, len: usize) -> Result<(), BlobError> {
        let mut writer = self.writer(id);
        writer.write(vec![7; len].into()).await?;
        writer.finish().await
    }

    /// Returns the calls since it was last asked.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.blobs.0.folder.path(id)
    }

    /// Waits until the file of `id` is gone: what is dropped is removed on another thread.
    async fn removed(&self, id: BlobId) {
        crate::conformance::within_a_minute(async {
            while self.path(id).exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn healthy(_: &str) -> io::Result<()> {
    Ok(())
}

fn fail_on(call: &'static str, kind: io::ErrorKind) -> impl Fn(&str) -> io::Result<()> + Send + Sync {
    move |met| if met == call { Err(kind.into()) } else { Ok(()) }
}

#[tokio::test]
async fn finish_syncs_the_file_and_every_new_name() {
    let bench = Bench::new(healthy);
    bench.put(ID, 10).await.unwrap();
    assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/ab", "sync /ab", "sync /"]);
    bench.put(NEIGHBOUR, 10).await.unwrap();
    assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/ab"]);
    bench.put(COUSIN, 10).await.unwrap();
    assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/cd", "sync /ab"]);
}

#[tokio::test]
async fn directories_of_an_earlier_run_are_synced_again() {
    let bench = Bench::new(healthy);
    fs::create_dir_all(bench.dir.path().join("ab/ab")).unwrap();
    bench.put(ID, 10).await.unwrap();
    assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/ab", "sync /ab", "sync /"]);
}

#[tokio::test]
async fn directories_cleared_away_are_made_and_synced_again() {
    let bench = Bench::new(healthy);
    bench.put(ID, 10).await.unwrap();
    fs::remove_dir_all(bench.dir.path().join("ab")).unwrap();
    bench.calls();
    bench.put(NEIGHBOUR, 10).await.unwrap();
    assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/ab", "sync /ab", "sync /"]);
}

#[tokio::test]
async fn a_new_root_is_synced_in_its_parent() {
    let bench = Bench::new(healthy);
    let calls = Arc::default();
    let disk = FaultyDisk { root: bench.dir.path().into(), calls: Arc::clone(&calls), fault: Box::new(healthy) };
    LocalBlobs::open_on(Box::new(disk), &bench.dir.path().join("new"), LocalSettings::default()).unwrap();
    assert_eq!(*calls.lock().unwrap(), ["sync /"]);
}

#[tokio::test]
async fn a_failed_name_is_synced_again_by_the_next_blob() {
    for (failing, synced) in [("sync /ab", 1), ("sync /", 2)] {
        let failures = Mutex::new(1);
        let bench = Bench::new(move |call| {
            let mut left = failures.lock().unwrap();
            if call == failing && *left > 0 {
                *left -= 1;
                return Err(io::Error::other("lost"));
            }
            Ok(())
        });
        bench.put(ID, 10).await.unwrap_err();
        assert_eq!(bench.calls().len(), 3 + synced);
        bench.put(NEIGHBOUR, 10).await.unwrap();
        assert_eq!(bench.calls(), ["write", "sync file", "sync /ab/ab", "sync /ab", "sync /"]);
    }
}

#[tokio::test]
async fn a_blob_whose_sync_fails_is_refused_and_removed() {
    for call in ["sync file", "sync /ab/ab", "sync /ab", "sync /"] {
        let bench = Bench::new(fail_on(call, io::ErrorKind::Other));
        assert!(matches!(bench.put(ID, 10).await, Err(BlobError::Io(_))), "{call}");
        assert!(!bench.path(ID).exists(), "{call}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_leaves_no_file() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        for call in ["write", "sync file"] {
            let bench = Bench::new(fail_on(call, kind));
            assert!(matches!(bench.put(ID, 10).await, Err(BlobError::NoSpace)), "{call}");
            assert!(!bench.path(ID).exists(), "{call}");
        }
    }
}

#[tokio::test]
async fn a_failed_batch_surfaces_on_the_next_one() {
    let bench = Bench::new(fail_on("write", io::ErrorKind::StorageFull));
    let mut writer = bench.writer(ID);
    writer.write(vec![7; BATCH_LEN].into()).await.unwrap();
    assert!(matches!(writer.write(vec![7; BATCH_LEN].into()).await, Err(BlobError::NoSpace)));
    assert!(!bench.path(ID).exists());
    assert!(writer.write(vec![7; BATCH_LEN].into()).await.is_err());
    assert!(writer.finish().await.is_err());
    assert!(!bench.path(ID).exists());
}

#[tokio::test]
async fn a_failed_early_sync_is_not_forgotten() {
    let is_first = Mutex::new(true);
    let bench = Bench::new(move |call| {
        if call == "sync file" && std::mem::replace(&mut *is_first.lock().unwrap(), false) {
            return Err(io::Error::other("lost"));
        }
        Ok(())
    });
    let mut writer = bench.writer(ID);
    writer.write(vec![7; SYNC_LEN].into()).await.unwrap();
    writer.write(vec![7; BATCH_LEN].into()).await.unwrap();
    assert!(matches!(writer.finish().await, Err(BlobError::Io(_))));
    bench.removed(ID).await;
}

#[tokio::test]
async fn a_large_blob_is_synced_on_the_way() {
    let bench = Bench::new(healthy);
    let mut writer = bench.writer(ID);
    for _ in 0..3 {
        writer.write(vec![7; SYNC_LEN].into()).await.unwrap();
    }
    writer.finish().await.unwrap();
    let calls = bench.calls();
    assert_eq!(calls.iter().filter(|call| *call == "sync file").count(), 3, "two on the way and one at the end");
    assert_eq!(calls.last().unwrap(), "sync /");
}

#[tokio::test]
async fn a_writer_dropped_during_a_write_leaves_nothing() {
    let (entered, wait_for_entry) = mpsc::sync_channel(1);
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let bench = Bench::new(move |call| {
        if call == "write" {
            entered.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let mut writer = bench.writer(ID);
    writer.write(vec![7; BATCH_LEN].into()).await.unwrap();
    wait_for_entry.recv().unwrap();
    assert!(bench.path(ID).exists());
    drop(writer);
    release.send(()).unwrap();
    bench.removed(ID).await;
}

#[tokio::test]
async fn a_cancelled_finish_leaves_nothing() {
    let (entered, wait_for_entry) = mpsc::sync_channel(1);
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let bench = Bench::new(move |call| {
        if call == "sync file" {
            entered.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let mut writer = bench.writer(ID);
    writer.write(vec![7; 10].into()).await.unwrap();
    let finish = tokio::spawn(writer.finish());
    tokio::task::spawn_blocking(move || wait_for_entry.recv().unwrap()).await.unwrap();
    finish.abort();
    assert!(finish.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    bench.removed(ID).await;
}

#[test]
fn a_writer_dropped_outside_a_runtime_leaves_nothing() {
    let bench = Bench::new(healthy);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let writer = runtime.block_on(async {
        let mut writer = bench.writer(ID);
        writer.write(vec![7; BATCH_LEN].into()).await.unwrap();
        writer.write(vec![7; BATCH_LEN].into()).await.unwrap();
        writer
    });
    drop(runtime);
    drop(writer);
    assert!(!bench.path(ID).exists());
}

#[tokio::test]
async fn an_id_is_never_written_twice() {
    let bench = Bench::new(healthy);
    bench.put(ID, 10).await.unwrap();
    assert!(matches!(bench.put(ID, 20).await, Err(BlobError::Io(_))));
    assert_eq!(bench.blobs.len(ID).await.unwrap(), 10);
}

#[tokio::test]
async fn only_the_owner_has_access() {
    let parent = TempDir::new().unwrap();
    let root = parent.path().join("blobs");
    let blobs = LocalBlobs::open(&root, LocalSettings::default()).unwrap();
    let writer = blobs.create().await.unwrap();
    let path = blobs.0.folder.path(writer.id());
    writer.finish().await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for dir in path.ancestors().skip(1).take(3) {
        assert_eq!(mode(dir), 0o700, "{dir:?}");
    }
    assert_eq!(path.ancestors().nth(3).unwrap(), root);
}

#[tokio::test]
async fn blobs_outlive_the_store_that_wrote_them() {
    let bench = Bench::new(healthy);
    bench.put(ID, 100_000).await.unwrap();
    let reopened = LocalBlobs::open(bench.dir.path(), LocalSettings::default()).unwrap();
    assert_eq!(reopened.read(ID, 0..100_000).await.unwrap(), vec![7; 100_000]);
    assert_eq!(reopened.list(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cut_blob_is_too_short() {
    let bench = Bench::new(healthy);
    bench.put(ID, 5000).await.unwrap();
    assert_eq!(bench.blobs.read(ID, 0..5000).await.unwrap().len(), 5000);
    File::options().write(true).open(bench.path(ID)).unwrap().set_len(4999).unwrap();
    assert!(matches!(bench.blobs.read(ID, 0..5000).await, Err(BlobError::TooShort(ID))));
    assert_eq!(bench.blobs.read(ID, 0..4999).await.unwrap().len(), 4999);
}

#[tokio::test]
async fn what_left_the_page_cache_is_read_from_the_disk() {
    const LEN: u64 = 300_000;
    let bench = Bench::new(healthy);
    let bytes: Bytes = (0..LEN).map(|i| (i / 1000) as u8).collect();
    let mut writer = bench.writer(ID);
    writer.write(bytes.clone()).await.unwrap();
    writer.finish().await.unwrap();
    let file = File::open(bench.path(ID)).unwrap();
    for cold in [0..LEN, 100_000..LEN, 0..100_000, 100_000..200_000] {
        let cold_len = std::num::NonZeroU64::new(cold.end - cold.start);
        rustix::fs::fadvise(&file, cold.start, cold_len, rustix::fs::Advice::DontNeed).unwrap();
        assert!(bench.blobs.read(ID, 0..LEN).await.unwrap() == bytes, "{cold:?}");
    }
}

#[tokio::test]
async fn more_blobs_are_read_than_files_held() {
    let dir = TempDir::new().unwrap();
    let blobs = LocalBlobs::open(dir.path(), LocalSettings::default().with_open_file_count(2)).unwrap();
    let mut written = Vec::new();
    for content in 0..5_u8 {
        let mut writer = blobs.create().await.unwrap();
        written.push((writer.id(), content));
        writer.write(vec![content; 10].into()).await.unwrap();
        writer.finish().await.unwrap();
    }
    for (id, content) in written.iter().chain(written.iter().rev()) {
        assert_eq!(blobs.read(*id, 0..10).await.unwrap(), vec![*content; 10]);
    }
}

#[tokio::test]
async fn what_is_no_file_in_place_of_a_blob_is_an_error() {
    let bench = Bench::new(healthy);
    bench.put(NEIGHBOUR, 10).await.unwrap();
    let path = bench.path(ID);
    let refuses = async || {
        assert!(matches!(bench.blobs.len(ID).await, Err(BlobError::Io(_))));
        assert!(matches!(bench.blobs.read(ID, 0..1).await, Err(BlobError::Io(_))));
        let listed = bench.blobs.list(None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), [NEIGHBOUR]);
    };

    symlink(bench.path(NEIGHBOUR), &path).unwrap();
    refuses().await;
    fs::remove_file(&path).unwrap();

    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refuses().await;
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    refuses().await;
    assert!(matches!(bench.blobs.delete(ID).await, Err(BlobError::Io(_))));
}

#[tokio::test]
async fn foreign_files_are_passed_over_and_left() {
    let bench = Bench::new(healthy);
    bench.put(ID, 10).await.unwrap();
    let misplaced = BlobId([0xee; 16]).to_string();
    let upper_case = ID.to_string().to_uppercase();
    let foreign = [
        "README".to_owned(),
        "00".to_owned(),
        "lost+found/x".to_owned(),
        "abc/x".to_owned(),
        format!("AB/AB/{upper_case}"),
        "ab/00".to_owned(),
        "ab/ab/notes.txt".to_owned(),
        format!("ab/ab/{misplaced}"),
        format!("ab/ab/{upper_case}"),
        format!("ab/ab/{ID}0"),
        format!("ab/ab/{ID}.tmp"),
    ];
    let paths = foreign.map(|name| bench.dir.path().join(name));
    for path in &paths {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "foreign").unwrap();
    }
    let reopened = LocalBlobs::open(bench.dir.path(), LocalSettings::default()).unwrap();
    let listed: BTreeSet<_> = reopened.list(None, 99).await.unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed, BTreeSet::from([ID]));
    assert!(paths.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn a_file_in_place_of_a_directory_is_an_error() {
    let bench = Bench::new(healthy);
    fs::write(bench.dir.path().join("ab"), "foreign").unwrap();
    assert!(matches!(bench.put(ID, 10).await, Err(BlobError::Io(_))));
    assert!(matches!(bench.blobs.len(ID).await, Err(BlobError::Io(_))));
    assert_eq!(bench.blobs.list(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_root_that_vanished_is_an_error_not_an_empty_store() {
    let bench = Bench::new(healthy);
    fs::remove_dir(bench.dir.path()).unwrap();
    assert!(matches!(bench.blobs.list(None, 9).await, Err(BlobError::Io(_))));
    assert!(matches!(bench.put(ID, 10).await, Err(BlobError::Io(_))));
}

#[test]
fn what_is_no_directory_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "foreign").unwrap();
    let dangling = dir.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    for path in [file.clone(), file.join("below"), dir.path().join("missing/below"), dangling] {
        let Err(BlobError::Io(error)) = LocalBlobs::open(&path, LocalSettings::default()) else {
            panic!("{path:?} was taken for a store")
        };
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(!dir.path().join("missing").exists());
}
