use std::collections::BTreeMap;

use coffer_keyring::SealedDataKey;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::names::parse_key_id;
use crate::records::KeyRecord;
use crate::testing::{KEY_STORE, World};

async fn record(world: &World, key_id: &str) -> KeyRecord {
    world.kms.key(&parse_key_id(key_id).unwrap()).await.unwrap().unwrap().0
}

async fn generations(world: &World, key_id: &str) -> Vec<u32> {
    record(world, key_id).await.materials.iter().map(|material| material.generation).collect()
}

async fn data_key(world: &World, key_id: &str) -> SealedDataKey {
    world.kms.generate_data_key(&Authority::Coffer, Some(key_id), BTreeMap::new()).await.unwrap().sealed
}

async fn status(world: &World, key_id: &str) -> Value {
    world.call("GetKeyRotationStatus", &json!({ "KeyId": key_id })).await.unwrap()
}

#[tokio::test]
async fn old_data_keys_open_after_a_rotation_and_new_ones_use_the_newest_material() {
    let world = World::new();
    let key_id = world.key().await;
    let arn = world.kms.arn(&record(&world, &key_id).await);
    let key = json!({ "KeyId": arn });
    let old = data_key(&world, &arn).await;
    world.call("RotateKeyOnDemand", &key).await.unwrap();
    let new = data_key(&world, &arn).await;
    // Another process has nothing in memory.
    let other = world.other_process();
    for sealed in [&old, &new] {
        let opened = other.decrypt_data_key(&Authority::Coffer, sealed).await.unwrap();
        let again = world.kms.decrypt_data_key(&Authority::Coffer, sealed).await.unwrap();
        assert_eq!(opened.expose(), again.expose());
    }
    let generation = |sealed: &SealedDataKey| coffer_seal::KmsCiphertext::parse(&sealed.ciphertext).unwrap().generation;
    assert_eq!((generation(&old), generation(&new)), (1, 2));
    assert_eq!(generations(&world, &key_id).await, [1, 2]);
}

#[tokio::test]
async fn a_key_that_is_due_is_rotated_once_by_whoever_comes_first() {
    let world = World::new();
    let key_id = world.key().await;
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id, "RotationPeriodInDays": 90 })).await.unwrap();
    world.advance_days(89);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1]);
    world.advance_days(1);
    let (key, version) = world.kms.key(&parse_key_id(&key_id).unwrap()).await.unwrap().unwrap();
    // Both have read the row before either of them wrote it.
    let other = world.other_process();
    assert!(world.kms.rotate_if_due(&key, version.clone()).await.unwrap().is_ok());
    assert!(other.rotate_if_due(&key, version).await.is_none());
    other.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1, 2]);
    world.advance_days(90);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_key_that_missed_rotations_is_rotated_once_and_keeps_its_rhythm() {
    let world = World::new();
    let key_id = world.key().await;
    let key = json!({ "KeyId": key_id });
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id, "RotationPeriodInDays": 100 })).await.unwrap();
    let first = record(&world, &key_id).await.rotation.unwrap().next_ms;
    world.call("DisableKey", &key).await.unwrap();
    world.advance_days(350);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1], "a disabled key is not rotated");
    world.call("EnableKey", &key).await.unwrap();
    world.kms.upkeep().await.unwrap();
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1, 2]);
    let next = record(&world, &key_id).await.rotation.unwrap().next_ms;
    assert_eq!(next - first, world.kms.days_ms(300));
}

#[tokio::test]
async fn a_key_that_waits_for_its_deletion_is_not_rotated_until_that_is_cancelled() {
    let world = World::new();
    let key_id = world.key().await;
    let key = json!({ "KeyId": key_id });
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id, "RotationPeriodInDays": 90 })).await.unwrap();
    world.advance_days(80);
    world.call("ScheduleKeyDeletion", &key).await.unwrap();
    assert_eq!(status(&world, &key_id).await["KeyRotationEnabled"], false);
    world.advance_days(20);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1]);
    world.call("CancelKeyDeletion", &key).await.unwrap();
    assert_eq!(status(&world, &key_id).await["KeyRotationEnabled"], true);
    world.call("EnableKey", &key).await.unwrap();
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1, 2]);
}

#[tokio::test]
async fn to_ask_for_the_same_rotation_again_does_not_put_it_off() {
    let world = World::new();
    let key_id = world.key().await;
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id })).await.unwrap();
    let before = status(&world, &key_id).await;
    assert_eq!(before["RotationPeriodInDays"], 365);
    world.advance_days(100);
    for again in [json!({ "KeyId": key_id }), json!({ "KeyId": key_id, "RotationPeriodInDays": 365 })] {
        world.call("EnableKeyRotation", &again).await.unwrap();
        assert_eq!(status(&world, &key_id).await, before);
    }
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id, "RotationPeriodInDays": 90 })).await.unwrap();
    let after = status(&world, &key_id).await;
    assert_eq!(after["RotationPeriodInDays"], 90);
    assert!(after["NextRotationDate"].as_f64() < before["NextRotationDate"].as_f64());
    world.call("DisableKeyRotation", &json!({ "KeyId": key_id })).await.unwrap();
    assert_eq!(status(&world, &key_id).await["KeyRotationEnabled"], false);
    world.advance_days(1000);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1]);
}

