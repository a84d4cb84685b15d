//! The operations: what a request that is authenticated asks for, from the headers to the store and back.
//!
//! The order of the checks is S3's: bucket, permission, block of SSE-C, other headers, encryption headers, then the
//! object or upload, its customer key, conditions and ranges, and at last the body's digests.

mod acl;
mod admit;
mod algorithms;
mod annotations;
mod attributes;
mod body;
mod bucket_encryption;
mod bucket_tagging;
mod buckets;
mod complete;
mod configurations;
mod configure;
mod copy;
mod cors;
mod delete;
mod expiration;
mod get;
mod lifecycle;
mod listing;
mod logging;
mod notification;
mod object_encryption;
mod object_lock;
mod object_retention;
mod object_tagging;
mod owner;
mod ownership;
mod parts;
mod policy;
mod post;
mod preflight;
mod public_access_block;
mod put;
mod replication;
mod request_payment;
mod restore;
mod sealing;
mod store_error;
mod uploads;
mod version;
mod versioning;
mod website;

pub use notification::is_target_name;
pub use replication::{DestinationState, ReplicationTargets};

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_configuration::WebsiteConfiguration;
use coffer_crypto::{Key32, ct_eq};
use coffer_store::{
    Bucket, ETagMatch, InvalidObjectKey, Keys, MAX_OBJECT_KEY_LEN, ObjectOwnership, Store, WriteConditions,
};

use http::HeaderMap;

use self::replication::NoReplicationTargets;
use self::store_error::Subject;
use crate::auth::Identities;
use crate::authorize::Authorizer;
use crate::checksum::{AdditionalChecksum, RequestedChecksums, trailing_checksum};
use crate::conditional::WriteCondition;
use crate::cors::Crossing;
use crate::error::S3Error;
use crate::etag::ETagCondition;
use crate::kms::{BucketKeys, Kms, OnBehalf};
use crate::notification::{EventTargets, NoEventTargets};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::service::Operations;
use crate::sse::{self, CustomerKey};

/// What the operations need to know besides the store.
#[derive(Debug, Clone)]
pub struct OperationSettings {
    /// The region of every bucket.
    pub region: String,
    /// The account that owns the buckets from before there were others: 12 digits.
    pub account_id: String,
    /// The object ownership of new buckets that ask for none.
    pub new_bucket_object_ownership: ObjectOwnership,
    /// Whether new buckets have all of Block Public Access on; else they have none of it.
    pub new_bucket_block_public_access: bool,
}

/// The operations of S3 over a store.
pub struct S3Operations {
    store: Store,
    identities: Arc<dyn Identities>,
    authorizer: Authorizer,
    settings: OperationSettings,
    event_targets: Arc<dyn EventTargets>,
    replication: Arc<dyn ReplicationTargets>,
    kms: Arc<dyn Kms>,
    bucket_keys: BucketKeys,
}

impl S3Operations {
    /// The operations over `store`, for those that `identities` knows.
    #[must_use]
    pub fn new(store: Store, identities: Arc<dyn Identities>, settings: OperationSettings) -> Self {
        let authorizer = Authorizer::new(
            store.clone(),
            Arc::clone(&identities),
            settings.region.clone(),
            settings.account_id.clone(),
        );
        let (event_targets, replication) = (Arc::new(NoEventTargets), Arc::new(NoReplicationTargets));
        let kms = Arc::clone(authorizer.kms());
        let bucket_keys = BucketKeys::default();
        Self { store, identities, authorizer, settings, event_targets, replication, kms, bucket_keys }
    }

    /// The same, with targets that events can be sent to.
    #[must_use]
    pub fn with_event_targets(self, event_targets: Arc<dyn EventTargets>) -> Self {
        Self { event_targets, ..self }
    }

    /// The same, with buckets elsewhere that objects can be replicated to.
    #[must_use]
    pub fn with_replication(self, replication: Arc<dyn ReplicationTargets>) -> Self {
        Self { replication, ..self }
    }

