//! The stages of which jobs consist.

use super::runner::JobRunner;
use super::spec::{JobId, JobSpec, ShredTarget};
use crate::error::StoreError;
use crate::records::{JobPosition, JobRecord};

/// A stage. Its number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    RotateRoot = 0,
    RewrapBuckets = 1,
    RewrapElsewhere = 2,
    CountBuckets = 3,
    CountElsewhere = 4,
    DestroyRoot = 5,
    AppendGeneration = 6,
    ResealRows = 7,
    CountRows = 8,
    DestroyGenerations = 9,
    RemoveVersion = 20,
    MarkBucket = 21,
    LookThroughBucket = 22,
    RemoveRows = 23,
    RemoveBucket = 24,
    FindProtected = 25,
    DestroyKmsKey = 26,
    MeasureData = 30,
    ResealData = 31,
    CountOldKeys = 32,
    RewrapDataKeys = 33,
    CountDataKeys = 34,
}

const ALL: [Stage; 22] = [
    Stage::RotateRoot,
    Stage::RewrapBuckets,
    Stage::RewrapElsewhere,
    Stage::CountBuckets,
    Stage::CountElsewhere,
    Stage::DestroyRoot,
    Stage::AppendGeneration,
    Stage::ResealRows,
    Stage::CountRows,
    Stage::DestroyGenerations,
    Stage::RemoveVersion,
    Stage::MarkBucket,
    Stage::LookThroughBucket,
    Stage::RemoveRows,
    Stage::RemoveBucket,
    Stage::FindProtected,
    Stage::DestroyKmsKey,
    Stage::MeasureData,
    Stage::ResealData,
    Stage::CountOldKeys,
    Stage::RewrapDataKeys,
    Stage::CountDataKeys,
];

/// Why a stage does not go on.
pub(super) enum Failure {
    /// It may the next time.
    Later(StoreError),
    /// It never will; the sentence says why.
    Final(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention | StoreError::NoSpace | StoreError::Unavailable(_) | StoreError::Io(_) => {
                Self::Later(error)
            }
            StoreError::NoSuchBucket => Self::Final("the bucket is gone".to_owned()),
            error => Self::Final(error.to_string()),
        }
    }
}

impl Stage {
    /// The stages of a job, in order.
    pub(super) fn plan(spec: &JobSpec) -> Vec<Self> {
        let rewrap = [Self::RewrapBuckets, Self::RewrapElsewhere, Self::CountBuckets, Self::CountElsewhere];
        match spec {
            JobSpec::RewrapRoot { rotate: false } => rewrap.to_vec(),
            JobSpec::RewrapRoot { rotate: true } => [&[Self::RotateRoot], &rewrap[..]].concat(),
            JobSpec::DestroyRootGeneration { .. } => {
                vec![Self::CountBuckets, Self::CountElsewhere, Self::DestroyRoot]
            }
            JobSpec::RotateBucketKey { .. } => vec![Self::AppendGeneration, Self::ResealRows, Self::CountRows],
            JobSpec::DestroyBucketKeyGeneration { .. } => vec![Self::CountRows, Self::DestroyGenerations],
            JobSpec::Reseal { .. } => vec![
                Self::AppendGeneration,
                Self::MeasureData,
                Self::ResealData,
                Self::CountOldKeys,
                Self::ResealRows,
                Self::CountRows,
            ],
            JobSpec::RewrapKms { .. } => vec![Self::RewrapDataKeys, Self::CountDataKeys],
            JobSpec::Shred { target, keep_backups, .. } => {
                let mut plan = match target {
                    ShredTarget::Version { .. } => vec![
                        Self::RemoveVersion,
                        Self::AppendGeneration,
                        Self::ResealRows,
                        Self::CountRows,
                        Self::DestroyGenerations,
                    ],
                    ShredTarget::Bucket { .. } => {
                        vec![Self::MarkBucket, Self::LookThroughBucket, Self::RemoveRows, Self::RemoveBucket]
                    }
                    ShredTarget::KmsKey { .. } => vec![Self::FindProtected, Self::DestroyKmsKey],
                };
                // Last: so no generation that stays has ever wrapped what was destroyed before.
                if !keep_backups {
                    plan.push(Self::RotateRoot);
                    plan.extend(rewrap);
                    plan.push(Self::DestroyRoot);
                }
                plan
            }
        }
    }

    /// Whether the stage is about the bucket of the job.
    pub(super) fn is_of_bucket(self) -> bool {
        match self {
            Self::AppendGeneration | Self::ResealRows | Self::CountRows | Self::DestroyGenerations => true,
            Self::RemoveVersion | Self::MarkBucket | Self::LookThroughBucket => true,
            Self::RemoveRows | Self::RemoveBucket => true,
            Self::MeasureData | Self::ResealData | Self::CountOldKeys => true,
            Self::RotateRoot | Self::RewrapBuckets | Self::RewrapElsewhere | Self::CountBuckets => false,
            Self::CountElsewhere | Self::DestroyRoot | Self::FindProtected | Self::DestroyKmsKey => false,
            Self::RewrapDataKeys | Self::CountDataKeys => false,
        }
    }

