//! The parameters of STS, checked against the patterns and lengths of its service model.

use http::StatusCode;

use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::params::{Params, invalid};

/// What a parameter is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    min_len: usize,
    max_len: usize,
    pattern: &'static str,
    /// The marks that are allowed beside letters, digits and `_`.
    marks: &'static [u8],
}

/// `RoleSessionName` and `SourceIdentity`.
pub(super) const NAME: Shape = Shape { min_len: 2, max_len: 64, pattern: r"[\w+=,.@-]*", marks: b"+=,.@-" };
/// `ExternalId`.
pub(super) const EXTERNAL_ID: Shape =
    Shape { min_len: 2, max_len: 1224, pattern: r"[\w+=,.@:\/-]*", marks: b"+=,.@:/-" };
/// `AccessKeyId`.
pub(super) const ACCESS_KEY_ID: Shape = Shape { min_len: 16, max_len: 128, pattern: r"[\w]*", marks: b"" };

impl Shape {
    fn check<'a>(&self, name: &str, value: &'a str) -> Result<&'a str, ApiError> {
        check_len(name, value, self.min_len, self.max_len)?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || self.marks.contains(&byte);
        if value.bytes().all(is_allowed) {
            return Ok(value);
        }
        let must = format!("Member must satisfy regular expression pattern: {}", self.pattern);
        Err(invalid(name, Some(value), &must))
    }
}

/// A parameter that must be there.
///
/// # Errors
/// `ValidationError`.
pub(super) fn required<'a>(params: &'a Params, name: &str, shape: &Shape) -> Result<&'a str, ApiError> {
    shape.check(name, params.required(name)?)
}

/// A parameter that need not be there.
///
/// # Errors
/// `ValidationError`.
pub(super) fn optional<'a>(params: &'a Params, name: &str, shape: &Shape) -> Result<Option<&'a str>, ApiError> {
    params.get(name).map(|value| shape.check(name, value)).transpose()
}

/// A parameter of any characters that must be there.
///
/// # Errors
/// `ValidationError`.
pub(super) fn text<'a>(params: &'a Params, name: &str, min_len: usize, max_len: usize) -> Result<&'a str, ApiError> {
    let value = params.required(name)?;
    check_len(name, value, min_len, max_len)?;
    Ok(value)
}

/// A secret parameter that must be there. Its value is in no error.
///
/// # Errors
/// `ValidationError`.
pub(super) fn token<'a>(params: &'a Params, name: &str, min_len: usize, max_len: usize) -> Result<&'a str, ApiError> {
    let value = params.required(name)?;
    if (min_len..=max_len).contains(&value.len()) {
        return Ok(value);
    }
    let must = format!("Member must have length between {min_len} and {max_len}");
    Err(invalid(name, Some("***"), &must))
}

/// Refuses a value that is too short or too long, in characters.
pub(super) fn check_len(name: &str, value: &str, min_len: usize, max_len: usize) -> Result<(), ApiError> {
    let len = value.chars().count();
    if len < min_len {
        let must = format!("Member must have length greater than or equal to {min_len}");
        return Err(invalid(name, Some(value), &must));
    }
    if len > max_len {
        let must = format!("Member must have length less than or equal to {max_len}");
        return Err(invalid(name, Some(value), &must));
    }
    Ok(())
}

/// Refuses a request that brings a code of a device: nobody has one.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn refuse_device(request: &ApiRequest<'_>) -> Result<(), ApiError> {
    if request.params.get("SerialNumber").is_none() && request.params.get("TokenCode").is_none() {
        return Ok(());
    }
    let message = "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number \
                   is valid and associated with this user.";
    Err(ApiError::access_denied(message))
}

/// `InvalidParameterValue`.
pub(super) fn invalid_parameter(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "InvalidParameterValue", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sessions_have_awss_shape() {
        let check = |form: &str| required(&Params::parse(form).unwrap(), "RoleSessionName", &NAME).map(str::len);
        assert_eq!(check("RoleSessionName=a.b%40c-d_e%2Cf%3Dg%2Bh").ok(), Some(15));
        for form in ["", "=", "=a", "=a+b", "=a%2Fb", "=%C3%A4%C3%A4", "=ab%0A", &format!("={}", "a".repeat(65))] {
            let error = check(&format!("RoleSessionName{form}")).unwrap_err();
            assert_eq!(error.code(), "ValidationError", "{form}");
        }
    }

    #[test]
    fn a_refusal_names_the_pattern() {
        let error = optional(&Params::parse("ExternalId=a*").unwrap(), "ExternalId", &EXTERNAL_ID).unwrap_err();
        assert_eq!(
            error.message(),
            r"1 validation error detected: Value 'a*' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*"
        );
    }
}
