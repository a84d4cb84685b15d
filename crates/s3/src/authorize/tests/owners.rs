//! Accounts: whose buckets and objects are, and who may do what in those of others.

use super::*;

const LISTS: &str = r#"{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"}"#;
const READS: &str = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#;

#[tokio::test]
async fn a_bucket_belongs_to_the_account_that_makes_it() {
    let world = World::new().await;
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/theirs", &[]).await, OK);
    assert_eq!(world.bucket("theirs").await.owner(), Some(THEIRS));
    assert_eq!(world.answer(&root(OURS), "GET", "/theirs?location", &[]).await, DENIED);
    assert_eq!(world.answer(&root(OURS), "PUT", "/theirs", &[]).await, (409, "BucketAlreadyExists"));
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/theirs", &[]).await, OK);
    assert_eq!(world.answer(&alice(THEIRS, ""), "PUT", "/theirs", &[]).await, DENIED);
}

#[tokio::test]
async fn buckets_are_listed_to_their_account() {
    let world = World::new().await;
    for (name, account) in [("a-theirs", THEIRS), ("b-ours", OURS), ("c-theirs", THEIRS), ("z-theirs", THEIRS)] {
        world.make_bucket(name, account).await;
    }
    let listed = async |who: &Principal, target: &str| body(world.ask(who, "GET", target).await.ok().unwrap()).await;
    let ours = listed(&root(OURS), "/").await;
    assert!(ours.contains("<Name>b-ours</Name>") && ours.contains("<Name>photos</Name>"), "{ours}");
    assert!(!ours.contains("theirs") && ours.contains("<ID>ffff"), "{ours}");
    let first = listed(&root(THEIRS), "/?max-buckets=2").await;
    assert!(first.contains("a-theirs") && first.contains("c-theirs") && !first.contains("ours"), "{first}");
    let token = first.split("<ContinuationToken>").nth(1).unwrap().split('<').next().unwrap();
    let second = listed(&root(THEIRS), &format!("/?max-buckets=2&continuation-token={token}")).await;
    assert!(second.contains("z-theirs") && !second.contains("c-theirs") && !second.contains("ContinuationToken"));
}

#[tokio::test]
async fn another_account_needs_both_sides() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let may = |actions| alice(THEIRS, &format!(r#"{{"Effect":"Allow","Action":"{actions}","Resource":"*"}}"#));
    assert_eq!(world.answer(&may("s3:*"), "GET", "/photos/cat", &[]).await, DENIED);
    world.policy(READS).await;
    assert_eq!(world.answer(&may("s3:*"), "GET", "/photos/cat", &[]).await, OK);
    assert_eq!(world.answer(&may("s3:PutObject"), "GET", "/photos/cat", &[]).await, DENIED);
    assert_eq!(world.answer(&root(THEIRS), "GET", "/photos/cat", &[]).await, OK);
    assert_eq!(world.answer(&root(THEIRS), "DELETE", "/photos/cat", &[]).await, DENIED);
}

#[tokio::test]
async fn a_canonical_user_in_a_policy_is_an_account() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let principal = format!(r#"{{"CanonicalUser":"{}"}}"#, Accounts.canonical_id(THEIRS));
    world
        .policy(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}"#
        ))
        .await;
    assert_eq!(world.answer(&root(THEIRS), "GET", "/photos/cat", &[]).await, OK);
    assert_eq!(world.answer(&root("777788889999"), "GET", "/photos/cat", &[]).await, DENIED);
}

