use super::*;
use crate::error::CredentialFault;

const CREDENTIAL: &str = "AKID/20130524/us-east-1/s3/aws4_request";
const SIGNATURE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn authorization() -> String {
    format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders={SIGNED}, Signature={SIGNATURE}")
}

const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// A request with this `Authorization`, and these headers instead of the usual ones of their names.
fn parse(authorization: &str, changes: &[(&str, Option<&[u8]>)]) -> Result<Option<ParsedAuth>, AuthError> {
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"localhost"),
        ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        ("x-amz-date", b"20130524T000000Z"),
        ("authorization", authorization.as_bytes()),
    ];
    headers.retain(|header| changes.iter().all(|change| change.0 != header.0));
    headers.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    parse_authorization(&RequestParts { method: "GET", path: "/", query: "", headers: &headers })
}

fn refused(authorization: &str, expected: AuthError) {
    assert_eq!(parse(authorization, &[]), Err(expected), "{authorization}");
}

/// The usual parameters, with `changes` instead of those of their names; `None` leaves one out.
fn parse_url(changes: &[(&str, Option<&str>)]) -> Result<Option<ParsedAuth>, AuthError> {
    let credential = CREDENTIAL.replace('/', "%2F");
    let usual = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", SIGNATURE),
    ];
    let usual = usual.iter().filter(|usual| changes.iter().all(|change| change.0 != usual.0));
    let pairs = usual.map(|(name, value)| format!("{name}={value}"));
    let changed = changes.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    let query = pairs.chain(changed).collect::<Vec<_>>().join("&");
    parse_authorization(&RequestParts { method: "GET", path: "/", query: &query, headers: &[("host", b"localhost")] })
}

fn url_refused(name: &str, value: Option<&str>, expected: QueryFault) {
    assert_eq!(parse_url(&[(name, value)]), Err(AuthError::QueryParameters(expected)), "{name}={value:?}");
}

#[test]
fn a_header_is_read() {
    let auth = parse(&authorization(), &[]).unwrap().unwrap();
    assert_eq!((&*auth.access_key, auth.scope.to_string()), ("AKID", CREDENTIAL["AKID/".len()..].to_owned()));
    assert_eq!(auth.timestamp.as_str(), "20130524T000000Z");
    assert_eq!(auth.signature[..4], [0x01, 0x23, 0x45, 0x67]);
    assert_eq!(
        (auth.payload, auth.kind, auth.session_token.as_deref()),
        (PayloadHash::Unsigned, AuthKind::Header, None)
    );
    assert_eq!(auth.signed_headers().collect::<Vec<_>>(), ["host", "x-amz-content-sha256", "x-amz-date"]);
}

#[test]
fn components_may_come_in_any_order_with_or_without_spaces() {
    let text = format!("AWS4-HMAC-SHA256 Signature={SIGNATURE},Credential={CREDENTIAL},  SignedHeaders={SIGNED}");
    assert_eq!(parse(&text, &[]), parse(&authorization(), &[]));
}

#[test]
fn no_authentication_is_anonymous() {
    assert_eq!(parse("", &[("authorization", None)]), Ok(None));
    let request = RequestParts { method: "GET", path: "/", query: "X-Amz-Date=1&X-Amz-Expires=2", headers: &[] };
    assert_eq!(parse_authorization(&request), Ok(None));
}

#[test]
fn other_schemes_are_refused() {
    refused("", AuthError::NoScheme);
    refused("AWS4-HMAC-SHA256", AuthError::NoScheme);
    refused("Basic QUtJRDpzZWNyZXQ=", AuthError::UnsupportedType);
    refused("aws4-hmac-sha256 Credential=", AuthError::UnsupportedType);
    refused("AWS AKID:c2lnbmF0dXJl", AuthError::SignatureVersion2);
    refused("AWS4-ECDSA-P256-SHA256 Credential=AKID/20130524/s3/aws4_request", AuthError::SignatureVersion4A);
    assert_eq!(parse("", &[("authorization", Some(b"AWS4-HMAC-SHA256 \xff"))]), Err(AuthError::UnsupportedType));
}

#[test]
fn the_header_has_exactly_three_components() {
    let components = AuthError::HeaderMalformed(HeaderFault::Components);
    let (credential, signed) = (format!("Credential={CREDENTIAL}"), format!("SignedHeaders={SIGNED}"));
    let signature = format!("Signature={SIGNATURE}");
    for parts in [
        vec!["Credential"],
        vec![&*credential, &signed],
        vec![&*credential, &signature],
        vec![&*signed, &signature],
        vec![&*credential, &signed, &signature, &signature],
        vec![&*credential, &signed, &signature, "Extra=1"],
        vec![&*credential, &signed, &signature, ""],
        vec![&*credential, "SignedHeaders=", &signature],
        vec![&*credential, "SignedHeaders=host;;x-amz-date", &signature],
        vec![&*credential, "SignedHeaders=host; x-amz-date", &signature],
        vec![&*credential, "SignedHeaders=host:x", &signature],
        vec![&*credential, "SignedHeaders", &signature],
        vec!["credential=", &signed, &signature],
    ] {
        refused(&format!("AWS4-HMAC-SHA256 {}", parts.join(", ")), components.clone());
    }
    let many = vec!["h"; MAX_SIGNED_HEADERS + 1].join(";");
    refused(&authorization().replace(SIGNED, &many), components);
}

