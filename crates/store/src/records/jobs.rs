//! What is kept of jobs, so that they go on where they were.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::jobs::{Destroyed, JobCounts, JobSpec, JobState, LeftObject};

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

/// A job over keys. System table.
#[derive(Encode, Decode, Debug, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct JobRecord {
    #[n(0)]
    pub(crate) spec: JobSpec,
    #[n(1)]
    pub(crate) state: JobState,
    /// Times are milliseconds since 1970.
    #[n(2)]
    pub(crate) created_ms: u64,
    /// When something was done last.
    #[n(3)]
    pub(crate) updated_ms: u64,
    /// The process that has it.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) holder: [u8; 16],
    /// Until when nobody else takes it.
    #[n(5)]
    pub(crate) lease_until_ms: u64,
    #[n(6)]
    pub(crate) position: JobPosition,
    #[n(7)]
    pub(crate) counts: JobCounts,
    #[n(8)]
    pub(crate) facts: JobFacts,
    /// What keeps it from going on, or has ended it.
    #[n(9)]
    pub(crate) trouble: Option<String>,
}

/// Where a job is.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct JobPosition {
    /// The number of the stage.
    #[n(0)]
    pub(crate) stage: u8,
    /// What of several things the stage is at.
    #[n(1)]
    pub(crate) part: u32,
    /// The last row that was looked at, or what stands for it; empty: none was.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) after: Vec<u8>,
    /// The bucket, of a stage that goes through several; empty: before the first.
    #[cbor(n(3), default)]
    pub(crate) bucket: String,
}

/// What a job has found out and done, for its later stages and for its report.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct JobFacts {
    /// The bucket that it is about: another one of the same name is none of its business.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) bucket_id: Option<[u8; 16]>,
    /// The root key, as it was before the job rotated it.
    #[n(1)]
    pub(crate) root_before: Option<RootGenerationRecord>,
    /// The generation of a bucket's key under which everything comes.
    #[n(2)]
    pub(crate) generation: Option<u32>,
    /// How many things refer to each generation, as of the last count.
    #[n(3)]
    pub(crate) references: BTreeMap<u32, u64>,
    /// How many things could not be opened, as of the last count.
    #[n(4)]
    pub(crate) unreadable: u64,
    /// Why things were left alone that one might expect to be changed, and how many.
    #[n(5)]
    pub(crate) left: BTreeMap<String, u64>,
    #[n(6)]
    pub(crate) destroyed: Vec<Destroyed>,
    /// What was counted last: the generations of what.
    #[n(7)]
    pub(crate) counted: Option<String>,
    /// Of a job that shreds.
    #[n(10)]
    pub(crate) shred: Option<ShredFacts>,
    /// Of a job that draws new keys for data.
    #[n(20)]
    pub(crate) reseal: Option<ResealFacts>,
    /// Of a job that has data keys encrypted anew.
    #[n(21)]
    pub(crate) rewrap: Option<RewrapFacts>,
    /// Some of the things that were left alone, and why.
    #[cbor(n(22), default)]
    pub(crate) left_objects: Vec<LeftObject>,
}

/// What a job that draws new keys for data has done, and what there is still to do.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct ResealFacts {
    /// How often everything was gone through before.
    #[n(0)]
    pub(crate) rounds: u32,
    /// Versions, uploads and parts of uploads with older keys, as of the last count, but for those under customers' keys.
    #[n(1)]
    pub(crate) old: u64,
    /// Those under customers' keys.
    #[n(2)]
    pub(crate) customers: u64,
    /// Versions and uploads that have got new keys.
    #[n(3)]
    pub(crate) changed: u64,
    /// Those that have in this round.
    #[n(4)]
    pub(crate) changed_in_round: u64,
}

/// What a job that has data keys encrypted anew has found.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct RewrapFacts {
    /// How often everything was gone through before.
    #[n(0)]
    pub(crate) rounds: u32,
    /// Data keys that were encrypted anew in this round.
    #[n(1)]
    pub(crate) changed_in_round: u64,
    /// What each KMS key encrypts, by its ARN, as of the last count.
    #[n(2)]
    pub(crate) keys: BTreeMap<String, KmsKeyCount>,
}

/// Versions and uploads whose data key a KMS key encrypts.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct KmsKeyCount {
    /// The generation of its material now; absent: it could not be asked.
    #[n(0)]
    pub(crate) current: Option<u32>,
    /// How many there are by the generation of the material.
    #[n(1)]
    pub(crate) by_generation: BTreeMap<u32, u64>,
    /// Those that the KMS cannot have encrypted.
    #[n(2)]
    pub(crate) unknown: u64,
    /// Why it could not be asked.
    #[n(3)]
    pub(crate) trouble: Option<String>,
}

/// What a job that shreds has found out.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct ShredFacts {
    /// The version that is meant: one that takes its place is none of its business.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) instance: Option<[u8; 16]>,
    /// Versions that are removed, or that the KMS key protects.
    #[cbor(n(1), default)]
    pub(crate) versions: u64,
    /// Uploads in progress that are removed, or that the KMS key protects.
    #[cbor(n(2), default)]
    pub(crate) uploads: u64,
    /// Versions and uploads that are removed, and are under customers' keys.
    #[cbor(n(3), default)]
    pub(crate) under_customers_keys: u64,
    /// Rows that could not be opened when they were looked at.
    #[cbor(n(4), default)]
    pub(crate) unreadable: u64,
    /// Blobs that more than one record names, and how often what is removed does.
    #[cbor(n(5), default)]
    pub(crate) candidates: BTreeMap<SharedBlob, u64>,
    /// There are more of these than are kept.
    #[cbor(n(6), default)]
    pub(crate) too_many_candidates: bool,
    /// How many other objects name blobs of what is removed.
    #[cbor(n(7), default)]
    pub(crate) shared: u64,
    /// Why older generations of the root key were not destroyed.
    #[n(8)]
    pub(crate) root_kept: Option<String>,
    /// The custom key store whose provider wrapped the material of the KMS key.
    #[n(9)]
    pub(crate) key_store: Option<String>,
}

/// The id of a blob.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cbor(transparent)]
pub(crate) struct SharedBlob(#[cbor(n(0), with = "minicbor::bytes")] pub(crate) [u8; 16]);

/// A generation of a root key.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct RootGenerationRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) root_id: [u8; 16],
    #[n(1)]
    pub(crate) generation: u32,
}

/// Changes when everything is about to be wrapped anew. System table.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct RootFenceRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) root_id: [u8; 16],
    #[n(1)]
    pub(crate) generation: u32,
    #[n(2)]
    pub(crate) moved_ms: u64,
}
