//! Buckets, objects, uploads and their encryption: the domain, which knows no HTTP.
//!
//! A [`Store`] joins a metadata engine, a blob store and a key provider. Everything is sealed before it reaches either
//! of the first two. Reads look up, check the key, then give plaintext piece by piece; writes seal, make the data
//! durable, and commit the record last: every change is one check-and-commit, tried again when it loses a race.

mod access;
mod body;
pub mod bootstrap;
mod bucket;
mod change;
pub mod checksum;
mod clock;
mod cold;
mod compare;
mod complete;
mod copy;
mod credentials;
mod delete;
mod error;
mod events;
mod garbage;
mod ingest;
mod inspect;
mod jobs;
mod keys;
mod kms;
mod layers;
mod lifecycle;
mod list;
mod list_versions;
mod logging;
mod metadata_key;
mod names;
mod notifications;
mod object;
mod part;
mod pins;
mod put;
mod read;
mod reads;
mod records;
mod references;
mod replication;
mod restored;
mod root_fence;
mod rows;
mod sealing;
mod store;
mod tables;
mod turns;
mod upload;
mod versions;

pub use access::{BucketAccessChange, BucketChanged, BucketPolicy, ObjectAccess, ObjectOwnership, PublicAccessBlock};
pub use body::{Body, ExpectedDigests, FullBody, WantedDigests};
pub use bootstrap::{Bootstrap, BootstrapError};
pub use bucket::{Bucket, BucketEncryption, BucketEncryptionChange, NewBucket};
pub use change::LockChange;
pub use clock::{Clock, SystemClock};
pub use coffer_seal::{ChecksumAlgorithm, Checksums, SumsType};
pub use cold::{CheckedKeys, ColdRows, KeysOfBuckets, KeysOfRows};
pub use compare::{BlobComparison, IncompleteBucket};
pub use complete::{CompleteUpload, CompletedPart, MIN_PART_LEN};
pub use copy::{CopyObject, ReadBody};
pub use credentials::{KeptRoot, RootCredentials};
pub use delete::{DeleteObject, DeletedObject};
pub use error::{BodyError, StoreError};
pub use events::{ChangedBy, ObjectChange, ObjectEvent, Origin};
pub use garbage::Collected;
pub use inspect::{Check, CheckOutcome, Inspection, LayerKey, PartInspection};
pub use jobs::{
    BootstrapFile, Destroyed, JobCounts, JobEnvironment, JobError, JobId, JobInfo, JobReport, JobRunner, JobSpec,
    JobState, JobStep, KmsKeyReferences, KmsKeys, KmsMaterial, LeftObject, NewKeys, ServiceDataKeys, ShredTarget,
    WrappedKeys, WrappedKeysBatch,
};
pub use kms::{Keys, KmsEncryption, KmsInfo};
pub use lifecycle::{LifecycleJob, LifecycleProgress, LifecycleSettings, LifecycleStep};
pub use list::{ListEntry, ListObjects, ObjectPage};
pub use list_versions::{ListVersions, VersionEntry, VersionPage};
pub use logging::{BucketLogging, LogKeyFormat};
pub use metadata_key::{CopiedRows, NextMetadataKey};
pub use names::{
    BucketName, InstanceId, InvalidBucketName, InvalidObjectKey, MAX_OBJECT_KEY_LEN, ObjectKey, VersionId,
};
pub use notifications::{Notification, QueuedNotification};
pub use object::{ETagMatch, ObjectInfo, ObjectSums, WriteConditions};
pub use part::{StoredPart, UploadPart};
pub use put::{MAX_PUT_LEN, PutObject, StoredObject};
pub use read::{ObjectReader, ObjectStream, PartInfo};
pub use replication::{ReplicationEnd, ReplicationStatus, ReplicationSubject, ReplicationTask};
pub use restored::Restored;
pub use root_fence::RootFence;
pub use rows::{RowChanges, RowTable, RowVersion};
pub use sealing::{Encryption, EncryptionMode};
pub use store::{Settings, Store};
pub use upload::{CreateUpload, ListUploads, UploadEntry, UploadInfo, UploadPage, UploadedPart};
pub use versions::{DeleteMarkerInfo, ObjectVersion};
