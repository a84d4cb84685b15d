//! Sessions: who gets one, what it is good for, and when it ends.

mod web_identity;

use std::collections::BTreeMap;

use crate::arn;
use crate::ids::{IdKind, unique_id};
use crate::records::{AccountRecord, AttachedRecord, InlinePolicyRecord, RoleRecord, TagRecord, UserRecord};
use crate::testing::{ACCOUNT, Keys, Refused, World, code, keys_in, root, text, texts};

/// Another account.
const OTHER: &str = "111122223333";

fn trust(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{statement}}}]}}"#)
}

fn trusting(principal: &str) -> String {
    trust(&format!(r#""Principal":{{"AWS":"{principal}"}},"Action":["sts:AssumeRole","sts:TagSession"]"#))
}

fn allowing(action: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#)
}

/// Makes a role that may list users, and returns its ARN.
async fn make_role(world: &World, account: &str, name: &str, trust_policy: String) -> String {
    let mut change = world.iam.change(account).await.unwrap();
    let inline = vec![InlinePolicyRecord { name: "inline".to_owned(), document: allowing("iam:ListUsers") }];
    change.put(&RoleRecord {
        name: name.to_owned(),
        path: "/team/".to_owned(),
        id: unique_id(IdKind::Role),
        created_ms: world.now_ms(),
        tags: vec![TagRecord { key: "team".to_owned(), value: "red".to_owned() }],
        policies: AttachedRecord { inline, managed: Vec::new() },
        boundary: None,
        trust_policy,
        description: String::new(),
        max_session_s: 7200,
        trusted: BTreeMap::new(),
    });
    change.commit().await.unwrap();
    arn::role(account, "/team/", name)
}

async fn make_account(world: &World) {
    let account = AccountRecord {
        id: OTHER.to_owned(),
        name: "other".to_owned(),
        email: "other@example.com".to_owned(),
        created_ms: world.now_ms(),
        suspended: false,
        alias: None,
        root_access_keys: Vec::new(),
        tags: Vec::new(),
    };
    world.iam.put_account(&account).await.unwrap();
}

async fn assume(world: &World, keys: &Keys, role: &str, more: &[(&str, &str)]) -> Result<String, Refused> {
    world.ask(keys, "AssumeRole", &[&[("RoleArn", role), ("RoleSessionName", "session")], more].concat()).await
}

/// A world, a user, a role that trusts the user, and its ARN.
async fn with_role() -> (World, Keys, String) {
    let world = World::new().await;
    let user = world.user("bob").await;
    let role = make_role(&world, ACCOUNT, "role", trusting("arn:aws:iam::000000000000:user/bob")).await;
    (world, user, role)
}

#[tokio::test]
async fn a_role_is_assumed_by_whom_it_trusts() {
    let (world, user, role) = with_role().await;
    let answer = assume(&world, &user, &role, &[]).await.unwrap();
    assert_eq!(text(&answer, "Arn"), "arn:aws:sts::000000000000:assumed-role/role/session");
    assert!(text(&answer, "AssumedRoleId").starts_with("AROA") && text(&answer, "AssumedRoleId").ends_with(":session"));
    assert!(texts(&answer, "PackedPolicySize").is_empty());
    let session = keys_in(&answer);
    assert!(session.access_key.starts_with("ASIA"));
    let identity = world.ask(&session, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(text(&identity, "Arn"), text(&answer, "Arn"));
    assert_eq!(text(&identity, "UserId"), text(&answer, "AssumedRoleId"));
    world.ask(&session, "ListUsers", &[]).await.unwrap();
    assert_eq!(code(world.ask(&session, "CreateUser", &[("UserName", "x")]).await), "AccessDenied");
}

#[tokio::test]
async fn whoever_is_not_trusted_learns_nothing() {
    let (world, _, role) = with_role().await;
    let stranger = world.user_with("eve", &allowing("sts:*")).await;
    let refused = assume(&world, &stranger, &role, &[]).await.unwrap_err();
    let who = "User: arn:aws:iam::000000000000:user/eve is not authorized to perform: sts:AssumeRole on resource: ";
    assert_eq!((refused.code.as_str(), refused.message), ("AccessDenied", format!("{who}{role}")));
    for none in [
        "arn:aws:iam::000000000000:role/none",
        "arn:aws:iam::000000000000:role/role",
        "arn:aws:iam::999999999999:role/x",
    ] {
        let refused = assume(&world, &stranger, none, &[]).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message), ("AccessDenied", format!("{who}{none}")));
    }
}

#[tokio::test]
async fn an_account_that_is_trusted_needs_its_own_users_policies() {
    let world = World::new().await;
    let role = make_role(&world, ACCOUNT, "role", trusting("arn:aws:iam::000000000000:root")).await;
    let (bare, allowed) = (world.user("bare").await, world.user_with("allowed", &allowing("sts:AssumeRole")).await);
    assert_eq!(code(assume(&world, &bare, &role, &[]).await), "AccessDenied");
    assume(&world, &allowed, &role, &[]).await.unwrap();
}

#[tokio::test]
async fn across_accounts_both_sides_must_allow() {
    let world = World::new().await;
    make_account(&world).await;
    let role = make_role(&world, OTHER, "role", trusting("arn:aws:iam::000000000000:user/bob")).await;
    let closed = make_role(&world, OTHER, "closed", trusting("arn:aws:iam::111122223333:root")).await;
    let bob = world.user("bob").await;
    assert_eq!(code(assume(&world, &bob, &role, &[]).await), "AccessDenied");
    let allow = allowing("sts:AssumeRole");
    let params = [("UserName", "bob"), ("PolicyName", "p"), ("PolicyDocument", allow.as_str())];
    world.root("PutUserPolicy", &params).await.unwrap();
    let session = keys_in(&assume(&world, &bob, &role, &[]).await.unwrap());
    assert_eq!(code(assume(&world, &bob, &closed, &[]).await), "AccessDenied");
    // In the other account there is no bob.
    let users = world.ask(&session, "ListUsers", &[]).await.unwrap();
    assert!(texts(&users, "UserName").is_empty());
    assert_eq!(text(&world.ask(&session, "GetCallerIdentity", &[]).await.unwrap(), "Account"), OTHER);
}

#[tokio::test]
async fn root_users_assume_no_roles() {
    let world = World::new().await;
    let role = make_role(&world, ACCOUNT, "role", trusting("arn:aws:iam::000000000000:root")).await;
    let refused = assume(&world, &root(), &role, &[]).await.unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("AccessDenied", "Roles may not be assumed by root accounts.")
    );
}

