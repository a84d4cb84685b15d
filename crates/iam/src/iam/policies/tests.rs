//! Managed policies, their versions, and what they are attached to.

use crate::testing::{ACCOUNT, Keys, Refused, World, code, text, texts};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";

fn arn(path_and_name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy{path_and_name}")
}

async fn create(world: &World, name: &str, document: &str) -> Result<String, Refused> {
    world.root("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", document)]).await
}

async fn attach(world: &World, user: &str, arn: &str) -> Result<String, Refused> {
    world.root("AttachUserPolicy", &[("UserName", user), ("PolicyArn", arn)]).await
}

async fn get(world: &World, arn: &str) -> Result<String, Refused> {
    world.root("GetPolicy", &[("PolicyArn", arn)]).await
}

/// A document of so many characters, white space not counted.
fn document_of(len: usize) -> String {
    let start = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/"#;
    let end = r#""}}"#;
    format!("{start}{}{end}", "x".repeat(len - start.len() - end.len()))
}

#[tokio::test]
async fn a_policy_is_shown_as_it_was_made() {
    let world = World::new().await;
    let document = format!(" {ALL}\n");
    let params = [
        ("PolicyName", "p"),
        ("Path", "/a/b/"),
        ("PolicyDocument", document.as_str()),
        ("Description", "<what> it is for"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    let made = world.root("CreatePolicy", &params).await.unwrap();
    let arn = arn("/a/b/p");
    let shown = get(&world, &arn).await.unwrap();
    for element in ["PolicyName", "PolicyId", "Path", "DefaultVersionId", "AttachmentCount", "Description", "Key"] {
        assert_eq!(text(&made, element), text(&shown, element), "{element}");
    }
    assert_eq!((text(&shown, "Arn"), text(&shown, "DefaultVersionId")), (arn.clone(), "v1".to_owned()));
    assert_eq!(text(&shown, "Description"), "<what> it is for");
    let version = world.root("GetPolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v1")]).await.unwrap();
    let kept = text(&version, "Document");
    assert_eq!(percent_encoding::percent_decode_str(&kept).decode_utf8().unwrap(), document);
    for wrong in ["/p", "/a/p", "/a/b/P", "/A/b/p", "/a/b/c/p"] {
        assert_eq!(code(get(&world, &self::arn(wrong)).await), "NoSuchEntity", "{wrong}");
    }
}

#[tokio::test]
async fn a_document_has_6144_characters_without_white_space() {
    let world = World::new().await;
    create(&world, "longest", &document_of(6144)).await.unwrap();
    assert_eq!(code(create(&world, "longer", &document_of(6145)).await), "LimitExceeded");
    let spacious = format!("{}{}", document_of(6144), " \n\t\r".repeat(10_000));
    create(&world, "spacious", &spacious).await.unwrap();
    let endless = format!("{}{}", document_of(6144), " ".repeat(131_072));
    assert_eq!(code(create(&world, "endless", &endless).await), "ValidationError");
}

#[tokio::test]
async fn documents_that_are_none_are_refused() {
    let world = World::new().await;
    for document in [
        "no JSON",
        "{}",
        "[]",
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Unknown":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    ] {
        assert_eq!(code(create(&world, "p", document).await), "MalformedPolicyDocument", "{document}");
        create(&world, "good", ALL).await.unwrap();
        let version = [("PolicyArn", &*arn("/good")), ("PolicyDocument", document)];
        assert_eq!(code(world.root("CreatePolicyVersion", &version).await), "MalformedPolicyDocument", "{document}");
        world.root("DeletePolicy", &[("PolicyArn", &arn("/good"))]).await.unwrap();
    }
    assert_eq!(code(create(&world, "p", "{\"\u{100}\"}").await), "ValidationError");
    assert_eq!(code(create(&world, "", ALL).await), "ValidationError");
    assert_eq!(code(create(&world, &"n".repeat(129), ALL).await), "ValidationError");
    let path = [("PolicyName", "p"), ("PolicyDocument", ALL), ("Path", "/a!/")];
    assert_eq!(code(world.root("CreatePolicy", &path).await), "ValidationError");
}

