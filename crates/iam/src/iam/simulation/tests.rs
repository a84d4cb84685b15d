//! What would come of requests.

use crate::testing::{ACCOUNT, World, code, text, texts};

const READ: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}"#;
const DENY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/secret/*"}}"#;
const HOME: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/${aws:username}/*",
    "Condition":{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}}"#;

fn user(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

/// The decisions of a custom simulation.
async fn custom(world: &World, params: &[(&str, &str)]) -> Vec<String> {
    texts(&world.root("SimulateCustomPolicy", params).await.unwrap(), "EvalDecision")
}

#[tokio::test]
async fn policies_allow_deny_or_say_nothing() {
    let world = World::new().await;
    let policies = [("PolicyInputList.member.1", READ), ("PolicyInputList.member.2", DENY)];
    for (action, resource, expected) in [
        ("s3:GetObject", "arn:aws:s3:::b/k", "allowed"),
        ("s3:getobject", "arn:aws:s3:::b/k", "allowed"),
        ("s3:GetObject", "arn:aws:s3:::b/secret/k", "explicitDeny"),
        ("s3:GetObject", "arn:aws:s3:::other/k", "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::b/k", "implicitDeny"),
    ] {
        let question = [("ActionNames.member.1", action), ("ResourceArns.member.1", resource)];
        let answer = world.root("SimulateCustomPolicy", &[&policies[..], &question].concat()).await.unwrap();
        assert_eq!(text(&answer, "EvalDecision"), expected, "{action} {resource}");
        assert_eq!(text(&answer, "EvalResourceDecision"), expected, "{action} {resource}");
        let deciding = match expected {
            "allowed" => "PolicyInputList.1",
            "explicitDeny" => "PolicyInputList.2",
            _ => continue,
        };
        assert_eq!(texts(&answer, "SourcePolicyId"), [deciding, deciding]);
    }
}

#[tokio::test]
async fn several_resources_are_answered_one_by_one_and_by_the_worst() {
    let world = World::new().await;
    let params = [
        ("PolicyInputList.member.1", READ),
        ("ActionNames.member.1", "s3:GetObject"),
        ("ActionNames.member.2", "s3:PutObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::b/k"),
        ("ResourceArns.member.2", "arn:aws:s3:::c/k"),
    ];
    let answer = world.root("SimulateCustomPolicy", &params).await.unwrap();
    assert_eq!(texts(&answer, "EvalDecision"), ["implicitDeny", "implicitDeny"]);
    assert_eq!(texts(&answer, "EvalResourceDecision"), ["allowed", "implicitDeny", "implicitDeny", "implicitDeny"]);
}

#[tokio::test]
async fn a_user_is_simulated_with_its_groups_and_its_boundary() {
    let world = World::new().await;
    world.user_with("ann", HOME).await;
    world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
    world.root("AddUserToGroup", &[("GroupName", "g"), ("UserName", "ann")]).await.unwrap();
    let managed = [("GroupName", "g"), ("PolicyArn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")];
    world.root("AttachGroupPolicy", &managed).await.unwrap();
    let ann = user("ann");
    let ask = async |params: &[(&str, &str)]| {
        let source = [("PolicySourceArn", ann.as_str())];
        world.root("SimulatePrincipalPolicy", &[&source[..], params].concat()).await.unwrap()
    };
    let read = [("ActionNames.member.1", "s3:GetObject"), ("ResourceArns.member.1", "arn:aws:s3:::b/k")];
    let answer = ask(&read).await;
    assert_eq!(text(&answer, "EvalDecision"), "allowed");
    assert_eq!(texts(&answer, "SourcePolicyId"), ["AmazonS3ReadOnlyAccess"; 2]);
    assert!(!answer.contains("PermissionsBoundaryDecisionDetail"));

    let own = [("ActionNames.member.1", "s3:PutObject"), ("ResourceArns.member.1", "arn:aws:s3:::b/ann/k")];
    let answer = ask(&own).await;
    assert_eq!(text(&answer, "EvalDecision"), "implicitDeny");
    assert_eq!(answer.matches("<member>s3:x-amz-server-side-encryption</member>").count(), 2);
    assert!(!answer.contains("aws:username"), "who it is is known");
    let sealed = [
        ("ContextEntries.member.1.ContextKeyName", "s3:x-amz-server-side-encryption"),
        ("ContextEntries.member.1.ContextKeyType", "string"),
        ("ContextEntries.member.1.ContextKeyValues.member.1", "AES256"),
    ];
    let answer = ask(&[&own[..], &sealed].concat()).await;
    assert_eq!(text(&answer, "EvalDecision"), "allowed");
    assert_eq!(texts(&answer, "SourcePolicyId"), ["user_ann_inline"; 2]);

    let bound = [("UserName", "ann"), ("PermissionsBoundary", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")];
    world.root("PutUserPermissionsBoundary", &bound).await.unwrap();
    let answer = ask(&[&own[..], &sealed].concat()).await;
    assert_eq!(text(&answer, "EvalDecision"), "implicitDeny");
    assert_eq!(texts(&answer, "AllowedByPermissionsBoundary"), ["false"; 2]);
    let boundary = [("PermissionsBoundaryPolicyInputList.member.1", HOME)];
    assert_eq!(text(&ask(&[&own[..], &sealed, &boundary].concat()).await, "EvalDecision"), "allowed");
}

#[tokio::test]
async fn roles_and_groups_are_simulated_too() {
    let world = World::new().await;
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"sts:AssumeRole"}}}}"#
    );
    world.root("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)]).await.unwrap();
    world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
    let policy = [("PolicyName", "p"), ("PolicyDocument", READ)];
    world.root("PutRolePolicy", &[&[("RoleName", "r")], &policy[..]].concat()).await.unwrap();
    world.root("PutGroupPolicy", &[&[("GroupName", "g")], &policy[..]].concat()).await.unwrap();
    for (source, id) in [("role/r", "role_r_p"), ("group/g", "group_g_p")] {
        let params = [
            ("PolicySourceArn", &*format!("arn:aws:iam::{ACCOUNT}:{source}")),
            ("ActionNames.member.1", "s3:GetObject"),
            ("ResourceArns.member.1", "arn:aws:s3:::b/k"),
        ];
        let answer = world.root("SimulatePrincipalPolicy", &params).await.unwrap();
        assert_eq!(
            (text(&answer, "EvalDecision"), texts(&answer, "SourcePolicyId")),
            ("allowed".to_owned(), vec![id.to_owned(); 2])
        );
    }
}

#[tokio::test]
async fn a_bucket_policy_takes_part() {
    let world = World::new().await;
    world.user("ann").await;
    let bucket = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}}}}"#,
        user("ann")
    );
    let question = [
        ("ActionNames.member.1", "s3:PutObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::b/k"),
        ("ResourcePolicy", bucket.as_str()),
    ];
    let ann = user("ann");
    let of_ann = [("PolicySourceArn", ann.as_str())];
    let answer = world.root("SimulatePrincipalPolicy", &[&of_ann[..], &question].concat()).await.unwrap();
    assert_eq!(text(&answer, "EvalDecision"), "allowed");
    assert_eq!(texts(&answer, "SourcePolicyType"), ["Resource Policy"; 2]);
    let foreign = [("ResourceOwner", "arn:aws:iam::999999999999:root")];
    let answer = world.root("SimulatePrincipalPolicy", &[&of_ann[..], &question, &foreign].concat()).await.unwrap();
    assert_eq!(text(&answer, "EvalDecision"), "implicitDeny", "across accounts both sides have to allow");

    let policies = [("PolicyInputList.member.1", READ)];
    let without_caller = [&policies[..], &question].concat();
    assert_eq!(code(world.root("SimulateCustomPolicy", &without_caller).await), "InvalidInput");
    assert_eq!(custom(&world, &[&without_caller[..], &[("CallerArn", &ann)]].concat()).await, ["allowed"]);
    world.user("bob").await;
    assert_eq!(custom(&world, &[&without_caller[..], &[("CallerArn", &user("bob"))]].concat()).await, ["implicitDeny"]);
}

#[tokio::test]
async fn pages_of_results_follow_each_other() {
    let world = World::new().await;
    let actions = (1..=5).map(|n| (format!("ActionNames.member.{n}"), format!("s3:Get{n}"))).collect::<Vec<_>>();
    let mut params = vec![("PolicyInputList.member.1", READ), ("MaxItems", "3")];
    params.extend(actions.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let first = world.root("SimulateCustomPolicy", &params).await.unwrap();
    assert_eq!(texts(&first, "EvalActionName"), ["s3:Get1", "s3:Get2", "s3:Get3"]);
    let marker = text(&first, "Marker");
    params.push(("Marker", &marker));
    assert_eq!(
        texts(&world.root("SimulateCustomPolicy", &params).await.unwrap(), "EvalActionName"),
        ["s3:Get4", "s3:Get5"]
    );
}

#[tokio::test]
async fn what_cannot_be_simulated_is_refused() {
    let world = World::new().await;
    world.user("ann").await;
    let action = ("ActionNames.member.1", "s3:GetObject");
    let policy = ("PolicyInputList.member.1", READ);
    let many = (1..=1001).map(|n| format!("ActionNames.member.{n}")).collect::<Vec<_>>();
    let mut endless: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "s3:GetObject")).collect();
    endless.extend([policy, ("ResourceArns.member.1", "*"), ("ResourceArns.member.2", "*")]);
    for (params, expected) in [
        (vec![policy], "ValidationError"),
        (vec![action], "ValidationError"),
        (vec![policy, ("ActionNames.member.1", "GetObject")], "InvalidInput"),
        (vec![policy, ("ActionNames.member.1", "s3:*")], "InvalidInput"),
        (vec![policy, action, ("ResourceArns.member.1", "b/k")], "InvalidInput"),
        (vec![policy, action, ("ResourceOwner", "me")], "InvalidInput"),
        (vec![policy, action, ("CallerArn", "arn:aws:iam::000000000000:user/nobody")], "InvalidInput"),
        (vec![policy, action, ("ResourcePolicy", READ), ("CallerArn", &user("ann"))], "InvalidInput"),
        (vec![policy, action, ("ContextEntries.member.1.ContextKeyName", "x")], "ValidationError"),
        (vec![("PolicyInputList.member.1", "{}"), action], "InvalidInput"),
        (vec![policy, action, ("PermissionsBoundaryPolicyInputList.member.1", "{}")], "InvalidInput"),
        (endless, "InvalidInput"),
    ] {
        let last = params.last().copied();
        assert_eq!(code(world.root("SimulateCustomPolicy", &params).await), expected, "{last:?}");
    }
    for (source, expected) in [
        (user("bob"), "NoSuchEntity"),
        (format!("arn:aws:iam::{ACCOUNT}:root"), "InvalidInput"),
        ("arn:aws:iam::999999999999:user/ann".to_owned(), "InvalidInput"),
    ] {
        let answer = world.root("SimulatePrincipalPolicy", &[("PolicySourceArn", &source), action]).await;
        assert_eq!(code(answer), expected, "{source}");
    }
    let nobody = world.user("nobody").await;
    for (action_name, params) in [
        ("SimulateCustomPolicy", vec![policy, action]),
        ("SimulatePrincipalPolicy", vec![("PolicySourceArn", "arn:aws:iam::000000000000:user/ann"), action]),
        ("GetContextKeysForCustomPolicy", vec![policy]),
        ("GetContextKeysForPrincipalPolicy", vec![("PolicySourceArn", "arn:aws:iam::000000000000:user/bob")]),
    ] {
        assert_eq!(code(world.ask(&nobody, action_name, &params).await), "AccessDenied", "{action_name}");
    }
}

#[tokio::test]
async fn the_condition_keys_of_policies_are_told() {
    let world = World::new().await;
    world.user_with("ann", HOME).await;
    let expected = "<ContextKeyNames><member>aws:username</member><member>s3:x-amz-server-side-encryption</member></ContextKeyNames>";
    let custom = world.root("GetContextKeysForCustomPolicy", &[("PolicyInputList.member.1", HOME)]).await.unwrap();
    let principal = world.root("GetContextKeysForPrincipalPolicy", &[("PolicySourceArn", &user("ann"))]).await.unwrap();
    assert!(custom.contains(expected) && principal.contains(expected), "{custom}\n{principal}");
}

#[tokio::test]
async fn a_small_request_does_not_make_a_large_answer() {
    let world = World::new().await;
    let keys = (0..2000).map(|n| format!(r#""a:k{n}":"v""#)).collect::<Vec<_>>().join(",");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{{keys}}}}}}}}}"#
    );
    let bucket = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"{}}}}}"#,
        " ".repeat(100_000)
    );
    let resources: Vec<_> = (1..=1500).map(|n| format!("ResourceArns.member.{n}")).collect();
    let ask = async |count: usize, more: &[(&str, &str)]| {
        let mut params: Vec<(&str, &str)> = vec![("ActionNames.member.1", "s3:GetObject")];
        params.extend(resources.iter().take(count).map(|name| (name.as_str(), "arn:aws:s3:::b/k")));
        params.extend(more);
        world.root("SimulateCustomPolicy", &params).await
    };
    let (large, of_bucket) = (("PolicyInputList.member.1", policy.as_str()), ("ResourcePolicy", bucket.as_str()));
    assert_eq!(code(ask(1500, &[large]).await), "InvalidInput");
    assert_eq!(code(ask(1500, &[("PolicyInputList.member.1", READ), of_bucket]).await), "InvalidInput");
    assert_eq!(text(&ask(1, &[large]).await.unwrap(), "EvalActionName"), "s3:GetObject");
    assert_eq!(
        text(&ask(1500, &[("PolicyInputList.member.1", READ)]).await.unwrap(), "EvalActionName"),
        "s3:GetObject"
    );
}
