//! What every engine must do, one function a behaviour.
//!
//! `coffer_meta::conformance!(MyEngine::new())` makes one `#[test]` of each. The expression is evaluated
//! once per test and must give an empty engine. Keys and values never appear in a failure's message:
//! the comparisons are made before the assertions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::{Commit, CommitError, Direction, Engine, Entry, KeyRange};

mod snapshots;

/// Makes one `#[test]` per behaviour for the engine that the expression opens.
#[macro_export]
macro_rules! conformance {
    ($open:expr) => {
        $crate::conformance!(@each $open;
            absent_key_has_no_value
            put_is_read_back
            put_replaces
            delete_removes
            delete_of_an_absent_key_is_no_error
            empty_value_is_not_absence
            empty_commit_succeeds
            later_write_of_the_same_key_wins
            checks_alone_change_nothing
            check_of_absence_holds_for_an_absent_key
            check_of_absence_fails_for_a_present_key
            check_of_a_value_holds_for_that_value
            check_of_a_value_fails_for_another_value
            check_of_a_value_fails_for_an_absent_key
            check_sees_the_state_before_the_writes
            first_failed_check_is_named
            conflict_changes_nothing
            scan_is_in_byte_order
            scan_in_reverse_is_the_mirror
            scan_stops_at_its_limit
            scan_of_nothing_is_empty
            scan_keeps_to_its_bounds
            prefix_scan_keeps_to_its_prefix
            prefix_of_0xff_ends_with_the_keys
            prefix_scan_resumes_after_a_key
            keys_have_any_length_and_any_bytes
            values_have_any_length
            concurrent_increments_are_not_lost
            concurrent_creators_have_one_winner
            readers_see_whole_commits
            snapshot_is_not_changed_by_later_commits
            snapshots_of_different_times_live_together
            scans_of_a_snapshot_are_of_one_state
            snapshot_holds_up_no_commit
            random_history_equals_a_map
        );
    };
    (@each $open:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::conformance::run($open, |engine| $crate::conformance::$behaviour(engine));
            }
        )*
    };
}

/// Runs one behaviour on a runtime with two workers.
pub fn run<E: Engine + 'static, F: Future<Output = ()>>(engine: E, behaviour: impl FnOnce(Arc<dyn Engine>) -> F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("the system has threads to give")
        .block_on(behaviour(Arc::new(engine)));
}

type SharedEngine = Arc<dyn Engine>;

fn bytes(text: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref())
}

async fn put(engine: &SharedEngine, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    let mut commit = Commit::new();
    commit.put(bytes(key), bytes(value));
    engine.commit(commit).await.expect("a put without checks succeeds");
}

async fn get(engine: &SharedEngine, key: impl AsRef<[u8]>) -> Option<Bytes> {
    engine.get(key.as_ref()).await.expect("the engine reads")
}

async fn scan(engine: &SharedEngine, range: KeyRange, limit: usize, direction: Direction) -> Vec<Entry> {
    engine.scan(range, limit, direction).await.expect("the engine reads")
}

async fn forward(engine: &SharedEngine, range: KeyRange) -> Vec<Entry> {
    scan(engine, range, usize::MAX, Direction::Forward).await
}

const EVERYTHING: KeyRange = KeyRange { start: Bound::Unbounded, end: Bound::Unbounded };

fn assert_keys(entries: &[Entry], expected: &[&[u8]]) {
    let same = entries.iter().map(|entry| &entry.key[..]).eq(expected.iter().copied());
    assert!(same, "the scan gave other keys than expected, or in another order: {} of them", entries.len());
}

