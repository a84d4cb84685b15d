//! Policy documents: bounded, strict, answered alike however they are laid out, and never more than a denial admits.

#![no_main]

use std::sync::Arc;

use coffer_access::{AclGrant, Caller, Context, Decision, Policy, PolicyKind, Principal, Question, evaluate};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const MAX_LEN: usize = 20_480;
const KINDS: [PolicyKind<'static>; 4] =
    [PolicyKind::Identity, PolicyKind::Bucket { name: "b" }, PolicyKind::Trust, PolicyKind::Key];
const ACTIONS: [&str; 5] = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "sts:AssumeRole", "kms:Decrypt"];
const RESOURCES: [&str; 4] = [
    "arn:aws:s3:::b/home/ann/a.txt",
    "arn:aws:s3:::b",
    "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "*",
];

fuzz_target!(|document: &str| {
    for kind in KINDS {
        let policy = match Policy::parse(document, kind, MAX_LEN) {
            Ok(policy) => policy,
            Err(error) => {
                assert!(!error.0.is_empty());
                continue;
            }
        };
        let mut json: Value = serde_json::from_str(document).expect("a policy is JSON");
        assert!(Policy::len_of(document) <= document.len());
        policy.named_principals().iter().for_each(|name| assert!(!name.is_empty()));
        let answers = answers(policy, kind);

        let again = json.to_string();
        if again.len() <= MAX_LEN {
            let policy = Policy::parse(&again, kind, MAX_LEN).expect("it was a policy");
            assert_eq!(self::answers(policy, kind), answers);
        }
        let mut statements = match json["Statement"].take() {
            Value::Array(statements) => statements,
            one => vec![one],
        };
        statements.push(denial(kind));
        json["Statement"] = Value::Array(statements);
        if json.to_string().len() <= MAX_LEN {
            let policy = Policy::parse(&json.to_string(), kind, MAX_LEN).expect("it was a policy without the denial");
            assert!(self::answers(policy, kind).iter().all(|answer| !answer.is_allow()));
        }
    }
});

/// The answers to all questions. Callers from another account, since the root user needs no policy.
fn answers(policy: Policy, kind: PolicyKind<'_>) -> Vec<Decision> {
    let user = Principal::User {
        account: "111122223333".to_owned(),
        path: "/".to_owned(),
        name: "ann".to_owned(),
        id: "AIDAANN".to_owned(),
    };
    let callers = [Caller::anonymous(), Caller::root("111122223333"), Caller::bare(user, "User")];
    let mut context = Context::new();
    context.set("aws:SecureTransport", "true");
    context.set("aws:SourceIp", "203.0.113.7");
    context.set("aws:CurrentTime", "2026-01-02T03:04:05Z");
    context.set("s3:max-keys", "10");
    context.set("aws:Referer", "a*?${aws:username}");
    let is_identity = kind == PolicyKind::Identity;
    let policy = Arc::new(policy);
    let mut answers = Vec::new();
    for mut caller in callers {
        if is_identity {
            caller.identity_policies.push(Arc::clone(&policy));
        }
        for action in ACTIONS {
            for resource in RESOURCES {
                answers.push(evaluate(&Question {
                    caller: &caller,
                    action,
                    resource,
                    owner: "444455556666",
                    resource_policy: (!is_identity).then_some(&*policy),
                    acl: if is_identity { AclGrant::Account } else { AclGrant::None },
                    context: &context,
                }));
            }
        }
    }
    answers
}

/// A statement that denies everything that is asked.
fn denial(kind: PolicyKind<'_>) -> Value {
    match kind {
        PolicyKind::Identity => json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
        PolicyKind::Bucket { .. } => json!({"Effect": "Deny", "Principal": "*", "NotAction": "s3:CreateBucket",
            "NotResource": "arn:aws:s3:::b/none"}),
        PolicyKind::Key => {
            json!({"Effect": "Deny", "Principal": {"AWS": "*"}, "NotAction": "kms:CreateKey", "Resource": "*"})
        }
        PolicyKind::Trust => json!({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:*"}),
    }
}
