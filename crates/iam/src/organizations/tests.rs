//! Accounts: made, seen, closed, and apart from each other.

use serde_json::{Value, json};

use crate::testing::{ACCOUNT, Keys, Refused, World, code, keys_in, root, text, texts};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn refused_as<T>(outcome: Result<T, Refused>) -> String {
    outcome.err().map_or_else(|| "not refused".to_owned(), |refused| refused.code)
}

async fn create(world: &World, email: &str) -> Value {
    let params = json!({ "AccountName": "a tenant", "Email": email });
    world.organizations(&root(), "CreateAccount", params).await.unwrap()["CreateAccountStatus"].clone()
}

fn account_in(status: &Value) -> String {
    assert_eq!(status["State"], "SUCCEEDED", "{status}");
    status["AccountId"].as_str().unwrap().to_owned()
}

/// Enters an account as an administrator of the first one.
async fn enter(world: &World, admin: &Keys, account: &str) -> Result<Keys, Refused> {
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    let params = [("RoleArn", role.as_str()), ("RoleSessionName", "admin")];
    world.ask(admin, "AssumeRole", &params).await.map(|answer| keys_in(&answer))
}

#[tokio::test]
async fn an_account_is_there_at_once_and_is_entered_by_its_role() {
    let world = World::new().await;
    let admin = world.user_with("admin", ALL).await;
    let status = create(&world, "tenant@example.com").await;
    let account = account_in(&status);
    let params = json!({ "CreateAccountRequestId": status["Id"] });
    let again = world.organizations(&root(), "DescribeCreateAccountStatus", params).await.unwrap();
    assert_eq!(again["CreateAccountStatus"], status);
    let described = world.organizations(&root(), "DescribeAccount", json!({ "AccountId": account })).await.unwrap();
    let described = &described["Account"];
    assert_eq!((&described["Email"], &described["Name"]), (&json!("tenant@example.com"), &json!("a tenant")));
    assert_eq!(described["Status"], "ACTIVE");
    let tenant = enter(&world, &admin, &account).await.unwrap();
    let identity = world.ask(&tenant, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(text(&identity, "Account"), account);
    world.ask(&tenant, "CreateUser", &[("UserName", "bob")]).await.unwrap();
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let world = World::new().await;
    let admin = world.user_with("admin", ALL).await;
    let (one, two) =
        (account_in(&create(&world, "one@example.com").await), account_in(&create(&world, "two@example.com").await));
    let (in_one, in_two) = (enter(&world, &admin, &one).await.unwrap(), enter(&world, &admin, &two).await.unwrap());
    for (tenant, name) in [(&in_one, "ann"), (&in_two, "bob")] {
        world.ask(tenant, "CreateUser", &[("UserName", name)]).await.unwrap();
        let users = world.ask(tenant, "ListUsers", &[]).await.unwrap();
        assert_eq!(texts(&users, "UserName"), [name]);
    }
    assert_eq!(code(world.ask(&in_one, "GetUser", &[("UserName", "bob")]).await), "NoSuchEntity");
    // Nor do the roles of one let the other in.
    assert_eq!(refused_as(enter(&world, &in_one, &two).await), "AccessDenied");
    assert_eq!(refused_as(enter(&world, &in_one, ACCOUNT).await), "AccessDenied");
}

#[tokio::test]
async fn only_the_management_account_asks_and_only_by_policy() {
    let world = World::new().await;
    let admin = world.user_with("admin", ALL).await;
    let bare = world.user("bare").await;
    let account = account_in(&create(&world, "tenant@example.com").await);
    let tenant = enter(&world, &admin, &account).await.unwrap();
    let params = json!({
        "AccountName": "x", "Email": "x@example.com", "AccountId": account, "CreateAccountRequestId": "car-1",
        "ParentId": "r-1", "ChildId": account, "ResourceId": account, "Tags": [], "TagKeys": [],
    });
    for action in super::ACTIONS {
        for keys in [&tenant, &bare] {
            let refused = world.organizations(keys, action, params.clone()).await.unwrap_err();
            assert_eq!((refused.code.as_str(), refused.status.as_u16()), ("AccessDeniedException", 400), "{action}");
        }
    }
    world.organizations(&admin, "ListAccounts", json!({})).await.unwrap();
}

#[tokio::test]
async fn an_address_has_one_account() {
    let world = World::new().await;
    account_in(&create(&world, "tenant@example.com").await);
    for email in ["tenant@example.com", "Tenant@Example.com"] {
        let status = create(&world, email).await;
        assert_eq!((&status["State"], &status["FailureReason"]), (&json!("FAILED"), &json!("EMAIL_ALREADY_EXISTS")));
        assert_eq!(status["AccountId"], Value::Null);
    }
    let accounts = world.organizations(&root(), "ListAccounts", json!({})).await.unwrap();
    assert_eq!(accounts["Accounts"].as_array().unwrap().len(), 2);
    let failed = json!({ "States": ["FAILED"] });
    let failed = world.organizations(&root(), "ListCreateAccountStatus", failed).await.unwrap();
    assert_eq!(failed["CreateAccountStatuses"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_closed_account_is_closed_at_once_and_for_all() {
    let world = World::new().await;
    let admin = world.user_with("admin", ALL).await;
    let account = account_in(&create(&world, "tenant@example.com").await);
    let session = enter(&world, &admin, &account).await.unwrap();
    world.ask(&session, "CreateUser", &[("UserName", "bob")]).await.unwrap();
    let user = keys_in(&world.ask(&session, "CreateAccessKey", &[("UserName", "bob")]).await.unwrap());
    let own = keys_in(&world.ask(&user, "GetSessionToken", &[]).await.unwrap());
    for keys in [&session, &user, &own] {
        world.ask(keys, "GetCallerIdentity", &[]).await.unwrap();
    }
    let close = json!({ "AccountId": account });
    assert_eq!(world.organizations(&root(), "CloseAccount", close.clone()).await.unwrap(), Value::Null);
    for keys in [&session, &user, &own] {
        assert_eq!(code(world.ask(keys, "GetCallerIdentity", &[]).await), "InvalidClientTokenId");
    }
    assert_eq!(refused_as(enter(&world, &admin, &account).await), "AccessDenied");
    let again = world.organizations(&root(), "CloseAccount", close).await;
    assert_eq!(refused_as(again), "AccountAlreadyClosedException");
    let described = world.organizations(&root(), "DescribeAccount", json!({ "AccountId": account })).await.unwrap();
    assert_eq!(described["Account"]["Status"], "SUSPENDED");
    // Its address stays its own.
    assert_eq!(create(&world, "tenant@example.com").await["FailureReason"], "EMAIL_ALREADY_EXISTS");
}

#[tokio::test]
async fn the_management_account_cannot_be_closed() {
    let world = World::new().await;
    let refused = world.organizations(&root(), "CloseAccount", json!({ "AccountId": ACCOUNT })).await;
    assert_eq!(refused_as(refused), "ConstraintViolationException");
    world.root("ListUsers", &[]).await.unwrap();
}

#[tokio::test]
async fn what_is_no_account_is_refused() {
    let world = World::new().await;
    for (action, params, expected) in [
        ("DescribeAccount", json!({ "AccountId": "999999999999" }), "AccountNotFoundException"),
        ("CloseAccount", json!({ "AccountId": "999999999999" }), "AccountNotFoundException"),
        ("DescribeAccount", json!({ "AccountId": "../a" }), "InvalidInputException"),
        ("DescribeAccount", json!({}), "InvalidInputException"),
        ("DescribeAccount", json!({ "AccountId": ["000000000000"] }), "InvalidInputException"),
        (
            "DescribeCreateAccountStatus",
            json!({ "CreateAccountRequestId": "car-1" }),
            "CreateAccountStatusNotFoundException",
        ),
        ("ListAccountsForParent", json!({ "ParentId": "r-none" }), "ParentNotFoundException"),
        ("ListAccounts", json!({ "MaxResults": 21 }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "x" }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "", "Email": "a@example.com" }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "x", "Email": "a@b" }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "x", "Email": "a@b@c.de" }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "x", "Email": "a b@c.de" }), "InvalidInputException"),
        ("CreateAccount", json!({ "AccountName": "x", "Email": "a@c.de", "RoleName": "a/b" }), "InvalidInputException"),
        ("LeaveOrganization", json!({}), "UnknownOperationException"),
        ("ListAccounts", json!([]), "SerializationException"),
    ] {
        let refused = world.organizations(&root(), action, params.clone()).await;
        assert_eq!(refused_as(refused), expected, "{action} {params}");
    }
}

