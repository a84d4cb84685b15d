//! Listings beside a naive listing, over names made to confuse.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeSet;

use coffer_store::{Encryption, InstanceId, ListEntry, ListObjects, ListUploads, UploadEntry};
use common::World;
use common::rng::Rng;

/// Delimiters of one and of several characters and bytes, the ends of UTF-8, and what escapes must keep in order.
const PIECES: [&str; 11] = ["a", "b", "/", "//", "-/", "é", "\u{0}", "\u{1}", "\u{7f}", "😀", "\u{10ffff}"];

fn name(rng: &mut Rng, most: usize) -> String {
    (0..=rng.below(most)).map(|_| *rng.pick(&PIECES)).collect()
}

/// A string that is likely to matter: made of pieces, or a beginning of a name that is there, or such a name itself.
fn probe(rng: &mut Rng, names: &[String]) -> String {
    match rng.below(4) {
        0 => String::new(),
        1 => name(rng, 3),
        2 => rng.pick(names).clone(),
        _ => {
            let name = rng.pick(names);
            let cut = rng.below(name.chars().count() + 1);
            name.chars().take(cut).collect()
        }
    }
}

fn common_prefix(name: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = name.strip_prefix(prefix)?.find(delimiter)?;
    Some(name[..prefix.len() + at + delimiter.len()].to_owned())
}

