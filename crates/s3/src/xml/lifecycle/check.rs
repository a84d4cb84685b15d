//! What S3 does not do, in documents that are in the schema.

use std::collections::HashSet;

use coffer_configuration::{
    Expiration, FilterForm, LifecycleConfiguration, LifecycleFilter, LifecycleRule, TransitionStorageClass, When,
};
use coffer_store::MAX_OBJECT_KEY_LEN;

use crate::error::S3Error;

const MAX_RULES: usize = 1_000;
const MAX_ID_CHARS: usize = 255;
const INFREQUENT_ACCESS_DAYS: u32 = 30;

/// Checks rules one by one and together.
pub(super) fn check(configuration: &LifecycleConfiguration) -> Result<(), S3Error> {
    let rules = &configuration.rules;
    let Some(first) = rules.first().filter(|_| rules.len() <= MAX_RULES) else {
        return Err(S3Error::malformed_xml());
    };
    check_ids(rules)?;
    let with_filters = first.filter.form != FilterForm::Prefix;
    for rule in rules {
        match (with_filters, rule.filter.form == FilterForm::Prefix) {
            (true, true) => return Err(S3Error::lifecycle_prefix_among_filters()),
            (false, false) => return Err(S3Error::lifecycle_element_needs_filters("Filter")),
            (true, false) => {}
            (false, true) if counts_versions(rule) => {
                return Err(S3Error::lifecycle_element_needs_filters("NewerNoncurrentVersions"));
            }
            (false, true) => {}
        }
        check_rule(rule)?;
    }
    if with_filters { Ok(()) } else { check_overlaps(rules) }
}

fn check_ids(rules: &[LifecycleRule]) -> Result<(), S3Error> {
    let mut ids = HashSet::new();
    for id in rules.iter().map(|rule| rule.id.as_str()).filter(|id| !id.is_empty()) {
        if id.chars().count() > MAX_ID_CHARS {
            return Err(S3Error::lifecycle_rule_id_too_long(id));
        }
        if !ids.insert(id) {
            return Err(S3Error::lifecycle_rule_id_repeated(id));
        }
    }
    Ok(())
}

fn counts_versions(rule: &LifecycleRule) -> bool {
    let transitions = &rule.noncurrent_version_transitions;
    rule.noncurrent_version_expiration.is_some_and(|expiration| expiration.newer_noncurrent_versions.is_some())
        || transitions.iter().any(|to| to.newer_noncurrent_versions.is_some())
}

fn check_rule(rule: &LifecycleRule) -> Result<(), S3Error> {
    if ACTIONS.iter().all(|(_, is_in)| !is_in(rule)) {
        return Err(S3Error::lifecycle_rule_without_action());
    }
    check_filter(&rule.filter)?;
    let marker = matches!(rule.expiration, Some(Expiration::ExpiredObjectDeleteMarker(_)));
    let abort = rule.abort_incomplete_multipart_upload_days.is_some();
    for (is_there, action) in [(marker, "ExpiredObjectDeleteMarker"), (abort, "AbortIncompleteMultipartUpload")] {
        if is_there && rule.filter.has_tags() {
            return Err(S3Error::lifecycle_action_not_by(action, "Tags"));
        }
        if is_there && rule.filter.has_size() {
            return Err(S3Error::lifecycle_action_not_by(action, "Object Size"));
        }
    }
    check_current(rule)?;
    check_noncurrent(rule)
}

fn check_filter(filter: &LifecycleFilter) -> Result<(), S3Error> {
    if prefix(filter).len() > MAX_OBJECT_KEY_LEN {
        return Err(S3Error::lifecycle_prefix_too_long(MAX_OBJECT_KEY_LEN));
    }
    let mut keys = HashSet::new();
    if !filter.tags.iter().all(|(key, _)| keys.insert(key)) {
        return Err(S3Error::lifecycle_tag_repeated());
    }
    match (filter.object_size_greater_than, filter.object_size_less_than) {
        (Some(more), Some(less)) if more >= less => Err(S3Error::lifecycle_size_range_empty()),
        _ => Ok(()),
    }
}

