//! What a job is to do, and what is known of one.

use std::fmt;

use coffer_crypto::random_array;
use minicbor::{Decode, Encode};

/// The id of a job: in the order in which jobs were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(crate) [u8; 8]);

impl JobId {
    pub(crate) fn new(now_ms: u64) -> Self {
        let mut id: [u8; 8] = random_array();
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        Self(id)
    }

    /// Reads the text form: 16 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(hex::decode(text).ok()?.try_into().ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a job is to do.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
pub enum JobSpec {
    /// Wraps anew everything that the root key wraps, under the generation that wraps now; then counts what still needs
    /// older ones.
    #[n(0)]
    RewrapRoot {
        /// Makes a new generation first.
        #[n(0)]
        rotate: bool,
    },
    /// Destroys a generation of the root key, unless something still needs it.
    #[n(1)]
    DestroyRootGeneration {
        /// The generation.
        #[n(0)]
        generation: u32,
        /// Not earlier than this, in milliseconds since 1970; `None`: as soon as the settings allow.
        #[n(1)]
        not_before_ms: Option<u64>,
    },
    /// Makes a new generation of a bucket's key, brings every record and every SSE-S3 envelope of the bucket under it, and
    /// counts what still needs older ones. No blob is touched.
    #[n(2)]
    RotateBucketKey {
        /// The name of the bucket.
        #[n(0)]
        bucket: String,
    },
    /// Destroys a generation of a bucket's key, unless something still needs it.
    #[n(3)]
    DestroyBucketKeyGeneration {
        /// The name of the bucket.
        #[n(0)]
        bucket: String,
        /// The generation.
        #[n(1)]
        generation: u32,
        /// Not earlier than this, in milliseconds since 1970; `None`: as soon as the settings allow.
        #[n(2)]
        not_before_ms: Option<u64>,
    },
    /// Removes something, and destroys every key that opens a copy of it, without a delay. It cannot be cancelled.
    #[n(4)]
    Shred {
        /// What.
        #[n(0)]
        target: ShredTarget,
        /// Leaves the older generations of the root key, and with them copies and backups from before readable.
        #[n(1)]
        keep_backups: bool,
        /// Also if other objects share its sealed data, and so can still show it.
        #[n(2)]
        even_if_shared: bool,
    },
    /// Draws new keys for all that a bucket holds, and writes its data again under them: a new generation of the bucket's
    /// key, object keys, part keys, and data keys of the KMS. What is under customers' keys stays as it is.
    #[n(5)]
    Reseal {
        /// The name of the bucket.
        #[n(0)]
        bucket: String,
    },
    /// Has the KMS encrypt the data keys of SSE-KMS and DSSE-KMS anew that are encrypted with older material than their KMS
    /// key has now, and counts what still is. Data, object keys and what wraps them stay as they are.
    #[n(6)]
    RewrapKms {
        /// The name of the bucket; `None`: all of them.
        #[n(0)]
        bucket: Option<String>,
        /// The ARN of the KMS key; `None`: all of them.
        #[n(1)]
        key_arn: Option<String>,
    },
}

/// What is shredded.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
pub enum ShredTarget {
    /// A version of an object. Not one that a retention or a legal hold keeps.
    #[n(0)]
    Version {
        /// The name of the bucket.
        #[n(0)]
        bucket: String,
        /// The object's key.
        #[n(1)]
        key: String,
        /// The version as S3 writes it; `None`: the one that is current when the job is started.
        #[n(2)]
        version: Option<String>,
    },
    /// A bucket with all that it holds. Not one that holds a version which a retention or a legal hold keeps.
    #[n(1)]
    Bucket {
        /// Its name.
        #[n(0)]
        bucket: String,
    },
    /// A key of the KMS, and so everything that is encrypted under it. Not one that protects a version which a retention
    /// or a legal hold keeps.
    #[n(2)]
    KmsKey {
        /// Its ARN.
        #[n(0)]
        key_arn: String,
    },
}

impl JobSpec {
    /// The bucket that it is about, if it is about one.
    pub(crate) fn bucket(&self) -> Option<&str> {
        match self {
            Self::RotateBucketKey { bucket }
            | Self::DestroyBucketKeyGeneration { bucket, .. }
            | Self::Reseal { bucket }
            | Self::Shred { target: ShredTarget::Version { bucket, .. } | ShredTarget::Bucket { bucket }, .. } => {
                Some(bucket)
            }
            Self::RewrapKms { bucket, .. } => bucket.as_deref(),
            Self::RewrapRoot { .. }
            | Self::DestroyRootGeneration { .. }
            | Self::Shred { target: ShredTarget::KmsKey { .. }, .. } => None,
        }
    }

