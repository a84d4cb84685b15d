//! ListObjectVersions.

use std::collections::VecDeque;
use std::ops::Bound;

use coffer_meta::{Entry, KeyRange};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::list::{EndAsStart as _, Rollup};
use crate::names::{ObjectKey, VersionId};
use crate::object::ObjectInfo;
use crate::reads::Reads;
use crate::records::{MarkerRecord, ObjectRecord};
use crate::store::Store;
use crate::tables::{self, Table};
use crate::versions::{Content, DeleteMarkerInfo, Found, current_version, null_version, open_noncurrent};

/// Which versions of a bucket to list.
#[derive(Clone, Default)]
pub struct ListVersions {
    /// Only keys that start with this.
    pub prefix: String,
    /// Keys that have this after the prefix are rolled up to a common prefix that ends with it.
    pub delimiter: Option<String>,
    /// Only keys after this, or this key's versions after `version_id_marker`.
    pub key_marker: Option<String>,
    /// Only versions of the key marker after this.
    pub version_id_marker: Option<VersionId>,
    /// At most this many versions and common prefixes together.
    pub max_keys: usize,
}

/// A page of versions.
#[derive(Default)]
pub struct VersionPage {
    /// Versions, the latest of a key first, and common prefixes in their common order.
    pub entries: Vec<VersionEntry>,
    /// There is more: list again after the last entry.
    pub truncated: bool,
}

/// An entry of a listing of versions. Those that are not noncurrent are the latest of their key.
pub enum VersionEntry {
    /// A version of an object. Its headers are not opened.
    Object(String, Box<ObjectInfo>),
    /// A delete marker.
    DeleteMarker(String, DeleteMarkerInfo),
    /// Keys rolled up.
    CommonPrefix(String),
}

impl VersionEntry {
    /// The key or common prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::DeleteMarker(name, _) | Self::CommonPrefix(name) => name,
        }
    }

    /// The version; `None` for a common prefix.
    #[must_use]
    pub fn version(&self) -> Option<VersionId> {
        match self {
            Self::Object(_, info) => Some(info.version),
            Self::DeleteMarker(_, info) => Some(info.version),
            Self::CommonPrefix(_) => None,
        }
    }
}

impl Store {
    /// Lists a page of the versions and delete markers of a bucket: keys in their byte order, the latest version first.
    ///
    /// The page is of one state of the bucket: what is put or deleted meanwhile is neither missing nor there twice. No
    /// blob is opened, and a common prefix costs one seek however many versions it stands for.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn list_versions(&self, bucket: &Bucket, list: &ListVersions) -> Result<VersionPage, StoreError> {
        let mut page = VersionPage::default();
        if list.max_keys == 0 {
            return Ok(page);
        }
        let rolled = Rollup { prefix: &list.prefix, delimiter: list.delimiter.as_deref().filter(|d| !d.is_empty()) };
        let most = list.max_keys.saturating_add(1).min(1000);
        let reads = Reads::of_now(&*self.0.engine).await?;
        let mut merge = Merge::new(&reads, bucket, &list.prefix, most);
        if rolled.delimiter.is_some() {
            merge.read_little();
        }
        if let Some(marker) = list.key_marker.as_deref() {
            if rolled.common_prefix(marker) == Some(marker) {
                merge.skip_prefix(marker);
            } else {
                let after = after_marker(&reads, bucket, marker, list.version_id_marker).await?;
                merge.skip_to(marker, &after);
            }
        }
        while let Some((name, row)) = merge.next().await? {
            if page.entries.len() == list.max_keys {
                page.truncated = true;
                return Ok(page);
            }
            if let Some(common) = rolled.common_prefix(&name) {
                merge.skip_prefix(common);
                merge.read_little();
                page.entries.push(VersionEntry::CommonPrefix(common.to_owned()));
                continue;
            }
            page.entries.push(entry(bucket, name, row)?);
        }
        Ok(page)
    }
}

