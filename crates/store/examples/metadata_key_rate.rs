//! Measures how fast a metadata file is written anew under another metadata key, and read back.
//!
//! `cargo run --release -p coffer-store --example metadata_key_rate -- FOLDER [ROWS]`
//!
//! FOLDER must be on the disk in question; a store of ROWS rows (a million, unless said otherwise) is made in it and
//! removed again. Half of the rows are under the metadata key and sealed anew, half are copied as they are, as in a
//! store of objects in blobs: each has a record of its own and a reference to its blob.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use coffer_crypto::{Key32, random_array};
use coffer_keyring::LocalKeyring;
use coffer_meta::{Commit, Engine, PageKeys, RedbEngine, RedbSettings};
use coffer_seal::RecordKey;
use coffer_store::{Bootstrap, NextMetadataKey};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Rows in one commit.
const BATCH: u64 = 5_000;
/// Bytes of an object's record, about.
const OBJECT_LEN: usize = 450;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: metadata_key_rate FOLDER [ROWS]")?);
    let rows = arguments.next().map_or(Ok(1_000_000), |rows| rows.parse::<u64>())?;
    let dir = tempfile::tempdir_in(folder)?;
    Runtime::new()?.block_on(measure(dir.path(), rows))
}

async fn measure(dir: &Path, rows: u64) -> Outcome<()> {
    let root = LocalKeyring::create(&dir.join("root.key"))?;
    let data = dir.join("data");
    let bootstrap = Bootstrap::create(&data, &root).await?;
    let from = open(&data.join("metadata.redb"), &bootstrap.metadata_key)?;
    fill(&from, &RecordKey::new(bootstrap.metadata_key, bootstrap.generation), rows).await?;
    let next = NextMetadataKey::draw(&data, &root).await?;
    let path = dir.join("new.redb");
    let to = open(&path, next.key())?;
    let start = Instant::now();
    let copied = next.copy_rows(&*from.snapshot().await?, &to, Vec::new(), &|_| {}).await?;
    to.close()?;
    report("written anew", copied.rows, start);
    let to = open(&path, next.key())?;
    let start = Instant::now();
    next.check_rows(&copied, &*to.snapshot().await?, &|_| {}).await?;
    report("read back", copied.rows, start);
    let bytes = |path: &Path| std::fs::metadata(path).map(|file| file.len() >> 20);
    println!("{} MiB before, {} MiB after", bytes(&data.join("metadata.redb"))?, bytes(&path)?);
    Ok(())
}

fn open(path: &Path, key: &Key32) -> Outcome<RedbEngine> {
    let keys = PageKeys::new(Key32::from_slice(key.expose()).ok_or("32 bytes")?);
    Ok(RedbEngine::open(path, keys, RedbSettings::default())?)
}

/// Makes rows of objects and of references to blobs.
async fn fill(engine: &RedbEngine, key: &RecordKey, rows: u64) -> Outcome<()> {
    let bucket: [u8; 16] = random_array();
    let mut made = 0;
    while made < rows {
        let mut commit = Commit::new();
        for number in (made..rows.min(made + BATCH)).step_by(2) {
            let object = [b"O", &bucket[..], format!("folder-{:05}/{number:010}", number / 1000).as_bytes()].concat();
            commit.put(object, vec![7; OBJECT_LEN]);
            let reference = [b"R", &random_array::<16>()[..]].concat();
            let sealed = key.seal(b"blob-reference", &reference, &[0xa1, 0, 1]);
            commit.put(reference, sealed);
        }
        made += BATCH;
        engine.commit(commit).await?;
    }
    Ok(())
}

fn report(what: &str, rows: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{rows} rows {what} in {seconds:.1} s: {:.0} rows/s", rows as f64 / seconds);
}
