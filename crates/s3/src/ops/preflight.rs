//! The preflight of a cross-origin request. No bucket has CORS rules yet, so every preflight is refused.

use crate::error::S3Error;
use crate::request::S3Request;

/// The methods that a preflight can ask for.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// The answer to a preflight, which browsers never sign. It does not tell which buckets there are.
pub(super) fn refusal(request: &S3Request) -> S3Error {
    if !request.headers.contains("origin") {
        return S3Error::cors_origin_missing();
    }
    match request.headers.text("access-control-request-method") {
        Ok(None) => S3Error::cors_not_enabled("OPTIONS"),
        Ok(Some(method)) if METHODS.contains(&method) => S3Error::cors_not_enabled(method),
        Ok(Some(method)) => S3Error::cors_method_invalid(method),
        Err(error) => error,
    }
}
