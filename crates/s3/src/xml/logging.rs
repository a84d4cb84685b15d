//! The document about where the log of a bucket goes.

use coffer_access::AclPermission;
use coffer_store::{BucketLogging, LogKeyFormat};

use super::access::{parse_grants, write_grants};
use super::documents::once;
use super::read::XmlReader;
use super::write::document;
use crate::acl::RequestedGrant;
use crate::error::S3Error;

/// `LoggingEnabled` of PutBucketLogging.
#[derive(Debug, PartialEq, Eq)]
pub struct LoggingEnabled {
    /// The name of the bucket that log objects are put into.
    pub target_bucket: String,
    /// What their keys start with.
    pub target_prefix: String,
    /// `TargetGrants`, at most 100, as they were sent.
    pub target_grants: Vec<RequestedGrant>,
    /// `TargetObjectKeyFormat`.
    pub key_format: LogKeyFormat,
}

/// Parses the body of PutBucketLogging; `None` switches logging off.
///
/// # Errors
/// `MalformedXML`; `InvalidArgument` for a group that is none.
pub fn parse_bucket_logging_status(body: &[u8]) -> Result<Option<LoggingEnabled>, S3Error> {
    let mut xml = XmlReader::open(body, "BucketLoggingStatus")?;
    let mut enabled = None;
    while let Some(name) = xml.child()? {
        if name != "LoggingEnabled" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut enabled, parse_logging_enabled(&mut xml)?)?;
    }
    Ok(enabled)
}

