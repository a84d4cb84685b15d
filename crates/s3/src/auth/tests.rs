use std::sync::Mutex;

use coffer_sigv4::{Scope, Signer, Timestamp};

use super::*;

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_369_353_600_000;
pub(crate) const DATE: &str = "20130524T000000Z";

/// One identity.
pub(crate) struct One {
    identity: Arc<Identity>,
    /// The regions of the signatures that were right.
    uses: Mutex<Vec<String>>,
}

impl One {
    pub(crate) fn new() -> Arc<Self> {
        let keys = Arc::new(SigningKeys::new(SecretKey::new(SECRET)));
        let caller = Arc::new(Caller::root("123456789012"));
        let identity = Arc::new(Identity::new(ACCESS_KEY.to_owned(), caller, keys));
        Arc::new(Self { identity, uses: Mutex::default() })
    }
}

#[async_trait]
impl Identities for One {
    async fn identify(&self, access_key: &str, token: Option<&str>, _: u64) -> Result<Identified, S3Error> {
        Ok(match (access_key, token) {
            (ACCESS_KEY, None) => Identified::Known(Arc::clone(&self.identity)),
            (ACCESS_KEY, Some("expired")) => Identified::ExpiredToken,
            (ACCESS_KEY, Some(_)) => Identified::InvalidToken,
            _ => Identified::UnknownAccessKey,
        })
    }

    fn note_use(&self, identity: &Identity, region: &str, _: u64) {
        assert_eq!(identity.access_key(), ACCESS_KEY);
        self.uses.lock().unwrap().push(region.to_owned());
    }

    fn canonical_id(&self, account: &str) -> String {
        format!("{account:0>64}")
    }

    async fn account_of_canonical_id(&self, canonical_id: &str) -> Result<Option<String>, S3Error> {
        Ok((canonical_id == self.canonical_id("123456789012")).then(|| "123456789012".to_owned()))
    }

