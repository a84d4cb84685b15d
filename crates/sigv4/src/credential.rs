//! Who signs, and for which day, region and service.

use std::fmt;

use crate::error::CredentialFault;
use crate::timestamp::is_date;

/// What a signing key is good for. It displays as in a string to sign: `YYYYMMDD/REGION/SERVICE/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The day: `YYYYMMDD`, in UTC.
    pub date: String,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The service, such as `s3`, `iam`, `sts` or `kms`.
    pub service: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// An access key and its scope: the value of `Credential`, `X-Amz-Credential` and a form's `x-amz-credential`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The access key ID.
    pub access_key: String,
    /// What the signature is for.
    pub scope: Scope,
}

impl Credential {
    /// Reads `ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request`.
    ///
    /// # Errors
    /// [`CredentialFault::Malformed`] unless there are five parts of visible ASCII, of which the region may be empty; [`CredentialFault::Date`],
    /// [`CredentialFault::Terminal`].
    pub fn parse(text: &str) -> Result<Self, CredentialFault> {
        let mut parts = text.split('/');
        let (Some(access_key), Some(date), Some(region), Some(service), Some(terminal), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(CredentialFault::Malformed);
        };
        // A region may be missing: SDKs that were given none sign for it all the same, for services that have no regions.
        if [access_key, date, service, terminal].iter().any(|part| part.is_empty()) {
            return Err(CredentialFault::Malformed);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialFault::Malformed);
        }
        if !is_date(date) {
            return Err(CredentialFault::Date(date.to_owned()));
        }
        if terminal != TERMINATOR {
            return Err(CredentialFault::Terminal(terminal.to_owned()));
        }
        let scope = Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Ok(Self { access_key: access_key.to_owned(), scope })
    }
}

impl Scope {
    /// Checks that the scope is for this region and this service.
    ///
    /// # Errors
    /// [`CredentialFault::Service`], [`CredentialFault::Region`].
    pub fn check(&self, region: &str, service: &str) -> Result<(), CredentialFault> {
        if self.service != service {
            return Err(CredentialFault::Service { given: self.service.clone(), expected: service.to_owned() });
        }
        if self.region != region {
            return Err(CredentialFault::Region { given: self.region.clone(), expected: region.to_owned() });
        }
        Ok(())
    }
}

/// What every scope ends with.
pub(crate) const TERMINATOR: &str = "aws4_request";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: CredentialFault) {
        assert_eq!(Credential::parse(text), Err(expected), "{text}");
    }

    #[test]
    fn a_credential_has_five_parts() {
        let credential = Credential::parse("AKID/20130524/us-east-1/s3/aws4_request").unwrap();
        assert_eq!(credential.access_key, "AKID");
        assert_eq!(credential.scope.to_string(), "20130524/us-east-1/s3/aws4_request");
        for text in [
            "",
            "AKID",
            "/20130524/us-east-1/s3/aws4_request",
            "AKID/20130524/us-east-1/aws4_request",
            "AKID/20130524/us-east-1//aws4_request",
            "AKID/20130524/us-east-1/s3/",
            "AKID/20130524/us-east-1/s3/aws4_request/",
            "AK/ID/20130524/us-east-1/s3/aws4_request",
            "AK ID/20130524/us-east-1/s3/aws4_request",
            "AKID/20130524/us\neast/s3/aws4_request",
            "ÄKID/20130524/us-east-1/s3/aws4_request",
        ] {
            check(text, CredentialFault::Malformed);
        }
    }

    #[test]
    fn a_region_may_be_empty_and_is_then_the_wrong_one_for_s3() {
        let credential = Credential::parse("AKID/20130524//s3/aws4_request").unwrap();
        assert!(matches!(credential.scope.check("us-east-1", "s3"), Err(CredentialFault::Region { .. })));
    }

    #[test]
    fn the_date_is_eight_digits_of_a_real_day() {
        for date in ["2013-5-24", "2013052", "201305244", "20130532", "20131301", "2013052x", "+2013052"] {
            check(&format!("AKID/{date}/us-east-1/s3/aws4_request"), CredentialFault::Date(date.into()));
        }
    }

    #[test]
    fn the_terminal_is_fixed() {
        check("AKID/20130524/us-east-1/s3/aws5_request", CredentialFault::Terminal("aws5_request".into()));
    }
}
