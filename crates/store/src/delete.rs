//! DeleteObject.

use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::error::{Committed, StoreError};
use crate::names::ObjectKey;
use crate::object::ETagMatch;
use crate::store::Store;
use crate::tables;

impl Store {
    /// Deletes an object; one that is not there is no error, unless a condition asks for it.
    ///
    /// No key is needed. When this returns, the deletion is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::PreconditionNoSuchKey`].
    pub async fn delete_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        if_match: Option<&ETagMatch>,
    ) -> Result<(), StoreError> {
        let row = tables::object(bucket.id(), key);
        let mut attempts = self.0.turns.attempts();
        loop {
            let Some(found) = self.find_object(bucket, key).await? else {
                return if if_match.is_some() { Err(StoreError::PreconditionNoSuchKey) } else { Ok(()) };
            };
            if if_match.is_some_and(|wanted| !wanted.matches(&found.record.etag)) {
                return Err(StoreError::PreconditionFailed("If-Match"));
            }
            let mut commit = Commit::new();
            commit.check(row.clone(), Some(found.sealed.clone())).delete(row.clone());
            let released = found.release(&mut commit, bucket);
            self.queue_garbage(&mut commit, &released);
            match self.commit(commit).await? {
                Committed::Yes => return Ok(()),
                Committed::Conflict(_) => attempts.lost(&row).await?,
            }
        }
    }
}
