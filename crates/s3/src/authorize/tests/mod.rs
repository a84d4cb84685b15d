//! Requests of callers from two accounts and from none, over a store in memory.

mod copies;
mod costs;
mod encryption;
mod keys;
mod kms;
mod lists;
mod locks;
mod owners;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use coffer_access::{Caller, Grant, NamedPrincipal, Policy, PolicyKind};
use coffer_blob::MemoryBlobs;
use coffer_crypto::Key32;
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::MemoryEngine;
use coffer_sigv4::{SecretKey, SigningKeys};
use coffer_store::{
    Bootstrap, Bucket, BucketAccessChange, BucketChanged, BucketName, BucketPolicy, Clock, NewBucket, ObjectKey,
    ObjectOwnership, Origin, Settings, Store,
};
use coffer_testkit::FailingEngine;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::{BodyExt as _, Full};

use crate::auth::{Identified, Identities, Identity, Principal, SignaturePlace, Signed};
use crate::body::{Framing, RequestBody, Source};
use crate::error::S3Error;
use crate::headers::Headers;
use crate::log::RequestRecord;
use crate::ops::{OperationSettings, S3Operations};
use crate::query::Query;
use crate::request::{Admitted, ConnectionInfo, S3Request};
use crate::response::S3Response;
use crate::route::{RequestLine, route};
use crate::service::Operations as _;

/// The account of the bucket `photos`.
const OURS: &str = "111122223333";
const THEIRS: &str = "444455556666";
/// 2013-05-24T00:00:00Z.
const NOW_MS: u64 = 1_369_353_600_000;

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// Knows accounts by their canonical user IDs, and nothing else.
struct Accounts;

#[async_trait]
impl Identities for Accounts {
    async fn identify(&self, _: &str, _: Option<&str>, _: u64) -> Result<Identified, S3Error> {
        Ok(Identified::UnknownAccessKey)
    }

    fn note_use(&self, _: &Identity, _: &str, _: u64) {}

    fn canonical_id(&self, account: &str) -> String {
        format!("{account:f>64}")
    }

    async fn account_of_canonical_id(&self, canonical_id: &str) -> Result<Option<String>, S3Error> {
        Ok(Some(canonical_id.trim_start_matches('f').to_owned()))
    }

