//! What is due by the rules.
//!
//! `day_ms` is the length of a day, [`DAY_MS`](super::DAY_MS) but in tests; a time that is counted in days is rounded up
//! to the next midnight. Dates are dates whatever a day's length.

use super::{
    Expiration, LifecycleConfiguration, LifecycleRule, NoncurrentVersionExpiration, NoncurrentVersionTransition,
    TransitionStorageClass, When,
};

/// The current version of an object, not a delete marker.
#[derive(Clone, Copy)]
pub struct CurrentVersion<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its length in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: &'a [(String, String)],
    /// The name of its storage class.
    pub storage_class: &'a str,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
}

/// A version that another one took the place of: an object or a delete marker.
#[derive(Clone, Copy)]
pub struct NoncurrentVersion<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its length in bytes; 0 for a delete marker.
    pub size: u64,
    /// Its tags; none for a delete marker.
    pub tags: &'a [(String, String)],
    /// The name of its storage class; `None` for a delete marker.
    pub storage_class: Option<&'a str>,
    /// When it became noncurrent, in milliseconds since 1970: when the next one was made.
    pub noncurrent_since_ms: u64,
    /// How many noncurrent versions of its key are newer.
    pub newer_noncurrent_versions: u32,
}

/// When something happens, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<'a> {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The ID of the rule.
    pub rule_id: &'a str,
}

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleAction {
    /// It expires: what DeleteObject without a version does to a current one, what it does with one to another.
    Expire,
    /// It changes its storage class.
    Transition(TransitionStorageClass),
}

impl LifecycleConfiguration {
    /// When the current version of an object expires; the first rule of those that say the same.
    #[must_use]
    pub fn expiration(&self, version: &CurrentVersion<'_>, day_ms: u64) -> Option<Due<'_>> {
        let of_rule = |rule: &LifecycleRule| match rule.expiration? {
            Expiration::When(when) if admits(rule, version) => Some(when.at(version.made_ms, day_ms)),
            _ => None,
        };
        self.first(of_rule)
    }

    /// What is due for the current version of an object.
    ///
    /// Where removing it is for ever, that goes before a transition; where it leaves a delete marker
    /// (`keeps_versions`), a transition goes first, and the marker comes after it.
    #[must_use]
    pub fn current(
        &self,
        version: &CurrentVersion<'_>,
        keeps_versions: bool,
        now_ms: u64,
        day_ms: u64,
    ) -> Option<LifecycleAction> {
        let expires = self.expiration(version, day_ms).is_some_and(|due| due.at_ms <= now_ms);
        if expires && !keeps_versions {
            return Some(LifecycleAction::Expire);
        }
        let due = self.enabled().filter(|rule| admits(rule, version)).flat_map(|rule| {
            let due = rule.transitions.iter().filter(|to| to.when.at(version.made_ms, day_ms) <= now_ms);
            due.map(move |to| (rule, to.storage_class))
        });
        let transition = self.coldest(due, version.size, version.storage_class);
        transition.map(LifecycleAction::Transition).or_else(|| expires.then_some(LifecycleAction::Expire))
    }

    /// What is due for a noncurrent version.
    #[must_use]
    pub fn noncurrent(&self, version: &NoncurrentVersion<'_>, now_ms: u64, day_ms: u64) -> Option<LifecycleAction> {
        let rules = || self.enabled().filter(|rule| rule.filter.admits(version.key, version.size, version.tags));
        let is_due = |days: u32, kept: Option<u32>| {
            When::Days(days).at(version.noncurrent_since_ms, day_ms) <= now_ms
                && version.newer_noncurrent_versions >= kept.unwrap_or(0)
        };
        let expires = |&NoncurrentVersionExpiration { noncurrent_days, newer_noncurrent_versions }: &_| {
            is_due(noncurrent_days, newer_noncurrent_versions)
        };
        if rules().filter_map(|rule| rule.noncurrent_version_expiration.as_ref()).any(expires) {
            return Some(LifecycleAction::Expire);
        }
        let changes = |to: &&NoncurrentVersionTransition| is_due(to.noncurrent_days, to.newer_noncurrent_versions);
        let due = rules().flat_map(|rule| {
            rule.noncurrent_version_transitions.iter().filter(changes).map(move |to| (rule, to.storage_class))
        });
        self.coldest(due, version.size, version.storage_class?).map(LifecycleAction::Transition)
    }

    /// Whether a delete marker that was made at `made_ms` and hides no version of `key` is to go.
    #[must_use]
    pub fn removes_expired_marker(&self, key: &str, made_ms: u64, now_ms: u64, day_ms: u64) -> bool {
        self.enabled().filter(|rule| rule.filter.admits(key, 0, &[])).any(|rule| match rule.expiration {
            Some(Expiration::ExpiredObjectDeleteMarker(removes)) => removes,
            Some(Expiration::When(when)) => when.at(made_ms, day_ms) <= now_ms,
            None => false,
        })
    }

    /// When an upload that was created at `initiated_ms` is aborted.
    #[must_use]
    pub fn abort(&self, key: &str, initiated_ms: u64, day_ms: u64) -> Option<Due<'_>> {
        let of_rule = |rule: &LifecycleRule| {
            let days = rule.abort_incomplete_multipart_upload_days.filter(|_| rule.filter.admits_key(key))?;
            Some(When::Days(days).at(initiated_ms, day_ms))
        };
        self.first(of_rule)
    }

