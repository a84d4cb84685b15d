use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use coffer_configuration::Site;
use coffer_sigv4::{Scope, SecretKey, Signer};
use futures_util::stream;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};

use super::*;
use crate::auth::tests::{ACCESS_KEY, DATE, NOW_MS, One, SECRET};

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// Tells what it was asked, and reads the body if the operation has one.
#[derive(Default)]
struct Fake(Mutex<Vec<String>>);

#[async_trait]
impl Operations for &Fake {
    async fn call(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        if request.route.operation == Operation::GetObject {
            return Err(S3Error::no_such_key(request.key_text()));
        }
        let body = request.body.read_all(1000).await?;
        let call = format!(
            "{} {} {} {} {}",
            request.route.operation.name(),
            request.bucket_name(),
            request.key_text(),
            request.principal.arn(),
            String::from_utf8_lossy(&body)
        );
        self.0.lock().unwrap().push(call);
        Ok(S3Response::new(StatusCode::OK))
    }

    async fn website(&self, bucket: &str) -> Result<WebsiteConfiguration, S3Error> {
        let site = Site {
            index_suffix: "index.html".to_owned(),
            error_key: Some("error.html".to_owned()),
            routing_rules: Vec::new(),
        };
        match bucket {
            "photos" => Ok(WebsiteConfiguration::Site(site)),
            bucket => Err(S3Error::no_such_website_configuration(bucket)),
        }
    }

    async fn tell_origin(&self, bucket: &str, _: &Crossing) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(bucket).unwrap())])
    }
}

