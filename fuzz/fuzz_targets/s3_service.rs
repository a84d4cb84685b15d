//! Whole requests against a store in memory: whatever they are, the answer is S3's and never an internal error.
//!
//! Up to four requests in the notation of the seeds, with lines of `%%` between them. Those without an
//! `Authorization` header are signed. The bucket `photos` holds the object `a`. `UPLOAD` in a query stands for the
//! upload that was begun, `ETAG` in a body for the ETag that was answered last, `MD5` for the digest of the body.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coffer_blob::MemoryBlobs;
use coffer_crypto::{Key32, md5};
use coffer_fuzz::{ACCOUNT, DATE, NOW_MS, Request, Root, key, runtime, signer};
use coffer_keyring::{KeyError, RootDescription, RootKeys, WrapContext};
use coffer_meta::MemoryEngine;
use coffer_s3::ops::{OperationSettings, S3Operations};
use coffer_s3::request::{ConnectionInfo, TlsInfo};
use coffer_s3::service::{S3Service, ServiceSettings};
use coffer_s3::website::Websites;
use coffer_seal::{Envelope, KekRef, Mode, Scope, unwrap, wrap};
use coffer_sigv4::RequestParts;
use coffer_store::{Bootstrap, BucketName, Clock, NewBucket, ObjectOwnership, Settings, Store};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;

const SEPARATOR: &[u8] = b"\n%%\n";
const MAX_REQUESTS: usize = 4;
const HOST: &str = "s3.example.org";

fuzz_target!(|input: &[u8]| {
    runtime().block_on(async {
        let service = service().await;
        let mut said = Said::default();
        let status = answer(&service, b"PUT /photos/a\nx-amz-meta-a: 1\n\nthe first object", &mut said).await;
        assert_eq!(status, Some(200));
        let mut rest = input;
        for _ in 0..MAX_REQUESTS {
            let at = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
            answer(&service, at.map_or(rest, |at| &rest[..at]), &mut said).await;
            let Some(at) = at else { break };
            rest = &rest[at + SEPARATOR.len()..];
        }
    });
});

/// What answers said that later requests repeat.
#[derive(Default)]
struct Said {
    upload_id: String,
    etag: String,
}

async fn service() -> S3Service<S3Operations> {
    let bootstrap = Bootstrap { store_id: [1; 16], metadata_key: key(), generation: 1 };
    let (engine, blobs) = (Arc::new(MemoryEngine::default()), Arc::new(MemoryBlobs::default()));
    let store = Store::new(bootstrap, engine, blobs, Arc::new(OneKey), Arc::new(Stopped), Settings::default());
    let name = BucketName::for_creation("photos").expect("a name for a bucket");
    let new = NewBucket { owner: ACCOUNT.to_owned(), ..NewBucket::default() };
    store.create_bucket(&name, &new).await.expect("the first bucket");
    let operations = OperationSettings {
        region: "us-east-1".to_owned(),
        account_id: ACCOUNT.to_owned(),
        new_bucket_object_ownership: ObjectOwnership::ObjectWriter,
        new_bucket_block_public_access: false,
    };
    let settings = ServiceSettings {
        region: "us-east-1".to_owned(),
        domains: vec![HOST.to_owned()],
        websites: Websites::default(),
        idle: Duration::from_secs(1),
    };
    let identities = Root::new();
    let operations = S3Operations::new(store, identities.clone(), operations);
    S3Service::new(operations, identities, settings, Arc::new(Stopped))
}

/// Sends a request, and returns the status of its answer if it is one of HTTP.
async fn answer(service: &S3Service<S3Operations>, text: &[u8], said: &mut Said) -> Option<u16> {
    let mut request = Request::parse(text)?;
    let query = request.query.replace("UPLOAD", &said.upload_id);
    let body = match str::from_utf8(request.body) {
        Ok(body) => Bytes::from(body.replace("ETAG", &said.etag)),
        Err(_) => Bytes::copy_from_slice(request.body),
    };
    let (len, md5) = (body.len().to_string(), STANDARD.encode(md5(&body)));
    for (name, value) in &mut request.headers {
        if name == "content-md5" && *value == b"MD5" {
            *value = md5.as_bytes();
        }
    }
    for (name, value) in
        [("host", HOST), ("x-amz-date", DATE), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("content-length", &len)]
    {
        if !request.headers.iter().any(|(other, _)| other == name) {
            request.headers.push((name.to_owned(), value.as_bytes()));
        }
    }
    let built = build(&request, &query, body)?;
    let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    let tls = Some(TlsInfo { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" });
    let record = service.record(ConnectionInfo { peer, client: peer.ip(), tls, secure: true });
    let answer = service.handle(built, &record).await;
    let (head, body) = answer.response.into_parts();
    let status = head.status.as_u16();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    assert!(status < 500 || status == 501, "{status} {body}");
    if status >= 400 {
        assert!(body.is_empty() || body.ends_with("</Error>"), "a refusal is no document");
    } else {
        if let Some((_, upload)) = body.split_once("<UploadId>") {
            said.upload_id = upload.split('<').next().unwrap_or_default().to_owned();
        }
        if let Some(etag) = head.headers.get("etag").and_then(|etag| etag.to_str().ok()) {
            etag.trim_matches('"').clone_into(&mut said.etag);
        }
    }
    Some(status)
}

/// The request for the service, signed unless it brings a signature; `None` for what is no request of HTTP.
fn build(request: &Request<'_>, query: &str, body: Bytes) -> Option<http::Request<Full<Bytes>>> {
    let target = if query.is_empty() { request.path.to_owned() } else { format!("{}?{query}", request.path) };
    let mut built = http::Request::builder().method(request.method).uri(target);
    let headers = request.header_map();
    if !headers.contains_key("authorization") {
        let pairs: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let uri = built.uri_ref()?;
        let query = uri.query().unwrap_or_default();
        let parts = RequestParts { method: request.method, path: uri.path(), query, headers: &pairs };
        if let Ok(signed) = signer().sign_header(&parts) {
            built = built.header("authorization", signed.authorization);
        }
    }
    for (name, value) in &headers {
        built = built.header(name, value);
    }
    built.body(Full::new(body)).ok()
}

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// Wraps under [`key`].
struct OneKey;

#[async_trait]
impl RootKeys for OneKey {
    async fn wrap(&self, context: &WrapContext, data_key: &Key32) -> Result<Vec<u8>, KeyError> {
        let by = KekRef { mode: Mode::BucketKey, id: [2; 16], generation: 1 };
        let scope = Scope::of_wrapped_key([3; 16], context.key_id, context.generation);
        Ok(wrap(&key(), by, &scope.as_scope(), data_key).as_bytes().to_vec())
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        let envelope = Envelope::from_bytes(wrapped).map_err(|_| KeyError::WrongKey)?;
        let scope = Scope::of_wrapped_key([3; 16], context.key_id, context.generation);
        unwrap(&key(), &envelope, &scope.as_scope()).map_err(|_| KeyError::WrongKey)
    }

    fn describe(&self) -> RootDescription {
        RootDescription { provider: "fuzz", root_id: [2; 16], generation: 1, fingerprint: String::new() }
    }
}