#[tokio::test]
async fn what_is_not_there_is_denied_to_who_may_not_list() {
    let world = World::new().await;
    world.policy(READS).await;
    let reader = allowed(r#""s3:GetObject*""#);
    for who in [&reader, &Principal::Anonymous, &root(THEIRS)] {
        for (method, target) in [("GET", "/photos/none"), ("HEAD", "/photos/none")] {
            assert_eq!(world.answer(who, method, target, &[]).await, DENIED, "{method} {target}");
        }
    }
    let attributes = [("x-amz-object-attributes", "ETag")];
    assert_eq!(world.answer(&reader, "GET", "/photos/none?attributes", &attributes).await, DENIED);
    let old = "/photos/none?versionId=0000000000000000000000000000000000";
    assert_eq!(world.answer(&reader, "GET", old, &[]).await.0 / 100, 4);
    let message = world.ask(&reader, "GET", "/photos/none").await.err().unwrap().message().to_owned();
    assert!(message.contains("s3:ListBucket on resource: \"arn:aws:s3:::photos\""), "{message}");
    world.policy(&format!("{READS},{LISTS}")).await;
    for who in [&reader, &Principal::Anonymous, &root(THEIRS), &root(OURS)] {
        assert_eq!(world.answer(who, "GET", "/photos/none", &[]).await, NO_SUCH_KEY);
    }
}

#[tokio::test]
async fn a_condition_on_an_etag_does_not_tell_what_may_not_be_read() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let writer = allowed(r#""s3:PutObject","s3:DeleteObject""#);
    let guess = [("if-match", "\"0123\"")];
    for (method, target) in [("PUT", "/photos/cat"), ("DELETE", "/photos/cat"), ("PUT", "/photos/none")] {
        assert_eq!(world.answer(&writer, method, target, &guess).await, DENIED, "{method} {target}");
    }
    let reader = allowed(r#""s3:PutObject","s3:DeleteObject","s3:GetObject""#);
    assert_eq!(world.answer(&reader, "PUT", "/photos/cat", &guess).await, (412, "PreconditionFailed"));
    assert_eq!(world.answer(&reader, "PUT", "/photos/none", &guess).await, DENIED);
    assert_eq!(world.answer(&writer, "DELETE", "/photos/cat", &[("if-match", "*")]).await, (204, ""));
}

#[tokio::test]
async fn an_expected_owner_is_the_buckets() {
    let world = World::new().await;
    world.make_bucket("theirs", THEIRS).await;
    let expects = |account| [("x-amz-expected-bucket-owner", account)];
    assert_eq!(world.answer(&root(OURS), "GET", "/photos?location", &expects(OURS)).await, OK);
    assert_eq!(world.answer(&root(OURS), "GET", "/photos?location", &expects(THEIRS)).await, DENIED);
    assert_eq!(world.answer(&root(THEIRS), "GET", "/theirs?location", &expects(THEIRS)).await, OK);
    let none = world.answer(&root(OURS), "GET", "/photos?location", &expects("me")).await;
    assert_eq!(none, (400, "InvalidBucketOwnerAWSAccountID"));
    assert_eq!(world.answer(&root(THEIRS), "GET", "/photos?location", &expects("me")).await, DENIED);
}

#[tokio::test]
async fn each_key_of_a_batch_is_asked_about() {
    let world = World::new().await;
    for key in ["own/a", "own/b", "other/c"] {
        world.put(&format!("/photos/{key}"), &[]).await;
    }
    let who = alice(OURS, r#"{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::photos/own/*"}"#);
    let document = "<Delete><Object><Key>own/a</Key></Object><Object><Key>other/c</Key></Object>\
                    <Object><Key>own/b</Key><VersionId>null</VersionId></Object><Object><Key>none</Key></Object></Delete>";
    let digest =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, coffer_crypto::md5(document.as_bytes()));
    let delete =
        |who: &Principal| request(who, "POST", "/photos?delete", &[("content-md5", digest.as_str())], document);
    let answer = body(world.send(delete(&who)).await.ok().unwrap()).await;
    assert!(answer.contains("<Deleted><Key>own/a</Key></Deleted>"), "{answer}");
    assert_eq!(answer.matches("<Code>AccessDenied</Code>").count(), 3, "{answer}");
    assert!(answer.contains("s3:DeleteObjectVersion"), "{answer}");
    assert_eq!(world.answer(&root(OURS), "HEAD", "/photos/own/a", &[]).await, NO_SUCH_KEY);
    for key in ["own/b", "other/c"] {
        assert_eq!(world.answer(&root(OURS), "HEAD", &format!("/photos/{key}"), &[]).await, OK);
    }
    // Nothing could allow a stranger even one of them: the document is not read.
    for stranger in [Principal::Anonymous, root(THEIRS)] {
        assert_eq!(world.answer_to(delete(&stranger)).await, DENIED);
    }
}
