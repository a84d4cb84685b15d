//! CORS: documents that are none, and preflights that are refused.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// CORS preflight of a bucket without CORS rules.
    #[must_use]
    pub fn cors_not_enabled(method: &str) -> Self {
        Self::cors_forbidden("CORSResponse: CORS is not enabled for this bucket.", method, "BUCKET")
    }

    /// CORS preflight of a bucket that is not there.
    #[must_use]
    pub fn cors_bucket_not_found(method: &str) -> Self {
        Self::cors_forbidden("CORSResponse: Bucket not found", method, "BUCKET")
    }

    /// CORS preflight for what no rule of the bucket allows; `resource_type` is `BUCKET` or `OBJECT`.
    #[must_use]
    pub fn cors_not_allowed(method: &str, resource_type: &str) -> Self {
        // The spelling is S3's.
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of \
                       Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are \
                       not whitelisted by the resource's CORS spec.";
        Self::cors_forbidden(message, method, resource_type)
    }

    fn cors_forbidden(message: &'static str, method: &str, resource_type: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessForbidden", message)
            .with("Method", method)
            .with("ResourceType", resource_type)
    }

    /// OPTIONS that is no CORS preflight.
    #[must_use]
    pub fn cors_origin_missing() -> Self {
        let message = "Insufficient information. Origin request header needed.";
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// CORS preflight for what no request can be, or for no method at all.
    #[must_use]
    pub fn cors_method_invalid(method: Option<&str>) -> Self {
        let message = format!("Invalid Access-Control-Request-Method: {}", method.unwrap_or("null"));
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// There are more CORS rules than a bucket can have.
    #[must_use]
    pub fn too_many_cors_rules(max: usize) -> Self {
        Self::invalid_request(format!("The number of CORS rules should not exceed allowed limit of {max} rules."))
    }

    /// A CORS rule is for a method that S3 does not have.
    #[must_use]
    pub fn unsupported_cors_method(method: &str) -> Self {
        let message = "Found unsupported HTTP method in CORS config. Unsupported method is";
        Self::invalid_request(format!("{message} {method}"))
    }

    /// `AllowedOrigin` or `AllowedHeader` of a CORS rule has several wildcards.
    #[must_use]
    pub fn several_cors_wildcards(element: &str, value: &str) -> Self {
        Self::invalid_request(format!("{element} \"{value}\" can not have more than one wildcard."))
    }

    /// `ExposeHeader` of a CORS rule has a wildcard.
    #[must_use]
    pub fn cors_expose_wildcard(value: &str) -> Self {
        let message = "contains wildcard. We currently do not support wildcard for ExposeHeader.";
        Self::invalid_request(format!("ExposeHeader \"{value}\" {message}"))
    }

    /// `ExposeHeader` of a CORS rule is no name of a header.
    #[must_use]
    pub fn cors_expose_invalid(value: &str) -> Self {
        Self::invalid_request(format!("ExposeHeader \"{value}\" contains invalid character."))
    }
}
