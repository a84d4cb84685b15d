//! The JSON protocol of Organizations: the action in a header, objects as parameters and as answers.

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::service::Service;
use crate::error::ApiError;
use crate::params::{MAX_NAME_LEN, Params};

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// What the names of actions are prefixed with.
const TARGET: &str = "AWSOrganizationsV20161128.";

/// The action in the header, whether there is such a one or not.
pub(super) fn action(parts: &Parts) -> Option<&str> {
    parts.headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET)
}

/// The action in the header.
///
/// # Errors
/// `UnknownOperationException`.
pub(super) fn known_action(service: Service, parts: &Parts) -> Result<&'static str, ApiError> {
    let known = action(parts).and_then(|action| service.actions().iter().find(|known| **known == action));
    known.copied().ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", ""))
}

/// The parameters, under the names that they would have in a form: `Tags.member.1.Key`.
///
/// # Errors
/// `SerializationException`.
pub(super) fn params(body: &Bytes) -> Result<Params, ApiError> {
    let object: Value = if body.is_empty() { json!({}) } else { serde_json::from_slice(body).map_err(|_| none())? };
    if !object.is_object() {
        return Err(none());
    }
    let mut params = Params::default();
    flatten("", &object, &mut params).map_err(|_| none())?;
    Ok(params)
}

/// Adds what is in a value. The name of each item of a list repeats that of the list, so a long one is refused before
/// it is repeated.
fn flatten(name: &str, value: &Value, params: &mut Params) -> Result<(), ApiError> {
    match value {
        Value::Null => Ok(()),
        Value::Bool(flag) => params.insert(name, flag.to_string()),
        Value::Number(number) => params.insert(name, number.to_string()),
        Value::String(text) => params.insert(name, text.clone()),
        Value::Array(_) | Value::Object(_) if name.len() > MAX_NAME_LEN => Err(none()),
        Value::Array(items) => {
            let mut items = (1_usize..).zip(items);
            items.try_for_each(|(index, item)| flatten(&format!("{name}.member.{index}"), item, params))
        }
        Value::Object(fields) => fields.iter().try_for_each(|(field, value)| {
            let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
            flatten(&name, value, params)
        }),
    }
}

fn none() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "SerializationException", "The request is not a JSON object.")
}

/// The object of an error.
pub(super) fn failure(error: &ApiError) -> String {
    json!({ "__type": code(error), "Message": error.message() }).to_string()
}

/// The status of an error: this protocol knows two.
pub(super) fn status(error: &ApiError) -> StatusCode {
    if error.status().is_server_error() { error.status() } else { StatusCode::BAD_REQUEST }
}

/// The code of an error under the name that this protocol has for it.
pub(super) fn code(error: &ApiError) -> &'static str {
    match error.code() {
        "AccessDenied" => "AccessDeniedException",
        "ConcurrentModification" => "ConcurrentModificationException",
        "ExpiredToken" => "ExpiredTokenException",
        "IncompleteSignature" => "IncompleteSignatureException",
        "InvalidClientTokenId" => "UnrecognizedClientException",
        "InvalidInput" | "ValidationError" => "InvalidInputException",
        "LimitExceeded" => "ConstraintViolationException",
        "MissingAuthenticationToken" => "MissingAuthenticationTokenException",
        "ServiceFailure" => "ServiceException",
        "ServiceUnavailable" => "ServiceUnavailableException",
        "SignatureDoesNotMatch" => "InvalidSignatureException",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_names_of_forms() {
        let body =
            r#"{"Email":"a@b.cd","MaxResults":5,"On":true,"No":null,"Tags":[{"Key":"k","Value":"v"},{"Key":"l"}]}"#;
        let params = params(&Bytes::from_static(body.as_bytes())).unwrap();
        for (name, expected) in [
            ("Email", Some("a@b.cd")),
            ("MaxResults", Some("5")),
            ("On", Some("true")),
            ("No", None),
            ("Tags.member.1.Value", Some("v")),
            ("Tags.member.2.Key", Some("l")),
            ("Tags", None),
        ] {
            assert_eq!(params.get(name), expected, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_not_repeated_for_each_item() {
        let list = vec!["0"; 400_000].join(",");
        let long = format!(r#"{{"{}":[{list}]}}"#, "n".repeat(200_000));
        let many = format!(r#"{{"n":[{list}]}}"#);
        for body in [long, many] {
            let error = params(&Bytes::from(body)).err();
            assert_eq!(error.map(|error| error.code()), Some("SerializationException"));
        }
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        assert!(params(&Bytes::new()).is_ok());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in ["[]", "1", "{", "\"\"", "{\"a\":\"\u{7f}", &deep] {
            let error = params(&Bytes::copy_from_slice(body.as_bytes())).err();
            assert_eq!(error.map(|error| error.code()), Some("SerializationException"));
        }
    }
}
