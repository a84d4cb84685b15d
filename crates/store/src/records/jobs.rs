//! What is kept of jobs, so that they go on where they were.

use minicbor::{Decode, Encode};

/// The job that does what lifecycle rules say.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct LifecycleJobRecord {
    /// The process that has it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) holder: [u8; 16],
    /// Until when nobody else takes it, in milliseconds since 1970.
    #[n(1)]
    pub(crate) lease_until_ms: u64,
    /// When the last run began, in milliseconds since 1970.
    #[n(2)]
    pub(crate) started_ms: u64,
    /// Where that run is; absent: it is over.
    #[n(3)]
    pub(crate) position: Option<LifecyclePosition>,
}

/// Where a run is.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct LifecyclePosition {
    /// The name of the bucket; empty: before the first.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) bucket: Vec<u8>,
    /// The letter of the table; absent: after the bucket.
    #[n(1)]
    pub(crate) table: Option<u8>,
    /// The first row that was not looked at; empty: that of the table.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) from: Vec<u8>,
}
