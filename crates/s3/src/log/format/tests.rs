use std::sync::Arc;

use coffer_access::Caller;
use http::{Request, Response};

use super::*;
use crate::body::Received;
use crate::log::Requester;
use crate::request::{ConnectionInfo, TlsInfo};
use crate::response::ResponseBody;
use crate::route::Operation;

const NOTHING: Completion = Completion { bytes_sent: 0, complete: true };

fn record() -> RequestRecord {
    let tls = Some(TlsInfo { version: "TLSv1.2", cipher_suite: "ECDHE-RSA-AES128-GCM-SHA256" });
    let connection =
        ConnectionInfo { peer: ([127, 0, 0, 1], 1).into(), client: [192, 0, 2, 3].into(), tls, secure: true };
    RequestRecord::new(connection, "HOST+ID=".into(), 1_255_369_830_007)
}

fn note_head(record: &RequestRecord, target: &str, headers: &[(&str, &[u8])]) {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    record.note_head(&request.body(()).unwrap().into_parts().0);
}

fn note_caller(record: &RequestRecord, principal: Principal) {
    let caller = Arc::new(Caller::bare(principal, "User"));
    record.note_requester(Requester { caller, access_key: "AKIAEXAMPLE".to_owned() });
}

fn formatted(record: &RequestRecord, completion: Completion) -> String {
    let canonical_id = |account: &str| format!("id-of-{account}");
    let context = LineContext { bucket_owner: "id-of-owner", bucket: "photos", canonical_id: &canonical_id };
    line(record, completion, &context)
}

/// The fields of a line, as programs that follow S3's documentation tell them apart.
fn fields(line: &str) -> Vec<String> {
    let mut rest = line.strip_suffix('\n').unwrap();
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let end = match rest.as_bytes()[0] {
            b'[' => rest.find(']').unwrap() + 1,
            b'"' => rest[1..].find('"').unwrap() + 2,
            _ => rest.find(' ').unwrap_or(rest.len()),
        };
        fields.push(rest[..end].to_owned());
        rest = rest[end..].strip_prefix(' ').unwrap_or_else(|| {
            assert_eq!(end, rest.len(), "something follows a field in {line:?}");
            ""
        });
    }
    fields
}

#[test]
fn a_line_has_the_fields_of_the_documentation_in_their_order() {
    let record = record();
    note_head(
        &record,
        "/photos/a%20b?versionId=null",
        &[
            ("authorization", b"AWS4-HMAC-SHA256 canary"),
            ("host", b"s3.example.org"),
            ("user-agent", b"agent/1.0 (x)"),
            ("referer", b"https://example.org/"),
        ],
    );
    record.note_body(Received::whole(0));
    record.note_operation(Operation::GetObject);
    record.note_names(Some("photos"), Some("a b"));
    note_caller(&record, Principal::Root { account: "000000000000".into() });
    let mut response = Response::new(ResponseBody::Head(7));
    response.headers_mut().insert("content-length", HeaderValue::from_static("7"));
    response.headers_mut().insert("x-amz-version-id", HeaderValue::from_static("null"));
    record.note_answer(&response, None);
    let fields = fields(&formatted(&record, Completion { bytes_sent: 7, complete: true }));
    let expected = [
        "id-of-owner",
        "photos",
        "[12/Oct/2009:17:50:30 +0000]",
        "192.0.2.3",
        "id-of-000000000000",
        record.request_id.as_str(),
        "REST.GET.OBJECT",
        "a%20b",
        "\"GET /photos/a%20b?versionId=null HTTP/1.1\"",
        "200",
        "-",
        "7",
        "7",
        &fields[13],
        &fields[14],
        "\"https://example.org/\"",
        "\"agent/1.0 (x)\"",
        "null",
        "HOST+ID=",
        "SigV4",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AuthHeader",
        "s3.example.org",
        "TLSv1.2",
        "-",
        "-",
        "-",
    ];
    assert_eq!(fields, expected);
    assert!(fields[13].parse::<u64>().is_ok() && fields[14].parse::<u64>().is_ok());
}

#[test]
fn what_is_not_known_is_a_dash() {
    let connection =
        ConnectionInfo { peer: ([127, 0, 0, 1], 1).into(), client: [192, 0, 2, 3].into(), tls: None, secure: false };
    let record = RequestRecord::new(connection, "H".into(), 0);
    let fields = fields(&formatted(&record, NOTHING));
    assert_eq!(fields.len(), 27);
    for at in [4, 7, 9, 10, 11, 12, 14, 17, 19, 20, 21, 22, 23, 24, 25, 26] {
        assert_eq!(fields[at], "-", "field {at}");
    }
    for at in [8, 15, 16] {
        assert_eq!(fields[at], "\"-\"", "field {at}");
    }
}

#[test]
fn users_and_sessions_are_told_by_their_arn() {
    let requester = |principal| {
        let record = record();
        note_caller(&record, principal);
        fields(&formatted(&record, NOTHING)).swap_remove(4)
    };
    let account = || "000000000000".to_owned();
    let user = Principal::User { account: account(), path: "/a b/".into(), name: "alice".into(), id: "AIDA".into() };
    assert_eq!(requester(user), "arn:aws:iam::000000000000:user/a%20b/alice");
    let session = Principal::Session {
        account: account(),
        role_path: "/".into(),
        role_name: "reader".into(),
        role_id: "AROA".into(),
        session_name: "s".into(),
    };
    assert_eq!(requester(session), "arn:aws:sts::000000000000:assumed-role/reader/s");
}

