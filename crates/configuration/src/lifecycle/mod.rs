//! Lifecycle: what becomes of objects and uploads as they grow old.
//!
//! A configuration is a list of rules; a rule says which keys it is for ([`LifecycleFilter`]) and what happens to them
//! when. [`LifecycleConfiguration::current`] and its siblings say what is due for one version, one delete marker or one
//! upload; they know nothing of the others.

mod decide;
mod filter;
mod storage_class;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};

pub use decide::{CurrentVersion, Due, LifecycleAction, NoncurrentVersion};
pub use filter::{FilterForm, LifecycleFilter};
pub use storage_class::{TransitionDefaultMinimumObjectSize, TransitionStorageClass};

/// A day of 24 hours, in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The lifecycle rules of a bucket.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct LifecycleConfiguration {
    /// 1 to 1,000 rules with different IDs, in the order they were given.
    #[n(0)]
    pub rules: Vec<LifecycleRule>,
    /// Which objects are too small for a transition whose rule does not say so itself.
    #[cbor(n(1), default)]
    pub transition_default_minimum_object_size: TransitionDefaultMinimumObjectSize,
}

/// A rule.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct LifecycleRule {
    /// 1 to 255 characters, chosen by the client or made for it.
    #[n(0)]
    pub id: String,
    /// `Status` is `Enabled`; else the rule does nothing.
    #[n(1)]
    pub enabled: bool,
    /// What the rule is for.
    #[n(2)]
    pub filter: LifecycleFilter,
    /// When current versions go, or delete markers that hide nothing.
    #[n(3)]
    pub expiration: Option<Expiration>,
    /// When noncurrent versions go.
    #[n(4)]
    pub noncurrent_version_expiration: Option<NoncurrentVersionExpiration>,
    /// `DaysAfterInitiation` of AbortIncompleteMultipartUpload: when uploads in progress go, at least 1.
    #[n(5)]
    pub abort_incomplete_multipart_upload_days: Option<u32>,
    /// When current versions change their storage class; each class once.
    #[cbor(n(6), default)]
    pub transitions: Vec<Transition>,
    /// When noncurrent versions change their storage class; each class once.
    #[cbor(n(7), default)]
    pub noncurrent_version_transitions: Vec<NoncurrentVersionTransition>,
}

/// When something happens to a current version.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many days after it was made, at the next midnight.
    #[n(0)]
    Days(#[n(0)] u32),
    /// On a date, whenever it was made: milliseconds since 1970, at midnight UTC.
    #[n(1)]
    Date(#[n(0)] u64),
}

/// `Expiration` of a rule.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// The current version expires, or a delete marker of that age that hides nothing.
    #[n(0)]
    When(#[n(0)] When),
    /// `ExpiredObjectDeleteMarker`: with `true`, delete markers that hide nothing go at once.
    #[n(1)]
    ExpiredObjectDeleteMarker(#[n(0)] bool),
}

/// `NoncurrentVersionExpiration` of a rule.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct NoncurrentVersionExpiration {
    /// Days since the version became noncurrent, at least 1.
    #[n(0)]
    pub noncurrent_days: u32,
    /// So many of the newest noncurrent versions stay, however old; at least 1.
    #[n(1)]
    pub newer_noncurrent_versions: Option<u32>,
}

/// `Transition` of a rule.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct Transition {
    /// When.
    #[n(0)]
    pub when: When,
    /// To which class.
    #[n(1)]
    pub storage_class: TransitionStorageClass,
}

/// `NoncurrentVersionTransition` of a rule.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct NoncurrentVersionTransition {
    /// Days since the version became noncurrent.
    #[n(0)]
    pub noncurrent_days: u32,
    /// So many of the newest noncurrent versions keep their class; at least 1.
    #[n(1)]
    pub newer_noncurrent_versions: Option<u32>,
    /// To which class.
    #[n(2)]
    pub storage_class: TransitionStorageClass,
}
