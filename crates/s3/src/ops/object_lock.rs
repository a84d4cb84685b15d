//! PutObjectLockConfiguration, GetObjectLockConfiguration.

use coffer_configuration::VersioningStatus;
use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_object_lock_configuration, write_object_lock_configuration};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    /// The token that once let a bucket have Object Lock that was not made with it is not asked for any more.
    pub(super) async fn put_object_lock_configuration(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.covered_document(request, MAX_DOCUMENT_LEN).await?;
        let configuration = parse_object_lock_configuration(&document)?;
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