/// What S3 lists, name by name: keys, and in brackets common prefixes.
fn naive(names: &[String], list: &ListObjects) -> (Vec<String>, bool) {
    let delimiter = list.delimiter.as_deref();
    let after = list.after.as_deref();
    let skipped = after.filter(|after| common_prefix(after, &list.prefix, delimiter).as_deref() == Some(*after));
    let mut entries: Vec<String> = Vec::new();
    for name in names {
        let is_after = after.is_none_or(|after| &**name > after);
        if !name.starts_with(&list.prefix) || !is_after || skipped.is_some_and(|skipped| name.starts_with(skipped)) {
            continue;
        }
        let entry = match common_prefix(name, &list.prefix, delimiter) {
            Some(common) => format!("[{common}]"),
            None => name.clone(),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    let truncated = list.max_keys > 0 && entries.len() > list.max_keys;
    entries.truncate(list.max_keys);
    (entries, truncated)
}

async fn listed(world: &World, list: &ListObjects) -> (Vec<String>, bool) {
    let page = world.store.list_objects(&world.bucket, list).await.unwrap();
    let show = |entry: &ListEntry| match entry {
        ListEntry::Object(name, info) => {
            assert_eq!(info.size, name.len() as u64);
            name.clone()
        }
        ListEntry::CommonPrefix(prefix) => format!("[{prefix}]"),
    };
    (page.entries.iter().map(show).collect(), page.truncated)
}

fn delimiter(rng: &mut Rng) -> Option<String> {
    match rng.below(4) {
        0 => None,
        1 => Some(String::new()),
        2 => Some("/".to_owned()),
        _ => Some((*rng.pick(&PIECES)).to_owned()),
    }
}

#[tokio::test]
async fn any_page_is_that_of_a_naive_listing() {
    for seed in 0..4 {
        let mut rng = Rng::new(seed);
        let world = World::new().await;
        let names: BTreeSet<String> = (0..150).map(|_| name(&mut rng, 5)).collect();
        for name in &names {
            world.put(name, name.as_bytes(), Encryption::SseS3).await;
        }
        let names: Vec<_> = names.into_iter().collect();
        for turn in 0..1500 {
            let list = ListObjects {
                prefix: probe(&mut rng, &names),
                delimiter: delimiter(&mut rng),
                after: (!rng.one_in(3)).then(|| probe(&mut rng, &names)),
                max_keys: [0, 1, 2, 3, 10, 63, 64, 65, 1000, usize::MAX][rng.below(10)],
            };
            let context = format!(
                "seed {seed}, turn {turn}: prefix {:?}, delimiter {:?}, after {:?}, max {}",
                list.prefix, list.delimiter, list.after, list.max_keys
            );
            assert_eq!(listed(&world, &list).await, naive(&names, &list), "{context}");
        }
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole() {
    let mut rng = Rng::new(7);
    let world = World::new().await;
    let names: BTreeSet<String> = (0..200).map(|_| name(&mut rng, 6)).collect();
    for name in &names {
        world.put(name, name.as_bytes(), Encryption::SseS3).await;
    }
    let names: Vec<_> = names.into_iter().collect();
    for turn in 0..200 {
        let whole = ListObjects {
            prefix: probe(&mut rng, &names),
            delimiter: delimiter(&mut rng),
            after: None,
            max_keys: usize::MAX,
        };
        let mut list = ListObjects { max_keys: 1 + rng.below(7), ..whole.clone() };
        let mut together = Vec::new();
        loop {
            let (page, truncated) = listed(&world, &list).await;
            assert!(page.len() == list.max_keys || !truncated);
            together.extend(page);
            if !truncated {
                break;
            }
            let last = together.last().unwrap();
            list.after = Some(last.strip_prefix('[').map_or(&**last, |last| &last[..last.len() - 1]).to_owned());
        }
        assert_eq!(together, naive(&names, &whole).0, "turn {turn}: {:?} {:?}", whole.prefix, whole.delimiter);
    }
}

#[tokio::test]
async fn uploads_are_listed_like_objects_and_by_age_within_a_key() {
    for seed in 0..3 {
        let mut rng = Rng::new(seed);
        let world = World::new().await;
        let mut uploads: BTreeSet<(String, InstanceId)> = BTreeSet::new();
        for _ in 0..80 {
            let name = name(&mut rng, 3);
            world.clock.advance_ms(1);
            let upload_id = world.create_upload(&name, Encryption::SseS3).await;
            uploads.insert((name, upload_id));
        }
        let names: Vec<_> = uploads.iter().map(|(name, _)| name.clone()).collect();
        for turn in 0..1000 {
            let marker = (!rng.one_in(3)).then(|| rng.pick(&names).clone());
            let some_id = uploads.iter().nth(rng.below(uploads.len())).unwrap().1;
            let list = ListUploads {
                prefix: probe(&mut rng, &names),
                delimiter: delimiter(&mut rng),
                upload_id_marker: (marker.is_some() && rng.one_in(2)).then_some(some_id),
                key_marker: marker,
                max_uploads: [0, 1, 2, 5, 1000, usize::MAX][rng.below(6)],
            };
            let page = world.store.list_uploads(&world.bucket, &list).await.unwrap();
            let show = |entry: &UploadEntry| match entry {
                UploadEntry::Upload(info) => format!("{} {}", info.key, info.upload_id),
                UploadEntry::CommonPrefix(prefix) => format!("[{prefix}]"),
            };
            let shown: Vec<_> = page.entries.iter().map(show).collect();
            let context = format!(
                "seed {seed}, turn {turn}: prefix {:?}, delimiter {:?}, marker {:?} {:?}",
                list.prefix, list.delimiter, list.key_marker, list.upload_id_marker
            );
            assert_eq!((shown, page.truncated), naive_uploads(&uploads, &list), "{context}");
        }
    }
}

fn naive_uploads(uploads: &BTreeSet<(String, InstanceId)>, list: &ListUploads) -> (Vec<String>, bool) {
    let delimiter = list.delimiter.as_deref();
    let common = |name: &str| common_prefix(name, &list.prefix, delimiter);
    let is_after = |name: &str, id: InstanceId| match (list.key_marker.as_deref(), list.upload_id_marker) {
        (None, _) => true,
        (Some(marker), Some(after)) => (name, id) > (marker, after),
        (Some(marker), None) if common(marker).as_deref() == Some(marker) => name > marker && !name.starts_with(marker),
        (Some(marker), None) => name > marker,
    };
    let mut entries: Vec<String> = Vec::new();
    for (name, id) in uploads.iter().filter(|(name, id)| name.starts_with(&list.prefix) && is_after(name, *id)) {
        let entry = common(name).map_or_else(|| format!("{name} {id}"), |common| format!("[{common}]"));
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    let truncated = list.max_uploads > 0 && entries.len() > list.max_uploads;
    entries.truncate(list.max_uploads);
    (entries, truncated)
}
