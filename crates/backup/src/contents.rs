//! Reading what is in a backup.

use bytes::Bytes;
use coffer_meta::Entry;
use coffer_seal::BackupSeries;
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::folder::BackupFolder;
use crate::manifest::{ChunkEntry, Manifest, Patch};
use crate::patch;
use crate::rows::read_rows;

/// Reads the chunks of a backup in order. A chunk comes as its rows, or with what is wrong with it.
pub(crate) struct Contents<'a> {
    folder: &'a BackupFolder,
    manifest: &'a Manifest,
    series: BackupSeries,
    next: usize,
    last_key: Option<Bytes>,
    patches: Option<Patches>,
}

/// A file of patches. Those of chunks that follow each other are often in one.
struct Patches {
    file: [u8; 16],
    text: Zeroizing<Vec<u8>>,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(folder: &'a BackupFolder, manifest: &'a Manifest) -> Self {
        let series = BackupSeries::new(&manifest.series_key);
        Self { folder, manifest, series, next: 0, last_key: None, patches: None }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Result<Vec<Entry>, String>>, BackupError> {
        let Some(chunk) = self.manifest.chunks.get(self.next) else { return Ok(None) };
        self.next += 1;
        let name = hex::encode(chunk.stored.file);
        let text = match self.text(chunk).await? {
            Ok(text) => text,
            Err(problem) => return Ok(Some(Err(problem))),
        };
        if !coffer_crypto::ct_eq(&self.series.chunk_mac(&text), &chunk.mac) {
            return Ok(Some(Err(format!("chunk {name} holds other rows than the manifest says"))));
        }
        let rows = read_rows(&text).filter(|rows| {
            let follows = |first: &Entry| self.last_key.as_ref().is_none_or(|last| *last < first.key);
            rows.len() as u64 == chunk.rows && rows.first().is_some_and(follows)
        });
        let Some(rows) = rows else { return Ok(Some(Err(format!("chunk {name} holds no rows in order")))) };
        self.last_key = rows.last().map(|row| row.key.clone());
        Ok(Some(Ok(rows)))
    }

    /// The plaintext of a chunk, with what changed since it was written.
    async fn text(&mut self, chunk: &ChunkEntry) -> Result<Result<Zeroizing<Vec<u8>>, String>, BackupError> {
        let base = self.folder.open_file(&chunk.stored).await?;
        let Some(patch) = &chunk.patch else { return Ok(base) };
        let opened = match self.patches.take().filter(|opened| opened.file == patch.stored.file) {
            Some(opened) => Ok(opened),
            None => self.folder.open_file(&patch.stored).await?.map(|text| Patches { file: patch.stored.file, text }),
        };
        let (base, opened) = match (base, opened) {
            (Ok(base), Ok(opened)) => (base, self.patches.insert(opened)),
            (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
        };
        let text = opened.part(patch).and_then(|changes| patch::apply(&base, changes));
        Ok(text.ok_or_else(|| format!("chunk {} holds no changes of another", hex::encode(patch.stored.file))))
    }
}

impl Patches {
    fn part(&self, patch: &Patch) -> Option<&[u8]> {
        let start = usize::try_from(patch.start).ok()?;
        self.text.get(start..start.checked_add(usize::try_from(patch.len).ok()?)?)
    }
}
