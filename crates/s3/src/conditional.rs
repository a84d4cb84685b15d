//! Conditional requests.

use crate::error::S3Error;
use crate::etag::ETagCondition;
use crate::headers::Headers;
use crate::time::parse_http_date;

/// The conditions of GET, HEAD and of a copy source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since_s: Option<u64>,
    if_unmodified_since_s: Option<u64>,
    of_copy_source: bool,
}

impl ReadConditions {
    /// Parses `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`.
    ///
    /// A date that is none is no condition, as HTTP wants it.
    ///
    /// # Errors
    /// `InvalidArgument` for repeated headers.
    pub fn of_object(headers: &Headers) -> Result<Self, S3Error> {
        Self::parse(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"], false)
    }

    /// Parses the same of a copy source: `x-amz-copy-source-if-match` and so on.
    ///
    /// # Errors
    /// `InvalidArgument` for repeated headers.
    pub fn of_copy_source(headers: &Headers) -> Result<Self, S3Error> {
        let names = [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ];
        Self::parse(headers, names, true)
    }

    fn parse(headers: &Headers, names: [&str; 4], of_copy_source: bool) -> Result<Self, S3Error> {
        let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
        Ok(Self {
            if_match: headers.text(if_match)?.map(ETagCondition::parse),
            if_none_match: headers.text(if_none_match)?.map(ETagCondition::parse),
            if_modified_since_s: headers.text(if_modified_since)?.and_then(parse_http_date),
            if_unmodified_since_s: headers.text(if_unmodified_since)?.and_then(parse_http_date),
            of_copy_source,
        })
    }

    /// Whether an object with `etag`, without quotes, last modified at `last_modified_s`, may be read.
    ///
    /// The ETag conditions go before the dates: a matching `If-Match` outdoes `If-Unmodified-Since`, and
    /// `If-None-Match` outdoes `If-Modified-Since`.
    ///
    /// # Errors
    /// `PreconditionFailed` with the condition that failed, or `NotModified`.
    pub fn check(&self, etag: &str, last_modified_s: u64) -> Result<(), S3Error> {
        let unmodified = |since: u64| last_modified_s <= since;
        let must_hold = match &self.if_match {
            Some(condition) => condition.matches(etag).then_some(()).ok_or("If-Match"),
            None => self.if_unmodified_since_s.is_none_or(unmodified).then_some(()).ok_or("If-Unmodified-Since"),
        };
        must_hold.map_err(|condition| self.failed(condition))?;
        let must_differ = match &self.if_none_match {
            Some(condition) => (!condition.matches(etag)).then_some(()).ok_or("If-None-Match"),
            None => (!self.if_modified_since_s.is_some_and(unmodified)).then_some(()).ok_or("If-Modified-Since"),
        };
        must_differ.map_err(
            |condition| {
                if self.of_copy_source { self.failed(condition) } else { S3Error::not_modified() }
            },
        )
    }

    fn failed(&self, condition: &str) -> S3Error {
        if self.of_copy_source {
            S3Error::precondition_failed(&format!("x-amz-copy-source-{condition}"))
        } else {
            S3Error::precondition_failed(condition)
        }
    }
}

/// The condition of a write or a deletion.
#[derive(Debug, PartialEq, Eq)]
pub enum WriteCondition {
    /// None: it happens in any case.
    Always,
    /// `If-None-Match: *`: only if there is no object.
    IfAbsent,
    /// `If-Match`: only if the object is this one.
    IfMatch(ETagCondition),
}

impl WriteCondition {
    /// Parses the condition of PutObject, CopyObject and CompleteMultipartUpload.
    ///
    /// # Errors
    /// `NotImplemented`, as on S3, for `If-Match: *`, for `If-None-Match` with an ETag, and for both headers.
    pub fn of_put(headers: &Headers) -> Result<Self, S3Error> {
        let if_match = headers.text("if-match")?.map(ETagCondition::parse);
        let if_none_match = headers.text("if-none-match")?.map(ETagCondition::parse);
        match (if_match, if_none_match) {
            (None, None) => Ok(Self::Always),
            (None, Some(ETagCondition::Any)) => Ok(Self::IfAbsent),
            (Some(condition @ ETagCondition::OneOf(_)), None) => Ok(Self::IfMatch(condition)),
            (Some(_), Some(_)) => Err(S3Error::not_implemented_header("If-Match,If-None-Match")
                .with("additionalMessage", "Multiple conditional request headers present in the request")),
            (Some(ETagCondition::Any), None) => Err(refused_value("If-Match")),
            (None, Some(ETagCondition::OneOf(_))) => Err(refused_value("If-None-Match")),
        }
    }