    /// The same, with a KMS.
    #[must_use]
    pub fn with_kms(self, kms: Arc<dyn Kms>) -> Self {
        Self { authorizer: self.authorizer.with_kms(Arc::clone(&kms)), kms, ..self }
    }

    /// C-BLOCK: refuses a write that names a customer key, sound or not, to a bucket that blocks them.
    fn check_sse_c_blocked(&self, request: &S3Request, bucket: &Bucket, action: &str) -> Result<(), S3Error> {
        if bucket.sse_c_blocked() && sse::names_customer_key(&request.headers) {
            let resource = format!("arn:aws:s3:::{}/{}", bucket.name().as_str(), request.key_text());
            return Err(S3Error::customer_key_blocked(request.principal.arn(), action, &resource));
        }
        Ok(())
    }

    /// Reads a document that must come with a digest, and verifies it.
    async fn covered_document(&self, request: &mut S3Request, limit: usize) -> Result<Bytes, S3Error> {
        if !RequestedChecksums::parse(&request.headers)?.covers_body() {
            return Err(S3Error::missing_body_digest());
        }
        self.verified_document(request, limit).await
    }

    /// Reads a configuration document and verifies the digests that came with it.
    async fn verified_document(&self, request: &mut S3Request, limit: usize) -> Result<Bytes, S3Error> {
        let requested = RequestedChecksums::parse(&request.headers)?;
        let document = match request.admitted.document.take() {
            Some(document) => document,
            None => request.body.read_all(limit).await?,
        };
        let algorithm = requested.additional.as_ref().map(|additional| algorithms::stored(additional.algorithm()));
        let mut hasher = coffer_store::checksum::Hasher::new(requested.content_md5.is_some(), algorithm.as_slice());
        hasher.update(&document);
        let digests = hasher.finish();
        if let (Some(sent), Some(computed)) = (requested.content_md5, digests.md5)
            && sent != computed
        {
            let error = coffer_store::StoreError::Md5Mismatch { expected: sent, computed };
            return Err(Subject::default().error(error));
        }
        let sent = match &requested.additional {
            None => return Ok(document),
            Some(AdditionalChecksum::Header(_, value)) => value.clone(),
            Some(AdditionalChecksum::Trailer(algorithm)) => trailing_checksum(*algorithm, request.body.trailers())?,
        };
        let holds = algorithm
            .and_then(|algorithm| digests.checksums.get(algorithm))
            .is_some_and(|computed| ct_eq(computed, &sent));
        match requested.additional {
            Some(additional) if !holds => Err(S3Error::bad_checksum(additional.algorithm().name())),
            _ => Ok(document),
        }
    }
}

#[async_trait]
impl Operations for S3Operations {
    async fn call(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        if request.route.operation == Operation::PreflightObject {
            return self.preflight(request).await;
        }
        self.admit(request).await?;
        refuse_version(request)?;
        match self.operate(request).await {
            Err(error) => Err(self.unless_hidden(request, error).await),
            Ok(mut answer) => {
                if request.admitted.is_charged {
                    request_payment::write_charged(&mut answer);
                }
                Ok(answer)
            }
        }
    }

    async fn website(&self, bucket: &str) -> Result<WebsiteConfiguration, S3Error> {
        let bucket = self.find_bucket(bucket).await?;
        request_payment::check_visitors(&bucket)?;
        website::website(&bucket).cloned()
    }

    async fn tell_origin(&self, bucket: &str, crossing: &Crossing) -> HeaderMap {
        self.cross_origin_headers(bucket, crossing).await
    }
}