    async fn account_of_email(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn principal(&self, _: &str) -> Result<Option<NamedPrincipal>, S3Error> {
        Ok(Some(NamedPrincipal::Account))
    }

    async fn changed_names(&self, _: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, S3Error> {
        Ok(BTreeMap::new())
    }
}

/// A store with the bucket `photos` of the account [`OURS`].
struct World {
    store: Store,
    engine: Arc<FailingEngine<MemoryEngine>>,
    operations: S3Operations,
    kms: Arc<kms::TestKms>,
}

impl World {
    async fn new() -> Self {
        let bootstrap = Bootstrap { store_id: [0; 16], metadata_key: Key32::generate(), generation: 1 };
        let engine = Arc::new(FailingEngine::new(MemoryEngine::default()));
        let blobs = Arc::new(MemoryBlobs::default());
        let store = Store::new(bootstrap, engine.clone(), blobs, root_keys(), Arc::new(Stopped), Settings::default());
        let settings = OperationSettings {
            region: "us-east-1".into(),
            account_id: OURS.into(),
            new_bucket_object_ownership: ObjectOwnership::BucketOwnerEnforced,
            new_bucket_block_public_access: true,
        };
        let kms = Arc::new(kms::TestKms::default());
        let operations = S3Operations::new(store.clone(), Arc::new(Accounts), settings).with_kms(kms.clone());
        let world = Self { store, engine, operations, kms };
        world.make_bucket("photos", OURS).await;
        world
    }

    async fn make_bucket(&self, name: &str, owner: &str) {
        let new = NewBucket { region: "us-east-1".into(), owner: owner.into(), ..NewBucket::default() };
        self.store.create_bucket(&BucketName::for_creation(name).unwrap(), &new).await.unwrap();
    }

    async fn bucket(&self, name: &str) -> Bucket {
        self.store.bucket(&BucketName::for_lookup(name).unwrap()).await.unwrap()
    }

    async fn change(&self, name: &str, change: BucketAccessChange) {
        let bucket = self.bucket(name).await;
        let changed = self.store.change_bucket_access(&bucket, &change).await.unwrap();
        assert!(matches!(changed, BucketChanged::Yes));
    }

    /// Gives `photos` a policy of these statements.
    async fn policy(&self, statements: &str) {
        self.policy_of("photos", statements).await;
    }

    async fn policy_of(&self, bucket: &str, statements: &str) {
        let text = document(statements);
        Policy::parse(&text, PolicyKind::Bucket { name: bucket }, 20 << 10).unwrap();
        let policy = BucketPolicy { document: text, principals: BTreeMap::new() };
        self.change(bucket, BucketAccessChange::Policy(Some(policy))).await;
    }

    async fn grant_object(&self, key: &str, grants: &[Grant]) {
        let (bucket, key) = (self.bucket("photos").await, ObjectKey::new(key).unwrap());
        let instance = self.store.object_info(&bucket, &key).await.unwrap().instance_id;
        assert!(self.store.put_object_acl(&bucket, &key, instance, grants, &Origin::default()).await.unwrap());
    }

    async fn send(&self, mut request: S3Request) -> Result<S3Response, S3Error> {
        self.operations.call(&mut request).await
    }

    async fn ask(&self, who: &Principal, method: &str, target: &str) -> Result<S3Response, S3Error> {
        self.send(request(who, method, target, &[], "")).await
    }

    /// The status and the code of the answer; `""` for success.
    async fn answer(
        &self,
        who: &Principal,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> (u16, &'static str) {
        self.answer_to(request(who, method, target, headers, "")).await
    }

    async fn answer_to(&self, request: S3Request) -> (u16, &'static str) {
        match self.send(request).await {
            Ok(response) => (response.status.as_u16(), ""),
            Err(error) => (error.status().as_u16(), error.code()),
        }
    }

    /// Puts an object as the root user of the bucket's account.
    async fn put(&self, target: &str, headers: &[(&str, &str)]) {
        assert_eq!(self.answer(&root(OURS), "PUT", target, headers).await, OK, "{target}");
    }
}

const OK: (u16, &str) = (200, "");
const DENIED: (u16, &str) = (403, "AccessDenied");
const NO_SUCH_KEY: (u16, &str) = (404, "NoSuchKey");

fn root_keys() -> Arc<dyn RootKeys> {
    static KEYRING: OnceLock<Arc<LocalKeyring>> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        Arc::new(LocalKeyring::create(&directory.path().join("root.key")).unwrap())
    });
    keyring.clone()
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn identity(caller: Caller) -> Principal {
    let keys = Arc::new(SigningKeys::new(SecretKey::new("secret".to_owned())));
    Principal::Identity(Arc::new(Identity::new("AKIAEXAMPLE".into(), Arc::new(caller), keys)))
}

fn root(account: &str) -> Principal {
    identity(Caller::root(account))
}

/// The user `alice` of an account, with an identity-based policy of these statements.
fn alice(account: &str, statements: &str) -> Principal {
    let (account, path, name, id) = (account.to_owned(), "/".to_owned(), "alice".to_owned(), "AIDAALICE".to_owned());
    let mut caller = Caller::bare(coffer_access::Principal::User { account, path, name, id }, "User");
    if !statements.is_empty() {
        let policy = Policy::parse(&document(statements), PolicyKind::Identity, 6144).unwrap();
        caller.identity_policies.push(Arc::new(policy));
    }
    identity(caller)
}

/// `alice` of [`OURS`], who may do `actions` to everything.
fn allowed(actions: &str) -> Principal {
    alice(OURS, &format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}"#))
}

fn request(who: &Principal, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> S3Request {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let headers = Headers::from(map);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::parse(query).unwrap();
    let line = RequestLine { method, host: "localhost", path, query: &query, headers: &headers };
    let route = route(&line, &[]).unwrap();
    let client = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    let connection = ConnectionInfo { peer: SocketAddr::new(client, 1), client, tls: None, secure: true };
    let version = coffer_sigv4::ALGORITHM;
    let source = Source::wire(Full::from(body.to_owned()).map_err(|never| match never {}), Duration::from_secs(30));
    S3Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        route,
        headers,
        query,
        principal: who.clone(),
        signed: (!who.is_anonymous()).then_some(Signed { place: SignaturePlace::Header, version }),
        now_ms: NOW_MS,
        connection,
        host: "localhost".into(),
        record: Arc::new(RequestRecord::new(connection, "host".into(), NOW_MS)),
        form: None,
        body: RequestBody::new(source, Framing::Plain { sha256: None }, Some(body.len() as u64)),
        admitted: Admitted::default(),
    }
}

async fn body(response: S3Response) -> String {
    String::from_utf8(response.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_user_without_policies_may_do_nothing() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let nobody = alice(OURS, "");
    for (method, target) in [
        ("GET", "/"),
        ("PUT", "/new-bucket"),
        ("HEAD", "/photos"),
        ("GET", "/photos?list-type=2"),
        ("GET", "/photos?versions"),
        ("GET", "/photos?uploads"),
        ("GET", "/photos?location"),
        ("GET", "/photos?encryption"),
        ("PUT", "/photos?encryption"),
        ("DELETE", "/photos"),
        ("GET", "/photos/cat"),
        ("HEAD", "/photos/cat"),
        ("GET", "/photos/cat?attributes"),
        ("PUT", "/photos/cat"),
        ("DELETE", "/photos/cat"),
        ("POST", "/photos/cat?uploads"),
        ("PUT", "/photos/cat?partNumber=1&uploadId=u"),
        ("POST", "/photos/cat?uploadId=u"),
        ("DELETE", "/photos/cat?uploadId=u"),
        ("GET", "/photos/cat?uploadId=u"),
    ] {
        assert_eq!(world.answer(&nobody, method, target, &[]).await, DENIED, "{method} {target}");
        assert_eq!(world.answer(&Principal::Anonymous, method, target, &[]).await, DENIED, "{method} {target}");
        if target.starts_with("/photos") {
            assert_eq!(world.answer(&root(THEIRS), method, target, &[]).await, DENIED, "{method} {target}");
        }
    }
}

#[tokio::test]
async fn what_is_not_built_is_denied_before_it_is_not_implemented() {
    let world = World::new().await;
    for target in ["/photos?inventory", "/photos?metrics", "/photos?accelerate"] {
        assert_eq!(world.answer(&alice(OURS, ""), "PUT", target, &[]).await, DENIED, "{target}");
        assert_eq!(world.answer(&root(OURS), "PUT", target, &[]).await, (501, "NotImplemented"), "{target}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_said_to_be_so() {
    let world = World::new().await;
    for who in [Principal::Anonymous, alice(OURS, ""), root(THEIRS)] {
        assert_eq!(world.answer(&who, "GET", "/other/cat", &[]).await, (404, "NoSuchBucket"));
    }
}

#[tokio::test]
async fn a_denial_says_why_to_the_account_and_to_nobody_else() {
    let world = World::new().await;
    let message =
        async |who: &Principal| world.ask(who, "GET", "/photos/cat").await.err().unwrap().message().to_owned();
    assert_eq!(
        message(&alice(OURS, "")).await,
        "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:GetObject on resource: \
         \"arn:aws:s3:::photos/cat\" because no identity-based policy allows the s3:GetObject action"
    );
    world.policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}"#).await;
    assert!(message(&root(OURS)).await.ends_with(
        "arn:aws:iam::111122223333:root is not authorized to perform: s3:GetObject on resource: \
         \"arn:aws:s3:::photos/cat\" with an explicit deny in a resource-based policy"
    ));
    assert!(message(&allowed(r#""s3:*""#)).await.contains("explicit deny"));
    for stranger in [Principal::Anonymous, root(THEIRS), alice(THEIRS, "")] {
        assert_eq!(message(&stranger).await, "Access Denied");
    }
    let listing = world.ask(&alice(OURS, ""), "GET", "/").await.err().unwrap();
    assert_eq!(
        listing.message(),
        "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:ListAllMyBuckets \
         because no identity-based policy allows the s3:ListAllMyBuckets action"
    );
}

#[tokio::test]
async fn root_repairs_a_policy_that_locks_everybody_out() {
    let world = World::new().await;
    let all = r#""arn:aws:s3:::photos","arn:aws:s3:::photos/*""#;
    for (method, status) in [("GET", 200), ("PUT", 400), ("DELETE", 204)] {
        world.policy(&format!(r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":[{all}]}}"#)).await;
        for other in [allowed(r#""s3:*""#), root(THEIRS), Principal::Anonymous] {
            assert_eq!(world.answer(&other, method, "/photos?policy", &[]).await, DENIED, "{method}");
        }
        assert_eq!(world.answer(&root(OURS), "GET", "/photos?location", &[]).await, DENIED);
        // What is put is no policy: it gets as far as that.
        assert_eq!(world.answer(&root(OURS), method, "/photos?policy", &[]).await.0, status, "{method}");
    }
    assert_eq!(world.answer(&root(OURS), "GET", "/photos?location", &[]).await, OK);
}

#[tokio::test]
async fn a_policy_that_changes_holds_at_once() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let open = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#;
    for _ in 0..2 {
        assert_eq!(world.answer(&Principal::Anonymous, "GET", "/photos/cat", &[]).await, DENIED);
        world.policy(open).await;
        assert_eq!(world.answer(&Principal::Anonymous, "GET", "/photos/cat", &[]).await, OK);
        world.change("photos", BucketAccessChange::Policy(None)).await;
    }
}

#[tokio::test]
async fn a_policy_is_about_who_had_the_name_when_it_was_put() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let arn = format!("arn:aws:iam::{OURS}:user/alice");
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}"#
    );
    for (id, answer) in [("AIDAALICE", OK), ("AIDAOTHER", DENIED), ("AIDAALICE", OK)] {
        let principals = [(arn.clone(), id.to_owned())].into();
        let policy = BucketPolicy { document: document(&statement), principals };
        world.change("photos", BucketAccessChange::Policy(Some(policy))).await;
        assert_eq!(world.answer(&alice(OURS, ""), "GET", "/photos/cat", &[]).await, answer, "{id}");
    }
}

#[tokio::test]
async fn a_stored_policy_that_cannot_be_read_lets_nobody_in() {
    let world = World::new().await;
    let unreadable = BucketPolicy { document: "{}".to_owned(), principals: BTreeMap::new() };
    world.change("photos", BucketAccessChange::Policy(Some(unreadable))).await;
    for who in [root(OURS), allowed(r#""s3:*""#), Principal::Anonymous] {
        assert_eq!(world.answer(&who, "GET", "/photos/cat", &[]).await, (500, "InternalError"));
    }
    assert_ne!(world.answer(&root(OURS), "DELETE", "/photos?policy", &[]).await.0, 500);
}
