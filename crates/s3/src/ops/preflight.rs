//! The preflight of a cross-origin request: a browser asks what it may let a page do.

use http::{HeaderMap, StatusCode};

use super::S3Operations;
use crate::cors::Crossing;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;

/// The methods that a preflight can ask for.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

impl S3Operations {
    /// Answers a preflight, which browsers never sign.
    pub(super) async fn preflight(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        if !request.headers.contains("origin") {
            return Err(S3Error::cors_origin_missing());
        }
        let method = request.headers.text("access-control-request-method")?;
        if method.is_some_and(|method| !METHODS.contains(&method)) {
            return Err(S3Error::cors_method_invalid(method));
        }
        let named = method.unwrap_or("OPTIONS");
        if request.route.bucket.is_none() {
            return Err(S3Error::cors_not_enabled(named));
        }
        let bucket = match self.find_bucket(request.bucket_name()).await {
            Err(error) if error.code() == "NoSuchBucket" => return Err(S3Error::cors_bucket_not_found(named)),
            found => found?,
        };
        let configuration = bucket.settings().and_then(|settings| settings.cors.as_ref());
        let configuration = configuration.ok_or_else(|| S3Error::cors_not_enabled(named))?;
        let method = method.ok_or_else(|| S3Error::cors_method_invalid(None))?;
        let answer = Crossing::of(&request.headers, method).and_then(|crossing| crossing.answer(configuration));
        let resource_type = if request.route.key.is_some() { "OBJECT" } else { "BUCKET" };
        let mut response = S3Response::new(StatusCode::OK);
        response.headers = answer.ok_or_else(|| S3Error::cors_not_allowed(method, resource_type))?;
        Ok(response)
    }

    /// What the answer to a request on a bucket tells the browser of a page of another origin, whatever the answer is.
    pub(super) async fn cross_origin_headers(&self, bucket: &str, crossing: &Crossing) -> HeaderMap {
        let Ok(bucket) = self.find_bucket(bucket).await else { return HeaderMap::new() };
        let configuration = bucket.settings().and_then(|settings| settings.cors.as_ref());
        configuration.and_then(|configuration| crossing.answer(configuration)).unwrap_or_default()
    }
}
