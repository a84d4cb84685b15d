//! What every [`BlobStore`] does, as one test per behaviour.
//!
//! [`conformance!`](crate::conformance!) makes the tests. Each behaviour gets an empty store of its own.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::store::{BlobEntry, BlobError, BlobId, BlobStore};

/// Makes one `#[test]` per behaviour.
///
/// The expression is evaluated anew for each test, to an empty store and a value that outlives it, such as its
/// temporary directory.
///
/// ```
/// coffer_blob::conformance!((coffer_blob::MemoryBlobs::default(), ()));
/// ```
#[macro_export]
macro_rules! conformance {
    ($store:expr) => {
        $crate::conformance! { @each $store;
            what_is_written_is_read
            any_range_equals_a_slice_of_the_whole
            an_empty_blob_exists
            chunks_of_any_size_are_joined_in_order
            a_large_blob_is_read_whole
            reading_past_the_end_is_refused
            a_missing_blob_is_not_found
            a_deleted_blob_is_gone
            deleting_twice_is_no_error
            deleting_leaves_other_blobs
            a_dropped_writer_leaves_nothing
            a_dropped_writer_of_a_large_blob_leaves_nothing
            ids_are_unique
            concurrent_writers_do_not_mix
            list_is_ascending_and_complete
            list_resumes_after_any_id
            list_tells_when_a_blob_was_written
            what_is_read_can_be_taken_over
        }
    };
    (@each $store:expr; $($behaviour:ident)*) => {$(
        #[test]
        fn $behaviour() {
            let (blobs, _guard) = $store;
            $crate::conformance::run($crate::conformance::$behaviour(::std::sync::Arc::new(blobs)));
        }
    )*};
}

/// A store under test.
pub type Subject = Arc<dyn BlobStore>;

/// Runs a behaviour to its end on a runtime of several threads.
///
/// # Panics
/// When the behaviour is not met, or takes longer than a minute.
pub fn run(behaviour: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(within_a_minute(behaviour));
}

/// Fails a test that would otherwise wait for ever.
pub(crate) async fn within_a_minute(behaviour: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), behaviour).await.unwrap();
}

/// A blob of one chunk is read back whole.
pub async fn what_is_written_is_read(blobs: Subject) {
    for len in [1, 100, 4096, 65_564] {
        let id = put(&blobs, &pattern(len)).await;
        assert_eq!(blobs.len(id).await.unwrap(), len as u64);
        assert_eq!(whole(&blobs, id).await, pattern(len));
    }
}

/// Any range, empty ones at either end too, reads as that part of the blob.
pub async fn any_range_equals_a_slice_of_the_whole(blobs: Subject) {
    let bytes = pattern(70_000);
    let id = put(&blobs, &bytes).await;
    for (start, end) in [(0, 0), (0, 1), (1, 2), (4095, 4097), (65_536, 70_000), (0, 70_000), (70_000, 70_000)] {
        let range = start as u64..end as u64;
        assert_eq!(blobs.read(id, range).await.unwrap(), bytes[start..end], "{start}..{end}");
    }
}

/// A blob without any write, or with empty ones only, exists and is empty.
pub async fn an_empty_blob_exists(blobs: Subject) {
    let unwritten = blobs.create().await.unwrap();
    let id = unwritten.id();
    unwritten.finish().await.unwrap();
    for id in [id, put(&blobs, b"").await] {
        assert_eq!(blobs.len(id).await.unwrap(), 0);
        assert_eq!(blobs.read(id, 0..0).await.unwrap(), "");
        assert!(matches!(blobs.read(id, 0..1).await, Err(BlobError::TooShort(short)) if short == id));
    }
}

/// Many chunks, small, large and empty, make one run of bytes.
pub async fn chunks_of_any_size_are_joined_in_order(blobs: Subject) {
    let bytes = pattern(3_000_000);
    let mut writer = blobs.create().await.unwrap();
    let id = writer.id();
    let mut rest = bytes.clone();
    for len in [1, 0, 17, 4096, 65_564, 131_072, 1, 1_500_000, 0].into_iter().chain((0..400).map(|i| i * 7)) {
        let chunk = rest.split_to(len.min(rest.len()));
        writer.write(chunk).await.unwrap();
    }
    writer.write(rest).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(whole(&blobs, id).await, bytes);
}