impl S3Operations {
    /// Does what is asked, by somebody who may.
    async fn operate(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        match request.route.operation {
            Operation::ListBuckets => self.list_buckets(request).await,
            Operation::CreateBucket => self.create_bucket(request).await,
            Operation::HeadBucket => self.head_bucket(request).await,
            Operation::GetBucketLocation => self.get_bucket_location(request).await,
            Operation::PutBucketVersioning => self.put_bucket_versioning(request).await,
            Operation::GetBucketVersioning => self.get_bucket_versioning(request).await,
            Operation::DeleteBucket => self.delete_bucket(request).await,
            Operation::PutBucketCors => self.put_bucket_cors(request).await,
            Operation::GetBucketCors => self.get_bucket_cors(request),
            Operation::DeleteBucketCors => self.delete_bucket_cors(request).await,
            Operation::PutBucketWebsite => self.put_bucket_website(request).await,
            Operation::GetBucketWebsite => self.get_bucket_website(request),
            Operation::DeleteBucketWebsite => self.delete_bucket_website(request).await,
            Operation::PutBucketEncryption => self.put_bucket_encryption(request).await,
            Operation::GetBucketEncryption => self.get_bucket_encryption(request).await,
            Operation::DeleteBucketEncryption => self.delete_bucket_encryption(request).await,
            Operation::PutBucketLifecycleConfiguration => self.put_bucket_lifecycle(request).await,
            Operation::GetBucketLifecycleConfiguration => self.get_bucket_lifecycle(request).await,
            Operation::DeleteBucketLifecycle => self.delete_bucket_lifecycle(request).await,
            Operation::PutBucketLogging => self.put_bucket_logging(request).await,
            Operation::GetBucketLogging => self.get_bucket_logging(request).await,
            Operation::PutBucketNotificationConfiguration => self.put_bucket_notification(request).await,
            Operation::GetBucketNotificationConfiguration => self.get_bucket_notification(request).await,
            Operation::PutObjectLockConfiguration => self.put_object_lock_configuration(request).await,
            Operation::GetObjectLockConfiguration => self.get_object_lock_configuration(request).await,
            Operation::PutObjectRetention | Operation::PutObjectLegalHold => self.put_object_lock(request).await,
            Operation::GetObjectRetention => self.get_object_retention(request).await,
            Operation::GetObjectLegalHold => self.get_object_legal_hold(request).await,
            Operation::PutObjectTagging => self.put_object_tagging(request).await,
            Operation::GetObjectTagging => self.get_object_tagging(request).await,
            Operation::DeleteObjectTagging => self.delete_object_tagging(request).await,
            Operation::PutBucketTagging => self.put_bucket_tagging(request).await,
            Operation::GetBucketTagging => self.get_bucket_tagging(request).await,
            Operation::DeleteBucketTagging => self.delete_bucket_tagging(request).await,
            Operation::TagResource => self.tag_resource(request).await,
            Operation::UntagResource => self.untag_resource(request).await,
            Operation::ListTagsForResource => self.list_tags_for_resource(request).await,
            Operation::PutBucketRequestPayment => self.put_bucket_request_payment(request).await,
            Operation::GetBucketRequestPayment => self.get_bucket_request_payment(request).await,
            Operation::PutBucketReplication => self.put_bucket_replication(request).await,
            Operation::GetBucketReplication => self.get_bucket_replication(request).await,
            Operation::DeleteBucketReplication => self.delete_bucket_replication(request).await,
            Operation::PutBucketPolicy => self.put_bucket_policy(request).await,
            Operation::GetBucketPolicy => self.get_bucket_policy(request).await,
            Operation::DeleteBucketPolicy => self.delete_bucket_policy(request).await,
            Operation::GetBucketPolicyStatus => self.get_bucket_policy_status(request).await,
            Operation::PutPublicAccessBlock => self.put_public_access_block(request).await,
            Operation::GetPublicAccessBlock => self.get_public_access_block(request).await,
            Operation::DeletePublicAccessBlock => self.delete_public_access_block(request).await,
            Operation::PutAccountPublicAccessBlock => self.put_account_public_access_block(request).await,
            Operation::GetAccountPublicAccessBlock => self.get_account_public_access_block(request).await,
            Operation::DeleteAccountPublicAccessBlock => self.delete_account_public_access_block(request).await,
            Operation::PutBucketOwnershipControls => self.put_bucket_ownership_controls(request).await,
            Operation::GetBucketOwnershipControls => self.get_bucket_ownership_controls(request).await,
            Operation::DeleteBucketOwnershipControls => self.delete_bucket_ownership_controls(request).await,
            Operation::PutBucketAcl => self.put_bucket_acl(request).await,
            Operation::GetBucketAcl => self.get_bucket_acl(request).await,
            Operation::PutObjectAcl => self.put_object_acl(request).await,
            Operation::GetObjectAcl => self.get_object_acl(request).await,
            Operation::ListObjects => self.list_objects(request).await,
            Operation::ListObjectsV2 => self.list_objects_v2(request).await,
            Operation::ListObjectVersions => self.list_object_versions(request).await,
            Operation::PutObject => self.put_object(request).await,
            Operation::PostObject => self.post_object(request).await,
            Operation::GetObject => self.get_object(request).await,
            Operation::HeadObject => self.head_object(request).await,
            Operation::GetObjectAttributes => self.get_object_attributes(request).await,
            Operation::CopyObject => self.copy_object(request).await,
            Operation::DeleteObject => self.delete_object(request).await,
            Operation::DeleteObjects => self.delete_objects(request).await,
            Operation::CreateMultipartUpload => self.create_multipart_upload(request).await,
            Operation::UploadPart => self.upload_part(request).await,
            Operation::UploadPartCopy => self.upload_part_copy(request).await,
            Operation::CompleteMultipartUpload => self.complete_multipart_upload(request).await,
            Operation::AbortMultipartUpload => self.abort_multipart_upload(request).await,
            Operation::ListParts => self.list_parts(request).await,
            Operation::ListMultipartUploads => self.list_multipart_uploads(request).await,
            Operation::RestoreObject => self.restore_object(request).await,
            Operation::UpdateObjectEncryption => self.update_object_encryption(request).await,
            Operation::GetObjectAnnotation | Operation::PutObjectAnnotation | Operation::DeleteObjectAnnotation => {
                self.object_annotation(request).await
            }
            Operation::ListObjectAnnotations => self.list_object_annotations(request).await,
            Operation::PutBucketAbac => self.put_bucket_abac(request).await,
            Operation::CreateBucketMetadataConfiguration
            | Operation::CreateBucketMetadataTableConfiguration
            | Operation::DeleteBucketAnalyticsConfiguration
            | Operation::DeleteBucketIntelligentTieringConfiguration
            | Operation::DeleteBucketInventoryConfiguration
            | Operation::DeleteBucketMetadataConfiguration
            | Operation::DeleteBucketMetadataTableConfiguration
            | Operation::DeleteBucketMetricsConfiguration
            | Operation::GetBucketAbac
            | Operation::GetBucketAccelerateConfiguration
            | Operation::GetBucketAnalyticsConfiguration
            | Operation::GetBucketIntelligentTieringConfiguration
            | Operation::GetBucketInventoryConfiguration
            | Operation::GetBucketMetadataConfiguration
            | Operation::GetBucketMetadataTableConfiguration
            | Operation::GetBucketMetricsConfiguration
            | Operation::ListBucketAnalyticsConfigurations
            | Operation::ListBucketIntelligentTieringConfigurations
            | Operation::ListBucketInventoryConfigurations
            | Operation::ListBucketMetricsConfigurations
            | Operation::PutBucketAccelerateConfiguration
            | Operation::PutBucketAnalyticsConfiguration
            | Operation::PutBucketIntelligentTieringConfiguration
            | Operation::PutBucketInventoryConfiguration
            | Operation::PutBucketMetricsConfiguration
            | Operation::UpdateBucketMetadataAnnotationTableConfiguration
            | Operation::UpdateBucketMetadataInventoryTableConfiguration
            | Operation::UpdateBucketMetadataJournalTableConfiguration => self.absent_configuration(request),
            // S3 has neither torrents nor queries for newcomers any more, and renames in directory buckets only.
            Operation::GetObjectTorrent => Err(S3Error::resource_not_allowed("GET", "TORRENT")),
            Operation::SelectObjectContent => Err(S3Error::resource_not_allowed("POST", "SELECT")),
            Operation::RenameObject => Err(S3Error::resource_not_allowed("PUT", "OBJECT")),
            // A preflight is answered before anybody is asked who they are, and no path leads to the other one.
            Operation::PreflightObject | Operation::WriteGetObjectResponse => Err(S3Error::not_implemented()),
        }
    }
}

