//! Cutting rows into chunks, in places that depend on the rows themselves.

use bytes::Bytes;
use coffer_meta::Entry;
use coffer_seal::BackupSeries;
use zeroize::Zeroizing;

use crate::rows::{put_row, row_len};

/// How large chunks are, in bytes of plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSizes {
    /// No chunk but the last ends before it has as much.
    pub min: usize,
    /// How much more a chunk has then, on average.
    pub mean: usize,
    /// A chunk that has as much ends. One row may be larger.
    pub max: usize,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        Self { min: 256 << 10, mean: 1 << 20, max: 4 << 20 }
    }
}

/// Gathers rows into chunks.
///
/// After a row a chunk ends with a probability in proportion to the length of the row, decided by a keyed hash of its
/// key: the same rows are cut in the same places again, whatever was changed before and behind them.
pub(crate) struct Chunker<'a> {
    series: &'a BackupSeries,
    sizes: ChunkSizes,
    text: Zeroizing<Vec<u8>>,
    rows: u64,
    last_key: Bytes,
}

/// A chunk, not yet sealed.
pub(crate) struct Chunk {
    pub(crate) text: Zeroizing<Vec<u8>>,
    pub(crate) rows: u64,
    /// The keyed hash of its last row's key: by it the chunk that ended there before is found.
    pub(crate) end: u64,
}

impl<'a> Chunker<'a> {
    pub(crate) fn new(series: &'a BackupSeries, sizes: ChunkSizes) -> Self {
        Self { series, sizes, text: Zeroizing::default(), rows: 0, last_key: Bytes::new() }
    }

    /// Adds the next row; returns the chunk that ends with it.
    pub(crate) fn push(&mut self, row: &Entry) -> Option<Chunk> {
        put_row(&mut self.text, row);
        self.rows += 1;
        self.last_key = row.key.clone();
        let len = self.text.len();
        let ends = len >= self.sizes.max || (len >= self.sizes.min && self.is_boundary(row));
        if ends { self.finish() } else { None }
    }

    /// What is left after the last row.
    pub(crate) fn finish(&mut self) -> Option<Chunk> {
        let (text, rows) = (std::mem::take(&mut self.text), std::mem::take(&mut self.rows));
        (rows > 0).then(|| Chunk { text, rows, end: self.series.boundary(&self.last_key) })
    }

    fn is_boundary(&self, row: &Entry) -> bool {
        let odds = ((row_len(row) as u128) << 64) / self.sizes.mean.max(1) as u128;
        u128::from(self.series.boundary(&row.key)) < odds
    }
}

#[cfg(test)]
mod tests {
    use coffer_crypto::Key32;

    use super::*;

    const SIZES: ChunkSizes = ChunkSizes { min: 1000, mean: 4000, max: 20_000 };

    fn series() -> BackupSeries {
        BackupSeries::new(&Key32::from_slice(&[3; 32]).unwrap())
    }

    fn rows(count: usize, len: usize) -> Vec<Entry> {
        (0..count).map(|at| Entry { key: format!("row {at:06}").into(), value: vec![at as u8; len].into() }).collect()
    }

    fn cut(rows: &[Entry]) -> Vec<Vec<u8>> {
        let series = series();
        let mut chunker = Chunker::new(&series, SIZES);
        let mut chunks: Vec<_> = rows.iter().filter_map(|row| chunker.push(row)).collect();
        chunks.extend(chunker.finish());
        assert_eq!(chunks.iter().map(|chunk| chunk.rows).sum::<u64>(), rows.len() as u64);
        chunks.into_iter().map(|chunk| chunk.text.to_vec()).collect()
    }

    #[test]
    fn chunks_are_about_as_large_as_asked_whatever_the_rows() {
        for len in [10, 100, 700] {
            let chunks = cut(&rows(400_000 / (len + 18), len));
            let (last, whole) = chunks.split_last().unwrap();
            assert!(whole.iter().all(|chunk| (SIZES.min..SIZES.max + 1000).contains(&chunk.len())));
            assert!(last.len() < SIZES.max + 1000);
            let mean = 400_000 / chunks.len();
            assert!((3000..8000).contains(&mean), "rows of {len} bytes: {mean}");
        }
    }

    #[test]
    fn a_changed_row_changes_the_chunk_that_it_is_in_and_no_other() {
        let before = rows(3000, 100);
        let old = cut(&before);
        for at in [0, 1, 1500, 2999] {
            let mut after = before.clone();
            after[at].value = Bytes::from_static(&[0xee; 100]);
            let new = cut(&after);
            assert_eq!(new.iter().filter(|chunk| !old.contains(chunk)).count(), 1, "row {at}");
        }
    }

    #[test]
    fn an_added_and_a_removed_row_change_the_chunks_around_them_only() {
        let before = rows(3000, 100);
        let old = cut(&before);
        for at in [0, 700, 2999] {
            let mut removed = before.clone();
            removed.remove(at);
            let mut added = before.clone();
            added.insert(
                at,
                Entry { key: format!("row {:06}+", at.wrapping_sub(1)).into(), value: vec![9; 100].into() },
            );
            for after in [removed, added] {
                let changed = cut(&after).iter().filter(|chunk| !old.contains(chunk)).count();
                assert!(changed <= 4, "row {at}: {changed} of {} chunks", old.len());
            }
        }
    }

    #[test]
    fn no_rows_are_no_chunk() {
        assert!(cut(&[]).is_empty());
    }

    #[test]
    fn a_row_larger_than_any_chunk_is_one() {
        let chunks = cut(&rows(3, 50_000));
        assert_eq!(chunks.len(), 3);
    }
}