#[test]
fn hostile_text_stays_within_its_field() {
    let record = record();
    record.note_names(Some("photos"), Some("a b\"\r\n- \u{7f}\u{9b}\u{2028}é\\"));
    let hostile: &[u8] = b"\" 200 - \t\xff\xc3( \\\"";
    note_head(&record, "/photos/\"{}?a=%0D%0A", &[("user-agent", hostile), ("referer", hostile), ("host", hostile)]);
    let line = formatted(&record, NOTHING);
    assert!(line.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{line:?}");
    assert_eq!(line.matches('\n').count(), 1);
    let fields = fields(&line);
    assert_eq!(fields.len(), 27, "{line}");
    assert_eq!(fields[7], "a%20b%22%0D%0A-%20%7F%C2%9B%E2%80%A8%C3%A9%5C");
    assert_eq!(fields[8], "\"GET /photos/%22{}?a=%0D%0A HTTP/1.1\"");
    assert_eq!(fields[16], "\"%22 200 - %09%FF%C3( \\%22\"");
    assert_eq!(fields[22], "%22%20200%20-%20%09%FF%C3(%20\\%22");
}

#[test]
fn no_secret_of_the_target_is_in_the_line() {
    for name in [
        "X-Amz-Signature",
        "x-amz-signature",
        "X-Amz-Security-Token",
        "Signature",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-MD5",
        "X%2dAmz-Signature",
        "X-Amz-S%69gnature",
    ] {
        let record = record();
        note_head(&record, &format!("/photos/k?a=1&{name}=canary&b"), &[("x-amz-security-token", b"canary")]);
        let line = formatted(&record, NOTHING);
        assert!(!line.contains("canary"), "{line}");
        assert!(line.contains(&format!("/photos/k?a=1&{name}=REDACTED&b HTTP/1.1")), "{line}");
    }
}

#[test]
fn long_headers_are_cut() {
    let record = record();
    note_head(&record, "/", &[("user-agent", &[b'a'; 100_000])]);
    assert!(formatted(&record, NOTHING).len() < 10_000);
}

#[test]
fn operations_have_the_names_of_s3s_logs() {
    let operation = |method: &str, operation| {
        let record = record();
        record.note_head(&Request::builder().method(method).uri("/").body(()).unwrap().into_parts().0);
        record.note_operation(operation);
        fields(&formatted(&record, NOTHING)).swap_remove(6)
    };
    for (method, asked, name) in [
        ("PUT", Operation::PutObject, "REST.PUT.OBJECT"),
        ("HEAD", Operation::HeadObject, "REST.HEAD.OBJECT"),
        ("PUT", Operation::CopyObject, "REST.COPY.OBJECT"),
        ("PUT", Operation::UploadPartCopy, "REST.COPY.PART"),
        ("PUT", Operation::UploadPart, "REST.PUT.PART"),
        ("POST", Operation::CreateMultipartUpload, "REST.POST.UPLOADS"),
        ("POST", Operation::CompleteMultipartUpload, "REST.POST.UPLOAD"),
        ("POST", Operation::DeleteObjects, "REST.POST.MULTI_OBJECT_DELETE"),
        ("GET", Operation::GetBucketPolicy, "REST.GET.BUCKETPOLICY"),
        ("GET", Operation::GetBucketLogging, "REST.GET.LOGGING_STATUS"),
        ("GET", Operation::ListObjectsV2, "REST.GET.BUCKET"),
        ("OPTIONS", Operation::PreflightObject, "REST.OPTIONS.PREFLIGHT"),
    ] {
        assert_eq!(operation(method, asked), name);
    }
    let visit = record();
    visit.note_website();
    visit.note_operation(Operation::GetObject);
    assert_eq!(fields(&formatted(&visit, NOTHING))[6], "WEBSITE.GET.OBJECT");
}

#[test]
fn another_object_has_a_line_that_leaves_out_what_the_requests_own_says() {
    let record = record();
    note_head(&record, "/photos?delete", &[("user-agent", b"agent"), ("host", b"h"), ("authorization", b"canary")]);
    note_caller(&record, Principal::Root { account: "000000000000".into() });
    let object = FurtherObject {
        operation: "BATCH.DELETE.OBJECT",
        bucket: "photos".into(),
        key: "a b\n".into(),
        version_id: Some("x y\n".into()),
        status: http::StatusCode::FORBIDDEN,
        error_code: Some("AccessDenied"),
        size: None,
    };
    let canonical_id = |account: &str| format!("id-of-{account}");
    let context = LineContext { bucket_owner: "id-of-owner", bucket: "photos", canonical_id: &canonical_id };
    let fields = fields(&further_line(&record, &object, &context));
    assert_eq!(fields.len(), 27);
    assert_eq!(fields[4..9], ["id-of-000000000000", &record.request_id, "BATCH.DELETE.OBJECT", "a%20b%0A", "-"]);
    assert_eq!(fields[9..18], ["403", "AccessDenied", "-", "-", "-", "-", "-", "-", "x%20y%0A"]);
    assert_eq!(fields[22], "h");
}

#[test]
fn a_request_that_needed_a_list_says_so() {
    let record = record();
    record.note_acl_required();
    assert_eq!(fields(&formatted(&record, NOTHING))[25], "Yes");
}