async fn assert_conflict(engine: &SharedEngine, commit: Commit, index: usize) {
    match engine.commit(commit).await {
        Err(CommitError::Conflict(named)) => assert_eq!(named, index),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[expect(missing_docs, reason = "a behaviour is named by what it says")]
mod behaviours {
    use super::*;

    pub async fn absent_key_has_no_value(engine: SharedEngine) {
        assert!(get(&engine, "key").await.is_none());
    }

    pub async fn put_is_read_back(engine: SharedEngine) {
        put(&engine, "key", "value").await;
        assert!(get(&engine, "key").await == Some(bytes("value")));
        assert!(get(&engine, "ke").await.is_none());
        assert!(get(&engine, "key\0").await.is_none());
    }

    pub async fn put_replaces(engine: SharedEngine) {
        put(&engine, "key", "a long first value").await;
        put(&engine, "key", "short").await;
        assert!(get(&engine, "key").await == Some(bytes("short")));
    }

    pub async fn delete_removes(engine: SharedEngine) {
        put(&engine, "key", "value").await;
        put(&engine, "other", "value").await;
        let mut commit = Commit::new();
        commit.delete("key");
        engine.commit(commit).await.expect("a delete succeeds");
        assert!(get(&engine, "key").await.is_none());
        assert!(get(&engine, "other").await.is_some());
        assert_keys(&forward(&engine, EVERYTHING).await, &[b"other"]);
    }

    pub async fn delete_of_an_absent_key_is_no_error(engine: SharedEngine) {
        let mut commit = Commit::new();
        commit.delete("never there");
        engine.commit(commit).await.expect("a delete of nothing succeeds");
    }

    pub async fn empty_value_is_not_absence(engine: SharedEngine) {
        put(&engine, "key", "").await;
        assert!(get(&engine, "key").await == Some(Bytes::new()));
        let mut commit = Commit::new();
        commit.check("key", None);
        assert_conflict(&engine, commit, 0).await;
        let mut commit = Commit::new();
        commit.check("key", Some(Bytes::new()));
        engine.commit(commit).await.expect("the value is empty");
    }

    pub async fn empty_commit_succeeds(engine: SharedEngine) {
        engine.commit(Commit::new()).await.expect("nothing to check, nothing to write");
        assert!(forward(&engine, EVERYTHING).await.is_empty());
    }

    pub async fn later_write_of_the_same_key_wins(engine: SharedEngine) {
        let mut commit = Commit::new();
        commit.put("twice", "1").put("twice", "2");
        commit.put("gone", "1").delete("gone");
        commit.delete("back").put("back", "1");
        engine.commit(commit).await.expect("no checks");
        assert!(get(&engine, "twice").await == Some(bytes("2")));
        assert!(get(&engine, "gone").await.is_none());
        assert!(get(&engine, "back").await == Some(bytes("1")));
    }

    pub async fn checks_alone_change_nothing(engine: SharedEngine) {
        put(&engine, "key", "value").await;
        let mut commit = Commit::new();
        commit.check("key", Some(bytes("value"))).check("absent", None);
        engine.commit(commit).await.expect("both checks hold");
        assert_keys(&forward(&engine, EVERYTHING).await, &[b"key"]);
    }

    pub async fn check_of_absence_holds_for_an_absent_key(engine: SharedEngine) {
        let mut commit = Commit::new();
        commit.check("key", None).put("key", "value");
        engine.commit(commit).await.expect("the key is absent");
        assert!(get(&engine, "key").await == Some(bytes("value")));
    }

    pub async fn check_of_absence_fails_for_a_present_key(engine: SharedEngine) {
        put(&engine, "key", "old").await;
        let mut commit = Commit::new();
        commit.check("key", None).put("key", "new");
        assert_conflict(&engine, commit, 0).await;
        assert!(get(&engine, "key").await == Some(bytes("old")));
    }

    pub async fn check_of_a_value_holds_for_that_value(engine: SharedEngine) {
        put(&engine, "key", "old").await;
        let mut commit = Commit::new();
        commit.check("key", Some(bytes("old"))).put("key", "new");
        engine.commit(commit).await.expect("the value is the expected one");
        assert!(get(&engine, "key").await == Some(bytes("new")));
    }

    pub async fn check_of_a_value_fails_for_another_value(engine: SharedEngine) {
        put(&engine, "key", "old").await;
        for expected in ["", "ol", "olD", "old\0"] {
            let mut commit = Commit::new();
            commit.check("key", Some(bytes(expected))).delete("key");
            assert_conflict(&engine, commit, 0).await;
        }
        assert!(get(&engine, "key").await == Some(bytes("old")));
    }

    pub async fn check_of_a_value_fails_for_an_absent_key(engine: SharedEngine) {
        let mut commit = Commit::new();
        commit.check("key", Some(Bytes::new())).put("key", "value");
        assert_conflict(&engine, commit, 0).await;
        assert!(get(&engine, "key").await.is_none());
    }

    pub async fn check_sees_the_state_before_the_writes(engine: SharedEngine) {
        let mut commit = Commit::new();
        commit.put("key", "value").check("key", None);
        engine.commit(commit).await.expect("the key was absent before");
        assert!(get(&engine, "key").await.is_some());
    }

    pub async fn first_failed_check_is_named(engine: SharedEngine) {
        put(&engine, "a", "1").await;
        put(&engine, "b", "1").await;
        let mut commit = Commit::new();
        commit.check("a", Some(bytes("1"))).check("absent", None).check("b", None).check("a", None);
        assert_conflict(&engine, commit, 2).await;
    }

    pub async fn conflict_changes_nothing(engine: SharedEngine) {
        put(&engine, "a", "1").await;
        let mut commit = Commit::new();
        commit.put("a", "2").put("b", "2").delete("a").check("a", Some(bytes("1"))).check("a", None);
        assert_conflict(&engine, commit, 1).await;
        assert!(get(&engine, "a").await == Some(bytes("1")));
        assert_keys(&forward(&engine, EVERYTHING).await, &[b"a"]);
    }

    pub async fn scan_is_in_byte_order(engine: SharedEngine) {
        for key in [&b"b"[..], b"\xff", b"a\xff", b"a", b"\0", b"a\0", b"B", b"\x80"] {
            put(&engine, key, key).await;
        }
        let entries = forward(&engine, EVERYTHING).await;
        assert_keys(&entries, &[b"\0", b"B", b"a", b"a\0", b"a\xff", b"b", b"\x80", b"\xff"]);
        assert!(entries.iter().all(|entry| entry.key == entry.value));
    }

    pub async fn scan_in_reverse_is_the_mirror(engine: SharedEngine) {
        for index in 0..50_u8 {
            put(&engine, [b'k', index], [index]).await;
        }
        let range = KeyRange::prefix_after(b"k", &[b'k', 10]);
        let ahead = scan(&engine, range.clone(), usize::MAX, Direction::Forward).await;
        let mut back = scan(&engine, range, usize::MAX, Direction::Reverse).await;
        back.reverse();
        assert_eq!(ahead.len(), 39);
        assert!(ahead == back);
    }

    pub async fn scan_stops_at_its_limit(engine: SharedEngine) {
        for key in ["a", "b", "c", "d"] {
            put(&engine, key, "").await;
        }
        assert_keys(&scan(&engine, EVERYTHING, 2, Direction::Forward).await, &[b"a", b"b"]);
        assert_keys(&scan(&engine, EVERYTHING, 2, Direction::Reverse).await, &[b"d", b"c"]);
        assert_keys(&scan(&engine, EVERYTHING, 4, Direction::Forward).await, &[b"a", b"b", b"c", b"d"]);
        assert!(scan(&engine, EVERYTHING, 0, Direction::Forward).await.is_empty());
    }

    pub async fn scan_of_nothing_is_empty(engine: SharedEngine) {
        assert!(forward(&engine, EVERYTHING).await.is_empty());
        put(&engine, "b", "").await;
        let key = |text: &str| text.as_bytes().to_vec();
        for (start, end) in [
            (Bound::Included(key("c")), Bound::Included(key("a"))),
            (Bound::Included(key("b")), Bound::Excluded(key("b"))),
            (Bound::Excluded(key("b")), Bound::Included(key("b"))),
            (Bound::Excluded(key("b")), Bound::Excluded(key("b"))),
            (Bound::Excluded(key("b")), Bound::Unbounded),
            (Bound::Unbounded, Bound::Excluded(key("b"))),
            (Bound::Unbounded, Bound::Excluded(key(""))),
        ] {
            let range = KeyRange { start, end };
            assert!(forward(&engine, range.clone()).await.is_empty());
            assert!(scan(&engine, range, 9, Direction::Reverse).await.is_empty());
        }
    }

    pub async fn scan_keeps_to_its_bounds(engine: SharedEngine) {
        for key in ["a", "b", "c", "d"] {
            put(&engine, key, "").await;
        }
        let between = |start, end| KeyRange { start, end };
        let (b, c) = (b"b".to_vec(), b"c".to_vec());
        let closed = between(Bound::Included(b.clone()), Bound::Included(c.clone()));
        assert_keys(&forward(&engine, closed).await, &[b"b", b"c"]);
        let half_open = between(Bound::Included(b.clone()), Bound::Excluded(c.clone()));
        assert_keys(&forward(&engine, half_open).await, &[b"b"]);
        let open = between(Bound::Excluded(b), Bound::Unbounded);
        assert_keys(&forward(&engine, open).await, &[b"c", b"d"]);
        let below = between(Bound::Unbounded, Bound::Included(c));
        assert_keys(&forward(&engine, below).await, &[b"a", b"b", b"c"]);
    }

    pub async fn prefix_scan_keeps_to_its_prefix(engine: SharedEngine) {
        for key in ["p", "p/", "p/a", "p/b", "p0", "q", "o/z"] {
            put(&engine, key, "").await;
        }
        assert_keys(&forward(&engine, KeyRange::prefix(b"p/")).await, &[b"p/", b"p/a", b"p/b"]);
        assert_eq!(forward(&engine, KeyRange::prefix(b"")).await.len(), 7);
        assert!(forward(&engine, KeyRange::prefix(b"p/c")).await.is_empty());
    }

    pub async fn prefix_of_0xff_ends_with_the_keys(engine: SharedEngine) {
        for key in [&b"\xfe\xff"[..], b"\xff", b"\xff\xfe", b"\xff\xff", b"\xff\xff\xff", b"a\xff\xff", b"b"] {
            put(&engine, key, "").await;
        }
        let high = forward(&engine, KeyRange::prefix(b"\xff\xff")).await;
        assert_keys(&high, &[b"\xff\xff", b"\xff\xff\xff"]);
        let back = scan(&engine, KeyRange::prefix(b"\xff\xff"), 1, Direction::Reverse).await;
        assert_keys(&back, &[b"\xff\xff\xff"]);
        assert_keys(&forward(&engine, KeyRange::prefix(b"a\xff")).await, &[b"a\xff\xff"]);
        assert_keys(&forward(&engine, KeyRange::prefix(b"\xfe\xff")).await, &[b"\xfe\xff"]);
    }

    pub async fn prefix_scan_resumes_after_a_key(engine: SharedEngine) {
        for index in 0..100_u8 {
            put(&engine, [b'p', index], "").await;
        }
        put(&engine, "q", "").await;
        let mut range = KeyRange::prefix(b"p");
        let mut seen = 0;
        loop {
            let page = scan(&engine, range, 7, Direction::Forward).await;
            seen += page.len();
            let Some(last) = page.last() else { break };
            range = KeyRange::prefix_after(b"p", &last.key);
        }
        assert_eq!(seen, 100);
        let from = scan(&engine, KeyRange::prefix_from(b"p", &[b'p', 98]), 9, Direction::Forward).await;
        assert_keys(&from, &[&[b'p', 98], &[b'p', 99]]);
    }

    pub async fn keys_have_any_length_and_any_bytes(engine: SharedEngine) {
        let every_byte: Vec<u8> = (0..=u8::MAX).collect();
        let mut keys: Vec<Vec<u8>> = [1, 2, 100, 255, 256, 1024, 2000]
            .iter()
            .map(|&len| every_byte.iter().rev().copied().cycle().take(len).collect())
            .collect();
        keys.extend(every_byte.iter().map(|&byte| vec![b'x', byte]));
        for key in &keys {
            put(&engine, key, key).await;
        }
        for key in &keys {
            assert!(get(&engine, key).await.as_deref() == Some(key));
        }
        keys.sort();
        keys.dedup();
        let expected: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        assert_keys(&forward(&engine, EVERYTHING).await, &expected);
    }

    pub async fn values_have_any_length(engine: SharedEngine) {
        for len in [0_usize, 1, 300, 4095, 4096, 4097, 65_536, 1 << 20] {
            let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            put(&engine, len.to_be_bytes(), &value).await;
            assert!(get(&engine, len.to_be_bytes()).await.as_deref() == Some(&value[..]), "{len} bytes");
        }
        assert_eq!(forward(&engine, EVERYTHING).await.len(), 8);
    }

    pub async fn concurrent_increments_are_not_lost(engine: SharedEngine) {
        const TASKS: u64 = 16;
        const INCREMENTS: u64 = 10;
        let count = |value: &Option<Bytes>| {
            value.as_deref().map_or(0, |value| u64::from_be_bytes(value.try_into().expect("a counter has 8 bytes")))
        };
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let engine = Arc::clone(&engine);
                tokio::spawn(async move {
                    for _ in 0..INCREMENTS {
                        loop {
                            let old = get(&engine, "counter").await;
                            let new = bytes((count(&old) + 1).to_be_bytes());
                            let mut commit = Commit::new();
                            commit.check("counter", old).put("counter", new);
                            match engine.commit(commit).await {
                                Ok(()) => break,
                                Err(CommitError::Conflict(0)) => {}
                                Err(error) => panic!("{error:?}"),
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task fails");
        }
        assert_eq!(count(&get(&engine, "counter").await), TASKS * INCREMENTS);
    }

    pub async fn concurrent_creators_have_one_winner(engine: SharedEngine) {
        let tasks: Vec<_> = (0..16_u8)
            .map(|task| {
                let engine = Arc::clone(&engine);
                tokio::spawn(async move {
                    let mut commit = Commit::new();
                    commit.check("key", None).put("key", vec![task]);
                    engine.commit(commit).await.is_ok().then_some(task)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            winners.extend(task.await.expect("no task fails"));
        }
        assert_eq!(winners.len(), 1);
        assert!(get(&engine, "key").await.as_deref() == Some(&winners[..]));
    }

    pub async fn readers_see_whole_commits(engine: SharedEngine) {
        const KEYS: u8 = 20;
        let writer = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move {
                for round in 1..=50_u8 {
                    let mut commit = Commit::new();
                    for key in 0..KEYS {
                        commit.put(vec![b'k', key], vec![round; 1 + usize::from(round) * 7]);
                    }
                    engine.commit(commit).await.expect("no checks");
                }
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let seen = forward(&engine, KeyRange::prefix(b"k")).await;
            let Some(first) = seen.first() else { continue };
            assert_eq!(seen.len(), usize::from(KEYS), "a scan saw a part of a commit");
            assert!(seen.iter().all(|entry| entry.value == first.value), "a scan saw two commits");
            assert!(first.value[0] >= last, "a scan went back in time");
            last = first.value[0];
        }
        writer.await.expect("the writer succeeds");
        assert!(
            get(&engine, [b'k', 0]).await.is_some_and(|value| value[0] == 50),
            "a commit is read after it returned"
        );
    }

    pub async fn random_history_equals_a_map(engine: SharedEngine) {
        let mut model = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..100 {
            let mut commit = Commit::new();
            let mut changed = model.clone();
            for _ in 0..dice.below(6) {
                let key = vec![b'a' + dice.below(8) as u8; 1 + dice.below(3)];
                if dice.below(3) == 0 {
                    commit.delete(key.clone());
                    changed.remove(&key);
                } else {
                    let value = vec![dice.below(256) as u8; dice.below(3000)];
                    commit.put(key.clone(), value.clone());
                    changed.insert(key, value);
                }
            }
            let key = vec![b'a' + dice.below(8) as u8];
            let expected = if dice.below(4) == 0 { Some(vec![0; 5]) } else { model.get(&key).cloned() };
            let holds = expected.as_ref() == model.get(&key);
            commit.check(key, expected.map(Bytes::from));
            assert_eq!(engine.commit(commit).await.is_ok(), holds);
            if holds {
                model = changed;
            }
            let entries = forward(&engine, EVERYTHING).await;
            assert!(
                entries
                    .iter()
                    .map(|entry| (&entry.key[..], &entry.value[..]))
                    .eq(model.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
            );
        }
    }

    /// A xorshift generator: the same history in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 33) as usize % bound
        }
    }
}

pub use behaviours::*;
pub use snapshots::*;