#[tokio::test]
async fn a_key_is_rotated_on_demand_at_most_25_times_and_still_when_it_is_due() {
    let world = World::new();
    let key_id = world.key().await;
    let key = json!({ "KeyId": key_id });
    for _ in 0..25 {
        world.call("RotateKeyOnDemand", &key).await.unwrap();
    }
    assert_eq!(world.code("RotateKeyOnDemand", &key).await, "LimitExceededException");
    world.call("EnableKeyRotation", &key).await.unwrap();
    world.advance_days(365);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, (1..=27).collect::<Vec<u32>>());
    assert_eq!(world.code("RotateKeyOnDemand", &key).await, "LimitExceededException");
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_a_key_as_it_is() {
    let world = World::new();
    let key_id = world.key().await;
    world.call("EnableKeyRotation", &json!({ "KeyId": key_id })).await.unwrap();
    world.advance_days(365);
    world.audit.take();
    world.root.set_down(true);
    assert_eq!(world.code("RotateKeyOnDemand", &json!({ "KeyId": key_id })).await, "DependencyTimeoutException");
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1]);
    world.root.set_down(false);
    world.kms.upkeep().await.unwrap();
    assert_eq!(generations(&world, &key_id).await, [1, 2]);
    let arn = world.kms.arn(&record(&world, &key_id).await);
    let (failed, me) = (Some("DependencyTimeoutException".to_owned()), "arn:aws:iam::000000000000:root".to_owned());
    assert_eq!(
        world.audit.take(),
        [
            ("kms:RotateKeyOnDemand", key_id, me, failed.clone()),
            ("kms:RotateKey", arn.clone(), "coffer".to_owned(), failed),
            ("kms:RotateKey", arn, "coffer".to_owned(), None),
        ]
    );
}

#[tokio::test]
async fn the_material_of_a_custom_key_store_is_not_rotated() {
    let world = World::new();
    let in_store = json!({ "Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": KEY_STORE });
    let made = world.call("CreateKey", &in_store).await.unwrap();
    let key = json!({ "KeyId": made["KeyMetadata"]["KeyId"] });
    for action in
        ["EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations"]
    {
        let refused = world.call(action, &key).await.unwrap_err();
        assert_eq!(refused.code, "UnsupportedOperationException", "{action}");
        assert!(refused.message.ends_with("origin is EXTERNAL_KEY_STORE which is not valid for this operation."));
    }
}

#[tokio::test]
async fn rotations_are_listed_with_or_without_the_first_material() {
    let world = World::new();
    let key_id = world.key().await;
    let key = json!({ "KeyId": key_id });
    assert_eq!(world.call("ListKeyRotations", &key).await.unwrap(), json!({ "Rotations": [], "Truncated": false }));
    world.call("RotateKeyOnDemand", &key).await.unwrap();
    world.call("EnableKeyRotation", &key).await.unwrap();
    world.advance_days(365);
    world.kms.upkeep().await.unwrap();
    let listed = world.call("ListKeyRotations", &key).await.unwrap();
    let field = |name: &str| -> Vec<Value> {
        listed["Rotations"].as_array().unwrap().iter().map(|entry| entry[name].clone()).collect()
    };
    assert_eq!(field("RotationType"), ["ON_DEMAND", "AUTOMATIC"]);
    assert_eq!(field("KeyMaterialState"), ["NON_CURRENT", "CURRENT"]);
    assert_eq!(field("KeyId"), [key_id.as_str(), key_id.as_str()]);
    let described = world.call("DescribeKey", &key).await.unwrap();
    assert_eq!(field("KeyMaterialId")[1], described["KeyMetadata"]["CurrentKeyMaterialId"]);
    let mut request = json!({ "KeyId": key_id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL", "Limit": 2 });
    let first_page = world.call("ListKeyRotations", &request).await.unwrap();
    assert_eq!(first_page["Truncated"], true);
    assert!(first_page["Rotations"][0].get("RotationDate").is_none(), "the first material comes from no rotation");
    request["Marker"] = first_page["NextMarker"].clone();
    let last_page = world.call("ListKeyRotations", &request).await.unwrap();
    assert_eq!(last_page["Rotations"], json!([listed["Rotations"][1]]));
    request["IncludeKeyMaterial"] = json!("SOME");
    assert_eq!(world.code("ListKeyRotations", &request).await, "ValidationException");
}
