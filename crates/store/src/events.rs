//! What happens to objects, for those who want to hear of it: said in the commit that makes it happen, so that neither
//! is there without the other.

use coffer_meta::Commit;

use crate::bucket::Bucket;
use crate::names::{ObjectKey, VersionId};
use crate::store::Store;

/// Who made a change, and by what.
#[derive(Clone, Default)]
pub struct Origin {
    /// By what.
    pub by: ChangedBy,
    /// The unique ID of who asked for it, such as a user's; empty for the service itself.
    pub principal_id: String,
    /// The address that the request came from; empty for the service itself.
    pub source_ip: String,
    /// The ID of the request; empty for the service itself.
    pub request_id: String,
    /// The ID of the process that took the request.
    pub host_id: String,
    /// It brings a replica, or changes one after what it is a replica of.
    pub is_replication: bool,
}

/// What made a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChangedBy {
    /// The service itself, such as the delivery of logs.
    #[default]
    Service,
    /// PutObject.
    Put,
    /// A POST form.
    Post,
    /// CopyObject.
    Copy,
    /// CompleteMultipartUpload.
    CompleteMultipartUpload,
    /// DeleteObject or DeleteObjects.
    Delete,
    /// A lifecycle rule.
    Lifecycle,
    /// PutObjectTagging or DeleteObjectTagging.
    Tagging,
    /// PutObjectAcl.
    Acl,
    /// Any other request.
    Other,
}

/// What happened to a version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectChange {
    /// It was made.
    Created,
    /// It is gone for ever.
    Removed,
    /// It is a delete marker, and was made.
    MarkerCreated,
    /// Its tags were set.
    Tagged,
    /// Its tags were deleted.
    Untagged,
    /// Its access control list was set.
    AclSet,
    /// Its retention or legal hold was set.
    LockSet,
    /// A lifecycle rule changed its storage class.
    Transitioned,
    /// It is sealed under another key of a KMS.
    EncryptionUpdated,
}

/// One thing that happened.
#[derive(Clone)]
pub struct ObjectEvent<'a> {
    /// What.
    pub change: ObjectChange,
    /// The key of the object.
    pub key: &'a ObjectKey,
    /// The version that it happened to.
    pub version: VersionId,
    /// Where among the versions of its key the version stands: orders the events of a key.
    pub order: u64,
    /// Its length in bytes; 0 for a delete marker.
    pub size: u64,
    /// Its ETag, without quotes; empty for a delete marker.
    pub etag: &'a str,
    /// Its tags after the change.
    pub tags: &'a [(String, String)],
    /// Who did it.
    pub origin: &'a Origin,
}

impl Store {
    /// Puts an event into the queues of those who want to hear of it, in the commit that makes it happen.
    pub(crate) fn queue_event(&self, commit: &mut Commit, bucket: &Bucket, event: &ObjectEvent<'_>) {
        self.queue_notifications(commit, bucket, event);
    }
}
