//! Storage classes that a lifecycle rule can name.

use minicbor::{Decode, Encode};

/// A storage class that objects can change to, in the order in which they can: never to one before.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cbor(index_only)]
pub enum TransitionStorageClass {
    /// `STANDARD_IA`.
    #[n(0)]
    StandardIa,
    /// `INTELLIGENT_TIERING`.
    #[n(1)]
    IntelligentTiering,
    /// `ONEZONE_IA`.
    #[n(2)]
    OnezoneIa,
    /// `GLACIER_IR`.
    #[n(3)]
    GlacierIr,
    /// `GLACIER`.
    #[n(4)]
    Glacier,
    /// `DEEP_ARCHIVE`.
    #[n(5)]
    DeepArchive,
}

/// `TransitionDefaultMinimumObjectSize`: which objects are too small for a transition, unless a rule filters by size.
#[derive(Encode, Decode, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cbor(index_only)]
pub enum TransitionDefaultMinimumObjectSize {
    /// Less than 128 KiB.
    #[default]
    #[n(0)]
    AllStorageClasses128K,
    /// Less than 128 KiB, but anything goes to `GLACIER` and `DEEP_ARCHIVE`.
    #[n(1)]
    VariesByStorageClass,
}

const MINIMUM_LEN: u64 = 128 << 10;

impl TransitionStorageClass {
    /// Every class, in order.
    pub const ALL: [Self; 6] = [
        Self::StandardIa,
        Self::IntelligentTiering,
        Self::OnezoneIa,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// S3's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether an object must have been stored for 30 days before it changes to this class.
    #[must_use]
    pub fn is_infrequent_access(self) -> bool {
        matches!(self, Self::StandardIa | Self::OnezoneIa)
    }

    /// Whether an object of the class `from` can change to this one.
    pub(super) fn follows(self, from: &str) -> bool {
        match (Self::from_name(from), self) {
            (Some(Self::OnezoneIa), Self::GlacierIr) => false,
            (Some(from), to) => from < to,
            (None, _) => matches!(from, "STANDARD" | "REDUCED_REDUNDANCY"),
        }
    }
}

impl TransitionDefaultMinimumObjectSize {
    /// S3's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllStorageClasses128K => "all_storage_classes_128K",
            Self::VariesByStorageClass => "varies_by_storage_class",
        }
    }

    /// The setting with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::AllStorageClasses128K, Self::VariesByStorageClass].into_iter().find(|size| size.name() == name)
    }

    /// Whether an object of this many bytes may change to `class`.
    pub(super) fn admits(self, class: TransitionStorageClass, size: u64) -> bool {
        let any_size = self == Self::VariesByStorageClass && class >= TransitionStorageClass::Glacier;
        any_size || size >= MINIMUM_LEN
    }
}
