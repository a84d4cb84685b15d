//! The document of PutBucketVersioning.

use coffer_configuration::VersioningStatus;

use super::XmlReader;
use crate::error::S3Error;

/// Parses the body of PutBucketVersioning.
///
/// # Errors
/// `MalformedXML`; `IllegalVersioningConfigurationException` without a status; `AccessDenied` for MFA delete, which
/// needs a device that nobody can have here.
pub fn parse_versioning_configuration(body: &[u8]) -> Result<VersioningStatus, S3Error> {
    let mut xml = XmlReader::open(body, "VersioningConfiguration")?;
    let (mut status, mut mfa_delete) = (None, None);
    while let Some(name) = xml.child()? {
        let value = match (name.as_str(), xml.text()?.trim()) {
            ("Status", "Enabled") => status.replace(VersioningStatus::Enabled).is_none(),
            ("Status", "Suspended") => status.replace(VersioningStatus::Suspended).is_none(),
            ("MfaDelete" | "MFADelete", "Enabled") => mfa_delete.replace(true).is_none(),
            ("MfaDelete" | "MFADelete", "Disabled") => mfa_delete.replace(false).is_none(),
            _ => false,
        };
        if !value {
            return Err(S3Error::malformed_xml());
        }
    }
    if mfa_delete == Some(true) {
        return Err(S3Error::mfa_not_supported());
    }
    status.ok_or_else(S3Error::versioning_status_missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<VersioningStatus, &'static str> {
        let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
        parse_versioning_configuration(document.as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn a_status_is_read() {
        assert_eq!(parse("<Status>Enabled</Status>"), Ok(VersioningStatus::Enabled));
        assert_eq!(parse("<MfaDelete>Disabled</MfaDelete><Status>Suspended</Status>"), Ok(VersioningStatus::Suspended));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(parse(""), Err("IllegalVersioningConfigurationException"));
        assert_eq!(parse("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"), Err("AccessDenied"));
        for inner in [
            "<Status/>",
            "<Status>enabled</Status>",
            "<Status>Disabled</Status>",
            "<Status>Enabled</Status><Status>Suspended</Status>",
            "<Status>Enabled</Status><Other/>",
            "<Status><Enabled/></Status>",
        ] {
            assert_eq!(parse(inner), Err("MalformedXML"), "{inner}");
        }
    }
}
