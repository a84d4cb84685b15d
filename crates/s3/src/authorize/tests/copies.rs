//! The confused deputy: nobody gets by a copy what they could not read, or puts it where they could not write.

use super::*;

const THROUGH: &str =
    r#"{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"]}"#;

async fn world() -> World {
    let world = World::new().await;
    world.make_bucket("secret", OURS).await;
    world.make_bucket("theirs", THEIRS).await;
    world.put("/secret/plan", &[]).await;
    world
}

fn source(value: &str) -> [(&'static str, &str); 1] {
    [("x-amz-copy-source", value)]
}

#[tokio::test]
async fn a_source_that_may_not_be_read_is_not_copied() {
    let world = world().await;
    let who = alice(OURS, THROUGH);
    assert_eq!(world.answer(&who, "GET", "/secret/plan", &[]).await, DENIED);
    for spelling in ["secret/plan", "/secret/plan", "secret%2Fplan", "/secret/plan?versionId=null", "%73ecret/plan"] {
        assert_eq!(world.answer(&who, "PUT", "/photos/copy", &source(spelling)).await, DENIED, "{spelling}");
    }
    assert_eq!(world.answer(&who, "PUT", "/photos/copy", &source("secret/none")).await, DENIED);
    assert_eq!(world.answer(&who, "PUT", "/photos/copy", &source("nowhere/none")).await, (404, "NoSuchBucket"));
    for stranger in [root(THEIRS), Principal::Anonymous] {
        world
            .policy(r#"{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*"}"#)
            .await;
        assert_eq!(world.answer(&stranger, "PUT", "/photos/copy", &[]).await, OK);
        assert_eq!(world.answer(&stranger, "PUT", "/photos/copy", &source("secret/plan")).await, DENIED);
    }
}

#[tokio::test]
async fn a_part_is_not_copied_either() {
    let world = world().await;
    let who = alice(OURS, THROUGH);
    let upload = body(world.ask(&who, "POST", "/photos/copy?uploads").await.ok().unwrap()).await;
    let id = upload.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
    let target = format!("/photos/copy?partNumber=1&uploadId={id}");
    assert_eq!(world.answer(&who, "PUT", &target, &source("secret/plan")).await, DENIED);
    assert_eq!(world.answer(&who, "PUT", &target, &source("secret/none")).await, DENIED);
    world.put("/photos/own", &[]).await;
    assert_eq!(world.answer(&who, "PUT", &target, &source("photos/own")).await, OK);
}

#[tokio::test]
async fn a_place_that_may_not_be_written_is_not_copied_to() {
    let world = world().await;
    let reader = alice(OURS, r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
    assert_eq!(world.answer(&reader, "PUT", "/photos/copy", &source("secret/plan")).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "PUT", "/theirs/copy", &source("secret/plan")).await, DENIED);
}

#[tokio::test]
async fn the_sources_own_policy_counts() {
    let world = world().await;
    world
        .policy_of(
            "secret",
            r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::secret/*"}"#,
        )
        .await;
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &source("secret/plan")).await, DENIED);
    world
        .policy_of(
            "secret",
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::secret/*"}"#,
        )
        .await;
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/theirs/copy", &source("secret/plan")).await, OK);
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/theirs/copy", &source("secret/none")).await, DENIED);
    let versioned = source("secret/plan?versionId=null");
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/theirs/copy", &versioned).await, DENIED, "another action");
}

#[tokio::test]
async fn a_policy_sees_one_spelling_of_a_source() {
    let world = world().await;
    let condition = r#"{"StringLike":{"s3:x-amz-copy-source":"secret/*"}}"#;
    world
        .policy(&format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{condition}}}"#
        ))
        .await;
    for spelling in ["secret/plan", "/secret/plan", "%2Fsecret%2Fplan", "secre%74/plan", "/secret/plan?versionId=null"]
    {
        assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &source(spelling)).await, DENIED, "{spelling}");
    }
}

#[tokio::test]
async fn tags_that_come_along_are_asked_about() {
    let world = world().await;
    world.put("/photos/tagged", &[("x-amz-tagging", "a=b")]).await;
    let from = source("photos/tagged")[0];
    let copier = allowed(r#""s3:GetObject","s3:PutObject""#);
    assert_eq!(world.answer(&copier, "PUT", "/photos/copy", &[from]).await, DENIED);
    assert_eq!(world.answer(&copier, "PUT", "/photos/copy", &[from, ("x-amz-tagging-directive", "REPLACE")]).await, OK);
    for half in ["s3:GetObjectTagging", "s3:PutObjectTagging"] {
        let who = allowed(&format!(r#""s3:GetObject","s3:PutObject","{half}""#));
        assert_eq!(world.answer(&who, "PUT", "/photos/copy", &[from]).await, DENIED, "{half}");
    }
    let both = allowed(r#""s3:GetObject","s3:PutObject","s3:GetObjectTagging","s3:PutObjectTagging""#);
    assert_eq!(world.answer(&both, "PUT", "/photos/copy", &[from]).await, OK);
}

#[tokio::test]
async fn the_expected_owner_of_a_source_is_its_own() {
    let world = world().await;
    let expects = |account| [source("secret/plan")[0], ("x-amz-source-expected-bucket-owner", account)];
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &expects(THEIRS)).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "PUT", "/photos/copy", &expects(OURS)).await, OK);
}