#[test]
fn a_bad_credential_names_its_fault() {
    let fault = |text: &str, fault: CredentialFault| {
        refused(&authorization().replace(CREDENTIAL, text), AuthError::HeaderMalformed(fault.into()));
    };
    fault("AKID", CredentialFault::Malformed);
    fault("AKID/2013-05-24/us-east-1/s3/aws4_request", CredentialFault::Date("2013-05-24".into()));
    fault("AKID/20130524/us-east-1/s3/aws4", CredentialFault::Terminal("aws4".into()));
    assert_eq!(
        parse(&authorization().replace("20130524/", "20130525/"), &[]).unwrap_err().to_string(),
        "The authorization header is malformed; Invalid credential date \"20130525\". This date is not the same as \
         X-Amz-Date: \"20130524\"."
    );
}

#[test]
fn a_signature_has_one_spelling() {
    for signature in ["", "01", &SIGNATURE.to_uppercase(), &SIGNATURE.replace('f', "g"), &format!("{SIGNATURE}00")] {
        refused(&authorization().replace(SIGNATURE, signature), SignatureMismatch.into());
    }
}

#[test]
fn the_date_comes_from_x_amz_date_and_else_from_date() {
    let text = authorization().replace(";x-amz-date", "");
    let http_date: &[u8] = b"Fri, 24 May 2013 00:00:07 GMT";
    let auth = parse(&text, &[("x-amz-date", None), ("date", Some(http_date))]).unwrap().unwrap();
    assert_eq!(auth.timestamp.as_str(), "20130524T000007Z");
    let auth = parse(&authorization(), &[("date", Some(http_date))]).unwrap().unwrap();
    assert_eq!(auth.timestamp.as_str(), "20130524T000000Z");

    let twice: &[(&str, Option<&[u8]>)] =
        &[("x-amz-date", Some(b"20130524T000000Z")), ("x-amz-date", Some(b"20130524T000001Z"))];
    for changes in [
        &[("x-amz-date", None)],
        &[("x-amz-date", None), ("date", Some(&b"yesterday"[..]))],
        &[("x-amz-date", Some(&b"2013-05-24"[..])), ("date", Some(http_date))],
        &[("x-amz-date", Some(&b"\xff"[..]))],
        twice,
    ] as [&[(&str, Option<&[u8]>)]; 5]
    {
        assert_eq!(parse(&authorization(), changes), Err(AuthError::MissingDate));
    }
}

#[test]
fn the_payload_hash_is_required_and_known() {
    let parse = |value: Option<&[u8]>| parse(&authorization(), &[("x-amz-content-sha256", value)]);
    assert_eq!(parse(None), Err(AuthError::MissingContentSha256));
    for value in [&b""[..], b"sha256", b"\xff", b"STREAMING-AWS4-HMAC-SHA512-PAYLOAD"] {
        assert_eq!(parse(Some(value)), Err(AuthError::InvalidContentSha256));
    }
    let ecdsa = b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
    assert_eq!(parse(Some(ecdsa)), Err(AuthError::SignatureVersion4A));
    assert_eq!(parse(Some(&[b'0'; 64])).unwrap().unwrap().payload, PayloadHash::Sha256([0; 32]));
}

#[test]
fn host_and_every_header_that_says_what_to_do_must_be_signed() {
    let unsigned = |names: &[&str]| Err(AuthError::HeadersNotSigned(names.iter().map(ToString::to_string).collect()));
    let extra: &[(&str, Option<&[u8]>)] = &[
        ("x-amz-meta-a", Some(b"1")),
        ("x-amz-meta-a", Some(b"2")),
        ("x-amz-acl", Some(b"public-read")),
        ("x-coffer-replica-of", Some(b"v")),
        ("content-type", Some(b"text/plain")),
    ];
    assert_eq!(parse(&authorization(), extra), unsigned(&["x-amz-meta-a", "x-amz-acl", "x-coffer-replica-of"]));
    let without_host = authorization().replace("host;", "");
    assert_eq!(parse(&without_host, &[]), unsigned(&["host"]));
    let upper = authorization().replace("host;", "Host;");
    assert_eq!(parse(&upper, &[]), unsigned(&["host"]));
}

