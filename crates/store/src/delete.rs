//! DeleteObject.

use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::names::ObjectKey;
use crate::store::{MOST_TRIES, Store};
use crate::tables;

/// What a deletion asks of the object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteConditions {
    /// `If-Match`: there must be one with this ETag (without quotes), or with any if it is `*`.
    pub if_match: Option<String>,
    /// `x-amz-if-match-last-modified-time`, in seconds since 1970.
    pub last_modified_s: Option<u64>,
    /// `x-amz-if-match-size`.
    pub size: Option<u64>,
}

impl Store {
    /// Deletes an object; one that is not there is no error, unless a condition asks for it.
    ///
    /// No key is needed. When this returns, the deletion is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`].
    pub async fn delete_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        conditions: &DeleteConditions,
    ) -> Result<(), StoreError> {
        let row = tables::object(bucket.id(), key);
        for _ in 0..MOST_TRIES {
            let Some((record, sealed)) = self.object_record(bucket, key).await? else {
                let asked = conditions.if_match.is_some();
                return if asked { Err(StoreError::PreconditionNoSuchKey) } else { Ok(()) };
            };
            if conditions.if_match.as_ref().is_some_and(|etag| etag != "*" && *etag != record.etag) {
                return Err(StoreError::PreconditionFailed("If-Match"));
            }
            if conditions.last_modified_s.is_some_and(|wanted| wanted != record.last_modified_ms / 1000) {
                return Err(StoreError::PreconditionFailed("x-amz-if-match-last-modified-time"));
            }
            if conditions.size.is_some_and(|wanted| wanted != record.size) {
                return Err(StoreError::PreconditionFailed("x-amz-if-match-size"));
            }
            let mut commit = Commit::new();
            commit.check(row.clone(), Some(sealed)).delete(row.clone());
            let blobs = self.release(&mut commit, bucket, &record).await?;
            self.queue_garbage(&mut commit, &blobs);
            if let Committed::Yes = self.commit(commit).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contention)
    }
}
