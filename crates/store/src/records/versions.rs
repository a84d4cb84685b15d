//! What is kept of versions that are not the current object of their key.

use minicbor::{Decode, Encode};

use super::ObjectRecord;

/// A delete marker.
#[derive(Encode, Decode, Debug, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct MarkerRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) instance_id: [u8; 16],
    /// Where among the versions of its key it stands: a later one has more.
    #[n(1)]
    pub(crate) order: u64,
    /// It has a version ID; else it is the version `null`.
    #[n(2)]
    pub(crate) versioned: bool,
    #[n(3)]
    pub(crate) last_modified_ms: u64,
    /// The account that made it; absent: the bucket's owner.
    #[n(4)]
    pub(crate) owner: Option<String>,
}

/// A version with a later one: an object or a delete marker.
#[derive(Encode, Decode, Clone)]
#[cbor(map)]
pub(crate) struct NoncurrentRecord {
    #[n(0)]
    pub(crate) object: Option<ObjectRecord>,
    #[n(1)]
    pub(crate) marker: Option<MarkerRecord>,
    /// When the next one took its place, in milliseconds since 1970.
    #[n(2)]
    pub(crate) since_ms: u64,
}

/// Where the version `null` of a key is while it is not the current one.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq)]
#[cbor(map)]
pub(crate) struct NullVersionRecord {
    #[n(0)]
    pub(crate) order: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) instance_id: [u8; 16],
}
