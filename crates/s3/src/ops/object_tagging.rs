//! PutObjectTagging, GetObjectTagging, DeleteObjectTagging, of the current version or the one that is named. Tags are
//! no part of the data: an object under a customer key has them without it.

use coffer_store::{Bucket, ChangedBy, ObjectInfo, StoreError};
use http::{HeaderMap, HeaderName, StatusCode};

use super::{S3Operations, version};
use crate::authorize::Target;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::tags::{TagsOf, pairs};
use crate::xml::{parse_tagging, write_tagging};

/// The most bytes of a document: 10 tags of the longest, with room to spare.
pub(super) const MAX_DOCUMENT_LEN: usize = 64 << 10;

const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");

impl S3Operations {
    pub(super) async fn put_object_tagging(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let tags = parse_tagging(&document)?;
        TagsOf::Object.check(&tags)?;
        self.set_object_tags(request, &pairs(tags), StatusCode::OK).await
    }

    pub(super) async fn get_object_tagging(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let found = self.store.object_info(&bucket, version::target(request, &key)?).await;
        let info = found.map_err(|error| refusal(request, error))?;
        let tags = info.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut response = S3Response::xml(write_tagging(tags));
        version::write_version(&bucket, info.version, &mut response.headers);
        Ok(response)
    }

    pub(super) async fn delete_object_tagging(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.set_object_tags(request, &[], StatusCode::NO_CONTENT).await
    }

    async fn set_object_tags(
        &self,
        request: &S3Request,
        tags: &[(String, String)],
        status: StatusCode,
    ) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        let put = self.store.put_object_tags(&bucket, target, tags, &request.origin(ChangedBy::Tagging)).await;
        let info = put.map_err(|error| refusal(request, error))?;
        let mut response = S3Response::new(status);
        version::write_version(&bucket, info.version, &mut response.headers);
        Ok(response)
    }

    /// Says how many tags an object has, to who may read them.
    pub(super) async fn write_tagging_count(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        info: &ObjectInfo,
        headers: &mut HeaderMap,
    ) -> Result<(), S3Error> {
        if info.tags.is_empty() {
            return Ok(());
        }
        let version_id = request.query.get("versionId");
        let action = if version_id.is_some() { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
        let target = Target::object(bucket, request.key_text(), version_id);
        if self.authorizer.may(request, action, target).await? {
            headers.insert(TAGGING_COUNT, info.tags.len().into());
        }
        Ok(())
    }
}

/// A delete marker has no tags, and no method for any, whether it is named or current.
fn refusal(request: &S3Request, error: StoreError) -> S3Error {
    match error {
        StoreError::DeleteMarker(marker) => version::named_marker(request.method.as_str(), &marker),
        error => version::subject(request).error(error),
    }
}