#[tokio::test]
async fn signatures_are_refused_in_this_protocols_words() {
    let world = World::new().await;
    let wrong = Keys { secret_key: "wrong".to_owned(), ..root() };
    let nobody = Keys { access_key: "AKIANOBODYNOBODYNOBO".to_owned(), ..root() };
    for (keys, expected) in [(wrong, "InvalidSignatureException"), (nobody, "UnrecognizedClientException")] {
        let refused = world.organizations(&keys, "ListAccounts", json!({})).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.status.as_u16()), (expected, 400));
    }
}

#[tokio::test]
async fn accounts_have_tags_and_one_root_above_them() {
    let world = World::new().await;
    let account = account_in(&create(&world, "tenant@example.com").await);
    let ask = async |action: &str, params: Value| world.organizations(&root(), action, params).await.unwrap();
    let tags = json!([{ "Key": "plan", "Value": "gold" }, { "Key": "region", "Value": "north" }]);
    ask("TagResource", json!({ "ResourceId": account, "Tags": tags })).await;
    ask("TagResource", json!({ "ResourceId": account, "Tags": [{ "Key": "plan", "Value": "silver" }] })).await;
    ask("UntagResource", json!({ "ResourceId": account, "TagKeys": ["region"] })).await;
    let tags = ask("ListTagsForResource", json!({ "ResourceId": account })).await;
    assert_eq!(tags["Tags"], json!([{ "Key": "plan", "Value": "silver" }]));
    let roots = ask("ListRoots", json!({})).await;
    let parents = ask("ListParents", json!({ "ChildId": account })).await;
    assert_eq!(parents["Parents"][0]["Id"], roots["Roots"][0]["Id"]);
    let below = ask("ListAccountsForParent", json!({ "ParentId": roots["Roots"][0]["Id"] })).await;
    assert_eq!(below["Accounts"].as_array().unwrap().len(), 2);
    let organization = ask("DescribeOrganization", json!({})).await;
    assert_eq!(organization["Organization"]["MasterAccountId"], ACCOUNT);
}

#[tokio::test]
async fn everybody_is_of_one_organization() {
    let world = World::new().await;
    let admin = world.user_with("admin", ALL).await;
    let account = account_in(&create(&world, "tenant@example.com").await);
    let tenant = enter(&world, &admin, &account).await.unwrap();
    let organization = world.organizations(&root(), "DescribeOrganization", json!({})).await.unwrap();
    let id = organization["Organization"]["Id"].as_str().unwrap().to_owned();
    for (name, id, trusted) in [("ours", id.as_str(), true), ("theirs", "o-0000000000", false)] {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:PrincipalOrgID": id } },
        }] });
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())];
        world.root("CreateRole", &params).await.unwrap();
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let params = [("RoleArn", role.as_str()), ("RoleSessionName", "session")];
        assert_eq!(world.ask(&tenant, "AssumeRole", &params).await.is_ok(), trusted, "{name}");
    }
}
