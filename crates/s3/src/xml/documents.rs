//! The documents that clients send. Everything that is not as it should be is `MalformedXML`.

use coffer_configuration::Tag;

use super::read::XmlReader;
use super::tagging::parse_tags;
use crate::checksum::ChecksumAlgorithm;
use crate::error::S3Error;

/// Parts that one multipart upload can have.
const MAX_PARTS: usize = 10_000;
/// Objects that one DeleteObjects can name.
const MAX_DELETED_OBJECTS: usize = 1_000;

/// A part as CompleteMultipartUpload names it.
#[derive(PartialEq, Eq, Debug)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Without the quotes around it.
    pub etag: String,
    /// Base64 as it was sent, at most one per algorithm.
    pub checksums: Vec<(ChecksumAlgorithm, String)>,
}

/// Parses the body of CompleteMultipartUpload: 1 to 10,000 parts, in the order they were sent.
///
/// # Errors
/// `MalformedXML`; I-PN for a part number below 1.
pub fn parse_complete_multipart_upload(body: &[u8]) -> Result<Vec<CompletedPart>, S3Error> {
    let mut xml = XmlReader::open(body, "CompleteMultipartUpload")?;
    let mut parts = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "Part" || parts.len() == MAX_PARTS {
            return Err(S3Error::malformed_xml());
        }
        parts.push(parse_completed_part(&mut xml)?);
    }
    if parts.is_empty() { Err(S3Error::malformed_xml()) } else { Ok(parts) }
}

fn parse_completed_part(xml: &mut XmlReader<'_>) -> Result<CompletedPart, S3Error> {
    let (mut number, mut etag, mut checksums) = (None, None, Vec::new());
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "PartNumber" => once(&mut number, xml.parse::<i64>()?)?,
            "ETag" => once(&mut etag, xml.text()?.trim().trim_matches('"').to_owned())?,
            _ => {
                let algorithm = name.strip_prefix("Checksum").and_then(ChecksumAlgorithm::from_name);
                let algorithm = algorithm.ok_or_else(S3Error::malformed_xml)?;
                if checksums.iter().any(|(other, _)| *other == algorithm) {
                    return Err(S3Error::malformed_xml());
                }
                checksums.push((algorithm, xml.text()?.trim().to_owned()));
            }
        }
    }
    let number = number.ok_or_else(S3Error::malformed_xml)?;
    if number < 1 {
        return Err(S3Error::part_number_below_one(number));
    }
    if number > MAX_PARTS as i64 {
        return Err(S3Error::part_number_out_of_range(&number.to_string()));
    }
    let number = u32::try_from(number).expect("part numbers are at most 10,000");
    Ok(CompletedPart { number, etag: etag.ok_or_else(S3Error::malformed_xml)?, checksums })
}

/// The body of DeleteObjects.
#[derive(PartialEq, Eq, Debug)]
pub struct Delete {
    /// 1 to 1,000 objects, in the order they were sent.
    pub objects: Vec<ObjectIdentifier>,
    /// Whether only errors are reported.
    pub quiet: bool,
}

/// An object as DeleteObjects names it.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct ObjectIdentifier {
    /// The object key, not empty.
    pub key: String,
    /// The version to remove; without it a delete marker may be put.
    pub version_id: Option<String>,
    /// Delete only if the object has this ETag; as it was sent.
    pub etag: Option<String>,
    /// Delete only if the object was last modified then; as it was sent.
    pub last_modified_time: Option<String>,
    /// Delete only if the object has this size, in bytes.
    pub size: Option<u64>,
}

