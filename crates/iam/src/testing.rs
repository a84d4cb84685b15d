//! For the tests of the actions: a store in memory, and requests signed as a client signs them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use coffer_blob::MemoryBlobs;
use coffer_crypto::{Key32, sha256};
use coffer_keyring::{LocalKeyring, RootKeys};
use coffer_meta::{CommitError, MemoryEngine};
use coffer_sigv4::{RequestParts, Scope, SecretKey, Signer, Timestamp};
use coffer_store::{Bootstrap, RootCredentials, Settings, Store, SystemClock};
use coffer_testkit::{EngineCall, FailingEngine, Faults};
use http::{Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::api::{ApiAnswer, ApiConnection};
use crate::oidc::Documents;
use crate::oidc::testing::FakeDocuments;
use crate::settings::{Iam, IamSettings};
use crate::sts;

/// The first account.
pub(crate) const ACCOUNT: &str = "000000000000";
/// The access key of its root user.
pub(crate) const ROOT_ACCESS_KEY: &str = "COFFERROOT";
const ROOT_SECRET_KEY: &str = "the secret of the root user";
const HOST: &str = "iam.localhost";
/// From this machine, over TLS.
pub(crate) const SECURE: ApiConnection = ApiConnection { peer: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: true };

/// A store with its first account, and a time that moves when told to.
pub(crate) struct World {
    pub(crate) iam: Iam,
    /// What identity providers publish.
    pub(crate) documents: Arc<FakeDocuments>,
    engine: Arc<FailingEngine<MemoryEngine>>,
    metadata_key: Key32,
    now_ms: AtomicU64,
}

/// What somebody signs with.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
}

