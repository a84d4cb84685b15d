//! Reading lifecycle rules: what is not in the schema is malformed, whatever else is wrong.

use coffer_configuration::{
    Expiration, FilterForm, LifecycleConfiguration, LifecycleFilter, LifecycleRule, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, Transition, TransitionStorageClass, When,
};

use super::check::check;
use crate::error::S3Error;
use crate::time::parse_iso8601;
use crate::xml::XmlReader;
use crate::xml::documents::{once, parse_bool};
use crate::xml::tagging::parse_tag;

/// The most bytes that an object can have, as lifecycle rules see it: 1,000 TiB.
const MAX_SIZE: u64 = 1_099_511_627_776_000;

/// Parses the body of PutBucketLifecycleConfiguration. A rule without an ID has an empty one.
///
/// # Errors
/// `MalformedXML`; `InvalidArgument`, `InvalidRequest` and `InvalidTag` for what S3 does not do.
pub fn parse_lifecycle_configuration(body: &[u8]) -> Result<LifecycleConfiguration, S3Error> {
    let mut parser = Parser { xml: XmlReader::open(body, "LifecycleConfiguration")?, fault: None };
    let mut configuration = LifecycleConfiguration::default();
    while let Some(name) = parser.xml.child()? {
        match name.as_str() {
            "Rule" => configuration.rules.push(parser.rule()?),
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match parser.fault {
        Some(fault) => Err(fault),
        None => check(&configuration).map(|()| configuration),
    }
}

struct Parser<'a> {
    xml: XmlReader<'a>,
    /// The first thing that the schema allows and S3 does not.
    fault: Option<S3Error>,
}

impl Parser<'_> {
    fn note(&mut self, fault: S3Error) {
        self.fault.get_or_insert(fault);
    }

    fn rule(&mut self) -> Result<LifecycleRule, S3Error> {
        let mut rule = LifecycleRule::default();
        let (mut id, mut enabled, mut prefix, mut filter) = (None, None, None, None);
        while let Some(name) = self.xml.child()? {
            match name.as_str() {
                "ID" => once(&mut id, self.xml.text()?)?,
                "Status" => once(&mut enabled, self.status()?)?,
                "Prefix" => once(&mut prefix, self.xml.text()?)?,
                "Filter" => once(&mut filter, self.filter()?)?,
                "Expiration" => once(&mut rule.expiration, self.expiration()?)?,
                "NoncurrentVersionExpiration" => {
                    once(&mut rule.noncurrent_version_expiration, self.noncurrent_expiration()?)?;
                }
                "AbortIncompleteMultipartUpload" => {
                    once(&mut rule.abort_incomplete_multipart_upload_days, self.abort()?)?;
                }
                "Transition" => rule.transitions.push(self.transition()?),
                "NoncurrentVersionTransition" => {
                    rule.noncurrent_version_transitions.push(self.noncurrent_transition()?);
                }
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        rule.id = id.unwrap_or_default();
        rule.enabled = enabled.ok_or_else(S3Error::malformed_xml)?;
        rule.filter = match (prefix, filter) {
            (None, Some(filter)) => filter,
            (prefix @ Some(_), None) => {
                LifecycleFilter { form: FilterForm::Prefix, prefix, ..LifecycleFilter::default() }
            }
            _ => return Err(S3Error::malformed_xml()),
        };
        Ok(rule)
    }

    fn status(&mut self) -> Result<bool, S3Error> {
        match self.xml.text()?.trim() {
            "Enabled" => Ok(true),
            "Disabled" => Ok(false),
            _ => Err(S3Error::malformed_xml()),
        }
    }

    /// A filter has one condition or none; several stand within `And`.
    fn filter(&mut self) -> Result<LifecycleFilter, S3Error> {
        let mut filter = LifecycleFilter::default();
        let mut conditions = 0;
        while let Some(name) = self.xml.child()? {
            conditions += 1;
            if name == "And" {
                filter = self.and()?;
            } else {
                self.condition(&name, &mut filter)?;
            }
        }
        if conditions > 1 { Err(S3Error::malformed_xml()) } else { Ok(filter) }
    }

    fn and(&mut self) -> Result<LifecycleFilter, S3Error> {
        let mut filter = LifecycleFilter { form: FilterForm::And, ..LifecycleFilter::default() };
        let mut conditions = 0;
        while let Some(name) = self.xml.child()? {
            conditions += 1;
            self.condition(&name, &mut filter)?;
        }
        if conditions < 2 { Err(S3Error::malformed_xml()) } else { Ok(filter) }
    }

    fn condition(&mut self, name: &str, filter: &mut LifecycleFilter) -> Result<(), S3Error> {
        match name {
            "Prefix" => once(&mut filter.prefix, self.xml.text()?),
            "Tag" => {
                let tag = self.tag()?;
                filter.tags.push(tag);
                Ok(())
            }
            "ObjectSizeGreaterThan" => once(&mut filter.object_size_greater_than, self.size(name, 0)?),
            "ObjectSizeLessThan" => once(&mut filter.object_size_less_than, self.size(name, 1)?),
            _ => Err(S3Error::malformed_xml()),
        }
    }

    fn tag(&mut self) -> Result<(String, String), S3Error> {
        let tag = parse_tag(&mut self.xml)?;
        if let Err(invalid) = tag.check() {
            self.note(S3Error::impossible_tag(&tag, invalid));
        }
        Ok((tag.key, tag.value))
    }

    fn size(&mut self, element: &str, min: u64) -> Result<u64, S3Error> {
        let size = u64::try_from(self.xml.parse::<i64>()?).ok().filter(|size| (min..=MAX_SIZE).contains(size));
        if size.is_none() {
            self.note(S3Error::lifecycle_size_out_of_range(element, min, MAX_SIZE));
        }
        Ok(size.unwrap_or(min))
    }

    fn expiration(&mut self) -> Result<Expiration, S3Error> {
        let mut expiration = None;
        while let Some(name) = self.xml.child()? {
            let named = match name.as_str() {
                "Days" => Expiration::When(When::Days(self.positive("Days", "Expiration")?)),
                "Date" => Expiration::When(When::Date(self.date()?)),
                "ExpiredObjectDeleteMarker" => Expiration::ExpiredObjectDeleteMarker(parse_bool(&mut self.xml)?),
                _ => return Err(S3Error::malformed_xml()),
            };
            once(&mut expiration, named)?;
        }
        expiration.ok_or_else(S3Error::malformed_xml)
    }

    fn noncurrent_expiration(&mut self) -> Result<NoncurrentVersionExpiration, S3Error> {
        const ACTION: &str = "NoncurrentVersionExpiration";
        let (mut days, mut newer) = (None, None);
        while let Some(name) = self.xml.child()? {
            match name.as_str() {
                "NoncurrentDays" => once(&mut days, self.positive(&name, ACTION)?)?,
                "NewerNoncurrentVersions" => once(&mut newer, self.positive(&name, ACTION)?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        let noncurrent_days = days.ok_or_else(S3Error::malformed_xml)?;
        Ok(NoncurrentVersionExpiration { noncurrent_days, newer_noncurrent_versions: newer })
    }

    fn abort(&mut self) -> Result<u32, S3Error> {
        let mut days = None;
        while let Some(name) = self.xml.child()? {
            match name.as_str() {
                "DaysAfterInitiation" => once(&mut days, self.positive(&name, "AbortIncompleteMultipartUpload")?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        days.ok_or_else(S3Error::malformed_xml)
    }

    fn transition(&mut self) -> Result<Transition, S3Error> {
        let (mut when, mut class) = (None, None);
        while let Some(name) = self.xml.child()? {
            match name.as_str() {
                "Days" => once(&mut when, When::Days(self.not_negative("Days", "Transition")?))?,
                "Date" => once(&mut when, When::Date(self.date()?))?,
                "StorageClass" => once(&mut class, self.storage_class()?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        let (Some(when), Some(storage_class)) = (when, class) else { return Err(S3Error::malformed_xml()) };
        Ok(Transition { when, storage_class })
    }

    fn noncurrent_transition(&mut self) -> Result<NoncurrentVersionTransition, S3Error> {
        const ACTION: &str = "NoncurrentVersionTransition";
        let (mut days, mut newer, mut class) = (None, None, None);
        while let Some(name) = self.xml.child()? {
            match name.as_str() {
                "NoncurrentDays" => once(&mut days, self.not_negative(&name, ACTION)?)?,
                "NewerNoncurrentVersions" => once(&mut newer, self.positive(&name, ACTION)?)?,
                "StorageClass" => once(&mut class, self.storage_class()?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        let (Some(noncurrent_days), Some(storage_class)) = (days, class) else { return Err(S3Error::malformed_xml()) };
        Ok(NoncurrentVersionTransition { noncurrent_days, newer_noncurrent_versions: newer, storage_class })
    }

    fn storage_class(&mut self) -> Result<TransitionStorageClass, S3Error> {
        TransitionStorageClass::from_name(self.xml.text()?.trim()).ok_or_else(S3Error::malformed_xml)
    }

    fn positive(&mut self, element: &str, action: &str) -> Result<u32, S3Error> {
        let value: i32 = self.xml.parse()?;
        let positive = u32::try_from(value).ok().filter(|value| *value > 0);
        if positive.is_none() {
            self.note(S3Error::lifecycle_number_not_positive(element, action, value));
        }
        Ok(positive.unwrap_or(1))
    }

    fn not_negative(&mut self, element: &str, action: &str) -> Result<u32, S3Error> {
        let value: i32 = self.xml.parse()?;
        if value < 0 {
            self.note(S3Error::lifecycle_days_negative(element, action, value));
        }
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// A date, with midnight UTC or without a time.
    fn date(&mut self) -> Result<u64, S3Error> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let text = self.xml.text()?;
        let date = text.trim();
        let utc = match date.strip_suffix("+00:00") {
            Some(local) => format!("{local}Z"),
            None if date.contains('T') => date.to_owned(),
            None => format!("{date}T00:00:00Z"),
        };
        let unix_ms = parse_iso8601(&utc).ok_or_else(S3Error::malformed_xml)?;
        if unix_ms % DAY_MS != 0 {
            self.note(S3Error::lifecycle_date_not_midnight(date));
        }
        Ok(unix_ms)
    }
}
