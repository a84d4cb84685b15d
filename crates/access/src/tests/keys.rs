//! The policies of KMS keys: whoever is allowed something is named by the policy or by a grant, or their account is.

use super::*;

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1";
const ENABLE_ACCOUNT: &str =
    r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;
const USE: &str = r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}"#;
const NO_USE: &str = r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"}"#;

fn key(statements: &str) -> Policy {
    Policy::parse(&document(statements), PolicyKind::Key, 32_768).unwrap()
}

/// A statement that lets a `Principal` decrypt.
fn lets(principal: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"kms:Decrypt","Resource":"*"}}"#)
}

/// May they decrypt with a key of [`OURS`] that has this policy?
fn ask(caller: Caller, policy: Policy) -> Ask {
    let ask = Ask::of(caller);
    Ask { action: "kms:Decrypt", resource: KEY.to_owned(), policy: Some(policy), ..ask }
}

fn granted(principal: &str, actions: &[&str]) -> Policy {
    let mut policy = key(&lets(r#"{"AWS":"999999999999"}"#));
    policy.grant(principal, actions);
    policy
}

#[test]
fn an_identity_policy_alone_is_not_enough() {
    let others = || key(&lets(r#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#));
    ask(ann(), others()).identity(USE).lacks(PolicyType::Resource);
    ask(session_of(OURS, "r"), others()).identity(USE).lacks(PolicyType::Resource);
}

#[test]
fn even_the_root_user_needs_the_key_policy() {
    ask(Caller::root(OURS), key(&lets(ANN))).lacks(PolicyType::Resource);
    ask(Caller::root(OURS), key(ENABLE_ACCOUNT)).is_allowed();
}

#[test]
fn a_policy_that_names_the_account_leaves_it_to_the_identity_policies() {
    ask(ann(), key(ENABLE_ACCOUNT)).lacks(PolicyType::Identity);
    ask(ann(), key(ENABLE_ACCOUNT)).identity(USE).is_allowed();
    ask(ann(), key(ENABLE_ACCOUNT)).identity(USE).boundary(READ).lacks(PolicyType::Boundary);
    ask(session_of(OURS, "r"), key(ENABLE_ACCOUNT)).identity(USE).session(READ).lacks(PolicyType::Session);
}

#[test]
fn a_policy_that_names_the_caller_is_enough() {
    ask(ann(), key(&lets(ANN))).is_allowed();
    ask(session_of(OURS, "r"), key(&lets(ROLE))).is_allowed();
    ask(session_of(OURS, "r"), key(&lets(ROLE))).session(READ).lacks(PolicyType::Session);
    ask(ann(), key(&lets(EVERYONE))).is_allowed();
}

#[test]
fn a_denial_wins_wherever_it_is() {
    let denied = format!(r#"{},{{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}"#, lets(ANN));
    ask(ann(), key(&denied)).is_denied(PolicyType::Resource);
    ask(ann(), key(&lets(ANN))).identity(NO_USE).is_denied(PolicyType::Identity);
    ask(ann(), granted("AIDAANN", &["kms:Decrypt"])).boundary(NO_USE).is_denied(PolicyType::Boundary);
    ask(Caller::root(OURS), key(&format!("{ENABLE_ACCOUNT},{denied}"))).is_denied(PolicyType::Resource);
}

#[test]
fn from_another_account_both_sides_have_to_allow() {
    let eve = || user_of(THEIRS, "eve");
    let named = || key(&lets(r#"{"AWS":"arn:aws:iam::444455556666:user/eve"}"#));
    let account = || key(&lets(r#"{"AWS":"444455556666"}"#));
    for policy in [named, account] {
        ask(eve(), policy()).lacks(PolicyType::Identity);
        ask(eve(), policy()).identity(USE).is_allowed();
    }
    ask(eve(), key(ENABLE_ACCOUNT)).identity(USE).lacks(PolicyType::Resource);
    ask(Caller::root(THEIRS), key(ENABLE_ACCOUNT)).lacks(PolicyType::Resource);
    ask(eve(), granted("AIDAEVE", &["kms:Decrypt"])).lacks(PolicyType::Identity);
    ask(eve(), granted("AIDAEVE", &["kms:Decrypt"])).identity(USE).is_allowed();
}

#[test]
fn a_grant_is_as_good_as_a_statement_for_whom_it_names() {
    ask(ann(), granted("AIDAANN", &["kms:Decrypt"])).is_allowed();
    ask(ann(), granted("AIDAANN", &["kms:Encrypt", "kms:DescribeKey"])).lacks(PolicyType::Identity);
    ask(ann(), granted("AIDABOB", &["kms:Decrypt"])).lacks(PolicyType::Identity);
    ask(session_of(OURS, "r"), granted("AROAR", &["kms:Decrypt"])).is_allowed();
    ask(session_of(OURS, "r"), granted("AROAR:s", &["kms:Decrypt"])).session(READ).is_allowed();
    ask(session_of(OURS, "r"), granted("AROAR:other", &["kms:Decrypt"])).lacks(PolicyType::Identity);
    ask(ann(), granted(OURS, &["kms:Decrypt"])).lacks(PolicyType::Identity);
    ask(ann(), granted(OURS, &["kms:Decrypt"])).identity(USE).is_allowed();
}

#[test]
fn nobody_uses_a_key_without_a_signature() {
    ask(Caller::anonymous(), key(&lets(EVERYONE))).lacks(PolicyType::Resource);
    ask(service(), key(&lets(r#"{"Service":"logging.s3.amazonaws.com"}"#))).is_allowed();
}

#[test]
fn a_statement_about_another_key_has_no_effect() {
    let about = |key: &str| lets(ANN).replace(r#""Resource":"*""#, &format!(r#""Resource":"{key}""#));
    ask(ann(), key(&about(KEY))).is_allowed();
    ask(ann(), key(&about("arn:aws:kms:us-east-1:111122223333:key/2"))).lacks(PolicyType::Identity);
}

#[test]
fn a_user_of_the_same_name_is_somebody_else_once_the_policy_is_resolved() {
    let mut policy = key(&lets(ANN));
    policy.resolve_principals(&[("arn:aws:iam::111122223333:user/ann".to_owned(), "AIDAEARLIER".to_owned())].into());
    ask(ann(), policy).identity(USE).lacks(PolicyType::Resource);
}

#[test]
fn documents_that_are_no_key_policy_are_refused_in_the_words_of_kms() {
    let valid = lets(ANN);
    for (from, to, message) in [
        (r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"#, "", "Missing required field Principal"),
        (ANN, r#"{"AWS":"ann"}"#, "Policy contains a statement with one or more invalid principals."),
        (ANN, r#"{"AWS":[]}"#, "Policy contains a statement with one or more invalid principals."),
        (ANN, r#"{"CanonicalUser":"a"}"#, "Policy contains a statement with one or more invalid principals."),
        (ANN, r#""ann""#, "Policy contains a statement with one or more invalid principals."),
        (r#""Principal""#, r#""NotPrincipal""#, "Allow with NotPrincipal is not allowed."),
        ("kms:Decrypt", "s3:GetObject", "Policy has invalid action"),
        ("kms:Decrypt", "kms:", "Policy has invalid action"),
        (r#","Resource":"*""#, "", "Missing required field Resource"),
        (r#""Resource":"*""#, r#""Resource":[]"#, "Missing required field Resource cannot be empty!"),
        (r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::b""#, "Policy has invalid resource"),
        (r#""Allow""#, r#""Maybe""#, "Invalid effect: Maybe"),
    ] {
        let document = document(&valid.replacen(from, to, 1));
        let error = Policy::parse(&document, PolicyKind::Key, 32_768).unwrap_err();
        assert_eq!(error.0, message, "{document}");
    }
    let long = document(&format!("{valid}{}", " ".repeat(32_768)));
    assert!(Policy::parse(&long, PolicyKind::Key, 32_768).is_err());
}
