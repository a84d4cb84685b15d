use std::sync::Arc;

use coffer_access::{Caller, Principal};
use coffer_iam::ApiService as _;
use serde_json::{Value, json};

use crate::testing::{ACCOUNT, KEY_STORE, World};

#[tokio::test]
async fn every_action_is_answered_by_name() {
    let world = World::new();
    assert!(world.kms.actions().is_sorted(), "each has one place in the list");
    for action in world.kms.actions() {
        if let Err(refused) = world.call(action, &json!({ "KeyId": "none" })).await {
            assert_ne!(refused.code, "UnknownOperationException", "{action}");
        }
    }
}

#[tokio::test]
async fn every_change_is_noted_whatever_becomes_of_it() {
    let world = World::new();
    let key_id = world.key().await;
    let arn = format!("arn:aws:kms:eu-1:000000000000:key/{key_id}");
    let me = || "arn:aws:iam::000000000000:root".to_owned();
    assert_eq!(world.audit.take(), [("kms:CreateKey", arn.clone(), me(), None)]);
    let nobody = "12121212-1212-4212-9212-121212121212";
    for (action, parameters) in [
        ("DisableKey", json!({})),
        ("EnableKey", json!({})),
        ("UpdateKeyDescription", json!({ "Description": "new" })),
        ("TagResource", json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] })),
        ("UntagResource", json!({ "TagKeys": ["a"] })),
        ("EnableKeyRotation", json!({})),
        ("DisableKeyRotation", json!({})),
        ("RotateKeyOnDemand", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("CancelKeyDeletion", json!({})),
    ] {
        let about = |key_id: &str| {
            let mut parameters = parameters.clone();
            parameters["KeyId"] = key_id.into();
            parameters
        };
        world.call(action, &about(&key_id)).await.unwrap();
        assert_eq!(world.code(action, &about(nobody)).await, "NotFoundException");
        let noted = world.audit.take();
        let name = format!("kms:{action}");
        assert_eq!(noted.len(), 2, "{action}");
        assert_eq!((noted[0].0, &noted[0].1, &noted[0].3), (name.as_str(), &arn, &None));
        assert_eq!((noted[1].0, noted[1].1.as_str()), (name.as_str(), nobody));
        assert_eq!(noted[1].3.as_deref(), Some("NotFoundException"));
    }
}

#[tokio::test]
async fn a_key_in_a_custom_key_store_is_wrapped_by_its_provider() {
    let world = World::new();
    let (of_root, of_store) = (world.root.wrapped(), world.key_store.wrapped());
    let mut parameters = json!({ "Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": KEY_STORE });
    let made = world.call("CreateKey", &parameters).await.unwrap()["KeyMetadata"].clone();
    assert_eq!((world.root.wrapped(), world.key_store.wrapped()), (of_root, of_store + 1));
    assert_eq!(made["Origin"], "EXTERNAL_KEY_STORE");
    assert_eq!(made["CustomKeyStoreId"], KEY_STORE);
    assert_eq!(made["XksKeyConfiguration"], json!({ "Id": "0707-0707-0707-0707" }));
    assert_eq!(made.get("CurrentKeyMaterialId"), None);
    parameters["XksKeyId"] = "0707-0707-0707-0707".into();
    world.call("CreateKey", &parameters).await.unwrap();
    parameters["XksKeyId"] = "another".into();
    assert_eq!(world.code("CreateKey", &parameters).await, "XksKeyNotFoundException");
    parameters["MultiRegion"] = true.into();
    assert_eq!(world.code("CreateKey", &parameters).await, "UnsupportedOperationException");
    // Without its provider the key is there, and of no use.
    let world = world.without_key_stores();
    let described = world.call("DescribeKey", &json!({ "KeyId": made["KeyId"] })).await.unwrap();
    assert_eq!(described["KeyMetadata"]["KeyState"], "Unavailable");
    assert_eq!(described["KeyMetadata"]["Enabled"], false);
    assert_eq!(world.code("CreateKey", &parameters).await, "UnsupportedOperationException");
}

#[tokio::test]
async fn no_key_comes_to_be_while_its_provider_is_down() {
    let world = World::new();
    world.key_store.set_down(true);
    let parameters = json!({ "Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": KEY_STORE });
    assert_eq!(world.code("CreateKey", &parameters).await, "DependencyTimeoutException");
    assert_eq!(world.call("ListKeys", &json!({})).await.unwrap()["Keys"], json!([]));
    world.key_store.set_down(false);
    world.call("CreateKey", &parameters).await.unwrap();
}

#[tokio::test]
async fn custom_key_stores_are_described_as_they_are_found() {
    let world = World::new();
    let state = async || {
        let listed = world.call("DescribeCustomKeyStores", &json!({})).await.unwrap();
        assert_eq!(listed["CustomKeyStores"].as_array().unwrap().len(), 1);
        let entry = &listed["CustomKeyStores"][0];
        (entry["CustomKeyStoreId"].clone(), entry["ConnectionState"].clone(), entry["ConnectionErrorCode"].clone())
    };
    assert_eq!(state().await, (json!(KEY_STORE), json!("CONNECTED"), Value::Null));
    world.key_store.set_down(true);
    assert_eq!(state().await, (json!(KEY_STORE), json!("FAILED"), json!("NETWORK_ERRORS")));
    let both = json!({ "CustomKeyStoreId": KEY_STORE, "CustomKeyStoreName": KEY_STORE });
    assert_eq!(world.code("DescribeCustomKeyStores", &both).await, "ValidationException");
    let other = json!({ "CustomKeyStoreName": "another" });
    assert_eq!(world.code("DescribeCustomKeyStores", &other).await, "CustomKeyStoreNotFoundException");
}

