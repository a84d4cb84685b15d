//! Notifications: who hears of what happens in a bucket.

use minicbor::{Decode, Encode};

mod event;

pub use event::NotificationEvent;

/// Which events go where.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct NotificationConfiguration {
    #[n(0)]
    rules: Vec<NotificationRule>,
}

/// One `TopicConfiguration`, `QueueConfiguration` or `CloudFunctionConfiguration`.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct NotificationRule {
    /// `Id`: tells it from the others of the bucket.
    #[n(0)]
    pub id: String,
    /// What its element says the destination is.
    #[n(1)]
    pub kind: DestinationKind,
    /// The ARN of the destination, as it was sent.
    #[n(2)]
    pub arn: String,
    /// The name of the target, which the ARN ends with.
    #[n(3)]
    pub target: String,
    /// What it wants to hear of.
    #[n(4)]
    pub events: Vec<NotificationEvent>,
    /// The filter rule `Prefix`, as it was sent.
    #[n(5)]
    pub prefix: Option<String>,
    /// The filter rule `Suffix`, as it was sent.
    #[n(6)]
    pub suffix: Option<String>,
}

/// What a destination is to S3.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum DestinationKind {
    /// An SNS topic.
    #[n(0)]
    Topic,
    /// An SQS queue.
    #[n(1)]
    Queue,
    /// A Lambda function.
    #[n(2)]
    Function,
}

/// Why rules cannot stand beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationConflict {
    /// There are more than [`MAX_NOTIFICATION_RULES`].
    TooMany,
    /// Two have the same `Id`.
    SameId,
    /// Events that are named twice for every key there is.
    SharedEvents(NotificationEvent, NotificationEvent),
    /// Two name the same event for the same keys by their filters.
    OverlappingFilters,
}

/// The most rules of a bucket.
pub const MAX_NOTIFICATION_RULES: usize = 100;

impl NotificationConfiguration {
    /// The rules of a bucket, if no event of a key can fall under two of them.
    ///
    /// # Errors
    /// [`NotificationConflict`]
    pub fn new(rules: Vec<NotificationRule>) -> Result<Self, NotificationConflict> {
        if rules.len() > MAX_NOTIFICATION_RULES {
            return Err(NotificationConflict::TooMany);
        }
        for (index, rule) in rules.iter().enumerate() {
            for (at, event) in rule.events.iter().enumerate() {
                if let Some(other) = rule.events[..at].iter().find(|other| other.overlaps(*event)) {
                    return Err(NotificationConflict::SharedEvents(*other, *event));
                }
            }
            for other in &rules[..index] {
                if other.id == rule.id {
                    return Err(NotificationConflict::SameId);
                }
                other.check_beside(rule)?;
            }
        }
        Ok(Self { rules })
    }

    /// The rules, in the order of the document.
    #[must_use]
    pub fn rules(&self) -> &[NotificationRule] {
        &self.rules
    }

    /// The rules that an event of an object with this key falls under. `event` is one that happens, no wildcard.
    pub fn matching<'a>(
        &'a self,
        event: NotificationEvent,
        object_key: &'a [u8],
    ) -> impl Iterator<Item = &'a NotificationRule> {
        self.rules.iter().filter(move |rule| rule.matches(event, object_key))
    }
}

impl NotificationRule {
    fn matches(&self, event: NotificationEvent, object_key: &[u8]) -> bool {
        self.events.iter().any(|wanted| wanted.includes(event))
            && object_key.starts_with(&decoded(self.prefix.as_deref()))
            && object_key.ends_with(&decoded(self.suffix.as_deref()))
    }

    fn has_filter(&self) -> bool {
        self.prefix.is_some() || self.suffix.is_some()
    }

    fn check_beside(&self, other: &Self) -> Result<(), NotificationConflict> {
        let shared = self.events.iter().find_map(|event| {
            let same = other.events.iter().find(|same| same.overlaps(*event))?;
            Some((*event, *same))
        });
        let Some((event, same)) = shared else { return Ok(()) };
        if !self.has_filter() && !other.has_filter() {
            return Err(NotificationConflict::SharedEvents(event, same));
        }
        let (prefix, other_prefix) = (decoded(self.prefix.as_deref()), decoded(other.prefix.as_deref()));
        let (suffix, other_suffix) = (decoded(self.suffix.as_deref()), decoded(other.suffix.as_deref()));
        let prefixes_overlap = prefix.starts_with(&other_prefix) || other_prefix.starts_with(&prefix);
        let suffixes_overlap = suffix.ends_with(&other_suffix) || other_suffix.ends_with(&suffix);
        if prefixes_overlap && suffixes_overlap { Err(NotificationConflict::OverlappingFilters) } else { Ok(()) }
    }
}

