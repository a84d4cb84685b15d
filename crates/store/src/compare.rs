//! Comparing what records name with the blobs that are there.

use std::collections::HashSet;
use std::ops::Bound;

use bytes::Bytes;
use coffer_blob::{BlobEntry, BlobId};
use coffer_meta::{Direction, Entry, KeyRange, Snapshot};

use crate::bucket::Bucket;
use crate::error::{StoreError, unless_damaged};
use crate::names::{BucketName, InstanceId, VersionId};
use crate::records::{NoncurrentRecord, ObjectRecord, PartListRecord, PartRecord, UploadPartRecord};
use crate::store::Store;
use crate::tables::{self, Table};

/// Blobs and rows looked at in one go.
const PAGE: usize = 1000;
/// Missing blobs beyond which nobody asks which objects lack them.
const MOST_MISSING: u64 = 1_000_000;
/// Objects of a bucket that are named.
const MOST_NAMES: usize = 10_000;

/// What records name, and what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobComparison {
    /// Blobs that records name.
    pub named: u64,
    /// Of these, those that are not there.
    pub missing: u64,
    /// Blobs that are there and no record names: written after the backup, or left by a crash.
    pub extra: u64,
    /// The buckets that lack blobs; `None` if so many are missing that nobody looked.
    pub incomplete: Option<Vec<IncompleteBucket>>,
}

/// What a bucket lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncompleteBucket {
    /// Its name.
    pub name: String,
    /// Versions of objects of which a blob is missing.
    pub versions: u64,
    /// Parts of uploads in progress whose blob is missing.
    pub upload_parts: u64,
    /// The versions, as many as are named at all: object key and version.
    pub named: Vec<(String, VersionId)>,
}

impl Store {
    /// Compares the blobs that records name with those that are there. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails. Damaged rows are logged and left out.
    pub async fn compare_blobs(&self) -> Result<BlobComparison, StoreError> {
        let snapshot = self.0.engine.snapshot().await?;
        let snapshot = &*snapshot;
        let mut comparison = BlobComparison::default();
        let mut missing = HashSet::new();
        let (mut rows, mut blobs) = (References::of(snapshot), Blobs::of(self));
        let (mut named, mut present) = (rows.next().await?, blobs.next().await?);
        while named.is_some() || present.is_some() {
            // Both ascend: whichever is smaller has no counterpart.
            let order = match (named, present) {
                (Some(named), Some(present)) => named.cmp(&present),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            if order.is_le() {
                comparison.named += 1;
            }
            if let (std::cmp::Ordering::Less, Some(id)) = (order, named) {
                comparison.missing += 1;
                if comparison.missing <= MOST_MISSING {
                    missing.insert(id);
                }
            }
            // A blob that is being written has no record yet.
            if let (std::cmp::Ordering::Greater, Some(id)) = (order, present) {
                comparison.extra += u64::from(!self.0.pins.is_pinned(id));
            }
            if order.is_le() {
                named = rows.next().await?;
            }
            if order.is_ge() {
                present = blobs.next().await?;
            }
        }
        comparison.incomplete = match comparison.missing {
            0 => Some(Vec::new()),
            1..=MOST_MISSING => Some(self.buckets_that_lack(snapshot, &missing).await?),
            _ => None,
        };
        Ok(comparison)
    }

    async fn buckets_that_lack(
        &self,
        snapshot: &dyn Snapshot,
        missing: &HashSet<BlobId>,
    ) -> Result<Vec<IncompleteBucket>, StoreError> {
        let mut incomplete = Vec::new();
        let mut rows = Rows::of(snapshot, Table::Bucket.prefix());
        while let Some(row) = rows.next().await? {
            let Some(name) = std::str::from_utf8(&row.key[1..]).ok().and_then(BucketName::for_lookup) else { continue };
            let opened = self.open_bucket(&name, row.value).await;
            let Some(bucket) = unless_damaged("the comparison with the blobs", opened)? else { continue };
            let found = Lacking { snapshot, bucket: &bucket, missing }.look().await?;
            if found.versions + found.upload_parts > 0 {
                incomplete.push(found);
            }
        }
        Ok(incomplete)
    }
}

/// The search for what a bucket lacks.
struct Lacking<'a> {
    snapshot: &'a dyn Snapshot,
    bucket: &'a Bucket,
    missing: &'a HashSet<BlobId>,
}

