//! Whole questions, from documents to decisions.

mod accounts;
mod deny;
mod keys;
mod matching;
mod model;
mod public;
mod reference;

use std::sync::Arc;

use crate::{
    AclGrant, Caller, Context, Decision, Denial, Policy, PolicyKind, PolicyType, Principal, Question, evaluate,
};

#[test]
fn a_policy_says_which_keys_it_looks_at() {
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringNotLike":{"s3:ExistingObjectTag/A":"${s3:prefix}"}}}
    ]}"#;
    let policy = Policy::parse(text, PolicyKind::Identity, 6144).unwrap();
    for looked_at in ["aws:username", "s3:existingobjecttag/", "S3:ExistingObjectTag/a", "s3:Prefix"] {
        assert!(policy.looks_at(looked_at), "{looked_at}");
    }
    for other in ["aws:userid", "s3:existingobjecttag/b", "s3:delimiter", "s3:existingobjecttags"] {
        assert!(!policy.looks_at(other), "{other}");
    }
}

const OURS: &str = "111122223333";
const THEIRS: &str = "444455556666";
const OBJECT: &str = "arn:aws:s3:::b/a.txt";

/// A question about `s3:GetObject` of an object of a bucket of [`OURS`].
struct Ask {
    caller: Caller,
    action: &'static str,
    resource: String,
    owner: &'static str,
    policy: Option<Policy>,
    acl: AclGrant,
    context: Context,
}

impl Ask {
    fn of(caller: Caller) -> Self {
        Self {
            caller,
            action: "s3:GetObject",
            resource: OBJECT.to_owned(),
            owner: OURS,
            policy: None,
            acl: AclGrant::None,
            context: Context::new(),
        }
    }

    fn identity(mut self, statements: &str) -> Self {
        self.caller.identity_policies.push(identity(statements));
        self
    }

    fn boundary(mut self, statements: &str) -> Self {
        self.caller.boundary = Some(identity(statements));
        self
    }

    fn session(mut self, statements: &str) -> Self {
        self.caller.session_policies.get_or_insert_default().push(identity(statements));
        self
    }

    fn bucket(mut self, statements: &str) -> Self {
        self.policy = Some(bucket(statements));
        self
    }

    fn trust(mut self, statements: &str) -> Self {
        self.action = "sts:AssumeRole";
        self.resource = format!("arn:aws:iam::{OURS}:role/r");
        self.policy = Some(Policy::parse(&document(statements), PolicyKind::Trust, 2048).unwrap());
        self
    }

    fn acl(mut self, acl: AclGrant) -> Self {
        self.acl = acl;
        self
    }

    fn decide(&self) -> Decision {
        evaluate(&Question {
            caller: &self.caller,
            action: self.action,
            resource: &self.resource,
            owner: self.owner,
            resource_policy: self.policy.as_ref(),
            acl: self.acl,
            context: &self.context,
        })
    }

    fn is_allowed(&self) {
        assert_eq!(self.decide(), Decision::Allow);
    }

    /// Nothing allows it, and it is this kind of policy that would have to.
    fn lacks(&self, by: PolicyType) {
        assert_eq!(self.decide(), Decision::Deny(Denial { explicit: false, by }));
    }

    fn is_denied(&self, by: PolicyType) {
        assert_eq!(self.decide(), Decision::Deny(Denial { explicit: true, by }));
    }
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn identity(statements: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(&document(statements), PolicyKind::Identity, 6144).unwrap())
}

fn bucket(statements: &str) -> Policy {
    Policy::parse(&document(statements), PolicyKind::Bucket { name: "b" }, 20_480).unwrap()
}

fn user_of(account: &str, name: &str) -> Caller {
    let principal = Principal::User {
        account: account.to_owned(),
        path: "/".to_owned(),
        name: name.to_owned(),
        id: format!("AIDA{}", name.to_uppercase()),
    };
    Caller::bare(principal, "User")
}

fn session_of(account: &str, role: &str) -> Caller {
    let principal = Principal::Session {
        account: account.to_owned(),
        role_path: "/".to_owned(),
        role_name: role.to_owned(),
        role_id: format!("AROA{}", role.to_uppercase()),
        session_name: "s".to_owned(),
    };
    Caller::bare(principal, "AssumedRole")
}

fn ann() -> Caller {
    user_of(OURS, "ann")
}

fn service() -> Caller {
    Caller::bare(Principal::Service { name: "logging.s3.amazonaws.com".to_owned() }, "Service")
}

/// A statement of a bucket's policy about its objects, for a `Principal`.
fn to(principal: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}"#)
}

const READ: &str = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
const WRITE: &str = r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}"#;
const NO_READ: &str = r#"{"Effect":"Deny","Action":"s3:Get*","Resource":"*"}"#;
const ANN: &str = r#"{"AWS":"arn:aws:iam::111122223333:user/ann"}"#;
const ACCOUNT: &str = r#"{"AWS":"111122223333"}"#;
const ROLE: &str = r#"{"AWS":"arn:aws:iam::111122223333:role/r"}"#;
const SESSION: &str = r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#;
const EVERYONE: &str = r#""*""#;

#[test]
fn a_policy_says_which_condition_keys_it_depends_on() {
    let policy = identity(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::b/${aws:username}/*","arn:aws:s3:::b/${*}"]},
        {"Effect":"Deny","Action":"*","Resource":"*","Condition":{
            "StringNotLike":{"s3:Prefix":["${aws:PrincipalTag/team, 'x'}/*"]},"Null":{"aws:UserName":"true"}}}"#,
    );
    let keys = policy.condition_keys();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["aws:principaltag/team", "aws:username", "s3:prefix"]);
}