    /// What it is to shred, if that is what it does.
    pub(crate) fn shreds(&self) -> Option<&ShredTarget> {
        match self {
            Self::Shred { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Whether it destroys keys that older copies of the store need.
    pub(crate) fn destroys(&self) -> bool {
        match self {
            Self::DestroyRootGeneration { .. } | Self::DestroyBucketKeyGeneration { .. } | Self::Shred { .. } => true,
            Self::RewrapRoot { .. } | Self::RotateBucketKey { .. } | Self::Reseal { .. } | Self::RewrapKms { .. } => {
                false
            }
        }
    }

    /// Whether a job that is about KMS keys is about this one.
    pub(crate) fn is_about(&self, key_arn: &str) -> bool {
        match self {
            Self::RewrapKms { key_arn: Some(wanted), .. } => wanted == key_arn,
            _ => true,
        }
    }

    /// The time before which it does nothing.
    pub(crate) fn not_before_ms(&self) -> u64 {
        match self {
            Self::DestroyRootGeneration { not_before_ms, .. }
            | Self::DestroyBucketKeyGeneration { not_before_ms, .. } => not_before_ms.unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn not_before_mut(&mut self) -> Option<&mut Option<u64>> {
        match self {
            Self::DestroyRootGeneration { not_before_ms, .. }
            | Self::DestroyBucketKeyGeneration { not_before_ms, .. } => Some(not_before_ms),
            _ => None,
        }
    }
}

/// Where a job is in its life.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum JobState {
    /// It goes on whenever a runner takes it, or waits for its time.
    #[n(0)]
    Running,
    /// It waits until it is resumed.
    #[n(1)]
    Paused,
    /// It did what it was to do.
    #[n(2)]
    Done,
    /// It cannot do it; the trouble says why.
    #[n(3)]
    Failed,
    /// Somebody ended it. What it had done stays done.
    #[n(4)]
    Cancelled,
}

impl JobState {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// How much a job has done. What a crash repeats is not counted twice.
#[derive(Encode, Decode, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct JobCounts {
    /// Rows or keys that were looked at, in all passes.
    #[n(0)]
    pub looked_at: u64,
    /// Those that were changed.
    #[n(1)]
    pub changed: u64,
    /// Those that needed no change, or have none.
    #[n(2)]
    pub left_alone: u64,
    /// Those that could not be changed: the log says which.
    #[n(3)]
    pub failed: u64,
    /// How many there are to look at, once that is known.
    #[n(4)]
    pub total: Option<u64>,
    /// Bytes of data that were written again.
    #[cbor(n(5), default)]
    pub bytes: u64,
    /// How many there are to write again, once that is known.
    #[n(6)]
    pub bytes_total: Option<u64>,
}

/// Something that a job destroyed.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct Destroyed {
    /// What it was, such as `root key` or `bucket key`.
    #[n(0)]
    pub what: String,
    /// Its id: hexadecimal, or an ARN.
    #[n(1)]
    pub id: String,
    /// Its generation, if it had one.
    #[n(2)]
    pub generation: Option<u32>,
    /// When, in milliseconds since 1970.
    #[n(3)]
    pub at_ms: u64,
}

/// Something that a job could not change.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct LeftObject {
    /// What it is: the key of an object and its version, or that of an upload and its id.
    #[n(0)]
    pub what: String,
    /// Why.
    #[n(1)]
    pub why: String,
}

/// What became of old keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewKeys {
    /// Versions and uploads that have got new keys.
    pub changed: u64,
    /// Versions, uploads and parts of uploads that still have older ones, but for those under customers' keys.
    pub old: u64,
    /// Those under customers' keys.
    pub customers: u64,
}

/// What a KMS key encrypts the data keys of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKeyReferences {
    /// The ARN of the KMS key.
    pub key_arn: String,
    /// The generation of its material that encrypts now; `None`: it could not be asked.
    pub current: Option<u32>,
    /// How many versions and uploads there are by the generation of the material, ascending.
    pub references: Vec<(u32, u64)>,
    /// Those whose data key the KMS cannot have encrypted.
    pub unknown: u64,
    /// Why it could not be asked.
    pub trouble: Option<String>,
}

impl KmsKeyReferences {
    fn lines(&self) -> Vec<String> {
        let (key, mut lines) = (&self.key_arn, Vec::new());
        let is_older = |generation: u32| self.current.is_none_or(|current| generation < current);
        for (generation, count) in self.references.iter().filter(|(generation, _)| is_older(*generation)) {
            lines.push(format!("{count} refer to generation {generation} of the KMS key {key}."));
        }
        match (self.current, &self.trouble) {
            (Some(current), _) if lines.is_empty() => {
                lines.push(format!("Nothing refers to generations before {current} of the KMS key {key}."));
            }
            (None, Some(trouble)) => lines.push(format!("The KMS key {key} could not be asked: {trouble}")),
            _ => {}
        }
        if self.unknown > 0 {
            lines.push(format!("{} refer to the KMS key {key} by what no KMS here has encrypted.", self.unknown));
        }
        lines
    }
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Its id.
    pub id: JobId,
    /// What it is to do.
    pub spec: JobSpec,
    /// Where it is in its life.
    pub state: JobState,
    /// What it is doing, in words: `wrapping bucket keys`.
    pub stage: &'static str,
    /// When it was started, in milliseconds since 1970.
    pub created_ms: u64,
    /// When something was done last, in milliseconds since 1970.
    pub updated_ms: u64,
    /// The time before which it does nothing, in milliseconds since 1970; 0: none.
    pub not_before_ms: u64,
    /// How much it has done.
    pub counts: JobCounts,
    /// What keeps it from going on, or has ended it.
    pub trouble: Option<String>,
    /// What it has found out and done so far; of a job that is over, its final report.
    pub report: JobReport,
}

/// What a job has found out and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobReport {
    /// What was counted by generation, such as `root key`; `None`: nothing was.
    pub counted: Option<String>,
    /// How many things refer to each generation that there is, ascending.
    pub references: Vec<(u32, u64)>,
    /// How many things could not be opened, and so may refer to any generation.
    pub unreadable: u64,
    /// Why things were left alone that one might expect to be changed, and how many.
    pub left: Vec<(String, u64)>,
    /// Of a job that draws new keys for data: how far that is.
    pub new_keys: Option<NewKeys>,
    /// What else it found out, each a sentence.
    pub found: Vec<String>,
    /// Of a job that has data keys encrypted anew: what refers to each KMS key.
    pub kms_keys: Vec<KmsKeyReferences>,
    /// Some of what was left alone, and why; the first hundred.
    pub left_objects: Vec<LeftObject>,
    /// What was destroyed.
    pub destroyed: Vec<Destroyed>,
    /// What the job cannot promise, each a sentence.
    pub cannot_promise: Vec<String>,
}

