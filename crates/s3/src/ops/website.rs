//! PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite.

use coffer_configuration::WebsiteConfiguration;
use coffer_store::Bucket;
use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_website_configuration, write_website_configuration};

const MAX_DOCUMENT_LEN: usize = 128 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_website(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let configuration = parse_website_configuration(&document)?;
        self.configure(request, |_, settings| {
            settings.website = Some(configuration.clone());
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) fn get_bucket_website(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        Ok(S3Response::xml(write_website_configuration(website(&bucket)?)))
    }

    pub(super) async fn delete_bucket_website(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.configure(request, |_, settings| {
            settings.website = None;
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}

/// What the website of a bucket is.
///
/// # Errors
/// `NoSuchWebsiteConfiguration`.
pub(super) fn website(bucket: &Bucket) -> Result<&WebsiteConfiguration, S3Error> {
    let website = bucket.settings().and_then(|settings| settings.website.as_ref());
    website.ok_or_else(|| S3Error::no_such_website_configuration(bucket.name().as_str()))
}
