//! Byte ranges.

use std::ops::Range;

use crate::error::S3Error;
use crate::headers::Headers;

/// One range of bytes as a client asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeRequest {
    /// `bytes=first-last`, both included.
    FirstLast(u64, u64),
    /// `bytes=first-`.
    From(u64),
    /// `bytes=-count`.
    Last(u64),
}

impl RangeRequest {
    /// Parses the value of a `Range` header; `None` for what S3 ignores: other units, bad syntax, several ranges.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, range) = value.trim().split_once('=')?;
        let (first, last) = range.split_once('-')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        match (first, last) {
            ("", last) => offset(last).map(Self::Last),
            (first, "") => offset(first).map(Self::From),
            (first, last) => {
                let (first, last) = (offset(first)?, offset(last)?);
                (first <= last).then_some(Self::FirstLast(first, last))
            }
        }
    }

    /// The bytes of an object of `size` bytes; `None` when none of them is asked for.
    #[must_use]
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::FirstLast(first, last) => first..size.min(last.saturating_add(1)),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// The range of GET and HEAD of an object of `size` bytes; `None` means the whole object.
///
/// # Errors
/// `InvalidRange` when the range lies outside of the object.
pub fn requested_range(headers: &Headers, size: u64) -> Result<Option<Range<u64>>, S3Error> {
    let Some(value) = headers.text("range")? else { return Ok(None) };
    let Some(request) = RangeRequest::parse(value) else { return Ok(None) };
    request.resolve(size).map(Some).ok_or_else(|| S3Error::invalid_range(value, size))
}

/// Parses `x-amz-copy-source-range`: both ends must be there. [`copied_range`] holds it against the source.
///
/// # Errors
/// `InvalidArgument`.
pub fn parse_copy_source_range(headers: &Headers) -> Result<Option<Range<u64>>, S3Error> {
    let Some(value) = headers.text(COPY_SOURCE_RANGE)? else { return Ok(None) };
    match RangeRequest::parse(value) {
        Some(RangeRequest::FirstLast(first, last)) if last < u64::MAX => Ok(Some(first..last + 1)),
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last \
                           are the zero-based offsets of the first and last bytes to copy";
            Err(S3Error::invalid_argument(message, COPY_SOURCE_RANGE, Some(value)))
        }
    }
}

/// Holds a range from [`parse_copy_source_range`] against a source of `size` bytes. Unlike a read, it is not cut.
///
/// # Errors
/// `InvalidArgument` when it does not lie within the source.
pub fn copied_range(range: Range<u64>, size: u64) -> Result<Range<u64>, S3Error> {
    if range.end <= size {
        return Ok(range);
    }
    let value = format!("bytes={}-{}", range.start, range.end - 1);
    let message = format!("Range specified is not valid for source object of size: {size}");
    Err(S3Error::invalid_argument(message, COPY_SOURCE_RANGE, Some(&value)))
}

/// `bytes first-last/size`, for a range that is not empty.
#[must_use]
pub fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Digits only. An offset beyond 64 bits lies behind every object.
fn offset(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

const COPY_SOURCE_RANGE: &str = "x-amz-copy-source-range";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn range(value: &str, size: u64) -> Result<Option<Range<u64>>, &'static str> {
        requested_range(&headers(&[("range", value)]), size).map_err(|error| error.code())
    }

    #[test]
    fn ranges_are_cut_at_the_end_of_the_object() {
        assert_eq!(range("bytes=0-0", 10), Ok(Some(0..1)));
        assert_eq!(range("bytes=2-5", 10), Ok(Some(2..6)));
        assert_eq!(range("bytes=2-500", 10), Ok(Some(2..10)));
        assert_eq!(range("bytes=9-", 10), Ok(Some(9..10)));
        assert_eq!(range("bytes=-3", 10), Ok(Some(7..10)));
        assert_eq!(range("bytes=-300", 10), Ok(Some(0..10)));
        assert_eq!(range("bytes=0-99999999999999999999999", 10), Ok(Some(0..10)));
        assert_eq!(range("BYTES=0-18446744073709551615", 10), Ok(Some(0..10)));
    }

    #[test]
    fn ranges_outside_of_the_object_cannot_be_satisfied() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(range(value, 10), Err("InvalidRange"), "{value}");
        }
        for value in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
            assert_eq!(range(value, 0), Err("InvalidRange"), "{value}");
        }
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "bytes 0-1",
            "items=0-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1--2",
            "bytes=1-2-3",
            "bytes= 1-2",
        ] {
            assert_eq!(range(value, 10), Ok(None), "{value}");
        }
    }

    #[test]
    fn copies_need_both_ends_within_the_source() {
        let parse = |value: &str| parse_copy_source_range(&headers(&[(COPY_SOURCE_RANGE, value)]));
        assert_eq!(copied_range(parse("bytes=0-9").unwrap().unwrap(), 10).unwrap(), 0..10);
        for value in ["bytes=0-", "bytes=-5", "0-9", "bytes=9-0", "", "bytes=0-18446744073709551615"] {
            assert_eq!(parse(value).unwrap_err().code(), "InvalidArgument", "{value}");
        }
        let error = copied_range(0..11, 10).unwrap_err();
        assert_eq!(error.message(), "Range specified is not valid for source object of size: 10");
    }

    #[test]
    fn content_range_includes_the_last_byte() {
        assert_eq!(content_range(&(2..6), 10), "bytes 2-5/10");
    }
}
