//! Who needs what, within an account, across accounts, and with none.

use super::*;

#[test]
fn a_user_may_nothing_until_a_policy_says_so() {
    Ask::of(ann()).lacks(PolicyType::Identity);
    Ask::of(ann()).identity(WRITE).lacks(PolicyType::Identity);
    Ask::of(ann()).identity(WRITE).identity(READ).is_allowed();
}

#[test]
fn root_may_anything_in_its_account_and_nothing_in_another() {
    Ask::of(Caller::root(OURS)).is_allowed();
    Ask::of(Caller::root(THEIRS)).lacks(PolicyType::Resource);
}

#[test]
fn a_policy_that_names_the_user_is_enough() {
    Ask::of(ann()).bucket(&to(ANN)).is_allowed();
    Ask::of(user_of(OURS, "bob")).bucket(&to(ANN)).lacks(PolicyType::Identity);
    Ask::of(user_of(OURS, "Ann")).bucket(&to(ANN)).lacks(PolicyType::Identity);
    Ask::of(user_of(THEIRS, "ann")).bucket(&to(ANN)).lacks(PolicyType::Identity);
}

#[test]
fn a_policy_that_names_the_account_leaves_it_to_the_account() {
    for account in [ACCOUNT, r#"{"AWS":"arn:aws:iam::111122223333:root"}"#] {
        Ask::of(ann()).bucket(&to(account)).lacks(PolicyType::Identity);
        Ask::of(ann()).bucket(&to(account)).identity(READ).is_allowed();
    }
}

