//! From what the store says to what S3 says: one match, without a catch-all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_store::{MAX_PUT_LEN, MIN_PART_LEN, StoreError};

use super::algorithms::wire;
use super::version::{named_marker, with_marker};
use crate::error::S3Error;

/// What the request was about: S3's errors name it.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) upload_id: &'a str,
    /// The version that was named.
    pub(super) version_id: Option<&'a str>,
    /// The HTTP method.
    pub(super) method: &'a str,
    pub(super) customer_key: KeyRole,
}

/// What a customer key was for: S3 says it differently when it is not the right one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// The key of an object that is read.
    #[default]
    Read,
    /// The key of a copy source.
    CopySource,
    /// The key of the upload that a part is for.
    Part,
    /// The key of the upload that is completed.
    Complete,
    /// The key of the upload whose parts are listed.
    ListParts,
}

impl Subject<'_> {
    /// Puts an error of the store in S3's words.
    pub(super) fn error(&self, error: StoreError) -> S3Error {
        match error {
            StoreError::NoSuchBucket => S3Error::no_such_bucket(self.bucket),
            StoreError::BucketAlreadyOwnedByYou => S3Error::bucket_already_owned_by_you(self.bucket),
            StoreError::BucketNotEmpty => S3Error::bucket_not_empty(self.bucket),
            StoreError::NoSuchKey | StoreError::PreconditionNoSuchKey => S3Error::no_such_key(self.key),
            StoreError::NoSuchVersion => S3Error::no_such_version(self.key, self.version_id.unwrap_or_default()),
            StoreError::DeleteMarker(marker) => match (self.version_id, self.customer_key) {
                (Some(_), KeyRole::CopySource) => S3Error::copy_source_is_marker(),
                (Some(_), _) => named_marker(self.method, &marker),
                (None, KeyRole::CopySource) => S3Error::no_such_key(self.key),
                (None, _) => with_marker(S3Error::no_such_key(self.key), &marker),
            },
            StoreError::ObjectLocked => S3Error::object_locked(),
            StoreError::NoSuchUpload => S3Error::no_such_upload(self.upload_id),
            StoreError::CustomerKeyMissing => match self.customer_key {
                KeyRole::Read | KeyRole::CopySource => S3Error::customer_key_needed(),
                KeyRole::Part => S3Error::customer_key_for_part(),
                KeyRole::Complete => S3Error::customer_key_for_complete(),
                KeyRole::ListParts => S3Error::customer_key_for_list_parts(),
            },
            StoreError::CustomerKeyMismatch => match self.customer_key {
                KeyRole::Read | KeyRole::ListParts => S3Error::customer_key_wrong(),
                KeyRole::CopySource | KeyRole::Part => S3Error::customer_key_not_the_original(),
                KeyRole::Complete => S3Error::customer_key_for_complete(),
            },
            StoreError::CustomerKeyNotApplicable => match self.customer_key {
                KeyRole::Read | KeyRole::CopySource | KeyRole::ListParts => S3Error::customer_key_not_applicable(),
                KeyRole::Part => S3Error::customer_key_for_part(),
                KeyRole::Complete => S3Error::customer_key_for_complete(),
            },
            StoreError::EncryptionNotUpdatable => S3Error::encryption_update_of_unsupported_type(),
            StoreError::Kms(error) => S3Error::kms(error),
            StoreError::PreconditionFailed(condition) => S3Error::precondition_failed(condition),
            StoreError::InvalidPart { part_number, etag } => S3Error::invalid_part(self.upload_id, part_number, &etag),
            StoreError::InvalidPartOrder => S3Error::invalid_part_order(self.upload_id),
            StoreError::PartTooSmall { part_number, size, etag } => {
                S3Error::part_too_small(size, MIN_PART_LEN, part_number, &etag)
            }
            StoreError::PartChecksumMismatch { part_number, algorithm } => {
                S3Error::bad_part_checksum(wire(algorithm).lower_name(), part_number)
            }
            StoreError::PartChecksumMissing { part_number, algorithm } => {
                S3Error::part_checksum_missing(wire(algorithm).lower_name(), part_number)
            }
            StoreError::ObjectSizeMismatch { expected, computed } => S3Error::object_size_mismatch(expected, computed),
            StoreError::Md5Mismatch { expected, computed } => {
                S3Error::bad_digest(&STANDARD.encode(expected), &STANDARD.encode(computed))
            }
            StoreError::ChecksumMismatch(algorithm) => match self.customer_key {
                KeyRole::Complete => S3Error::bad_checksum(wire(algorithm).lower_name()),
                _ => S3Error::bad_checksum(wire(algorithm).name()),
            },
            StoreError::EntityTooLarge => S3Error::entity_too_large(MAX_PUT_LEN, MAX_PUT_LEN),
            StoreError::Body(error) => match error.downcast::<BodyFailure>() {
                Ok(failure) => failure.0,
                Err(error) => match error.downcast::<StoreError>() {
                    Ok(error) => self.error(*error),
                    Err(_) => S3Error::internal_error(),
                },
            },
            StoreError::NoSpace => S3Error::insufficient_storage(),
            StoreError::Contention => S3Error::operation_aborted(),
            StoreError::Unavailable(reason) => {
                tracing::error!(reason, "the store is unavailable");
                S3Error::service_unavailable()
            }
            StoreError::Damaged(what) => {
                tracing::error!(what, "stored data is damaged");
                S3Error::internal_error()
            }
            StoreError::Io(error) => {
                tracing::error!(%error, "input or output failed");
                S3Error::internal_error()
            }
        }
    }
}

/// S3's error of a request body, on its way through the store.
pub(super) struct BodyFailure(pub(super) S3Error);

impl std::fmt::Debug for BodyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.code())
    }
}

impl std::fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.code())
    }
}

impl std::error::Error for BodyFailure {}