/// A blob of 40 MiB written in pieces of 1 MiB is read back in pieces of 3 MiB.
pub async fn a_large_blob_is_read_whole(blobs: Subject) {
    const MIB: usize = 1 << 20;
    let bytes = pattern(40 * MIB);
    let mut writer = blobs.create().await.unwrap();
    let id = writer.id();
    for start in (0..bytes.len()).step_by(MIB) {
        writer.write(bytes.slice(start..start + MIB)).await.unwrap();
    }
    writer.finish().await.unwrap();
    for start in (0..bytes.len()).step_by(3 * MIB) {
        let end = bytes.len().min(start + 3 * MIB);
        let read = blobs.read(id, start as u64..end as u64).await.unwrap();
        assert!(read == bytes[start..end], "{start}..{end}");
    }
}

/// A range that ends after the blob is refused, however far it reaches, and whether or not it holds a byte.
pub async fn reading_past_the_end_is_refused(blobs: Subject) {
    let id = put(&blobs, &pattern(1000)).await;
    for range in [0..1001, 999..1001, 1000..1001, 1001..1001, 5000..6000, 0..u64::MAX, u64::MAX..u64::MAX] {
        let refused = blobs.read(id, range.clone()).await;
        assert!(matches!(refused, Err(BlobError::TooShort(short)) if short == id), "{range:?}");
    }
}

/// A blob that never was is not found.
pub async fn a_missing_blob_is_not_found(blobs: Subject) {
    put(&blobs, b"another").await;
    check_missing(&blobs, BlobId::random()).await;
}

/// A deleted blob is neither read nor listed, even if it was read just before.
pub async fn a_deleted_blob_is_gone(blobs: Subject) {
    let id = put(&blobs, b"short life").await;
    assert_eq!(whole(&blobs, id).await, "short life");
    blobs.delete(id).await.unwrap();
    check_missing(&blobs, id).await;
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
}

/// Deleting is idempotent, and no error for a blob that never was.
pub async fn deleting_twice_is_no_error(blobs: Subject) {
    let id = put(&blobs, b"once").await;
    blobs.delete(id).await.unwrap();
    blobs.delete(id).await.unwrap();
    blobs.delete(BlobId::random()).await.unwrap();
}

/// Deleting one blob touches no other.
pub async fn deleting_leaves_other_blobs(blobs: Subject) {
    let first = put(&blobs, b"first").await;
    let second = put(&blobs, b"second").await;
    blobs.delete(first).await.unwrap();
    assert_eq!(whole(&blobs, second).await, "second");
}

/// A writer that is dropped takes what it wrote with it.
pub async fn a_dropped_writer_leaves_nothing(blobs: Subject) {
    let mut writer = blobs.create().await.unwrap();
    let id = writer.id();
    writer.write(pattern(1000)).await.unwrap();
    drop(writer);
    emptied(&blobs).await;
    check_missing(&blobs, id).await;
}

/// So does one that wrote much.
pub async fn a_dropped_writer_of_a_large_blob_leaves_nothing(blobs: Subject) {
    let mut writer = blobs.create().await.unwrap();
    let id = writer.id();
    for _ in 0..20 {
        writer.write(pattern(1 << 20)).await.unwrap();
    }
    drop(writer);
    emptied(&blobs).await;
    check_missing(&blobs, id).await;
}

/// No two writers get the same id.
pub async fn ids_are_unique(blobs: Subject) {
    let mut ids = BTreeSet::new();
    for _ in 0..100 {
        assert!(ids.insert(blobs.create().await.unwrap().id()));
    }
}

