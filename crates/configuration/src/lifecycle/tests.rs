use super::*;

const NOW_DAYS: u64 = 20_000;
const NOON: u64 = DAY_MS / 2;

fn day(days: u64) -> u64 {
    days * DAY_MS
}

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: id.to_owned(),
        enabled: true,
        filter: LifecycleFilter { prefix: Some(prefix.to_owned()), ..LifecycleFilter::default() },
        ..LifecycleRule::default()
    }
}

fn expires(id: &str, prefix: &str, when: When) -> LifecycleRule {
    LifecycleRule { expiration: Some(Expiration::When(when)), ..rule(id, prefix) }
}

fn of(rules: Vec<LifecycleRule>) -> LifecycleConfiguration {
    LifecycleConfiguration { rules, ..LifecycleConfiguration::default() }
}

fn current(key: &str, made_ms: u64) -> CurrentVersion<'_> {
    CurrentVersion { key, size: 1 << 20, tags: &[], storage_class: "STANDARD", made_ms }
}

fn noncurrent(newer: u32, since_ms: u64) -> NoncurrentVersion<'static> {
    NoncurrentVersion {
        key: "k",
        size: 1 << 20,
        tags: &[],
        storage_class: Some("STANDARD"),
        noncurrent_since_ms: since_ms,
        newer_noncurrent_versions: newer,
    }
}

fn to(days: u32, storage_class: TransitionStorageClass) -> Transition {
    Transition { when: When::Days(days), storage_class }
}

#[test]
fn days_are_rounded_up_to_the_next_midnight() {
    let rules = of(vec![expires("r", "", When::Days(3))]);
    let at = |made_ms| rules.expiration(&current("k", made_ms), DAY_MS).unwrap().at_ms;
    // 15 January 2014, 10:30 UTC, as in the user guide.
    assert_eq!(at(1_389_781_800_000), 1_390_089_600_000);
    assert_eq!(at(day(5)), day(9), "midnight itself is not the next one");
    assert_eq!(at(day(6) - 1), day(9));
}

#[test]
fn nothing_expires_a_moment_early() {
    let rules = of(vec![expires("r", "", When::Days(1))]);
    let made = current("k", day(NOW_DAYS) + NOON);
    let action = |now_ms| rules.current(&made, false, now_ms, DAY_MS);
    assert_eq!(action(day(NOW_DAYS + 2) - 1), None);
    assert_eq!(action(day(NOW_DAYS + 2)), Some(LifecycleAction::Expire));
}

#[test]
fn a_date_holds_for_whatever_was_made_before_and_after() {
    let rules = of(vec![expires("r", "", When::Date(day(NOW_DAYS)))]);
    for made_ms in [0, day(NOW_DAYS) - 1, day(NOW_DAYS + 7)] {
        assert_eq!(rules.expiration(&current("k", made_ms), 1).unwrap().at_ms, day(NOW_DAYS));
    }
    assert_eq!(rules.current(&current("k", 0), false, day(NOW_DAYS) - 1, DAY_MS), None);
}

#[test]
fn the_earliest_expiration_counts_and_the_first_of_equals() {
    let rules = of(vec![
        expires("late", "a", When::Days(9)),
        expires("first", "a/", When::Days(7)),
        expires("longer prefix", "a/b", When::Days(7)),
        LifecycleRule { enabled: false, ..expires("disabled", "", When::Days(1)) },
    ]);
    let of_key = |key| rules.expiration(&current(key, 0), DAY_MS).map(|due| (due.at_ms, due.rule_id));
    assert_eq!(of_key("a/b/c"), Some((day(8), "first")));
    assert_eq!(of_key("ab"), Some((day(10), "late")));
    assert_eq!(of_key("b"), None);
}

#[test]
fn every_condition_of_a_filter_counts() {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let filter = LifecycleFilter {
        form: FilterForm::And,
        prefix: Some("p/".to_owned()),
        tags: vec![tag("a", "1"), tag("b", "2")],
        object_size_greater_than: Some(10),
        object_size_less_than: Some(20),
    };
    let tags = [tag("b", "2"), tag("c", "3"), tag("a", "1")];
    assert!(filter.admits("p/k", 11, &tags) && filter.admits("p/", 19, &tags));
    assert!(!filter.admits("p", 11, &tags));
    assert!(!filter.admits("p/k", 10, &tags) && !filter.admits("p/k", 20, &tags));
    assert!(!filter.admits("p/k", 11, &tags[..2]) && !filter.admits("p/k", 11, &[]));
    assert!(!filter.admits("p/k", 11, &[tag("a", "1"), tag("b", "3")]));
    assert!(LifecycleFilter::default().admits("", 0, &[]));
}