#[tokio::test]
async fn names_of_policies_differ_by_more_than_case_and_path() {
    let world = World::new().await;
    create(&world, "Policy", ALL).await.unwrap();
    assert_eq!(code(create(&world, "pOLICY", ALL).await), "EntityAlreadyExists");
    let path = [("PolicyName", "Policy"), ("PolicyDocument", ALL), ("Path", "/a/")];
    assert_eq!(code(world.root("CreatePolicy", &path).await), "EntityAlreadyExists");
    create(&world, "AdministratorAccess", ALL).await.unwrap();
}

#[tokio::test]
async fn a_policy_has_five_versions_at_most_and_always_a_default() {
    let world = World::new().await;
    create(&world, "p", ALL).await.unwrap();
    let arn = arn("/p");
    let put = |default| [("PolicyArn", arn.as_str()), ("PolicyDocument", ALL), ("SetAsDefault", default)];
    let version = |id| [("PolicyArn", arn.as_str()), ("VersionId", id)];
    for number in 2..=5 {
        let made = world.root("CreatePolicyVersion", &put("false")).await.unwrap();
        assert_eq!(
            (text(&made, "VersionId"), text(&made, "IsDefaultVersion")),
            (format!("v{number}"), "false".to_owned())
        );
    }
    assert_eq!(code(world.root("CreatePolicyVersion", &put("true")).await), "LimitExceeded");
    assert_eq!(text(&get(&world, &arn).await.unwrap(), "DefaultVersionId"), "v1");
    assert_eq!(code(world.root("DeletePolicyVersion", &version("v1")).await), "DeleteConflict");
    assert_eq!(code(world.root("DeletePolicy", &[("PolicyArn", &arn)]).await), "DeleteConflict");
    world.root("SetDefaultPolicyVersion", &version("v4")).await.unwrap();
    world.root("DeletePolicyVersion", &version("v1")).await.unwrap();
    // Numbers are not used twice.
    assert_eq!(text(&world.root("CreatePolicyVersion", &put("true")).await.unwrap(), "VersionId"), "v6");
    let list = world.root("ListPolicyVersions", &[("PolicyArn", &arn)]).await.unwrap();
    assert_eq!(texts(&list, "VersionId"), ["v6", "v5", "v4", "v3", "v2"]);
    assert!(!list.contains("<Document>"));
    for (id, expected) in [
        ("v1", "NoSuchEntity"),
        ("v7", "NoSuchEntity"),
        ("v0", "ValidationError"),
        ("6", "ValidationError"),
        ("v", "ValidationError"),
    ] {
        for action in ["GetPolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion"] {
            assert_eq!(code(world.root(action, &version(id)).await), expected, "{action} {id}");
        }
    }
}

#[tokio::test]
async fn pages_of_versions_follow_each_other() {
    let world = World::new().await;
    create(&world, "p", ALL).await.unwrap();
    let arn = arn("/p");
    for _ in 0..3 {
        world.root("CreatePolicyVersion", &[("PolicyArn", &arn), ("PolicyDocument", ALL)]).await.unwrap();
    }
    let first = world.root("ListPolicyVersions", &[("PolicyArn", &arn), ("MaxItems", "3")]).await.unwrap();
    assert_eq!(texts(&first, "VersionId"), ["v4", "v3", "v2"]);
    let marker = text(&first, "Marker");
    let rest = [("PolicyArn", arn.as_str()), ("MaxItems", "3"), ("Marker", &marker)];
    assert_eq!(texts(&world.root("ListPolicyVersions", &rest).await.unwrap(), "VersionId"), ["v1"]);
}

#[tokio::test]
async fn the_default_version_decides_at_once() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let nothing = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    create(&world, "p", ALL).await.unwrap();
    let arn = arn("/p");
    assert_eq!(code(world.ask(&ann, "ListUsers", &[]).await), "AccessDenied");
    attach(&world, "ann", &arn).await.unwrap();
    world.ask(&ann, "ListUsers", &[]).await.unwrap();
    let put = [("PolicyArn", arn.as_str()), ("PolicyDocument", nothing), ("SetAsDefault", "true")];
    world.root("CreatePolicyVersion", &put).await.unwrap();
    assert_eq!(code(world.ask(&ann, "ListUsers", &[]).await), "AccessDenied");
    world.root("SetDefaultPolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v1")]).await.unwrap();
    world.ask(&ann, "ListUsers", &[]).await.unwrap();
    world.root("DetachUserPolicy", &[("UserName", "ann"), ("PolicyArn", &arn)]).await.unwrap();
    assert_eq!(code(world.ask(&ann, "ListUsers", &[]).await), "AccessDenied");
}

