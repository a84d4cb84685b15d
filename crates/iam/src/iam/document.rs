//! Policy documents as parameters and as answers.

use coffer_access::{Policy, PolicyKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::ApiError;
use crate::params::{Params, invalid};

/// The most characters of a document as it is sent, white space and all.
const MAX_SENT_LEN: usize = 131_072;
/// What RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A policy of users, groups and roles in the parameter `name`.
///
/// # Errors
/// `ValidationError`, `MalformedPolicyDocument`.
pub(crate) fn identity<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    let document = text(params, name)?;
    parse(document, PolicyKind::Identity)?;
    Ok(document)
}

/// A document in the parameter `name`, whatever it says.
///
/// # Errors
/// `ValidationError` for characters that documents cannot have, and for too many of them.
pub(crate) fn text<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    let document = params.required(name)?;
    check_text(name, document)?;
    Ok(document)
}

/// As [`text`], for a document that is there already.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn check_text(name: &str, document: &str) -> Result<(), ApiError> {
    if document.is_empty() {
        return Err(invalid(name, Some(document), "Member must have length greater than or equal to 1"));
    }
    if document.chars().count() > MAX_SENT_LEN {
        let must = format!("Member must have length less than or equal to {MAX_SENT_LEN}");
        return Err(invalid(name, Some(document), &must));
    }
    if !document.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        let message = "The specified value for policyDocument is invalid. It must contain only printable ASCII \
                       characters.";
        return Err(ApiError::validation(message));
    }
    Ok(())
}

/// Reads a document.
///
/// # Errors
/// `MalformedPolicyDocument`.
pub(crate) fn parse(document: &str, kind: PolicyKind<'_>) -> Result<Policy, ApiError> {
    Policy::parse(document, kind, MAX_SENT_LEN * 2).map_err(|error| ApiError::malformed_policy_document(error.0))
}

/// A document as answers carry it: percent-encoded.
pub(crate) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_documents_percent_encoded() {
        assert_eq!(encoded(r#"{"a": "b-c_d.e~f*/+"}"#), "%7B%22a%22%3A%20%22b-c_d.e~f%2A%2F%2B%22%7D");
    }

    #[test]
    fn documents_are_latin_1_and_visible() {
        for (document, is_text) in [
            ("{}", true),
            ("{\n\"ä\"\t}\r", true),
            ("", false),
            ("{\0}", false),
            ("{\u{1}}", false),
            ("{\"Ā\"}", false),
        ] {
            assert_eq!(check_text("PolicyDocument", document).is_ok(), is_text, "{document:?}");
        }
        assert!(check_text("PolicyDocument", &" ".repeat(MAX_SENT_LEN)).is_ok());
        assert!(check_text("PolicyDocument", &" ".repeat(MAX_SENT_LEN + 1)).is_err());
    }
}