#[test]
fn removal_for_ever_goes_before_a_transition_and_a_delete_marker_after_it() {
    let mut both = expires("r", "", When::Days(60));
    both.transitions = vec![to(30, TransitionStorageClass::StandardIa)];
    let rules = of(vec![both]);
    let action = |class, keeps_versions| {
        rules.current(&CurrentVersion { storage_class: class, ..current("k", 0) }, keeps_versions, day(100), DAY_MS)
    };
    assert_eq!(action("STANDARD", false), Some(LifecycleAction::Expire));
    assert_eq!(action("STANDARD", true), Some(LifecycleAction::Transition(TransitionStorageClass::StandardIa)));
    assert_eq!(action("STANDARD_IA", true), Some(LifecycleAction::Expire));
}

#[test]
fn of_several_transitions_the_coldest_is_taken_and_none_goes_back() {
    let mut rule = rule("r", "");
    rule.transitions = vec![to(30, TransitionStorageClass::StandardIa), to(60, TransitionStorageClass::Glacier)];
    let rules = of(vec![rule]);
    let class = |from, now_ms| match rules.current(
        &CurrentVersion { storage_class: from, ..current("k", 0) },
        true,
        now_ms,
        DAY_MS,
    ) {
        Some(LifecycleAction::Transition(class)) => Some(class.name()),
        other => other.map(|_| "expired"),
    };
    assert_eq!(class("STANDARD", day(30)), None);
    assert_eq!(class("STANDARD", day(31)), Some("STANDARD_IA"));
    assert_eq!(class("STANDARD", day(90)), Some("GLACIER"));
    assert_eq!(class("STANDARD_IA", day(31)), None);
    assert_eq!(class("GLACIER_IR", day(31)), None);
    assert_eq!(class("DEEP_ARCHIVE", day(90)), None);
    assert_eq!(class("SNOW", day(90)), None, "where that leads to is not known");
}

#[test]
fn small_objects_keep_their_class_unless_the_rule_says_otherwise() {
    let transition = |class, rule: LifecycleRule, size, minimum| {
        let rule = LifecycleRule { transitions: vec![to(0, class)], ..rule };
        let rules = LifecycleConfiguration { rules: vec![rule], transition_default_minimum_object_size: minimum };
        rules.current(&CurrentVersion { size, ..current("k", 0) }, false, day(9), DAY_MS).is_some()
    };
    let (all, varies) = (
        TransitionDefaultMinimumObjectSize::AllStorageClasses128K,
        TransitionDefaultMinimumObjectSize::VariesByStorageClass,
    );
    for class in TransitionStorageClass::ALL {
        assert!(transition(class, rule("r", ""), 128 << 10, all));
        assert!(!transition(class, rule("r", ""), (128 << 10) - 1, all));
        let archive = matches!(class, TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive);
        assert_eq!(transition(class, rule("r", ""), 1, varies), archive);
        let mut by_size = rule("r", "");
        by_size.filter.object_size_greater_than = Some(10);
        assert!(transition(class, by_size, 11, all));
    }
}

#[test]
fn noncurrent_versions_need_the_age_and_newer_ones() {
    let mut rule = rule("r", "");
    rule.noncurrent_version_expiration =
        Some(NoncurrentVersionExpiration { noncurrent_days: 2, newer_noncurrent_versions: Some(3) });
    let rules = of(vec![rule]);
    let action = |newer, now_ms| rules.noncurrent(&noncurrent(newer, 1), now_ms, DAY_MS);
    assert_eq!(action(3, day(3)), Some(LifecycleAction::Expire));
    assert_eq!(action(2, day(3000)), None);
    assert_eq!(action(9, day(3) - 1), None);
}