#[tokio::test]
async fn ten_policies_are_attached_at_most() {
    let world = World::new().await;
    world.user("ann").await;
    for number in 0..11 {
        create(&world, &format!("p{number}"), ALL).await.unwrap();
        let attached = attach(&world, "ann", &arn(&format!("/p{number}"))).await;
        assert_eq!(
            attached.err().map(|refused| refused.message),
            (number == 10).then(|| "Cannot exceed quota for PoliciesPerUser: 10".to_owned())
        );
    }
    // Once more is nothing new.
    attach(&world, "ann", &arn("/p3")).await.unwrap();
    let list = world.root("ListAttachedUserPolicies", &[("UserName", "ann")]).await.unwrap();
    assert_eq!(texts(&list, "PolicyArn").len(), 10);
}

#[tokio::test]
async fn only_policies_that_are_there_are_attached() {
    let world = World::new().await;
    world.user("ann").await;
    create(&world, "p", ALL).await.unwrap();
    for (arn, expected) in [
        (arn("/q"), "NoSuchEntity"),
        (arn("/P"), "NoSuchEntity"),
        (arn("/a/p"), "NoSuchEntity"),
        ("arn:aws:iam::999999999999:policy/p".to_owned(), "NoSuchEntity"),
        ("arn:aws:iam::aws:policy/NoSuchPolicyThere".to_owned(), "NoSuchEntity"),
        (format!("arn:aws:iam::{ACCOUNT}:user/ann"), "InvalidInput"),
        ("AdministratorAccess-by-name".to_owned(), "InvalidInput"),
        ("p".to_owned(), "ValidationError"),
    ] {
        assert_eq!(code(attach(&world, "ann", &arn).await), expected, "{arn}");
    }
    assert_eq!(code(attach(&world, "bob", &arn("/p")).await), "NoSuchEntity");
    let detach = [("UserName", "ann"), ("PolicyArn", &*arn("/p"))];
    assert_eq!(code(world.root("DetachUserPolicy", &detach).await), "NoSuchEntity");
}

