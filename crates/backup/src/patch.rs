//! What changed in a chunk since it was written.
//!
//! ```text
//! patch  = change || ...                                 in the order of their keys
//! change = u32(length of key) || key || u32(length of value) || value
//!        | u32(length of key) || key || FF FF FF FF      the row is gone
//! ```
//!
//! Changes that are scattered over a store touch most chunks, and little of each.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use crate::rows::{borrow_rows, put_field, take_field};

/// In place of the length of a value: the row is gone.
const GONE: [u8; 4] = [0xff; 4];
/// A patch may have this part of its chunk at most: more is written as a new chunk, and so do not reading and the space
/// that old rows take grow without end.
const LARGEST_PART: usize = 4;

/// The changes from `base` to `rows`, both the plaintext of a chunk. `None` when these are so many that a new chunk is
/// better, or when `base` is none.
pub(crate) fn difference(base: &[u8], rows: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let most = rows.len() / LARGEST_PART;
    let (base, rows) = (borrow_rows(base)?, borrow_rows(rows)?);
    let (mut old, mut new) = (base.iter().peekable(), rows.iter().peekable());
    let mut patch = Zeroizing::new(Vec::new());
    while patch.len() <= most {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Some(patch),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let gone = old.next_if(|_| order.is_le());
        let come = new.next_if(|_| order.is_ge());
        match (gone, come) {
            (Some((_, old)), Some((_, new))) if old == new => {}
            (_, Some((key, value))) => {
                put_field(&mut patch, key);
                put_field(&mut patch, value);
            }
            (Some((key, _)), None) => {
                put_field(&mut patch, key);
                patch.extend_from_slice(&GONE);
            }
            (None, None) => unreachable!("one of them comes first"),
        }
    }
    None
}

/// The rows that `patch` makes of those of `base`, as the plaintext of a chunk. `None` when either is none.
#[must_use]
pub fn apply(base: &[u8], mut patch: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut rows = Zeroizing::new(Vec::with_capacity(base.len() + patch.len()));
    let mut put = |key, value| {
        put_field(&mut rows, key);
        put_field(&mut rows, value);
    };
    let mut base = borrow_rows(base)?.into_iter().peekable();
    let mut last: Option<&[u8]> = None;
    while !patch.is_empty() {
        let key = take_field(&mut patch)?;
        if last.is_some_and(|last| last >= key) {
            return None;
        }
        last = Some(key);
        while let Some((key, value)) = base.next_if(|(before, _)| *before < key) {
            put(key, value);
        }
        base.next_if(|(same, _)| *same == key);
        match patch.strip_prefix(&GONE) {
            Some(rest) => patch = rest,
            None => put(key, take_field(&mut patch)?),
        }
    }
    base.for_each(|(key, value)| put(key, value));
    Some(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Rows = BTreeMap<String, String>;

    fn text(rows: &Rows) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in rows {
            put_field(&mut text, key.as_bytes());
            put_field(&mut text, value.as_bytes());
        }
        text
    }

    fn rows(count: usize) -> Rows {
        (0..count).map(|number| (format!("row {number:03}"), format!("value {number}"))).collect()
    }

    fn changed(before: &Rows, change: impl FnOnce(&mut Rows)) -> Rows {
        let mut after = before.clone();
        change(&mut after);
        after
    }

    fn remove(key: &str) -> impl FnOnce(&mut Rows) + '_ {
        move |rows| assert!(rows.remove(key).is_some())
    }

    fn put(key: &str) -> impl FnOnce(&mut Rows) + '_ {
        move |rows| drop(rows.insert(key.to_owned(), "new".to_owned()))
    }

    #[test]
    fn a_patch_makes_the_new_rows_of_the_old() {
        let before = rows(50);
        for after in [
            before.clone(),
            changed(&before, put("row 000")),
            changed(&before, put("row 025")),
            changed(&before, put("row 049")),
            changed(&before, put("a")),
            changed(&before, put("row 025+")),
            changed(&before, put("z")),
            changed(&before, remove("row 000")),
            changed(&before, remove("row 025")),
            changed(&before, remove("row 049")),
            changed(&changed(&before, remove("row 010")), put("row 0100")),
        ] {
            let patch = difference(&text(&before), &text(&after)).unwrap();
            assert!(patch.len() < 60, "{}", patch.len());
            assert_eq!(patch.is_empty(), before == after);
            assert_eq!(apply(&text(&before), &patch).unwrap()[..], text(&after));
        }
    }

    #[test]
    fn many_changes_are_no_patch() {
        let before = rows(50);
        let mut after = before.clone();
        after.values_mut().step_by(2).for_each(|value| *value = "other".to_owned());
        assert!(difference(&text(&before), &text(&after)).is_none());
        assert!(difference(&text(&before), &text(&rows(5))).is_none(), "what is gone counts, too");
        assert!(difference(b"no rows", &text(&before)).is_none());
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        let base = text(&rows(3));
        let whole = text(&BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]));
        assert!(apply(&base, &whole).is_some());
        for len in (1..whole.len()).filter(|len| *len != whole.len() / 2) {
            assert!(apply(&base, &whole[..len]).is_none(), "cut to {len}");
        }
        let (first, second) = whole.split_at(whole.len() / 2);
        for bad in [&[second, first].concat(), &[first, first].concat()] {
            assert!(apply(&base, bad).is_none(), "out of order");
        }
        assert!(apply(b"no rows", first).is_none());
    }
}
