//! What can go wrong, in S3's terms.

use coffer_blob::BlobError;
use coffer_keyring::{KeyError, KmsError};
use coffer_meta::{CommitError, EngineError};
use coffer_seal::{ChecksumAlgorithm, OpenError};
use thiserror::Error;

use crate::versions::DeleteMarkerInfo;

/// An error of the caller's own body source, passed through the store untouched.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what was asked. Nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket exists already.
    #[error("bucket already owned by you")]
    BucketAlreadyOwnedByYou,
    /// The bucket holds objects.
    #[error("bucket not empty")]
    BucketNotEmpty,
    /// There is no such object.
    #[error("no such key")]
    NoSuchKey,
    /// The object has no such version.
    #[error("no such version")]
    NoSuchVersion,
    /// What was found is a delete marker.
    #[error("a delete marker")]
    DeleteMarker(DeleteMarkerInfo),
    /// A retention or a legal hold keeps the version.
    #[error("the version is locked")]
    ObjectLocked,
    /// There is no such multipart upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// The object is sealed under a customer key, and none was given.
    #[error("a customer key is needed")]
    CustomerKeyMissing,
    /// The customer key is not the one of the object or upload.
    #[error("not the right customer key")]
    CustomerKeyMismatch,
    /// A customer key was given for something that is not sealed under one.
    #[error("a customer key does not apply")]
    CustomerKeyNotApplicable,
    /// The KMS refuses the data key of an object, or cannot be asked.
    #[error("the KMS says {0}")]
    Kms(#[source] KmsError),
    /// The object is sealed under a customer key or in two layers: no other KMS key can take its place.
    #[error("the encryption of this object cannot be changed")]
    EncryptionNotUpdatable,
    /// A condition on the present object does not hold; names the header.
    #[error("precondition {0} failed")]
    PreconditionFailed(&'static str),
    /// `If-Match` on a write to a key that has no object.
    #[error("precondition on a key that does not exist")]
    PreconditionNoSuchKey,
    /// A part named in a completion does not exist or has another ETag.
    #[error("invalid part {part_number}")]
    InvalidPart {
        /// The number of the part.
        part_number: u32,
        /// The ETag the client gave, without quotes.
        etag: String,
    },
    /// The parts of a completion are not in ascending order.
    #[error("parts out of order")]
    InvalidPartOrder,
    /// A part that is not the last is smaller than 5 MiB.
    #[error("part {part_number} is too small")]
    PartTooSmall {
        /// The number of the part.
        part_number: u32,
        /// Its length in bytes.
        size: u64,
        /// Its ETag, without quotes.
        etag: String,
    },
    /// The checksum of a part in a completion is not the one that was computed when it was uploaded.
    #[error("checksum of part {part_number} does not match")]
    PartChecksumMismatch {
        /// The number of the part.
        part_number: u32,
        /// The algorithm.
        algorithm: ChecksumAlgorithm,
    },
    /// A completion lacks the checksum of a part that the upload's checksum type asks for.
    #[error("checksum of part {part_number} missing")]
    PartChecksumMissing {
        /// The number of the part.
        part_number: u32,
        /// The upload's algorithm.
        algorithm: ChecksumAlgorithm,
    },
    /// The object size that the client expects of a completion is not the sum of its parts.
    #[error("object size mismatch")]
    ObjectSizeMismatch {
        /// What the client expects.
        expected: u64,
        /// What it is.
        computed: u64,
    },
    /// The body is not the one whose MD5 was announced.
    #[error("Content-MD5 mismatch")]
    Md5Mismatch {
        /// What was announced.
        expected: [u8; 16],
        /// What was received.
        computed: [u8; 16],
    },
    /// The body is not the one whose checksum was announced.
    #[error("{0:?} mismatch")]
    ChecksumMismatch(ChecksumAlgorithm),
    /// The body is larger than an object or part may be.
    #[error("entity too large")]
    EntityTooLarge,
    /// The caller's body source failed.
    #[error("the body could not be read")]
    Body(#[source] BodyError),
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// Others changed the same thing again and again.
    #[error("too many concurrent changes")]
    Contention,
    /// Stored bytes are not what was written. The text names what, never its content.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A key provider or an engine cannot be reached or refuses work.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The disk or the system failed.
    #[error("input or output failed")]
    Io(#[source] std::io::Error),
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoSpace => Self::NoSpace,
            EngineError::Damaged(what) => Self::Damaged(what),
            EngineError::Poisoned(why) => Self::Unavailable(why),
            EngineError::SnapshotEnded => Self::Unavailable(error.to_string()),
            EngineError::Io(error) => Self::Io(error),
        }
    }
}

impl From<BlobError> for StoreError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NotFound(id) => Self::Damaged(format!("blob {id} is missing")),
            BlobError::TooShort(id) => Self::Damaged(format!("blob {id} is too short")),
            BlobError::NoSpace => Self::NoSpace,
            BlobError::Io(error) => Self::Io(error),
        }
    }
}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Something that opens with a key of the store did not: whatever the reason, it is damage.
///
/// Where a customer's key may be to blame, the code that has it tells the cases apart before this conversion.
impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// What became of a commit whose checks other writers can make fail.
pub(crate) enum Committed {
    Yes,
    /// The check with this index did not hold.
    Conflict(usize),
}

/// Tells a lost race, which is tried again, from a failure.
pub(crate) fn committed(result: Result<(), CommitError>) -> Result<Committed, StoreError> {
    match result {
        Ok(()) => Ok(Committed::Yes),
        Err(CommitError::Conflict(check)) => Ok(Committed::Conflict(check)),
        Err(CommitError::Engine(error)) => Err(error.into()),
    }
}

/// Lets a job go on after damage in one of many rows, which is logged.
///
/// # Errors
/// Any other failure.
pub(crate) fn unless_damaged<T>(job: &'static str, result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(error @ StoreError::Damaged(_)) => {
            tracing::error!(job, %error, "damage keeps a job from one of its rows");
            Ok(None)
        }
        result => result.map(Some),
    }
}
