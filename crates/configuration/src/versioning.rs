//! Versioning.

use minicbor::{Decode, Encode};

/// The versioning of a bucket that has it.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum VersioningStatus {
    /// Every write makes a version, and a deletion a delete marker.
    #[n(0)]
    Enabled,
    /// Writes and deletions replace the version `null`; the others stay.
    #[n(1)]
    Suspended,
}
