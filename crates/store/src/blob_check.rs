//! Whether the blobs that records name are there, and no others: after a restore, when both came by different ways.

use coffer_blob::BlobId;
use coffer_meta::{Direction, KeyRange};

use crate::error::StoreError;
use crate::store::Store;
use crate::tables::{self, Table};

/// What is different between the records and the blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobCheck {
    /// Blobs that records name and that are there.
    pub present: u64,
    /// Blobs that records name and that are not there: what names them cannot be read.
    pub missing: Vec<BlobId>,
    /// Blobs that no record names: of what was written after the backup, or deleted before it.
    pub extra: u64,
}

/// Rows and blobs that are looked at at a time.
const PAGE: usize = 1000;

impl Store {
    /// Compares the blobs that records name with those that are there. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the blob store fails.
    pub async fn check_blobs(&self) -> Result<BlobCheck, StoreError> {
        let mut check = BlobCheck::default();
        let prefix = Table::BlobReference.prefix();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let range = match &after {
                Some(after) => KeyRange::prefix_after(&prefix, after),
                None => KeyRange::prefix(&prefix),
            };
            let rows = self.0.engine.scan(range, PAGE, Direction::Forward).await?;
            for row in &rows {
                let Ok(id) = row.key[prefix.len()..].try_into().map(BlobId) else { continue };
                // The bytes of small parts are rows, and so came with the records.
                if self.0.engine.get(&tables::inline_data(id)).await?.is_some() {
                    continue;
                }
                match self.0.blobs.len(id).await {
                    Ok(_) => check.present += 1,
                    Err(coffer_blob::BlobError::NotFound(_)) => check.missing.push(id),
                    Err(error) => return Err(error.into()),
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.to_vec()),
                _ => break,
            }
        }
        let mut after = None;
        loop {
            let page = self.0.blobs.list(after, PAGE).await?;
            for blob in &page {
                if self.0.engine.get(&tables::blob_reference(blob.id)).await?.is_none() {
                    check.extra += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => return Ok(check),
            }
        }
    }
}
