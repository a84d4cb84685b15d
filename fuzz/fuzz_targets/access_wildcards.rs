//! Wildcards, in resources and in conditions, against a table of what they mean. The input is a pattern, a line feed and
//! a text.

#![no_main]

use std::sync::Arc;

use coffer_access::{AclGrant, Caller, Context, Policy, PolicyKind, Principal, Question, evaluate};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const ACCOUNT: &str = "111122223333";

fuzz_target!(|input: &str| {
    let Some((pattern, text)) = input.split_once('\n') else { return };
    if pattern.len() + text.len() > 4000 {
        return;
    }
    let expected = matches(pattern, text);
    // Version 2008-10-17 has no variables, so that every character but the wildcards is itself.
    let resource = json!({"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::b/{pattern}")}});
    assert_eq!(may_get(&resource.to_string(), text, "", Caller::anonymous()), expected);
    for (operator, expected) in [("StringLike", expected), ("StringNotLike", !expected)] {
        let condition = json!({"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            "Condition": {operator: {"aws:Referer": pattern}}}});
        assert_eq!(may_get(&condition.to_string(), "a", text, Caller::anonymous()), expected);
    }

    // Nothing in a value is a wildcard or a variable.
    let user = Principal::User {
        account: ACCOUNT.to_owned(),
        path: "/".to_owned(),
        name: text.to_owned(),
        id: "AIDAANN".to_owned(),
    };
    let mut caller = Caller::bare(user, "User");
    let home = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*",
        "Resource": "arn:aws:s3:::b/${aws:username}"}});
    let home = Policy::parse(&home.to_string(), PolicyKind::Identity, 6144).expect("a policy");
    caller.identity_policies.push(Arc::new(home));
    let none =
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}}"#;
    assert_eq!(may_get(none, pattern, "", caller), pattern == text);
});

fn may_get(policy: &str, key: &str, referer: &str, caller: Caller) -> bool {
    let policy = Policy::parse(policy, PolicyKind::Bucket { name: "b" }, 65_536).expect("a policy");
    let mut context = Context::new();
    context.set("aws:Referer", referer);
    evaluate(&Question {
        caller: &caller,
        action: "s3:GetObject",
        resource: &format!("arn:aws:s3:::b/{key}"),
        owner: ACCOUNT,
        resource_policy: Some(&policy),
        acl: AclGrant::None,
        context: &context,
    })
    .is_allow()
}

/// Whether a pattern matches, row by row: `row[i]` says whether what was read of it matches the first `i` characters.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut row: Vec<bool> = std::iter::once(true).chain(text.iter().map(|_| false)).collect();
    for wanted in pattern.chars() {
        let mut next = vec![wanted == '*' && row[0]];
        for (index, char) in text.iter().enumerate() {
            next.push(match wanted {
                '*' => row[index + 1] || next[index],
                '?' => row[index],
                _ => row[index] && wanted == *char,
            });
        }
        row = next;
    }
    row[text.len()]
}
