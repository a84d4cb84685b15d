//! Times as the query protocol writes them.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const ISO_8601: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// `2026-01-02T03:04:05Z`; milliseconds are cut off.
pub(crate) fn iso8601(at_ms: u64) -> String {
    let at_s = i64::try_from(at_ms / 1000).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(ISO_8601).expect("every part of the format is there")
}
