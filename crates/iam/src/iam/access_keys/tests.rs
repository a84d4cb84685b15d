use http::StatusCode;

use crate::testing::{ACCOUNT, Keys, ROOT_ACCESS_KEY, World, code, keys_in, root, text, texts};

/// Who somebody is, or the code of the refusal.
async fn who(world: &World, keys: &Keys) -> Result<String, String> {
    let answer = world.ask(keys, "GetCallerIdentity", &[]).await;
    answer.map(|document| text(&document, "Arn")).map_err(|refused| refused.code)
}

fn unknown() -> Result<String, String> {
    Err("InvalidClientTokenId".to_owned())
}

fn root_arn() -> Result<String, String> {
    Ok(format!("arn:aws:iam::{ACCOUNT}:root"))
}

#[tokio::test]
async fn a_new_key_signs_as_its_user_and_its_secret_is_shown_once() {
    let world = World::new().await;
    let keys = world.user("bob").await;
    assert_eq!(keys.access_key.len(), 20);
    assert_eq!(who(&world, &keys).await, Ok(format!("arn:aws:iam::{ACCOUNT}:user/bob")));
    let list = world.root("ListAccessKeys", &[("UserName", "bob")]).await.unwrap();
    assert_eq!(text(&list, "AccessKeyId"), keys.access_key);
    assert_eq!(text(&list, "Status"), "Active");
    assert!(!list.contains("Secret"), "{list}");
}

#[tokio::test]
async fn there_are_at_most_two_keys() {
    let world = World::new().await;
    world.user("bob").await;
    let params = [("UserName", "bob")];
    world.root("CreateAccessKey", &params).await.unwrap();
    let refused = world.root("CreateAccessKey", &params).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (StatusCode::CONFLICT, "LimitExceeded"));
    assert_eq!(refused.message, "Cannot exceed quota for AccessKeysPerUser: 2");
    world.root("CreateAccessKey", &[]).await.unwrap();
    assert_eq!(code(world.root("CreateAccessKey", &[]).await), "LimitExceeded", "of the root user, too");
}

#[tokio::test]
async fn an_inactive_key_fails_at_once_and_works_again_when_it_is_active() {
    let world = World::new().await;
    let keys = world.user("bob").await;
    let set = async |status| {
        let params = [("UserName", "bob"), ("AccessKeyId", keys.access_key.as_str()), ("Status", status)];
        world.root("UpdateAccessKey", &params).await
    };
    assert!(who(&world, &keys).await.is_ok());
    set("Inactive").await.unwrap();
    assert_eq!(who(&world, &keys).await, unknown());
    set("Active").await.unwrap();
    assert!(who(&world, &keys).await.is_ok());
    for status in ["", "active", "Deleted"] {
        assert_eq!(code(set(status).await), "ValidationError", "{status}");
    }
}

#[tokio::test]
async fn a_deleted_key_fails_at_once() {
    let world = World::new().await;
    let keys = world.user("bob").await;
    assert!(who(&world, &keys).await.is_ok());
    let params = [("UserName", "bob"), ("AccessKeyId", keys.access_key.as_str())];
    world.root("DeleteAccessKey", &params).await.unwrap();
    assert_eq!(who(&world, &keys).await, unknown());
    assert_eq!(code(world.root("DeleteAccessKey", &params).await), "NoSuchEntity");
    world.root("DeleteUser", &[("UserName", "bob")]).await.unwrap();
}

#[tokio::test]
async fn a_key_is_only_its_users() {
    let world = World::new().await;
    let bobs = world.user("bob").await;
    world.user("eve").await;
    for action in ["DeleteAccessKey", "UpdateAccessKey"] {
        for owner in [&[("UserName", "eve")][..], &[]] {
            let mut params = owner.to_vec();
            params.extend([("AccessKeyId", bobs.access_key.as_str()), ("Status", "Inactive")]);
            assert_eq!(code(world.root(action, &params).await), "NoSuchEntity", "{action} {owner:?}");
        }
    }
    assert!(who(&world, &bobs).await.is_ok());
}

#[tokio::test]
async fn users_do_nothing_to_keys_without_a_policy() {
    let world = World::new().await;
    let bob = world.user("bob").await;
    world.user("eve").await;
    let id = ("AccessKeyId", bob.access_key.as_str());
    for user in [&[][..], &[("UserName", "bob")], &[("UserName", "eve")], &[("UserName", "nobody")]] {
        for action in ["CreateAccessKey", "ListAccessKeys", "DeleteAccessKey", "UpdateAccessKey"] {
            let params = [user, &[id, ("Status", "Active")]].concat();
            assert_eq!(code(world.ask(&bob, action, &params).await), "AccessDenied", "{action} {user:?}");
        }
    }
}