#[test]
fn a_session_token_is_taken_from_where_the_signature_is() {
    let signed = authorization().replace(SIGNED, &format!("{SIGNED};x-amz-security-token"));
    let auth = parse(&signed, &[("x-amz-security-token", Some(b"token"))]).unwrap().unwrap();
    assert_eq!(auth.session_token.as_deref(), Some("token"));
    let auth = parse_url(&[("X-Amz-Security-Token", Some("a%2Fb"))]).unwrap().unwrap();
    assert_eq!(auth.session_token.as_deref(), Some("a/b"));
}

#[test]
fn a_url_is_read() {
    let auth = parse_url(&[]).unwrap().unwrap();
    assert_eq!((&*auth.access_key, &*auth.scope.region), ("AKID", "us-east-1"));
    assert_eq!((auth.payload, auth.kind), (PayloadHash::Unsigned, AuthKind::Presigned { expires_s: 60 }));
}

#[test]
fn every_parameter_of_a_url_is_required_once() {
    for name in
        ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]
    {
        url_refused(name, None, QueryFault::Parameters);
        let twice = parse_url(&[(name, Some("x")), (name, Some("x"))]);
        assert_eq!(twice, Err(AuthError::QueryParameters(QueryFault::Parameters)), "{name}");
        url_refused(name, Some("%ff"), QueryFault::Parameters);
    }
}

#[test]
fn a_bad_parameter_names_its_fault() {
    url_refused("X-Amz-Algorithm", Some("AWS4-HMAC-SHA512"), QueryFault::Algorithm);
    url_refused("X-Amz-Credential", Some("AKID"), CredentialFault::Malformed.into());
    url_refused("X-Amz-Date", Some("20130524"), QueryFault::DateFormat);
    url_refused("X-Amz-SignedHeaders", Some(""), QueryFault::Parameters);
    url_refused("X-Amz-SignedHeaders", Some("host%0Ax"), QueryFault::Parameters);
    let mismatch = DateMismatch { credential: "20130524".into(), request: "20130525".into() };
    url_refused("X-Amz-Date", Some("20130525T000000Z"), QueryFault::Date(mismatch));
    assert_eq!(parse_url(&[("X-Amz-Signature", Some("00"))]), Err(SignatureMismatch.into()));
    let version_4a = parse_url(&[("X-Amz-Algorithm", Some("AWS4-ECDSA-P256-SHA256"))]);
    assert_eq!(version_4a, Err(AuthError::SignatureVersion4A));
}

#[test]
fn expires_is_a_number_of_seconds_up_to_a_week() {
    for (value, fault) in [
        ("", QueryFault::ExpiresNumber),
        ("-", QueryFault::ExpiresNumber),
        ("1.5", QueryFault::ExpiresNumber),
        ("%2B1", QueryFault::ExpiresNumber),
        ("0x10", QueryFault::ExpiresNumber),
        ("-1", QueryFault::ExpiresNegative),
        ("604801", QueryFault::ExpiresTooLarge),
        ("99999999999999999999", QueryFault::ExpiresTooLarge),
    ] {
        url_refused("X-Amz-Expires", Some(value), fault);
    }
    for expires_s in [0, 1, MAX_EXPIRES_S] {
        let auth = parse_url(&[("X-Amz-Expires", Some(&expires_s.to_string()))]).unwrap().unwrap();
        assert_eq!(auth.kind, AuthKind::Presigned { expires_s });
    }
}

#[test]
fn one_request_is_signed_in_one_way() {
    let several = |query: &str, headers: &[(&str, &[u8])]| {
        let request = RequestParts { method: "GET", path: "/", query, headers };
        assert_eq!(parse_authorization(&request), Err(AuthError::SeveralMechanisms), "{query}");
    };
    let text = authorization();
    let header = ("authorization", text.as_bytes());
    several("X-Amz-Algorithm=AWS4-HMAC-SHA256", &[header]);
    several("X-Amz%2DSignature=0", &[header]);
    several("Signature=0", &[header]);
    several("", &[header, header]);
    several("Signature=0&X-Amz-Signature=0", &[]);
    let request = RequestParts { method: "GET", path: "/", query: "AWSAccessKeyId=A&Signature=B", headers: &[] };
    assert_eq!(parse_authorization(&request), Err(AuthError::SignatureVersion2));
}

#[test]
fn the_scope_is_of_this_region_and_service() {
    let header = parse(&authorization(), &[]).unwrap().unwrap();
    let url = parse_url(&[]).unwrap().unwrap();
    assert_eq!(header.check_scope("us-east-1", "s3"), Ok(()));
    assert_eq!(
        header.check_scope("eu-west-1", "s3").unwrap_err().to_string(),
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"
    );
    assert_eq!(
        url.check_scope("us-east-1", "iam").unwrap_err().to_string(),
        "Error parsing the X-Amz-Credential parameter; incorrect service \"s3\". This endpoint belongs to \"iam\"."
    );
}
