//! Removing blobs that nothing refers to.

use std::ops::Bound;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use crate::error::{Committed, StoreError};
use crate::records::{BlobReferenceRecord, GarbageRecord};
use crate::store::Store;
use crate::tables::{self, Table};

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs removed.
    pub blobs: u64,
    /// Rows of garbage that wait: a reader is still at one of their blobs.
    pub waiting: u64,
}

impl Store {
    /// Removes the blobs that records let go of longer ago than the grace period.
    ///
    /// The reference goes first and the blob after it: a crash between the two leaves a blob without a reference,
    /// which [`Store::collect_orphans`] finds.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; what was not reached waits for the next time.
    pub async fn collect_garbage(&self) -> Result<Collected, StoreError> {
        const PAGE: usize = 256;
        let mut collected = Collected::default();
        let mut start = Bound::Included(Table::Garbage.prefix());
        let end = Bound::Excluded(tables::garbage_not_due(self.now_ms()));
        loop {
            let range = KeyRange { start, end: end.clone() };
            let page = self.0.engine.scan(range, PAGE, Direction::Forward).await?;
            for entry in &page {
                let record: GarbageRecord = self.open_system(Table::Garbage, &entry.key, &entry.value)?;
                let blobs = blob_ids(&record)?;
                if blobs.iter().any(|id| self.0.pins.is_pinned(*id)) {
                    collected.waiting += 1;
                    continue;
                }
                collected.blobs += self.collect_row(entry, &blobs).await?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE => start = Bound::Excluded(last.key.to_vec()),
                _ => return Ok(collected),
            }
        }
    }

    /// Drops the references of one garbage row, then removes the blobs that have none left.
    async fn collect_row(&self, row: &Entry, blobs: &[BlobId]) -> Result<u64, StoreError> {
        let mut commit = Commit::new();
        // Another collection that is under way must not drop the same references again.
        commit.check(row.key.clone(), Some(row.value.clone())).delete(row.key.clone());
        let mut unreferenced = Vec::new();
        for &id in blobs {
            if self.drop_reference(&mut commit, id).await? {
                unreferenced.push(id);
            }
        }
        match self.commit(commit).await? {
            // A copy has just added a reference: the next collection sees it.
            Committed::Conflict(_) => return Ok(0),
            Committed::Yes => {}
        }
        for &id in &unreferenced {
            self.0.blobs.delete(id).await?;
        }
        Ok(unreferenced.len() as u64)
    }

    /// Removes the blobs that a crash left behind: last written when this process had not started, and without a reference.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn collect_orphans(&self) -> Result<Collected, StoreError> {
        const PAGE: usize = 1000;
        let mut collected = Collected::default();
        let mut after = None;
        let started_s = self.0.started_ms / 1000;
        loop {
            let page = self.0.blobs.list(after, PAGE).await?;
            for blob in page.iter().filter(|blob| blob.written_at <= started_s) {
                // Pins are looked at first: a blob loses its pin only after its reference is committed.
                if self.0.pins.is_pinned(blob.id) {
                    continue;
                }
                let row = tables::blob_reference(blob.id);
                let referenced: Option<(BlobReferenceRecord, _)> = self.system_row(Table::BlobReference, &row).await?;
                if referenced.is_none() {
                    self.0.blobs.delete(blob.id).await?;
                    collected.blobs += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => return Ok(collected),
            }
        }
    }
}

fn blob_ids(record: &GarbageRecord) -> Result<Vec<BlobId>, StoreError> {
    let id = |bytes: &[u8]| bytes.try_into().map(BlobId).ok();
    let ids: Option<Vec<_>> = record.blobs.iter().map(|blob| id(&blob.0)).collect();
    ids.ok_or_else(|| StoreError::Damaged("a garbage row names no blob".to_owned()))
}