/// What a filter's value stands for: S3 has special characters in it percent-encoded, and blanks as `+`. What is no
/// escape stands for itself.
fn decoded(value: Option<&str>) -> Vec<u8> {
    let mut rest = value.unwrap_or_default().as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = after;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> NotificationRule {
        NotificationRule {
            id: id.to_owned(),
            kind: DestinationKind::Queue,
            arn: "arn:aws:sqs:us-east-1:000000000000:target".to_owned(),
            target: "target".to_owned(),
            events: events.iter().map(|name| NotificationEvent::from_name(name).unwrap()).collect(),
            prefix: prefix.map(str::to_owned),
            suffix: suffix.map(str::to_owned),
        }
    }

    fn check(prefix: Option<&str>, suffix: Option<&str>, key: &str, expected: bool) {
        let rules = NotificationConfiguration::new(vec![rule("a", &["s3:ObjectCreated:*"], prefix, suffix)]).unwrap();
        let found = rules.matching(NotificationEvent::ObjectCreatedPut, key.as_bytes()).count() == 1;
        assert_eq!(found, expected, "{prefix:?} {suffix:?} {key:?}");
    }

    #[test]
    fn keys_are_filtered_by_prefix_and_suffix() {
        check(None, None, "anything", true);
        check(Some("images/"), Some(".jpg"), "images/a.jpg", true);
        check(Some("images/"), Some(".jpg"), "images/a.png", false);
        check(Some("images/"), Some(".jpg"), "other/a.jpg", false);
        check(Some("a"), Some("a"), "a", true);
        check(Some(""), Some(""), "x", true);
        check(Some("Images"), None, "images", false);
    }

    #[test]
    fn filter_values_are_percent_encoded() {
        check(Some("a+b"), None, "a b/c", true);
        check(Some("a%2Bb"), None, "a+b", true);
        check(Some("%C3%BC"), None, "\u{fc}ber", true);
        check(Some("\u{fc}"), None, "\u{fc}ber", true);
        check(Some("100%"), None, "100% sure", true);
        check(Some("%zz"), None, "%zz", true);
        check(None, Some("%2"), "a%2", true);
    }

    #[test]
    fn only_what_was_asked_for_matches() {
        let rules = vec![
            rule("made", &["s3:ObjectCreated:Put", "s3:ObjectCreated:Post"], None, None),
            rule("gone", &["s3:ObjectRemoved:*"], None, None),
        ];
        let rules = NotificationConfiguration::new(rules).unwrap();
        let ids = |event| rules.matching(event, b"k").map(|rule| rule.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(NotificationEvent::ObjectCreatedPut), ["made"]);
        assert_eq!(ids(NotificationEvent::ObjectRemovedDeleteMarkerCreated), ["gone"]);
        assert!(ids(NotificationEvent::ObjectCreatedCopy).is_empty());
        assert!(ids(NotificationEvent::LifecycleExpirationDelete).is_empty());
    }

    fn conflict(rules: Vec<NotificationRule>) -> Option<NotificationConflict> {
        NotificationConfiguration::new(rules).err()
    }

    #[test]
    fn an_event_of_a_key_falls_under_one_rule_at_most() {
        let (all, put) = (&["s3:ObjectCreated:*"][..], &["s3:ObjectCreated:Put"][..]);
        let shared = NotificationConflict::SharedEvents(
            NotificationEvent::ObjectCreatedAny,
            NotificationEvent::ObjectCreatedPut,
        );
        assert_eq!(conflict(vec![rule("a", all, None, None), rule("b", put, None, None)]), Some(shared));
        for (a, b, overlap) in [
            ((Some("x/"), None), (None, None), true),
            ((Some("x/"), None), (Some("y/"), None), false),
            ((Some("x/"), None), (Some("x/y/"), None), true),
            ((Some("x"), Some(".jpg")), (Some("x"), Some(".png")), false),
            ((Some("x"), Some(".jpg")), (Some("x"), Some("jpg")), true),
            ((Some("x"), None), (None, Some(".jpg")), true),
            ((None, Some(".jpg")), (None, Some(".png")), false),
            ((Some("a+b"), None), (Some("a%20b"), None), true),
        ] {
            let found = conflict(vec![rule("a", all, a.0, a.1), rule("b", put, b.0, b.1)]);
            assert_eq!(found, overlap.then_some(NotificationConflict::OverlappingFilters), "{a:?} {b:?}");
            let others = conflict(vec![rule("a", all, a.0, a.1), rule("b", &["s3:ObjectAcl:Put"], b.0, b.1)]);
            assert_eq!(others, None, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_rule_names_an_event_once() {
        let twice = rule("a", &["s3:ObjectCreated:Put", "s3:ObjectCreated:*"], Some("x"), None);
        assert!(matches!(conflict(vec![twice]), Some(NotificationConflict::SharedEvents(..))));
        let same = rule("a", &["s3:ObjectAcl:Put", "s3:ObjectAcl:Put"], None, None);
        assert!(matches!(conflict(vec![same]), Some(NotificationConflict::SharedEvents(..))));
    }

    #[test]
    fn ids_are_unique_and_rules_are_bounded() {
        let made = rule("a", &["s3:ObjectCreated:*"], None, None);
        let gone = rule("a", &["s3:ObjectRemoved:*"], None, None);
        assert_eq!(conflict(vec![made, gone]), Some(NotificationConflict::SameId));
        let many = |count: usize| {
            (0..count).map(|i| rule(&format!("{i}"), &["s3:ObjectCreated:*"], Some(&format!("{i}/")), None)).collect()
        };
        assert_eq!(conflict(many(MAX_NOTIFICATION_RULES)), None);
        assert_eq!(conflict(many(MAX_NOTIFICATION_RULES + 1)), Some(NotificationConflict::TooMany));
    }

    #[test]
    fn rules_read_back() {
        let rules = vec![rule("a", &["s3:ObjectCreated:*", "s3:ObjectAcl:Put"], Some("p"), None)];
        let rules = NotificationConfiguration::new(rules).unwrap();
        let bytes = minicbor::to_vec(&rules).unwrap();
        assert_eq!(minicbor::decode::<NotificationConfiguration>(&bytes).unwrap(), rules);
    }
}
