//! PutBucketOwnershipControls, GetBucketOwnershipControls, DeleteBucketOwnershipControls.

use coffer_access::{Grant, Grantee};
use coffer_store::{BucketAccessChange, ObjectOwnership};
use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::headers::Headers;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{self, parse_ownership_controls};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_ownership_controls(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let ownership = parse_ownership_controls(&document)?;
        let owner = self.authorizer.owner(&bucket).to_owned();
        let change = self.change_bucket(bucket, |bucket| {
            let disables = ownership == ObjectOwnership::BucketOwnerEnforced;
            if disables && bucket.acl().is_some_and(|grants| grants_to_others(grants, &owner)) {
                return Err(S3Error::bucket_acl_with_owner_enforced());
            }
            Ok(BucketAccessChange::Ownership(Some(ownership)))
        });
        change.await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_ownership_controls(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let ownership = bucket.ownership();
        let ownership = ownership.ok_or_else(|| S3Error::no_ownership_controls(request.bucket_name()))?;
        Ok(S3Response::xml(xml::document("OwnershipControls", |xml| {
            xml.element("Rule", |xml| {
                xml.text("ObjectOwnership", ownership.name());
            });
        })))
    }

    pub(super) async fn delete_bucket_ownership_controls(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        self.change_bucket(bucket, |_| Ok(BucketAccessChange::Ownership(None))).await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}

/// The object ownership that CreateBucket names.
///
/// # Errors
/// `InvalidArgument` for what is none.
pub(super) fn requested_ownership(headers: &Headers) -> Result<Option<ObjectOwnership>, S3Error> {
    const NAME: &str = "x-amz-object-ownership";
    let Some(text) = headers.text(NAME)? else { return Ok(None) };
    let wrong = || S3Error::invalid_argument(format!("Invalid x-amz-object-ownership header: {text}"), NAME, None);
    ObjectOwnership::from_name(text).map(Some).ok_or_else(wrong)
}

/// Whether a list grants anything to anybody but the owner.
pub(super) fn grants_to_others(grants: &[Grant], owner: &str) -> bool {
    grants.iter().any(|grant| !matches!(&grant.grantee, Grantee::Account(account) if account == owner))
}