fn parse_logging_enabled(xml: &mut XmlReader<'_>) -> Result<LoggingEnabled, S3Error> {
    let (mut bucket, mut prefix, mut grants, mut format) = (None, None, None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "TargetBucket" => once(&mut bucket, xml.text()?)?,
            "TargetPrefix" => once(&mut prefix, xml.text()?)?,
            "TargetGrants" => once(&mut grants, parse_grants(xml)?)?,
            "TargetObjectKeyFormat" => once(&mut format, parse_key_format(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let (Some(target_bucket), Some(target_prefix)) = (bucket, prefix) else { return Err(S3Error::malformed_xml()) };
    let target_grants = grants.unwrap_or_default();
    if target_grants.iter().any(|grant| !TARGET_PERMISSIONS.contains(&grant.permission)) {
        return Err(S3Error::malformed_xml());
    }
    Ok(LoggingEnabled { target_bucket, target_prefix, target_grants, key_format: format.unwrap_or_default() })
}

fn parse_key_format(xml: &mut XmlReader<'_>) -> Result<LogKeyFormat, S3Error> {
    let mut format = None;
    while let Some(name) = xml.child()? {
        let named = match name.as_str() {
            "SimplePrefix" => {
                if !xml.text()?.trim().is_empty() {
                    return Err(S3Error::malformed_xml());
                }
                LogKeyFormat::SimplePrefix
            }
            "PartitionedPrefix" => parse_partitioned_prefix(xml)?,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(&mut format, named)?;
    }
    format.ok_or_else(S3Error::malformed_xml)
}

/// A prefix is partitioned by the time of the requests unless the document says otherwise.
fn parse_partitioned_prefix(xml: &mut XmlReader<'_>) -> Result<LogKeyFormat, S3Error> {
    let mut source = None;
    while let Some(name) = xml.child()? {
        if name != "PartitionDateSource" {
            return Err(S3Error::malformed_xml());
        }
        let named = match xml.text()?.trim() {
            "EventTime" => LogKeyFormat::EventTime,
            "DeliveryTime" => LogKeyFormat::DeliveryTime,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(&mut source, named)?;
    }
    Ok(source.unwrap_or(LogKeyFormat::EventTime))
}

/// Writes what GetBucketLogging answers. `canonical_id` gives that of an account.
#[must_use]
pub fn write_bucket_logging_status(logging: Option<&BucketLogging>, canonical_id: impl Fn(&str) -> String) -> String {
    document("BucketLoggingStatus", |xml| {
        let Some(logging) = logging else { return };
        xml.element("LoggingEnabled", |xml| {
            xml.text("TargetBucket", &logging.target_bucket);
            xml.text("TargetPrefix", &logging.target_prefix);
            if !logging.grants.is_empty() {
                xml.element("TargetGrants", |xml| write_grants(xml, &logging.grants, &canonical_id));
            }
            let partitioned_by = match logging.key_format {
                LogKeyFormat::NotSet => return,
                LogKeyFormat::SimplePrefix => None,
                LogKeyFormat::EventTime => Some("EventTime"),
                LogKeyFormat::DeliveryTime => Some("DeliveryTime"),
            };
            xml.element("TargetObjectKeyFormat", |xml| {
                match partitioned_by {
                    None => xml.text("SimplePrefix", ""),
                    Some(source) => xml.element("PartitionedPrefix", |xml| {
                        xml.text("PartitionDateSource", source);
                    }),
                };
            });
        });
    })
}

/// What log objects can be granted for.
const TARGET_PERMISSIONS: [AclPermission; 3] = [AclPermission::FullControl, AclPermission::Read, AclPermission::Write];

#[cfg(test)]
mod tests {
    use coffer_access::{Grant, Grantee};

    use super::*;

    fn parse(inner: &str) -> Result<Option<LoggingEnabled>, S3Error> {
        parse_bucket_logging_status(format!("<BucketLoggingStatus>{inner}</BucketLoggingStatus>").as_bytes())
    }

    fn format(inner: &str) -> Result<LogKeyFormat, &'static str> {
        let target = "<TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix>";
        let parsed = parse(&format!(
            "<LoggingEnabled>{target}<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat></LoggingEnabled>"
        ));
        parsed.map(|enabled| enabled.unwrap().key_format).map_err(|error| error.code())
    }

    #[test]
    fn an_empty_status_switches_logging_off() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse_bucket_logging_status(b"<BucketLoggingStatus xmlns='u'/>").unwrap(), None);
    }

    #[test]
    fn a_target_is_read_as_it_stands() {
        let enabled = parse(
            "<LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix> a&amp;b/</TargetPrefix></LoggingEnabled>",
        );
        let enabled = enabled.unwrap().unwrap();
        assert_eq!((enabled.target_bucket.as_str(), enabled.target_prefix.as_str()), ("logs", " a&b/"));
        assert_eq!((enabled.target_grants.len(), enabled.key_format), (0, LogKeyFormat::NotSet));
    }

    #[test]
    fn key_formats_are_told_apart() {
        let partitioned = |source: &str| {
            format(&format!(
                "<PartitionedPrefix><PartitionDateSource>{source}</PartitionDateSource></PartitionedPrefix>"
            ))
        };
        assert_eq!(format("<SimplePrefix/>"), Ok(LogKeyFormat::SimplePrefix));
        assert_eq!(partitioned("EventTime"), Ok(LogKeyFormat::EventTime));
        assert_eq!(partitioned("DeliveryTime"), Ok(LogKeyFormat::DeliveryTime));
        assert_eq!(format("<PartitionedPrefix/>"), Ok(LogKeyFormat::EventTime));
        assert_eq!(partitioned("Yesterday"), Err("MalformedXML"));
        assert_eq!(format(""), Err("MalformedXML"));
        assert_eq!(format("<SimplePrefix/><PartitionedPrefix/>"), Err("MalformedXML"));
        assert_eq!(format("<SimplePrefix>x</SimplePrefix>"), Err("MalformedXML"));
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        let grant = |permission: &str| {
            let grantee = "<Grantee xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='Group'>\
                           <URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>";
            format!(
                "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/><TargetGrants><Grant>{grantee}\
                 <Permission>{permission}</Permission></Grant></TargetGrants></LoggingEnabled>"
            )
        };
        assert_eq!(parse(&grant("READ")).unwrap().unwrap().target_grants.len(), 1);
        for inner in [
            "<LoggingEnabled/>",
            "<LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled>",
            "<LoggingEnabled><TargetPrefix>p</TargetPrefix></LoggingEnabled>",
            "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetBucket>c</TargetBucket><TargetPrefix/></LoggingEnabled>",
            "<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/><Other/></LoggingEnabled>",
            "<Other/>",
            "text",
            &grant("READ_ACP"),
            &grant("NOTHING"),
        ] {
            assert_eq!(parse(inner).map_err(|error| error.code()), Err("MalformedXML"), "{inner}");
        }
    }

    #[test]
    fn what_was_put_is_answered() {
        let logging = BucketLogging {
            target_bucket: "logs".to_owned(),
            target_prefix: "a&b/".to_owned(),
            grants: vec![Grant { grantee: Grantee::Account("1".to_owned()), permission: AclPermission::Read }],
            key_format: LogKeyFormat::DeliveryTime,
        };
        let answer = write_bucket_logging_status(Some(&logging), |account| format!("id-of-{account}"));
        let read = parse_bucket_logging_status(answer.as_bytes()).unwrap().unwrap();
        assert_eq!((read.target_bucket, read.target_prefix), (logging.target_bucket, logging.target_prefix));
        assert_eq!((read.target_grants.len(), read.key_format), (1, LogKeyFormat::DeliveryTime));
        assert!(answer.contains("<ID>id-of-1</ID>"), "{answer}");
    }

    #[test]
    fn no_logging_is_an_empty_status() {
        let answer = write_bucket_logging_status(None, str::to_owned);
        assert_eq!(parse_bucket_logging_status(answer.as_bytes()).unwrap(), None);
    }
}