fn websites() -> Websites {
    Websites { domains: vec!["web.example.org".into()], hosts: Vec::new() }
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const PLAIN: ConnectionInfo =
    ConnectionInfo { peer: SocketAddr::new(LOCALHOST, 1), client: LOCALHOST, tls: None, secure: false };

async fn handle(fake: &Fake, request: Request<Full<Bytes>>, connection: ConnectionInfo) -> (Response<()>, String) {
    let settings = ServiceSettings {
        region: "us-east-1".into(),
        domains: vec!["s3.example.org".into()],
        websites: websites(),
        idle: Duration::from_secs(30),
    };
    let service = S3Service::new(fake, One::new(), settings, Arc::new(Stopped));
    let (parts, body) = service.handle(request, &service.record(connection)).await.response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

/// A request signed over every header.
fn signed(method: &str, target: &str, extra: &[(&'static str, &str)], body: &'static str) -> Request<Full<Bytes>> {
    let mut pairs: Vec<(&str, &[u8])> = vec![
        ("host", b"s3.example.org"),
        ("x-amz-date", DATE.as_bytes()),
        ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
    ];
    pairs.extend(extra.iter().map(|(name, value)| (*name, value.as_bytes())));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let signer = Signer::new(ACCESS_KEY, &SecretKey::new(SECRET), scope);
    let signed = signer.sign_header(&RequestParts { method, path, query, headers: &pairs }).unwrap();
    let mut request = Request::builder().method(method).uri(target).header("authorization", signed.authorization);
    for (name, value) in pairs {
        request = request.header(name, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(Full::from(body)).unwrap()
}

fn calls(fake: &Fake) -> Vec<String> {
    fake.0.lock().unwrap().clone()
}

#[tokio::test]
async fn a_signed_request_reaches_its_operation() {
    let fake = Fake::default();
    let (answer, _) = handle(&fake, signed("PUT", "/photos/a%20b?x-id=PutObject", &[], "text"), PLAIN).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["server"], "Coffer");
    assert_eq!(answer.headers()["x-amz-request-id"].len(), 16);
    assert!(!answer.headers().contains_key("connection"));
    assert_eq!(calls(&fake), ["PutObject photos a b arn:aws:iam::123456789012:root text"]);
}

#[tokio::test]
async fn errors_are_answers_and_unread_bodies_close() {
    let fake = Fake::default();
    let (answer, body) = handle(&fake, signed("GET", "/photos/k", &[], "unread"), PLAIN).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["connection"]), (404, &HeaderValue::from_static("close")));
    let id = answer.headers()["x-amz-request-id"].to_str().unwrap();
    assert!(body.contains("<Code>NoSuchKey</Code>") && body.contains(&format!("<RequestId>{id}</RequestId>")));
    let (answer, body) = handle(&fake, signed("GET", "/photos/k", &[], ""), PLAIN).await;
    assert!(!answer.headers().contains_key("connection") && !body.is_empty());
}

#[tokio::test]
async fn an_expectation_that_an_empty_body_leaves_open_closes() {
    let fake = Fake::default();
    let closes = async |body: &'static str| {
        let mut request = signed("PUT", "/photos/k", &[], body);
        request.headers_mut().insert("expect", HeaderValue::from_static("100-Continue"));
        handle(&fake, request, PLAIN).await.0.headers().contains_key("connection")
    };
    assert!(closes("").await);
    assert!(!closes("text").await);
}

#[tokio::test]
async fn a_wrong_signature_never_reaches_an_operation() {
    let fake = Fake::default();
    let mut request = signed("PUT", "/photos/k", &[("x-amz-meta-a", "1")], "text");
    request.headers_mut().insert("x-amz-meta-a", HeaderValue::from_static("2"));
    let (answer, body) = handle(&fake, request, PLAIN).await;
    assert_eq!(answer.status(), 403);
    assert!(body.contains("SignatureDoesNotMatch") && calls(&fake).is_empty());
}

#[tokio::test]
async fn an_anonymous_request_is_the_operations_to_judge() {
    let fake = Fake::default();
    let request = Request::builder().uri("/photos").header("host", "x").body(Full::default()).unwrap();
    handle(&fake, request, PLAIN).await;
    assert_eq!(calls(&fake), ["ListObjects photos  anonymous "]);
}

#[tokio::test]
async fn customer_keys_need_tls_all_the_way() {
    let key = [("x-amz-server-side-encryption-customer-key", "junk")];
    let put = |extra: &[(&'static str, &str)]| signed("PUT", "/photos/k", extra, "");
    let code = async |request, connection| handle(&Fake::default(), request, connection).await.0.status().as_u16();
    let forwarded = [key[0], ("x-forwarded-proto", "https")];
    assert_eq!(code(put(&key), PLAIN).await, 400);
    assert_eq!(code(put(&key), ConnectionInfo { secure: true, ..PLAIN }).await, 200);
    // Who is believed was decided where the connection came in.
    assert_eq!(code(put(&forwarded), PLAIN).await, 400);
}

#[tokio::test]
async fn the_signature_is_judged_before_the_transport() {
    let mut request = signed("PUT", "/photos/k", &[("x-amz-server-side-encryption-customer-key", "junk")], "");
    request.headers_mut().insert("x-amz-server-side-encryption-customer-key", HeaderValue::from_static("other"));
    let (answer, body) = handle(&Fake::default(), request, PLAIN).await;
    assert_eq!(answer.status(), 403);
    assert!(!body.contains("junk") && !body.contains("other"));
}

#[tokio::test]
async fn virtual_hosts_are_known_by_their_domain() {
    let fake = Fake::default();
    let request = Request::builder().uri("/").header("host", "photos.s3.example.org").body(Full::default()).unwrap();
    handle(&fake, request, PLAIN).await;
    assert_eq!(calls(&fake), ["ListObjects photos  anonymous "]);
}

#[tokio::test]
async fn a_form_becomes_an_object() {
    let fake = Fake::default();
    let form = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n\
                --x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntext\r\n--x--\r\n";
    let request = Request::post("/photos")
        .header("host", "s3.example.org")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Full::from(form))
        .unwrap();
    assert_eq!(handle(&fake, request, PLAIN).await.0.status(), 200);
    assert_eq!(calls(&fake), ["PostObject photos a anonymous text"]);
}

#[tokio::test]
async fn pages_of_other_origins_are_told_of_whatever_is_answered() {
    let fake = Fake::default();
    let told = async |mut request: Request<Full<Bytes>>, origin: Option<&'static str>| {
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        }
        let (answer, _) = handle(&fake, request, PLAIN).await;
        (answer.status().as_u16(), answer.headers().get("access-control-allow-origin").cloned())
    };
    let photos = Some(HeaderValue::from_static("photos"));
    let origin = Some("https://a.example");
    assert_eq!(told(signed("PUT", "/photos/k", &[], ""), origin).await, (200, photos.clone()));
    assert_eq!(told(signed("GET", "/photos/k", &[], ""), origin).await, (404, photos.clone()));
    let mut wrong = signed("PUT", "/photos/k", &[], "");
    wrong.headers_mut().insert("x-amz-date", HeaderValue::from_static("20130524T000001Z"));
    assert_eq!(told(wrong, origin).await, (403, photos));
    assert_eq!(told(signed("PUT", "/photos/k", &[], ""), None).await, (200, None));
    assert_eq!(told(signed("GET", "/", &[], ""), origin).await, (200, None));
}

#[tokio::test]
async fn a_visit_is_nobodys_and_is_answered_with_pages() {
    let fake = Fake::default();
    let visit = async |method: &str, host: &str, target: &str| {
        let mut request = signed(method, target, &[], "");
        request.headers_mut().insert("host", HeaderValue::from_str(host).unwrap());
        let (answer, page) = handle(&fake, request, PLAIN).await;
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        (answer.status().as_u16(), answer.headers()["x-amz-error-code"].to_str().unwrap().to_owned(), page)
    };
    let (status, code, page) = visit("GET", "photos.web.example.org", "/docs/?x-amz-acl=private&acl").await;
    assert_eq!((status, code.as_str()), (404, "NoSuchKey"));
    assert!(page.contains("<li>Key: docs/index.html</li>") && page.contains("<li>Key: error.html</li>"), "{page}");
    let (status, code, _) = visit("GET", "other.web.example.org", "/").await;
    assert_eq!((status, code.as_str()), (404, "NoSuchWebsiteConfiguration"));
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        let (status, code, _) = visit(method, "photos.web.example.org", "/k").await;
        assert_eq!((status, code.as_str()), (405, "MethodNotAllowed"));
    }
    let (status, code, _) = visit("GET", "photos.web.example.org", "/%ff").await;
    assert_eq!((status, code.as_str()), (400, "InvalidURI"));
    let (status, code, _) = visit("GET", "photos.web.example.org", "/docs").await;
    assert_eq!((status, code.as_str()), (302, "Found"));
    // The folder's document was looked for, and nothing in the name of who signed.
    assert_eq!(calls(&fake), ["HeadObject photos docs/index.html anonymous "]);
}