/// Refuses `versionId` where a new version is made, which would not be that one, and where S3 knows none.
fn refuse_version(request: &S3Request) -> Result<(), S3Error> {
    let knows_none = matches!(
        request.route.operation,
        Operation::PutObject
            | Operation::CopyObject
            | Operation::CreateMultipartUpload
            | Operation::UploadPart
            | Operation::UploadPartCopy
            | Operation::CompleteMultipartUpload
            | Operation::AbortMultipartUpload
            | Operation::ListParts
            | Operation::GetObjectTorrent
    );
    match request.query.get("versionId").filter(|_| knows_none) {
        None => Ok(()),
        Some(id) => {
            let message = "This operation does not accept a version-id.";
            Err(S3Error::invalid_argument(message, "versionId", Some(id)))
        }
    }
}

/// What is wrong with an object key.
fn invalid_key(key: &str, error: &InvalidObjectKey) -> S3Error {
    match error {
        InvalidObjectKey::Empty => S3Error::malformed_xml(),
        InvalidObjectKey::TooLong(_) => S3Error::key_too_long(key.len(), MAX_OBJECT_KEY_LEN),
    }
}

/// The conditions of a write as the store takes them.
fn write_conditions(condition: WriteCondition) -> WriteConditions {
    match condition {
        WriteCondition::Always => WriteConditions::default(),
        WriteCondition::IfAbsent => WriteConditions { if_none_match: true, if_match: None },
        WriteCondition::IfMatch(condition) => {
            WriteConditions { if_none_match: false, if_match: Some(etag_match(condition)) }
        }
    }
}

