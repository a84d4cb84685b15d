//! The policies that AWS documents about encryption and transport, and what they deny.

use super::*;

/// The keys of a request, in the order N, S, K0, K1, K2, C: no headers, SSE-S3, SSE-KMS without a key ID, with the
/// allowed one and with another one, and SSE-C.
const REQUESTS: [&[(&str, &str)]; 6] = [
    &[],
    &[(SSE, "AES256")],
    &[(SSE, "aws:kms")],
    &[(SSE, "aws:kms"), (KEY_ID, K1)],
    &[(SSE, "aws:kms"), (KEY_ID, "arn:aws:kms:us-east-1:111122223333:key/2")],
    &[(ALGORITHM, "AES256")],
];
const SSE: &str = "s3:x-amz-server-side-encryption";
const KEY_ID: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const ALGORITHM: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const K1: &str = "arn:aws:kms:us-east-1:111122223333:key/1";

fn deny(condition: &str) -> String {
    format!(
        r#"{{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{condition}}}"#
    )
}

/// Whether the root user, who may do anything else, may put an object under these policies.
fn may_put(statements: &str, keys: &[(&str, &str)]) -> bool {
    let mut ask = Ask::of(Caller::root(OURS)).bucket(statements);
    ask.action = "s3:PutObject";
    keys.iter().for_each(|(key, value)| ask.context.set(key, *value));
    ask.decide().is_allow()
}

/// `expected` has a `+` for each of [`REQUESTS`] that goes through, and a `-` for each that does not.
#[track_caller]
fn check(statements: &str, expected: &str) {
    let seen: String = REQUESTS.iter().map(|keys| if may_put(statements, keys) { '+' } else { '-' }).collect();
    assert_eq!(seen, expected, "{statements}");
}

const P1: &str = r#"{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}"#;
const P2: &str = r#"{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#;

#[test]
fn requiring_sse_s3_denies_all_else() {
    check(&deny(P1), "-+----");
    check(&deny(P2), "-++++-");
    check(&format!("{},{}", deny(P1), deny(P2)), "-+----");
}

#[test]
fn requiring_sse_kms_denies_all_else() {
    check(&deny(r#"{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}"#), "--+++-");
}

#[test]
fn tolerating_requests_without_the_header_relies_on_the_default() {
    let both = r#"{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"},
        "Null":{"s3:x-amz-server-side-encryption":"false"}}"#;
    check(&deny(both), "+-++++");
}

#[test]
fn requiring_a_kms_key_looks_at_the_key_id() {
    check(&deny(r#"{"Null":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"true"}}"#), "---++-");
}

/// An absent key fulfils `ArnNotEqualsIfExists`, so that a request whose key ID nobody filled in is denied.
#[test]
fn requiring_one_kms_key_denies_others() {
    let p6 = format!(r#"{{"ArnNotEqualsIfExists":{{"s3:x-amz-server-side-encryption-aws-kms-key-id":"{K1}"}}}}"#);
    check(&deny(&p6), "---+--");
}

#[test]
fn requiring_and_forbidding_customer_keys() {
    let null = |value| deny(&format!(r#"{{"Null":{{"{ALGORITHM}":"{value}"}}}}"#));
    check(&null(true), "-----+");
    check(&null(false), "+++++-");
    check(&deny(&format!(r#"{{"StringNotEquals":{{"{ALGORITHM}":"AES256"}}}}"#)), "-----+");
}

#[test]
fn a_policy_goes_before_the_value_of_a_header() {
    let p9 = deny(&format!(r#"{{"StringNotEquals":{{"{ALGORITHM}":"AES256"}}}}"#));
    assert!(!may_put(&p9, &[(ALGORITHM, "AES192")]));
}

#[test]
fn requiring_tls_denies_plain_http() {
    let tls = r#"{"Sid":"RestrictToTLSRequestsOnly","Effect":"Deny","Principal":"*","Action":"s3:*",
        "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    assert!(!may_put(tls, &[("aws:SecureTransport", "false")]));
    assert!(may_put(tls, &[("aws:SecureTransport", "true")]));
    let version =
        tls.replace(r#"{"Bool":{"aws:SecureTransport":"false"}}"#, r#"{"NumericLessThan":{"s3:TlsVersion":1.2}}"#);
    assert!(!may_put(&version, &[("s3:TlsVersion", "1.1")]));
    assert!(may_put(&version, &[("s3:TlsVersion", "1.3")]));
}

#[test]
fn other_actions_are_not_meant() {
    let mut ask = Ask::of(Caller::root(OURS)).bucket(&deny(P1));
    ask.is_allowed();
    ask.action = "s3:putobject";
    ask.is_denied(PolicyType::Resource);
    ask.resource = "arn:aws:s3:::b".to_owned();
    ask.is_allowed();
}
