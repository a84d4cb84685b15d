//! Refusals of tags.

use coffer_configuration::{InvalidTag, Tag};
use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// More tags than an object may have.
    #[must_use]
    pub fn too_many_object_tags() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", "Object tags cannot be greater than 10")
    }

    /// More tags than a bucket may have.
    #[must_use]
    pub fn too_many_bucket_tags() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", "Bucket tag count cannot be greater than 50")
    }

    /// More tags than a bucket may have, as the S3 Control API says it.
    #[must_use]
    pub fn too_many_resource_tags() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "TooManyTags", "The number of tags exceeds the limit of 50 tags.")
    }

    /// Tags break the rules that the message names.
    #[must_use]
    pub fn invalid_tag(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidTag", message)
    }

    /// A tag has a key or a value that no tag can have.
    #[must_use]
    pub fn impossible_tag(tag: &Tag, invalid: InvalidTag) -> Self {
        match invalid {
            InvalidTag::Key => Self::invalid_tag("The TagKey you have provided is invalid").with("TagKey", &tag.key),
            InvalidTag::Value => Self::invalid_tag("The TagValue you have provided is invalid")
                .with("TagKey", &tag.key)
                .with("TagValue", &tag.value),
        }
    }

    /// `x-amz-tagging` is no query string, or says the same key twice.
    #[must_use]
    pub fn invalid_tagging_header(value: &str) -> Self {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
                       without tag name duplicates.";
        Self::invalid_argument(message, "x-amz-tagging", Some(value))
    }

    /// There is no such bucket, as the S3 Control API says it.
    #[must_use]
    pub fn no_such_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchResource", "The specified resource doesn't exist.")
    }
}
