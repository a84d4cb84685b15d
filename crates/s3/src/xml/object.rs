//! Small documents about one object or one setting: ObjectEncryption, RestoreRequest, AbacStatus.

use super::documents::once;
use super::read::XmlReader;
use crate::error::S3Error;

/// The ARN of a KMS key: `arn:aws:kms:REGION:ACCOUNT:key/ID`.
#[derive(Debug, PartialEq, Eq)]
pub struct KmsKeyArn(String);

impl KmsKeyArn {
    /// The key with this ARN; `None` for an alias, a key ID, and everything else.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let id = resource.strip_prefix("key/")?;
        let is_arn = scheme == "arn"
            && partition.starts_with("aws")
            && is_word(partition)
            && service == "kms"
            && is_word(region)
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && !id.is_empty()
            && is_word(id);
        (is_arn && (MIN_ARN_LEN..=MAX_ARN_LEN).contains(&arn.len())).then(|| Self(arn.to_owned()))
    }

    /// The ARN as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account that owns the key: 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).expect("an ARN has six parts")
    }
}

const MIN_ARN_LEN: usize = 20;
const MAX_ARN_LEN: usize = 2048;

/// The body of UpdateObjectEncryption.
#[derive(Debug, PartialEq, Eq)]
pub struct ObjectEncryption {
    /// The KMS key that the object is to be under.
    pub key_arn: KmsKeyArn,
    /// Whether its data key is to be that of the bucket. It is not, unless the document says so.
    pub bucket_key_enabled: bool,
}

/// Parses the body of UpdateObjectEncryption.
///
/// # Errors
/// `MalformedXML`; `InvalidRequest` for what is no KMS key.
pub fn parse_object_encryption(body: &[u8]) -> Result<ObjectEncryption, S3Error> {
    let mut xml = XmlReader::open(body, "ObjectEncryption")?;
    let mut key = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "SSE-KMS" => once(&mut key, parse_sse_kms(&mut xml)?)?,
            "SSE-C" | "DSSE-KMS" => return Err(S3Error::encryption_update_to_unsupported_type()),
            _ => return Err(S3Error::encryption_update_without_type()),
        }
    }
    key.ok_or_else(S3Error::encryption_update_without_type)
}

fn parse_sse_kms(xml: &mut XmlReader<'_>) -> Result<ObjectEncryption, S3Error> {
    let (mut arn, mut bucket_key) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "KMSKeyArn" => once(&mut arn, xml.text()?)?,
            "BucketKeyEnabled" => once(&mut bucket_key, xml.text()?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let bucket_key_enabled = match bucket_key.as_deref().map(str::trim) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(S3Error::encryption_update_with_bad_bucket_key()),
    };
    let key_arn = match arn.as_deref().map(str::trim) {
        None | Some("") => return Err(S3Error::encryption_update_without_key()),
        Some(arn) => KmsKeyArn::parse(arn).ok_or_else(S3Error::encryption_update_with_bad_key)?,
    };
    Ok(ObjectEncryption { key_arn, bucket_key_enabled })
}

/// The body of RestoreObject.
#[derive(Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// `Tier` of `GlacierJobParameters`: how soon it is needed.
    pub tier: RestoreTier,
}

/// How soon a restored object is needed, under S3's names.
#[expect(missing_docs, reason = "the S3 API Reference documents each under this name")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreTier {
    Standard,
    Bulk,
    Expedited,
}

