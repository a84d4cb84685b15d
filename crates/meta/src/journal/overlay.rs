//! Rows that are in the journal and not yet in the tree.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use bytes::Bytes;

use super::log::Position;
use crate::engine::{Direction, KeyRange};

/// Rows by key; `None`: the row is deleted.
pub(super) type Rows = BTreeMap<Bytes, Option<Bytes>>;

/// What a row costs in memory beside its bytes, about.
const ROW_BYTES: usize = 128;

/// The rows, in layers: what is read is the newest that has the key.
#[derive(Default)]
pub(super) struct Overlay(RwLock<Layers>);

/// What [`Overlay`] guards.
#[derive(Default)]
pub(super) struct Layers {
    /// What the commits since the last freeze wrote.
    active: Rows,
    active_bytes: usize,
    /// Layers that do not change any more, the oldest first: they are on the way into the tree, or a snapshot has them.
    frozen: Vec<Arc<Rows>>,
    frozen_bytes: usize,
    /// The end of the last frame of which the rows are here or in the tree.
    end: Position,
    /// Since when there are rows here.
    since: Option<Instant>,
}

/// Every row of the overlay at one time, and where the journal stood.
pub(super) struct Frozen {
    /// The oldest first.
    pub(super) layers: Vec<Arc<Rows>>,
    /// The end of the last frame of which they have the rows.
    pub(super) end: Position,
}

impl Overlay {
    /// An overlay of what the journal holds.
    pub(super) fn new(rows: Rows, end: Position) -> Self {
        let overlay = Self::default();
        overlay.write().apply(rows, end);
        overlay
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    /// The row of `key`; `None`: the tree knows. `Some(None)`: it is deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let row = self.active.get(key).or_else(|| self.frozen.iter().rev().find_map(|layer| layer.get(key)));
        row.cloned()
    }

    /// The rows of `range`, in the order of `direction`: all, or as many as hold `limit` rows that are not deleted.
    ///
    /// `range` must not be empty.
    pub(super) fn collect(&self, range: &KeyRange, limit: usize, direction: Direction) -> Vec<(Bytes, Option<Bytes>)> {
        let layers = self.frozen.iter().map(|layer| &**layer).chain([&self.active]);
        collect(layers, range, limit, direction)
    }

    /// Adds the rows of a frame that ends at `end`.
    pub(super) fn apply(&mut self, rows: Rows, end: Position) {
        self.end = end;
        if rows.is_empty() {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        for (key, value) in rows {
            self.active_bytes += row_bytes(&key, value.as_ref());
            let key_len = key.len();
            if let Some(old) = self.active.insert(key, value) {
                self.active_bytes -= ROW_BYTES + key_len + old.map_or(0, |value| value.len());
            }
        }
    }

    /// Bytes of memory that all rows take, about.
    pub(super) fn bytes(&self) -> usize {
        self.active_bytes + self.frozen_bytes
    }

    /// Since when there are rows that the tree does not have.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How many layers a reader may have to look through.
    pub(super) fn depth(&self) -> usize {
        1 + self.frozen.len()
    }

    /// Makes the rows there are a layer that does not change, and returns all layers.
    pub(super) fn freeze(&mut self) -> Frozen {
        if !self.active.is_empty() {
            self.frozen.push(Arc::new(std::mem::take(&mut self.active)));
            self.frozen_bytes += std::mem::take(&mut self.active_bytes);
        }
        Frozen { layers: self.frozen.clone(), end: self.end }
    }

    /// Forgets the oldest `count` layers, which the tree has but for the rows that are `left`; returns them, because to
    /// drop them takes time.
    pub(super) fn forget(&mut self, count: usize, left: Rows) -> Vec<Arc<Rows>> {
        let left = (!left.is_empty()).then(|| Arc::new(left));
        let forgotten: Vec<_> = self.frozen.splice(..count, left).collect();
        let bytes = |rows: &Rows| rows.iter().map(|(key, value)| row_bytes(key, value.as_ref())).sum::<usize>();
        self.frozen_bytes = self.frozen.iter().map(|layer| bytes(layer)).sum();
        self.since = (self.bytes() > 0).then(Instant::now);
        forgotten
    }
}

impl Frozen {
    /// The row of `key`, as [`Layers::get`].
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.layers.iter().rev().find_map(|layer| layer.get(key)).cloned()
    }

    /// The rows of `range`, as [`Layers::collect`].
    pub(super) fn collect(&self, range: &KeyRange, limit: usize, direction: Direction) -> Vec<(Bytes, Option<Bytes>)> {
        collect(self.layers.iter().map(|layer| &**layer), range, limit, direction)
    }

