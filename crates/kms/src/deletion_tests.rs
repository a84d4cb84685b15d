use std::collections::BTreeMap;

use coffer_store::{RowChanges, RowTable};
use serde_json::json;

use crate::authority::Authority;
use crate::names::parse_key_id;
use crate::records::{
    AliasRecord, GrantRecord, GrantedRecord, KeyRecord, KeyStateRecord, MarkRecord, alias_row, grant_row, grant_rows,
    key_row, retirable_row, retirable_rows,
};
use crate::testing::World;
use crate::upkeep::KeyCounts;

/// Who may retire the grants of the tests.
const RETIRING: &str = "111122223333";

/// A key with this many grants, which waits for its deletion.
async fn doomed(world: &World, grants: u32) -> String {
    let key_id = world.key().await;
    let (store, id) = (&world.kms.0.store, parse_key_id(&key_id).unwrap());
    let mut changes = RowChanges::new();
    for number in 0..grants {
        let mut grant_id = [0; 32];
        grant_id[..4].copy_from_slice(&number.to_be_bytes());
        let somebody = GrantedRecord { arn: "arn:aws:iam::111122223333:root".to_owned(), id: RETIRING.to_owned() };
        let grant = GrantRecord {
            id: grant_id,
            key_id: id,
            grantee: somebody.clone(),
            retiring: Some(somebody),
            operations: vec!["Decrypt".to_owned()],
            constraint: None,
            name: String::new(),
            created_ms: 1,
            issuing_account: "000000000000".to_owned(),
        };
        changes.put(store, RowTable::Kms, &grant_row(&id, &grant_id), &grant);
        changes.put(store, RowTable::Kms, &retirable_row(RETIRING, &id, &grant_id), &MarkRecord { made_ms: 1 });
    }
    assert!(store.commit_rows(changes).await.unwrap());
    world.call("CreateAlias", &json!({ "AliasName": "alias/doomed", "TargetKeyId": key_id })).await.unwrap();
    world.call("ScheduleKeyDeletion", &json!({ "KeyId": key_id, "PendingWindowInDays": 7 })).await.unwrap();
    key_id
}

async fn row(world: &World, key_id: &str) -> KeyRecord {
    let id = parse_key_id(key_id).unwrap();
    world.kms.0.store.row(RowTable::Kms, &key_row(&id)).await.unwrap().0.unwrap()
}

/// How many rows of grants there are.
async fn grants(world: &World, key_id: &str) -> usize {
    let store = &world.kms.0.store;
    let grants = grant_rows(&parse_key_id(key_id).unwrap());
    let grants = store.rows::<GrantRecord>(RowTable::Kms, &grants, None, 9999).await.unwrap().len();
    let retirable = store.rows::<MarkRecord>(RowTable::Kms, &retirable_rows(RETIRING), None, 9999).await.unwrap().len();
    grants + retirable
}