impl RestoreRequest {
    /// Parses the document.
    ///
    /// # Errors
    /// `MalformedXML`, also without a number of days; `NotImplemented` for a query in the place of a restoration.
    pub fn parse(body: &[u8]) -> Result<Self, S3Error> {
        let mut xml = XmlReader::open(body, "RestoreRequest")?;
        let (mut days, mut tier, mut description) = (None, None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Days" => once(&mut days, xml.parse::<i32>()?)?,
                "GlacierJobParameters" => once(&mut tier, parse_glacier_job_parameters(&mut xml)?)?,
                "Tier" => once(&mut tier, parse_tier(&mut xml)?)?,
                "Description" => once(&mut description, xml.text()?)?,
                "Type" | "SelectParameters" | "OutputLocation" => {
                    return Err(S3Error::feature_not_implemented("S3 Select"));
                }
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        if days.is_none_or(|days| days < 1) {
            return Err(S3Error::malformed_xml());
        }
        Ok(Self { tier: tier.unwrap_or(RestoreTier::Standard) })
    }
}

fn parse_glacier_job_parameters(xml: &mut XmlReader<'_>) -> Result<RestoreTier, S3Error> {
    let mut tier = None;
    while let Some(name) = xml.child()? {
        if name != "Tier" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut tier, parse_tier(xml)?)?;
    }
    tier.ok_or_else(S3Error::malformed_xml)
}

