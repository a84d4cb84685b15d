//! PutBucketTagging, GetBucketTagging, DeleteBucketTagging, and the same by the S3 Control API: TagResource,
//! UntagResource, ListTagsForResource.

use coffer_configuration::Tag;
use coffer_store::Bucket;
use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::{ACCOUNT_ID, TAG_KEYS};
use crate::tags::TagsOf;
use crate::xml::{parse_tag_resource, parse_tagging, write_tagging, write_tags_of_resource};

/// The most bytes of a document: 50 tags of the longest, escaped.
pub(super) const MAX_DOCUMENT_LEN: usize = 256 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_tagging(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let tags = parse_tagging(&document)?;
        TagsOf::Bucket.check(&tags)?;
        self.set_tags(request, |_| Ok(tags.clone())).await
    }

    pub(super) async fn get_bucket_tagging(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        match tags(&request.bucket()?) {
            [] => Err(S3Error::no_such_tag_set(request.bucket_name())),
            tags => Ok(S3Response::xml(write_tagging(as_pairs(tags)))),
        }
    }

    pub(super) async fn delete_bucket_tagging(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.set_tags(request, |_| Ok(Vec::new())).await
    }

    pub(super) async fn tag_resource(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        self.check_account(request)?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let new = parse_tag_resource(&document)?;
        TagsOf::Resource.check(&new)?;
        let change = self.set_tags(request, |tags| {
            let kept = tags.iter().filter(|tag| new.iter().all(|new| new.key != tag.key));
            let tags: Vec<Tag> = kept.chain(&new).cloned().collect();
            TagsOf::Resource.check_count(tags.len())?;
            Ok(tags)
        });
        change.await
    }

    /// Keys that no tag has are no error.
    pub(super) async fn untag_resource(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.check_account(request)?;
        let is_named = |tag: &Tag| request.query.iter().any(|(name, key)| name == TAG_KEYS && key == tag.key);
        self.set_tags(request, |tags| Ok(tags.iter().filter(|tag| !is_named(tag)).cloned().collect())).await
    }

    pub(super) async fn list_tags_for_resource(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.check_account(request)?;
        Ok(S3Response::xml(write_tags_of_resource(as_pairs(tags(&request.bucket()?)))))
    }

    /// Gives the bucket the tags that `change` makes of those it has.
    async fn set_tags(
        &self,
        request: &S3Request,
        change: impl Fn(&[Tag]) -> Result<Vec<Tag>, S3Error> + Send + Sync,
    ) -> Result<S3Response, S3Error> {
        let change = self.configure(request, |bucket, settings| {
            settings.tags = Some(change(tags(bucket))?).filter(|tags| !tags.is_empty());
            Ok(())
        });
        change.await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    /// A request of the S3 Control API names the account that owns the bucket.
    fn check_account(&self, request: &S3Request) -> Result<(), S3Error> {
        let named = request.headers.text(ACCOUNT_ID)?;
        if named == Some(self.authorizer.owner(&request.bucket()?)) { Ok(()) } else { Err(S3Error::access_denied()) }
    }
}

fn tags(bucket: &Bucket) -> &[Tag] {
    bucket.settings().and_then(|settings| settings.tags.as_deref()).unwrap_or_default()
}

fn as_pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))
}
