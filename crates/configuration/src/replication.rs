//! Replication: which objects go to which other buckets.

use minicbor::{Decode, Encode};

use crate::tags::Tag;

/// The replication of a bucket that has it.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct ReplicationConfiguration {
    /// The ARN of the role that objects are replicated in.
    #[n(0)]
    pub role: String,
    /// The rules, in the order given.
    #[n(1)]
    pub rules: Vec<ReplicationRule>,
}

/// A rule: which objects, and where to.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct ReplicationRule {
    /// Its ID.
    #[n(0)]
    pub id: String,
    /// Whether it counts.
    #[n(1)]
    pub enabled: bool,
    /// Which of several rules for one destination counts: the highest. `None` in the first version of the schema.
    #[n(2)]
    pub priority: Option<u32>,
    /// Which objects.
    #[n(3)]
    pub filter: ReplicationFilter,
    /// `DeleteMarkerReplication`; `None` in the first version of the schema, where it means `Enabled`.
    #[n(4)]
    pub delete_markers: Option<bool>,
    /// `ExistingObjectReplication`; `None`: not set, which means `Disabled`.
    #[n(5)]
    pub existing_objects: Option<bool>,
    /// `SourceSelectionCriteria`; `None`: not set.
    #[n(6)]
    pub source_selection: Option<SourceSelection>,
    /// Where to.
    #[n(7)]
    pub destination: ReplicationDestination,
}

/// Which objects a rule is about.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
pub enum ReplicationFilter {
    /// `Prefix` of the rule: the first version of the schema.
    #[n(0)]
    RulePrefix(#[n(0)] String),
    /// An empty `Filter`: all.
    #[n(1)]
    All,
    /// Those whose key starts so.
    #[n(2)]
    Prefix(#[n(0)] String),
    /// Those with a tag.
    #[n(3)]
    Tag(#[n(0)] Tag),
    /// Those whose key starts so and that have all tags.
    #[n(4)]
    And(#[n(0)] Option<String>, #[n(1)] Vec<Tag>),
}

/// `SourceSelectionCriteria`: neither of the two is ever enabled.
#[derive(Encode, Decode, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct SourceSelection {
    /// `SseKmsEncryptedObjects` was said to be `Disabled`.
    #[cbor(n(0), default)]
    pub no_kms_objects: bool,
    /// `ReplicaModifications` was said to be `Disabled`.
    #[cbor(n(1), default)]
    pub no_replica_modifications: bool,
}

/// Where objects are replicated to.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct ReplicationDestination {
    /// The name of the bucket.
    #[n(0)]
    pub bucket: String,
    /// The storage class of replicas; `None`: that of the object.
    #[n(1)]
    pub storage_class: Option<String>,
    /// The account that must own the bucket: 12 digits.
    #[n(2)]
    pub account: Option<String>,
    /// `AccessControlTranslation`: replicas belong to the owner of the bucket.
    #[cbor(n(3), default)]
    pub owner_is_destination: bool,
    /// The minutes of a `ReplicationTime` that is `Disabled`.
    #[n(4)]
    pub replication_time_minutes: Option<u32>,
    /// `Metrics`; `None`: not set.
    #[n(5)]
    pub metrics: Option<ReplicationMetrics>,
}

/// `Metrics` of a destination.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct ReplicationMetrics {
    /// Whether they are wanted.
    #[n(0)]
    pub enabled: bool,
    /// `EventThreshold` in minutes, of metrics that are not enabled.
    #[n(1)]
    pub threshold_minutes: Option<u32>,
}

impl ReplicationConfiguration {
    /// The rules by which an object with this key and these tags is replicated: for each destination the one with the
    /// highest priority.
    #[must_use]
    pub fn rules_for(&self, key: &str, tags: &[(String, String)]) -> Vec<&ReplicationRule> {
        let mut chosen: Vec<&ReplicationRule> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.enabled && rule.filter.matches(key, tags)) {
            match chosen.iter_mut().find(|other| other.destination.bucket == rule.destination.bucket) {
                None => chosen.push(rule),
                Some(other) if rule.priority > other.priority => *other = rule,
                Some(_) => {}
            }
        }
        chosen
    }

    /// The rule by which an object with this key and these tags goes to a destination.
    #[must_use]
    pub fn rule_to(&self, destination: &str, key: &str, tags: &[(String, String)]) -> Option<&ReplicationRule> {
        self.rules_for(key, tags).into_iter().find(|rule| rule.destination.bucket == destination)
    }

    /// Whether a rule is about objects that were there before it.
    #[must_use]
    pub fn replicates_existing_objects(&self) -> bool {
        self.rules.iter().any(|rule| rule.enabled && rule.existing_objects == Some(true))
    }
}

