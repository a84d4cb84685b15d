//! The encryption policies of AWS's documentation, and what they say to uploads in parts.

use super::*;

const SSE: &str = "x-amz-server-side-encryption";
const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const P1: &str = r#""StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}"#;
const P2: &str = r#""Null":{"s3:x-amz-server-side-encryption":"true"}"#;
const P3: &str = r#""StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}"#;
const P4: &str = r#""StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"},
    "Null":{"s3:x-amz-server-side-encryption":"false"}"#;
const P5: &str = r#""Null":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"true"}"#;
const P6: &str = r#""ArnNotEqualsIfExists":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:us-east-1:111122223333:key/k1"}"#;
const P7: &str = r#""Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"true"}"#;
const P8: &str = r#""Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}"#;
const P9: &str = r#""StringNotEquals":{"s3:x-amz-server-side-encryption-customer-algorithm":"AES256"}"#;

/// KEY-R1 of the captured answers.
const CUSTOMER: [(&str, &str); 3] = [
    (ALGORITHM, "AES256"),
    ("x-amz-server-side-encryption-customer-key", "K0+/yQHJcx5CgotqScZJqhfJ8hpfw4leiB3Bzyo8HSo="),
    ("x-amz-server-side-encryption-customer-key-md5", "I0aPuXuw4REDJuP1fw07QQ=="),
];
const K1: [(&str, &str); 2] =
    [(SSE, "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:111122223333:key/k1")];
const K2: [(&str, &str); 2] =
    [(SSE, "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:111122223333:key/k2")];

fn deny(conditions: &[&str]) -> String {
    let statement = |condition: &&str| {
        format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{{{condition}}}}}"#
        )
    };
    conditions.iter().map(statement).collect::<Vec<_>>().join(",")
}

/// Which of the six requests of the tables get past the policy: N, S, K0, K1, K2, C.
async fn table(conditions: &[&str]) -> [bool; 6] {
    let world = World::new().await;
    world.policy(&deny(conditions)).await;
    let mut passes = [false; 6];
    let sse = [(SSE, "AES256")];
    let requests: [&[(&str, &str)]; 6] = [&[], &sse, &K1[..1], &K1, &K2, &CUSTOMER];
    for (pass, headers) in passes.iter_mut().zip(requests) {
        let (status, _) = world.answer(&root(OURS), "PUT", "/photos/cat", headers).await;
        assert!([200, 403].contains(&status));
        *pass = status != 403;
    }
    passes
}

#[tokio::test]
async fn the_documented_policies_evaluate_as_their_tables_say() {
    const X: bool = false;
    const V: bool = true;
    assert_eq!(table(&[P1]).await, [X, V, X, X, X, X], "P1");
    assert_eq!(table(&[P2]).await, [X, V, V, V, V, X], "P2");
    assert_eq!(table(&[P1, P2]).await, [X, V, X, X, X, X], "P1 and P2");
    assert_eq!(table(&[P3]).await, [X, X, V, V, V, X], "P3");
    assert_eq!(table(&[P3, P2]).await, [X, X, V, V, V, X], "P3 and P2");
    assert_eq!(table(&[P4]).await, [V, X, V, V, V, V], "P4");
    // The key is the one that would be used: `aws/s3`, where none is named.
    assert_eq!(table(&[P5]).await, [X, X, V, V, V, X], "P5");
    assert_eq!(table(&[P6]).await, [X, X, X, V, X, X], "P6");
    assert_eq!(table(&[P7]).await, [X, X, X, X, X, V], "P7");
    assert_eq!(table(&[P8]).await, [V, V, V, V, V, X], "P8");
    assert_eq!(table(&[P9]).await, [X, X, X, X, X, V], "P9");
}

#[tokio::test]
async fn a_policy_comes_before_values() {
    let world = World::new().await;
    world.policy(&deny(&[P1, P9])).await;
    for nonsense in [[(SSE, "AES192")], [(SSE, "")], [(ALGORITHM, "AES192")]] {
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &nonsense).await, DENIED);
    }
    let others =
        [("x-amz-storage-class", "NONE"), ("content-md5", "junk"), ("x-amz-acl", "junk"), ("x-amz-tagging", "a=%")];
    for other in others {
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[other]).await, DENIED, "{other:?}");
    }
    // Twice the right value is not the right value.
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/cat", &[(SSE, "AES256"), (SSE, "AES256")]).await, DENIED);
}

