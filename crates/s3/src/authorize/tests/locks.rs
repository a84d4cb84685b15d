//! Who may lock objects, and for how long.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const NOT_LOCKING: (u16, &str) = (400, "InvalidRequest");
const DAY: &str = "2013-05-25T00:00:00Z";
const ELEVEN_DAYS: &str = "2013-06-03T00:00:00.001Z";

fn put(who: &Principal, target: &str, headers: &[(&str, &str)], body: &str) -> S3Request {
    let digest = STANDARD.encode(coffer_crypto::md5(body.as_bytes()));
    let headers: Vec<_> = headers.iter().copied().chain([("content-md5", digest.as_str())]).collect();
    request(who, "PUT", target, &headers, body)
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

/// Whether a policy that denies everything under a condition denies a request.
async fn denied(world: &World, condition: &str, request: S3Request) -> bool {
    let resource = r#"["arn:aws:s3:::photos/*"]"#;
    let statement =
        format!(r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":{resource},"Condition":{condition}}}"#);
    world.policy(&statement).await;
    let answer = world.answer_to(request).await;
    assert!([DENIED, NOT_LOCKING].contains(&answer), "{answer:?}");
    answer == DENIED
}

#[tokio::test]
async fn policies_see_what_is_to_be_kept() {
    let world = World::new().await;
    let us = root(OURS);
    let retain = |mode, until| put(&us, "/photos/cat?retention", &[], &retention(mode, until));
    let hold = |on| put(&us, "/photos/cat?legal-hold", &[], &format!("<LegalHold><Status>{on}</Status></LegalHold>"));
    let with = |mode, until| {
        let headers = [("x-amz-object-lock-mode", mode), ("x-amz-object-lock-retain-until-date", until)];
        put(&us, "/photos/cat", &headers, "")
    };
    let long = r#"{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}"#;
    for request in [retain("GOVERNANCE", ELEVEN_DAYS), with("GOVERNANCE", ELEVEN_DAYS)] {
        assert!(denied(&world, long, request).await);
    }
    for request in [retain("GOVERNANCE", DAY), with("GOVERNANCE", DAY), hold("ON")] {
        assert!(!denied(&world, long, request).await);
    }
    let compliance = r#"{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}"#;
    for (mode, expected) in [("COMPLIANCE", true), ("GOVERNANCE", false)] {
        assert_eq!(denied(&world, compliance, retain(mode, DAY)).await, expected);
        assert_eq!(denied(&world, compliance, with(mode, DAY)).await, expected);
    }
    let late = r#"{"DateGreaterThan":{"s3:object-lock-retain-until-date":"2013-06-01T00:00:00Z"}}"#;
    assert!(denied(&world, late, retain("GOVERNANCE", ELEVEN_DAYS)).await);
    assert!(!denied(&world, late, retain("GOVERNANCE", DAY)).await);
    let off = r#"{"StringEquals":{"s3:object-lock-legal-hold":"OFF"}}"#;
    assert!(denied(&world, off, hold("OFF")).await && !denied(&world, off, hold("ON")).await);
}

#[tokio::test]
async fn policies_see_how_long_the_default_keeps() {
    let world = World::new().await;
    let locks = |default: &str| {
        let rule = format!("<Rule><DefaultRetention>{default}</DefaultRetention></Rule>");
        let rule = if default.is_empty() { "" } else { &rule };
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        let body = format!("<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>");
        put(&root(OURS), "/photos?object-lock", &[], &body)
    };
    let condition = r#"{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"365"}}"#;
    let action = r#""Action":"s3:PutBucketObjectLockConfiguration","Resource":"arn:aws:s3:::photos""#;
    world.policy(&format!(r#"{{"Effect":"Deny","Principal":"*",{action},"Condition":{condition}}}"#)).await;
    let not_versioned = (409, "InvalidBucketState");
    for (default, expected) in [
        ("<Mode>GOVERNANCE</Mode><Days>366</Days>", DENIED),
        ("<Mode>COMPLIANCE</Mode><Years>2</Years>", DENIED),
        ("<Mode>COMPLIANCE</Mode><Years>1</Years>", not_versioned),
        ("<Mode>GOVERNANCE</Mode><Days>365</Days>", not_versioned),
        ("", not_versioned),
    ] {
        assert_eq!(world.answer_to(locks(default)).await, expected, "{default}");
    }
}

#[tokio::test]
async fn headers_beside_a_document_do_not_speak_for_it() {
    let world = World::new().await;
    let headers = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", DAY),
        ("x-amz-object-lock-legal-hold", "ON"),
    ];
    let retain = put(&root(OURS), "/photos/cat?retention", &headers, &retention("COMPLIANCE", ELEVEN_DAYS));
    assert!(denied(&world, r#"{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}"#, retain).await);
    let none = put(&root(OURS), "/photos/cat?retention", &headers, "<Retention/>");
    assert!(denied(&world, r#"{"Null":{"s3:object-lock-mode":"true"}}"#, none).await);
    let hold = "<LegalHold><Status>OFF</Status></LegalHold>";
    let hold = put(&root(OURS), "/photos/cat?legal-hold", &headers, hold);
    assert!(denied(&world, r#"{"StringNotEquals":{"s3:object-lock-legal-hold":"ON"}}"#, hold).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_for_who_may_send_it() {
    let world = World::new().await;
    for target in ["/photos/cat?retention", "/photos/cat?legal-hold", "/photos?object-lock"] {
        for who in [Principal::Anonymous, alice(OURS, ""), root(THEIRS), allowed(r#""s3:PutObject""#)] {
            assert_eq!(world.answer_to(put(&who, target, &[], "<junk")).await, DENIED, "{target}");
        }
        assert_eq!(world.answer_to(put(&root(OURS), target, &[], "<junk")).await, (400, "MalformedXML"));
        assert_eq!(world.answer_to(request(&root(OURS), "PUT", target, &[], "<junk")).await, NOT_LOCKING);
    }
}

#[tokio::test]
async fn to_bypass_governance_is_an_action_of_its_own() {
    let world = World::new().await;
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    let may = allowed(r#""s3:PutObjectRetention""#);
    let with = allowed(r#""s3:PutObjectRetention","s3:BypassGovernanceRetention""#);
    let target = "/photos/cat?retention";
    assert_eq!(world.answer_to(put(&may, target, &bypass, "<Retention/>")).await, DENIED);
    assert_eq!(world.answer_to(put(&may, target, &[], "<Retention/>")).await, NOT_LOCKING);
    assert_eq!(world.answer_to(put(&with, target, &bypass, "<Retention/>")).await, NOT_LOCKING);
}
