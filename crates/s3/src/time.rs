//! Times on the wire: ISO 8601 in XML, IMF-fixdate (RFC 9110) in headers. Inside, they are numbers since 1970.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// `2009-10-12T17:50:30.000Z`, from milliseconds.
#[must_use]
pub fn iso8601(unix_ms: u64) -> String {
    let at = at(unix_ms / 1000);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        unix_ms % 1000
    )
}

/// `Wed, 12 Oct 2009 17:50:00 GMT`, from milliseconds, cut to the second.
#[must_use]
pub fn http_date(unix_ms: u64) -> String {
    at(unix_ms / 1000).format(IMF_FIXDATE).expect("every date up to 9999 can be formatted")
}

/// `12/Oct/2009:17:50:30 +0000`, from milliseconds, as S3's server access log has it.
#[must_use]
pub fn log_time(unix_ms: u64) -> String {
    at(unix_ms / 1000).format(LOG).expect("every date up to 9999 can be formatted")
}

/// `2009-10-12-17-50-30`, from milliseconds, as the keys of log objects have it.
#[must_use]
pub fn key_time(unix_ms: u64) -> String {
    at(unix_ms / 1000).format(KEY).expect("every date up to 9999 can be formatted")
}

/// `2009/10/12`, from milliseconds.
#[must_use]
pub fn date_path(unix_ms: u64) -> String {
    at(unix_ms / 1000).format(DATE_PATH).expect("every date up to 9999 can be formatted")
}

/// `Tue Dec 31 16:00:00 UTC 2019`, from milliseconds, as some of S3's errors show a date.
#[must_use]
pub fn java_date(unix_ms: u64) -> String {
    at(unix_ms / 1000).format(JAVA).expect("every date up to 9999 can be formatted")
}

/// Seconds since 1970 of a date in one of the three formats that HTTP allows; earlier dates are 0.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<u64> {
    let text = text.trim();
    let rfc850 = || {
        let (day, year, rest) = expand_year(text)?;
        PrimitiveDateTime::parse(&format!("{day}{year}{rest}"), RFC850).ok()
    };
    let date = PrimitiveDateTime::parse(text, IMF_FIXDATE).ok();
    let date = date.or_else(rfc850).or_else(|| PrimitiveDateTime::parse(text, ASCTIME).ok())?;
    Some(u64::try_from(date.assume_utc().unix_timestamp()).unwrap_or(0))
}

/// Milliseconds since 1970 of an ISO 8601 date in UTC, with or without a fraction; earlier dates are 0.
#[must_use]
pub fn parse_iso8601(text: &str) -> Option<u64> {
    let text = text.trim().strip_suffix('Z')?;
    let date = PrimitiveDateTime::parse(text, ISO8601).or_else(|_| PrimitiveDateTime::parse(text, ISO8601_FRACTION));
    let unix_ms = date.ok()?.assume_utc().unix_timestamp_nanos() / 1_000_000;
    Some(u64::try_from(unix_ms).unwrap_or(0))
}

/// Milliseconds since 1970 of an ISO 8601 date in any zone, as RFC 3339 has it; what is finer than a millisecond is cut
/// off, and earlier dates are 0.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<u64> {
    let unix_ms = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos() / 1_000_000;
    Some(u64::try_from(unix_ms).unwrap_or(0))
}

fn at(unix_s: u64) -> OffsetDateTime {
    let unix_s = i64::try_from(unix_s).unwrap_or(MAX_UNIX_S).min(MAX_UNIX_S);
    OffsetDateTime::from_unix_timestamp(unix_s).expect("every second up to 9999 is a date")
}

/// Splits a RFC 850 date around its two-digit year, and gives the year its century: 70 to 99 are of the 20th.
fn expand_year(text: &str) -> Option<(&str, u32, &str)> {
    let (at, _) = text.rmatch_indices('-').next()?;
    let (day, rest) = text.split_at(at + 1);
    let (year, rest) = rest.split_at_checked(2)?;
    let year: u32 = year.parse().ok()?;
    Some((day, if year < 70 { 2000 + year } else { 1900 + year }, rest))
}

/// 9999-12-31T23:59:59Z.
const MAX_UNIX_S: i64 = 253_402_300_799;

const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const LOG: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
const KEY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]-[hour]-[minute]-[second]");
const DATE_PATH: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");
const JAVA: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] UTC [year]");
const RFC850: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday], [day]-[month repr:short]-[year] [hour]:[minute]:[second] GMT");
const ASCTIME: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");
const ISO8601: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const ISO8601_FRACTION: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond]");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(iso8601(1_255_369_830_007), "2009-10-12T17:50:30.007Z");
        assert_eq!(http_date(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(log_time(1_255_369_830_007), "12/Oct/2009:17:50:30 +0000");
        assert_eq!(key_time(1_255_369_830_007), "2009-10-12-17-50-30");
        assert_eq!(java_date(1_577_836_799_999), "Tue Dec 31 23:59:59 UTC 2019");
        assert_eq!(date_path(1_255_369_830_007), "2009/10/12");
        assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn http_has_three_formats() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse_http_date("Thu, 01 Jan 1959 00:00:00 GMT"), Some(0));
    }

    #[test]
    fn iso_dates_may_have_a_fraction() {
        assert_eq!(parse_iso8601("2009-10-12T17:50:30.007Z"), Some(1_255_369_830_007));
        assert_eq!(parse_iso8601("2009-10-12T17:50:30Z"), Some(1_255_369_830_000));
    }

    #[test]
    fn timestamps_may_be_of_any_zone() {
        for text in ["2009-10-12T17:50:30.007Z", "2009-10-12T19:50:30.007999+02:00", "2009-10-12T12:20:30.007-05:30"] {
            assert_eq!(parse_timestamp(text), Some(1_255_369_830_007), "{text}");
        }
        assert_eq!(parse_timestamp("1959-01-01T00:00:00Z"), Some(0));
        for text in ["", "2009-10-12", "2009-10-12T17:50:30", "10009-10-12T17:50:30Z", "2009-10-12T25:00:00Z"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT", "-", "a-é", "0"] {
            assert_eq!((parse_http_date(text), parse_iso8601(text)), (None, None), "{text}");
        }
        for text in ["2009-10-12T17:50:30", "2009-13-12T17:50:30Z", "2009-10-12 17:50:30Z", "2009-10-12T17:50:30.Z"] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }
}
