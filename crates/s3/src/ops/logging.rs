//! PutBucketLogging, GetBucketLogging.

use coffer_access::Grant;
use coffer_store::{Bucket, BucketLogging, BucketName, MAX_OBJECT_KEY_LEN, StoreError};
use http::StatusCode;

use super::S3Operations;
use super::store_error::Subject;
use crate::acl::RequestedGrant;
use crate::error::S3Error;
use crate::log::{LogSource, log_object_key, may_deliver};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{LoggingEnabled, parse_bucket_logging_status, write_bucket_logging_status};

const MAX_DOCUMENT_LEN: usize = 256 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_logging(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let logging = match parse_bucket_logging_status(&document)? {
            None => None,
            Some(enabled) => Some(self.logging(&bucket, enabled, request.now_ms).await?),
        };
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let put = self.store.put_bucket_logging(bucket.name(), logging.as_ref()).await;
        put.map_err(|error| subject.error(error))?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_logging(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let canonical_id = |account: &str| self.identities.canonical_id(account);
        Ok(S3Response::xml(write_bucket_logging_status(bucket.logging(), canonical_id)))
    }

    /// What is to be logged of `source`, if logs can be delivered there now.
    async fn logging(&self, source: &Bucket, enabled: LoggingEnabled, now_ms: u64) -> Result<BucketLogging, S3Error> {
        let LoggingEnabled { target_bucket, target_prefix, target_grants, key_format } = enabled;
        let target = self.log_target(&target_bucket).await?;
        let (owner, target_owner) = (self.authorizer.owner(source), self.authorizer.owner(&target));
        if owner != target_owner {
            return Err(S3Error::foreign_log_target(&target_bucket));
        }
        if source.region() != target.region() {
            return Err(S3Error::cross_location_logging(source.region(), target.region()));
        }
        if !target_grants.is_empty() && !target.acls_enabled() {
            return Err(S3Error::acl_not_supported());
        }
        let mut grants = Vec::with_capacity(target_grants.len());
        for RequestedGrant { grantee, permission } in target_grants {
            grants.push(Grant { grantee: self.grantee(grantee).await?, permission });
        }
        let logging = BucketLogging { target_bucket, target_prefix, grants, key_format };
        let log_source = LogSource::of(source, owner);
        let key = log_object_key(&log_source, &logging, now_ms, now_ms, SAMPLE_UNIQUE);
        if key.len() > MAX_OBJECT_KEY_LEN {
            return Err(S3Error::key_too_long(key.len(), MAX_OBJECT_KEY_LEN));
        }
        if !may_deliver(&log_source, &target, target_owner, &key, now_ms) {
            return Err(S3Error::closed_log_target(&logging.target_bucket));
        }
        Ok(logging)
    }

    async fn log_target(&self, name: &str) -> Result<Bucket, S3Error> {
        let missing = || S3Error::no_such_log_target(name);
        match self.store.bucket(&BucketName::for_lookup(name).ok_or_else(missing)?).await {
            Err(StoreError::NoSuchBucket) => Err(missing()),
            found => found.map_err(|error| Subject { bucket: name, ..Subject::default() }.error(error)),
        }
    }
}

/// As long as what tells log objects apart.
const SAMPLE_UNIQUE: &str = "0123456789ABCDEF";
