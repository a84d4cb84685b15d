//! What the headers of a write, and of a removal, say about Object Lock.

use coffer_configuration::{ObjectLock, ObjectLockConfiguration, Retention, RetentionMode};
use coffer_store::Bucket;

use crate::error::{LOCK_LEGAL_HOLD, LOCK_MODE, LOCK_RETAIN_UNTIL, S3Error};
use crate::headers::Headers;
use crate::request::S3Request;
use crate::time::parse_timestamp;

/// What a write asks to be kept, at `now_ms`, whether or not the bucket can keep it.
///
/// # Errors
/// `InvalidArgument` for what is no mode, no date, a date that is past, or one without the other; `NotImplemented` for
/// event holds.
pub fn parse_lock(headers: &Headers, now_ms: u64) -> Result<ObjectLock, S3Error> {
    if headers.contains_prefix(EVENT_HOLD) {
        return Err(S3Error::not_implemented_header(EVENT_HOLD));
    }
    let legal_hold = match headers.text(LOCK_LEGAL_HOLD)? {
        None => None,
        Some(status) => Some(parse_legal_hold(status).ok_or_else(|| S3Error::unknown_legal_hold(status))?),
    };
    let retention = match (headers.text(LOCK_MODE)?, headers.text(LOCK_RETAIN_UNTIL)?) {
        (None, None) => None,
        (Some(_), None) => return Err(S3Error::incomplete_retention(LOCK_RETAIN_UNTIL)),
        (None, Some(_)) => return Err(S3Error::incomplete_retention(LOCK_MODE)),
        (Some(mode), Some(until)) => {
            let mode = RetentionMode::from_name(mode).ok_or_else(|| S3Error::unknown_lock_mode(mode))?;
            let until_ms = parse_timestamp(until).ok_or_else(|| S3Error::retain_until_no_date(until))?;
            let retention = Retention { mode, until_ms };
            if !retention.holds(now_ms) {
                return Err(S3Error::retain_until_past(until));
            }
            Some(retention)
        }
    };
    Ok(ObjectLock { retention, legal_hold })
}

/// Whether a new bucket is to lock objects.
///
/// # Errors
/// `InvalidArgument` for what is neither `true` nor `false`.
pub fn asks_for_object_lock(headers: &Headers) -> Result<bool, S3Error> {
    match headers.text(BUCKET_LOCK_ENABLED)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(S3Error::invalid_argument("The header value is invalid.", BUCKET_LOCK_ENABLED, Some(text))),
    }
}

/// Whether a status of a legal hold is `ON`; `None` if it is neither that nor `OFF`.
#[must_use]
pub fn parse_legal_hold(status: &str) -> Option<bool> {
    match status {
        "ON" => Some(true),
        "OFF" => Some(false),
        _ => None,
    }
}

/// The status of a legal hold.
#[must_use]
pub fn legal_hold_name(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// What a document of Object Lock asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockDocument {
    /// Object Lock of the bucket.
    Configuration(ObjectLockConfiguration),
    /// Another retention, or none.
    Retention(Option<Retention>),
    /// A legal hold, on or off.
    LegalHold(bool),
}

/// What a write asks to be kept, of a bucket that can keep it.
///
/// # Errors
/// As [`parse_lock`]; `InvalidArgument` for who is nobody in particular, `InvalidRequest` where there is no Object Lock.
pub(crate) fn requested_lock(request: &S3Request, bucket: &Bucket) -> Result<ObjectLock, S3Error> {
    let lock = parse_lock(&request.headers, request.now_ms)?;
    if lock == ObjectLock::default() {
        return Ok(lock);
    }
    if request.principal.is_anonymous() {
        return Err(S3Error::anonymous_object_lock());
    }
    if bucket.object_lock().is_none() {
        return Err(S3Error::write_without_object_lock());
    }
    Ok(lock)
}

/// Whether a version with this lock, or with the bucket's default in the place of no retention, is kept: then its
/// bytes must arrive as they were sent.
#[must_use]
pub fn is_kept(lock: &ObjectLock, bucket: &Bucket) -> bool {
    let has_default = bucket.object_lock().is_some_and(|configuration| configuration.default_retention.is_some());
    *lock != ObjectLock::default() || has_default
}

/// How many days of 24 hours a retention has left at `now_ms`; a day that has begun counts.
#[must_use]
pub fn remaining_days(until_ms: u64, now_ms: u64) -> u64 {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    until_ms.saturating_sub(now_ms).div_ceil(DAY_MS)
}

/// The header that makes a bucket with Object Lock.
const BUCKET_LOCK_ENABLED: &str = "x-amz-bucket-object-lock-enabled";