#[tokio::test]
async fn users_rotate_their_own_keys_when_a_policy_lets_them() {
    let world = World::new().await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*AccessKey*",
        "Resource":"arn:aws:iam::*:user/${aws:username}"}}"#;
    let bob = world.user_with("bob", own).await;
    world.user("eve").await;
    let new = keys_in(&world.ask(&bob, "CreateAccessKey", &[]).await.unwrap());
    world.ask(&new, "DeleteAccessKey", &[("AccessKeyId", &bob.access_key)]).await.unwrap();
    assert_eq!(who(&world, &bob).await, unknown());
    let list = world.ask(&new, "ListAccessKeys", &[("UserName", "bob")]).await.unwrap();
    assert_eq!(texts(&list, "AccessKeyId"), [new.access_key.as_str()]);
    assert_eq!(code(world.ask(&new, "CreateAccessKey", &[("UserName", "eve")]).await), "AccessDenied");
}

#[tokio::test]
async fn renamed_users_keep_their_keys() {
    let world = World::new().await;
    let keys = world.user("bob").await;
    world.root("UpdateUser", &[("UserName", "bob"), ("NewUserName", "robert")]).await.unwrap();
    assert_eq!(who(&world, &keys).await, Ok(format!("arn:aws:iam::{ACCOUNT}:user/robert")));
}

#[tokio::test]
async fn the_root_key_is_rotated_and_stays_deleted() {
    let world = World::new().await;
    let new = keys_in(&world.root("CreateAccessKey", &[]).await.unwrap());
    assert_eq!(who(&world, &new).await, root_arn());
    let list = world.ask(&new, "ListAccessKeys", &[]).await.unwrap();
    let mut expected = [ROOT_ACCESS_KEY, new.access_key.as_str()];
    expected.sort_unstable();
    assert_eq!(texts(&list, "AccessKeyId"), expected);
    assert!(!list.contains("UserName"), "{list}");
    world.ask(&new, "DeleteAccessKey", &[("AccessKeyId", ROOT_ACCESS_KEY)]).await.unwrap();
    assert_eq!(who(&world, &root()).await, unknown());
    let world = world.restarted(false).await;
    assert_eq!(who(&world, &root()).await, unknown());
    assert_eq!(who(&world, &new).await, root_arn());
    let list = world.ask(&new, "ListAccessKeys", &[]).await.unwrap();
    assert_eq!(texts(&list, "AccessKeyId"), [new.access_key.as_str()]);
}

#[tokio::test]
async fn the_root_key_is_deactivated_and_activated_by_another_one() {
    let world = World::new().await;
    let new = keys_in(&world.root("CreateAccessKey", &[]).await.unwrap());
    let inactive = [("AccessKeyId", ROOT_ACCESS_KEY), ("Status", "Inactive")];
    world.root("UpdateAccessKey", &inactive).await.unwrap();
    assert_eq!(who(&world, &root()).await, unknown());
    let world = world.restarted(false).await;
    assert_eq!(who(&world, &root()).await, unknown());
    let list = world.ask(&new, "ListAccessKeys", &[]).await.unwrap();
    assert!(texts(&list, "Status").contains(&"Inactive".to_owned()), "{list}");
    let active = [("AccessKeyId", ROOT_ACCESS_KEY), ("Status", "Active")];
    world.ask(&new, "UpdateAccessKey", &active).await.unwrap();
    assert_eq!(who(&world, &root()).await, root_arn());
}

#[tokio::test]
async fn the_environments_key_is_the_environments_to_change() {
    let world = World::new().await.restarted(true).await;
    let id = ("AccessKeyId", ROOT_ACCESS_KEY);
    for (action, params) in [("DeleteAccessKey", &[id][..]), ("UpdateAccessKey", &[id, ("Status", "Inactive")])] {
        let refused = world.root(action, params).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (StatusCode::BAD_REQUEST, "UnmodifiableEntity"));
        assert!(refused.message.contains("COFFER_ROOT_ACCESS_KEY"), "{}", refused.message);
    }
    assert_eq!(who(&world, &root()).await, root_arn());
}

#[tokio::test]
async fn the_root_key_is_nobody_elses_to_change() {
    let world = World::new().await;
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let admin = world.user_with("admin", all).await;
    let params = [("UserName", "admin"), ("AccessKeyId", ROOT_ACCESS_KEY)];
    assert_eq!(code(world.ask(&admin, "DeleteAccessKey", &params).await), "NoSuchEntity");
    assert_eq!(code(world.ask(&admin, "DeleteAccessKey", &params[1..]).await), "NoSuchEntity");
    assert_eq!(who(&world, &root()).await, root_arn());
}
