//! Removing blobs that nothing refers to.

use std::ops::Bound;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use crate::error::{Committed, StoreError, unless_damaged};
use crate::records::{BlobReferenceRecord, GarbageRecord};
use crate::store::Store;
use crate::tables::{self, Table};

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs removed.
    pub blobs: u64,
    /// Rows of garbage that wait for a reader, or orphans that wait for the grace period.
    pub waiting: u64,
}

impl Store {
    /// Removes the blobs that records let go of longer ago than the grace period.
    ///
    /// The reference goes first and the blob after it: a crash between the two leaves a blob without a reference,
    /// which [`Store::collect_orphans`] finds.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; what was not reached waits for the next time. Damaged rows are logged and
    /// left alone.
    pub async fn collect_garbage(&self) -> Result<Collected, StoreError> {
        const PAGE: usize = 256;
        self.resume_ended_uploads().await?;
        let mut collected = Collected::default();
        let now_ms = self.now_ms();
        let latest_due_ms = now_ms.saturating_add(self.0.settings.garbage_grace_ms);
        let mut range = KeyRange::prefix(&Table::Garbage.prefix());
        range.end = Bound::Excluded(tables::garbage_not_due(now_ms));
        loop {
            let page = self.0.engine.scan(range.clone(), PAGE, Direction::Forward).await?;
            let Some(last) = page.last() else { break };
            range.start = Bound::Excluded(last.key.to_vec());
            for entry in &page {
                unless_damaged("garbage collection", self.collect_row(entry, &mut collected).await)?;
            }
        }
        self.bring_forward(latest_due_ms).await?;
        Ok(collected)
    }

    /// Dates garbage anew that a clock since set back has dated too late.
    async fn bring_forward(&self, latest_due_ms: u64) -> Result<(), StoreError> {
        let mut range = KeyRange::prefix(&Table::Garbage.prefix());
        range.start = Bound::Included(tables::garbage_not_due(latest_due_ms));
        for entry in self.0.engine.scan(range, 1000, Direction::Forward).await? {
            let row = self.open_system::<GarbageRecord>(Table::Garbage, &entry.key, &entry.value);
            let Some(record) = unless_damaged("garbage collection", row)? else { continue };
            let mut commit = Commit::new();
            commit.check(entry.key.clone(), Some(entry.value)).delete(entry.key);
            self.queue_garbage(&mut commit, &blob_ids(&record)?);
            self.commit(commit).await?;
        }
        Ok(())
    }

    /// Drops the references of one garbage row, then removes the blobs that have none left.
    async fn collect_row(&self, row: &Entry, collected: &mut Collected) -> Result<(), StoreError> {
        let blobs = blob_ids(&self.open_system(Table::Garbage, &row.key, &row.value)?)?;
        if blobs.iter().any(|id| self.0.pins.is_pinned(*id)) {
            collected.waiting += 1;
            return Ok(());
        }
        let mut commit = Commit::new();
        // Another collection that is under way must not drop the same references again.
        commit.check(row.key.clone(), Some(row.value.clone())).delete(row.key.clone());
        let mut unreferenced = Vec::new();
        for id in blobs {
            if self.drop_reference(&mut commit, id).await? {
                unreferenced.push(id);
            }
        }
        match self.commit(commit).await? {
            // A copy has just added a reference: the next collection sees it.
            Committed::Conflict(_) => return Ok(()),
            Committed::Yes => {}
        }
        for id in unreferenced {
            self.0.blobs.delete(id).await?;
            collected.blobs += 1;
        }
        Ok(())
    }

    /// Queues the blobs that a crash left behind as garbage: last written when this process had not started, and
    /// without a reference.
    ///
    /// They are collected after the grace period and not at once: where the metadata is an older copy of itself, the
    /// blobs that it does not know yet are data, and somebody should have the time to notice.
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
            let mut orphans = Vec::new();
            for blob in page.iter().filter(|blob| blob.written_at <= started_s) {
                // Pins are looked at first: a blob loses its pin only after its reference is committed.
                if self.0.pins.is_pinned(blob.id) {
                    continue;
                }
                let row = tables::blob_reference(blob.id);
                let reference = self.system_row::<BlobReferenceRecord>(Table::BlobReference, &row).await;
                if let Some(None) = unless_damaged("the search for orphans", reference)? {
                    orphans.push(blob.id);
                }
            }
            if !orphans.is_empty() {
                collected.waiting += orphans.len() as u64;
                let mut commit = Commit::new();
                self.queue_garbage(&mut commit, &orphans);
                self.commit(commit).await?;
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
