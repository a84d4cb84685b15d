//! The plaintext of a chunk: rows, one after the other, in the order of their keys.
//!
//! ```text
//! row = u32(length of key) || key || u32(length of value) || value
//! ```

use bytes::Bytes;
use coffer_meta::Entry;

/// Bytes that a row takes beside its key and value.
const ROW_OVERHEAD: usize = 8;

/// Bytes that a row takes.
pub(crate) fn row_len(row: &Entry) -> usize {
    ROW_OVERHEAD + row.key.len() + row.value.len()
}

/// Appends a row.
///
/// # Panics
/// When its key or value has 4 GiB or more, which no engine takes.
pub(crate) fn put_row(out: &mut Vec<u8>, row: &Entry) {
    put_field(out, &row.key);
    put_field(out, &row.value);
}

/// Appends a field, with its length in front of it.
///
/// # Panics
/// When it has 4 GiB or more.
pub(crate) fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    let len = u32::try_from(field.len()).expect("keys and values are shorter than 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(field);
}

/// Reads the rows of a chunk; `None` unless it is whole rows, at least one, with ascending keys.
#[must_use]
pub fn read_rows(text: &[u8]) -> Option<Vec<Entry>> {
    let copy = |(key, value)| Entry { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) };
    Some(borrow_rows(text)?.into_iter().map(copy).collect())
}

/// Reads the rows of a chunk without copying them: key and value of each.
pub(crate) fn borrow_rows(mut text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut rows: Vec<(&[u8], &[u8])> = Vec::new();
    while !text.is_empty() {
        let key = take_field(&mut text)?;
        let value = take_field(&mut text)?;
        if rows.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        rows.push((key, value));
    }
    (!rows.is_empty()).then_some(rows)
}

/// Takes a field with its length from the front of a text.
pub(crate) fn take_field<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = text.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *text = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: &str) -> Entry {
        Entry { key: Bytes::copy_from_slice(key.as_bytes()), value: Bytes::copy_from_slice(value.as_bytes()) }
    }

    fn text(rows: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        rows.iter().for_each(|row| put_row(&mut out, row));
        assert_eq!(out.len(), rows.iter().map(row_len).sum::<usize>());
        out
    }

    #[test]
    fn rows_read_back() {
        let rows = [row("", "empty key"), row("a", ""), row("ab", "value"), row("b", "\0")];
        assert!(read_rows(&text(&rows)).is_some_and(|read| read == rows));
    }

    #[test]
    fn what_is_no_rows_is_refused() {
        assert!(read_rows(b"").is_none(), "a chunk has a row");
        let whole = text(&[row("a", "value"), row("b", "value")]);
        let boundary = text(&[row("a", "value")]).len();
        for len in (1..whole.len()).filter(|len| *len != boundary) {
            assert!(read_rows(&whole[..len]).is_none(), "cut to {len}");
        }
        assert!(read_rows(&[0xff; 12]).is_none(), "a length beyond the end");
    }

    #[test]
    fn rows_out_of_order_and_twice_are_refused() {
        assert!(read_rows(&text(&[row("b", ""), row("a", "")])).is_none());
        assert!(read_rows(&text(&[row("a", "1"), row("a", "2")])).is_none());
    }
}