/// What the names of headers about event holds start with.
const EVENT_HOLD: &str = "x-amz-object-lock-event-hold";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    /// 2026-01-01T00:00:00Z.
    const NOW_MS: u64 = 1_767_225_600_000;

    fn parse(pairs: &[(&str, &str)]) -> Result<ObjectLock, (String, Option<String>)> {
        parse_lock(&headers(pairs), NOW_MS)
            .map_err(|error| (error.message().to_owned(), error.element("ArgumentName").map(str::to_owned)))
    }

    fn refused(pairs: &[(&str, &str)], message: &str, argument: &str) {
        assert_eq!(parse(pairs), Err((message.to_owned(), Some(argument.to_owned()))), "{pairs:?}");
    }

    #[test]
    fn no_header_is_no_lock() {
        assert_eq!(parse(&[("x-amz-acl", "private")]), Ok(ObjectLock::default()));
    }

    #[test]
    fn mode_and_date_go_together() {
        let lock = parse(&[(LOCK_MODE, "COMPLIANCE"), (LOCK_RETAIN_UNTIL, "2026-01-01T00:00:00.001Z")]).unwrap();
        let retention = Retention { mode: RetentionMode::Compliance, until_ms: NOW_MS + 1 };
        assert_eq!(lock, ObjectLock { retention: Some(retention), legal_hold: None });
        let both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
        refused(&[(LOCK_MODE, "GOVERNANCE")], both, LOCK_RETAIN_UNTIL);
        refused(&[(LOCK_RETAIN_UNTIL, "2030-01-01T00:00:00Z")], both, LOCK_MODE);
    }

    #[test]
    fn a_date_is_one_in_the_future() {
        let until = |date: &'static str| [(LOCK_MODE, "GOVERNANCE"), (LOCK_RETAIN_UNTIL, date)];
        for date in ["2026-01-01T00:00:01Z", "2026-01-01T01:00:01+01:00", "9999-12-31T23:59:59.999999999Z"] {
            assert!(parse(&until(date)).is_ok(), "{date}");
        }
        let past = "The retain until date must be in the future!";
        for date in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000999Z", "1959-01-01T00:00:00Z"] {
            refused(&until(date), past, LOCK_RETAIN_UNTIL);
        }
        let no_date = "The retain until date must be provided in ISO 8601 format";
        for date in [
            "",
            "abc",
            "2030-01-01",
            "1893456000",
            "10000-01-01T00:00:00Z",
            "+12026-01-01T00:00:00Z",
            "2030-02-30T00:00:00Z",
        ] {
            refused(&until(date), no_date, LOCK_RETAIN_UNTIL);
        }
    }

    #[test]
    fn modes_and_holds_are_written_in_capitals() {
        let date = (LOCK_RETAIN_UNTIL, "2030-01-01T00:00:00Z");
        for mode in ["", "governance", "BAD"] {
            refused(&[(LOCK_MODE, mode), date], "Unknown wormMode directive.", LOCK_MODE);
        }
        for status in ["", "on", "TRUE", "ON "] {
            refused(&[(LOCK_LEGAL_HOLD, status)], "Legal Hold must be either of 'ON' or 'OFF'", LOCK_LEGAL_HOLD);
        }
        assert_eq!(parse(&[(LOCK_LEGAL_HOLD, "OFF")]).unwrap().legal_hold, Some(false));
        assert_eq!(parse(&[(LOCK_LEGAL_HOLD, "ON")]).unwrap().legal_hold, Some(true));
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        let twice = [(LOCK_LEGAL_HOLD, "OFF"), (LOCK_LEGAL_HOLD, "ON")];
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn event_holds_are_not_passed_over() {
        let error = parse_lock(&headers(&[("x-amz-object-lock-event-hold-duration-days", "1")]), NOW_MS).unwrap_err();
        assert_eq!(error.code(), "NotImplemented");
    }

    #[test]
    fn a_bucket_locks_objects_if_it_is_asked_to() {
        let asks = |value: &str| asks_for_object_lock(&headers(&[(BUCKET_LOCK_ENABLED, value)])).map_err(|e| e.code());
        assert_eq!((asks("true"), asks("True"), asks("false")), (Ok(true), Ok(true), Ok(false)));
        assert_eq!((asks(""), asks("yes")), (Err("InvalidArgument"), Err("InvalidArgument")));
        assert!(!asks_for_object_lock(&headers(&[])).unwrap());
    }

    #[test]
    fn a_day_that_has_begun_counts() {
        const DAY_MS: u64 = 86_400_000;
        for (left_ms, days) in [(0, 0), (1, 1), (DAY_MS, 1), (DAY_MS + 1, 2), (10 * DAY_MS - 5, 10)] {
            assert_eq!(remaining_days(NOW_MS + left_ms, NOW_MS), days);
        }
        assert_eq!(remaining_days(NOW_MS - 1, NOW_MS), 0);
    }
}