    /// What a job cannot promise.
    pub(super) fn limits(job: &JobRecord) -> Vec<String> {
        let limits = match &job.spec {
            JobSpec::Shred { target, keep_backups, .. } => return job.limits_of_shredding(target, *keep_backups),
            JobSpec::RewrapRoot { .. } | JobSpec::RotateBucketKey { .. } => vec![
                "Whoever had a key of an older generation and a copy of what it protects can open that copy: only \
                 sealing the data anew, under new keys, helps what is stored from now on.",
            ],
            JobSpec::DestroyRootGeneration { .. } | JobSpec::DestroyBucketKeyGeneration { .. } => {
                vec!["A backup of the keyring, or shares of it, from before still hold what was destroyed here."]
            }
            JobSpec::RewrapKms { .. } => vec![
                "Object keys and data are as they were: whoever had the old material and a copy of the data can open that \
                 copy. With S3 Bucket Keys, what is written up to five minutes after a rotation may still have a data key from \
                 before.",
            ],
            JobSpec::Reseal { .. } => vec![
                "Whoever had the old keys and a copy of the data keeps what is in that copy. The old data is removed from \
                 the disk as garbage is, after a grace period; backups from before have the old keys.",
            ],
        };
        limits.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|stage| *stage as u8 == number)
    }

    /// Where the stage starts.
    pub(super) fn start(self) -> JobPosition {
        JobPosition { stage: self as u8, ..JobPosition::default() }
    }

    /// What it does, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::RotateRoot => "rotating the root key",
            Self::RewrapBuckets => "wrapping bucket keys",
            Self::RewrapElsewhere => "wrapping other keys",
            Self::CountBuckets | Self::CountElsewhere => "counting what needs each generation of the root key",
            Self::DestroyRoot => "destroying generations of the root key",
            Self::AppendGeneration => "rotating the bucket's key",
            Self::ResealRows => "sealing records and envelopes anew",
            Self::CountRows => "counting what needs each generation of the bucket's key",
            Self::DestroyGenerations => "destroying generations of the bucket's key",
            Self::MeasureData => "measuring what is to be written again",
            Self::ResealData => "writing data again under new keys",
            Self::CountOldKeys => "counting what still has older keys",
            Self::RewrapDataKeys => "encrypting data keys anew",
            Self::CountDataKeys => "counting what refers to each generation of KMS keys",
            Self::RemoveVersion => "removing the version",
            Self::MarkBucket => "taking the bucket away from everybody",
            Self::LookThroughBucket => "looking for what may not go",
            Self::RemoveRows => "removing what the bucket holds",
            Self::RemoveBucket => "removing the bucket and its key",
            Self::FindProtected => "looking for what the KMS key protects",
            Self::DestroyKmsKey => "destroying the KMS key",
        }
    }

    /// Does a batch, and returns where the next one of the stage starts; `None` after the last.
    pub(super) async fn step(
        self,
        runner: &JobRunner,
        id: JobId,
        job: &mut JobRecord,
    ) -> Result<Option<JobPosition>, Failure> {
        match self {
            Self::RotateRoot => runner.rotate_root(job).await,
            Self::RewrapBuckets => runner.visit_bucket_keys(job, true).await,
            Self::RewrapElsewhere => runner.visit_elsewhere(job, true).await,
            Self::CountBuckets => runner.visit_bucket_keys(job, false).await,
            Self::CountElsewhere => runner.visit_elsewhere(job, false).await,
            Self::DestroyRoot => runner.destroy_root(job).await,
            Self::AppendGeneration => runner.append_generation(id, job).await,
            Self::ResealRows => runner.reseal_rows(job).await,
            Self::CountRows => runner.count_rows(job).await,
            Self::DestroyGenerations => runner.destroy_generations(id, job).await,
            Self::MeasureData => runner.measure_data(job).await,
            Self::ResealData => runner.reseal_data(job).await,
            Self::CountOldKeys => runner.count_old_keys(job).await,
            Self::RewrapDataKeys => runner.rewrap_data_keys(job).await,
            Self::CountDataKeys => runner.count_data_keys(job).await,
            Self::RemoveVersion => runner.remove_version(id, job).await,
            Self::MarkBucket => runner.mark_bucket(job).await,
            Self::LookThroughBucket => runner.look_through_bucket(job).await,
            Self::RemoveRows => runner.remove_rows(job).await,
            Self::RemoveBucket => runner.remove_bucket(id, job).await,
            Self::FindProtected => runner.find_protected(job).await,
            Self::DestroyKmsKey => runner.destroy_kms_key(id, job).await,
        }
    }
}
