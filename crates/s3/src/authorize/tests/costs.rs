//! What authorisation costs: nothing where nobody can have an opinion.

use coffer_testkit::EngineCall;

use super::*;

/// How many rows are read for a request.
async fn reads(world: &World, who: &Principal, method: &str, target: &str) -> u64 {
    let before = world.engine.faults().count(EngineCall::Get);
    assert_eq!(world.answer(who, method, target, &[]).await.0 / 100, 2, "{method} {target}");
    world.engine.faults().count(EngineCall::Get) - before
}

#[tokio::test]
async fn who_asks_costs_no_reads() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let least = reads(&world, &root(OURS), "HEAD", "/photos/cat").await;
    assert_eq!(least, 2, "the bucket and the object");
    assert_eq!(reads(&world, &allowed(r#""s3:GetObject""#), "HEAD", "/photos/cat").await, least);
    world
        .policy(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#)
        .await;
    assert_eq!(reads(&world, &root(OURS), "HEAD", "/photos/cat").await, least);
}

#[tokio::test]
async fn tags_are_read_only_if_a_policy_looks_at_them() {
    let world = World::new().await;
    world.put("/photos/cat", &[]).await;
    let least = reads(&world, &root(OURS), "HEAD", "/photos/cat").await;
    let condition = r#"{"StringEquals":{"s3:ExistingObjectTag/secret":"yes"}}"#;
    world
        .policy(&format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*","Condition":{condition}}}"#
        ))
        .await;
    assert_eq!(reads(&world, &root(OURS), "HEAD", "/photos/cat").await, least + 1);
    assert_eq!(reads(&world, &root(OURS), "GET", "/photos?list-type=2").await, 1);
}
