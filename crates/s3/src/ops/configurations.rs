//! Configurations that no bucket here has: acceleration, analytics, inventories, request metrics, tiering, metadata
//! tables, attribute-based access control.
//!
//! What they do on S3 is not done here, so none is accepted. Whoever reads or removes one gets S3's answer for a bucket
//! without any, which is what programs that look after buckets expect.

use http::StatusCode;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation::{self, *};
use crate::xml::{self, parse_abac_status};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    /// Answers what is asked about such a configuration.
    pub(super) fn absent_configuration(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let operation = request.route.operation;
        if let Some(root) = list_root(operation) {
            let names_one = request.query.non_empty("id").is_some();
            return if names_one { Err(S3Error::no_such_configuration()) } else { no_configurations(request, root) };
        }
        match operation {
            DeleteBucketAnalyticsConfiguration
            | DeleteBucketIntelligentTieringConfiguration
            | DeleteBucketInventoryConfiguration
            | DeleteBucketMetricsConfiguration => Err(S3Error::no_such_configuration()),
            GetBucketMetadataConfiguration
            | DeleteBucketMetadataConfiguration
            | UpdateBucketMetadataAnnotationTableConfiguration
            | UpdateBucketMetadataInventoryTableConfiguration
            | UpdateBucketMetadataJournalTableConfiguration => {
                Err(S3Error::metadata_configuration_not_found(request.bucket_name()))
            }
            CreateBucketMetadataTableConfiguration
            | DeleteBucketMetadataTableConfiguration
            | GetBucketMetadataTableConfiguration => {
                Err(S3Error::first_version_not_allowed(operation.name(), request.method.as_str()))
            }
            GetBucketAccelerateConfiguration => Ok(S3Response::xml(xml::document("AccelerateConfiguration", |_| {}))),
            GetBucketAbac => Ok(S3Response::xml(xml::document("AbacStatus", |xml| {
                xml.text("Status", "Disabled");
            }))),
            _ => Err(S3Error::feature_not_implemented(feature(operation))),
        }
    }

    /// Attribute-based access control cannot be switched on, and is off.
    pub(super) async fn put_bucket_abac(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        if parse_abac_status(&document)? {
            return Err(S3Error::feature_not_implemented(feature(PutBucketAbac)));
        }
        Ok(S3Response::new(StatusCode::OK))
    }
}

/// The root element of a list of configurations, for an operation that reads one or all of them: without an ID it is
/// all.
fn list_root(operation: Operation) -> Option<&'static str> {
    match operation {
        GetBucketAnalyticsConfiguration | ListBucketAnalyticsConfigurations => {
            Some("ListBucketAnalyticsConfigurationsResult")
        }
        GetBucketIntelligentTieringConfiguration | ListBucketIntelligentTieringConfigurations => {
            Some("ListIntelligentTieringConfigurationsResult")
        }
        GetBucketInventoryConfiguration | ListBucketInventoryConfigurations => {
            Some("ListInventoryConfigurationsResult")
        }
        GetBucketMetricsConfiguration | ListBucketMetricsConfigurations => Some("ListMetricsConfigurationsResult"),
        _ => None,
    }
}

/// A list of configurations that is empty. No token leads anywhere in it.
fn no_configurations(request: &S3Request, root: &str) -> Result<S3Response, S3Error> {
    let token = request.query.get("continuation-token");
    if token.is_some_and(|token| !token.is_empty()) {
        return Err(S3Error::malformed_continuation_token());
    }
    Ok(S3Response::xml(xml::document(root, |xml| {
        xml.value("IsTruncated", false);
        xml.text_if("ContinuationToken", token);
    })))
}

/// What a refusal calls the feature.
fn feature(operation: Operation) -> &'static str {
    match operation {
        PutBucketAccelerateConfiguration => "Transfer Acceleration",
        PutBucketAnalyticsConfiguration => "Storage class analysis",
        PutBucketIntelligentTieringConfiguration => "Intelligent-Tiering",
        PutBucketInventoryConfiguration => "Inventory",
        PutBucketMetricsConfiguration => "Request metrics",
        CreateBucketMetadataConfiguration => "Metadata tables",
        PutBucketAbac => "Attribute-based access control of buckets",
        other => other.name(),
    }
}
