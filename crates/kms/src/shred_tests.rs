use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_store::{JobEnvironment, JobInfo, JobRunner, JobSpec, JobState, JobStep, RowChanges, ShredTarget};
use serde_json::json;

use super::*;
use crate::authority::Authority;
use crate::names::KeyId;
use crate::records::{AliasRecord, GrantRecord, GrantedRecord, alias_row, grant_row, grant_rows};
use crate::testing::{KEY_STORE, World};

async fn arn_of(world: &World, parameters: &serde_json::Value) -> String {
    let made = world.call("CreateKey", parameters).await.unwrap();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

/// Lets somebody use a key.
async fn give_grant(world: &World, id: &KeyId) {
    let grantee = GrantedRecord { arn: "arn:aws:iam::111122223333:root".to_owned(), id: "111122223333".to_owned() };
    let grant = GrantRecord {
        id: [3; 32],
        key_id: *id,
        grantee,
        retiring: None,
        operations: vec!["Decrypt".to_owned()],
        constraint: None,
        name: String::new(),
        created_ms: 1,
        issuing_account: "000000000000".to_owned(),
    };
    let mut changes = RowChanges::new();
    changes.put(&world.kms.0.store, RowTable::Kms, &grant_row(id, &grant.id), &grant);
    assert!(world.kms.0.store.commit_rows(changes).await.unwrap());
}

async fn shredded(world: &World, key_arn: &str) -> JobInfo {
    let store = &world.kms.0.store;
    let environment = JobEnvironment { kms_keys: Some(Arc::new(world.kms.clone())), ..JobEnvironment::default() };
    let mut runner = JobRunner::new(store.clone(), environment);
    let target = ShredTarget::KmsKey { key_arn: key_arn.to_owned() };
    let job = store.start_job(JobSpec::Shred { target, keep_backups: false, even_if_shared: false }).await.unwrap();
    while runner.step().await.unwrap() != JobStep::Idle {}
    store.job(job).await.unwrap()
}

#[tokio::test]
async fn a_key_is_gone_at_once_with_all_its_generations_names_and_grants() {
    let world = World::new();
    let arn = arn_of(&world, &json!({})).await;
    world.call("RotateKeyOnDemand", &json!({ "KeyId": arn })).await.unwrap();
    world.call("CreateAlias", &json!({ "AliasName": "alias/doomed", "TargetKeyId": arn })).await.unwrap();
    let kept = arn_of(&world, &json!({})).await;
    let drawn = world.kms.generate_data_key(&Authority::Coffer, Some(&arn), BTreeMap::new()).await.unwrap();
    let id = world.kms.key_of_any_state(&arn).await.unwrap().unwrap().0.id;
    give_grant(&world, &id).await;
    let job = shredded(&world, &arn).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
    let generations: Vec<_> = job.report.destroyed.iter().map(|it| (it.id.as_str(), it.generation)).collect();
    assert_eq!(generations, [(&*arn, Some(1)), (&*arn, Some(2)), (&*arn, None)]);
    // The provider of the root key here has one generation for ever.
    assert!(job.report.cannot_promise[0].contains("it has one generation"), "{:?}", job.report);
    let left = world.kms.key_of_any_state(&arn).await.unwrap().unwrap().0;
    assert!(left.materials.is_empty() && matches!(left.state, KeyStateRecord::Deleted(_)));
    let grants = world.kms.0.store.rows::<GrantRecord>(RowTable::Kms, &grant_rows(&id), None, 9).await.unwrap();
    assert!(grants.is_empty());
    assert_eq!(world.call("ListAliases", &json!({})).await.unwrap()["Aliases"], json!([]));
    let refused = world.kms.decrypt_data_key(&Authority::Coffer, &drawn.sealed).await.err().unwrap();
    assert_eq!(refused.code, "NotFoundException");
    assert_eq!(world.code("CancelKeyDeletion", &json!({ "KeyId": arn })).await, "NotFoundException");
    world.call("Encrypt", &json!({ "KeyId": kept, "Plaintext": "YQ==" })).await.unwrap();
    // Nothing is left to shred.
    let again = shredded(&world, &arn).await;
    assert_eq!((again.state, again.report.destroyed.len()), (JobState::Failed, 0));
}

#[tokio::test]
async fn no_state_of_a_key_keeps_it() {
    let world = World::new();
    for action in ["DisableKey", "ScheduleKeyDeletion"] {
        let arn = arn_of(&world, &json!({})).await;
        world.call(action, &json!({ "KeyId": arn })).await.unwrap();
        assert_eq!(shredded(&world, &arn).await.state, JobState::Done, "{action}");
        assert!(world.kms.key_material(&arn).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_a_custom_key_store_wrapped_is_said_to_be_still_there() {
    let world = World::new();
    let arn = arn_of(&world, &json!({ "CustomKeyStoreId": KEY_STORE, "Origin": "EXTERNAL_KEY_STORE" })).await;
    let job = shredded(&world, &arn).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.trouble);
    assert!(job.report.cannot_promise.iter().any(|it| it.contains(KEY_STORE)), "{:?}", job.report);
}

#[tokio::test]
async fn an_alias_that_was_given_at_the_last_moment_goes_as_well() {
    let world = World::new();
    let arn = arn_of(&world, &json!({})).await;
    let (key, version) = world.kms.key_of_any_state(&arn).await.unwrap().unwrap();
    let deleted = world.kms.without_material(&key);
    assert!(world.kms.commit_deletion(&deleted, version).await.unwrap());
    // As if it had been put after the aliases were looked for, and before the key was destroyed.
    let alias = AliasRecord { name: "alias/late".to_owned(), key_id: key.id, created_ms: 1, updated_ms: 1 };
    let mut changes = RowChanges::new();
    changes.put(&world.kms.0.store, RowTable::Kms, &alias_row(&key.account, &alias.name), &alias);
    assert!(world.kms.0.store.commit_rows(changes).await.unwrap());
    world.kms.destroy_key(&arn).await.unwrap();
    assert_eq!(world.call("ListAliases", &json!({})).await.unwrap()["Aliases"], json!([]));
    world.kms.destroy_key(&arn).await.unwrap();
}

#[tokio::test]
async fn what_is_no_key_of_here_is_not_destroyed() {
    let world = World::new();
    for arn in ["arn:aws:kms:elsewhere:0:key/12121212-1212-1212-1212-121212121212", "nonsense"] {
        assert!(world.kms.key_material(arn).await.is_err() && world.kms.destroy_key(arn).await.is_err(), "{arn}");
    }
    let arn = arn_of(&world, &json!({})).await;
    let alias = arn.replace("key/", "alias/");
    assert_eq!(world.kms.key_material(&alias).await.unwrap(), None);
    world.kms.destroy_key(&alias).await.unwrap();
    assert!(world.kms.key_material(&arn).await.unwrap().is_some());
}