#[tokio::test]
async fn a_key_has_at_most_50_aliases() {
    let world = World::new();
    let key_id = world.key().await;
    let alias = |number: u32, key_id: &str| json!({ "AliasName": format!("alias/{number}"), "TargetKeyId": key_id });
    for number in 0..50 {
        world.call("CreateAlias", &alias(number, &key_id)).await.unwrap();
    }
    assert_eq!(world.code("CreateAlias", &alias(50, &key_id)).await, "LimitExceededException");
    let other = world.key().await;
    world.call("CreateAlias", &alias(50, &other)).await.unwrap();
    assert_eq!(world.code("UpdateAlias", &alias(50, &key_id)).await, "LimitExceededException");
    world.call("UpdateAlias", &alias(49, &key_id)).await.unwrap();
    world.call("UpdateAlias", &alias(49, &other)).await.unwrap();
    world.call("UpdateAlias", &alias(50, &key_id)).await.unwrap();
}

#[tokio::test]
async fn names_of_aliases_that_cannot_be_are_refused() {
    let world = World::new();
    let key_id = world.key().await;
    let long = format!("alias/{}", "a".repeat(251));
    for (name, code) in [
        ("mine", "ValidationException"),
        ("alias/", "InvalidAliasNameException"),
        ("alias/aws/mine", "NotAuthorizedException"),
        ("alias/aws/s3", "NotAuthorizedException"),
        ("alias/a:b", "ValidationException"),
        ("alias/ä", "ValidationException"),
        ("alias/a b", "ValidationException"),
        ("", "ValidationException"),
        (long.as_str(), "ValidationException"),
    ] {
        for action in ["CreateAlias", "UpdateAlias", "DeleteAlias"] {
            let asked = json!({ "AliasName": name, "TargetKeyId": key_id });
            assert_eq!(world.code(action, &asked).await, code, "{action} {name}");
        }
    }
    world.call("CreateAlias", &json!({ "AliasName": "alias/awsome/A_b-1", "TargetKeyId": key_id })).await.unwrap();
}

#[tokio::test]
async fn nobody_makes_a_key_in_an_account_by_describing_it() {
    let world = World::new();
    let elsewhere = json!({ "KeyId": "arn:aws:kms:eu-1:111122223333:alias/aws/s3" });
    assert_eq!(world.code("DescribeKey", &elsewhere).await, "NotFoundException");
    assert_eq!((world.root.wrapped(), world.audit.take()), (0, vec![]));
    world.call("DescribeKey", &json!({ "KeyId": "alias/aws/s3" })).await.unwrap();
    assert_eq!(world.root.wrapped(), 1);
}

#[tokio::test]
async fn markers_that_nobody_gave_out_are_refused() {
    let world = World::new();
    let key_id = world.key().await;
    for action in ["ListKeys", "ListAliases", "ListResourceTags", "ListKeyRotations", "DescribeCustomKeyStores"] {
        let asked = json!({ "KeyId": key_id, "Marker": "ä!" });
        assert_eq!(world.code(action, &asked).await, "InvalidMarkerException", "{action}");
        let asked = json!({ "KeyId": key_id, "Marker": "" });
        assert_eq!(world.code(action, &asked).await, "ValidationException", "{action}");
        // One that is well-formed leads nowhere else than into the caller's own list.
        let asked = json!({ "KeyId": key_id, "Marker": "_____w" });
        world.call(action, &asked).await.unwrap();
    }
}

#[tokio::test]
async fn who_may_not_make_or_name_keys_is_noted() {
    let world = World::new();
    let key_id = world.key().await;
    world.audit.take();
    let user = Principal::User {
        account: ACCOUNT.to_owned(),
        path: "/".to_owned(),
        name: "eve".to_owned(),
        id: "AIDAEVE".to_owned(),
    };
    let eve = Arc::new(Caller::bare(user, "User"));
    let alias = json!({ "AliasName": "alias/mine", "TargetKeyId": key_id });
    for (action, parameters, resource) in [
        ("CreateKey", json!({}), "*"),
        ("ListKeys", json!({}), "*"),
        ("CreateAlias", alias, "arn:aws:kms:eu-1:000000000000:alias/mine"),
        ("CreateCustomKeyStore", json!({}), "*"),
    ] {
        assert_eq!(world.call_as(&eve, action, &parameters).await.unwrap_err().code, "AccessDeniedException");
        let [(noted, key, who, code)] = <[_; 1]>::try_from(world.audit.take()).unwrap();
        assert_eq!((noted, key.as_str()), (format!("kms:{action}").as_str(), resource));
        assert_eq!(
            (who.as_str(), code.as_deref()),
            ("arn:aws:iam::000000000000:user/eve", Some("AccessDeniedException"))
        );
    }
}