impl Lacking<'_> {
    async fn look(&self) -> Result<IncompleteBucket, StoreError> {
        let mut found = IncompleteBucket { name: self.bucket.name().as_str().to_owned(), ..Default::default() };
        let lists = self.part_lists().await?;
        let mut objects = Rows::of(self.snapshot, tables::of_bucket(Table::Object, self.bucket.id()));
        while let Some(row) = objects.next().await? {
            let record = self.open::<ObjectRecord>(Table::Object, &row)?;
            self.note(&mut found, &lists, record, || Some(row.key[17..].to_vec()));
        }
        let mut versions = Rows::of(self.snapshot, tables::of_bucket(Table::Version, self.bucket.id()));
        while let Some(row) = versions.next().await? {
            let record = self.open::<NoncurrentRecord>(Table::Version, &row)?;
            let key = || tables::parse_version(&row.key).map(|(key, ..)| key);
            self.note(&mut found, &lists, record.and_then(|record| record.object), key);
        }
        let mut parts = Rows::of(self.snapshot, tables::of_bucket(Table::Part, self.bucket.id()));
        while let Some(row) = parts.next().await? {
            let record = self.open::<UploadPartRecord>(Table::Part, &row)?;
            found.upload_parts += u64::from(record.is_some_and(|record| self.is_missing(&record.part)));
        }
        Ok(found)
    }

    /// The instances whose part lists name a blob that is missing.
    async fn part_lists(&self) -> Result<HashSet<InstanceId>, StoreError> {
        let mut lacking = HashSet::new();
        let mut rows = Rows::of(self.snapshot, tables::of_bucket(Table::PartList, self.bucket.id()));
        while let Some(row) = rows.next().await? {
            let Some(list) = self.open::<PartListRecord>(Table::PartList, &row)? else { continue };
            if let (true, Some(id)) = (self.lacks(&list.parts), row.key.get(17..33)) {
                lacking.insert(InstanceId(id.try_into().expect("the range has 16 bytes")));
            }
        }
        Ok(lacking)
    }

    fn note(
        &self,
        found: &mut IncompleteBucket,
        lists: &HashSet<InstanceId>,
        record: Option<ObjectRecord>,
        key: impl Fn() -> Option<Vec<u8>>,
    ) {
        let Some(record) = record else { return };
        if !self.lacks(&record.parts) && !lists.contains(&InstanceId(record.instance_id)) {
            return;
        }
        found.versions += 1;
        if let (true, Some(key)) = (found.named.len() < MOST_NAMES, key()) {
            found.named.push((String::from_utf8_lossy(&key).into_owned(), record.version()));
        }
    }

    fn open<T: for<'b> minicbor::Decode<'b, ()>>(&self, table: Table, row: &Entry) -> Result<Option<T>, StoreError> {
        unless_damaged("the comparison with the blobs", self.bucket.keys().open(table, &row.key, &row.value))
    }

    fn lacks(&self, parts: &[PartRecord]) -> bool {
        parts.iter().any(|part| self.is_missing(part))
    }

    fn is_missing(&self, part: &PartRecord) -> bool {
        !part.inline && self.missing.contains(&part.blob())
    }
}

/// The rows with a prefix, one after the other.
struct Rows<'a> {
    snapshot: &'a dyn Snapshot,
    range: KeyRange,
    page: std::vec::IntoIter<Entry>,
    is_last: bool,
}

impl<'a> Rows<'a> {
    fn of(snapshot: &'a dyn Snapshot, prefix: Vec<u8>) -> Self {
        Self { snapshot, range: KeyRange::prefix(&prefix), page: Vec::new().into_iter(), is_last: false }
    }

    async fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        if self.page.len() == 0 && !self.is_last {
            let page = self.snapshot.scan(self.range.clone(), PAGE, Direction::Forward).await?;
            self.is_last = page.len() < PAGE;
            if let Some(last) = page.last() {
                self.range.start = Bound::Excluded(last.key.to_vec());
            }
            self.page = page.into_iter();
        }
        Ok(self.page.next())
    }
}

/// The ids of blobs that have references, ascending.
struct References<'a>(Rows<'a>);

impl<'a> References<'a> {
    fn of(snapshot: &'a dyn Snapshot) -> Self {
        Self(Rows::of(snapshot, Table::BlobReference.prefix()))
    }

    async fn next(&mut self) -> Result<Option<BlobId>, StoreError> {
        while let Some(Entry { key, .. }) = self.0.next().await? {
            if let Some(id) = id_of(&key) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

fn id_of(row: &Bytes) -> Option<BlobId> {
    row[1..].try_into().ok().map(BlobId)
}

/// The ids of the blobs that are there, ascending.
struct Blobs<'a> {
    store: &'a Store,
    after: Option<BlobId>,
    page: std::vec::IntoIter<BlobEntry>,
    is_last: bool,
}

impl<'a> Blobs<'a> {
    fn of(store: &'a Store) -> Self {
        Self { store, after: None, page: Vec::new().into_iter(), is_last: false }
    }

    async fn next(&mut self) -> Result<Option<BlobId>, StoreError> {
        if self.page.len() == 0 && !self.is_last {
            let page = self.store.0.blobs.list(self.after, PAGE).await?;
            self.is_last = page.len() < PAGE;
            self.after = page.last().map(|blob| blob.id).or(self.after);
            self.page = page.into_iter();
        }
        Ok(self.page.next().map(|blob| blob.id))
    }
}
