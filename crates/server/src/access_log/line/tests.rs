use std::sync::Arc;

use coffer_access::Caller;
use coffer_s3::log::Requester;
use coffer_s3::request::{ConnectionInfo, TlsInfo};
use coffer_s3::response::ResponseBody;
use coffer_s3::route::Operation;
use http::{Request, Response};
use serde_json::Value;

use super::*;

const DONE: Completion = Completion { bytes_sent: 5, complete: true };

fn record() -> RequestRecord {
    let tls = Some(TlsInfo { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" });
    let connection =
        ConnectionInfo { peer: ([127, 0, 0, 1], 1).into(), client: [192, 0, 2, 3].into(), tls, secure: false };
    RequestRecord::new(connection, "host".into(), 1_000)
}

fn note_caller(record: &RequestRecord, principal: Principal) {
    let caller = Arc::new(Caller::bare(principal, "User"));
    record.note_requester(Requester { caller, access_key: "AKIAEXAMPLE".to_owned() });
}

fn note_user_agent(record: &RequestRecord, user_agent: &[u8]) {
    let user_agent = HeaderValue::from_bytes(user_agent).unwrap();
    let request = Request::builder().uri("/b/k?X-Amz-Signature=canary-signature").header("user-agent", user_agent);
    record.note_head(&request.header("authorization", "canary-authorization").body(()).unwrap().into_parts().0);
}

fn bytes(record: &RequestRecord, names: Names) -> Vec<u8> {
    line(record, DONE, names, |scope, name| format!("pseudonym of {} bytes in {}", name.len(), scope.len()))
}

fn value(record: &RequestRecord, names: Names) -> Value {
    serde_json::from_slice(&bytes(record, names)).unwrap()
}

#[test]
fn a_line_says_who_did_what_to_what() {
    let record = record();
    record.note_operation(Operation::PutObject);
    record.note_names(Some("photos"), Some("cat.jpg"));
    let user = |name: &str, path: &str| Principal::User {
        account: "000000000000".into(),
        path: path.into(),
        name: name.into(),
        id: "AIDAEXAMPLE".into(),
    };
    note_caller(&record, user("alice", "/staff/"));
    note_user_agent(&record, b"agent/1.0");
    let mut response = Response::new(ResponseBody::Empty);
    response.headers_mut().insert("x-amz-server-side-encryption", HeaderValue::from_static("AES256"));
    record.note_answer(&response, None);
    let mut line = value(&record, Names::Plain);
    for name in ["totalTimeMs", "timeToFirstByteMs"] {
        assert!(line.as_object_mut().unwrap().remove(name).unwrap().is_u64());
    }
    let expected = serde_json::json!({
        "eventTime": "1970-01-01T00:00:01.000Z",
        "requestID": record.request_id,
        "sourceIPAddress": "192.0.2.3",
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "accountId": "000000000000",
        "accessKeyId": "AKIAEXAMPLE",
        "arn": "arn:aws:iam::000000000000:user/staff/alice",
        "bucketName": "photos",
        "key": "cat.jpg",
        "httpStatus": 200,
        "SSEApplied": "Default_SSE_S3",
        "bytesTransferredIn": 0,
        "bytesTransferredOut": 5,
        "complete": true,
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "SignatureVersion": "SigV4",
        "AuthenticationMethod": "AuthHeader",
        "userAgent": "agent/1.0",
    });
    assert_eq!(line, expected);
}

#[test]
fn hidden_names_are_nowhere_in_the_line() {
    let record = record();
    record.note_operation(Operation::GetObject);
    record.note_names(Some("canary-bucket"), Some("canary-key"));
    note_user_agent(&record, b"canary-agent");
    note_caller(
        &record,
        Principal::Session {
            account: "000000000000".into(),
            role_path: "/canary-path/".into(),
            role_name: "canary-role".into(),
            role_id: "AROAEXAMPLE".into(),
            session_name: "canary-session".into(),
        },
    );
    let line = value(&record, Names::Hidden);
    assert!(!line.to_string().contains("canary"), "{line}");
    assert_eq!(line["bucketName"], "pseudonym of 13 bytes in 6");
    assert_eq!(line["key"], "pseudonym of 10 bytes in 17");
    assert_eq!(line["principalId"], "AROAEXAMPLE:pseudonym of 14 bytes in 7");
    assert_eq!((&line["type"], &line["accountId"]), (&"AssumedRole".into(), &"000000000000".into()));
}

#[test]
fn no_secret_of_a_request_is_in_a_plain_line() {
    let record = record();
    note_user_agent(&record, b"agent");
    note_caller(&record, Principal::Root { account: "000000000000".into() });
    let line = value(&record, Names::Plain).to_string();
    assert!(!line.contains("canary") && !line.contains("X-Amz"), "{line}");
}

#[test]
fn the_root_users_arn_holds_no_name_and_is_never_hidden() {
    let record = record();
    note_caller(&record, Principal::Root { account: "000000000000".into() });
    assert_eq!(value(&record, Names::Hidden)["arn"], "arn:aws:iam::000000000000:root");
}

#[test]
fn hostile_text_stays_within_its_string() {
    let hostile = "\",\"httpStatus\":200}\r\n{\"\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\\é\u{1f4a3}";
    let record = record();
    record.note_names(Some("b"), Some(hostile));
    note_user_agent(&record, b"\"},\x80\xff\tx\xc3");
    let bytes = bytes(&record, Names::Plain);
    let (last, line) = bytes.split_last().unwrap();
    assert!(*last == b'\n' && line.iter().all(|byte| (b' '..=b'~').contains(byte)), "{}", bytes.escape_ascii());
    let line: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["key"], hostile);
    assert_eq!(line["userAgent"], "\"},\u{fffd}\u{fffd}\tx\u{fffd}");
    assert!(line.get("httpStatus").is_none());
}

#[test]
fn a_long_user_agent_is_cut() {
    let record = record();
    note_user_agent(&record, &[b'a'; 10_000]);
    assert_eq!(value(&record, Names::Plain)["userAgent"].as_str().unwrap().len(), MAX_USER_AGENT_LEN);
}

#[test]
fn a_request_that_broke_off_before_its_answer_has_no_status() {
    let record = record();
    let broken = Completion { bytes_sent: 0, complete: false };
    let line: Value = serde_json::from_slice(&line(&record, broken, Names::Plain, |_, _| String::new())).unwrap();
    assert!(line.get("httpStatus").is_none() && line.get("timeToFirstByteMs").is_none());
    assert_eq!((&line["complete"], &line["eventName"]), (&false.into(), &"Unknown".into()));
}

#[test]
fn encryption_is_told_as_it_was_asked_for() {
    let applied = |named: bool, operation, header: &'static str, value: &'static str| {
        let record = record();
        record.note_operation(operation);
        let request = Request::builder().uri("/");
        let request = if named { request.header("x-amz-server-side-encryption", "AES256") } else { request };
        record.note_request_headers(&request.body(()).unwrap().into_parts().0.headers);
        let mut response = Response::new(ResponseBody::Empty);
        response.headers_mut().insert(header, HeaderValue::from_static(value));
        record.note_answer(&response, None);
        record.answered().unwrap().sse_applied
    };
    let (sse, sse_c) = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm");
    assert_eq!(applied(true, Operation::PutObject, sse, "AES256"), Some("SSE_S3"));
    assert_eq!(applied(false, Operation::CopyObject, sse, "AES256"), Some("Default_SSE_S3"));
    assert_eq!(applied(false, Operation::GetObject, sse, "AES256"), Some("SSE_S3"));
    assert_eq!(applied(false, Operation::CreateMultipartUpload, sse_c, "AES256"), Some("SSE_C"));
    assert_eq!(applied(false, Operation::PutObject, sse, "aws:kms"), Some("Default_SSE_KMS"));
    assert_eq!(applied(false, Operation::PutObject, "etag", "x"), None);
}