impl ReplicationRule {
    /// Whether delete markers are replicated.
    #[must_use]
    pub fn replicates_delete_markers(&self) -> bool {
        self.delete_markers.unwrap_or(true)
    }
}

impl ReplicationFilter {
    /// What the keys start with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match self {
            Self::RulePrefix(prefix) | Self::Prefix(prefix) | Self::And(Some(prefix), _) => prefix,
            Self::All | Self::Tag(_) | Self::And(None, _) => "",
        }
    }

    /// The tags that objects must have.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        match self {
            Self::Tag(tag) => std::slice::from_ref(tag),
            Self::And(_, tags) => tags,
            Self::RulePrefix(_) | Self::All | Self::Prefix(_) => &[],
        }
    }

    /// Whether an object with this key and these tags is meant.
    #[must_use]
    pub fn matches(&self, key: &str, tags: &[(String, String)]) -> bool {
        key.starts_with(self.prefix())
            && self.tags().iter().all(|wanted| tags.iter().any(|(k, v)| *k == wanted.key && *v == wanted.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, priority: u32, filter: ReplicationFilter, bucket: &str) -> ReplicationRule {
        ReplicationRule {
            id: id.to_owned(),
            enabled: true,
            priority: Some(priority),
            filter,
            delete_markers: Some(false),
            existing_objects: None,
            source_selection: None,
            destination: ReplicationDestination { bucket: bucket.to_owned(), ..ReplicationDestination::default() },
        }
    }

    fn ids(rules: Vec<ReplicationRule>, key: &str, tags: &[(&str, &str)]) -> Vec<String> {
        let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let configuration = ReplicationConfiguration { role: String::new(), rules };
        configuration.rules_for(key, &tags).into_iter().map(|rule| rule.id.clone()).collect()
    }

    fn tag(key: &str, value: &str) -> Tag {
        Tag::new(key, value)
    }

    #[test]
    fn the_highest_priority_wins_for_each_destination() {
        let rules = vec![
            rule("low", 1, ReplicationFilter::All, "a"),
            rule("high", 7, ReplicationFilter::Prefix("logs/".to_owned()), "a"),
            rule("other", 2, ReplicationFilter::All, "b"),
        ];
        assert_eq!(ids(rules.clone(), "logs/1", &[]), ["high", "other"]);
        assert_eq!(ids(rules, "log", &[]), ["low", "other"]);
    }

    #[test]
    fn a_disabled_rule_does_not_count() {
        let disabled = ReplicationRule { enabled: false, ..rule("off", 9, ReplicationFilter::All, "a") };
        assert_eq!(ids(vec![disabled, rule("on", 1, ReplicationFilter::All, "a")], "k", &[]), ["on"]);
    }

    #[test]
    fn every_tag_and_the_prefix_must_be_there() {
        let both = ReplicationFilter::And(Some("p/".to_owned()), vec![tag("a", "1"), tag("b", "2")]);
        let rules = vec![rule("both", 1, both, "a")];
        assert_eq!(ids(rules.clone(), "p/x", &[("b", "2"), ("c", "3"), ("a", "1")]), ["both"]);
        for (key, tags) in [
            ("p/x", &[("a", "1")][..]),
            ("p/x", &[("a", "1"), ("b", "3")]),
            ("q/x", &[("a", "1"), ("b", "2")]),
            ("p/x", &[]),
        ] {
            assert!(ids(rules.clone(), key, tags).is_empty(), "{key} {tags:?}");
        }
        assert_eq!(ids(vec![rule("one", 1, ReplicationFilter::Tag(tag("a", "1")), "a")], "k", &[("a", "1")]), ["one"]);
    }

    #[test]
    fn delete_markers_go_along_unless_the_rule_says_otherwise() {
        let first_version = ReplicationRule { delete_markers: None, ..rule("1", 0, ReplicationFilter::All, "a") };
        assert!(first_version.replicates_delete_markers());
        assert!(!rule("2", 0, ReplicationFilter::All, "a").replicates_delete_markers());
    }

    #[test]
    fn a_configuration_reads_back() {
        let mut full = rule("1", 3, ReplicationFilter::And(None, vec![tag("a", ""), tag("b", "2")]), "a");
        full.source_selection = Some(SourceSelection { no_kms_objects: true, no_replica_modifications: false });
        full.destination.metrics = Some(ReplicationMetrics { enabled: true, threshold_minutes: None });
        let configuration = ReplicationConfiguration { role: "r".to_owned(), rules: vec![full] };
        let bytes = minicbor::to_vec(&configuration).unwrap();
        assert_eq!(minicbor::decode::<ReplicationConfiguration>(&bytes).unwrap(), configuration);
    }
}
