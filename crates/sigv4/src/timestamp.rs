//! Points in time, as the protocol writes them.

use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// The time of a request, to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// `YYYYMMDDTHHMMSSZ`.
    text: String,
    unix_s: i64,
}

impl Timestamp {
    /// The time `unix_s` seconds after 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999.
    #[must_use]
    pub fn from_unix_s(unix_s: i64) -> Option<Self> {
        let at = OffsetDateTime::from_unix_timestamp(unix_s).ok().filter(|at| (0..=9999).contains(&at.year()))?;
        let (date, time) = (at.date(), at.time());
        let text = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        Some(Self { text, unix_s })
    }

    /// Reads `YYYYMMDDTHHMMSSZ`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let [date @ .., b'T', h1, h2, m1, m2, s1, s2, b'Z'] = digits else { return None };
        let time = Time::from_hms(number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?).ok()?;
        let unix_s = PrimitiveDateTime::new(parse_date(date)?, time).assume_utc().unix_timestamp();
        Some(Self { text: text.to_owned(), unix_s })
    }

    /// Reads an HTTP date, such as `Fri, 24 May 2013 00:00:00 GMT`.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        Self::from_unix_s(OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp())
    }

    /// `YYYYMMDDTHHMMSSZ`: the value of `x-amz-date`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The day, `YYYYMMDD`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.text[..DATE_LEN]
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_s(&self) -> i64 {
        self.unix_s
    }
}

/// Whether `text` is `YYYYMMDD` and such a day exists.
pub(crate) fn is_date(text: &str) -> bool {
    text.as_bytes().try_into().is_ok_and(|digits| parse_date(digits).is_some())
}

fn parse_date(digits: &[u8; DATE_LEN]) -> Option<Date> {
    let [y1, y2, y3, y4, m1, m2, d1, d2] = *digits;
    let year = i32::from(number(&[y1, y2])?) * 100 + i32::from(number(&[y3, y4])?);
    Date::from_calendar_date(year, Month::try_from(number(&[m1, m2])?).ok()?, number(&[d1, d2])?).ok()
}

fn number(digits: &[u8; 2]) -> Option<u8> {
    digits.iter().all(u8::is_ascii_digit).then(|| (digits[0] - b'0') * 10 + digits[1] - b'0')
}

/// Characters of `YYYYMMDD`.
const DATE_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_iso_8601_is_read_and_written() {
        let parsed = Timestamp::parse("20130524T000000Z").unwrap();
        assert_eq!((parsed.unix_s(), parsed.date()), (1_369_353_600, "20130524"));
        assert_eq!(Timestamp::from_unix_s(1_369_353_600), Some(parsed.clone()));
        assert_eq!(Timestamp::parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(parsed));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T000000+",
            "20130524t000000Z",
            "20130524T000000z",
            "2013-05-24T00:00:00Z",
            "20130532T000000Z",
            "20130229T000000Z",
            "20130024T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "20130524T000060Z",
            "2013052-T000000Z",
            "20130524T0000 0Z",
            "20130524T00000é",
            "Fri, 24 May 2013 00:00:00 GMT",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn years_have_four_digits() {
        assert!(Timestamp::from_unix_s(253_402_300_799).is_some());
        assert_eq!(Timestamp::from_unix_s(253_402_300_800), None);
        assert_eq!(Timestamp::from_unix_s(i64::MIN), None);
    }
}
