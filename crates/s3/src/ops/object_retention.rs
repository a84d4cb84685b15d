//! PutObjectRetention, GetObjectRetention, PutObjectLegalHold, GetObjectLegalHold, and what reads of an object say of
//! its lock.

use coffer_configuration::ObjectLock;
use coffer_store::{Bucket, ChangedBy, LockChange};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::get::ascii;
use super::object_lock::lock_document;
use super::{S3Operations, version};
use crate::authorize::{Target, bypasses_governance};
use crate::error::{LOCK_LEGAL_HOLD, LOCK_MODE, LOCK_RETAIN_UNTIL, S3Error};
use crate::object_lock::{LockDocument, legal_hold_name};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::time::iso8601;
use crate::xml::{write_legal_hold, write_retention};

impl S3Operations {
    /// PutObjectRetention and PutObjectLegalHold.
    pub(super) async fn put_object_lock(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let document = lock_document(request)?;
        let target = version::target(request, &key)?;
        if bucket.object_lock().is_none() {
            return Err(S3Error::bucket_without_object_lock());
        }
        let change = match document {
            LockDocument::Configuration(_) => return Err(S3Error::internal_error()),
            LockDocument::LegalHold(on) => LockChange::LegalHold(on),
            LockDocument::Retention(retention) => {
                if let Some(past) = retention.filter(|retention| !retention.holds(request.now_ms)) {
                    return Err(S3Error::retention_past(past.until_ms));
                }
                LockChange::Retention { retention, bypass_governance: bypasses_governance(&request.headers) }
            }
        };
        let put = self.store.put_object_lock(&bucket, target, change, &request.origin(ChangedBy::Other)).await;
        put.map_err(|error| version::subject(request).error(error))?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_object_retention(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let retention = self.object_lock(request).await?.retention;
        let retention = retention.ok_or_else(S3Error::no_such_object_lock_configuration)?;
        Ok(S3Response::xml(write_retention(&retention)))
    }

    pub(super) async fn get_object_legal_hold(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let held = self.object_lock(request).await?.legal_hold;
        let held = held.ok_or_else(S3Error::no_such_object_lock_configuration)?;
        Ok(S3Response::xml(write_legal_hold(held)))
    }

    /// The lock of the version that the request names.
    async fn object_lock(&self, request: &S3Request) -> Result<ObjectLock, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        if bucket.object_lock().is_none() {
            return Err(S3Error::bucket_without_object_lock());
        }
        let info = self.store.object_info(&bucket, target).await;
        Ok(info.map_err(|error| version::subject(request).error(error))?.lock)
    }

    /// Says how a version that is read is locked, to who may know it.
    pub(super) async fn write_lock(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        lock: &ObjectLock,
        headers: &mut HeaderMap,
    ) -> Result<(), S3Error> {
        let target = Target::object(bucket, request.key_text(), request.query.get("versionId"));
        if let Some(retention) = lock.retention
            && self.authorizer.may(request, "s3:GetObjectRetention", target).await?
        {
            let mode = HeaderValue::from_static(retention.mode.name());
            headers.insert(HeaderName::from_static(LOCK_MODE), mode);
            headers.insert(HeaderName::from_static(LOCK_RETAIN_UNTIL), ascii(&iso8601(retention.until_ms)));
        }
        if let Some(held) = lock.legal_hold
            && self.authorizer.may(request, "s3:GetObjectLegalHold", target).await?
        {
            let status = HeaderValue::from_static(legal_hold_name(held));
            headers.insert(HeaderName::from_static(LOCK_LEGAL_HOLD), status);
        }
        Ok(())
    }
}
