//! A request's body as the store takes it.

use async_trait::async_trait;
use bytes::Bytes;
use coffer_store::{Body, BodyError, ExpectedDigests, WantedDigests};

use super::algorithms::stored;
use super::store_error::BodyFailure;
use crate::checksum::{AdditionalChecksum, RequestedChecksums, trailing_checksum};
use crate::error::S3Error;
use crate::request::RequestBody;

/// The body and what the client said of it.
pub(super) struct ObjectBody<'a> {
    pub(super) body: &'a mut RequestBody,
    pub(super) requested: &'a RequestedChecksums,
}

#[async_trait]
impl Body for ObjectBody<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.body.next().await.map_err(failure)
    }

    fn expected(&mut self) -> Result<ExpectedDigests, BodyError> {
        let checksum = match &self.requested.additional {
            None => None,
            Some(AdditionalChecksum::Header(algorithm, value)) => Some((stored(*algorithm), value.clone())),
            Some(AdditionalChecksum::Trailer(algorithm)) => {
                let value = trailing_checksum(*algorithm, self.body.trailers()).map_err(failure)?;
                Some((stored(*algorithm), value))
            }
        };
        Ok(ExpectedDigests { md5: self.requested.content_md5, checksum })
    }
}

fn failure(error: S3Error) -> BodyError {
    Box::new(BodyFailure(error))
}

/// Which hashes the store computes for a request.
pub(super) fn wanted(requested: &RequestedChecksums) -> WantedDigests {
    WantedDigests {
        md5: requested.content_md5.is_some(),
        algorithm: requested.additional.as_ref().map(|additional| stored(additional.algorithm())),
    }
}
