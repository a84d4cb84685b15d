//! SSE-KMS: who asks the KMS, for which key, and what policies see of it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use coffer_keyring::{KmsError, SealedDataKey};
use coffer_store::{BucketEncryption, BucketEncryptionChange};

use super::*;
use crate::kms::{Kms, KmsCaller};

const SSE: &str = "x-amz-server-side-encryption";
const KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CONTEXT: &str = "x-amz-server-side-encryption-context";

/// The ARN of the key with this ID, or of what is called so.
pub(super) fn key_arn(id: &str) -> String {
    format!("arn:aws:kms:us-east-1:{OURS}:key/{id}")
}

/// Knows the keys `k1` and `k2`, the alias `alias/one` of the first, and `aws/s3`. Its ciphertexts are none.
#[derive(Default)]
pub(super) struct TestKms {
    /// What was asked: the action, the ARN of the key, and the ARN in the encryption context.
    asked: Mutex<Vec<(&'static str, String, String)>>,
    /// Actions that nobody may do.
    denied: Mutex<BTreeSet<&'static str>>,
}

impl TestKms {
    fn take_asked(&self) -> Vec<(&'static str, String, String)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn ask(&self, action: &'static str, arn: &str, context: &BTreeMap<String, String>) -> Result<(), KmsError> {
        let of = context.get("aws:s3:arn").cloned().unwrap_or_default();
        self.asked.lock().unwrap().push((action, arn.to_owned(), of));
        match self.denied.lock().unwrap().contains(action) {
            false => Ok(()),
            true => Err(KmsError::new("AccessDeniedException", format!("not authorized to perform: {action}"))),
        }
    }
}

fn find(key: Option<&str>) -> Result<String, KmsError> {
    match key.unwrap_or("s3").trim_start_matches(&key_arn("")) {
        id @ ("s3" | "k1" | "k2") => Ok(key_arn(id)),
        "alias/one" => Ok(key_arn("k1")),
        other => Err(KmsError::new("NotFoundException", format!("Invalid keyId '{other}'"))),
    }
}

#[async_trait]
impl Kms for TestKms {
    async fn generate_data_key(
        &self,
        _: KmsCaller<'_>,
        key: Option<&str>,
        context: BTreeMap<String, String>,
    ) -> Result<(Key32, SealedDataKey), KmsError> {
        let key_arn = find(key)?;
        self.ask("kms:GenerateDataKey", &key_arn, &context)?;
        let data_key = Key32::generate();
        let ciphertext = data_key.expose().to_vec();
        Ok((data_key, SealedDataKey { key_arn, ciphertext, context }))
    }

    async fn decrypt_data_key(&self, _: KmsCaller<'_>, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        self.ask("kms:Decrypt", &sealed.key_arn, &sealed.context)?;
        Ok(Key32::from_slice(&sealed.ciphertext).unwrap())
    }