fn etag_match(condition: ETagCondition) -> ETagMatch {
    match condition {
        ETagCondition::Any => ETagMatch::Any,
        ETagCondition::OneOf(etags) => ETagMatch::OneOf(etags),
    }
}

/// A key to try: the one that was sent, or one that opens nothing in the place of one that no object can have.
enum UsableKey<'a> {
    Sent(&'a Key32),
    OpensNothing(Key32),
}

impl Deref for UsableKey<'_> {
    type Target = Key32;

    fn deref(&self) -> &Key32 {
        match self {
            Self::Sent(key) => key,
            Self::OpensNothing(key) => key,
        }
    }
}

/// A customer key that may have been sent.
trait CustomerKeyOption {
    /// The key to try. A key of the wrong length takes the same way as a wrong key, and gets the same answer.
    fn usable(&self) -> Option<UsableKey<'_>>;
}

impl CustomerKeyOption for Option<CustomerKey> {
    fn usable(&self) -> Option<UsableKey<'_>> {
        self.as_ref().map(usable)
    }
}

impl CustomerKeyOption for Option<&CustomerKey> {
    fn usable(&self) -> Option<UsableKey<'_>> {
        self.map(usable)
    }
}

/// What opens an object or upload: the key that the client sent, and the KMS on their behalf.
fn keys<'a>(customer: Option<&'a Key32>, data_keys: &'a OnBehalf) -> Keys<'a> {
    Keys { customer, data_keys }
}

fn usable(customer_key: &CustomerKey) -> UsableKey<'_> {
    customer_key.key().map_or_else(|| UsableKey::OpensNothing(Key32::generate()), UsableKey::Sent)
}