#[test]
fn noncurrent_delete_markers_have_no_bytes_no_tags_and_no_class() {
    let mut rule = rule("r", "");
    rule.noncurrent_version_transitions = vec![NoncurrentVersionTransition {
        noncurrent_days: 0,
        newer_noncurrent_versions: None,
        storage_class: TransitionStorageClass::Glacier,
    }];
    let marker = NoncurrentVersion { size: 0, storage_class: None, ..noncurrent(0, 0) };
    let mut rules = of(vec![rule]);
    assert_eq!(rules.noncurrent(&marker, day(9), DAY_MS), None);
    rules.rules[0].noncurrent_version_expiration =
        Some(NoncurrentVersionExpiration { noncurrent_days: 1, newer_noncurrent_versions: None });
    rules.rules[0].filter.object_size_less_than = Some(1);
    assert_eq!(rules.noncurrent(&marker, day(9), DAY_MS), Some(LifecycleAction::Expire));
    rules.rules[0].filter.tags = vec![("a".to_owned(), "b".to_owned())];
    assert_eq!(rules.noncurrent(&marker, day(9), DAY_MS), None);
}

#[test]
fn markers_that_hide_nothing_go_at_once_or_when_they_are_old_enough() {
    let marker = |expiration, now_ms| {
        let rules = of(vec![LifecycleRule { expiration, ..rule("r", "p/") }]);
        assert!(!rules.removes_expired_marker("q", 0, now_ms, DAY_MS));
        rules.removes_expired_marker("p/k", 0, now_ms, DAY_MS)
    };
    assert!(marker(Some(Expiration::ExpiredObjectDeleteMarker(true)), 0));
    assert!(!marker(Some(Expiration::ExpiredObjectDeleteMarker(false)), day(100)));
    assert!(marker(Some(Expiration::When(When::Days(5))), day(6)));
    assert!(!marker(Some(Expiration::When(When::Days(5))), day(6) - 1));
    assert!(!marker(None, day(100)));
}

#[test]
fn a_rule_for_markers_leaves_objects_alone() {
    let expiration = Some(Expiration::ExpiredObjectDeleteMarker(true));
    let rules = of(vec![LifecycleRule { expiration, ..rule("r", "") }]);
    assert_eq!(rules.expiration(&current("k", 0), DAY_MS), None);
    assert_eq!(rules.current(&current("k", 0), true, day(9), DAY_MS), None);
    assert_eq!(rules.noncurrent(&noncurrent(9, 0), day(9), DAY_MS), None);
}

#[test]
fn uploads_are_aborted_by_the_earliest_rule_of_their_prefix() {
    let abort =
        |id, prefix, days| LifecycleRule { abort_incomplete_multipart_upload_days: Some(days), ..rule(id, prefix) };
    let rules = of(vec![abort("a", "", 9), abort("b", "p/", 2)]);
    assert_eq!(rules.abort("p/k", 1, DAY_MS), Some(Due { at_ms: day(3), rule_id: "b" }));
    assert_eq!(rules.abort("k", 1, DAY_MS), Some(Due { at_ms: day(10), rule_id: "a" }));
    assert!(rules.aborts_uploads() && !rules.changes_objects());
}

#[test]
fn the_common_prefix_is_that_of_every_enabled_rule() {
    let common = |prefixes: &[&str]| {
        let mut rules: Vec<_> = prefixes.iter().map(|prefix| rule("r", prefix)).collect();
        rules.push(LifecycleRule { enabled: false, ..rule("disabled", "z") });
        of(rules).common_prefix().to_owned()
    };
    assert_eq!(common(&["logs/a", "logs/b"]), "logs/");
    assert_eq!(common(&["logs/", "logs/b"]), "logs/");
    assert_eq!(common(&["logs/b", "log"]), "log");
    assert_eq!(common(&["日本", "日木"]), "日");
    assert_eq!(common(&["a", "b"]), "");
    assert_eq!(common(&["a", ""]), "");
    assert_eq!(common(&["abc"]), "abc");
    assert_eq!(common(&[]), "");
    let everything = LifecycleRule { filter: LifecycleFilter::default(), ..rule("r", "") };
    assert_eq!(of(vec![rule("r", "a"), everything]).common_prefix(), "");
}

#[test]
fn shorter_days_have_their_own_midnights() {
    let rules = of(vec![expires("r", "", When::Days(2))]);
    assert_eq!(rules.expiration(&current("k", 12_345), 10_000).unwrap().at_ms, 40_000);
    assert!(rules.expiration(&current("k", 1), 0).is_some(), "no division by nothing");
}

#[test]
fn times_at_the_end_of_time_do_not_come_around() {
    let rules = of(vec![expires("r", "", When::Days(u32::MAX))]);
    assert_eq!(rules.current(&current("k", u64::MAX), false, u64::MAX - DAY_MS, DAY_MS), None);
}