    async fn authorize(
        &self,
        _: KmsCaller<'_>,
        actions: &[&'static str],
        key: Option<&str>,
        context: &BTreeMap<String, String>,
    ) -> Result<String, KmsError> {
        let key_arn = find(key)?;
        actions.iter().try_for_each(|action| self.ask(action, &key_arn, context))?;
        Ok(key_arn)
    }

    async fn key_arn(&self, _: KmsCaller<'_>, key: Option<&str>) -> Result<String, KmsError> {
        find(key)
    }
}

async fn set_default(world: &World, algorithm: &str, key: Option<&str>, bucket_key_enabled: bool) {
    let default =
        BucketEncryption { algorithm: algorithm.into(), kms_key_id: key.map(str::to_owned), bucket_key_enabled };
    let change = BucketEncryptionChange { default: Some(default), sse_c_blocked: None };
    world.store.put_bucket_encryption(world.bucket("photos").await.name(), &change).await.unwrap();
}

fn insecure(mut request: S3Request) -> S3Request {
    request.connection.secure = false;
    request
}

/// The answer's headers of encryption: method, key, bucket key.
async fn applied(world: &World, method: &str, target: &str, headers: &[(&str, &str)]) -> [Option<String>; 3] {
    let answer =
        world.send(request(&root(OURS), method, target, headers, "")).await.unwrap_or_else(|e| panic!("{e:?}"));
    [SSE, KEY, BUCKET_KEY].map(|name| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
}

fn kms(id: &str) -> [Option<String>; 3] {
    [Some("aws:kms".to_owned()), Some(key_arn(id)), None]
}

#[tokio::test]
async fn the_key_is_that_of_the_request_or_else_that_of_the_bucket() {
    let world = World::new().await;
    for (headers, expected) in [
        (&[(SSE, "aws:kms"), (KEY, "k1")][..], kms("k1")),
        (&[(SSE, "aws:kms"), (KEY, "alias/one")], kms("k1")),
        (&[(SSE, "aws:kms"), (KEY, &key_arn("k2"))], kms("k2")),
        (&[(SSE, "aws:kms")], kms("s3")),
        (&[(SSE, "aws:kms:dsse"), (KEY, "k1")], [Some("aws:kms:dsse".to_owned()), Some(key_arn("k1")), None]),
        (&[(SSE, "aws:kms"), (BUCKET_KEY, "false")], kms("s3")),
        (&[(BUCKET_KEY, "true")], [Some("AES256".to_owned()), None, None]),
    ] {
        assert_eq!(applied(&world, "PUT", "/photos/cat", headers).await, expected, "{headers:?}");
        assert_eq!(applied(&world, "GET", "/photos/cat", &[]).await, expected, "{headers:?}");
        assert_eq!(applied(&world, "HEAD", "/photos/cat", &[]).await, expected, "{headers:?}");
    }
    set_default(&world, "aws:kms", Some("k1"), true).await;
    let with_bucket_key = |id| [Some("aws:kms".to_owned()), Some(key_arn(id)), Some("true".to_owned())];
    for (headers, expected) in [
        (&[][..], with_bucket_key("k1")),
        (&[(BUCKET_KEY, "false")], kms("k1")),
        (&[(SSE, "aws:kms")], with_bucket_key("s3")),
        (&[(SSE, "aws:kms"), (BUCKET_KEY, "false")], kms("s3")),
        (&[(SSE, "aws:kms:dsse")], [Some("aws:kms:dsse".to_owned()), Some(key_arn("s3")), None]),
        (&[(SSE, "AES256")], [Some("AES256".to_owned()), None, None]),
    ] {
        assert_eq!(applied(&world, "PUT", "/photos/cat", headers).await, expected, "{headers:?}");
        assert_eq!(applied(&world, "POST", "/photos/cat?uploads", headers).await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_data_key_is_for_one_object_unless_it_is_the_buckets() {
    let world = World::new().await;
    let object = |key: &str| format!("arn:aws:s3:::photos/{key}");
    for key in ["a", "b"] {
        world.put(&format!("/photos/{key}"), &[(SSE, "aws:kms"), (KEY, "k1")]).await;
        assert_eq!(world.kms.take_asked(), [("kms:GenerateDataKey", key_arn("k1"), object(key))]);
    }
    let bucket_key = [(SSE, "aws:kms"), (KEY, "k1"), (BUCKET_KEY, "true")];
    world.put("/photos/a", &bucket_key).await;
    let asked = ("kms:GenerateDataKey", key_arn("k1"), "arn:aws:s3:::photos".to_owned());
    assert_eq!(world.kms.take_asked(), [asked.clone(), asked.clone()], "asked, and drawn");
    world.put("/photos/b", &bucket_key).await;
    assert_eq!(world.kms.take_asked(), [asked], "asked, and at hand");
    assert_eq!(world.answer(&root(OURS), "GET", "/photos/b", &[]).await, OK);
    assert_eq!(world.kms.take_asked(), [("kms:Decrypt", key_arn("k1"), "arn:aws:s3:::photos".to_owned())]);
}

#[tokio::test]
async fn a_bucket_key_at_hand_is_not_for_whom_may_not_have_it() {
    let world = World::new().await;
    let bucket_key = [(SSE, "aws:kms"), (KEY, "k1"), (BUCKET_KEY, "true")];
    world.put("/photos/a", &bucket_key).await;
    world.kms.denied.lock().unwrap().insert("kms:GenerateDataKey");
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/b", &bucket_key).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "GET", "/photos/b", &[]).await, NO_SUCH_KEY);
    world.kms.denied.lock().unwrap().insert("kms:Decrypt");
    assert_eq!(world.answer(&root(OURS), "GET", "/photos/a", &[]).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "HEAD", "/photos/a", &[]).await, OK, "what needs no key");
    let sums = [("x-amz-checksum-mode", "ENABLED")];
    assert_eq!(world.answer(&root(OURS), "HEAD", "/photos/a", &sums).await, DENIED);
}

#[tokio::test]
async fn the_context_of_the_request_goes_along_and_comes_back() {
    let world = World::new().await;
    let context = "eyAidGVhbSI6ICJhIiB9";
    let headers = [(SSE, "aws:kms"), (CONTEXT, context)];
    for (method, target) in [("PUT", "/photos/cat"), ("POST", "/photos/cat?uploads")] {
        let answer = world.send(request(&root(OURS), method, target, &headers, "")).await.unwrap();
        assert_eq!(answer.headers[CONTEXT], context, "{method}");
    }
    let got = world.ask(&root(OURS), "GET", "/photos/cat").await.unwrap();
    assert!(!got.headers.contains_key(CONTEXT));
    let info = world.store.object_info(&world.bucket("photos").await, &ObjectKey::new("cat").unwrap()).await.unwrap();
    let pairs = [("aws:s3:arn", "arn:aws:s3:::photos/cat"), ("team", "a")];
    assert_eq!(info.kms.unwrap().context, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn a_key_that_is_not_there_leaves_no_object() {
    let world = World::new().await;
    set_default(&world, "aws:kms", Some("gone"), false).await;
    let expected = (400, "KMS.NotFoundException");
    for headers in [&[][..], &[(SSE, "aws:kms"), (KEY, "other")]] {
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", headers).await, expected);
        assert_eq!(world.answer(&root(OURS), "POST", "/photos/cat?uploads", headers).await, expected);
    }
    assert_eq!(world.answer(&root(OURS), "GET", "/photos/cat", &[]).await, NO_SUCH_KEY);
}

#[tokio::test]
async fn what_a_kms_protects_is_for_tls_and_signatures_4() {
    let world = World::new().await;
    world.put("/photos/cat", &[(SSE, "aws:kms")]).await;
    world.put("/photos/plain", &[]).await;
    world
        .policy(
            r#"{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:PutObject","s3:GetObjectAttributes"],
                "Resource":"arn:aws:s3:::photos/*"}"#,
        )
        .await;
    let anonymous = Principal::Anonymous;
    let attributes = ("x-amz-object-attributes", "ETag");
    for (method, target, headers) in [
        ("GET", "/photos/cat", &[][..]),
        ("HEAD", "/photos/cat", &[]),
        ("HEAD", "/photos/cat", &[("x-amz-checksum-mode", "ENABLED")]),
        ("GET", "/photos/cat?partNumber=1", &[]),
        ("GET", "/photos/cat?attributes", &[attributes]),
        ("PUT", "/photos/copy", &[("x-amz-copy-source", "photos/cat")]),
    ] {
        let refused = |secure: bool, who: &Principal| {
            let request = request(who, method, target, headers, "");
            let request = if secure { request } else { insecure(request) };
            async { world.send(request).await.err().unwrap_or_else(|| panic!("{method} {target}")) }
        };
        let over_http = refused(false, &root(OURS)).await;
        assert_eq!((over_http.status().as_u16(), over_http.code()), (400, "InvalidArgument"), "{method} {target}");
        assert!(over_http.message().contains("must be made over a secure connection"), "{method} {target}");
        let unsigned = refused(true, &anonymous).await;
        assert!(unsigned.message().ends_with("require AWS Signature Version 4."), "{method} {target}");
        assert_eq!(unsigned.element("ArgumentName"), Some("Authorization"));
        assert_eq!(unsigned.element("ArgumentValue"), Some("null"));
    }
    set_default(&world, "aws:kms", None, true).await;
    for (method, target) in [("PUT", "/photos/new"), ("POST", "/photos/new?uploads")] {
        let over_http = world.send(insecure(request(&root(OURS), method, target, &[], ""))).await.err().unwrap();
        assert!(over_http.message().contains("secure connection"));
        let unsigned = world.send(request(&anonymous, method, target, &[], "")).await.err().unwrap();
        assert!(unsigned.message().contains("Signature Version 4"));
    }
    assert_eq!(world.answer_to(insecure(request(&anonymous, "GET", "/photos/plain", &[], ""))).await, OK);
    let mut signed_by_2 = request(&root(OURS), "GET", "/photos/cat", &[], "");
    signed_by_2.signed = Some(Signed { place: SignaturePlace::Form, version: "AWS" });
    assert_eq!(world.answer_to(signed_by_2).await, (400, "InvalidArgument"));
}

fn only(key: &str) -> String {
    format!(
        r#"{{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*",
            "Condition":{{"ArnNotEqualsIfExists":{{"s3:x-amz-server-side-encryption-aws-kms-key-id":"{}"}}}}}}"#,
        key_arn(key)
    )
}

#[tokio::test]
async fn policies_see_the_key_that_would_be_used_whatever_it_is_called() {
    let world = World::new().await;
    world.policy(&only("k1")).await;
    let unknown = (400, "KMS.NotFoundException");
    for (headers, expected) in [
        (&[(SSE, "aws:kms"), (KEY, "k1")][..], OK),
        (&[(SSE, "aws:kms"), (KEY, "alias/one")], OK),
        (&[(SSE, "aws:kms:dsse"), (KEY, "k1")], OK),
        (&[(SSE, "aws:kms"), (KEY, "k2")], DENIED),
        (&[(SSE, "aws:kms")], DENIED),
        (&[(SSE, "aws:kms"), (KEY, "unknown")], DENIED),
        // Two are neither the one nor the other.
        (&[(SSE, "aws:kms"), (KEY, "k1"), (KEY, "k1")], DENIED),
    ] {
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", headers).await, expected, "{headers:?}");
        assert_eq!(world.answer(&root(OURS), "POST", "/photos/cat?uploads", headers).await, expected, "{headers:?}");
    }
    for (default, expected) in [(Some("k2"), DENIED), (None, DENIED), (Some("k1"), OK), (Some("alias/one"), OK)] {
        set_default(&world, "aws:kms", default, false).await;
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[]).await, expected, "{default:?}");
    }
    world.policy(&only("s3")).await;
    set_default(&world, "aws:kms", Some("unknown"), false).await;
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[(SSE, "aws:kms")]).await, OK);
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[(SSE, "aws:kms"), (KEY, "nothing")]).await, DENIED);
    world
        .policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#)
        .await;
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[]).await, unknown);
}