#[test]
fn the_unique_id_names_a_user_and_a_role() {
    Ask::of(ann()).bucket(&to(r#"{"AWS":"AIDAANN"}"#)).is_allowed();
    Ask::of(ann()).bucket(&to(r#"{"AWS":"AIDABOB"}"#)).lacks(PolicyType::Identity);
    Ask::of(session_of(OURS, "r")).bucket(&to(r#"{"AWS":"AROAR"}"#)).is_allowed();
}

#[test]
fn everybody_is_anybody() {
    for everyone in [EVERYONE, r#"{"AWS":"*"}"#] {
        Ask::of(Caller::anonymous()).bucket(&to(everyone)).is_allowed();
        Ask::of(ann()).bucket(&to(everyone)).is_allowed();
        Ask::of(Caller::root(THEIRS)).bucket(&to(everyone)).is_allowed();
        Ask::of(user_of(THEIRS, "zoe")).bucket(&to(everyone)).lacks(PolicyType::Identity);
    }
}

#[test]
fn anonymous_is_nobody_in_particular() {
    Ask::of(Caller::anonymous()).lacks(PolicyType::Resource);
    Ask::of(Caller::anonymous()).bucket(&to(ACCOUNT)).lacks(PolicyType::Resource);
    Ask::of(Caller::anonymous()).bucket(&to(r#"{"Service":"logging.s3.amazonaws.com"}"#)).lacks(PolicyType::Resource);
    // Policies that hang on nobody by mistake grant nothing.
    Ask::of(Caller::anonymous()).identity(READ).lacks(PolicyType::Resource);
}

#[test]
fn a_service_needs_a_policy_that_names_it() {
    Ask::of(service()).lacks(PolicyType::Resource);
    Ask::of(service()).bucket(&to(r#"{"Service":"logging.s3.amazonaws.com"}"#)).is_allowed();
    Ask::of(service()).bucket(&to(r#"{"Service":"sns.amazonaws.com"}"#)).lacks(PolicyType::Resource);
}

#[test]
fn across_accounts_both_sides_have_to_allow() {
    let zoe = || Ask::of(user_of(THEIRS, "zoe"));
    for principal in [r#"{"AWS":"arn:aws:iam::444455556666:user/zoe"}"#, r#"{"AWS":"444455556666"}"#, EVERYONE] {
        zoe().bucket(&to(principal)).lacks(PolicyType::Identity);
        zoe().bucket(&to(principal)).identity(READ).is_allowed();
        zoe().bucket(&to(principal)).identity(READ).boundary(WRITE).lacks(PolicyType::Boundary);
        zoe().bucket(&to(principal)).identity(READ).session(WRITE).lacks(PolicyType::Session);
    }
    zoe().identity(READ).lacks(PolicyType::Resource);
    zoe().identity(READ).bucket(&to(ANN)).lacks(PolicyType::Resource);
    Ask::of(Caller::root(THEIRS)).bucket(&to(r#"{"AWS":"444455556666"}"#)).is_allowed();
}

#[test]
fn a_boundary_limits_what_identity_policies_allow() {
    Ask::of(ann()).identity(READ).boundary(WRITE).lacks(PolicyType::Boundary);
    Ask::of(ann()).identity(READ).boundary(READ).is_allowed();
    Ask::of(ann()).boundary(READ).lacks(PolicyType::Identity);
    Ask::of(ann()).identity(READ).bucket(&to(ACCOUNT)).boundary(WRITE).lacks(PolicyType::Boundary);
}

#[test]
fn a_boundary_does_not_limit_what_a_bucket_grants_to_the_user() {
    Ask::of(ann()).boundary(WRITE).bucket(&to(ANN)).is_allowed();
    Ask::of(ann()).boundary(WRITE).bucket(&to(EVERYONE)).is_allowed();
}

#[test]
fn what_is_granted_to_a_role_is_limited_by_boundary_and_session() {
    let session = || Ask::of(session_of(OURS, "r"));
    for principal in [ROLE, EVERYONE] {
        session().bucket(&to(principal)).is_allowed();
        session().bucket(&to(principal)).boundary(WRITE).lacks(PolicyType::Boundary);
        session().bucket(&to(principal)).session(WRITE).lacks(PolicyType::Session);
        session().bucket(&to(principal)).boundary(READ).session(READ).is_allowed();
    }
    session().bucket(&to(r#"{"AWS":"arn:aws:iam::111122223333:role/r2"}"#)).lacks(PolicyType::Identity);
}

#[test]
fn what_is_granted_to_a_session_is_not_limited() {
    let session = || Ask::of(session_of(OURS, "r")).bucket(&to(SESSION));
    session().is_allowed();
    session().boundary(WRITE).session(WRITE).is_allowed();
    session().boundary(NO_READ).is_denied(PolicyType::Boundary);
    Ask::of(session_of(OURS, "r2")).bucket(&to(SESSION)).lacks(PolicyType::Identity);
}

#[test]
fn one_of_the_session_policies_has_to_allow_too() {
    let session = || Ask::of(session_of(OURS, "r")).identity(READ);
    session().session(READ).is_allowed();
    session().session(WRITE).lacks(PolicyType::Session);
    session().session(WRITE).session(READ).is_allowed();
    Ask::of(session_of(OURS, "r")).session(READ).lacks(PolicyType::Identity);
    let mut none = session();
    none.caller.session_policies = Some(Vec::new());
    none.lacks(PolicyType::Session);
}

#[test]
fn lists_grant_to_accounts_and_to_everybody() {
    Ask::of(ann()).acl(AclGrant::Account).lacks(PolicyType::Identity);
    Ask::of(ann()).acl(AclGrant::Account).identity(READ).is_allowed();
    Ask::of(Caller::root(THEIRS)).acl(AclGrant::Account).is_allowed();
    Ask::of(user_of(THEIRS, "zoe")).acl(AclGrant::Account).lacks(PolicyType::Identity);
    Ask::of(user_of(THEIRS, "zoe")).acl(AclGrant::Account).identity(READ).is_allowed();
    Ask::of(user_of(THEIRS, "zoe")).acl(AclGrant::None).identity(READ).lacks(PolicyType::Resource);
    Ask::of(Caller::anonymous()).acl(AclGrant::Everyone).is_allowed();
    Ask::of(ann()).acl(AclGrant::Everyone).is_allowed();
    Ask::of(session_of(OURS, "r")).acl(AclGrant::Everyone).session(WRITE).lacks(PolicyType::Session);
    Ask::of(Caller::anonymous()).acl(AclGrant::Everyone).bucket(&deny_all()).is_denied(PolicyType::Resource);
}

fn deny_all() -> String {
    r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#.to_owned()
}

const ASSUME: &str = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;

fn trust(principal: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#)
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    Ask::of(ann()).trust(&trust(ANN)).is_allowed();
    Ask::of(ann()).trust(&trust(ACCOUNT)).lacks(PolicyType::Identity);
    Ask::of(ann()).trust(&trust(ACCOUNT)).identity(ASSUME).is_allowed();
    Ask::of(ann()).trust(&trust(ROLE)).identity(ASSUME).lacks(PolicyType::Resource);
    Ask::of(Caller::root(OURS)).trust(&trust(ROLE)).lacks(PolicyType::Resource);
    Ask::of(Caller::root(OURS)).trust(&trust(ACCOUNT)).is_allowed();
    let zoe = || Ask::of(user_of(THEIRS, "zoe"));
    zoe().trust(&trust(r#"{"AWS":"444455556666"}"#)).lacks(PolicyType::Identity);
    zoe().trust(&trust(r#"{"AWS":"444455556666"}"#)).identity(ASSUME).is_allowed();
    zoe().trust(&trust(ANN)).identity(ASSUME).lacks(PolicyType::Resource);
}

#[test]
fn a_provider_vouches_only_where_it_is_named_exactly() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/id.example";
    let named = |provider: &str| trust(&format!(r#"{{"Federated":"{provider}"}}"#));
    let asks = || Ask::of(Caller::bare(Principal::WebIdentity { provider: provider.to_owned() }, "FederatedUser"));
    asks().trust(&named(provider)).is_allowed();
    asks().trust(&named("arn:aws:iam::111122223333:oidc-provider/id.exampl")).lacks(PolicyType::Resource);
    asks().trust(&named("arn:aws:iam::111122223333:oidc-provider/id.example2")).lacks(PolicyType::Resource);
    asks().trust(&trust(r#"{"AWS":"*"}"#)).lacks(PolicyType::Resource);
}

#[test]
fn a_canonical_user_is_an_account_once_it_is_told_which() {
    let id = "0123456789abcdef".repeat(4);
    let mut ask = Ask::of(Caller::root(THEIRS)).bucket(&to(&format!(r#"{{"CanonicalUser":"{id}"}}"#)));
    ask.lacks(PolicyType::Resource);
    let policy = ask.policy.as_mut().unwrap();
    assert_eq!(policy.canonical_users(), [id.as_str()]);
    policy.resolve_canonical_users(&[(id, THEIRS.to_owned())].into());
    assert!(policy.canonical_users().is_empty());
    ask.is_allowed();
}

#[test]
fn an_arn_is_whom_it_was_said_to_be_and_nobody_of_the_same_name() {
    for (named, arn, id, other, caller) in [
        (ANN, "arn:aws:iam::111122223333:user/ann", "AIDAANN", "AIDAOTHER", ann()),
        (ROLE, "arn:aws:iam::111122223333:role/r", "AROAR", "AROAOTHER", session_of(OURS, "r")),
        (SESSION, "arn:aws:sts::111122223333:assumed-role/r/s", "AROAR:s", "AROAOTHER:s", session_of(OURS, "r")),
    ] {
        let told = |id: &str| {
            let mut ask = Ask::of(caller.clone()).bucket(&to(named));
            let policy = ask.policy.as_mut().unwrap();
            assert_eq!(policy.named_principals(), [arn]);
            policy.resolve_principals(&[(arn.to_owned(), id.to_owned())].into());
            ask
        };
        told(id).is_allowed();
        told(other).lacks(PolicyType::Identity);
    }
    // Who has been renamed is still the same.
    let mut ask = Ask::of(ann()).bucket(&to(r#"{"AWS":"arn:aws:iam::111122223333:user/anna"}"#));
    let ids = [("arn:aws:iam::111122223333:user/anna".to_owned(), "AIDAANN".to_owned())];
    ask.policy.as_mut().unwrap().resolve_principals(&ids.into());
    ask.is_allowed();
}
