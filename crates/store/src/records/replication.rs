//! What is kept of replication: how far versions are, and what is still to be done.

use minicbor::{Decode, Encode};

/// Replication of a version.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct ReplicationRecord {
    /// The version is a replica.
    #[cbor(n(0), default)]
    pub(crate) is_replica: bool,
    /// Where the version goes.
    #[cbor(n(1), default)]
    pub(crate) replicas: Vec<ReplicaRecord>,
}

/// How far one replica of a version is.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct ReplicaRecord {
    /// The name of the bucket that it goes to.
    #[n(0)]
    pub(crate) destination: String,
    #[n(1)]
    pub(crate) progress: ProgressRecord,
    /// The version ID of the replica; absent: there is none yet.
    #[n(2)]
    pub(crate) version_id: Option<String>,
}

/// How far a replica is.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub(crate) enum ProgressRecord {
    /// Something is still to be done.
    #[n(0)]
    Pending,
    /// It is as the version is.
    #[n(1)]
    Completed,
    /// It was given up.
    #[n(2)]
    Failed,
}

/// A version that has to be brought to a destination. System table.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct ReplicationTaskRecord {
    /// The name of the bucket that the version is in.
    #[n(0)]
    pub(crate) bucket: String,
    #[n(1)]
    pub(crate) key: String,
    /// As S3 writes it.
    #[n(2)]
    pub(crate) version_id: String,
    /// The name of the bucket that it goes to.
    #[n(3)]
    pub(crate) destination: String,
    /// Milliseconds since 1970.
    #[n(4)]
    pub(crate) queued_ms: u64,
    /// The multipart upload at the destination that was begun for it.
    #[n(5)]
    pub(crate) upload_id: Option<String>,
}

/// How far the search for versions that were there before a rule has come. System table.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct ReplicationScanRecord {
    /// The name of the bucket.
    #[n(0)]
    pub(crate) bucket: String,
    /// Milliseconds since 1970.
    #[n(1)]
    pub(crate) queued_ms: u64,
    /// The key of the last version that was looked at; absent: none was.
    #[n(2)]
    pub(crate) key_marker: Option<String>,
    /// The last version that was looked at, as S3 writes it.
    #[n(3)]
    pub(crate) version_id_marker: Option<String>,
    /// A later version of that key has a replica: those before it must not come after it.
    #[cbor(n(4), default)]
    pub(crate) key_is_done: bool,
}