/// An error answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (engine, metadata_key) = (Arc::new(FailingEngine::new(MemoryEngine::default())), Key32::generate());
        let documents = Arc::new(FakeDocuments::default());
        let iam = iam_over(&engine, &metadata_key, &documents, false);
        let world = Self { iam, documents, engine, metadata_key, now_ms: AtomicU64::new(1_800_000_000_000) };
        let credentials = RootCredentials::new(root().access_key, root().secret_key, world.now_ms());
        world.iam.store().put_root_credentials(&credentials).await.unwrap();
        world.iam.establish(world.now_ms()).await.unwrap();
        world
    }

    /// The same rows in a new process, whose environment sets the root access key or does not.
    pub(crate) async fn restarted(self, root_key_is_given: bool) -> Self {
        let iam = iam_over(&self.engine, &self.metadata_key, &self.documents, root_key_is_given);
        iam.establish(self.now_ms()).await.unwrap();
        Self { iam, ..self }
    }

    /// What goes wrong below, and how often it was called.
    pub(crate) fn faults(&self) -> &Faults<EngineCall, CommitError> {
        self.engine.faults()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn go_back_ms(&self, ms: u64) {
        self.now_ms.fetch_sub(ms, Ordering::SeqCst);
    }

    /// Asks for an action as the root user of the first account.
    pub(crate) async fn root(&self, action: &str, params: &[(&str, &str)]) -> Result<String, Refused> {
        self.ask(&root(), action, params).await
    }

    /// Asks for an action of IAM, or of STS if it is one of those. Returns the whole document.
    pub(crate) async fn ask(&self, keys: &Keys, action: &str, params: &[(&str, &str)]) -> Result<String, Refused> {
        self.ask_over(SECURE, keys, action, params).await
    }

    /// As [`World::ask`], over a connection that is like this.
    pub(crate) async fn ask_over(
        &self,
        connection: ApiConnection,
        keys: &Keys,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, Refused> {
        let service = if sts::ACTIONS.contains(&action) { "sts" } else { "iam" };
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in params {
            form.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        let content_type = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        self.send(connection, signed(keys, service, &content_type, form, self.now_ms())).await
    }

    /// Asks for an action of Organizations with these parameters.
    pub(crate) async fn organizations(&self, keys: &Keys, action: &str, params: Value) -> Result<Value, Refused> {
        let target = format!("AWSOrganizationsV20161128.{action}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let request = signed(keys, "organizations", &headers, params.to_string(), self.now_ms());
        let answer = self.handle(SECURE, request).await;
        let (status, body) = (answer.response.status(), answer.response.into_body());
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice::<Value>(&body).unwrap() };
        if status.is_success() {
            return Ok(body);
        }
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Err(Refused { status, code: text("__type"), message: text("Message") })
    }

    /// Asks for an action without a signature.
    pub(crate) async fn ask_unsigned(&self, action: &str, params: &[(&str, &str)]) -> Result<String, Refused> {
        self.ask_unsigned_over(SECURE, action, params).await
    }

    /// As [`World::ask_unsigned`], over a connection that is like this.
    pub(crate) async fn ask_unsigned_over(
        &self,
        connection: ApiConnection,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, Refused> {
        let mut form = format!("Action={action}");
        for (name, value) in params {
            form.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        self.send(connection, Request::post("/").header("host", HOST).body(Bytes::from(form)).unwrap()).await
    }

    /// Answers a request as it is.
    pub(crate) async fn handle(&self, connection: ApiConnection, request: Request<Bytes>) -> ApiAnswer {
        let (parts, body) = request.into_parts();
        self.iam.handle(&parts, &body, connection, "request-id", self.now_ms()).await
    }

    async fn send(&self, connection: ApiConnection, request: Request<Bytes>) -> Result<String, Refused> {
        let answer = self.handle(connection, request).await;
        let (status, document) = (answer.response.status(), answer.response.into_body());
        let document = String::from_utf8(document.to_vec()).unwrap();
        if status.is_success() {
            return Ok(document);
        }
        Err(Refused { status, code: text(&document, "Code"), message: text(&document, "Message") })
    }

    /// Makes a user of the first account, with an access key.
    pub(crate) async fn user(&self, name: &str) -> Keys {
        self.root("CreateUser", &[("UserName", name)]).await.unwrap();
        keys_in(&self.root("CreateAccessKey", &[("UserName", name)]).await.unwrap())
    }

    /// Makes a user of the first account, with an access key and an inline policy.
    pub(crate) async fn user_with(&self, name: &str, policy: &str) -> Keys {
        let keys = self.user(name).await;
        let params = [("UserName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
        self.root("PutUserPolicy", &params).await.unwrap();
        keys
    }
}

/// The root user of the first account.
pub(crate) fn root() -> Keys {
    Keys { access_key: ROOT_ACCESS_KEY.to_owned(), secret_key: ROOT_SECRET_KEY.to_owned(), session_token: None }
}

/// The credentials in the answer to CreateAccessKey, AssumeRole and the like.
pub(crate) fn keys_in(document: &str) -> Keys {
    Keys {
        access_key: text(document, "AccessKeyId"),
        secret_key: text(document, "SecretAccessKey"),
        session_token: texts(document, "SessionToken").pop(),
    }
}

/// The text of the one element of this name.
pub(crate) fn text(document: &str, name: &str) -> String {
    let mut found = texts(document, name);
    assert_eq!(found.len(), 1, "<{name}> in {document}");
    found.remove(0)
}

/// The texts of all elements of this name that hold nothing else.
pub(crate) fn texts(document: &str, name: &str) -> Vec<String> {
    let unescaped =
        |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let starts = document.split(start.as_str()).skip(1);
    starts.filter_map(|rest| rest.split_once(end.as_str())).map(|(text, _)| unescaped(text)).collect()
}

/// The status and the code of a refusal.
pub(crate) fn code(outcome: Result<String, Refused>) -> String {
    outcome.map(|document| format!("not refused: {document}")).unwrap_or_else(|refused| refused.code)
}

fn signed(keys: &Keys, service: &str, more: &[(&'static str, &str)], body: String, now_ms: u64) -> Request<Bytes> {
    let timestamp = Timestamp::from_unix_s(i64::try_from(now_ms / 1000).unwrap()).unwrap();
    let date = timestamp.as_str()[..8].to_owned();
    let scope = Scope { date, region: "us-east-1".to_owned(), service: service.to_owned() };
    let hash = hex::encode(sha256(body.as_bytes()));
    let mut headers =
        vec![("host", HOST.to_owned()), ("x-amz-content-sha256", hash), ("x-amz-date", timestamp.as_str().to_owned())];
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    headers.extend(keys.session_token.clone().map(|token| ("x-amz-security-token", token)));
    let fields: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let parts = RequestParts { method: "POST", path: "/", query: "", headers: &fields };
    let signer = Signer::new(&keys.access_key, &SecretKey::new(keys.secret_key.clone()), scope);
    let authorization = signer.sign_header(&parts).unwrap().authorization;
    let mut request = Request::post("/").header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::from(body)).unwrap()
}

fn iam_over(
    engine: &Arc<FailingEngine<MemoryEngine>>,
    metadata_key: &Key32,
    documents: &Arc<FakeDocuments>,
    root_key_is_given: bool,
) -> Iam {
    let metadata_key = Key32::from_slice(metadata_key.expose()).unwrap();
    let bootstrap = Bootstrap { store_id: [0; 16], metadata_key, generation: 1 };
    let engine = Arc::clone(engine) as Arc<dyn coffer_meta::Engine>;
    let (blobs, clock) = (Arc::new(MemoryBlobs::default()), Arc::new(SystemClock));
    let store = Store::new(bootstrap, engine, blobs, root_keys(), clock, Settings::default());
    let settings = IamSettings { account_id: ACCOUNT.to_owned(), region: "us-east-1".to_owned(), root_key_is_given };
    Iam::new(store, settings, Arc::clone(documents) as Arc<dyn Documents>)
}

/// One keyring for all worlds: to make one takes several syncs.
fn root_keys() -> Arc<dyn RootKeys> {
    static KEYRING: OnceLock<Arc<LocalKeyring>> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        Arc::new(LocalKeyring::create(&directory.path().join("root.key")).unwrap())
    });
    Arc::clone(keyring) as Arc<dyn RootKeys>
}