#[tokio::test]
async fn parts_are_judged_by_the_key_of_their_upload() {
    let world = World::new().await;
    let begun = async |headers: &[(&str, &str)]| {
        let answer = body(world.send(request(&root(OURS), "POST", "/photos/cat?uploads", headers, "")).await.unwrap());
        answer.await.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let (first, second) =
        (begun(&[(SSE, "aws:kms"), (KEY, "k1")]).await, begun(&[(SSE, "aws:kms"), (KEY, "k2")]).await);
    let deny_other_methods = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*",
        "Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}}"#;
    world.policy(&format!("{},{deny_other_methods}", only("k1"))).await;
    for (upload, expected) in [(first, OK), (second, DENIED), ("none".to_owned(), DENIED)] {
        let target = format!("/photos/cat?partNumber=1&uploadId={upload}");
        assert_eq!(world.answer_to(request(&root(OURS), "PUT", &target, &[], "text")).await, expected);
    }
}

fn update(who: &Principal, target: &str, key: &str) -> S3Request {
    let document =
        format!("<ObjectEncryption><SSE-KMS><KMSKeyArn>{}</KMSKeyArn></SSE-KMS></ObjectEncryption>", key_arn(key));
    let md5 =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, coffer_crypto::md5(document.as_bytes()));
    request(who, "PUT", &format!("{target}?encryption"), &[("content-md5", &md5)], &document)
}