    /// The newest of every row.
    pub(super) fn merged(&self) -> Rows {
        let mut rows = Rows::new();
        for layer in &self.layers {
            rows.extend(layer.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        rows
    }
}

fn row_bytes(key: &Bytes, value: Option<&Bytes>) -> usize {
    ROW_BYTES + key.len() + value.map_or(0, Bytes::len)
}

/// Merges the rows of `layers` (the oldest first) that lie in `range`.
fn collect<'a>(
    layers: impl Iterator<Item = &'a Rows>,
    range: &KeyRange,
    limit: usize,
    direction: Direction,
) -> Vec<(Bytes, Option<Bytes>)> {
    let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
        (range.start.as_ref().map(Vec::as_slice), range.end.as_ref().map(Vec::as_slice));
    let mut sources: Vec<_> = layers
        .map(|layer| {
            let rows = layer.range::<[u8], _>(bounds);
            let rows: Box<dyn Iterator<Item = (&Bytes, &Option<Bytes>)>> = match direction {
                Direction::Forward => Box::new(rows),
                Direction::Reverse => Box::new(rows.rev()),
            };
            rows.peekable()
        })
        .collect();
    let mut found = Vec::new();
    let mut live = 0;
    while live < limit {
        let heads = sources.iter_mut().filter_map(|source| source.peek().map(|(key, _)| *key));
        let next = match direction {
            Direction::Forward => heads.min(),
            Direction::Reverse => heads.max(),
        };
        let Some(next) = next else { break };
        let mut newest = None;
        for source in &mut sources {
            if let Some((_, value)) = source.next_if(|(key, _)| *key == next) {
                newest = Some(value.clone());
            }
        }
        let value = newest.expect("the key came from one of the layers");
        live += usize::from(value.is_some());
        found.push((next.clone(), value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&'static str, Option<&'static str>)]) -> Rows {
        rows.iter()
            .map(|(key, value)| (Bytes::from_static(key.as_bytes()), value.map(Bytes::from_static_str)))
            .collect()
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Self;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Self {
            Self::from_static(text.as_bytes())
        }
    }

    fn found(layers: &Layers, limit: usize, direction: Direction) -> Vec<(String, Option<String>)> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let rows = layers.collect(&KeyRange::prefix(b""), limit, direction);
        rows.into_iter().map(|(key, value)| (text(key), value.map(text))).collect()
    }

    #[test]
    fn the_newest_layer_that_has_a_key_counts() {
        let overlay = Overlay::new(rows(&[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]), Position::default());
        let mut layers = overlay.write();
        layers.freeze();
        layers.apply(rows(&[("b", None), ("c", Some("2"))]), Position::default());
        layers.freeze();
        layers.apply(rows(&[("c", Some("3")), ("d", Some("1"))]), Position::default());
        assert_eq!(layers.depth(), 3);
        assert!(layers.get(b"a") == Some(Some(Bytes::from_static(b"1"))));
        assert!(layers.get(b"b") == Some(None));
        assert!(layers.get(b"c") == Some(Some(Bytes::from_static(b"3"))));
        assert!(layers.get(b"e").is_none());
        let all: Vec<_> = [("a", Some("1")), ("b", None), ("c", Some("3")), ("d", Some("1"))]
            .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
            .into();
        assert_eq!(found(&layers, usize::MAX, Direction::Forward), all);
        assert_eq!(found(&layers, 2, Direction::Forward), all[..3], "a deleted row is no entry");
        assert_eq!(found(&layers, 2, Direction::Reverse), [all[3].clone(), all[2].clone()]);
        assert!(layers.freeze().merged() == rows(&[("a", Some("1")), ("b", None), ("c", Some("3")), ("d", Some("1"))]));
    }

    #[test]
    fn bytes_are_counted_up_and_down() {
        let overlay = Overlay::default();
        let mut layers = overlay.write();
        assert_eq!((layers.bytes(), layers.since()), (0, None));
        layers.apply(rows(&[("key", Some("a long value"))]), Position::default());
        layers.apply(rows(&[("key", None)]), Position::default());
        assert_eq!(layers.bytes(), ROW_BYTES + 3);
        layers.freeze();
        layers.apply(rows(&[("other", Some(""))]), Position::default());
        assert_eq!(layers.bytes(), 2 * ROW_BYTES + 8);
        layers.forget(1, Rows::new());
        assert_eq!(layers.bytes(), ROW_BYTES + 5);
        assert!(layers.since().is_some());
        layers.freeze();
        layers.forget(1, Rows::new());
        assert_eq!((layers.bytes(), layers.since()), (0, None));
    }
}
