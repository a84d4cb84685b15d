//! Denials, and `NotPrincipal`.

use super::*;

fn no(principal: &str, element: &str) -> String {
    format!(r#"{{"Effect":"Deny","{element}":{principal},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}}"#)
}

#[test]
fn a_denial_wins_wherever_it_is() {
    let allowed = || Ask::of(ann()).identity(READ).bucket(&to(ANN));
    allowed().is_allowed();
    allowed().identity(NO_READ).is_denied(PolicyType::Identity);
    allowed().boundary(NO_READ).is_denied(PolicyType::Boundary);
    allowed().boundary(&format!("{READ},{NO_READ}")).is_denied(PolicyType::Boundary);
    allowed().session(NO_READ).is_denied(PolicyType::Session);
    allowed().bucket(&no(ANN, "Principal")).is_denied(PolicyType::Resource);
    allowed().bucket(&format!("{},{}", no(ANN, "Principal"), to(ANN))).is_denied(PolicyType::Resource);
    allowed().acl(AclGrant::Everyone).bucket(&no(ANN, "Principal")).is_denied(PolicyType::Resource);
}

#[test]
fn root_is_denied_like_anybody() {
    Ask::of(Caller::root(OURS)).bucket(&no(EVERYONE, "Principal")).is_denied(PolicyType::Resource);
    Ask::of(Caller::root(OURS)).bucket(&no(ANN, "Principal")).is_allowed();
    Ask::of(Caller::root(OURS)).identity(NO_READ).is_denied(PolicyType::Identity);
}

#[test]
fn a_denial_of_the_account_or_the_role_is_one_of_all_in_it() {
    let allowed = |caller| Ask::of(caller).identity(READ);
    allowed(ann()).bucket(&no(ACCOUNT, "Principal")).is_denied(PolicyType::Resource);
    allowed(session_of(OURS, "r")).bucket(&no(ACCOUNT, "Principal")).is_denied(PolicyType::Resource);
    allowed(session_of(OURS, "r")).bucket(&no(ROLE, "Principal")).is_denied(PolicyType::Resource);
    allowed(session_of(OURS, "r2")).bucket(&no(ROLE, "Principal")).is_allowed();
    allowed(ann()).bucket(&no(r#"{"AWS":"444455556666"}"#, "Principal")).is_allowed();
}

#[test]
fn not_principal_spares_those_that_it_names_themselves() {
    let both = r#"{"AWS":["arn:aws:iam::111122223333:user/ann","111122223333"]}"#;
    let allowed = |caller| Ask::of(caller).identity(READ);
    allowed(ann()).bucket(&no(both, "NotPrincipal")).is_allowed();
    allowed(user_of(OURS, "bob")).bucket(&no(both, "NotPrincipal")).is_denied(PolicyType::Resource);
    allowed(Caller::root(OURS)).bucket(&no(both, "NotPrincipal")).is_allowed();
    allowed(Caller::root(OURS)).bucket(&no(ANN, "NotPrincipal")).is_denied(PolicyType::Resource);
    Ask::of(Caller::anonymous()).bucket(&no(both, "NotPrincipal")).is_denied(PolicyType::Resource);
}

#[test]
fn not_principal_does_not_spare_the_sessions_of_a_role_that_it_names() {
    let session = || Ask::of(session_of(OURS, "r")).identity(READ);
    session().bucket(&no(ROLE, "NotPrincipal")).is_denied(PolicyType::Resource);
    session().bucket(&no(SESSION, "NotPrincipal")).is_allowed();
}

#[test]
fn not_principal_spares_nobody_with_a_boundary() {
    let ask = Ask::of(ann()).identity(READ).bucket(&no(ANN, "NotPrincipal"));
    ask.is_allowed();
    ask.boundary(READ).is_denied(PolicyType::Resource);
}

#[test]
fn a_denial_says_which_policy_it_is_from() {
    let reason = |explicit, by| Denial { explicit, by }.reason("s3:GetObject");
    for (by, implicit, explicit) in [
        (
            PolicyType::Identity,
            "because no identity-based policy allows the s3:GetObject action",
            "with an explicit deny in an identity-based policy",
        ),
        (
            PolicyType::Resource,
            "because no resource-based policy allows the s3:GetObject action",
            "with an explicit deny in a resource-based policy",
        ),
        (
            PolicyType::Boundary,
            "because no permissions boundary allows the s3:GetObject action",
            "with an explicit deny in a permissions boundary",
        ),
        (
            PolicyType::Session,
            "because no session policy allows the s3:GetObject action",
            "with an explicit deny in a session policy",
        ),
    ] {
        assert_eq!(reason(false, by), implicit);
        assert_eq!(reason(true, by), explicit);
    }
    let trust = Denial { explicit: false, by: PolicyType::Resource }.reason("sts:AssumeRole");
    assert_eq!(trust, "because no role trust policy allows the sts:AssumeRole action");
}
