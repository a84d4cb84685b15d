//! POST policies: which forms a signer lets through.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::form::Form;
use crate::error::S3Error;
use crate::time::parse_iso8601;

/// A policy document.
pub(super) struct Policy {
    expiration_ms: u64,
    conditions: Vec<Condition>,
}

enum Condition {
    Eq {
        field: String,
        value: String,
    },
    StartsWith {
        field: String,
        prefix: String,
    },
    ContentLength(RangeInclusive<u64>),
    /// A range of what are no numbers: nothing fulfils it. S3 refuses the form and not the policy.
    NoContentLength(String, String),
}

impl Policy {
    /// Parses the form's `policy` field.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub(super) fn parse(policy: &str) -> Result<Self, S3Error> {
        let json = STANDARD.decode(policy.trim()).map_err(|_| invalid("invalid Base64 encoding."))?;
        let document: Map<String, Value> = serde_json::from_slice(&json).map_err(|_| invalid("Invalid JSON."))?;
        if let Some(name) = document.keys().find(|name| !matches!(name.as_str(), "expiration" | "conditions")) {
            return Err(invalid(&format!("Unexpected: '{}'", name.to_lowercase())));
        }
        let expiration = match document.get("expiration") {
            Some(Value::String(expiration)) => expiration,
            Some(_) => return Err(invalid("Invalid JSON.")),
            None => return Err(invalid("Policy missing expiration.")),
        };
        let expiration_ms =
            parse_iso8601(expiration).ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?;
        let conditions = match document.get("conditions") {
            Some(Value::Array(conditions)) => conditions,
            Some(_) => return Err(invalid("Invalid 'conditions' value: must be a List.")),
            None => return Err(invalid("Policy missing conditions.")),
        };
        let conditions = conditions.iter().map(Condition::parse).collect::<Result<_, _>>()?;
        Ok(Self { expiration_ms, conditions })
    }

    /// Holds a form for `bucket` against the policy.
    ///
    /// # Errors
    /// `AccessDenied`, with the condition that failed or the field that no condition covers.
    pub(super) fn check(&self, form: &Form, bucket: &str, now_ms: u64) -> Result<(), S3Error> {
        if now_ms >= self.expiration_ms {
            return Err(denied("Policy expired."));
        }
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(form, bucket)) {
            return Err(denied(&format!("Policy Condition failed: {}", failed.shown())));
        }
        let covered = |name: &str| {
            let covers =
                |condition: &Condition| condition.field().is_some_and(|field| field.eq_ignore_ascii_case(name));
            self.conditions.iter().any(covers)
        };
        match form.fields().iter().find(|(name, _)| !needs_no_condition(name) && !covered(name)) {
            Some((name, _)) => Err(denied(&format!("Extra input fields: {name}"))),
            None => Ok(()),
        }
    }

    /// How many bytes the file may have: what every `content-length-range` allows.
    pub(super) fn content_length(&self) -> RangeInclusive<u64> {
        let ranges = self.conditions.iter().filter_map(|condition| match condition {
            Condition::ContentLength(range) => Some(range),
            _ => None,
        });
        ranges.fold(0..=u64::MAX, |all, range| *all.start().max(range.start())..=*all.end().min(range.end()))
    }
}