#[tokio::test]
async fn a_policy_in_use_is_not_deleted_and_its_users_are_counted() {
    let world = World::new().await;
    world.user("ann").await;
    world.user("bob").await;
    world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
    create(&world, "p", ALL).await.unwrap();
    let arn = arn("/p");
    attach(&world, "ann", &arn).await.unwrap();
    world.root("AttachGroupPolicy", &[("GroupName", "g"), ("PolicyArn", &arn)]).await.unwrap();
    let bound = [("UserName", "bob"), ("PermissionsBoundary", arn.as_str())];
    world.root("PutUserPermissionsBoundary", &bound).await.unwrap();
    let shown = get(&world, &arn).await.unwrap();
    assert_eq!(
        (text(&shown, "AttachmentCount"), text(&shown, "PermissionsBoundaryUsageCount")),
        ("2".to_owned(), "1".to_owned())
    );

    for (more, users, groups) in [
        (None, vec!["ann", "bob"], vec!["g"]),
        (Some(("EntityFilter", "User")), vec!["ann", "bob"], vec![]),
        (Some(("EntityFilter", "Role")), vec![], vec![]),
        (Some(("EntityFilter", "AWSManagedPolicy")), vec![], vec![]),
        (Some(("PolicyUsageFilter", "PermissionsBoundary")), vec!["bob"], vec![]),
        (Some(("PolicyUsageFilter", "PermissionsPolicy")), vec!["ann"], vec!["g"]),
        (Some(("PathPrefix", "/elsewhere/")), vec![], vec![]),
    ] {
        let params = [Some(("PolicyArn", arn.as_str())), more].into_iter().flatten().collect::<Vec<_>>();
        let list = world.root("ListEntitiesForPolicy", &params).await.unwrap();
        assert_eq!((texts(&list, "UserName"), texts(&list, "GroupName")), (owned(&users), owned(&groups)), "{more:?}");
    }

    let delete = [("PolicyArn", arn.as_str())];
    assert_eq!(code(world.root("DeletePolicy", &delete).await), "DeleteConflict");
    world.root("DetachUserPolicy", &[("UserName", "ann"), ("PolicyArn", &arn)]).await.unwrap();
    world.root("DetachGroupPolicy", &[("GroupName", "g"), ("PolicyArn", &arn)]).await.unwrap();
    assert_eq!(code(world.root("DeletePolicy", &delete).await), "DeleteConflict");
    world.root("DeleteUserPermissionsBoundary", &[("UserName", "bob")]).await.unwrap();
    world.root("DeletePolicy", &delete).await.unwrap();
    assert_eq!(code(get(&world, &arn).await), "NoSuchEntity");
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn lists_are_of_a_scope_a_path_and_a_use() {
    let world = World::new().await;
    world.user("ann").await;
    create(&world, "local", ALL).await.unwrap();
    let pathed = [("PolicyName", "pathed"), ("PolicyDocument", ALL), ("Path", "/team/")];
    world.root("CreatePolicy", &pathed).await.unwrap();
    attach(&world, "ann", READ_ONLY).await.unwrap();
    attach(&world, "ann", &arn("/team/pathed")).await.unwrap();
    let list = async |params: &[(&str, &str)]| texts(&world.root("ListPolicies", params).await.unwrap(), "PolicyName");
    assert_eq!(list(&[("Scope", "Local")]).await, ["local", "pathed"]);
    let predefined = list(&[("Scope", "AWS")]).await;
    assert!(predefined.contains(&"AmazonS3ReadOnlyAccess".to_owned()) && !predefined.contains(&"local".to_owned()));
    assert_eq!(list(&[]).await.len(), predefined.len() + 2);
    assert_eq!(list(&[("OnlyAttached", "true")]).await, ["pathed", "IAMReadOnlyAccess"]);
    assert_eq!(list(&[("PathPrefix", "/team/")]).await, ["pathed"]);
    assert!(list(&[("PolicyUsageFilter", "PermissionsBoundary")]).await.is_empty());
    for params in
        [[("Scope", "Everything")], [("PolicyUsageFilter", "x")], [("PathPrefix", "team")], [("OnlyAttached", "maybe")]]
    {
        assert_eq!(code(world.root("ListPolicies", &params).await), "ValidationError", "{params:?}");
    }
}

#[tokio::test]
async fn policies_of_aws_are_read_and_not_changed() {
    let world = World::new().await;
    let shown = get(&world, READ_ONLY).await.unwrap();
    let version = text(&shown, "DefaultVersionId");
    let id = [("PolicyArn", READ_ONLY), ("VersionId", version.as_str())];
    assert_eq!(text(&world.root("GetPolicyVersion", &id).await.unwrap(), "IsDefaultVersion"), "true");
    let change = [
        ("PolicyArn", READ_ONLY),
        ("PolicyDocument", ALL),
        ("VersionId", version.as_str()),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
        ("TagKeys.member.1", "k"),
    ];
    for action in [
        "DeletePolicy",
        "CreatePolicyVersion",
        "DeletePolicyVersion",
        "SetDefaultPolicyVersion",
        "TagPolicy",
        "UntagPolicy",
    ] {
        assert_eq!(code(world.root(action, &change).await), "AccessDenied", "{action}");
    }
}

#[tokio::test]
async fn tags_of_policies_come_and_go() {
    let world = World::new().await;
    create(&world, "p", ALL).await.unwrap();
    let arn = arn("/p");
    let tag = [("PolicyArn", arn.as_str()), ("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "a")];
    world.root("TagPolicy", &tag).await.unwrap();
    let list = async || texts(&world.root("ListPolicyTags", &[("PolicyArn", &arn)]).await.unwrap(), "Key");
    assert_eq!(list().await, ["Team"]);
    world.root("UntagPolicy", &[("PolicyArn", &arn), ("TagKeys.member.1", "team")]).await.unwrap();
    assert!(list().await.is_empty());
}

/// Somebody who may do everything with IAM, within a boundary that lets them read, and administer users within the same
/// boundary.
async fn bounded_administrator(world: &World) -> (Keys, String) {
    let boundary = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":["iam:Get*","iam:List*","s3:*"],"Resource":"*"}},
            {{"Effect":"Allow","Action":["iam:CreateUser","iam:AttachUserPolicy","iam:PutUserPolicy","iam:CreateAccessKey"],
              "Resource":"arn:aws:iam::{ACCOUNT}:user/team/*",
              "Condition":{{"StringEqualsIfExists":{{"iam:PermissionsBoundary":"{}"}}}}}}]}}"#,
        arn("/boundary")
    );
    create(world, "boundary", &boundary).await.unwrap();
    let keys = world.user_with("chief", ALL).await;
    let bound = [("UserName", "chief"), ("PermissionsBoundary", &*arn("/boundary"))];
    world.root("PutUserPermissionsBoundary", &bound).await.unwrap();
    (keys, arn("/boundary"))
}