#[tokio::test]
async fn an_object_goes_to_another_key_and_stays_what_it_is() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let etag = world.ask(&root(OURS), "HEAD", "/photos/cat").await.unwrap().headers["etag"].clone();
    for key in ["k1", "k2"] {
        assert_eq!(world.answer_to(update(&root(OURS), "/photos/cat", key)).await, OK);
        let head = world.ask(&root(OURS), "HEAD", "/photos/cat").await.unwrap();
        assert_eq!((head.headers[KEY].to_str().unwrap(), &head.headers["etag"]), (key_arn(key).as_str(), &etag));
        assert_eq!(world.answer(&root(OURS), "GET", "/photos/cat", &[]).await, OK);
    }
}

#[tokio::test]
async fn another_key_takes_every_permission_on_both() {
    let world = World::new().await;
    world.put("/photos/cat", &[(SSE, "aws:kms"), (KEY, "k1")]).await;
    for action in ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"] {
        *world.kms.denied.lock().unwrap() = [action].into();
        assert_eq!(world.answer_to(update(&root(OURS), "/photos/cat", "k2")).await, DENIED, "{action}");
    }
    world.kms.denied.lock().unwrap().clear();
    for allowance in [r#""s3:PutObject""#, r#""s3:UpdateObjectEncryption""#] {
        assert_eq!(world.answer_to(update(&allowed(allowance), "/photos/cat", "k2")).await, DENIED, "{allowance}");
    }
    let both = allowed(r#""s3:PutObject","s3:UpdateObjectEncryption""#);
    world.policy(&only("k1")).await;
    assert_eq!(world.answer_to(update(&both, "/photos/cat", "k2")).await, DENIED, "a policy sees the new key");
    assert_eq!(world.answer_to(update(&both, "/photos/cat", "k1")).await, OK);
    let over_http = world.send(insecure(update(&both, "/photos/cat", "k1"))).await.err().unwrap();
    assert!(over_http.message().contains("secure connection"));
}