/// Where the versions of `key` after `marker` start.
///
/// What the marker names may be gone, and the current version may be one that came after it: clients delete what a
/// page lists before they ask for the next.
async fn after_marker(
    reads: &Reads<'_>,
    bucket: &Bucket,
    key: &str,
    marker: Option<VersionId>,
) -> Result<After, StoreError> {
    let (Some(marker), Ok(object_key)) = (marker, ObjectKey::new(key)) else { return Ok(After::AllVersions) };
    let current = current_version(reads, bucket, &object_key).await?;
    match marker {
        VersionId::Made { order, instance } => {
            let row = tables::version(bucket.id(), key.as_bytes(), order, instance);
            let row_of = |found: &Found| {
                tables::version(bucket.id(), key.as_bytes(), found.content.order(), found.content.instance())
            };
            let current_is_later = current.is_some_and(|current| row_of(&current) > row);
            Ok(if current_is_later { After::Nothing } else { After::Row(row) })
        }
        VersionId::Null if current.is_some_and(|current| current.content.version() == VersionId::Null) => {
            Ok(After::Current)
        }
        VersionId::Null => match null_version(reads, bucket, &object_key).await? {
            Some((row, _)) => Ok(After::Row(row)),
            // Nothing tells any more where it stood. To list what was listed before is better than to pass over
            // what was not.
            None => Ok(After::Nothing),
        },
    }
}

/// Where a listing goes on among the versions of the key that it ended with.
enum After {
    /// At its current version: none of those that are left was listed.
    Nothing,
    /// After its current version.
    Current,
    /// After this row of its older versions.
    Row(Vec<u8>),
    /// After all of its versions.
    AllVersions,
}

fn entry(bucket: &Bucket, name: String, row: Row) -> Result<VersionEntry, StoreError> {
    let Row { entry, source } = row;
    Ok(match source {
        Source::Object => {
            let record: ObjectRecord = bucket.keys().open(Table::Object, &entry.key, &entry.value)?;
            VersionEntry::Object(name, Box::new(record.info(Vec::new())?))
        }
        Source::Marker => {
            let record: MarkerRecord = bucket.keys().open(Table::DeleteMarker, &entry.key, &entry.value)?;
            VersionEntry::DeleteMarker(name, record.info(None))
        }
        Source::Older => {
            let found = open_noncurrent(bucket, entry.key.to_vec(), entry.value)?;
            let since_ms = found.noncurrent_since_ms;
            match found.content {
                Content::Object(record) => {
                    let info = ObjectInfo { noncurrent_since_ms: since_ms, ..record.info(Vec::new())? };
                    VersionEntry::Object(name, Box::new(info))
                }
                Content::Marker(record) => VersionEntry::DeleteMarker(name, record.info(since_ms)),
            }
        }
    })
}

/// Which table a row is from. In the order in which the rows of one key follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Object,
    Marker,
    Older,
}

struct Row {
    entry: Entry,
    source: Source,
}

/// One of the three tables, read ahead.
struct Cursor {
    source: Source,
    range: KeyRange,
    ahead: VecDeque<(String, Entry)>,
    /// Rows to read next.
    batch: usize,
    ended: bool,
}

/// The rows of the three tables in the order of a listing of versions.
struct Merge<'a> {
    reads: &'a Reads<'a>,
    bucket: &'a Bucket,
    /// Rows to read ahead from a table at the most.
    most: usize,
    cursors: [Cursor; 3],
}

impl<'a> Merge<'a> {
    fn new(reads: &'a Reads<'a>, bucket: &'a Bucket, prefix: &str, most: usize) -> Self {
        let cursors = [Source::Object, Source::Marker, Source::Older].map(|source| Cursor {
            source,
            range: KeyRange::prefix(&source.with_prefix(bucket, prefix)),
            ahead: VecDeque::new(),
            batch: most,
            ended: false,
        });
        Self { reads, bucket, most, cursors }
    }

    /// Reads one row and then more and more: what follows mostly starts a common prefix.
    fn read_little(&mut self) {
        self.cursors.iter_mut().for_each(|cursor| cursor.batch = 1);
    }

    /// Goes on after everything that starts with `prefix`.
    fn skip_prefix(&mut self, prefix: &str) {
        for cursor in &mut self.cursors {
            let after = KeyRange::prefix(&cursor.source.with_prefix(self.bucket, prefix)).end_as_start();
            cursor.go_on_from(after);
        }
    }