async fn upload(world: &World, headers: &[(&str, &str)]) -> String {
    let response = world.send(request(&root(OURS), "POST", "/photos/cat?uploads", headers, "")).await.ok().unwrap();
    let answer = body(response).await;
    answer.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn completion(upload: &str, etag: &str, headers: &[(&str, &str)]) -> S3Request {
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    request(&root(OURS), "POST", &format!("/photos/cat?uploadId={upload}"), headers, &parts)
}

async fn part(world: &World, upload: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
    let target = format!("/photos/cat?partNumber=1&uploadId={upload}");
    match world.send(request(&root(OURS), "PUT", &target, headers, "text")).await {
        Ok(response) => Ok(response.headers["etag"].to_str().unwrap().to_owned()),
        Err(error) => Err(error.status().as_u16()),
    }
}

#[tokio::test]
async fn parts_are_judged_by_what_their_upload_was_begun_with() {
    let world = World::new().await;
    let begun_before = upload(&world, &CUSTOMER).await;
    world.policy(&deny(&[P1, P2])).await;
    assert_eq!(world.answer(&root(OURS), "POST", "/photos/cat?uploads", &[]).await, DENIED);
    let id = upload(&world, &[(SSE, "AES256")]).await;
    let etag = part(&world, &id, &[]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.answer_to(completion(&id, &etag, &[])).await, OK, "also when it is repeated");
    }
    assert_eq!(part(&world, &begun_before, &CUSTOMER).await, Err(403));
    assert_eq!(part(&world, "none", &[]).await, Err(403));
}

#[tokio::test]
async fn a_demand_for_customer_keys_is_for_every_request_of_an_upload() {
    let world = World::new().await;
    world.policy(&deny(&[P7])).await;
    let id = upload(&world, &CUSTOMER).await;
    assert_eq!(part(&world, &id, &[]).await, Err(403));
    let etag = part(&world, &id, &CUSTOMER).await.unwrap();
    assert_eq!(world.answer_to(completion(&id, &etag, &[])).await, DENIED);
    assert_eq!(world.answer_to(completion(&id, &etag, &CUSTOMER[..1])).await, OK);
    assert_eq!(world.answer(&root(OURS), "GET", "/photos/cat", &CUSTOMER).await, OK, "reading is another action");
}

#[tokio::test]
async fn a_copy_is_judged_by_its_own_headers() {
    let world = World::new().await;
    world.put("/photos/cat", &[(SSE, "AES256")]).await;
    world.policy(&deny(&[P2])).await;
    let source = ("x-amz-copy-source", "photos/cat");
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &[source]).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &[source, (SSE, "AES256")]).await, OK);
}

#[tokio::test]
async fn a_bucket_that_blocks_customer_keys_is_asked_after_its_policy() {
    let world = World::new().await;
    let change = coffer_store::BucketEncryptionChange { default: None, sse_c_blocked: Some(true) };
    world.store.put_bucket_encryption(world.bucket("photos").await.name(), &change).await.unwrap();
    let blocked = world.send(request(&root(OURS), "PUT", "/photos/cat", &CUSTOMER[..1], "")).await.err().unwrap();
    assert!(blocked.message().contains("has blocked"));
    world.policy(&deny(&[P8])).await;
    let denied = world.send(request(&root(OURS), "PUT", "/photos/cat", &CUSTOMER[..1], "")).await.err().unwrap();
    assert!(denied.message().contains("explicit deny"), "{}", denied.message());
}

#[tokio::test]
async fn transport_can_be_demanded() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let statement = |condition: &str| {
        format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"],
                "Condition":{{{condition}}}}}"#
        )
    };
    world.policy(&statement(r#""Bool":{"aws:SecureTransport":"false"}"#)).await;
    let get = |secure| {
        let get = request(&root(OURS), "GET", "/photos/cat", &[], "");
        S3Request { connection: ConnectionInfo { secure, ..get.connection }, ..get }
    };
    assert_eq!(world.answer_to(get(true)).await, OK);
    assert_eq!(world.answer_to(get(false)).await, DENIED);
    world.policy(&statement(r#""NumericLessThan":{"s3:TlsVersion":"1.3"}"#)).await;
    for (version, expected) in [("TLSv1.3", OK), ("TLSv1.2", DENIED)] {
        let mut get = get(true);
        get.connection.tls = Some(crate::request::TlsInfo { version, cipher_suite: "-" });
        assert_eq!(world.answer_to(get).await, expected, "{version}");
    }
}