impl JobReport {
    /// The report for people, one sentence a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(counted) = &self.counted {
            let last = self.references.iter().map(|(generation, _)| *generation).max();
            for &(generation, count) in &self.references {
                lines.push(match count {
                    0 if Some(generation) == last => format!("The {counted} is of generation {generation}."),
                    0 => format!("Nothing refers to generation {generation} of the {counted}."),
                    count => format!("{count} refer to generation {generation} of the {counted}."),
                });
            }
        }
        if self.unreadable > 0 {
            lines.push(format!("{} could not be opened, and may refer to any generation.", self.unreadable));
        }
        if let Some(new) = &self.new_keys {
            lines.push(format!("{} versions and uploads have new keys.", new.changed));
            lines.push(match new.old {
                0 => "Nothing that could be changed has older ones.".to_owned(),
                old => format!("{old} versions, uploads and parts of uploads still have older ones."),
            });
        }
        lines.extend(self.left.iter().map(|(why, count)| format!("Left alone: {count} {why}.")));
        lines.extend(self.left_objects.iter().map(|LeftObject { what, why }| format!("  {what}: {why}")));
        lines.extend(self.kms_keys.iter().flat_map(KmsKeyReferences::lines));
        lines.extend(self.found.iter().cloned());
        for Destroyed { what, id, generation, .. } in &self.destroyed {
            let of = generation.map_or_else(String::new, |generation| format!("generation {generation} of "));
            lines.push(format!("Destroyed: {of}{what} {id}."));
        }
        lines.extend(self.cannot_promise.iter().cloned());
        lines.join("\n")
    }
}