    /// Parses the condition of DeleteObject: `If-Match` with an ETag or `*`.
    ///
    /// # Errors
    /// `NotImplemented` for `If-None-Match` and for the conditions of directory buckets.
    pub fn of_delete(headers: &Headers) -> Result<Self, S3Error> {
        for name in ["if-none-match", "x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
            if headers.contains(name) {
                return Err(S3Error::not_implemented_header(name));
            }
        }
        let if_match = headers.text("if-match")?.map(ETagCondition::parse);
        Ok(if_match.map_or(Self::Always, Self::IfMatch))
    }
}

fn refused_value(header: &str) -> S3Error {
    let message = format!("We don't accept the provided value of {header} header for this API");
    S3Error::not_implemented_header(header).with("additionalMessage", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const MODIFIED_S: u64 = 784_111_777;

    fn read(pairs: &[(&str, &str)]) -> u16 {
        let outcome = ReadConditions::of_object(&headers(pairs)).unwrap().check("abc", MODIFIED_S);
        outcome.err().map_or(200, |error| error.status().as_u16())
    }

    #[test]
    fn each_condition_alone() {
        assert_eq!(read(&[]), 200);
        assert_eq!((read(&[("if-match", "\"abc\"")]), read(&[("if-match", "x")])), (200, 412));
        assert_eq!((read(&[("if-none-match", "\"abc\"")]), read(&[("if-none-match", "x")])), (304, 200));
        assert_eq!((read(&[("if-match", "*")]), read(&[("if-none-match", "*")])), (200, 304));
        assert_eq!((read(&[("if-modified-since", BEFORE)]), read(&[("if-modified-since", AT)])), (200, 304));
        assert_eq!((read(&[("if-unmodified-since", BEFORE)]), read(&[("if-unmodified-since", AT)])), (412, 200));
    }

    #[test]
    fn etags_go_before_dates() {
        assert_eq!(read(&[("if-match", "abc"), ("if-unmodified-since", BEFORE)]), 200);
        assert_eq!(read(&[("if-none-match", "abc"), ("if-modified-since", BEFORE)]), 304);
        assert_eq!(read(&[("if-none-match", "x"), ("if-modified-since", AT)]), 200);
        assert_eq!(read(&[("if-match", "x"), ("if-none-match", "abc")]), 412);
    }

    #[test]
    fn dates_that_are_none_are_no_condition() {
        assert_eq!(read(&[("if-unmodified-since", "yesterday")]), 200);
        assert_eq!(read(&[("if-modified-since", "")]), 200);
    }

    #[test]
    fn a_copy_source_that_did_not_change_is_a_failed_precondition() {
        let conditions = ReadConditions::of_copy_source(&headers(&[("x-amz-copy-source-if-none-match", "abc")]));
        let error = conditions.unwrap().check("abc", MODIFIED_S).unwrap_err();
        assert_eq!(error.code(), "PreconditionFailed");
        assert_eq!(error.element("Condition"), Some("x-amz-copy-source-If-None-Match"));
    }

    #[test]
    fn conditions_of_the_object_are_not_those_of_the_copy_source() {
        let conditions = ReadConditions::of_copy_source(&headers(&[("if-match", "x")])).unwrap();
        assert_eq!(conditions, ReadConditions { of_copy_source: true, ..Default::default() });
    }

    #[test]
    fn writes_know_absent_and_this_one() {
        let put = |pairs: &[(&str, &str)]| WriteCondition::of_put(&headers(pairs));
        assert_eq!(put(&[]).unwrap(), WriteCondition::Always);
        assert_eq!(put(&[("if-none-match", "*")]).unwrap(), WriteCondition::IfAbsent);
        let etag = ETagCondition::OneOf(vec!["abc".into()]);
        assert_eq!(put(&[("if-match", "\"abc\"")]).unwrap(), WriteCondition::IfMatch(etag));
    }

    #[test]
    fn other_write_conditions_are_refused_not_ignored() {
        for pairs in [
            &[("if-none-match", "\"abc\"")][..],
            &[("if-none-match", "")],
            &[("if-match", "*")],
            &[("if-match", "abc"), ("if-none-match", "*")],
        ] {
            assert_eq!(WriteCondition::of_put(&headers(pairs)).unwrap_err().code(), "NotImplemented");
        }
        for name in ["if-none-match", "x-amz-if-match-size"] {
            assert!(WriteCondition::of_delete(&headers(&[(name, "1")])).is_err());
        }
        let any = WriteCondition::of_delete(&headers(&[("if-match", "*")])).unwrap();
        assert_eq!(any, WriteCondition::IfMatch(ETagCondition::Any));
    }
}