impl Delete {
    /// Parses the body of DeleteObjects.
    ///
    /// # Errors
    /// `MalformedXML`, also for no object and for more than 1,000.
    pub fn parse(body: &[u8]) -> Result<Self, S3Error> {
        let mut xml = XmlReader::open(body, "Delete")?;
        let (mut objects, mut quiet) = (Vec::new(), None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Object" if objects.len() < MAX_DELETED_OBJECTS => objects.push(parse_object_identifier(&mut xml)?),
                "Quiet" => once(&mut quiet, parse_bool(&mut xml)?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        if objects.is_empty() {
            return Err(S3Error::malformed_xml());
        }
        Ok(Self { objects, quiet: quiet.unwrap_or(false) })
    }
}

fn parse_object_identifier(xml: &mut XmlReader<'_>) -> Result<ObjectIdentifier, S3Error> {
    let mut object = ObjectIdentifier::default();
    let mut key = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Key" => once(&mut key, xml.text()?)?,
            "VersionId" => once(&mut object.version_id, xml.text()?)?,
            "ETag" => once(&mut object.etag, xml.text()?)?,
            "LastModifiedTime" => once(&mut object.last_modified_time, xml.text()?)?,
            "Size" => once(&mut object.size, xml.parse()?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    object.key = key.filter(|key| !key.is_empty()).ok_or_else(S3Error::malformed_xml)?;
    // SDKs send an empty element where they mean none.
    object.version_id = object.version_id.filter(|version_id| !version_id.is_empty());
    Ok(object)
}

/// The body of CreateBucket.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct CreateBucketConfiguration {
    /// The region the bucket is to be in.
    pub location_constraint: Option<String>,
    /// Its tags, in the order given, whatever they are.
    pub tags: Option<Vec<Tag>>,
}

impl CreateBucketConfiguration {
    /// Parses the body of CreateBucket, which may be empty.
    ///
    /// # Errors
    /// `MalformedXML`; `NotImplemented` for what makes a directory bucket.
    pub fn parse(body: &[u8]) -> Result<Self, S3Error> {
        let mut configuration = Self::default();
        if body.is_empty() {
            return Ok(configuration);
        }
        let mut xml = XmlReader::open(body, "CreateBucketConfiguration")?;
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "LocationConstraint" => once(&mut configuration.location_constraint, xml.text()?.trim().to_owned())?,
                "Tags" => once(&mut configuration.tags, parse_tags(&mut xml)?)?,
                "Location" | "Bucket" => return Err(S3Error::not_implemented()),
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        Ok(configuration)
    }
}

/// The body of PutBucketEncryption: its one rule.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct ServerSideEncryptionConfiguration {
    /// What objects get that ask for nothing.
    pub default: Option<DefaultEncryption>,
    /// Whether KMS objects use a bucket key.
    pub bucket_key_enabled: Option<bool>,
    /// Which uploads are refused; `None` leaves that as it is.
    pub blocked: Option<BlockedEncryption>,
}

/// `ApplyServerSideEncryptionByDefault`.
#[derive(PartialEq, Eq, Debug)]
pub struct DefaultEncryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// As it was sent: ID, ARN or alias.
    pub kms_master_key_id: Option<String>,
}

/// `BlockedEncryptionTypes`.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub enum BlockedEncryption {
    /// Nothing is blocked.
    None,
    /// Uploads under customer keys are refused.
    SseC,
}

impl ServerSideEncryptionConfiguration {
    /// Parses the body of PutBucketEncryption.
    ///
    /// # Errors
    /// `MalformedXML`, also for no rule, two rules, an empty rule and an unknown algorithm; B-KMSID.
    pub fn parse(body: &[u8]) -> Result<Self, S3Error> {
        let mut xml = XmlReader::open(body, "ServerSideEncryptionConfiguration")?;
        let mut rule = None;
        while let Some(name) = xml.child()? {
            if name != "Rule" {
                return Err(S3Error::malformed_xml());
            }
            once(&mut rule, parse_encryption_rule(&mut xml)?)?;
        }
        let rule = rule.filter(|rule| *rule != Self::default()).ok_or_else(S3Error::malformed_xml)?;
        if let Some(DefaultEncryption { algorithm, kms_master_key_id: Some(_) }) = &rule.default
            && algorithm == "AES256"
        {
            return Err(S3Error::kms_key_not_applicable());
        }
        Ok(rule)
    }
}

