//! The documents of Object Lock: a bucket's configuration, and the retention and legal hold of a version.

use coffer_configuration::{DefaultRetention, ObjectLockConfiguration, Retention, RetentionMode, RetentionPeriod};

use super::documents::once;
use super::read::XmlReader;
use super::write::document;
use crate::error::S3Error;
use crate::object_lock::{legal_hold_name, parse_legal_hold};
use crate::time::{iso8601, parse_timestamp};

/// Parses the body of PutObjectLockConfiguration.
///
/// # Errors
/// `MalformedXML`; `InvalidArgument` for a period that is not positive or longer than 100 years.
pub fn parse_object_lock_configuration(body: &[u8]) -> Result<ObjectLockConfiguration, S3Error> {
    let mut xml = XmlReader::open(body, "ObjectLockConfiguration")?;
    let (mut enabled, mut rule) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ObjectLockEnabled" => once(&mut enabled, xml.text()?)?,
            "Rule" => once(&mut rule, parse_rule(&mut xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    if enabled.as_deref() != Some("Enabled") {
        return Err(S3Error::malformed_xml());
    }
    Ok(ObjectLockConfiguration { default_retention: rule })
}

fn parse_rule(xml: &mut XmlReader<'_>) -> Result<DefaultRetention, S3Error> {
    let mut retention = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "DefaultRetention" => once(&mut retention, parse_default_retention(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    retention.ok_or_else(S3Error::malformed_xml)
}

fn parse_default_retention(xml: &mut XmlReader<'_>) -> Result<DefaultRetention, S3Error> {
    let (mut mode, mut days, mut years) = (None, None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Mode" => once(&mut mode, parse_mode(xml)?)?,
            "Days" => once(&mut days, xml.parse::<i64>()?)?,
            "Years" => once(&mut years, xml.parse::<i64>()?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let period = match (days, years) {
        (Some(days), None) => RetentionPeriod::Days(period("Days", days, MOST_DAYS)?),
        (None, Some(years)) => RetentionPeriod::Years(period("Years", years, MOST_YEARS)?),
        (None, None) | (Some(_), Some(_)) => return Err(S3Error::malformed_xml()),
    };
    Ok(DefaultRetention { mode: mode.ok_or_else(S3Error::malformed_xml)?, period })
}

fn period(unit: &str, value: i64, most: u32) -> Result<u32, S3Error> {
    match u32::try_from(value) {
        Ok(1..) if value <= i64::from(most) => Ok(value.try_into().expect("it is at most `most`")),
        _ if value <= 0 => Err(S3Error::retention_period_not_positive(unit, &value.to_string())),
        _ => Err(S3Error::retention_period_too_large(unit, &value.to_string())),
    }
}

/// Writes what GetObjectLockConfiguration answers.
#[must_use]
pub fn write_object_lock_configuration(configuration: &ObjectLockConfiguration) -> String {
    document("ObjectLockConfiguration", |xml| {
        xml.text("ObjectLockEnabled", "Enabled");
        let Some(retention) = configuration.default_retention else { return };
        xml.element("Rule", |xml| {
            xml.element("DefaultRetention", |xml| {
                xml.text("Mode", retention.mode.name());
                match retention.period {
                    RetentionPeriod::Days(days) => xml.value("Days", days),
                    RetentionPeriod::Years(years) => xml.value("Years", years),
                };
            });
        });
    })
}

/// Parses the body of PutObjectRetention; `None` takes the retention away.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_retention(body: &[u8]) -> Result<Option<Retention>, S3Error> {
    let mut xml = XmlReader::open(body, "Retention")?;
    let (mut mode, mut until) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Mode" => once(&mut mode, parse_mode(&mut xml)?)?,
            "RetainUntilDate" => {
                let date = parse_timestamp(xml.text()?.trim()).ok_or_else(S3Error::malformed_xml)?;
                once(&mut until, date)?;
            }
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode), Some(until_ms)) => Ok(Some(Retention { mode, until_ms })),
        (None, Some(_)) | (Some(_), None) => Err(S3Error::malformed_xml()),
    }
}

/// Writes what GetObjectRetention answers.
#[must_use]
pub fn write_retention(retention: &Retention) -> String {
    document("Retention", |xml| {
        xml.text("Mode", retention.mode.name()).text("RetainUntilDate", iso8601(retention.until_ms));
    })
}

/// Parses the body of PutObjectLegalHold: whether the hold is on.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_legal_hold_document(body: &[u8]) -> Result<bool, S3Error> {
    let mut xml = XmlReader::open(body, "LegalHold")?;
    let mut status = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Status" => {
                let on = parse_legal_hold(xml.text()?.trim()).ok_or_else(S3Error::malformed_xml)?;
                once(&mut status, on)?;
            }
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    status.ok_or_else(S3Error::malformed_xml)
}

/// Writes what GetObjectLegalHold answers.
#[must_use]
pub fn write_legal_hold(on: bool) -> String {
    document("LegalHold", |xml| {
        xml.text("Status", legal_hold_name(on));
    })
}

fn parse_mode(xml: &mut XmlReader<'_>) -> Result<RetentionMode, S3Error> {
    RetentionMode::from_name(xml.text()?.trim()).ok_or_else(S3Error::malformed_xml)
}