    async fn account_of_email(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn principal(&self, name: &str) -> Result<Option<NamedPrincipal>, S3Error> {
        Ok(name.contains("123456789012").then_some(NamedPrincipal::Account))
    }

    async fn changed_names(&self, _: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, S3Error> {
        Ok(BTreeMap::new())
    }
}

type Pairs = Vec<(&'static str, Vec<u8>)>;

fn signer(access_key: &str, secret: &str, region: &str, service: &str) -> Signer {
    let scope = Scope { date: "20130524".into(), region: region.into(), service: service.into() };
    Signer::new(access_key, &SecretKey::new(secret), scope)
}

fn sign(signer: &Signer, mut headers: Pairs) -> Pairs {
    let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let request = RequestParts { method: "GET", path: "/photos/k", query: "", headers: &borrowed };
    let signed = signer.sign_header(&request).unwrap();
    headers.push(("authorization", signed.authorization.into_bytes()));
    headers
}

fn base(payload: &str) -> Pairs {
    vec![
        ("host", b"localhost".to_vec()),
        ("x-amz-date", DATE.into()),
        ("x-amz-content-sha256", payload.as_bytes().to_vec()),
    ]
}

async fn authenticate(
    headers: &Pairs,
    query: &str,
    operation: Operation,
    now_ms: u64,
) -> Result<Authenticated, S3Error> {
    let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let request = RequestParts { method: "GET", path: "/photos/k", query, headers: &borrowed };
    Authenticator::new(One::new(), "eu-west-1".into()).authenticate(&request, operation, now_ms).await
}

async fn refused(headers: &Pairs, now_ms: u64) -> S3Error {
    authenticate(headers, "", Operation::GetObject, now_ms).await.err().expect("the request is refused")
}

#[tokio::test]
async fn a_signed_request_has_an_identity() {
    let headers = sign(&signer(ACCESS_KEY, SECRET, "eu-west-1", "s3"), base("UNSIGNED-PAYLOAD"));
    let authenticated = authenticate(&headers, "", Operation::GetObject, NOW_MS).await.unwrap();
    let Principal::Identity(identity) = authenticated.principal else { panic!() };
    assert_eq!(identity.access_key(), ACCESS_KEY);
    assert_eq!(authenticated.payload, Some(PayloadHash::Unsigned));
    assert!(authenticated.chain.is_none());
}

#[tokio::test]
async fn a_request_without_a_signature_is_anonymous() {
    let authenticated = authenticate(&base("UNSIGNED-PAYLOAD"), "", Operation::GetObject, NOW_MS).await.unwrap();
    assert!(matches!(authenticated.principal, Principal::Anonymous));
}

#[tokio::test]
async fn streamed_payloads_start_a_chain() {
    let payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let headers = sign(&signer(ACCESS_KEY, SECRET, "eu-west-1", "s3"), base(payload));
    assert!(authenticate(&headers, "", Operation::PutObject, NOW_MS).await.unwrap().chain.is_some());
}

#[tokio::test]
async fn wrong_keys_and_scopes_are_told_apart() {
    for (signer, code, region) in [
        (signer("AKIDOTHER", SECRET, "eu-west-1", "s3"), "InvalidAccessKeyId", None),
        (signer(ACCESS_KEY, "other", "eu-west-1", "s3"), "SignatureDoesNotMatch", None),
        (signer(ACCESS_KEY, SECRET, "us-east-1", "s3"), "AuthorizationHeaderMalformed", Some("eu-west-1")),
        (signer(ACCESS_KEY, SECRET, "eu-west-1", "iam"), "AuthorizationHeaderMalformed", None),
    ] {
        let error = refused(&sign(&signer, base("UNSIGNED-PAYLOAD")), NOW_MS).await;
        assert_eq!((error.code(), error.element("Region")), (code, region));
        assert_eq!(error.headers().first().map(|(_, value)| value.to_str().unwrap()), region);
    }
}

#[tokio::test]
async fn the_region_can_be_asked_for_in_the_global_one() {
    let headers = sign(&signer(ACCESS_KEY, SECRET, "us-east-1", "s3"), base("UNSIGNED-PAYLOAD"));
    assert!(authenticate(&headers, "", Operation::GetBucketLocation, NOW_MS).await.is_ok());
    assert!(authenticate(&headers, "", Operation::CreateBucket, NOW_MS).await.is_err());
}

#[tokio::test]
async fn old_and_future_requests_are_refused() {
    let headers = sign(&signer(ACCESS_KEY, SECRET, "eu-west-1", "s3"), base("UNSIGNED-PAYLOAD"));
    for now_ms in [NOW_MS - 901_000, NOW_MS + 901_000, 0, u64::MAX] {
        let error = refused(&headers, now_ms).await;
        assert_eq!((error.code(), error.element("RequestTime")), ("RequestTimeTooSkewed", Some(DATE)));
        assert_eq!(error.element("MaxAllowedSkewMilliseconds"), Some("900000"));
    }
}

#[tokio::test]
async fn a_url_is_good_until_it_expires() {
    let headers: Pairs = vec![("host", b"localhost".to_vec())];
    let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let request = RequestParts { method: "GET", path: "/photos/k", query: "", headers: &borrowed };
    let signer = signer(ACCESS_KEY, SECRET, "eu-west-1", "s3");
    let query = signer.presign(&request, &Timestamp::parse(DATE).unwrap(), 60).unwrap();
    assert!(authenticate(&headers, &query, Operation::GetObject, NOW_MS + 59_000).await.is_ok());
    let error = authenticate(&headers, &query, Operation::GetObject, NOW_MS + 60_000).await.err().unwrap();
    assert_eq!((error.code(), error.element("Expires")), ("AccessDenied", Some("2013-05-24T00:01:00.000Z")));
    let mut injected = headers.clone();
    injected.push(("x-amz-server-side-encryption", b"AES256".to_vec()));
    let error = authenticate(&injected, &query, Operation::PutObject, NOW_MS).await.err().unwrap();
    assert_eq!(error.element("HeadersNotSigned"), Some("x-amz-server-side-encryption"));
}

#[tokio::test]
async fn session_tokens_are_not_known() {
    let mut headers = base("UNSIGNED-PAYLOAD");
    headers.push(("x-amz-security-token", b"token".to_vec()));
    let headers = sign(&signer(ACCESS_KEY, SECRET, "eu-west-1", "s3"), headers);
    assert_eq!(refused(&headers, NOW_MS).await.code(), "InvalidToken");
}

#[tokio::test]
async fn other_mechanisms_are_refused_in_words() {
    for (authorization, code) in [
        ("AWS AKID:c2ln", "InvalidRequest"),
        ("Basic c2VjcmV0", "InvalidArgument"),
        ("AWS4-HMAC-SHA256", "InvalidArgument"),
        ("AWS4-HMAC-SHA256 x", "AuthorizationHeaderMalformed"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "NotImplemented"),
    ] {
        let mut headers = base("UNSIGNED-PAYLOAD");
        headers.push(("authorization", authorization.as_bytes().to_vec()));
        let error = refused(&headers, NOW_MS).await;
        assert_eq!(error.code(), code, "{authorization}");
        assert!(!error.body("", "").contains("c2"), "{authorization}");
    }
}

#[tokio::test]
async fn only_a_right_signature_is_a_use_of_the_access_key() {
    let identities = One::new();
    let authenticator = Authenticator::new(identities.clone(), "eu-west-1".into());
    for (access_key, secret) in [(ACCESS_KEY, "other"), ("AKIDOTHER", SECRET), (ACCESS_KEY, SECRET)] {
        assert!(identities.uses.lock().unwrap().is_empty());
        let headers = sign(&signer(access_key, secret, "eu-west-1", "s3"), base("UNSIGNED-PAYLOAD"));
        let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = RequestParts { method: "GET", path: "/photos/k", query: "", headers: &borrowed };
        let _ = authenticator.authenticate(&request, Operation::GetObject, NOW_MS).await;
    }
    assert_eq!(*identities.uses.lock().unwrap(), ["eu-west-1"]);
}

#[tokio::test]
async fn a_preflight_is_not_signed_whatever_its_url_says() {
    let authenticator = Authenticator::new(One::new(), "us-east-1".into());
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00";
    let request = RequestParts { method: "OPTIONS", path: "/photos/k", query, headers: &[("host", b"localhost")] };
    let preflight = authenticator.authenticate(&request, Operation::PreflightObject, NOW_MS).await.unwrap();
    assert!(preflight.principal.is_anonymous());
    assert!(authenticator.authenticate(&request, Operation::GetObject, NOW_MS).await.is_err());
}