#[tokio::test]
async fn nobody_gets_beyond_their_boundary() {
    let world = World::new().await;
    let (chief, boundary) = bounded_administrator(&world).await;
    world.ask(&chief, "ListUsers", &[]).await.unwrap();
    let own = ("UserName", "chief");
    let administrator = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    for (action, params) in [
        ("DeleteUserPermissionsBoundary", vec![own]),
        ("PutUserPermissionsBoundary", vec![own, ("PermissionsBoundary", administrator.1)]),
        ("AttachUserPolicy", vec![own, administrator]),
        ("PutUserPolicy", vec![own, ("PolicyName", "p"), ("PolicyDocument", ALL)]),
        (
            "CreatePolicyVersion",
            vec![("PolicyArn", boundary.as_str()), ("PolicyDocument", ALL), ("SetAsDefault", "true")],
        ),
        ("SetDefaultPolicyVersion", vec![("PolicyArn", boundary.as_str()), ("VersionId", "v1")]),
        ("DeletePolicy", vec![("PolicyArn", boundary.as_str())]),
        ("CreateRole", vec![("RoleName", "r"), ("AssumeRolePolicyDocument", ALL)]),
        ("CreateUser", vec![("UserName", "outside"), ("PermissionsBoundary", boundary.as_str())]),
        ("CreateUser", vec![("UserName", "other"), ("Path", "/team/"), ("PermissionsBoundary", administrator.1)]),
    ] {
        assert_eq!(code(world.ask(&chief, action, &params).await), "AccessDenied", "{action} {params:?}");
    }
    // Who is made within the boundary has it, and no policy gets them beyond it either.
    let helper = [("UserName", "helper"), ("Path", "/team/"), ("PermissionsBoundary", boundary.as_str())];
    world.ask(&chief, "CreateUser", &helper).await.unwrap();
    world.ask(&chief, "AttachUserPolicy", &[("UserName", "helper"), administrator]).await.unwrap();
    let keys = world.ask(&chief, "CreateAccessKey", &[("UserName", "helper")]).await.unwrap();
    let helper = crate::testing::keys_in(&keys);
    world.ask(&helper, "ListUsers", &[]).await.unwrap();
    assert_eq!(code(world.ask(&helper, "DeleteUser", &[own]).await), "AccessDenied");
    assert_eq!(
        code(world.ask(&helper, "DeleteUserPermissionsBoundary", &[("UserName", "helper")]).await),
        "AccessDenied"
    );
}

#[tokio::test]
async fn which_policy_may_be_attached_is_a_condition() {
    let world = World::new().await;
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":["iam:AttachUserPolicy","iam:DetachUserPolicy"],
        "Resource":"*","Condition":{{"ArnEquals":{{"iam:PolicyARN":"{READ_ONLY}"}}}}}}}}"#
    );
    let ann = world.user_with("ann", &document).await;
    let own = ("UserName", "ann");
    let other = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    assert_eq!(code(world.ask(&ann, "AttachUserPolicy", &[own, other]).await), "AccessDenied");
    world.ask(&ann, "AttachUserPolicy", &[own, ("PolicyArn", READ_ONLY)]).await.unwrap();
    world.ask(&ann, "DetachUserPolicy", &[own, ("PolicyArn", READ_ONLY)]).await.unwrap();
}
