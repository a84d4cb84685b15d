//! Taking a backup.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use coffer_crypto::{Key32, random_array};
use coffer_keyring::RootKeys;
use coffer_meta::{Engine, Pages, Snapshot};
use coffer_seal::BackupSeries;
use coffer_store::{Bootstrap, bootstrap};
use zeroize::Zeroizing;

use crate::chunk::{Chunk, ChunkSizes, Chunker};
use crate::error::BackupError;
use crate::folder::{BackupFolder, Survey};
use crate::manifest::{BackupId, BackupInfo, ChunkEntry, Manifest, Patch, copy_of};
use crate::patch;
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
    /// Chunks of which only what changed was written.
    pub chunks_patched: u64,
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
    if let Some(store_id) = Bootstrap::store_id_in(&Bootstrap::read(source.data)?) {
        folder.check_store(store_id).await?;
    }
    let Survey { latest, files, unreadable, .. } = folder.survey(source.root).await?;
    let is_readable = unreadable.is_empty();
    if is_readable {
        folder.clean(files.clone()).await?;
    }
    let snapshot = source.engine.snapshot().await?;
    // Read after the snapshot, so that it is not older: how the key is wrapped may change at any time, the key may not.
    let head = Bootstrap::read(source.data)?;
    let bootstrap = Bootstrap::from_bytes(&head, &source.data.join(bootstrap::FILE_NAME), source.root).await?;
    let latest = latest.map(|opened| opened.manifest);
    let mut manifest = Manifest {
        id: BackupId(random_array()),
        sequence: latest.as_ref().map_or(1, |latest| latest.sequence.saturating_add(1)),
        taken_ms: now_ms,
        series_key: latest.as_ref().map_or_else(Key32::generate, |latest| copy_of(&latest.series_key)),
        rows: 0,
        chunks: Vec::new(),
    };
    let series = Arc::new(BackupSeries::new(&manifest.series_key));
    let earlier = if options.full { Earlier::default() } else { Earlier::new(latest.as_ref()) };
    let mut writing = Writing::new(folder, &series, earlier, options.chunks);
    let mut written = writing.write_all(&*snapshot, progress).await;
    drop(snapshot);
    manifest.rows = writing.progress.rows;
    manifest.chunks = writing.chunks;
    if written.is_ok() {
        written = folder.put_manifest(&manifest, &bootstrap, &head).await;
    }
    if let Err(error) = written {
        // A disk that is full gets back what there is of this backup. What cannot be removed now, the next one removes.
        if is_readable && !folder.has_manifest(manifest.id) {
            let _ = folder.clean(files).await;
        }
        return Err(error);
    }
    Ok(Taken { backup: manifest.info(), progress: writing.progress, unreadable: unreadable.len() })
}

/// The chunks of the backup before.
#[derive(Default)]
struct Earlier<'a> {
    by_mac: HashMap<[u8; 32], &'a ChunkEntry>,
    by_end: HashMap<u64, &'a ChunkEntry>,
}

impl<'a> Earlier<'a> {
    fn new(latest: Option<&'a Manifest>) -> Self {
        let chunks = || latest.into_iter().flat_map(|latest| &latest.chunks);
        Self {
            by_mac: chunks().map(|chunk| (chunk.mac, chunk)).collect(),
            by_end: chunks().map(|chunk| (chunk.end, chunk)).collect(),
        }
    }
}

/// A backup under way.
struct Writing<'a> {
    folder: &'a BackupFolder,
    series: &'a Arc<BackupSeries>,
    earlier: Earlier<'a>,
    sizes: ChunkSizes,
    chunks: Vec<ChunkEntry>,
    patches: Patches,
    progress: Progress,
}

/// Patches that become a file together.
#[derive(Default)]
struct Patches {
    text: Zeroizing<Vec<u8>>,
    /// The chunks that they are of, where they begin, and how long they are.
    of: Vec<(usize, u64, u64)>,
}

