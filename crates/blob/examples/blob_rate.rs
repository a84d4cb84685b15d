//! Measures how fast blobs become durable, and how fast they are read back from the page cache.
//!
//! `cargo run --release -p coffer-blob --example blob_rate -- [DIRECTORY]`, on the file system to be measured.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coffer_blob::{BlobError, BlobId, BlobStore, LocalBlobs, LocalSettings};

/// Bytes a write hands over: one sealed segment.
const WRITE_LEN: usize = 65_564;
/// Bytes a read asks for.
const READ_LEN: u64 = 256 << 10;

type Rows = [(&'static str, usize, usize); 4];
/// Name, length in bytes, and how many are written by each writer.
const BLOBS: Rows =
    [("4 KiB", 4 << 10, 500), ("64 KiB", 64 << 10, 300), ("1 MiB", 1 << 20, 100), ("64 MiB", 64 << 20, 6)];

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(parent)?;
    let blobs: Arc<dyn BlobStore> = Arc::new(LocalBlobs::open(dir.path(), LocalSettings::default())?);
    println!("blob     writers  blobs/s    MB/s  p50 ms  p99 ms  finish p50 ms  read MB/s  read p99 ms");
    for (name, len, count) in BLOBS {
        for writer_count in [1, 4, 16] {
            if len * writer_count <= 256 << 20 {
                measure(&blobs, name, len, count, writer_count).await?;
            }
        }
    }
    Ok(())
}

async fn measure(
    blobs: &Arc<dyn BlobStore>,
    name: &str,
    len: usize,
    count: usize,
    writer_count: usize,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let writers: Vec<_> = (0..writer_count).map(|_| tokio::spawn(write_many(Arc::clone(blobs), len, count))).collect();
    let mut ids = Vec::new();
    let (mut totals, mut finishes) = (Vec::new(), Vec::new());
    for writer in writers {
        for (id, total, finish) in writer.await?? {
            ids.push(id);
            totals.push(total);
            finishes.push(finish);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = ids.len() as f64 / seconds;

    let start = Instant::now();
    let mut reads = Vec::new();
    for id in &ids {
        for offset in (0..len as u64).step_by(READ_LEN as usize) {
            let call = Instant::now();
            blobs.read(*id, offset..(len as u64).min(offset + READ_LEN)).await?;
            reads.push(call.elapsed());
        }
    }
    let read_rate = (ids.len() * len) as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!(
        "{name:7} {writer_count:8} {rate:8.0} {:7.0} {:7.2} {:7.2} {:14.2} {read_rate:10.0} {:12.3}",
        rate * len as f64 / 1e6,
        quantile(&mut totals, 0.5),
        quantile(&mut totals, 0.99),
        quantile(&mut finishes, 0.5),
        quantile(&mut reads, 0.99),
    );
    for id in ids {
        blobs.delete(id).await?;
    }
    Ok(())
}

/// Returns for each blob its id, the time from create to durable, and the part of it spent in finish.
async fn write_many(
    blobs: Arc<dyn BlobStore>,
    len: usize,
    count: usize,
) -> Result<Vec<(BlobId, Duration, Duration)>, BlobError> {
    let segment = Bytes::from(vec![0x5a; WRITE_LEN]);
    let mut written = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let mut writer = blobs.create().await?;
        let id = writer.id();
        for offset in (0..len).step_by(WRITE_LEN) {
            writer.write(segment.slice(..WRITE_LEN.min(len - offset))).await?;
        }
        let finish = Instant::now();
        writer.finish().await?;
        written.push((id, start.elapsed(), finish.elapsed()));
    }
    Ok(written)
}

/// Returns the quantile of `times` in milliseconds.
fn quantile(times: &mut [Duration], quantile: f64) -> f64 {
    times.sort_unstable();
    let index = (times.len() as f64 * quantile) as usize;
    times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