fn parse_tier(xml: &mut XmlReader<'_>) -> Result<RestoreTier, S3Error> {
    match xml.text()?.trim() {
        "Standard" => Ok(RestoreTier::Standard),
        "Bulk" => Ok(RestoreTier::Bulk),
        "Expedited" => Ok(RestoreTier::Expedited),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// Parses the body of PutBucketAbac: whether it switches attribute-based access control on.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_abac_status(body: &[u8]) -> Result<bool, S3Error> {
    let mut xml = XmlReader::open(body, "AbacStatus")?;
    let mut enabled = None;
    while let Some(name) = xml.child()? {
        let status = match (name.as_str(), xml.text()?.trim()) {
            ("Status", "Enabled") => true,
            ("Status", "Disabled") => false,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(&mut enabled, status)?;
    }
    enabled.ok_or_else(S3Error::malformed_xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab";

    fn encryption(inner: &str) -> Result<String, String> {
        let parsed = parse_object_encryption(format!("<ObjectEncryption>{inner}</ObjectEncryption>").as_bytes());
        parsed.map(|update| update.key_arn.0).map_err(|error| format!("{}: {}", error.code(), error.message()))
    }

    fn kms(inner: &str) -> Result<String, String> {
        encryption(&format!("<SSE-KMS>{inner}</SSE-KMS>"))
    }

    #[test]
    fn an_object_can_be_put_under_a_key_by_its_arn() {
        assert_eq!(kms(&format!("<KMSKeyArn>{ARN}</KMSKeyArn>")), Ok(ARN.to_owned()));
        let both = format!("<BucketKeyEnabled>true</BucketKeyEnabled><KMSKeyArn>{ARN}</KMSKeyArn>");
        assert_eq!(kms(&both), Ok(ARN.to_owned()));
        assert_eq!(KmsKeyArn::parse(ARN).unwrap().account(), "111111111111");
    }

    #[test]
    fn a_bucket_key_is_used_only_if_the_document_says_so() {
        for (bucket_key, expected) in [
            ("", false),
            ("<BucketKeyEnabled>false</BucketKeyEnabled>", false),
            ("<BucketKeyEnabled>true</BucketKeyEnabled>", true),
        ] {
            let document = format!(
                "<ObjectEncryption><SSE-KMS><KMSKeyArn>{ARN}</KMSKeyArn>{bucket_key}</SSE-KMS></ObjectEncryption>"
            );
            let update = parse_object_encryption(document.as_bytes()).unwrap();
            assert_eq!(update.bucket_key_enabled, expected, "{bucket_key}");
        }
    }

    #[test]
    fn what_is_no_key_of_a_kms_is_refused_for_what_it_is() {
        let refused = |outcome: Result<String, String>, says: &str| {
            let error = outcome.unwrap_err();
            assert!(error.starts_with("InvalidRequest: ") && error.contains(says), "{error}");
        };
        for other in ["<SSE-C/>", "<DSSE-KMS/>"] {
            refused(encryption(other), "DSSE-KMS or SSE-C");
        }
        for other in ["", "<SSE-S3/>"] {
            refused(encryption(other), "require a valid new encryption type");
        }
        refused(kms(""), "require an AWS KMS key");
        refused(kms("<KMSKeyArn/>"), "require an AWS KMS key");
        for bad in [
            "1234abcd-12ab",
            "alias/key-for-objects",
            "arn:aws:kms:us-east-1:111111111111:alias/a",
            "arn:aws:kms:us-east-1:11111111111:key/a1",
            "arn:aws:kms:us-east-1:111111111111:key/",
            "arn:aws:s3:us-east-1:111111111111:key/a1",
            "arn:aws:kms:us-east-1:111111111111:key/a b",
        ] {
            refused(kms(&format!("<KMSKeyArn>{bad}</KMSKeyArn>")), "require a valid AWS KMS key");
        }
        refused(
            kms(&format!("<KMSKeyArn>{ARN}</KMSKeyArn><BucketKeyEnabled>yes</BucketKeyEnabled>")),
            "The BucketKeyEnabled value isn't valid.",
        );
    }

    #[test]
    fn encryption_that_is_no_document_of_it_is_malformed() {
        let key = format!("<KMSKeyArn>{ARN}</KMSKeyArn>");
        for inner in [
            format!("<SSE-KMS>{key}{key}</SSE-KMS>"),
            format!("<SSE-KMS>{key}</SSE-KMS><SSE-KMS>{key}</SSE-KMS>"),
            format!("<SSE-KMS>{key}<Other/></SSE-KMS>"),
            "text".to_owned(),
        ] {
            assert!(encryption(&inner).unwrap_err().starts_with("MalformedXML"), "{inner}");
        }
        assert_eq!(parse_object_encryption(b"").unwrap_err().code(), "MalformedXML");
        assert_eq!(parse_object_encryption(b"<Other/>").unwrap_err().code(), "MalformedXML");
    }

    fn restore(inner: &str) -> Result<RestoreTier, &'static str> {
        let parsed = RestoreRequest::parse(format!("<RestoreRequest>{inner}</RestoreRequest>").as_bytes());
        parsed.map(|request| request.tier).map_err(|error| error.code())
    }

    #[test]
    fn a_restoration_names_days_and_a_tier() {
        let tier = "<GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>";
        assert_eq!(restore("<Days>1</Days>"), Ok(RestoreTier::Standard));
        assert_eq!(restore(&format!("<Days>3</Days>{tier}")), Ok(RestoreTier::Bulk));
        assert_eq!(restore("<Days>3</Days><Tier>Expedited</Tier>"), Ok(RestoreTier::Expedited));
    }

    #[test]
    fn a_restoration_that_says_too_little_or_too_much_is_malformed() {
        let tier = "<GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>";
        for inner in [
            "",
            "<Days>0</Days>",
            "<Days>-1</Days>",
            "<Days>x</Days>",
            "<Days>99999999999</Days>",
            "<Days>1</Days><Days>1</Days>",
            "<Days>1</Days><GlacierJobParameters/>",
            "<Days>1</Days><Tier>Quick</Tier>",
            "<Days>1</Days><Other/>",
        ] {
            assert_eq!(restore(inner), Err("MalformedXML"), "{inner}");
        }
        assert_eq!(restore(&format!("<Days>1</Days>{tier}{tier}")), Err("MalformedXML"));
        assert_eq!(restore("<Type>SELECT</Type>"), Err("NotImplemented"));
    }

    #[test]
    fn a_status_is_enabled_or_disabled() {
        let status = |inner: &str| parse_abac_status(format!("<AbacStatus>{inner}</AbacStatus>").as_bytes()).ok();
        assert_eq!(status("<Status>Enabled</Status>"), Some(true));
        assert_eq!(status("<Status>Disabled</Status>"), Some(false));
        for inner in ["", "<Status/>", "<Status>enabled</Status>", "<Other>Enabled</Other>"] {
            assert_eq!(status(inner), None, "{inner}");
        }
        assert_eq!(status("<Status>Enabled</Status><Status>Enabled</Status>"), None);
    }
}
