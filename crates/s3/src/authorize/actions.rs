//! Which actions an operation needs, from AWS's "Actions, resources, and condition keys for Amazon S3".

use crate::headers::Headers;
use crate::object_lock::asks_for_object_lock;
use crate::request::{REPLICA, S3Request};
use crate::route::Operation::{self, *};

/// What a caller must be allowed to do for an operation to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: no browser signs a preflight.
    Nothing,
    /// An action on nothing in particular.
    Account(&'static str),
    /// `s3:CreateBucket` on a bucket that is not there yet.
    NewBucket,
    /// An action on the bucket.
    Bucket(&'static str),
    /// An action on the object, and what it is called if the request names a version.
    Object(&'static str, &'static str),
    /// `s3:DeleteObject`, and what goes with it, on every object that the body names.
    EachObject,
}

/// The action on the bucket or object of the request.
#[rustfmt::skip]
pub(crate) fn needs(operation: Operation) -> Needs {
    use Needs::{Account, Bucket, EachObject, NewBucket, Nothing, Object};
    match operation {
        AbortMultipartUpload => object("s3:AbortMultipartUpload"),
        CompleteMultipartUpload | CopyObject | CreateMultipartUpload | PostObject | PutObject | UploadPart
        | UploadPartCopy | RenameObject | UpdateObjectEncryption => object("s3:PutObject"),
        CreateBucket => NewBucket,
        CreateBucketMetadataConfiguration | CreateBucketMetadataTableConfiguration => {
            Bucket("s3:CreateBucketMetadataTableConfiguration")
        }
        DeleteBucket => Bucket("s3:DeleteBucket"),
        DeleteBucketMetadataConfiguration | DeleteBucketMetadataTableConfiguration => {
            Bucket("s3:DeleteBucketMetadataTableConfiguration")
        }
        DeleteBucketPolicy => Bucket("s3:DeleteBucketPolicy"),
        DeleteBucketWebsite => Bucket("s3:DeleteBucketWebsite"),
        DeleteObject => Object("s3:DeleteObject", "s3:DeleteObjectVersion"),
        DeleteObjectAnnotation => Object("s3:DeleteObjectAnnotation", "s3:DeleteObjectVersionAnnotation"),
        DeleteObjectTagging => Object("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
        DeleteObjects => EachObject,
        GetAccountPublicAccessBlock => Account("s3:GetAccountPublicAccessBlock"),
        GetBucketAbac => Bucket("s3:GetBucketAbac"),
        GetBucketAccelerateConfiguration => Bucket("s3:GetAccelerateConfiguration"),
        GetBucketAcl => Bucket("s3:GetBucketAcl"),
        GetBucketAnalyticsConfiguration | ListBucketAnalyticsConfigurations => Bucket("s3:GetAnalyticsConfiguration"),
        GetBucketCors => Bucket("s3:GetBucketCORS"),
        GetBucketEncryption => Bucket("s3:GetEncryptionConfiguration"),
        GetBucketIntelligentTieringConfiguration | ListBucketIntelligentTieringConfigurations => {
            Bucket("s3:GetIntelligentTieringConfiguration")
        }
        GetBucketInventoryConfiguration | ListBucketInventoryConfigurations => Bucket("s3:GetInventoryConfiguration"),
        GetBucketLifecycleConfiguration => Bucket("s3:GetLifecycleConfiguration"),
        GetBucketLocation => Bucket("s3:GetBucketLocation"),
        GetBucketLogging => Bucket("s3:GetBucketLogging"),
        GetBucketMetadataConfiguration | GetBucketMetadataTableConfiguration => {
            Bucket("s3:GetBucketMetadataTableConfiguration")
        }
        GetBucketMetricsConfiguration | ListBucketMetricsConfigurations => Bucket("s3:GetMetricsConfiguration"),
        GetBucketNotificationConfiguration => Bucket("s3:GetBucketNotification"),
        GetBucketOwnershipControls => Bucket("s3:GetBucketOwnershipControls"),
        GetBucketPolicy => Bucket("s3:GetBucketPolicy"),
        GetBucketPolicyStatus => Bucket("s3:GetBucketPolicyStatus"),
        GetBucketReplication => Bucket("s3:GetReplicationConfiguration"),
        GetBucketRequestPayment => Bucket("s3:GetBucketRequestPayment"),
        GetBucketTagging => Bucket("s3:GetBucketTagging"),
        GetBucketVersioning => Bucket("s3:GetBucketVersioning"),
        GetBucketWebsite => Bucket("s3:GetBucketWebsite"),
        GetObject | GetObjectAttributes | HeadObject | SelectObjectContent => {
            Object("s3:GetObject", "s3:GetObjectVersion")
        }
        GetObjectAcl => Object("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
        GetObjectAnnotation | ListObjectAnnotations => {
            Object("s3:GetObjectAnnotation", "s3:GetObjectVersionAnnotation")
        }
        GetObjectLegalHold => object("s3:GetObjectLegalHold"),
        GetObjectLockConfiguration => Bucket("s3:GetBucketObjectLockConfiguration"),
        GetObjectRetention => object("s3:GetObjectRetention"),
        GetObjectTagging => Object("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
        GetObjectTorrent => Object("s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"),
        GetPublicAccessBlock => Bucket("s3:GetBucketPublicAccessBlock"),
        HeadBucket | ListObjects | ListObjectsV2 => Bucket("s3:ListBucket"),
        ListBuckets => Account("s3:ListAllMyBuckets"),
        ListMultipartUploads => Bucket("s3:ListBucketMultipartUploads"),
        ListObjectVersions => Bucket("s3:ListBucketVersions"),
        ListParts => object("s3:ListMultipartUploadParts"),
        ListTagsForResource => Bucket("s3:ListTagsForResource"),
        PreflightObject => Nothing,
        DeleteAccountPublicAccessBlock | PutAccountPublicAccessBlock => Account("s3:PutAccountPublicAccessBlock"),
        PutBucketAbac => Bucket("s3:PutBucketAbac"),
        PutBucketAccelerateConfiguration => Bucket("s3:PutAccelerateConfiguration"),
        PutBucketAcl => Bucket("s3:PutBucketAcl"),
        DeleteBucketAnalyticsConfiguration | PutBucketAnalyticsConfiguration => Bucket("s3:PutAnalyticsConfiguration"),
        DeleteBucketCors | PutBucketCors => Bucket("s3:PutBucketCORS"),
        DeleteBucketEncryption | PutBucketEncryption => Bucket("s3:PutEncryptionConfiguration"),
        DeleteBucketIntelligentTieringConfiguration | PutBucketIntelligentTieringConfiguration => {
            Bucket("s3:PutIntelligentTieringConfiguration")
        }
        DeleteBucketInventoryConfiguration | PutBucketInventoryConfiguration => Bucket("s3:PutInventoryConfiguration"),
        DeleteBucketLifecycle | PutBucketLifecycleConfiguration => Bucket("s3:PutLifecycleConfiguration"),
        PutBucketLogging => Bucket("s3:PutBucketLogging"),
        DeleteBucketMetricsConfiguration | PutBucketMetricsConfiguration => Bucket("s3:PutMetricsConfiguration"),
        PutBucketNotificationConfiguration => Bucket("s3:PutBucketNotification"),
        DeleteBucketOwnershipControls | PutBucketOwnershipControls => Bucket("s3:PutBucketOwnershipControls"),
        PutBucketPolicy => Bucket("s3:PutBucketPolicy"),
        DeleteBucketReplication | PutBucketReplication => Bucket("s3:PutReplicationConfiguration"),
        PutBucketRequestPayment => Bucket("s3:PutBucketRequestPayment"),
        DeleteBucketTagging | PutBucketTagging => Bucket("s3:PutBucketTagging"),
        PutBucketVersioning => Bucket("s3:PutBucketVersioning"),
        PutBucketWebsite => Bucket("s3:PutBucketWebsite"),
        PutObjectAcl => Object("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
        PutObjectAnnotation => Object("s3:PutObjectAnnotation", "s3:PutObjectVersionAnnotation"),
        PutObjectLegalHold => object("s3:PutObjectLegalHold"),
        PutObjectLockConfiguration => Bucket("s3:PutBucketObjectLockConfiguration"),
        PutObjectRetention => object("s3:PutObjectRetention"),
        PutObjectTagging => Object("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        DeletePublicAccessBlock | PutPublicAccessBlock => Bucket("s3:PutBucketPublicAccessBlock"),
        RestoreObject => object("s3:RestoreObject"),
        TagResource => Bucket("s3:TagResource"),
        UntagResource => Bucket("s3:UntagResource"),
        UpdateBucketMetadataAnnotationTableConfiguration => {
            Bucket("s3:UpdateBucketMetadataAnnotationTableConfiguration")
        }
        UpdateBucketMetadataInventoryTableConfiguration => {
            Bucket("s3:UpdateBucketMetadataInventoryTableConfiguration")
        }
        UpdateBucketMetadataJournalTableConfiguration => Bucket("s3:UpdateBucketMetadataJournalTableConfiguration"),
        WriteGetObjectResponse => Account("s3-object-lambda:WriteGetObjectResponse"),
    }
}

/// What a caller must be allowed to do besides for an operation to bring a replica or to change one; `None` for those
/// that never do.
pub(crate) fn replication_action(operation: Operation) -> Option<&'static str> {
    match operation {
        PutObject | CompleteMultipartUpload | PutObjectRetention | PutObjectLegalHold => Some("s3:ReplicateObject"),
        DeleteObject => Some("s3:ReplicateDelete"),
        PutObjectTagging | DeleteObjectTagging => Some("s3:ReplicateTags"),
        _ => None,
    }
}

/// An action that is called the same whether a version is named or not.
const fn object(action: &'static str) -> Needs {
    Needs::Object(action, action)
}

/// What is needed besides, on the same bucket or object, for what the headers ask.
pub(crate) fn further(request: &S3Request) -> Vec<&'static str> {
    let headers = &request.headers;
    let sets_acl = headers.contains("x-amz-acl") || headers.contains_prefix("x-amz-grant-");
    let as_replica = replication_action(request.route.operation).filter(|_| headers.contains(REPLICA));
    let mut actions = Vec::from_iter(as_replica);
    let mut need = |needed: bool, action| {
        if needed {
            actions.push(action);
        }
    };
    match request.route.operation {
        CreateBucket => {
            need(sets_acl, "s3:PutBucketAcl");
            need(headers.contains("x-amz-object-ownership"), "s3:PutBucketOwnershipControls");
            // What is neither `true` nor `false` is refused later.
            let locks = asks_for_object_lock(headers).unwrap_or(true);
            need(locks, "s3:PutBucketObjectLockConfiguration");
            need(locks, "s3:PutBucketVersioning");
        }
        PutObject | PostObject | CopyObject | CreateMultipartUpload => {
            let tags_in_form = request.form.as_ref().is_some_and(|form| form.tagging.is_some());
            need(headers.contains("x-amz-tagging") || tags_in_form, "s3:PutObjectTagging");
            need(sets_acl, "s3:PutObjectAcl");
            need(headers.contains("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold");
            let retains = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"];
            need(retains.iter().any(|name| headers.contains(name)), "s3:PutObjectRetention");
            need(headers.contains("if-match"), "s3:GetObject");
        }
        CompleteMultipartUpload => need(headers.contains("if-match"), "s3:GetObject"),
        GetObjectAttributes => {
            let versioned = request.query.contains("versionId");
            need(!versioned, "s3:GetObjectAttributes");
            need(versioned, "s3:GetObjectVersionAttributes");
        }
        DeleteObject => {
            need(compares_etag(headers), "s3:GetObject");
            need(bypasses_governance(headers), BYPASS);
        }
        PutObjectRetention => need(bypasses_governance(headers), BYPASS),
        UpdateObjectEncryption => need(true, "s3:UpdateObjectEncryption"),
        _ => {}
    }
    actions
}

/// Whether a deletion depends on what the object is, and not only on whether it is there: the answer tells.
fn compares_etag(headers: &Headers) -> bool {
    headers.all("if-match").any(|value| value != b"*")
}

/// Whether objects under governance may be overwritten or deleted, if the caller may say so.
pub(crate) fn bypasses_governance(headers: &Headers) -> bool {
    headers.all("x-amz-bypass-governance-retention").any(|value| value.eq_ignore_ascii_case(b"true"))
}

/// What lets governance be bypassed.
pub(crate) const BYPASS: &str = "s3:BypassGovernanceRetention";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_but_the_preflight_needs_an_action_of_s3() {
        for operation in Operation::ALL {
            let action = match needs(*operation) {
                Needs::Account(action) | Needs::Bucket(action) => action,
                Needs::Object(action, of_version) => {
                    assert!(of_version == action || of_version.contains("Version"), "{operation:?}");
                    action
                }
                Needs::NewBucket => "s3:CreateBucket",
                Needs::EachObject => "s3:DeleteObject",
                Needs::Nothing => {
                    assert_eq!(*operation, Operation::PreflightObject);
                    continue;
                }
            };
            assert!(action.starts_with("s3:") || *operation == Operation::WriteGetObjectResponse, "{operation:?}");
        }
    }

    #[test]
    fn operations_that_write_objects_all_need_the_one_action() {
        for operation in [PutObject, PostObject, CopyObject, CreateMultipartUpload, UploadPart, UploadPartCopy] {
            assert_eq!(needs(operation), object("s3:PutObject"));
        }
        assert_eq!(needs(CompleteMultipartUpload), object("s3:PutObject"));
    }
}