#[test]
fn configurations_read_back() {
    let mut rule = expires("r", "p", When::Date(day(1)));
    rule.filter.form = FilterForm::And;
    rule.filter.tags = vec![("a".to_owned(), String::new())];
    rule.transitions = vec![to(30, TransitionStorageClass::DeepArchive)];
    let rules = LifecycleConfiguration {
        rules: vec![rule, LifecycleRule::default()],
        transition_default_minimum_object_size: TransitionDefaultMinimumObjectSize::VariesByStorageClass,
    };
    let bytes = minicbor::to_vec(&rules).unwrap();
    assert_eq!(minicbor::decode::<LifecycleConfiguration>(&bytes).unwrap(), rules);
    for len in 0..bytes.len() {
        assert!(minicbor::decode::<LifecycleConfiguration>(&bytes[..len]).is_err(), "cut at {len}");
    }
}

/// SplitMix64, so that a failure names the seed it comes from.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn days(&mut self) -> u32 {
        u32::try_from(self.below(5)).unwrap()
    }

    fn chance<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn rule(&mut self) -> LifecycleRule {
        let prefix = ["", "a", "a/", "b"][self.below(4) as usize];
        LifecycleRule {
            enabled: self.below(4) > 0,
            expiration: self.chance(|random| match random.below(3) {
                0 => Expiration::ExpiredObjectDeleteMarker(true),
                1 => Expiration::When(When::Date(day(random.below(9)))),
                _ => Expiration::When(When::Days(random.days())),
            }),
            noncurrent_version_expiration: self.chance(|random| NoncurrentVersionExpiration {
                noncurrent_days: random.days(),
                newer_noncurrent_versions: random.chance(Self::days),
            }),
            abort_incomplete_multipart_upload_days: self.chance(Self::days),
            ..rule("r", prefix)
        }
    }
}

/// The same questions answered a second time: hour by hour and rule by rule, without arithmetic on days.
#[test]
fn decisions_are_those_of_a_naive_model() {
    const HOUR: u64 = DAY_MS / 24;
    for seed in 0..300 {
        let random = &mut Random(seed);
        let rules: Vec<_> = (0..1 + random.below(4)).map(|_| random.rule()).collect();
        let key = ["a", "a/b", "b", "c"][random.below(4) as usize];
        let (from, now) = (random.below(24 * 6), random.below(24 * 12));
        // Midnights that were passed since, the first of them not counted as a day.
        let midnights = (from + 1..=now).filter(|hour| hour % 24 == 0).count();
        let old = |days: u32| midnights > days as usize;
        let matching =
            || rules.iter().filter(|rule| rule.enabled && key.starts_with(rule.filter.prefix.as_deref().unwrap()));
        let due = |expiration: Expiration| match expiration {
            Expiration::When(When::Days(days)) => old(days),
            Expiration::When(When::Date(date_ms)) => date_ms <= now * HOUR,
            Expiration::ExpiredObjectDeleteMarker(_) => false,
        };
        let newer = random.days();
        let goes = matching().filter_map(|rule| rule.noncurrent_version_expiration).any(|expiration| {
            old(expiration.noncurrent_days) && newer >= expiration.newer_noncurrent_versions.unwrap_or(0)
        });
        let expired = matching().filter_map(|rule| rule.expiration).any(due);
        let at_once = Some(Expiration::ExpiredObjectDeleteMarker(true));
        let marker_goes = expired || matching().any(|rule| rule.expiration == at_once);
        let aborted = matching().filter_map(|rule| rule.abort_incomplete_multipart_upload_days).any(old);

        let configuration = of(rules.clone());
        let (from_ms, now_ms) = (from * HOUR, now * HOUR);
        let version = NoncurrentVersion { key, ..noncurrent(newer, from_ms) };
        let seed = format!("seed {seed}");
        assert_eq!(configuration.current(&current(key, from_ms), false, now_ms, DAY_MS).is_some(), expired, "{seed}");
        assert_eq!(configuration.noncurrent(&version, now_ms, DAY_MS).is_some(), goes, "{seed}");
        assert_eq!(configuration.removes_expired_marker(key, from_ms, now_ms, DAY_MS), marker_goes, "{seed}");
        let abort = configuration.abort(key, from_ms, DAY_MS).is_some_and(|due| due.at_ms <= now_ms);
        assert_eq!(abort, aborted, "{seed}");
    }
}