/// The longest default retentions.
const MOST_DAYS: u32 = 36_500;
const MOST_YEARS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(inner: &str) -> Result<ObjectLockConfiguration, S3Error> {
        let body = format!("<ObjectLockConfiguration xmlns='u'>{inner}</ObjectLockConfiguration>");
        parse_object_lock_configuration(body.as_bytes())
    }

    fn with_default(inner: &str) -> Result<ObjectLockConfiguration, S3Error> {
        let retention = format!("<DefaultRetention>{inner}</DefaultRetention>");
        configuration(&format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>{retention}</Rule>"))
    }

    fn code<T>(outcome: Result<T, S3Error>) -> Option<&'static str> {
        outcome.err().map(|error| error.code())
    }

    fn retention(inner: &str) -> Result<Option<Retention>, S3Error> {
        parse_retention(format!("<Retention>{inner}</Retention>").as_bytes())
    }

    #[test]
    fn what_was_put_is_answered() {
        for inner in ["<Mode>GOVERNANCE</Mode><Days>1</Days>", "<Mode>COMPLIANCE</Mode><Years>100</Years>"] {
            let read = with_default(inner).unwrap();
            let answer = write_object_lock_configuration(&read);
            assert!(answer.contains(inner), "{answer}");
            assert_eq!(parse_object_lock_configuration(answer.as_bytes()).unwrap(), read);
        }
        let bare = configuration("<ObjectLockEnabled>Enabled</ObjectLockEnabled>").unwrap();
        assert_eq!(bare, ObjectLockConfiguration::default());
        assert!(!write_object_lock_configuration(&bare).contains("Rule"));
    }

    #[test]
    fn object_lock_cannot_be_switched_off() {
        for inner in [
            "",
            "<ObjectLockEnabled/>",
            "<ObjectLockEnabled>Disabled</ObjectLockEnabled>",
            "<ObjectLockEnabled>enabled</ObjectLockEnabled>",
            "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>",
        ] {
            assert_eq!(code(configuration(inner)), Some("MalformedXML"), "{inner}");
        }
    }

    #[test]
    fn a_default_has_a_mode_and_one_period() {
        for inner in [
            "",
            "<Mode>GOVERNANCE</Mode>",
            "<Days>1</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><Days>2</Days>",
            "<Mode>GOVERNANCE</Mode><Mode>COMPLIANCE</Mode><Days>1</Days>",
            "<Mode>governance</Mode><Days>1</Days>",
            "<Mode>GOVERNANCE</Mode><Days>one</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1.5</Days>",
            "<Mode>GOVERNANCE</Mode><Days/>",
            "<Mode>GOVERNANCE</Mode><Days>99999999999999999999</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><DefaultEventHold><Days>1</Days></DefaultEventHold>",
        ] {
            assert_eq!(code(with_default(inner)), Some("MalformedXML"), "{inner}");
        }
        for inner in ["<Rule/>", "<Rule></Rule><Rule></Rule>", "<Other/>"] {
            let inner = format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{inner}");
            assert_eq!(code(configuration(&inner)), Some("MalformedXML"), "{inner}");
        }
    }

    #[test]
    fn a_default_lasts_from_a_day_to_a_hundred_years() {
        let refused = |unit: &str, value: &str| {
            let inner = format!("<Mode>GOVERNANCE</Mode><{unit}>{value}</{unit}>");
            let error = with_default(&inner).err()?;
            assert_eq!((error.code(), error.element("ArgumentName")), ("InvalidArgument", Some(unit)));
            Some(error.message().to_owned())
        };
        let not_positive = Some("Default retention period must be a positive integer value.".to_owned());
        let too_large = Some("Default retention period too large.".to_owned());
        for (unit, most) in [("Days", "36500"), ("Years", "100")] {
            assert_eq!((refused(unit, "1"), refused(unit, most)), (None, None));
            assert_eq!((refused(unit, "0"), refused(unit, "-1")), (not_positive.clone(), not_positive.clone()));
            let more = (most.parse::<u32>().unwrap() + 1).to_string();
            assert_eq!((refused(unit, &more), refused(unit, "999999999")), (too_large.clone(), too_large.clone()));
            assert_eq!(refused(unit, "4294967297"), too_large, "it is not cut to 32 bits");
        }
    }

    #[test]
    fn a_retention_is_whole_or_none() {
        let kept = retention("<Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00.250Z</RetainUntilDate>");
        let kept = kept.unwrap().unwrap();
        assert_eq!((kept.mode, kept.until_ms), (RetentionMode::Compliance, 1_893_456_000_250));
        assert_eq!(parse_retention(write_retention(&kept).as_bytes()).unwrap(), Some(kept));
        assert_eq!(retention("").unwrap(), None);
        for inner in [
            "<Mode>GOVERNANCE</Mode>",
            "<RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>abc</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>governance</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode/><RetainUntilDate/>",
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>10000-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01</RetainUntilDate>",
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate><EventHold>ON</EventHold>",
            "<Mode>GOVERNANCE</Mode><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "text",
        ] {
            assert_eq!(code(retention(inner)), Some("MalformedXML"), "{inner}");
        }
        assert_eq!(code(parse_retention(b"")), Some("MalformedXML"));
        assert_eq!(code(parse_retention(b"<LegalHold/>")), Some("MalformedXML"));
    }

    #[test]
    fn a_legal_hold_is_on_or_off() {
        let hold = |inner: &str| parse_legal_hold_document(format!("<LegalHold>{inner}</LegalHold>").as_bytes());
        assert!(hold("<Status>ON</Status>").unwrap() && !hold("<Status>OFF</Status>").unwrap());
        for on in [true, false] {
            assert_eq!(parse_legal_hold_document(write_legal_hold(on).as_bytes()).unwrap(), on);
        }
        for inner in ["", "<Status/>", "<Status>abc</Status>", "<Status>on</Status>", "<Other/>"] {
            assert_eq!(code(hold(inner)), Some("MalformedXML"), "{inner}");
        }
        assert_eq!(code(hold("<Status>ON</Status><Status>OFF</Status>")), Some("MalformedXML"));
        assert_eq!(code(parse_legal_hold_document(b"")), Some("MalformedXML"));
    }
}
