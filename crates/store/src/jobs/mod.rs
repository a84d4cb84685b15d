//! Resumable jobs over keys: wrapping anew, rotating, destroying, shredding.
//!
//! A job is a row: what it is to do, how far it is, and who has it. It goes through stages, each in bounded batches; what
//! a batch changes is one check-and-commit per row, and comes before the note of how far the job is. So a crash loses
//! nothing and repeats at most a batch, and two that are at the same job do what one would do.
//!
//! What makes it safe beside everybody else: every commit that seals something under a bucket's key checks the bucket's
//! row, so nothing comes to be sealed under an older generation once there is a newer one; whatever is written again is
//! brought under the newest one, envelope and record together; and whoever wraps a key under the root key checks the
//! [fence](crate::root_fence). A generation is destroyed only after a pass that opened everything and found nothing that
//! needs it.

mod api;
mod bucket_key;
mod reseal;
mod rewrap_kms;
mod root;
mod runner;
mod service_keys;
mod shared_data;
mod shred_bucket;
mod shred_kms;
mod shred_limits;
mod shred_version;
mod spec;
mod stage;
mod walk;
mod wrapped;

pub use api::JobError;
pub use runner::{JobEnvironment, JobRunner, JobStep};
pub use service_keys::ServiceDataKeys;
pub use shred_kms::{KmsKeys, KmsMaterial};
pub use spec::{
    Destroyed, JobCounts, JobId, JobInfo, JobReport, JobSpec, JobState, KmsKeyReferences, LeftObject, NewKeys,
    ShredTarget,
};
pub use wrapped::{BootstrapFile, WrappedKeys, WrappedKeysBatch};
