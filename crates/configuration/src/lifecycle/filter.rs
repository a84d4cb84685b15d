//! What a lifecycle rule is for.

use minicbor::{Decode, Encode};

/// What a rule is for: everything that meets all of these conditions.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct LifecycleFilter {
    /// How the document wrote it.
    #[n(0)]
    pub form: FilterForm,
    /// Keys that start with this.
    #[n(1)]
    pub prefix: Option<String>,
    /// Objects that have all of these tags: keys and values.
    #[cbor(n(2), default)]
    pub tags: Vec<(String, String)>,
    /// Objects of more bytes than this.
    #[n(3)]
    pub object_size_greater_than: Option<u64>,
    /// Objects of fewer bytes than this.
    #[n(4)]
    pub object_size_less_than: Option<u64>,
}

/// How a document wrote a filter. It means the same in each form.
#[derive(Encode, Decode, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cbor(index_only)]
pub enum FilterForm {
    /// `Filter` with one condition or none.
    #[default]
    #[n(0)]
    Filter,
    /// `Filter` with several conditions in an `And`.
    #[n(1)]
    And,
    /// `Prefix` of the rule itself, as before there were filters.
    #[n(2)]
    Prefix,
}

impl LifecycleFilter {
    /// Whether it names tags.
    #[must_use]
    pub fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Whether it names a size.
    #[must_use]
    pub fn has_size(&self) -> bool {
        self.object_size_greater_than.is_some() || self.object_size_less_than.is_some()
    }

    /// Whether keys like this meet its condition on keys.
    pub(super) fn admits_key(&self, key: &str) -> bool {
        self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
    }

    /// Whether an object meets all of its conditions.
    pub(super) fn admits(&self, key: &str, size: u64, tags: &[(String, String)]) -> bool {
        self.admits_key(key)
            && self.object_size_greater_than.is_none_or(|bound| size > bound)
            && self.object_size_less_than.is_none_or(|bound| size < bound)
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}
