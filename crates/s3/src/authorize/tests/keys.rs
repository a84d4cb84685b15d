//! The condition keys of requests.

use super::*;

/// Whether a policy that denies everything under a condition denies a request.
async fn denied(world: &World, condition: &str, request: S3Request) -> bool {
    world
        .policy(&format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"],
                "Condition":{condition}}}"#
        ))
        .await;
    let answer = world.answer_to(request).await;
    assert!([200, 204, 400, 403, 404, 412, 501].contains(&answer.0), "{answer:?}");
    answer == DENIED
}

fn get(target: &str, headers: &[(&str, &str)]) -> S3Request {
    request(&root(OURS), "GET", target, headers, "")
}

fn put(headers: &[(&str, &str)]) -> S3Request {
    request(&root(OURS), "PUT", "/photos/cat", headers, "")
}

#[tokio::test]
async fn keys_tell_how_a_request_came() {
    let world = World::new().await;
    for (condition, expected) in [
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}"#, false),
        (r#"{"DateEquals":{"aws:CurrentTime":"2013-05-24T00:00:00Z"}}"#, true),
        (r#"{"NumericEquals":{"aws:EpochTime":"1369353600"}}"#, true),
        (r#"{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}"#, true),
        (r#"{"StringEquals":{"aws:ResourceAccount":"111122223333","s3:ResourceAccount":"111122223333"}}"#, true),
        (r#"{"StringLike":{"aws:Referer":"https://example.org/*"}}"#, true),
        (r#"{"StringEquals":{"aws:UserAgent":"agent"}}"#, true),
        (r#"{"StringEquals":{"s3:authType":"REST-HEADER","s3:signatureversion":"AWS4-HMAC-SHA256"}}"#, true),
        (r#"{"Null":{"s3:signatureAge":"false"}}"#, false),
        (r#"{"Null":{"s3:TlsVersion":"false"}}"#, false),
        (r#"{"Bool":{"aws:ViaAWSService":"true"}}"#, false),
        (r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#, true),
    ] {
        let request = get("/photos/cat", &[("referer", "https://example.org/a"), ("user-agent", "agent")]);
        assert_eq!(denied(&world, condition, request).await, expected, "{condition}");
    }
}

#[tokio::test]
async fn presigned_urls_have_an_age_and_an_unsigned_payload() {
    let world = World::new().await;
    let presigned = |age_ms| {
        let signed = Signed { place: SignaturePlace::Query { age_ms }, version: "AWS4-HMAC-SHA256" };
        S3Request { signed: Some(signed), ..get("/photos/cat", &[]) }
    };
    let too_old = r#"{"NumericGreaterThan":{"s3:signatureAge":"600000"}}"#;
    assert!(denied(&world, too_old, presigned(600_001)).await);
    assert!(!denied(&world, too_old, presigned(600_000)).await);
    assert!(denied(&world, r#"{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}"#, presigned(1)).await);
    assert!(denied(&world, r#"{"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}"#, presigned(1)).await);
    let form = Signed { place: SignaturePlace::Form, version: "AWS" };
    let form = S3Request { signed: Some(form), ..put(&[]) };
    assert!(denied(&world, r#"{"StringEquals":{"s3:authType":"POST","s3:signatureversion":"AWS"}}"#, form).await);
}

#[tokio::test]
async fn keys_tell_what_a_listing_is_of() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    for (condition, target, expected) in [
        (r#"{"StringNotLike":{"s3:prefix":"home/*"}}"#, "/photos?list-type=2&prefix=home/a", false),
        (r#"{"StringNotLike":{"s3:prefix":"home/*"}}"#, "/photos?prefix=other/", true),
        (r#"{"StringNotLike":{"s3:prefix":"home/*"}}"#, "/photos?versions", true),
        (r#"{"Null":{"s3:prefix":"true"}}"#, "/photos?prefix=", false),
        (r#"{"StringEquals":{"s3:delimiter":"/"}}"#, "/photos?delimiter=%2F", true),
        (r#"{"NumericGreaterThan":{"s3:max-keys":"10"}}"#, "/photos?max-keys=11", true),
        (r#"{"NumericGreaterThan":{"s3:max-keys":"10"}}"#, "/photos?max-keys=junk", true),
        (r#"{"Null":{"s3:prefix":"false"}}"#, "/photos/cat?prefix=a", false),
        (r#"{"StringEquals":{"s3:VersionId":"null"}}"#, "/photos/cat?versionId=null", true),
        (r#"{"Null":{"s3:VersionId":"false"}}"#, "/photos/cat", false),
    ] {
        let is_denied = match target {
            "/photos?max-keys=junk" => {
                // What is no number is not greater than one; that it is refused later is another matter.
                assert_eq!(world.answer(&root(OURS), "GET", target, &[]).await.0 / 100, 4);
                continue;
            }
            target => denied(&world, condition, get(target, &[])).await,
        };
        assert_eq!(is_denied, expected, "{condition} {target}");
    }
}

#[tokio::test]
async fn keys_tell_what_is_written() {
    let world = World::new().await;
    for (condition, header, value) in [
        (r#"{"StringEquals":{"s3:x-amz-acl":"public-read"}}"#, "x-amz-acl", "public-read"),
        (r#"{"StringLike":{"s3:x-amz-grant-read":"*AllUsers*"}}"#, "x-amz-grant-read", "uri=\"http://AllUsers\""),
        (r#"{"StringNotEquals":{"s3:x-amz-storage-class":"STANDARD"}}"#, "x-amz-storage-class", "junk"),
        (r#"{"Null":{"s3:x-amz-website-redirect-location":"false"}}"#, "x-amz-website-redirect-location", "/a"),
        (r#"{"StringEquals":{"s3:RequestObjectTag/team":"blue"}}"#, "x-amz-tagging", "team=blue&a=b"),
        (r#"{"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["team"]}}"#, "x-amz-tagging", "team=blue&a=b"),
        (r#"{"Null":{"s3:if-none-match":"false"}}"#, "if-none-match", "*"),
        (r#"{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}"#, "x-amz-object-lock-mode", "COMPLIANCE"),
        (
            r#"{"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}"#,
            "x-amz-content-sha256",
            "UNSIGNED-PAYLOAD",
        ),
    ] {
        assert!(denied(&world, condition, put(&[(header, value)])).await, "{condition}");
        assert!(condition.contains("NotEquals") || !denied(&world, condition, put(&[])).await, "{condition}");
    }
    let creates = r#"{"Bool":{"s3:ObjectCreationOperation":"true"},"Null":{"s3:if-none-match":"true"}}"#;
    assert!(denied(&world, creates, put(&[])).await);
    assert!(!denied(&world, creates, put(&[("if-none-match", "*")])).await);
    assert!(!denied(&world, creates, request(&root(OURS), "POST", "/photos/cat?uploads", &[], "")).await);
}

#[tokio::test]
async fn headers_need_actions_of_their_own() {
    let world = World::new().await;
    let writer = allowed(r#""s3:PutObject","s3:CreateBucket""#);
    for header in [
        ("x-amz-acl", "private"),
        ("x-amz-grant-read", "id=a"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
    ] {
        assert_eq!(world.answer(&writer, "PUT", "/photos/cat", &[header]).await, DENIED, "{header:?}");
        assert_eq!(world.answer(&writer, "POST", "/photos/cat?uploads", &[header]).await, DENIED, "{header:?}");
    }
    let tagger = allowed(r#""s3:PutObject","s3:PutObjectTagging","s3:PutObjectAcl""#);
    assert_eq!(
        world.answer(&tagger, "PUT", "/photos/cat", &[("x-amz-tagging", "a=b"), ("x-amz-acl", "private")]).await,
        OK
    );
    for header in [
        ("x-amz-acl", "private"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-bucket-object-lock-enabled", "true"),
    ] {
        assert_eq!(world.answer(&writer, "PUT", "/new-bucket", &[header]).await, DENIED, "{header:?}");
    }
    assert_eq!(world.answer(&writer, "PUT", "/new-bucket", &[]).await, OK);
    let remover = allowed(r#""s3:DeleteObject""#);
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    assert_eq!(world.answer(&remover, "DELETE", "/photos/cat", &bypass).await, DENIED);
    assert_eq!(world.answer(&remover, "DELETE", "/photos/cat", &[]).await, (204, ""));
}

#[tokio::test]
async fn versions_and_attributes_are_actions_of_their_own() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let reader = allowed(r#""s3:GetObject""#);
    assert_eq!(world.answer(&reader, "GET", "/photos/cat", &[]).await, OK);
    assert_eq!(world.answer(&reader, "GET", "/photos/cat?versionId=null", &[]).await, DENIED);
    let attributes = [("x-amz-object-attributes", "ETag")];
    assert_eq!(world.answer(&reader, "GET", "/photos/cat?attributes", &attributes).await, DENIED);
    let both = allowed(r#""s3:GetObject","s3:GetObjectAttributes""#);
    assert_eq!(world.answer(&both, "GET", "/photos/cat?attributes", &attributes).await, OK);
    assert_eq!(world.answer(&both, "GET", "/photos/cat?attributes&versionId=null", &attributes).await, DENIED);
    let remover = allowed(r#""s3:DeleteObject""#);
    assert_eq!(world.answer(&remover, "DELETE", "/photos/cat?versionId=null", &[]).await, DENIED);
}

#[tokio::test]
async fn tags_of_the_object_decide_where_a_policy_looks_at_them() {
    let world = World::new().await;
    world.put("/photos/secret", &[("x-amz-tagging", "secret=yes")]).await;
    world.put("/photos/cat", &[("x-amz-tagging", "secret=no")]).await;
    let condition = r#"{"StringEquals":{"s3:ExistingObjectTag/secret":"no"}}"#;
    let who =
        alice(OURS, &format!(r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{condition}}}"#));
    assert_eq!(world.answer(&who, "GET", "/photos/cat", &[]).await, OK);
    for key in ["secret", "none"] {
        assert_eq!(world.answer(&who, "GET", &format!("/photos/{key}"), &[]).await, DENIED, "{key}");
    }
}

#[tokio::test]
async fn the_place_of_a_new_bucket_is_a_key() {
    let world = World::new().await;
    let condition = r#"{"StringEquals":{"s3:LocationConstraint":"us-east-1"}}"#;
    let who = alice(
        OURS,
        &format!(r#"{{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"*","Condition":{condition}}}"#),
    );
    let create = |place: &str| {
        let document = format!(
            "<CreateBucketConfiguration><LocationConstraint>{place}</LocationConstraint></CreateBucketConfiguration>"
        );
        request(&who, "PUT", "/new-bucket", &[], &document)
    };
    assert_eq!(world.answer_to(create("eu-west-1")).await, DENIED);
    assert_eq!(world.answer_to(request(&who, "PUT", "/new-bucket", &[], "<junk")).await, DENIED);
    assert_eq!(world.answer_to(create("us-east-1")).await, OK);
}
