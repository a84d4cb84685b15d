//! Removing blobs that nothing refers to.

use std::ops::Bound;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange};
use tokio::task::JoinSet;

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
    /// The store was restored from a backup, which nobody has accepted yet: nothing is removed.
    pub held_back: bool,
}

impl Store {
    /// Removes the blobs that records let go of longer ago than the grace period.
    ///
    /// The reference goes first and the blob after it: a crash between the two leaves a blob without a reference,
    /// which [`Store::collect_orphans`] finds. Nothing is removed while a restore waits to be accepted: the blobs belong
    /// to other backups, too.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; what was not reached waits for the next time. Damaged rows are logged and
    /// left alone.
    pub async fn collect_garbage(&self) -> Result<Collected, StoreError> {
        const PAGE: usize = 256;
        self.resume_ended_uploads().await?;
        if self.restored().await?.is_some() {
            return Ok(Collected { held_back: true, ..Collected::default() });
        }
        let mut collected = Collected::default();
        let now_ms = self.now_ms();
        let latest_due_ms = now_ms.saturating_add(self.0.settings.garbage_grace_ms);
        let mut range = KeyRange::prefix(&Table::Garbage.prefix());
        range.end = Bound::Excluded(tables::garbage_not_due(now_ms));
        loop {
            let page = self.0.engine.scan(range.clone(), PAGE, Direction::Forward).await?;
            let Some(last) = page.last() else { break };
            range.start = Bound::Excluded(last.key.to_vec());
            for rows in page.chunks(ROWS_AT_ONCE) {
                self.collect_rows(rows, &mut collected).await?;
            }
        }
        self.bring_forward(latest_due_ms).await?;
        Ok(collected)
    }

    /// Collects some rows at once, so that their commits share syncs.
    async fn collect_rows(&self, rows: &[Entry], collected: &mut Collected) -> Result<(), StoreError> {
        let mut tasks = JoinSet::new();
        for row in rows {
            let (store, row) = (self.clone(), row.clone());
            tasks.spawn(async move { (store.collect_row(&row).await, row) });
        }
        let mut lost = Vec::new();
        while let Some(task) = tasks.join_next().await {
            let (result, row) = task.map_err(|_| StoreError::Unavailable("the store is stopping".to_owned()))?;
            match unless_damaged("garbage collection", result)? {
                Some(Row::Collected(blobs)) => collected.blobs += blobs,
                Some(Row::Waits) => collected.waiting += 1,
                Some(Row::LostRace) => lost.push(row),
                None => {}
            }
        }
        // Rows that name the same blob are in each other's way.
        for row in lost {
            if let Some(Row::Collected(blobs)) = unless_damaged("garbage collection", self.collect_row(&row).await)? {
                collected.blobs += blobs;
            }
        }
        Ok(())
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
    async fn collect_row(&self, row: &Entry) -> Result<Row, StoreError> {
        let blobs = blob_ids(&self.open_system(Table::Garbage, &row.key, &row.value)?)?;
        if blobs.iter().any(|id| self.0.pins.is_pinned(*id)) {
            return Ok(Row::Waits);
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
            Committed::Conflict(_) => return Ok(Row::LostRace),
            Committed::Yes => {}
        }
        for &id in &unreferenced {
            self.0.blobs.delete(id).await?;
        }
        Ok(Row::Collected(unreferenced.len() as u64))
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
        if self.restored().await?.is_some() {
            return Ok(Collected { held_back: true, ..Collected::default() });
        }
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
                let mut commit = Commit::new();
                // The garbage row refers to them. A writer that only seemed to be gone does not get past that.
                orphans.iter().for_each(|id| self.put_first_reference(&mut commit, *id));
                self.queue_garbage(&mut commit, &orphans);
                if let Committed::Yes = self.commit(commit).await? {
                    collected.waiting += orphans.len() as u64;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => return Ok(collected),
            }
        }
    }
}

/// What became of a garbage row.
enum Row {
    /// It is gone, and so many blobs with it.
    Collected(u64),
    /// A reader is still at one of its blobs.
    Waits,
    /// Somebody has just changed a reference, or collected the row.
    LostRace,
}

/// Garbage rows that are collected at once.
const ROWS_AT_ONCE: usize = 32;

fn blob_ids(record: &GarbageRecord) -> Result<Vec<BlobId>, StoreError> {
    let id = |bytes: &[u8]| bytes.try_into().map(BlobId).ok();
    let ids: Option<Vec<_>> = record.blobs.iter().map(|blob| id(&blob.0)).collect();
    ids.ok_or_else(|| StoreError::Damaged("a garbage row names no blob".to_owned()))
}
