//! PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.

use std::collections::BTreeMap;

use bytes::Bytes;
use coffer_access::{NamedPrincipal, Policy, PolicyKind};
use coffer_store::{Bucket, BucketAccessChange, BucketPolicy};
use http::{StatusCode, header};

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::{ResponseBody, S3Response};
use crate::xml;

/// The most bytes of a bucket policy.
pub(super) const MAX_POLICY_LEN: usize = 20 << 10;
/// The most bytes that are read of one, so that one that is a little too long is told so.
const MAX_DOCUMENT_LEN: usize = 256 << 10;

impl S3Operations {
    /// `x-amz-confirm-remove-self-bucket-access` changes nothing, as on S3: a policy that locks its author out is taken
    /// with and without it, and the root user of the bucket's account can always replace it.
    pub(super) async fn put_bucket_policy(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        self.check_policy_caller(request, &bucket)?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let not_json = || S3Error::malformed_policy("Policies must be valid JSON and the first byte must be '{'");
        let text = std::str::from_utf8(&document).map_err(|_| not_json())?;
        let kind = PolicyKind::Bucket { name: bucket.name().as_str() };
        let policy = Policy::parse(text, kind, MAX_POLICY_LEN).map_err(|error| S3Error::malformed_policy(error.0))?;
        let kept = BucketPolicy { document: text.to_owned(), principals: self.principals(&policy).await? };
        let block = self.account_block(self.authorizer.owner(&bucket)).await?;
        let resource = format!("arn:aws:s3:::{}", bucket.name().as_str());
        let change = self.change_bucket(bucket, |bucket| {
            let block = block.or(bucket.public_access_block().unwrap_or_default());
            if block.block_public_policy && policy.is_public() {
                return Err(S3Error::public_policy_blocked(request.principal.arn(), &resource));
            }
            Ok(BucketAccessChange::Policy(Some(kept.clone())))
        });
        change.await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    pub(super) async fn get_bucket_policy(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        self.check_policy_caller(request, &bucket)?;
        let text = bucket.policy().ok_or_else(|| S3Error::no_such_bucket_policy(request.bucket_name()))?;
        let changed = match bucket.policy_principals() {
            Some(ids) => self.identities.changed_names(ids).await?,
            None => BTreeMap::new(),
        };
        let mut response = S3Response::new(StatusCode::OK).with(header::CONTENT_TYPE, "application/json");
        response.body = ResponseBody::Full(Bytes::from(Policy::rename_principals(text, &changed)));
        Ok(response)
    }

    pub(super) async fn delete_bucket_policy(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        self.check_policy_caller(request, &bucket)?;
        self.change_bucket(bucket, |_| Ok(BucketAccessChange::Policy(None))).await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    pub(super) async fn get_bucket_policy_status(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let text = bucket.policy().ok_or_else(|| S3Error::no_such_bucket_policy(request.bucket_name()))?;
        let kind = PolicyKind::Bucket { name: bucket.name().as_str() };
        let policy = Policy::parse(text, kind, MAX_POLICY_LEN).map_err(|_| {
            tracing::error!("a bucket policy that was taken is none");
            S3Error::internal_error()
        })?;
        Ok(S3Response::xml(xml::document("PolicyStatus", |xml| {
            xml.value("IsPublic", policy.is_public());
        })))
    }

    /// Nobody outside of the bucket's account has to do with its policy, even if that lets them.
    fn check_policy_caller(&self, request: &S3Request, bucket: &Bucket) -> Result<(), S3Error> {
        if request.principal.account() == Some(self.authorizer.owner(bucket)) {
            return Ok(());
        }
        Err(S3Error::method_not_allowed(request.method.as_str(), "BUCKETPOLICY", "GET, PUT, DELETE".into()))
    }

    /// The unique IDs of whom a policy names by ARN, by ARN. A policy that names somebody who is not there is refused.
    async fn principals(&self, policy: &Policy) -> Result<BTreeMap<String, String>, S3Error> {
        let unknown =
            |principal: &str| S3Error::malformed_policy("Invalid principal in policy").with("Detail", principal);
        let mut ids = BTreeMap::new();
        for name in policy.named_principals() {
            match self.identities.principal(&name).await? {
                None => return Err(unknown(&name)),
                Some(NamedPrincipal::Account) => {}
                Some(NamedPrincipal::Unique(id)) => drop(ids.insert(name, id)),
            }
        }
        for id in policy.canonical_users() {
            if self.identities.account_of_canonical_id(id).await?.is_none() {
                return Err(unknown(id));
            }
        }
        Ok(ids)
    }
}
