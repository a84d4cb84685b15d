//! Roles and whom they trust.

use std::sync::Arc;

use coffer_access::{Caller, Context, Principal, Question, evaluate};

use crate::records::{RoleRecord, UserRecord};
use crate::testing::{ACCOUNT, Refused, World, code, keys_in, text, texts};

fn trust(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
    )
}

fn trust_user(name: &str) -> String {
    trust(&format!(r#"{{"AWS":"{}"}}"#, user_arn(name)))
}

fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn trust_account() -> String {
    trust(&format!(r#"{{"AWS":"{ACCOUNT}"}}"#))
}

async fn create(world: &World, name: &str, trust_policy: &str) -> Result<String, Refused> {
    world.root("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust_policy)]).await
}

async fn shown_trust(world: &World, role: &str) -> String {
    let shown = world.root("GetRole", &[("RoleName", role)]).await.unwrap();
    let encoded = text(&shown, "AssumeRolePolicyDocument");
    percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap().into_owned()
}

/// Whether a user, as it is now, is trusted by a role.
async fn trusts(world: &World, role: &str, user: &str) -> bool {
    let view = world.iam.view(ACCOUNT);
    let role = view.get::<RoleRecord>(role).await.unwrap().unwrap();
    let user = view.get::<UserRecord>(user).await.unwrap().unwrap();
    let policy = view.trust_policy(&role).unwrap();
    let principal = Principal::User { account: ACCOUNT.to_owned(), path: user.path, name: user.name, id: user.id };
    let caller = Arc::new(Caller::bare(principal, "User"));
    let question = Question {
        caller: &caller,
        action: "sts:AssumeRole",
        resource: &format!("arn:aws:iam::{ACCOUNT}:role/{}", role.name),
        owner: ACCOUNT,
        resource_policy: Some(&policy),
        acl: coffer_access::AclGrant::None,
        context: &Context::new(),
    };
    evaluate(&question).is_allow()
}

#[tokio::test]
async fn a_role_is_shown_as_it_was_made() {
    let world = World::new().await;
    let document = trust_account();
    let params = [
        ("RoleName", "r"),
        ("Path", "/a/b/"),
        ("AssumeRolePolicyDocument", document.as_str()),
        ("Description", "what it is for"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
        ("PermissionsBoundary", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    ];
    let made = world.root("CreateRole", &params).await.unwrap();
    let shown = world.root("GetRole", &[("RoleName", "R")]).await.unwrap();
    for element in
        ["Path", "RoleName", "RoleId", "Arn", "Description", "MaxSessionDuration", "Key", "PermissionsBoundaryArn"]
    {
        assert_eq!(text(&made, element), text(&shown, element), "{element}");
    }
    assert_eq!(text(&shown, "Arn"), format!("arn:aws:iam::{ACCOUNT}:role/a/b/r"));
    assert_eq!(shown_trust(&world, "r").await, document);
    assert!(text(&shown, "RoleId").starts_with("AROA"));
    let listed = world.root("ListRoles", &[("PathPrefix", "/a/")]).await.unwrap();
    assert_eq!(texts(&listed, "RoleName"), ["r"]);
    assert!(!listed.contains("<Tags>") && !listed.contains("PermissionsBoundary"));
    assert!(texts(&world.root("ListRoles", &[("PathPrefix", "/b/")]).await.unwrap(), "RoleName").is_empty());
}

#[tokio::test]
async fn names_of_roles_differ_by_more_than_case() {
    let world = World::new().await;
    create(&world, "Role", &trust_account()).await.unwrap();
    assert_eq!(code(create(&world, "rOLE", &trust_account()).await), "EntityAlreadyExists");
}

#[tokio::test]
async fn sessions_last_an_hour_to_twelve() {
    let world = World::new().await;
    let document = trust_account();
    for (seconds, is_taken) in [("3599", false), ("3600", true), ("43200", true), ("43201", false), ("-1", false)] {
        let name = format!("r{seconds}");
        let params =
            [("RoleName", name.as_str()), ("AssumeRolePolicyDocument", &document), ("MaxSessionDuration", seconds)];
        let refused = world.root("CreateRole", &params).await.err().map(|refused| refused.code);
        assert_eq!(refused.as_deref(), (!is_taken).then_some("ValidationError"));
    }
    let updated = world.root("UpdateRole", &[("RoleName", "r3600"), ("MaxSessionDuration", "7200")]).await.unwrap();
    assert!(updated.contains("<UpdateRoleResult></UpdateRoleResult>"), "clients look for it");
    let shown = world.root("GetRole", &[("RoleName", "r3600")]).await.unwrap();
    assert_eq!(text(&shown, "MaxSessionDuration"), "7200");
}

#[tokio::test]
async fn trust_policies_that_are_none_are_refused() {
    let world = World::new().await;
    let whole = |statement: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let long = trust(&format!(r#"{{"AWS":["{ACCOUNT}"{}]}}"#, format!(r#","{ACCOUNT}""#).repeat(140)));
    for (document, expected) in [
        (String::new(), "ValidationError"),
        ("no JSON".to_owned(), "MalformedPolicyDocument"),
        ("{}".to_owned(), "MalformedPolicyDocument"),
        (whole(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#), "MalformedPolicyDocument"),
        (whole(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#), "MalformedPolicyDocument"),
        (
            whole(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#),
            "MalformedPolicyDocument",
        ),
        (trust_user("nobody"), "MalformedPolicyDocument"),
        (trust(r#"{"AWS":"999999999999"}"#), "MalformedPolicyDocument"),
        (trust(r#"{"AWS":"arn:aws:iam::999999999999:root"}"#), "MalformedPolicyDocument"),
        (trust(r#"{"AWS":"AIDAAAAAAAAAAAAAAAAAA"}"#), "MalformedPolicyDocument"),
        (trust(&format!(r#"{{"AWS":"arn:aws:iam::{ACCOUNT}:role/nobody"}}"#)), "MalformedPolicyDocument"),
        (
            trust(&format!(r#"{{"Federated":"arn:aws:iam::{ACCOUNT}:oidc-provider/nobody.example"}}"#)),
            "MalformedPolicyDocument",
        ),
        (long, "LimitExceeded"),
    ] {
        assert_eq!(code(create(&world, "r", &document).await), expected, "{document}");
    }
    let refused =
        world.root("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust_user("nobody"))]).await;
    let expected = format!("Invalid principal in policy: \"AWS\":\"{}\"", user_arn("nobody"));
    assert_eq!(refused.unwrap_err().message, expected);
}

#[tokio::test]
async fn who_is_made_again_under_the_same_name_is_somebody_else() {
    let world = World::new().await;
    world.root("CreateUser", &[("UserName", "ann")]).await.unwrap();
    create(&world, "r", &trust_user("ann")).await.unwrap();
    assert!(trusts(&world, "r", "ann").await);
    assert_eq!(shown_trust(&world, "r").await, trust_user("ann"));
    let ann = text(&world.root("GetUser", &[("UserName", "ann")]).await.unwrap(), "UserId");

    world.root("DeleteUser", &[("UserName", "ann")]).await.unwrap();
    assert_eq!(shown_trust(&world, "r").await, trust(&format!(r#"{{"AWS":"{ann}"}}"#)));
    world.root("CreateUser", &[("UserName", "ann")]).await.unwrap();
    assert!(!trusts(&world, "r", "ann").await);
    assert_eq!(shown_trust(&world, "r").await, trust(&format!(r#"{{"AWS":"{ann}"}}"#)));
    // What is shown cannot be put again: nobody has that ID.
    let put = [("RoleName", "r"), ("PolicyDocument", &*shown_trust(&world, "r").await)].map(|(k, v)| (k, v.to_owned()));
    let put = put.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(code(world.root("UpdateAssumeRolePolicy", &put).await), "MalformedPolicyDocument");

    world.root("UpdateAssumeRolePolicy", &[("RoleName", "r"), ("PolicyDocument", &trust_user("ann"))]).await.unwrap();
    assert!(trusts(&world, "r", "ann").await);
    assert_eq!(shown_trust(&world, "r").await, trust_user("ann"));
}

#[tokio::test]
async fn who_is_renamed_stays_trusted() {
    let world = World::new().await;
    world.root("CreateUser", &[("UserName", "ann")]).await.unwrap();
    create(&world, "r", &trust_user("ann")).await.unwrap();
    world.root("UpdateUser", &[("UserName", "ann"), ("NewUserName", "anna")]).await.unwrap();
    assert!(trusts(&world, "r", "anna").await);
    assert_eq!(shown_trust(&world, "r").await, trust_user("anna"));
    world.root("CreateUser", &[("UserName", "ann")]).await.unwrap();
    assert!(!trusts(&world, "r", "ann").await);
}

#[tokio::test]
async fn a_role_with_policies_is_not_deleted() {
    let world = World::new().await;
    create(&world, "r", &trust_account()).await.unwrap();
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    world.root("AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await.unwrap();
    assert_eq!(code(world.root("DeleteRole", &[("RoleName", "r")]).await), "DeleteConflict");
    world.root("DetachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await.unwrap();
    let inline = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let params = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", inline)];
    world.root("PutRolePolicy", &params).await.unwrap();
    assert_eq!(code(world.root("DeleteRole", &[("RoleName", "r")]).await), "DeleteConflict");
    world.root("DeleteRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")]).await.unwrap();
    assert_eq!(code(world.root("DeleteRolePolicy", &params).await), "NoSuchEntity");
    let profiles = world.root("ListInstanceProfilesForRole", &[("RoleName", "r")]).await.unwrap();
    assert!(profiles.contains("<InstanceProfiles></InstanceProfiles>"));
    world.root("DeleteRole", &[("RoleName", "r")]).await.unwrap();
    for action in ["GetRole", "DeleteRole", "ListRoleTags", "ListRolePolicies", "ListInstanceProfilesForRole"] {
        assert_eq!(code(world.root(action, &[("RoleName", "r")]).await), "NoSuchEntity", "{action}");
    }
}

#[tokio::test]
async fn whether_there_is_a_role_is_told_only_to_who_may_ask() {
    let world = World::new().await;
    create(&world, "r", &trust_account()).await.unwrap();
    let nobody = world.user("nobody").await;
    for role in ["r", "unknown"] {
        for action in ["GetRole", "DeleteRole", "UpdateRole", "ListRoleTags", "DeleteRolePermissionsBoundary"] {
            let answer = world.ask(&nobody, action, &[("RoleName", role)]).await;
            assert_eq!(code(answer), "AccessDenied", "{action} {role}");
        }
    }
}

#[tokio::test]
async fn when_a_role_was_last_used_is_known() {
    let world = World::new().await;
    let (ann, role) = (world.user("ann").await, format!("arn:aws:iam::{ACCOUNT}:role/r"));
    create(&world, "r", &trust_user("ann")).await.unwrap();
    let shown = async || world.root("GetRole", &[("RoleName", "r")]).await.unwrap();
    assert!(shown().await.contains("<RoleLastUsed></RoleLastUsed>"));
    let session = world.ask(&ann, "AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "session")]).await.unwrap();
    assert!(shown().await.contains("<RoleLastUsed></RoleLastUsed>"), "to become the role is not to use it");
    world.advance_ms(60_000);
    world.ask(&keys_in(&session), "GetCallerIdentity", &[]).await.unwrap();
    let used = crate::time::iso8601(world.now_ms());
    world.advance_ms(60_000);
    assert_eq!(text(&shown().await, "LastUsedDate"), used);
    world.iam.write_uses().await.unwrap();
    let noted = (text(&shown().await, "LastUsedDate"), text(&shown().await, "Region"));
    assert_eq!(noted, (used, "us-east-1".to_owned()));

    // Another role of the same name was never used.
    world.root("DeleteRole", &[("RoleName", "r")]).await.unwrap();
    world.iam.write_uses().await.unwrap();
    create(&world, "r", &trust_user("ann")).await.unwrap();
    assert!(shown().await.contains("<RoleLastUsed></RoleLastUsed>"));
}

#[tokio::test]
async fn tags_of_roles_come_and_go() {
    let world = World::new().await;
    create(&world, "r", &trust_account()).await.unwrap();
    let tag = |key, value| [("RoleName", "r"), ("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    world.root("TagRole", &tag("Team", "a")).await.unwrap();
    world.root("TagRole", &tag("team", "b")).await.unwrap();
    world.root("TagRole", &tag("x", "y")).await.unwrap();
    let tags = world.root("ListRoleTags", &[("RoleName", "r")]).await.unwrap();
    assert_eq!(
        (texts(&tags, "Key"), texts(&tags, "Value")),
        (["team", "x"].map(str::to_owned).to_vec(), vec!["b".to_owned(), "y".to_owned()])
    );
    world
        .root("UntagRole", &[("RoleName", "r"), ("TagKeys.member.1", "x"), ("TagKeys.member.2", "gone")])
        .await
        .unwrap();
    assert_eq!(texts(&world.root("ListRoleTags", &[("RoleName", "r")]).await.unwrap(), "Key"), ["team"]);
    assert_eq!(code(world.root("UntagRole", &[("RoleName", "r")]).await), "ValidationError");
}

#[tokio::test]
async fn a_list_reads_the_users_once_however_many_roles_trusted_one_that_is_gone() {
    let world = World::new().await;
    world.root("CreateUser", &[("UserName", "bob")]).await.unwrap();
    for role in ["a", "b", "c"] {
        create(&world, role, &trust_user("bob")).await.unwrap();
    }
    world.root("DeleteUser", &[("UserName", "bob")]).await.unwrap();
    world.faults().reset();
    let listed = world.root("ListRoles", &[]).await.unwrap();
    assert_eq!(texts(&listed, "AssumeRolePolicyDocument").len(), 3);
    assert!(texts(&listed, "AssumeRolePolicyDocument").iter().all(|policy| !policy.contains("user%2Fbob")));
    // The roles, and the users.
    assert_eq!(world.faults().count(coffer_testkit::EngineCall::Scan), 2);
}
