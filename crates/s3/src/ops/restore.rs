//! RestoreObject. The bytes of every object are here at once, so what an archive would restore is restored already
//! (docs/decisions/0009-storage-classes.md).

use http::StatusCode;

use super::{S3Operations, version};
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::storage_class::is_archive;
use crate::xml::{RestoreRequest, RestoreTier};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn restore_object(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        let subject = version::subject(request);
        let info = self.store.object_info(&bucket, target).await.map_err(|error| subject.error(error))?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let RestoreRequest { tier } = RestoreRequest::parse(&document)?;
        if !is_archive(&info.storage_class) {
            return Err(S3Error::restore_not_allowed(&info.storage_class));
        }
        if tier == RestoreTier::Expedited && info.storage_class == "DEEP_ARCHIVE" {
            return Err(S3Error::retrieval_option_not_supported());
        }
        Ok(S3Response::new(StatusCode::OK))
    }
}
