//! Actions, resources and variables, seen from outside.

use super::*;

fn may(statement: &str, action: &'static str, resource: &str) -> bool {
    let mut ask = Ask::of(ann()).identity(statement);
    (ask.action, ask.resource) = (action, resource.to_owned());
    ask.decide().is_allow()
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

#[test]
fn actions_are_the_same_in_any_case() {
    for action in ["s3:GetObject", "S3:getobject", "s3:get*", "s3:*", "*", "s3:GetObjec?"] {
        assert!(may(&allow(action, "*"), "s3:GetObject", OBJECT), "{action}");
    }
    for action in ["s3:GetObjectAcl", "s3:GetObject?", "iam:GetObject", "iam:*", "s3:Object"] {
        assert!(!may(&allow(action, "*"), "s3:GetObject", OBJECT), "{action}");
    }
}

#[test]
fn resources_are_not_the_same_in_another_case() {
    for (resource, is_meant) in [
        ("arn:aws:s3:::b/a.txt", true),
        ("arn:aws:s3:::b/*", true),
        ("arn:aws:s3:::*", true),
        ("arn:aws:s3:::b*", true),
        ("arn:aws:s3:::b/?.txt", true),
        ("*", true),
        ("arn:aws:s3:::b/A.txt", false),
        ("arn:aws:s3:::b", false),
        ("arn:aws:s3:::b/", false),
        ("arn:aws:s3:::bb/*", false),
        ("arn:aws:iam::111122223333:*", false),
    ] {
        assert_eq!(may(&allow("s3:*", resource), "s3:GetObject", OBJECT), is_meant, "{resource}");
    }
}

#[test]
fn a_key_may_have_colons_and_wildcards_in_it() {
    assert!(may(&allow("s3:*", "arn:aws:s3:::b/a:b:c"), "s3:GetObject", "arn:aws:s3:::b/a:b:c"));
    assert!(may(&allow("s3:*", "arn:aws:s3:::b/*"), "s3:GetObject", "arn:aws:s3:::b/*?"));
    assert!(may(&allow("s3:*", "arn:aws:s3:::b/${*}"), "s3:GetObject", "arn:aws:s3:::b/*"));
    assert!(!may(&allow("s3:*", "arn:aws:s3:::b/${*}"), "s3:GetObject", "arn:aws:s3:::b/a"));
    assert!(!may(&allow("s3:*", "arn:aws:s3:::b/${?}"), "s3:GetObject", "arn:aws:s3:::b/a"));
    assert!(may(&allow("s3:*", "arn:aws:s3:::b/${$}{x}"), "s3:GetObject", "arn:aws:s3:::b/${x}"));
}

#[test]
fn what_is_done_to_nothing_in_particular_needs_an_open_resource() {
    assert!(may(&allow("s3:*", "*"), "s3:ListAllMyBuckets", "*"));
    assert!(may(&allow("s3:*", "arn:aws:s3:::*"), "s3:ListAllMyBuckets", "*"));
    assert!(!may(&allow("s3:*", "arn:aws:s3:::b/*"), "s3:ListAllMyBuckets", "*"));
}

#[test]
fn all_but_some_are_all_but_some() {
    let but_actions = r#"{"Effect":"Allow","NotAction":["s3:Delete*","s3:Put*"],"Resource":"*"}"#;
    assert!(may(but_actions, "s3:GetObject", OBJECT));
    assert!(!may(but_actions, "s3:DeleteObject", OBJECT));
    let but_resources = r#"{"Effect":"Allow","Action":"s3:*","NotResource":["arn:aws:s3:::b/secret/*"]}"#;
    assert!(may(but_resources, "s3:GetObject", OBJECT));
    assert!(!may(but_resources, "s3:GetObject", "arn:aws:s3:::b/secret/a"));
}

#[test]
fn a_user_has_its_own_folder() {
    let home = allow("s3:*", "arn:aws:s3:::b/home/${aws:username}/*");
    assert!(may(&home, "s3:GetObject", "arn:aws:s3:::b/home/ann/a"));
    assert!(!may(&home, "s3:GetObject", "arn:aws:s3:::b/home/bob/a"));
    assert!(!may(&home, "s3:GetObject", "arn:aws:s3:::b/home/${aws:username}/a"));
}

#[test]
fn a_wildcard_in_a_value_is_a_character() {
    let home = allow("s3:*", "arn:aws:s3:::b/home/${aws:username}/*");
    let mut ask = Ask::of(user_of(OURS, "*")).identity(&home);
    ask.resource = "arn:aws:s3:::b/home/ann/a".to_owned();
    ask.lacks(PolicyType::Identity);
    ask.resource = "arn:aws:s3:::b/home/*/a".to_owned();
    ask.is_allowed();
}

#[test]
fn a_variable_that_stands_for_nothing_matches_nothing() {
    // A session has no user name.
    let mut ask = Ask::of(session_of(OURS, "r")).identity(&allow("s3:*", "arn:aws:s3:::b/home/${aws:username}*"));
    for resource in ["arn:aws:s3:::b/home/", "arn:aws:s3:::b/home/${aws:username}"] {
        ask.resource = resource.to_owned();
        ask.lacks(PolicyType::Identity);
    }
    let mut ask =
        Ask::of(session_of(OURS, "r")).identity(&allow("s3:*", "arn:aws:s3:::b/home/${aws:username, 'guest'}/*"));
    ask.resource = "arn:aws:s3:::b/home/guest/a".to_owned();
    ask.is_allowed();
}

#[test]
fn all_but_what_stands_for_nothing_is_granted_to_nobody_and_denied_to_all() {
    let element = r#""Action":"s3:*","NotResource":"arn:aws:s3:::b/${aws:username}/*""#;
    let session = || Ask::of(session_of(OURS, "r"));
    session().identity(&format!(r#"{{"Effect":"Allow",{element}}}"#)).lacks(PolicyType::Identity);
    let denied = session().identity(READ).identity(&format!(r#"{{"Effect":"Deny",{element}}}"#));
    denied.is_denied(PolicyType::Identity);
}

#[test]
fn version_2008_knows_no_variables() {
    let text = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::b/${aws:username}"}}"#;
    for document in [text.to_owned(), text.replace(r#""Version":"2008-10-17","#, "")] {
        let mut ask = Ask::of(ann());
        ask.policy = Some(Policy::parse(&document, PolicyKind::Bucket { name: "b" }, 20_480).unwrap());
        ask.resource = "arn:aws:s3:::b/ann".to_owned();
        ask.lacks(PolicyType::Identity);
        ask.resource = "arn:aws:s3:::b/${aws:username}".to_owned();
        ask.is_allowed();
    }
}

/// Patterns that fill a policy, against the longest key: a matcher that tries again would not come to an end.
#[test]
fn a_policy_of_wildcards_is_answered() {
    let pattern = format!("arn:aws:s3:::b/{}x", "*a?".repeat(70));
    let statements = vec![to(EVERYONE).replace("arn:aws:s3:::b/*", &pattern); 50].join(",");
    let mut ask = Ask::of(Caller::anonymous()).bucket(&statements);
    ask.resource = format!("arn:aws:s3:::b/{}", "a".repeat(1024));
    ask.lacks(PolicyType::Resource);
    ask.resource.push('x');
    ask.is_allowed();
}