fn parse_encryption_rule(xml: &mut XmlReader<'_>) -> Result<ServerSideEncryptionConfiguration, S3Error> {
    let mut rule = ServerSideEncryptionConfiguration::default();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ApplyServerSideEncryptionByDefault" => once(&mut rule.default, parse_default_encryption(xml)?)?,
            "BucketKeyEnabled" => once(&mut rule.bucket_key_enabled, parse_bool(xml)?)?,
            "BlockedEncryptionTypes" => once(&mut rule.blocked, parse_blocked(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    Ok(rule)
}

fn parse_default_encryption(xml: &mut XmlReader<'_>) -> Result<DefaultEncryption, S3Error> {
    let (mut algorithm, mut kms_master_key_id) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "SSEAlgorithm" => once(&mut algorithm, xml.text()?.trim().to_owned())?,
            "KMSMasterKeyID" => once(&mut kms_master_key_id, xml.text()?.trim().to_owned())?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let known = |algorithm: &String| matches!(algorithm.as_str(), "AES256" | "aws:kms" | "aws:kms:dsse");
    let algorithm = algorithm.filter(known).ok_or_else(S3Error::malformed_xml)?;
    Ok(DefaultEncryption { algorithm, kms_master_key_id })
}

fn parse_blocked(xml: &mut XmlReader<'_>) -> Result<BlockedEncryption, S3Error> {
    let mut blocked = None;
    while let Some(name) = xml.child()? {
        if name != "EncryptionType" {
            return Err(S3Error::malformed_xml());
        }
        let value = match xml.text()?.trim() {
            "NONE" => BlockedEncryption::None,
            "SSE-C" => BlockedEncryption::SseC,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(&mut blocked, value)?;
    }
    blocked.ok_or_else(S3Error::malformed_xml)
}

pub(super) fn parse_bool(xml: &mut XmlReader<'_>) -> Result<bool, S3Error> {
    match xml.text()?.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// Fills `slot`; an element that may stand once must not stand twice.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), S3Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(S3Error::malformed_xml()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(outcome: Result<T, S3Error>) -> Option<&'static str> {
        outcome.err().map(|error| error.code())
    }

    #[test]
    fn complete_reads_parts_with_etags_and_checksums() {
        let parts = parse_complete_multipart_upload(
            b"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
              <Part><ETag>\"abc\"</ETag><PartNumber>1</PartNumber></Part>\
              <Part><ChecksumCRC32>AAAAAA==</ChecksumCRC32><PartNumber>10000</PartNumber><ETag>&quot;d&quot;</ETag>\
              </Part></CompleteMultipartUpload>",
        )
        .unwrap();
        assert_eq!(parts[0], CompletedPart { number: 1, etag: "abc".into(), checksums: vec![] });
        let checksums = vec![(ChecksumAlgorithm::Crc32, "AAAAAA==".to_owned())];
        assert_eq!(parts[1], CompletedPart { number: 10000, etag: "d".into(), checksums });
    }

    #[test]
    fn complete_refuses_what_is_not_a_list_of_parts() {
        let part = |inner: &str| {
            let body = format!("<CompleteMultipartUpload><Part>{inner}</Part></CompleteMultipartUpload>");
            code(parse_complete_multipart_upload(body.as_bytes()))
        };
        for inner in [
            "",
            "<ETag>e</ETag>",
            "<PartNumber>1</PartNumber>",
            "<PartNumber/><ETag>e</ETag>",
            "<PartNumber>x</PartNumber><ETag>e</ETag>",
            "<PartNumber>1.0</PartNumber><ETag>e</ETag>",
            "<PartNumber>99999999999999999999</PartNumber><ETag>e</ETag>",
            "<PartNumber>1</PartNumber><PartNumber>1</PartNumber><ETag>e</ETag>",
            "<PartNumber>1</PartNumber><ETag>e</ETag><Size>1</Size>",
            "<PartNumber>1</PartNumber><ETag>e</ETag><ChecksumROT13>x</ChecksumROT13>",
            "<PartNumber>1</PartNumber><ETag>e</ETag><ChecksumSHA1>x</ChecksumSHA1><ChecksumSHA1>x</ChecksumSHA1>",
        ] {
            assert_eq!(part(inner), Some("MalformedXML"), "{inner}");
        }
        for number in ["0", "-1", "10001"] {
            let inner = format!("<PartNumber>{number}</PartNumber><ETag>e</ETag>");
            assert_eq!(part(&inner), Some("InvalidArgument"), "{number}");
        }
        assert_eq!(code(parse_complete_multipart_upload(b"<CompleteMultipartUpload/>")), Some("MalformedXML"));
    }

    #[test]
    fn complete_takes_10000_parts_and_not_one_more() {
        let parts = |count: usize| {
            let part = "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>";
            let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", part.repeat(count));
            parse_complete_multipart_upload(body.as_bytes()).map(|parts| parts.len())
        };
        assert_eq!(parts(10_000).unwrap(), 10_000);
        assert_eq!(code(parts(10_001)), Some("MalformedXML"));
    }

    #[test]
    fn delete_reads_objects_and_their_conditions() {
        let delete = Delete::parse(
            b"<Delete><Quiet>true</Quiet><Object><Key> a&#x1;/ </Key><VersionId/></Object>\
              <Object><Key>b</Key><VersionId>v</VersionId><ETag>\"e\"</ETag><Size>3</Size>\
              <LastModifiedTime>Wed, 21 Oct 2015 07:28:00 GMT</LastModifiedTime></Object></Delete>",
        )
        .unwrap();
        assert!(delete.quiet);
        assert_eq!(delete.objects[0], ObjectIdentifier { key: " a\u{1}/ ".into(), ..Default::default() });
        assert_eq!(delete.objects[1].version_id.as_deref(), Some("v"));
        assert_eq!((delete.objects[1].etag.as_deref(), delete.objects[1].size), (Some("\"e\""), Some(3)));
    }

    #[test]
    fn delete_refuses_no_object_too_many_and_nonsense() {
        let object = "<Object><Key>k</Key></Object>";
        let many = |count: usize| format!("<Delete>{}</Delete>", object.repeat(count));
        assert_eq!(Delete::parse(many(1000).as_bytes()).unwrap().objects.len(), 1000);
        for body in [
            many(0),
            many(1001),
            "<Delete><Object/></Delete>".into(),
            "<Delete><Object><Key/></Object></Delete>".into(),
            "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>".into(),
            format!("<Delete><Quiet>yes</Quiet>{object}</Delete>"),
            format!("<Delete>{object}<Other/></Delete>"),
            format!("<Other>{object}</Other>"),
        ] {
            assert_eq!(code(Delete::parse(body.as_bytes())), Some("MalformedXML"), "{body:.60}");
        }
    }

    #[test]
    fn create_bucket_reads_a_location_or_nothing() {
        assert_eq!(CreateBucketConfiguration::parse(b"").unwrap().location_constraint, None);
        let body = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>\
                     </CreateBucketConfiguration>";
        let location = CreateBucketConfiguration::parse(body).unwrap().location_constraint;
        assert_eq!(location.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn create_bucket_reads_tags() {
        let body = b"<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags>\
                     </CreateBucketConfiguration>";
        let tags = CreateBucketConfiguration::parse(body).unwrap().tags;
        assert_eq!(tags, Some(vec![Tag::new("a", "1")]));
    }

    #[test]
    fn create_bucket_refuses_what_it_would_have_to_ignore() {
        let parse = |inner: &str| {
            let body = format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
            code(CreateBucketConfiguration::parse(body.as_bytes()))
        };
        assert_eq!(parse("<Bucket><Type>Directory</Type></Bucket>"), Some("NotImplemented"));
        assert_eq!(parse("<Tags/><Tags/>"), Some("MalformedXML"));
        assert_eq!(parse("<Tags><Tag><Key>a</Key></Tag></Tags>"), Some("MalformedXML"));
        assert_eq!(parse("<Colour>red</Colour>"), Some("MalformedXML"));
        assert_eq!(code(CreateBucketConfiguration::parse(b" ")), Some("MalformedXML"));
    }

    fn encryption(rules: &str) -> Result<ServerSideEncryptionConfiguration, S3Error> {
        let body = format!("<ServerSideEncryptionConfiguration>{rules}</ServerSideEncryptionConfiguration>");
        ServerSideEncryptionConfiguration::parse(body.as_bytes())
    }

    #[test]
    fn encryption_reads_every_element_of_its_rule() {
        let rule = encryption(
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k\
             </KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>\
             <BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>",
        )
        .unwrap();
        let default = DefaultEncryption { algorithm: "aws:kms".into(), kms_master_key_id: Some("k".into()) };
        assert_eq!(rule.default, Some(default));
        assert_eq!((rule.bucket_key_enabled, rule.blocked), (Some(true), Some(BlockedEncryption::SseC)));
    }

    #[test]
    fn a_rule_may_only_change_what_is_blocked() {
        let rule = encryption(
            "<Rule><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes></Rule>",
        );
        assert_eq!(rule.unwrap().blocked, Some(BlockedEncryption::None));
    }

    #[test]
    fn encryption_refuses_anything_but_one_sound_rule() {
        let default = |inner: &str| {
            format!("<Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule>")
        };
        let aes = default("<SSEAlgorithm>AES256</SSEAlgorithm>");
        for rules in [
            String::new(),
            "<Rule/>".into(),
            format!("{aes}{aes}"),
            default(""),
            default("<SSEAlgorithm>foo</SSEAlgorithm>"),
            default("<SSEAlgorithm>aes256</SSEAlgorithm>"),
            default("<SSEAlgorithm>AES256</SSEAlgorithm><KMSKeyID>k</KMSKeyID>"),
            "<Rule><BucketKeyEnabled>1</BucketKeyEnabled></Rule>".into(),
            "<Rule><BlockedEncryptionTypes/></Rule>".into(),
            "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-S3</EncryptionType></BlockedEncryptionTypes></Rule>"
                .into(),
        ] {
            assert_eq!(code(encryption(&rules)), Some("MalformedXML"), "{rules}");
        }
    }

    #[test]
    fn a_kms_key_does_not_go_with_aes256() {
        let rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
                    <KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>";
        let error = encryption(rule).unwrap_err();
        assert_eq!(error.element("ArgumentName"), Some("ApplyServerSideEncryptionByDefault"));
    }
}