#[tokio::test]
async fn a_client_that_breaks_off_gets_no_further() {
    let fake = Fake::default();
    let request = signed("PUT", "/photos/k", &[("content-length", "9")], "");
    let frames = vec![Ok(Frame::data(Bytes::from("text"))), Err(BoxError::from("reset"))];
    let request = request.map(|_| StreamBody::new(stream::iter(frames)));
    let settings = ServiceSettings {
        region: "us-east-1".into(),
        domains: vec![],
        websites: websites(),
        idle: Duration::from_secs(30),
    };
    let service = S3Service::new(&fake, One::new(), settings, Arc::new(Stopped));
    let answer = service.handle(request, &service.record(PLAIN)).await;
    assert_eq!((answer.operation, answer.response.status().as_u16()), ("PutObject", 400));
    assert_eq!(answer.response.headers()["connection"], "close");
    assert!(calls(&fake).is_empty());
}

async fn recorded(fake: &Fake, request: Request<Full<Bytes>>) -> Arc<RequestRecord> {
    let settings = ServiceSettings {
        region: "us-east-1".into(),
        domains: vec![],
        websites: websites(),
        idle: Duration::from_secs(30),
    };
    let service = S3Service::new(fake, One::new(), settings, Arc::new(Stopped));
    let record = service.record(PLAIN);
    service.handle(request, &record).await;
    record
}

#[tokio::test]
async fn a_record_knows_what_was_asked_by_whom_and_answered() {
    let record = recorded(&Fake::default(), signed("PUT", "/photos/a%20b?x-id=PutObject", &[], "text")).await;
    assert_eq!((record.bucket_name(), record.key()), (Some("photos"), Some("a b")));
    assert_eq!(record.action().map(|action| (action.service, action.name)), Some(("s3.amazonaws.com", "PutObject")));
    assert_eq!(record.requester().map(|requester| requester.access_key.as_str()), Some(ACCESS_KEY));
    assert_eq!(record.signature().map(|signature| signature.method), Some("AuthHeader"));
    assert_eq!(record.bytes_received(), 4);
    let answered = record.answered().unwrap();
    assert_eq!((answered.status.as_u16(), answered.error_code, answered.object_size), (200, None, Some(4)));
    assert!(record.turn_around() <= record.time_to_first_byte());
}

#[tokio::test]
async fn a_wrong_signature_leaves_nobody_in_the_record() {
    let mut request = signed("PUT", "/photos/k", &[("x-amz-meta-a", "1")], "text");
    request.headers_mut().insert("x-amz-meta-a", HeaderValue::from_static("2"));
    let record = recorded(&Fake::default(), request).await;
    assert!(record.requester().is_none() && record.signature().is_some());
    assert_eq!(record.answered().unwrap().error_code, Some("SignatureDoesNotMatch"));
    // Not all of the body was read.
    assert_eq!(record.turn_around(), None);
}

#[tokio::test]
async fn a_form_names_its_key_in_the_record() {
    let form = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n\
                --x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntext\r\n--x--\r\n";
    let request = Request::post("/photos").header("content-type", "multipart/form-data; boundary=x");
    let record = recorded(&Fake::default(), request.body(Full::from(form)).unwrap()).await;
    assert_eq!((record.key(), record.signature()), (Some("a"), None));
    assert_eq!(record.answered().unwrap().object_size, Some(4));
}
