//! How many records refer to a blob, and what happens to blobs that none refers to.

use coffer_blob::BlobId;
use coffer_meta::Commit;

use crate::error::StoreError;
use crate::records::{BlobReferenceRecord, ByteRecord, GarbageRecord};
use crate::store::Store;
use crate::tables::{self, Table};

impl Store {
    /// Adds to `commit` that a record is the first to refer to a blob.
    ///
    /// It does not hold if one does already: [`Store::collect_orphans`] then took the blob for one that a crash left.
    pub(crate) fn put_first_reference(&self, commit: &mut Commit, id: BlobId) {
        commit.check(tables::blob_reference(id), None);
        self.put_reference(commit, id, 1);
    }

    /// Adds to `commit` that `count` records refer to a blob.
    fn put_reference(&self, commit: &mut Commit, id: BlobId, count: u64) {
        let row = tables::blob_reference(id);
        let sealed = self.seal_system(Table::BlobReference, &row, &BlobReferenceRecord { count });
        commit.put(row, sealed);
    }

    /// Adds to `commit` that one more record refers to a blob.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`] when no record does any more: the object it was taken from is gone.
    pub(crate) async fn add_reference(&self, commit: &mut Commit, id: BlobId) -> Result<(), StoreError> {
        let row = tables::blob_reference(id);
        let (record, sealed): (BlobReferenceRecord, _) =
            self.system_row(Table::BlobReference, &row).await?.ok_or(StoreError::NoSuchKey)?;
        commit.check(row, Some(sealed));
        self.put_reference(commit, id, record.count + 1);
        Ok(())
    }

    /// Adds to `commit` that one record fewer refers to a blob; tells whether none does then.
    pub(crate) async fn drop_reference(&self, commit: &mut Commit, id: BlobId) -> Result<bool, StoreError> {
        let row = tables::blob_reference(id);
        let Some((record, sealed)) = self.system_row::<BlobReferenceRecord>(Table::BlobReference, &row).await? else {
            return Ok(true);
        };
        commit.check(row.clone(), Some(sealed));
        if record.count > 1 {
            self.put_reference(commit, id, record.count - 1);
            return Ok(false);
        }
        commit.delete(row);
        Ok(true)
    }

    /// Removes a blob that no record came to name because of `error`.
    ///
    /// After a failure of the engine it is unknown whether one does: then [`Store::collect_orphans`] looks at the next
    /// start.
    pub(crate) async fn discard(&self, id: BlobId, error: &StoreError) {
        if matches!(error, StoreError::Io(_) | StoreError::Unavailable(_) | StoreError::Damaged(_)) {
            return;
        }
        if let Err(error) = self.0.blobs.delete(id).await {
            tracing::warn!(blob = %id, %error, "a blob without a record stays until the next start");
        }
    }

    /// Adds to `commit` that a record has let go of `blobs`. They are collected after the grace period.
    pub(crate) fn queue_garbage(&self, commit: &mut Commit, blobs: &[BlobId]) {
        if blobs.is_empty() {
            return;
        }
        let due_ms = self.now_ms().saturating_add(self.0.settings.garbage_grace_ms);
        let row = tables::garbage(due_ms, coffer_crypto::random_array());
        let record = GarbageRecord { blobs: blobs.iter().map(|id| ByteRecord(id.0.to_vec())).collect() };
        let sealed = self.seal_system(Table::Garbage, &row, &record);
        commit.put(row, sealed);
    }
}
