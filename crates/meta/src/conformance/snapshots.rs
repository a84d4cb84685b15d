//! What snapshots of every engine must do.
#![expect(missing_docs, reason = "a behaviour is named by what it says")]

use std::sync::Arc;

use bytes::Bytes;

use super::{EVERYTHING, SharedEngine, bytes, get, put};
use crate::engine::{Commit, Direction, Entry, KeyRange, Snapshot};

async fn snapshot(engine: &SharedEngine) -> Box<dyn Snapshot> {
    engine.snapshot().await.expect("the engine reads")
}

async fn everything(snapshot: &dyn Snapshot) -> Vec<(Bytes, Bytes)> {
    let entries = snapshot.scan(EVERYTHING, usize::MAX, Direction::Forward).await.expect("the snapshot reads");
    entries.into_iter().map(|Entry { key, value }| (key, value)).collect()
}

pub async fn snapshot_is_not_changed_by_later_commits(engine: SharedEngine) {
    put(&engine, "replaced", "old").await;
    put(&engine, "deleted", "old").await;
    let before = snapshot(&engine).await;
    let mut commit = Commit::new();
    commit.put("replaced", "new").delete("deleted").put("added", "new");
    engine.commit(commit).await.expect("no checks");
    let read = async |key: &[u8]| before.get(key).await.expect("the snapshot reads");
    assert!(read(b"replaced").await == Some(bytes("old")));
    assert!(read(b"deleted").await == Some(bytes("old")));
    assert!(read(b"added").await.is_none());
    let seen = everything(&*before).await;
    assert!(seen == [(bytes("deleted"), bytes("old")), (bytes("replaced"), bytes("old"))]);
    let reversed = before.scan(EVERYTHING, 1, Direction::Reverse).await.expect("the snapshot reads");
    assert!(reversed.len() == 1 && reversed[0].key == "replaced");
    assert!(get(&engine, "added").await == Some(bytes("new")), "the engine itself goes on");
}

pub async fn snapshots_of_different_times_live_together(engine: SharedEngine) {
    let mut snapshots = vec![snapshot(&engine).await];
    for round in 0..5_u8 {
        put(&engine, "key", [round]).await;
        put(&engine, [b'k', round], "value").await;
        snapshots.push(snapshot(&engine).await);
    }
    for (count, snapshot) in snapshots.iter().enumerate().rev() {
        let rounds = everything(&**snapshot).await.len();
        assert_eq!(rounds, if count == 0 { 0 } else { count + 1 });
    }
}

/// Scans of one snapshot, far apart, add up to one state.
pub async fn scans_of_a_snapshot_are_of_one_state(engine: SharedEngine) {
    const KEYS: u8 = 20;
    let commit = |round: u8| {
        let mut commit = Commit::new();
        for key in 0..KEYS {
            commit.put(vec![b'k', key], vec![round; 40]);
        }
        commit
    };
    engine.commit(commit(0)).await.expect("no checks");
    let writer = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            for round in 1..=50_u8 {
                engine.commit(commit(round)).await.expect("no checks");
            }
        }
    });
    while !writer.is_finished() {
        let snapshot = snapshot(&engine).await;
        let mut seen = Vec::new();
        while let Ok(page) = snapshot.scan(rest_after(&seen), 3, Direction::Forward).await
            && !page.is_empty()
        {
            seen.extend(page);
            tokio::task::yield_now().await;
        }
        assert_eq!(seen.len(), usize::from(KEYS));
        assert!(seen.iter().all(|entry| entry.value == seen[0].value), "the scans saw two commits");
    }
    writer.await.expect("the writer succeeds");
}

fn rest_after(seen: &[Entry]) -> KeyRange {
    seen.last().map_or_else(|| KeyRange::prefix(b"k"), |last| KeyRange::prefix_after(b"k", &last.key))
}

pub async fn snapshot_holds_up_no_commit(engine: SharedEngine) {
    let held = snapshot(&engine).await;
    for round in 0..20_u8 {
        put(&engine, [round], vec![round; 1000]).await;
    }
    assert!(everything(&*held).await.is_empty());
    drop(held);
    put(&engine, "after", "value").await;
    assert!(get(&engine, "after").await.is_some());
}
