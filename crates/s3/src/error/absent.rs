//! What this server does not have, or S3 itself has no more.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// A feature of S3 that is not built. Nothing is done.
    #[must_use]
    pub fn feature_not_implemented(feature: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", format!("{feature} is not implemented by this server"))
    }

    /// No configuration has this ID.
    #[must_use]
    pub fn no_such_configuration() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchConfiguration", "The specified configuration does not exist.")
    }

    /// A list of configurations cannot be continued from there.
    #[must_use]
    pub fn malformed_continuation_token() -> Self {
        let message = "The continuation-token you provided invalid.";
        Self::new(StatusCode::BAD_REQUEST, "MalformedContinuationToken", message)
    }

    /// The bucket has no metadata tables.
    #[must_use]
    pub fn metadata_configuration_not_found(bucket: &str) -> Self {
        let message = "The metadata configuration was not found";
        Self::new(StatusCode::NOT_FOUND, "MetadataConfigurationNotFound", message).with("BucketName", bucket)
    }

    /// The first version of an operation on metadata tables, which S3 keeps for those who used it early.
    #[must_use]
    pub fn first_version_not_allowed(operation: &str, method: &str) -> Self {
        let successor = operation.replace("TableConfiguration", "Configuration");
        let message = format!(
            "The V1 {operation} API operation isn't available for this account. Use the corresponding V2 {successor} \
             API operation instead."
        );
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "V1APIsNotAllowed", message).with("Method", method)
    }

    /// The object has no annotation of this name.
    #[must_use]
    pub fn no_such_annotation(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchAnnotation", "The specified annotation does not exist.")
            .with("AnnotationName", name)
    }

    /// An operation on an annotation that does not say which.
    #[must_use]
    pub fn annotation_name_missing() -> Self {
        let message = "You must specify a user annotation name.";
        Self::new(StatusCode::BAD_REQUEST, "UserAnnotationNameMustBeSpecified", message)
    }

    /// The object is not in an archive.
    #[must_use]
    pub fn restore_not_allowed(storage_class: &str) -> Self {
        let message = "Restore is not allowed for the object's current storage class";
        Self::new(StatusCode::FORBIDDEN, "InvalidObjectState", message).with("StorageClass", storage_class)
    }

    /// The archive that the object is in is not as quick.
    #[must_use]
    pub fn retrieval_option_not_supported() -> Self {
        let message = "Retrieval option is not supported by this storage class";
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_an_operation_is_named() {
        let error = S3Error::first_version_not_allowed("GetBucketMetadataTableConfiguration", "GET");
        assert!(error.message().contains("V2 GetBucketMetadataConfiguration API"), "{}", error.message());
    }
}