impl Condition {
    fn parse(condition: &Value) -> Result<Self, S3Error> {
        match condition {
            Value::Object(simple) => match simple.iter().collect::<Vec<_>>().as_slice() {
                [(field, Value::String(value))] => Ok(Self::Eq { field: (*field).clone(), value: value.clone() }),
                [(_, Value::Null)] => Err(invalid("Invalid JSON.")),
                [_] => Err(invalid("Invalid Simple-Condition: value must be a string.")),
                _ => Err(invalid(
                    "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                )),
            },
            Value::Array(items) => Self::parse_list(items),
            _ => Err(invalid("Invalid Condition: must be a List or Object.")),
        }
    }

    fn parse_list(items: &[Value]) -> Result<Self, S3Error> {
        let Some(operation) = items.first() else {
            return Err(invalid("Invalid Condition: missing operation identifier."));
        };
        let operation = operation.as_str().ok_or_else(|| invalid("Invalid JSON."))?;
        let [_, first, second] = items else {
            return Err(invalid(&format!("Invalid {operation}: wrong number of arguments.")));
        };
        let field = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| invalid("Invalid JSON."));
        match operation.to_ascii_lowercase().as_str() {
            "eq" => Ok(Self::Eq { field: field_name(&field(first)?), value: field(second)? }),
            "starts-with" => Ok(Self::StartsWith { field: field_name(&field(first)?), prefix: field(second)? }),
            "content-length-range" => Self::parse_range(first, second),
            _ => Err(invalid(&format!("Invalid Condition: unknown operation '{operation}'."))),
        }
    }

    fn parse_range(min: &Value, max: &Value) -> Result<Self, S3Error> {
        match (min, max) {
            (Value::String(min), Value::String(max)) => match (min.parse(), max.parse()) {
                (Ok(min), Ok(max)) => Ok(Self::ContentLength(min..=max)),
                _ => Ok(Self::NoContentLength(min.clone(), max.clone())),
            },
            _ => match (min.as_u64(), max.as_u64()) {
                (Some(min), Some(max)) => Ok(Self::ContentLength(min..=max)),
                _ => Err(invalid("Invalid JSON.")),
            },
        }
    }

    /// The name of the field, without `$`.
    fn field(&self) -> Option<&str> {
        match self {
            Self::Eq { field, .. } | Self::StartsWith { field, .. } => Some(field),
            Self::ContentLength(_) | Self::NoContentLength(..) => None,
        }
    }

    /// Whether the form fulfils it. The length of the file is not known yet: [`Policy::content_length`] says it.
    fn holds(&self, form: &Form, bucket: &str) -> bool {
        // The bucket is where the form was sent to, whatever a field of that name says.
        let value = |field: &str| if field.eq_ignore_ascii_case("bucket") { Some(bucket) } else { form.get(field) };
        match self {
            Self::Eq { field, value: expected } => value(field) == Some(expected),
            // A list of content types must fulfil it type by type. An absent field starts with the empty text.
            Self::StartsWith { field, prefix } if field.eq_ignore_ascii_case("content-type") => {
                value(field).unwrap_or_default().split(',').all(|part| part.trim().starts_with(prefix.as_str()))
            }
            Self::StartsWith { field, prefix } => value(field).unwrap_or_default().starts_with(prefix.as_str()),
            Self::ContentLength(_) => true,
            Self::NoContentLength(..) => false,
        }
    }

    /// The condition as S3 shows it, but never a customer key.
    fn shown(&self) -> String {
        let secret = |field: &str| field.to_ascii_lowercase().starts_with(CUSTOMER_KEY);
        let show = |operation: &str, field: &str, value: &str| {
            let value = if secret(field) { "..." } else { value };
            let [operation, field, value] = [operation, &format!("${field}"), value].map(Value::from);
            format!("[{operation}, {field}, {value}]")
        };
        match self {
            Self::Eq { field, value } => show("eq", field, value),
            Self::StartsWith { field, prefix } => show("starts-with", field, prefix),
            Self::ContentLength(range) => format!("[\"content-length-range\", {}, {}]", range.start(), range.end()),
            Self::NoContentLength(min, max) => {
                format!("[\"content-length-range\", {}, {}]", Value::from(min.as_str()), Value::from(max.as_str()))
            }
        }
    }
}

/// `$key` names the field `key`. Without the `$` it names nothing that a form could have.
fn field_name(operand: &str) -> String {
    operand.strip_prefix('$').map_or_else(|| format!("({operand})"), str::to_owned)
}

/// The fields that carry the signature itself, those that are there to be ignored, and checksums, which can only make
/// an upload fail.
fn needs_no_condition(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "policy" | "file" | "x-amz-signature" | "signature" | "awsaccesskeyid" | "content-md5")
        || name.starts_with("x-ignore-")
        || name.starts_with("x-amz-checksum-")
}

fn invalid(reason: &str) -> S3Error {
    S3Error::invalid_policy_document(&format!("Invalid Policy: {reason}"))
}

fn denied(reason: &str) -> S3Error {
    S3Error::access_denied_because(format!("Invalid according to Policy: {reason}"))
}