#[tokio::test]
async fn nothing_of_a_key_is_left_but_its_id_when_its_window_is_over() {
    let world = World::new();
    let key_id = doomed(&world, 1234).await;
    let kept = world.key().await;
    let sealed = {
        world.call("CancelKeyDeletion", &json!({ "KeyId": key_id })).await.unwrap();
        world.call("EnableKey", &json!({ "KeyId": key_id })).await.unwrap();
        let arn = world.kms.arn(&row(&world, &key_id).await);
        let drawn = world.kms.generate_data_key(&Authority::Coffer, Some(&arn), BTreeMap::new()).await.unwrap();
        world.call("ScheduleKeyDeletion", &json!({ "KeyId": key_id, "PendingWindowInDays": 7 })).await.unwrap();
        drawn.sealed
    };
    world.advance_days(6);
    let counts = world.kms.upkeep().await.unwrap();
    assert_eq!(counts, KeyCounts { enabled: 1, disabled: 0, pending_deletion: 1 });
    assert_eq!(row(&world, &key_id).await.materials.len(), 1);
    world.audit.take();
    world.advance_days(1);
    assert_eq!(world.kms.upkeep().await.unwrap(), KeyCounts { enabled: 1, disabled: 0, pending_deletion: 0 });
    let left = row(&world, &key_id).await;
    assert!(matches!(left.state, KeyStateRecord::Deleted(_)));
    assert!(left.materials.is_empty() && left.policy.is_empty() && left.tags.is_empty());
    assert_eq!(grants(&world, &key_id).await, 0);
    let arn = world.kms.arn(&left);
    assert_eq!(world.audit.take(), [("kms:DeleteKey", arn.clone(), "coffer".to_owned(), None)]);
    // What was in memory is gone as well, and what it encrypted opens no more.
    let refused = world.kms.decrypt_data_key(&Authority::Coffer, &sealed).await.err().unwrap();
    assert_eq!(refused.code, "NotFoundException");
    let listed = world.call("ListKeys", &json!({})).await.unwrap();
    assert_eq!(listed["Keys"].as_array().unwrap().len(), 1);
    assert_eq!(listed["Keys"][0]["KeyId"], kept.as_str());
    assert_eq!(world.call("ListAliases", &json!({})).await.unwrap()["Aliases"], json!([]));
    for action in ["DescribeKey", "EnableKey", "CancelKeyDeletion", "ScheduleKeyDeletion", "GetKeyPolicy"] {
        assert_eq!(world.code(action, &json!({ "KeyId": arn })).await, "NotFoundException", "{action}");
    }
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_is_finished_the_next_time() {
    let world = World::new();
    let key_id = doomed(&world, 3).await;
    world.advance_days(7);
    let (key, version) = world.kms.key(&parse_key_id(&key_id).unwrap()).await.unwrap().unwrap();
    assert!(world.kms.delete_if_due(&key, version).await.unwrap().is_ok());
    // The process ends here. Its grants are still there, and of no use to anybody.
    assert_eq!(grants(&world, &key_id).await, 6);
    assert_eq!(world.call("ListKeys", &json!({})).await.unwrap()["Keys"], json!([]));
    world.audit.take();
    world.other_process().upkeep().await.unwrap();
    assert_eq!(grants(&world, &key_id).await, 0);
    assert_eq!(world.audit.take(), [], "it is deleted once");
    assert_eq!(world.kms.upkeep().await.unwrap(), KeyCounts::default());
}

#[tokio::test]
async fn a_deletion_that_is_cancelled_at_the_last_moment_does_not_happen() {
    let world = World::new();
    let key_id = doomed(&world, 1).await;
    world.advance_days(7);
    let (key, version) = world.kms.key(&parse_key_id(&key_id).unwrap()).await.unwrap().unwrap();
    world.call("CancelKeyDeletion", &json!({ "KeyId": key_id })).await.unwrap();
    assert!(world.kms.delete_if_due(&key, version).await.is_none());
    assert_eq!(row(&world, &key_id).await.state, KeyStateRecord::Disabled);
    assert_eq!(grants(&world, &key_id).await, 2);
    world.call("DescribeKey", &json!({ "KeyId": "alias/doomed" })).await.unwrap();
}

#[tokio::test]
async fn no_alias_comes_to_be_for_a_key_that_is_deleted_meanwhile() {
    let world = World::new();
    let key_id = world.key().await;
    let (key, version) = world.kms.key(&parse_key_id(&key_id).unwrap()).await.unwrap().unwrap();
    world.call("ScheduleKeyDeletion", &json!({ "KeyId": key_id })).await.unwrap();
    let alias = AliasRecord { name: "alias/late".to_owned(), key_id: key.id, created_ms: 1, updated_ms: 1 };
    let found = world.kms.0.store.row::<AliasRecord>(RowTable::Kms, &alias_row(&key.account, &alias.name)).await;
    assert!(!world.kms.put_alias(&key, version, &alias, found.unwrap().1).await.unwrap());
}

#[tokio::test]
async fn the_id_of_a_deleted_key_is_never_used_again() {
    let world = World::new();
    let key_id = doomed(&world, 0).await;
    let key = row(&world, &key_id).await;
    world.advance_days(7);
    world.kms.upkeep().await.unwrap();
    assert_eq!(world.kms.add_key(&key, None).await.unwrap_err().code, "DependencyTimeoutException");
    assert!(matches!(row(&world, &key_id).await.state, KeyStateRecord::Deleted(_)));
}
