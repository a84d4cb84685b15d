//! The names of operations in S3's server access log: `REST.` or `WEBSITE.`, method, resource.

use super::record::RequestRecord;
use crate::route::Operation;

/// The name of what was asked for.
pub(super) fn operation(record: &RequestRecord) -> String {
    let method = record.head().map_or("GET", |head| head.method.as_str());
    let kind = if record.website() { "WEBSITE" } else { "REST" };
    match record.operation() {
        Some(operation @ (Operation::CopyObject | Operation::UploadPartCopy)) => {
            format!("REST.COPY.{}", resource(operation))
        }
        Some(operation) => format!("{kind}.{method}.{}", resource(operation)),
        None => "REST.UNKNOWN".to_owned(),
    }
}

#[rustfmt::skip]
fn resource(operation: Operation) -> &'static str {
    use Operation::*;
    match operation {
        GetBucketAcl | PutBucketAcl | GetObjectAcl | PutObjectAcl => "ACL",
        ListBuckets => "SERVICE",
        CreateBucket | DeleteBucket | HeadBucket | ListObjects | ListObjectsV2 => "BUCKET",
        ListObjectVersions => "BUCKETVERSIONS",
        PutObject | GetObject | HeadObject | DeleteObject | CopyObject | PostObject => "OBJECT",
        DeleteObjects => "MULTI_OBJECT_DELETE",
        UploadPart | UploadPartCopy => "PART",
        CreateMultipartUpload | ListMultipartUploads => "UPLOADS",
        CompleteMultipartUpload | AbortMultipartUpload | ListParts => "UPLOAD",
        PreflightObject => "PREFLIGHT",
        GetBucketAbac | PutBucketAbac => "ABAC",
        GetBucketAccelerateConfiguration | PutBucketAccelerateConfiguration => "ACCELERATE",
        GetBucketAnalyticsConfiguration | PutBucketAnalyticsConfiguration | DeleteBucketAnalyticsConfiguration
        | ListBucketAnalyticsConfigurations => "ANALYTICS",
        GetBucketCors | PutBucketCors | DeleteBucketCors => "CORS",
        GetBucketEncryption | PutBucketEncryption | DeleteBucketEncryption => "ENCRYPTION",
        GetBucketIntelligentTieringConfiguration | PutBucketIntelligentTieringConfiguration
        | DeleteBucketIntelligentTieringConfiguration | ListBucketIntelligentTieringConfigurations =>
            "INTELLIGENT_TIERING",
        GetBucketInventoryConfiguration | PutBucketInventoryConfiguration | DeleteBucketInventoryConfiguration
        | ListBucketInventoryConfigurations => "INVENTORY",
        GetBucketLifecycleConfiguration | PutBucketLifecycleConfiguration | DeleteBucketLifecycle => "LIFECYCLE",
        GetBucketLocation => "LOCATION",
        GetBucketLogging | PutBucketLogging => "LOGGING_STATUS",
        CreateBucketMetadataConfiguration | GetBucketMetadataConfiguration | DeleteBucketMetadataConfiguration =>
            "METADATA_CONFIGURATION",
        CreateBucketMetadataTableConfiguration | GetBucketMetadataTableConfiguration
        | DeleteBucketMetadataTableConfiguration => "METADATA_TABLE_CONFIGURATION",
        UpdateBucketMetadataAnnotationTableConfiguration => "METADATA_ANNOTATION_TABLE_CONFIGURATION",
        UpdateBucketMetadataInventoryTableConfiguration => "METADATA_INVENTORY_TABLE_CONFIGURATION",
        UpdateBucketMetadataJournalTableConfiguration => "METADATA_JOURNAL_TABLE_CONFIGURATION",
        GetBucketMetricsConfiguration | PutBucketMetricsConfiguration | DeleteBucketMetricsConfiguration
        | ListBucketMetricsConfigurations => "METRICS",
        GetBucketNotificationConfiguration | PutBucketNotificationConfiguration => "NOTIFICATION",
        GetBucketOwnershipControls | PutBucketOwnershipControls | DeleteBucketOwnershipControls =>
            "OWNERSHIP_CONTROLS",
        GetBucketPolicy | PutBucketPolicy | DeleteBucketPolicy => "BUCKETPOLICY",
        GetBucketPolicyStatus => "POLICY_STATUS",
        GetPublicAccessBlock | PutPublicAccessBlock | DeletePublicAccessBlock | GetAccountPublicAccessBlock
        | PutAccountPublicAccessBlock | DeleteAccountPublicAccessBlock => "PUBLIC_ACCESS_BLOCK",
        GetBucketReplication | PutBucketReplication | DeleteBucketReplication => "REPLICATION",
        GetBucketRequestPayment | PutBucketRequestPayment => "REQUEST_PAYMENT",
        GetBucketTagging | PutBucketTagging | DeleteBucketTagging | ListTagsForResource | TagResource | UntagResource =>
            "TAGGING",
        GetBucketVersioning | PutBucketVersioning => "VERSIONING",
        GetBucketWebsite | PutBucketWebsite | DeleteBucketWebsite => "WEBSITE",
        GetObjectAnnotation | PutObjectAnnotation | DeleteObjectAnnotation | ListObjectAnnotations =>
            "OBJECT_ANNOTATION",
        GetObjectAttributes => "OBJECT_ATTRIBUTES",
        GetObjectLegalHold | PutObjectLegalHold => "LEGAL_HOLD",
        GetObjectLockConfiguration | PutObjectLockConfiguration => "OBJECT_LOCK_CONFIGURATION",
        GetObjectRetention | PutObjectRetention => "RETENTION",
        GetObjectTagging | PutObjectTagging | DeleteObjectTagging => "OBJECT_TAGGING",
        GetObjectTorrent => "OBJECT_TORRENT",
        RenameObject => "OBJECT_RENAME",
        RestoreObject => "RESTORE",
        SelectObjectContent => "SELECT",
        UpdateObjectEncryption => "OBJECT_ENCRYPTION",
        WriteGetObjectResponse => "GET_OBJECT_RESPONSE",
    }
}
