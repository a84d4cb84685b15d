//! PutObjectLockConfiguration, GetObjectLockConfiguration, and the documents of Object Lock.

use coffer_configuration::VersioningStatus;
use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::object_lock::LockDocument;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::xml::{
    parse_legal_hold_document, parse_object_lock_configuration, parse_retention, write_object_lock_configuration,
};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    /// Reads the document of Object Lock that a request brings: policies look at it, so it is read before anybody is
    /// asked. What is wrong with it is said to who may send it.
    pub(super) async fn read_lock_document(&self, request: &mut S3Request) {
        let parse: fn(&[u8]) -> Result<LockDocument, S3Error> = match request.route.operation {
            Operation::PutObjectLockConfiguration => {
                |document| parse_object_lock_configuration(document).map(LockDocument::Configuration)
            }
            Operation::PutObjectRetention => |document| parse_retention(document).map(LockDocument::Retention),
            Operation::PutObjectLegalHold => {
                |document| parse_legal_hold_document(document).map(LockDocument::LegalHold)
            }
            _ => return,
        };
        let document = self.covered_document(request, MAX_DOCUMENT_LEN).await;
        request.admitted.lock_document = Some(document.and_then(|document| parse(&document)));
    }

    /// The token that once let a bucket have Object Lock that was not made with it is not asked for any more.
    pub(super) async fn put_object_lock_configuration(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let LockDocument::Configuration(configuration) = lock_document(request)? else {
            return Err(S3Error::internal_error());
        };
        self.configure(request, |_, settings| {
            if settings.versioning != Some(VersioningStatus::Enabled) {
                return Err(S3Error::object_lock_without_versioning());
            }
            settings.object_lock = Some(configuration.clone());
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_object_lock_configuration(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        match request.bucket()?.object_lock() {
            Some(configuration) => Ok(S3Response::xml(write_object_lock_configuration(configuration))),
            None => Err(S3Error::object_lock_configuration_not_found(request.bucket_name())),
        }
    }
}

/// The document that was read before anybody was asked.
pub(super) fn lock_document(request: &mut S3Request) -> Result<LockDocument, S3Error> {
    request.admitted.lock_document.take().ok_or_else(S3Error::internal_error)?
}