    /// Goes on among the versions of `key`.
    fn skip_to(&mut self, key: &str, after: &After) {
        for cursor in &mut self.cursors {
            let current = cursor.source.with_prefix(self.bucket, key);
            let older = tables::versions_of(self.bucket.id(), key.as_bytes());
            let start = match (cursor.source, after) {
                (Source::Older, After::Nothing | After::Current) => Bound::Included(older),
                (Source::Older, After::Row(row)) => Bound::Excluded(row.clone()),
                (Source::Older, After::AllVersions) => KeyRange::prefix(&older).end_as_start(),
                (_, After::Nothing) => Bound::Included(current),
                (_, After::Current | After::Row(_) | After::AllVersions) => Bound::Excluded(current),
            };
            cursor.go_on_from(start);
        }
    }

    async fn next(&mut self) -> Result<Option<(String, Row)>, StoreError> {
        for cursor in &mut self.cursors {
            cursor.fill(self.reads, self.bucket, self.most).await?;
        }
        let first = self
            .cursors
            .iter_mut()
            .filter(|cursor| !cursor.ahead.is_empty())
            .min_by(|a, b| (&a.ahead[0].0, a.source).cmp(&(&b.ahead[0].0, b.source)));
        Ok(first.and_then(|cursor| {
            let source = cursor.source;
            cursor.ahead.pop_front().map(|(name, entry)| (name, Row { entry, source }))
        }))
    }
}

impl Source {
    fn with_prefix(self, bucket: &Bucket, prefix: &str) -> Vec<u8> {
        let of = |table| [&tables::of_bucket(table, bucket.id())[..], prefix.as_bytes()].concat();
        match self {
            Self::Object => of(Table::Object),
            Self::Marker => of(Table::DeleteMarker),
            Self::Older => tables::versions_with_prefix(bucket.id(), prefix.as_bytes()),
        }
    }

    fn name_of(self, row: &[u8]) -> Option<String> {
        let name = match self {
            Self::Object | Self::Marker => row.get(17..)?.to_vec(),
            Self::Older => tables::parse_version(row)?.0,
        };
        String::from_utf8(name).ok()
    }
}

impl Cursor {
    /// Goes on from `start`, and never back.
    fn go_on_from(&mut self, start: Bound<Vec<u8>>) {
        let passed = |row: &[u8]| match &start {
            Bound::Included(first) => row < &first[..],
            Bound::Excluded(last) => row <= &last[..],
            Bound::Unbounded => false,
        };
        while self.ahead.front().is_some_and(|(_, entry)| passed(&entry.key)) {
            self.ahead.pop_front();
        }
        // The range starts after what was read ahead.
        let is_later = match (&start, &self.range.start) {
            (Bound::Excluded(new), Bound::Included(old)) => new >= old,
            (Bound::Included(new) | Bound::Excluded(new), Bound::Included(old) | Bound::Excluded(old)) => new > old,
            _ => false,
        };
        if is_later {
            self.range.start = start;
        }
    }

    async fn fill(&mut self, reads: &Reads<'_>, bucket: &Bucket, most: usize) -> Result<(), StoreError> {
        if self.ended || !self.ahead.is_empty() {
            return Ok(());
        }
        // Without versioning there are only objects.
        if bucket.versioning().is_none() && self.source != Source::Object {
            self.ended = true;
            return Ok(());
        }
        if is_empty(&self.range) {
            self.ended = true;
            return Ok(());
        }
        let rows = reads.scan(&self.range, self.batch).await?;
        self.ended = rows.len() < self.batch;
        self.batch = self.batch.saturating_mul(4).min(most);
        if let Some(last) = rows.last() {
            self.range.start = Bound::Excluded(last.key.to_vec());
        }
        for entry in rows {
            let name = self.source.name_of(&entry.key);
            let name = name.ok_or_else(|| StoreError::Damaged("a version row has an impossible key".to_owned()))?;
            self.ahead.push_back((name, entry));
        }
        Ok(())
    }
}

/// Whether a range ends before it starts, as after a marker beyond the prefix.
fn is_empty(range: &KeyRange) -> bool {
    match (&range.start, &range.end) {
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end)) => start > end,
        _ => false,
    }
}