impl<'a> Writing<'a> {
    fn new(folder: &'a BackupFolder, series: &'a Arc<BackupSeries>, earlier: Earlier<'a>, sizes: ChunkSizes) -> Self {
        let (chunks, patches, progress) = (Vec::new(), Patches::default(), Progress::default());
        Self { folder, series, earlier, sizes, chunks, patches, progress }
    }

    async fn write_all(
        &mut self,
        snapshot: &dyn Snapshot,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(), BackupError> {
        let series = Arc::clone(self.series);
        let mut chunker = Chunker::new(&series, self.sizes);
        let mut pages = Pages::of(snapshot);
        while let Some(page) = pages.next().await? {
            for row in &page {
                self.progress.rows += 1;
                if let Some(chunk) = chunker.push(row) {
                    self.put(chunk).await?;
                    progress(self.progress);
                }
            }
            self.progress.row_bytes += page.iter().map(row_len).sum::<usize>() as u64;
        }
        if let Some(chunk) = chunker.finish() {
            self.put(chunk).await?;
        }
        self.put_patches().await?;
        progress(self.progress);
        Ok(())
    }

    /// Adds a chunk. Nothing of it is written if the backup before has it, and only what changed if that is little.
    async fn put(&mut self, chunk: Chunk) -> Result<(), BackupError> {
        let Chunk { text, rows, end } = chunk;
        let series = Arc::clone(self.series);
        let (mac, text) = self.folder.blocking(move |_, _| Ok((series.chunk_mac(&text), text))).await?;
        self.progress.chunks += 1;
        if let Some(known) = self.earlier.by_mac.get(&mac).filter(|known| known.rows == rows)
            && self.folder.has_chunk(known)
        {
            self.chunks.push(known.copy());
            return Ok(());
        }
        let text = match self.earlier.by_end.get(&end).copied() {
            Some(before) => {
                let base = self.folder.open_file(&before.stored).await?;
                let (text, patch) = self.difference(base.ok(), text).await?;
                if let Some(patch) = patch {
                    let stored = before.stored.copy();
                    self.chunks.push(ChunkEntry { stored, rows, mac, end, patch: None });
                    return self.put_patch(&patch).await;
                }
                text
            }
            None => text,
        };
        let stored = self.folder.put_file(text).await?;
        self.progress.chunks_written += 1;
        self.progress.bytes_written += stored.len();
        self.chunks.push(ChunkEntry { stored, rows, mac, end, patch: None });
        Ok(())
    }

    /// What changed in a chunk since it was written as `base`; returns its plaintext again.
    async fn difference(
        &self,
        base: Option<Zeroizing<Vec<u8>>>,
        text: Zeroizing<Vec<u8>>,
    ) -> Result<(Zeroizing<Vec<u8>>, Option<Zeroizing<Vec<u8>>>), BackupError> {
        let compare = move || {
            let patch = base.and_then(|base| patch::difference(&base, &text));
            (text, patch)
        };
        self.folder.blocking(move |_, _| Ok(compare())).await
    }

    /// Adds what changed in the last chunk.
    async fn put_patch(&mut self, patch: &[u8]) -> Result<(), BackupError> {
        // Without changes it is as it was written, before an earlier patch of it.
        if patch.is_empty() {
            return Ok(());
        }
        self.progress.chunks_patched += 1;
        self.patches.of.push((self.chunks.len() - 1, self.patches.text.len() as u64, patch.len() as u64));
        self.patches.text.extend_from_slice(patch);
        if self.patches.text.len() >= self.sizes.min { self.put_patches().await } else { Ok(()) }
    }

    /// Writes the patches that there are.
    async fn put_patches(&mut self) -> Result<(), BackupError> {
        let Patches { text, of } = std::mem::take(&mut self.patches);
        if of.is_empty() {
            return Ok(());
        }
        let stored = self.folder.put_file(text).await?;
        self.progress.bytes_written += stored.len();
        for (chunk, start, len) in of {
            self.chunks[chunk].patch = Some(Patch { stored: stored.copy(), start, len });
        }
        Ok(())
    }
}