const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-key";

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const NOW_MS: u64 = 1_767_225_600_000;

    fn parse(json: &str) -> Result<Policy, S3Error> {
        Policy::parse(&STANDARD.encode(json))
    }

    fn message<T>(outcome: Result<T, S3Error>) -> String {
        outcome.err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> String {
        let policy = parse(&format!(r#"{{"expiration":"2027-01-01T00:00:00Z","conditions":{conditions}}}"#)).unwrap();
        message(policy.check(&Form::of(fields), "photos", NOW_MS))
    }

    #[test]
    fn every_field_meets_its_condition() {
        let conditions =
            r#"[{"bUcKeT":"photos"},["StArTs-WiTh","$KeY","user/"],{"acl":"private"},["eq","$x-amz-meta-a","1"]]"#;
        let fields =
            [("kEy", "user/a"), ("ACL", "private"), ("x-amz-meta-a", "1"), ("x-ignore-b", "2"), ("Policy", "")];
        assert_eq!(check(conditions, &fields), "");
    }

    #[test]
    fn a_failed_condition_is_shown() {
        let failed = |condition: &str| format!("Invalid according to Policy: Policy Condition failed: {condition}");
        assert_eq!(check(r#"[{"key":"a"}]"#, &[("key", "A")]), failed(r#"["eq", "$key", "a"]"#));
        assert_eq!(check(r#"[["eq","$key","a"]]"#, &[]), failed(r#"["eq", "$key", "a"]"#));
        assert_eq!(
            check(r#"[["starts-with","$key","a\""]]"#, &[("key", "b")]),
            failed(r#"["starts-with", "$key", "a\""]"#)
        );
        assert_eq!(check(r#"[{"bucket":"other"}]"#, &[("bucket", "other")]), failed(r#"["eq", "$bucket", "other"]"#));
        assert!(check(r#"[["eq","key","a"]]"#, &[("key", "a")]).contains("Policy Condition failed"));
        assert!(
            check(r#"[["content-length-range","x","10"]]"#, &[]).contains(r#"["content-length-range", "x", "10"]"#)
        );
    }

    #[test]
    fn a_failed_condition_on_a_customer_key_does_not_show_it() {
        let conditions = r#"[{"x-amz-server-side-encryption-customer-key":"SECRET"}]"#;
        let said = check(conditions, &[("x-amz-server-side-encryption-customer-key", "other")]);
        assert!(said.contains("customer-key") && !said.contains("SECRET"), "{said}");
    }

    #[test]
    fn a_field_without_a_condition_is_extra() {
        assert_eq!(check("[]", &[("Filename", "a")]), "Invalid according to Policy: Extra input fields: Filename");
        for field in ["x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption", "bucket", "tagging"]
        {
            assert!(check("[]", &[(field, "a")]).contains("Extra input fields"), "{field}");
        }
    }

    #[test]
    fn every_type_of_a_list_must_fit() {
        let conditions = r#"[["starts-with","$Content-Type","image/"]]"#;
        assert_eq!(check(conditions, &[("content-type", "image/jpg, image/png")]), "");
        assert_ne!(check(conditions, &[("content-type", "image/jpg,text/plain")]), "");
        assert_ne!(check(conditions, &[]), "");
    }

    #[test]
    fn a_policy_ends() {
        let policy = parse(r#"{"expiration":"2026-01-01T00:00:00.000Z","conditions":[]}"#).unwrap();
        assert_eq!(message(policy.check(&Form::of(&[]), "b", NOW_MS)), "Invalid according to Policy: Policy expired.");
        assert!(policy.check(&Form::of(&[]), "b", NOW_MS - 1).is_ok());
    }

    #[test]
    fn lengths_must_fulfil_every_range() {
        let range = |conditions: &str| {
            let json = format!(r#"{{"expiration":"2027-01-01T00:00:00Z","conditions":{conditions}}}"#);
            parse(&json).unwrap().content_length()
        };
        assert_eq!(range("[]"), 0..=u64::MAX);
        assert_eq!(range(r#"[["content-length-range",5,10],["content-length-range","7","20"]]"#), 7..=10);
    }

    #[test]
    fn documents_that_are_no_policy_are_refused() {
        let whole = |conditions: &str| format!(r#"{{"expiration":"2027-01-01T00:00:00Z","conditions":{conditions}}}"#);
        for (json, reason) in [
            ("", "Invalid JSON."),
            ("[]", "Invalid JSON."),
            ("{", "Invalid JSON."),
            ("{}", "Policy missing expiration."),
            (r#"{"expiration":"2027-01-01T00:00:00Z"}"#, "Policy missing conditions."),
            (r#"{"EXPIRATION":"2027-01-01T00:00:00Z","conditions":[]}"#, "Unexpected: 'expiration'"),
            (r#"{"expiration":"2026-09-29 12:00:00","conditions":[]}"#, "Invalid 'expiration' value"),
            (r#"{"expiration":1,"conditions":[]}"#, "Invalid JSON."),
            (&whole("{}"), "must be a List."),
            (&whole("[{}]"), "Simple-Conditions must have exactly one property specified."),
            (&whole(r#"[{"a":"b","c":"d"}]"#), "exactly one property"),
            (&whole(r#"[{"a":1}]"#), "value must be a string."),
            (&whole(r#"[{"a":null}]"#), "Invalid JSON."),
            (&whole("[[]]"), "missing operation identifier."),
            (&whole(r#"[["eq","$a"]]"#), "wrong number of arguments."),
            (&whole(r#"[["like","$a","b"]]"#), "unknown operation 'like'."),
            (&whole(r#"[["eq",1,"b"]]"#), "Invalid JSON."),
            (&whole(r#"[["content-length-range",0]]"#), "wrong number of arguments."),
            (&whole(r#"[["content-length-range",-1,0]]"#), "Invalid JSON."),
            (&whole(r#"[["content-length-range",0,512.0]]"#), "Invalid JSON."),
            (&whole("[1]"), "must be a List or Object."),
        ] {
            let error = parse(json).err().expect(json);
            assert_eq!((error.status().as_u16(), error.code()), (400, "InvalidPolicyDocument"));
            assert!(error.message().contains(reason), "{json}: {}", error.message());
        }
        assert!(message(Policy::parse("not base64")).contains("invalid Base64 encoding."));
    }
}