fn check_current(rule: &LifecycleRule) -> Result<(), S3Error> {
    const ACTION: &str = "Transition";
    let prefix = prefix(&rule.filter);
    let (mut days, mut dates) = (Vec::new(), Vec::new());
    for to in &rule.transitions {
        match to.when {
            When::Days(count) => days.push((to.storage_class, u64::from(count))),
            When::Date(date_ms) => dates.push((to.storage_class, date_ms)),
        }
    }
    for (element, values) in [("Days", &days), ("Date", &dates)] {
        check_transitions(element, ACTION, prefix, values)?;
    }
    if !days.is_empty() && !dates.is_empty() {
        return Err(S3Error::lifecycle_days_and_dates(ACTION, prefix));
    }
    let expiration = match rule.expiration {
        Some(Expiration::When(when)) => when,
        _ => return Ok(()),
    };
    let (element, expires, same, other) = match expiration {
        When::Days(count) => ("Days", u64::from(count), &days, &dates),
        When::Date(date_ms) => ("Date", date_ms, &dates, &days),
    };
    if !other.is_empty() {
        return Err(S3Error::lifecycle_days_and_dates("Expiration and Transition", prefix));
    }
    if same.iter().any(|(_, at)| *at >= expires) {
        return Err(S3Error::lifecycle_expires_before_transition(element, ("Expiration", ACTION), prefix));
    }
    Ok(())
}

fn check_noncurrent(rule: &LifecycleRule) -> Result<(), S3Error> {
    const ELEMENT: &str = "NoncurrentDays";
    const ACTIONS: (&str, &str) = ("NoncurrentVersionExpiration", "NoncurrentVersionTransition");
    let prefix = prefix(&rule.filter);
    let transitions = rule.noncurrent_version_transitions.iter();
    let days: Vec<_> = transitions.map(|to| (to.storage_class, u64::from(to.noncurrent_days))).collect();
    check_transitions(ELEMENT, ACTIONS.1, prefix, &days)?;
    let Some(expiration) = rule.noncurrent_version_expiration else { return Ok(()) };
    if days.iter().any(|(_, at)| *at >= u64::from(expiration.noncurrent_days)) {
        return Err(S3Error::lifecycle_expires_before_transition(ELEMENT, ACTIONS, prefix));
    }
    Ok(())
}

/// Checks that each class is there once, late enough, and after those that come before it.
fn check_transitions(
    element: &str,
    action: &str,
    prefix: &str,
    values: &[(TransitionStorageClass, u64)],
) -> Result<(), S3Error> {
    for (class, value) in values {
        let days = u32::try_from(*value).ok().filter(|_| element != "Date");
        if let Some(days) = days.filter(|days| class.is_infrequent_access() && *days < INFREQUENT_ACCESS_DAYS) {
            return Err(S3Error::lifecycle_transition_too_early(element, action, class.name(), days));
        }
    }
    let mut ordered = values.to_vec();
    ordered.sort_by_key(|(class, _)| *class);
    for pair in ordered.windows(2) {
        let [(earlier, at), (later, then)] = pair else { continue };
        if earlier == later {
            return Err(S3Error::lifecycle_storage_class_repeated(action, prefix));
        }
        if then <= at {
            let classes = (later.name(), earlier.name());
            return Err(S3Error::lifecycle_transitions_out_of_order(element, action, prefix, classes));
        }
    }
    Ok(())
}

/// Checks that no two rules with a prefix of their own do the same to the same keys. Those that filter may.
fn check_overlaps(rules: &[LifecycleRule]) -> Result<(), S3Error> {
    for (action, is_in) in ACTIONS {
        let mut prefixes: Vec<_> = rules.iter().filter(|rule| is_in(rule)).map(|rule| prefix(&rule.filter)).collect();
        // In order, a prefix of others stands right before one of them.
        prefixes.sort_unstable();
        for pair in prefixes.windows(2) {
            if let [one, other] = pair
                && other.starts_with(one)
            {
                return Err(S3Error::lifecycle_prefixes_overlap(one, other, action));
            }
        }
    }
    Ok(())
}

/// The name of an action, and whether a rule has it.
type Action = (&'static str, fn(&LifecycleRule) -> bool);

/// What a rule can do, by S3's names.
const ACTIONS: [Action; 5] = [
    ("Expiration", |rule| rule.expiration.is_some()),
    ("Transition", |rule| !rule.transitions.is_empty()),
    ("NoncurrentVersionExpiration", |rule| rule.noncurrent_version_expiration.is_some()),
    ("NoncurrentVersionTransition", |rule| !rule.noncurrent_version_transitions.is_empty()),
    ("AbortIncompleteMultipartUpload", |rule| rule.abort_incomplete_multipart_upload_days.is_some()),
];

fn prefix(filter: &LifecycleFilter) -> &str {
    filter.prefix.as_deref().unwrap_or_default()
}
