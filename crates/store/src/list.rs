//! ListObjects.

use std::ops::Bound;

use coffer_meta::{Direction, KeyRange};

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::object::ObjectInfo;
use crate::records::ObjectRecord;
use crate::store::Store;
use crate::tables::{self, Table};

/// Which objects of a bucket to list.
#[derive(Clone, Default)]
pub struct ListObjects {
    /// Only keys that start with this.
    pub prefix: String,
    /// Keys that have this after the prefix are rolled up to a common prefix that ends with it.
    pub delimiter: Option<String>,
    /// Only keys after this, and common prefixes other than this.
    pub after: Option<String>,
    /// At most this many keys and common prefixes together.
    pub max_keys: usize,
}

/// A page of a listing.
#[derive(Default)]
pub struct ObjectPage {
    /// Keys and common prefixes in their common order.
    pub entries: Vec<ListEntry>,
    /// There is more: list again after the last entry.
    pub truncated: bool,
}

/// An entry of a listing.
pub enum ListEntry {
    /// An object. Its headers are not opened.
    Object(String, Box<ObjectInfo>),
    /// Keys rolled up.
    CommonPrefix(String),
}

impl ListEntry {
    /// The key or common prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::CommonPrefix(name) => name,
        }
    }
}

impl Store {
    /// Lists a page of the objects of a bucket, in the byte order of their keys.
    ///
    /// No blob is opened, and a common prefix costs one seek however many keys it stands for.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn list_objects(&self, bucket: &Bucket, list: &ListObjects) -> Result<ObjectPage, StoreError> {
        let mut page = ObjectPage::default();
        if list.max_keys == 0 {
            return Ok(page);
        }
        let table = tables::of_bucket(Table::Object, bucket.id());
        let row = |name: &[u8]| [&table[..], name].concat();
        let mut range = KeyRange::prefix(&row(list.prefix.as_bytes()));
        if let Some(after) = list.after.as_deref().filter(|after| *after >= list.prefix.as_str()) {
            range.start = Bound::Excluded(row(after.as_bytes()));
        }
        let rolled = Rollup { prefix: &list.prefix, delimiter: list.delimiter.as_deref().filter(|d| !d.is_empty()) };
        if let Some(prefix) = list.after.as_deref().filter(|after| rolled.common_prefix(after) == Some(after)) {
            range.start = KeyRange::prefix(&row(prefix.as_bytes())).end_as_start();
        }
        // The first row after a common prefix mostly starts the next one; more rows are only read where keys follow.
        let mut ahead = if rolled.delimiter.is_some() { 1 } else { usize::MAX };
        loop {
            let left = list.max_keys - page.entries.len();
            // One more than the page holds tells whether there is more.
            let batch = left.saturating_add(1).min(ahead);
            let rows = self.0.engine.scan(range.clone(), batch, Direction::Forward).await?;
            let whole_batch = rows.len() == batch;
            let mut seek = None;
            for entry in &rows {
                let name = entry.key.get(table.len()..).and_then(|name| std::str::from_utf8(name).ok());
                let name = name.ok_or_else(|| StoreError::Damaged("an object row has an impossible key".to_owned()))?;
                if page.entries.len() == list.max_keys {
                    page.truncated = true;
                    return Ok(page);
                }
                if let Some(common) = rolled.common_prefix(name) {
                    page.entries.push(ListEntry::CommonPrefix(common.to_owned()));
                    seek = Some(KeyRange::prefix(&row(common.as_bytes())).end_as_start());
                    break;
                }
                let record: ObjectRecord = bucket.keys().open(Table::Object, &entry.key, &entry.value)?;
                page.entries.push(ListEntry::Object(name.to_owned(), Box::new(record.info(Vec::new())?)));
            }
            range.start = match (seek, rows.last()) {
                (Some(start), _) => {
                    ahead = 1;
                    start
                }
                (None, Some(last)) if whole_batch => {
                    ahead = ahead.saturating_mul(4);
                    Bound::Excluded(last.key.to_vec())
                }
                _ => return Ok(page),
            };
        }
    }
}

/// How keys are rolled up.
pub(crate) struct Rollup<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
}

impl Rollup<'_> {
    /// The common prefix that stands for `name`, if it is rolled up.
    pub(crate) fn common_prefix<'n>(&self, name: &'n str) -> Option<&'n str> {
        let delimiter = self.delimiter?;
        let rest = name.strip_prefix(self.prefix)?;
        let at = rest.find(delimiter)?;
        Some(&name[..self.prefix.len() + at + delimiter.len()])
    }
}

/// Where to go on after everything in a range.
pub(crate) trait EndAsStart {
    /// The end of the range as the start of the next.
    fn end_as_start(self) -> Bound<Vec<u8>>;
}

impl EndAsStart for KeyRange {
    fn end_as_start(self) -> Bound<Vec<u8>> {
        match self.end {
            Bound::Excluded(end) => Bound::Included(end),
            Bound::Included(end) => Bound::Excluded(end),
            Bound::Unbounded => unreachable!("the letter of a table is not 0xff, so its prefixes have an end"),
        }
    }
}
