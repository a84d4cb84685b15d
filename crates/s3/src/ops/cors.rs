//! PutBucketCors, GetBucketCors, DeleteBucketCors.

use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_cors_configuration, write_cors_configuration};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_cors(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let configuration = parse_cors_configuration(&document)?;
        self.configure(request, |_, settings| {
            settings.cors = Some(configuration.clone());
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) fn get_bucket_cors(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let configuration = bucket.settings().and_then(|settings| settings.cors.as_ref());
        let configuration = configuration.ok_or_else(|| S3Error::no_such_cors_configuration(request.bucket_name()))?;
        Ok(S3Response::xml(write_cors_configuration(configuration)))
    }

    pub(super) async fn delete_bucket_cors(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.configure(request, |_, settings| {
            settings.cors = None;
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}