/// Ten writers at the same time, each in many steps, give ten blobs as written.
pub async fn concurrent_writers_do_not_mix(blobs: Subject) {
    let writers = (0..10_usize).map(|seed| {
        let blobs = Arc::clone(&blobs);
        tokio::spawn(async move {
            let bytes = Bytes::from(vec![u8::try_from(seed).unwrap(); 500_000 + seed]);
            let mut writer = blobs.create().await.unwrap();
            let id = writer.id();
            for chunk in bytes.chunks(33_333) {
                writer.write(bytes.slice_ref(chunk)).await.unwrap();
                tokio::task::yield_now().await;
            }
            writer.finish().await.unwrap();
            (id, bytes)
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        let (id, bytes) = writer.await.unwrap();
        assert_eq!(whole(&blobs, id).await, bytes);
    }
}

/// Every finished blob is listed once, in the order of ids, and never more than asked for.
pub async fn list_is_ascending_and_complete(blobs: Subject) {
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        ids.insert(put(&blobs, b"listed").await);
    }
    let ids: Vec<_> = ids.into_iter().collect();
    assert_eq!(ids_of(&blobs.list(None, 100).await.unwrap()), ids);
    for limit in [0, 1, 19, 20] {
        assert_eq!(ids_of(&blobs.list(None, limit).await.unwrap()), ids[..limit]);
    }
}

/// Resuming after any id, of a blob or not, gives exactly the ids after it.
pub async fn list_resumes_after_any_id(blobs: Subject) {
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        ids.insert(put(&blobs, b"listed").await);
    }
    let random = (0..20).map(|_| BlobId::random());
    for after in ids.iter().copied().chain(random).chain([BlobId([0; 16]), BlobId([0xff; 16])]) {
        let expected: Vec<_> = ids.iter().copied().filter(|id| *id > after).collect();
        assert_eq!(ids_of(&blobs.list(Some(after), 100).await.unwrap()), expected);
        let next: Vec<_> = expected.into_iter().take(1).collect();
        assert_eq!(ids_of(&blobs.list(Some(after), 1).await.unwrap()), next);
    }
}

/// The time of a blob is in seconds since 1970: not in another unit, and never unknown.
pub async fn list_tells_when_a_blob_was_written(blobs: Subject) {
    const IN_2020: u64 = 1_577_836_800;
    const IN_2200: u64 = 7_258_118_400;
    put(&blobs, b"dated").await;
    let found = blobs.list(None, 1).await.unwrap();
    assert!(found.iter().all(|entry| (IN_2020..IN_2200).contains(&entry.written_at)), "{found:?}");
    assert_eq!(found.len(), 1);
}

/// What was read belongs to the reader alone once the blob is deleted, so it can be opened in place.
pub async fn what_is_read_can_be_taken_over(blobs: Subject) {
    let id = put(&blobs, &pattern(70_000)).await;
    let read = whole(&blobs, id).await;
    blobs.delete(id).await.unwrap();
    let mut owned = read.try_into_mut().expect("the store keeps no share of what was read");
    owned[0] ^= 1;
}

/// Writes a blob in one go.
async fn put(blobs: &Subject, bytes: &[u8]) -> BlobId {
    let mut writer = blobs.create().await.unwrap();
    let id = writer.id();
    writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    writer.finish().await.unwrap();
    id
}

async fn whole(blobs: &Subject, id: BlobId) -> Bytes {
    let len = blobs.len(id).await.unwrap();
    blobs.read(id, 0..len).await.unwrap()
}

async fn check_missing(blobs: &Subject, id: BlobId) {
    assert!(matches!(blobs.len(id).await, Err(BlobError::NotFound(missing)) if missing == id));
    for range in [0..0, 0..10] {
        assert!(matches!(blobs.read(id, range).await, Err(BlobError::NotFound(missing)) if missing == id));
    }
}

/// Waits until nothing is listed: a store may remove what was abandoned in the background.
async fn emptied(blobs: &Subject) {
    while !blobs.list(None, 1).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

fn ids_of(entries: &[BlobEntry]) -> Vec<BlobId> {
    entries.iter().map(|entry| entry.id).collect()
}

/// Bytes in which no two places nearby look alike.
fn pattern(len: usize) -> Bytes {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