#[tokio::test]
async fn the_external_id_is_a_condition_key() {
    let world = World::new().await;
    let bob = world.user("bob").await;
    let condition = r#""Condition":{"StringEquals":{"sts:ExternalId":"e-1","sts:RoleSessionName":"session"}}"#;
    let statement =
        format!(r#""Principal":{{"AWS":"arn:aws:iam::000000000000:user/bob"}},"Action":"sts:AssumeRole",{condition}"#);
    let role = make_role(&world, ACCOUNT, "role", trust(&statement)).await;
    assume(&world, &bob, &role, &[("ExternalId", "e-1")]).await.unwrap();
    for more in [&[][..], &[("ExternalId", "e-2")], &[("ExternalId", "E-1")]] {
        assert_eq!(code(assume(&world, &bob, &role, more).await), "AccessDenied");
    }
}

#[tokio::test]
async fn parameters_that_are_none_are_refused() {
    let (world, user, role) = with_role().await;
    for (more, expected) in [
        (("DurationSeconds", "899"), "ValidationError"),
        (("DurationSeconds", "43201"), "ValidationError"),
        (("DurationSeconds", "7201"), "ValidationError"),
        (("ExternalId", "x"), "ValidationError"),
        (("SourceIdentity", "a b"), "ValidationError"),
        (("Policy", "{"), "MalformedPolicyDocument"),
        (("PolicyArns.member.1.arn", "arn:aws:iam::000000000000:policy/none"), "ValidationError"),
        (("SerialNumber", "arn:aws:iam::000000000000:mfa/bob"), "AccessDenied"),
        (("TokenCode", "123456"), "AccessDenied"),
        // Trusted to assume, not to say who is behind it.
        (("SourceIdentity", "alice"), "AccessDenied"),
    ] {
        assert_eq!(code(assume(&world, &user, &role, &[more]).await), expected, "{more:?}");
    }
    let call = |arn: &'static str, name: &'static str| [("RoleArn", arn), ("RoleSessionName", name)];
    for params in [
        call("role", "session"),
        call("arn:aws:iam::000000000000:user/bob", "session"),
        call("arn:aws:iam::000000000000:role/x", "s"),
    ] {
        assert_eq!(code(world.ask(&user, "AssumeRole", &params).await), "ValidationError", "{params:?}");
    }
}

#[tokio::test]
async fn a_session_policy_only_takes_away() {
    let (world, user, role) = with_role().await;
    for (policy, allowed) in [(allowing("iam:*"), true), (allowing("s3:*"), false), (allowing("iam:GetUser"), false)] {
        let answer = assume(&world, &user, &role, &[("Policy", &policy)]).await.unwrap();
        assert_ne!(text(&answer, "PackedPolicySize"), "0");
        let session = keys_in(&answer);
        assert_eq!(world.ask(&session, "ListUsers", &[]).await.is_ok(), allowed, "{policy}");
        assert_eq!(code(world.ask(&session, "CreateUser", &[("UserName", "x")]).await), "AccessDenied", "{policy}");
    }
    let arn = ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess");
    let session = keys_in(&assume(&world, &user, &role, &[arn]).await.unwrap());
    assert_eq!(code(world.ask(&session, "ListUsers", &[]).await), "AccessDenied");
}

#[tokio::test]
async fn tags_need_a_permission_and_go_on_into_chained_sessions() {
    let (world, user, first) = with_role().await;
    let statement = r#""Principal":{"AWS":"arn:aws:iam::000000000000:role/team/role"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:PrincipalTag/job":"x"}}"#;
    let second = make_role(&world, ACCOUNT, "second", trust(statement)).await;
    let untagged = make_role(
        &world,
        ACCOUNT,
        "untagged",
        trust(r#""Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole""#),
    )
    .await;
    let tag = [("Tags.member.1.Key", "job"), ("Tags.member.1.Value", "x"), ("TransitiveTagKeys.member.1", "job")];
    let bare = keys_in(&assume(&world, &user, &first, &[]).await.unwrap());
    assert_eq!(code(assume(&world, &bare, &second, &[]).await), "AccessDenied");
    let tagged = keys_in(&assume(&world, &user, &first, &tag).await.unwrap());
    assume(&world, &tagged, &second, &[]).await.unwrap();
    assert_eq!(code(assume(&world, &tagged, &second, &tag).await), "InvalidParameterValue");
    assert_eq!(code(assume(&world, &tagged, &untagged, &[]).await), "AccessDenied");
    assert_eq!(code(assume(&world, &user, &untagged, &tag).await), "AccessDenied");
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most() {
    let (world, user, first) = with_role().await;
    let second =
        make_role(&world, ACCOUNT, "second", trusting("arn:aws:sts::000000000000:assumed-role/role/session")).await;
    let session = keys_in(&assume(&world, &user, &first, &[("DurationSeconds", "7200")]).await.unwrap());
    assert_eq!(code(assume(&world, &session, &second, &[("DurationSeconds", "3601")]).await), "ValidationError");
    assume(&world, &session, &second, &[("DurationSeconds", "3600")]).await.unwrap();
}

#[tokio::test]
async fn the_source_identity_stays_what_it_is() {
    let world = World::new().await;
    let bob = world.user("bob").await;
    let open = |principal: &str| trust(&format!(r#""Principal":{{"AWS":"{principal}"}},"Action":"sts:*""#));
    let first = make_role(&world, ACCOUNT, "first", open("arn:aws:iam::000000000000:user/bob")).await;
    let second =
        make_role(&world, ACCOUNT, "second", open("arn:aws:sts::000000000000:assumed-role/first/session")).await;
    let answer = assume(&world, &bob, &first, &[("SourceIdentity", "alice")]).await.unwrap();
    assert_eq!(text(&answer, "SourceIdentity"), "alice");
    let session = keys_in(&answer);
    let answer = assume(&world, &session, &second, &[]).await.unwrap();
    assert_eq!(text(&answer, "SourceIdentity"), "alice");
    assume(&world, &session, &second, &[("SourceIdentity", "alice")]).await.unwrap();
    assert_eq!(code(assume(&world, &session, &second, &[("SourceIdentity", "mallory")]).await), "AccessDenied");
}

#[tokio::test]
async fn a_session_token_is_good_for_itself_only() {
    let (world, user, role) = with_role().await;
    let one = keys_in(&assume(&world, &user, &role, &[]).await.unwrap());
    let other = keys_in(&assume(&world, &user, &role, &[]).await.unwrap());
    let token = one.session_token.clone().unwrap();
    let mut tampered = token.clone().into_bytes();
    tampered[40] = if tampered[40] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    let with_token = |keys: &Keys, token: Option<String>| Keys { session_token: token, ..keys.clone() };
    for (keys, expected) in [
        (with_token(&other, Some(token.clone())), "InvalidClientTokenId"),
        (with_token(&user, Some(token.clone())), "InvalidClientTokenId"),
        (with_token(&one, Some(tampered)), "InvalidClientTokenId"),
        (with_token(&one, Some(token[..token.len() - 8].to_owned())), "InvalidClientTokenId"),
        (with_token(&one, Some("none".to_owned())), "InvalidClientTokenId"),
        (with_token(&one, Some(String::new())), "InvalidClientTokenId"),
        (with_token(&one, None), "InvalidClientTokenId"),
        (Keys { secret_key: other.secret_key.clone(), ..one.clone() }, "SignatureDoesNotMatch"),
    ] {
        assert_eq!(code(world.ask(&keys, "GetCallerIdentity", &[]).await), expected);
        // The good one stays good, and is not taken for a bad one that was seen before.
        world.ask(&one, "GetCallerIdentity", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let (world, user, role) = with_role().await;
    let session = keys_in(&assume(&world, &user, &role, &[("DurationSeconds", "900")]).await.unwrap());
    world.advance_ms(899_000);
    world.ask(&session, "GetCallerIdentity", &[]).await.unwrap();
    world.advance_ms(1000);
    let refused = world.ask(&session, "GetCallerIdentity", &[]).await.unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("ExpiredToken", "The security token included in the request is expired")
    );
}

#[tokio::test]
async fn a_session_of_the_future_is_none() {
    let (world, user, role) = with_role().await;
    world.advance_ms(3_600_000);
    let session = keys_in(&assume(&world, &user, &role, &[]).await.unwrap());
    let world = world.restarted(false).await;
    world.go_back_ms(3_600_000);
    assert_eq!(code(world.ask(&session, "GetCallerIdentity", &[]).await), "InvalidClientTokenId");
}

#[tokio::test]
async fn a_session_ends_with_its_role_or_user() {
    let (world, user, role) = with_role().await;
    let session = keys_in(&assume(&world, &user, &role, &[]).await.unwrap());
    let own = keys_in(&world.ask(&user, "GetSessionToken", &[]).await.unwrap());
    for keys in [&session, &own] {
        world.ask(keys, "GetCallerIdentity", &[]).await.unwrap();
    }
    // Another role and another user of the same name are somebody else.
    make_role(&world, ACCOUNT, "role", trusting("arn:aws:iam::000000000000:user/bob")).await;
    let mut change = world.iam.change(ACCOUNT).await.unwrap();
    let bob = change.get::<UserRecord>("bob").await.unwrap().unwrap();
    change.put(&UserRecord { id: unique_id(IdKind::User), ..bob });
    change.commit().await.unwrap();
    for keys in [&session, &own] {
        assert_eq!(code(world.ask(keys, "GetCallerIdentity", &[]).await), "InvalidClientTokenId");
    }
    let mut change = world.iam.change(ACCOUNT).await.unwrap();
    change.delete::<RoleRecord>("role");
    change.delete::<UserRecord>("bob");
    change.commit().await.unwrap();
    for keys in [&session, &own] {
        assert_eq!(code(world.ask(keys, "GetCallerIdentity", &[]).await), "InvalidClientTokenId");
    }
}

#[tokio::test]
async fn a_users_own_session_may_do_what_the_user_may_except_iam() {
    let world = World::new().await;
    let admin = world.user_with("admin", &allowing("*")).await;
    let role = make_role(&world, ACCOUNT, "role", trusting("arn:aws:iam::000000000000:root")).await;
    let session = keys_in(&world.ask(&admin, "GetSessionToken", &[]).await.unwrap());
    let identity = world.ask(&session, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(text(&identity, "Arn"), "arn:aws:iam::000000000000:user/admin");
    assume(&world, &session, &role, &[]).await.unwrap();
    assert_eq!(code(world.ask(&session, "ListUsers", &[]).await), "InvalidClientTokenId");
    let refused = world.ask(&session, "GetSessionToken", &[]).await.unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("AccessDenied", "Cannot call GetSessionToken with session credentials")
    );
    let key = [("AccessKeyId", admin.access_key.as_str())];
    assert_eq!(code(world.ask(&session, "GetAccessKeyInfo", &key).await), "AccessDenied");
    assert_eq!(text(&world.ask(&admin, "GetAccessKeyInfo", &key).await.unwrap(), "Account"), ACCOUNT);
    let of_role = keys_in(&assume(&world, &admin, &role, &[]).await.unwrap());
    assert_eq!(code(world.ask(&of_role, "GetSessionToken", &[]).await), "AccessDenied");
}

#[tokio::test]
async fn the_session_of_a_root_user_lasts_an_hour() {
    let world = World::new().await;
    let session = keys_in(&world.root("GetSessionToken", &[("DurationSeconds", "129600")]).await.unwrap());
    let identity = world.ask(&session, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(text(&identity, "Arn"), "arn:aws:iam::000000000000:root");
    world.advance_ms(3_600_000);
    assert_eq!(code(world.ask(&session, "GetCallerIdentity", &[]).await), "ExpiredToken");
    for seconds in ["899", "129601", "x"] {
        let refused = world.root("GetSessionToken", &[("DurationSeconds", seconds)]).await;
        assert_eq!(code(refused), "ValidationError", "{seconds}");
    }
}

#[tokio::test]
async fn nobody_asks_without_a_signature() {
    let world = World::new().await;
    for action in ["AssumeRole", "GetSessionToken", "GetCallerIdentity", "GetAccessKeyInfo"] {
        assert_eq!(code(world.ask_unsigned(action, &[]).await), "MissingAuthenticationToken", "{action}");
    }
}
