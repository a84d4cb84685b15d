//! The document about who pays for requests.

use coffer_configuration::Payer;

use super::documents::once;
use super::read::XmlReader;
use super::write::document;
use crate::error::S3Error;

const ROOT: &str = "RequestPaymentConfiguration";

/// Parses the body of PutBucketRequestPayment.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_request_payment(body: &[u8]) -> Result<Payer, S3Error> {
    let mut xml = XmlReader::open(body, ROOT)?;
    let mut payer = None;
    while let Some(name) = xml.child()? {
        if name != "Payer" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut payer, Payer::from_name(xml.text()?.trim()).ok_or_else(S3Error::malformed_xml)?)?;
    }
    payer.ok_or_else(S3Error::malformed_xml)
}

/// Writes what GetBucketRequestPayment answers.
#[must_use]
pub fn write_request_payment(payer: Payer) -> String {
    document(ROOT, |xml| {
        xml.text("Payer", payer.name());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_answered() {
        for payer in [Payer::BucketOwner, Payer::Requester] {
            assert_eq!(parse_request_payment(write_request_payment(payer).as_bytes()).unwrap(), payer);
        }
    }

    #[test]
    fn anything_but_one_payer_is_malformed() {
        for inner in [
            "",
            "text",
            "<Payer/>",
            "<Payer>requester</Payer>",
            "<Payer>Nobody</Payer>",
            "<Payer><b/></Payer>",
            "<Payer>Requester</Payer><Payer>Requester</Payer>",
            "<Payer>Requester</Payer><Other/>",
            "<Other>Requester</Other>",
        ] {
            let parsed = parse_request_payment(format!("<{ROOT}>{inner}</{ROOT}>").as_bytes());
            assert_eq!(parsed.map_err(|error| error.code()), Err("MalformedXML"), "{inner}");
        }
        for body in ["", "<Payer>Requester</Payer>", "<RequestPaymentConfiguration><Payer>Requester</Payer>"] {
            assert!(parse_request_payment(body.as_bytes()).is_err(), "{body}");
        }
    }
}