    /// Whether a rule says anything about uploads.
    #[must_use]
    pub fn aborts_uploads(&self) -> bool {
        self.enabled().any(|rule| rule.abort_incomplete_multipart_upload_days.is_some())
    }

    /// Whether a rule says anything about objects or delete markers.
    #[must_use]
    pub fn changes_objects(&self) -> bool {
        self.enabled().any(|rule| {
            rule.expiration.is_some()
                || rule.noncurrent_version_expiration.is_some()
                || !rule.transitions.is_empty()
                || !rule.noncurrent_version_transitions.is_empty()
        })
    }

    /// What every key that a rule is for starts with.
    #[must_use]
    pub fn common_prefix(&self) -> &str {
        let mut prefixes = self.enabled().map(|rule| rule.filter.prefix.as_deref().unwrap_or_default());
        let first = prefixes.next().unwrap_or_default();
        prefixes.fold(first, |common, prefix| {
            let same = common.char_indices().zip(prefix.chars()).find(|((_, one), other)| one != other);
            let len = same.map_or(common.len().min(prefix.len()), |((at, _), _)| at);
            &common[..len]
        })
    }

    fn enabled(&self) -> impl Iterator<Item = &LifecycleRule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    /// The earliest of what the rules say, by the first rule that says it.
    fn first(&self, of_rule: impl Fn(&LifecycleRule) -> Option<u64>) -> Option<Due<'_>> {
        let due = self.enabled().filter_map(|rule| Some(Due { at_ms: of_rule(rule)?, rule_id: &rule.id }));
        due.min_by_key(|due| due.at_ms)
    }

    /// The last class, in their order, of the transitions that are due and possible.
    fn coldest<'a>(
        &self,
        due: impl Iterator<Item = (&'a LifecycleRule, TransitionStorageClass)>,
        size: u64,
        from: &str,
    ) -> Option<TransitionStorageClass> {
        let minimum = self.transition_default_minimum_object_size;
        let possible =
            due.filter(|(rule, class)| class.follows(from) && (rule.filter.has_size() || minimum.admits(*class, size)));
        possible.map(|(_, class)| class).max()
    }
}

fn admits(rule: &LifecycleRule, version: &CurrentVersion<'_>) -> bool {
    rule.filter.admits(version.key, version.size, version.tags)
}

impl When {
    /// When it is for what began at `from_ms`, in milliseconds since 1970.
    fn at(self, from_ms: u64, day_ms: u64) -> u64 {
        match self {
            Self::Date(date_ms) => date_ms,
            Self::Days(days) => {
                let day_ms = day_ms.max(1);
                let aged_ms = u64::from(days).saturating_mul(day_ms).saturating_add(from_ms);
                (aged_ms / day_ms).saturating_add(1).saturating_mul(day_ms)
            }
        }
    }
}
