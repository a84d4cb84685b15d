//! Taking a backup.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use coffer_crypto::{Key32, random_array};
use coffer_keyring::RootKeys;
use coffer_meta::{Direction, Engine, KeyRange, Snapshot};
use coffer_seal::{BackupSeries, PartKeys, seal_stream};
use coffer_store::{Bootstrap, bootstrap};

use crate::chunk::{Chunk, ChunkSizes, Chunker};
use crate::error::BackupError;
use crate::folder::{BackupFolder, chunks_by_mac};
use crate::manifest::{BackupId, BackupInfo, ChunkEntry, Manifest, copy_of};
use crate::rows::row_len;

/// What is backed up.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The rows.
    pub engine: &'a dyn Engine,
    /// The data directory, for its bootstrap file.
    pub data: &'a Path,
    /// What wraps the metadata key.
    pub root: &'a dyn RootKeys,
}

/// How a backup is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeOptions {
    /// Writes every chunk, whether an earlier backup has it or not.
    pub full: bool,
    /// How large chunks are.
    pub chunks: ChunkSizes,
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows read.
    pub rows: u64,
    /// Their bytes.
    pub row_bytes: u64,
    /// Chunks that the backup has so far.
    pub chunks: u64,
    /// Chunks that were written.
    pub chunks_written: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
}

/// A backup that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The backup.
    pub backup: BackupInfo,
    /// What it took.
    pub progress: Progress,
    /// Earlier backups in the folder that cannot be opened: what interrupted backups left is not removed then.
    pub unreadable: usize,
}

/// Backs up the rows of `source` as of one commit. When this returns, the backup is on stable storage; when it does
/// not, there is no backup, and the next one removes what was written.
///
/// Memory is bounded by the chunks; `progress` hears of each.
///
/// # Errors
/// [`BackupError`]
pub async fn take(
    folder: &BackupFolder,
    source: Source<'_>,
    options: &TakeOptions,
    now_ms: u64,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Taken, BackupError> {
    let (earlier, unreadable) = folder.open_all(source.root).await?;
    if unreadable.is_empty() {
        folder.clean(earlier.iter().map(|opened| &opened.manifest)).await?;
    }
    let snapshot = source.engine.snapshot().await?;
    // Read after the snapshot, so that it is not older: how the key is wrapped may change at any time, the key may not.
    let head = Bootstrap::read(source.data)?;
    let bootstrap = Bootstrap::from_bytes(&head, &source.data.join(bootstrap::FILE_NAME), source.root).await?;
    if earlier.iter().any(|opened| opened.bootstrap.store_id != bootstrap.store_id) {
        return Err(BackupError::OtherStore(folder.path().to_owned()));
    }
    let latest = earlier.last().map(|opened| &opened.manifest);
    let mut manifest = Manifest {
        id: BackupId(random_array()),
        sequence: latest.map_or(1, |latest| latest.sequence + 1),
        taken_ms: now_ms,
        series_key: latest.map_or_else(Key32::generate, |latest| copy_of(&latest.series_key)),
        rows: 0,
        chunks: Vec::new(),
    };
    let series = Arc::new(BackupSeries::new(&manifest.series_key));
    let known = if options.full { Default::default() } else { chunks_by_mac(&earlier) };
    let mut writing = Writing { folder, series: &series, known, chunks: Vec::new(), progress: Progress::default() };
    writing.write_all(&*snapshot, options, progress).await?;
    drop(snapshot);
    manifest.rows = writing.progress.rows;
    manifest.chunks = writing.chunks;
    folder.put_manifest(&manifest, &bootstrap, &head).await?;
    Ok(Taken { backup: manifest.info(), progress: writing.progress, unreadable: unreadable.len() })
}

/// A backup under way.
struct Writing<'a> {
    folder: &'a BackupFolder,
    series: &'a Arc<BackupSeries>,
    /// The chunks of earlier backups.
    known: std::collections::HashMap<[u8; 32], ChunkEntry>,
    chunks: Vec<ChunkEntry>,
    progress: Progress,
}

impl Writing<'_> {
    async fn write_all(
        &mut self,
        snapshot: &dyn Snapshot,
        options: &TakeOptions,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(), BackupError> {
        let series = Arc::clone(self.series);
        let mut chunker = Chunker::new(&series, options.chunks);
        let mut start = Bound::Unbounded;
        let mut limit = FIRST_PAGE;
        loop {
            let page = snapshot.scan(KeyRange { start, end: Bound::Unbounded }, limit, Direction::Forward).await?;
            let bytes: usize = page.iter().map(row_len).sum();
            for row in &page {
                self.progress.rows += 1;
                if let Some(chunk) = chunker.push(row) {
                    self.put(chunk).await?;
                    progress(self.progress);
                }
            }
            self.progress.row_bytes += bytes as u64;
            match page.last() {
                Some(last) if page.len() == limit => start = Bound::Excluded(last.key.to_vec()),
                _ => break,
            }
            limit = next_limit(limit, bytes);
        }
        if let Some(chunk) = chunker.finish() {
            self.put(chunk).await?;
        }
        progress(self.progress);
        Ok(())
    }

    /// Writes a chunk, unless an earlier backup has it.
    async fn put(&mut self, chunk: Chunk) -> Result<(), BackupError> {
        let (plain_len, rows) = (chunk.text.len() as u64, chunk.rows);
        let series = Arc::clone(self.series);
        let hashed = self.folder.blocking(move |_, _| Ok((series.chunk_mac(&chunk.text), chunk.text)));
        let (mac, text) = hashed.await?;
        self.progress.chunks += 1;
        if let Some(known) = self.known.get(&mac).filter(|known| known.plain_len == plain_len && known.rows == rows)
            && self.folder.has_chunk(known)
        {
            self.chunks.push(known.copy());
            return Ok(());
        }
        let key = Key32::generate();
        let keys = PartKeys::new(copy_of(&key), None);
        let sealed = self.folder.blocking(move |_, _| Ok(seal_stream(&keys, &text))).await?;
        self.progress.chunks_written += 1;
        self.progress.bytes_written += sealed.len() as u64;
        let file = self.folder.put_chunk(sealed).await?;
        self.chunks.push(ChunkEntry { file, key, plain_len, rows, mac });
        Ok(())
    }
}

/// Rows of the first page, whose size nobody knows.
const FIRST_PAGE: usize = 64;
/// Bytes that a page should have.
const PAGE_BYTES: usize = 1 << 20;
/// The most rows of a page.
const MOST_ROWS: usize = 4096;

/// The rows of the next page, from how large they were in this one.
fn next_limit(limit: usize, bytes: usize) -> usize {
    let fitting = limit.saturating_mul(PAGE_BYTES) / bytes.max(1);
    // Rows may be of another kind soon: a page grows slowly, and shrinks at once.
    fitting.clamp(1, limit.saturating_mul(2)).min(MOST_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_slowly_and_shrink_at_once() {
        assert_eq!(next_limit(64, 64), 128);
        assert_eq!(next_limit(4096, 4096), MOST_ROWS);
        assert_eq!(next_limit(4096, 4096 << 16), 16);
        assert_eq!(next_limit(1, 100 << 20), 1);
    }
}
