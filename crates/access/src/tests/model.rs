//! The evaluator against one that is written down as AWS describes it, statement by statement, for random policies.
//!
//! The model knows users and sessions, one account and another, all kinds of policies, wildcards in actions and
//! resources, and the conditions whose answer depends on whether a key is there.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct ModelStatement {
    is_allow: bool,
    principal: ModelPrincipal,
    not_action: bool,
    actions: Vec<&'static str>,
    not_resource: bool,
    resources: Vec<&'static str>,
    conditions: Vec<ModelCondition>,
}

#[derive(Debug, Clone, Copy)]
enum ModelPrincipal {
    Everyone,
    Account(&'static str),
    User(&'static str),
    Role,
    Session,
    /// Denials only.
    NotUser(&'static str),
}

#[derive(Debug, Clone)]
struct ModelCondition {
    operator: &'static str,
    key: &'static str,
    values: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Anonymous,
    Root(&'static str),
    User(&'static str),
    Session,
}

#[derive(Debug, Clone)]
struct World {
    who: Who,
    owner: &'static str,
    action: &'static str,
    resource: &'static str,
    keys: Vec<(&'static str, &'static str)>,
    identity: Vec<ModelStatement>,
    boundary: Option<Vec<ModelStatement>>,
    session: Option<Vec<ModelStatement>>,
    bucket: Vec<ModelStatement>,
    acl: AclGrant,
}

const ACTIONS: [&str; 5] = ["s3:GetObject", "s3:PutObject", "s3:Get*", "s3:*Object", "s3:*"];
const RESOURCES: [&str; 5] = ["a", "b", "a*", "?", "*"];
const OPERATORS: [&str; 12] = [
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIfExists",
    "StringNotEqualsIfExists",
    "ForAnyValue:StringEquals",
    "ForAllValues:StringEquals",
    "ForAnyValue:StringNotEquals",
    "ForAllValues:StringNotEquals",
    "StringLikeIfExists",
    "Null",
];

fn statement(is_bucket: bool) -> impl Strategy<Value = ModelStatement> {
    use proptest::collection::vec;
    use proptest::sample::select;
    let principals = vec![
        ModelPrincipal::Everyone,
        ModelPrincipal::Account(OURS),
        ModelPrincipal::Account(THEIRS),
        ModelPrincipal::User(OURS),
        ModelPrincipal::User(THEIRS),
        ModelPrincipal::Role,
        ModelPrincipal::Session,
        ModelPrincipal::NotUser(OURS),
    ];
    let condition = (select(&OPERATORS[..]), select(vec!["aws:a", "aws:b"]), vec(select(vec!["x", "y", "x*"]), 1..3))
        .prop_map(|(operator, key, values)| {
            let values = if operator == "Null" { vec!["true"] } else { values };
            ModelCondition { operator, key, values }
        });
    (
        prop::bool::weighted(0.75),
        select(principals),
        prop::bool::weighted(0.2),
        vec(select(&ACTIONS[..]), 1..3),
        prop::bool::weighted(0.2),
        vec(select(&RESOURCES[..]), 1..3),
        vec(condition, 0..3),
    )
        .prop_map(move |(is_allow, principal, not_action, actions, not_resource, resources, conditions)| {
            // A document cannot name a key twice under one operator.
            let mut conditions: Vec<ModelCondition> = conditions;
            conditions.sort_by_key(|condition| (condition.operator, condition.key));
            conditions.dedup_by_key(|condition| (condition.operator, condition.key));
            let is_inverted = matches!(principal, ModelPrincipal::NotUser(_));
            let is_allow = is_allow && !(is_bucket && is_inverted);
            ModelStatement { is_allow, principal, not_action, actions, not_resource, resources, conditions }
        })
}

fn world() -> impl Strategy<Value = World> {
    use proptest::collection::vec;
    use proptest::option::weighted;
    use proptest::sample::select;
    let who =
        vec![Who::Anonymous, Who::Root(OURS), Who::Root(THEIRS), Who::User(OURS), Who::User(THEIRS), Who::Session];
    let keys = (weighted(0.6, select(vec!["x", "y", "xx"])), weighted(0.6, select(vec!["x", "y", "xx"]))).prop_map(
        |(a, b)| [("aws:a", a), ("aws:b", b)].into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
    );
    let asked = (
        select(who),
        select(vec![OURS, THEIRS]),
        select(vec!["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
        select(vec!["a", "b", "ab"]),
        keys,
    );
    let policies = (
        vec(statement(false), 0..4),
        weighted(0.3, vec(statement(false), 1..3)),
        weighted(0.3, vec(statement(false), 1..3)),
        vec(statement(true), 0..4),
        select(vec![AclGrant::None, AclGrant::None, AclGrant::Account, AclGrant::Everyone]),
    );
    (asked, policies).prop_map(|((who, owner, action, resource, keys), (identity, boundary, session, bucket, acl))| {
        let has_policies = matches!(who, Who::User(_) | Who::Session);
        let boundary = boundary.filter(|_| has_policies);
        let session = session.filter(|_| who == Who::Session);
        let identity = if has_policies { identity } else { Vec::new() };
        World { who, owner, action, resource, keys, identity, boundary, session, bucket, acl }
    })
}

/// Wildcards, tried in every way.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) if like(rest, text) => true,
        ([b'*', ..], [_, behind @ ..]) => like(pattern, behind),
        ([b'?', rest @ ..], [_, behind @ ..]) => like(rest, behind),
        ([wanted, rest @ ..], [byte, behind @ ..]) => wanted == byte && like(rest, behind),
        _ => false,
    }
}

impl World {
    fn account(&self) -> Option<&'static str> {
        match self.who {
            Who::Anonymous => None,
            Who::Root(account) | Who::User(account) => Some(account),
            Who::Session => Some(OURS),
        }
    }

    fn holds(&self, condition: &ModelCondition) -> bool {
        let found = self.keys.iter().find(|(key, _)| *key == condition.key).map(|(_, value)| *value);
        let equal = |value| condition.values.contains(&value);
        let alike = |value: &str| condition.values.iter().any(|wanted| like(wanted.as_bytes(), value.as_bytes()));
        match (condition.operator, found) {
            ("Null", found) => found.is_none(),
            ("StringEquals" | "ForAnyValue:StringEquals", found) => found.is_some_and(equal),
            ("StringEqualsIfExists" | "ForAllValues:StringEquals", found) => found.is_none_or(equal),
            ("StringLike", found) => found.is_some_and(alike),
            ("StringLikeIfExists", found) => found.is_none_or(alike),
            ("ForAnyValue:StringNotEquals", None) => false,
            ("StringNotLike", found) => !found.is_some_and(alike),
            (_, found) => !found.is_some_and(equal),
        }
    }

    fn is_about(&self, statement: &ModelStatement) -> bool {
        let action = statement.actions.iter().any(|pattern| like(pattern.as_bytes(), self.action.as_bytes()));
        let resource = statement.resources.iter().any(|pattern| like(pattern.as_bytes(), self.resource.as_bytes()));
        action != statement.not_action
            && resource != statement.not_resource
            && statement.conditions.iter().all(|condition| self.holds(condition))
    }

    fn says(&self, statements: &[ModelStatement], is_allow: bool) -> bool {
        statements.iter().any(|statement| statement.is_allow == is_allow && self.is_about(statement))
    }

    /// Whether the statements of the bucket that name the caller in one of these ways allow it.
    fn bucket_allows(&self, is_named: impl Fn(ModelPrincipal) -> bool) -> bool {
        self.bucket.iter().any(|one| one.is_allow && is_named(one.principal) && self.is_about(one))
    }

    fn is_denied_by_bucket(&self) -> bool {
        let is_meant = |principal| match principal {
            ModelPrincipal::Everyone => true,
            ModelPrincipal::Account(account) => self.account() == Some(account),
            ModelPrincipal::User(account) => self.who == Who::User(account),
            ModelPrincipal::Role | ModelPrincipal::Session => self.who == Who::Session,
            ModelPrincipal::NotUser(account) => self.who != Who::User(account) || self.boundary.is_some(),
        };
        self.bucket.iter().any(|one| !one.is_allow && is_meant(one.principal) && self.is_about(one))
    }

    fn is_allowed(&self) -> bool {
        let limits = [&self.boundary, &self.session];
        let own = limits.iter().filter_map(|policy| policy.as_deref()).chain([self.identity.as_slice()]);
        if own.into_iter().any(|policy| self.says(policy, false)) || self.is_denied_by_bucket() {
            return false;
        }
        let unlimited = limits.iter().filter_map(|policy| policy.as_deref()).all(|policy| self.says(policy, true));
        let is_root = matches!(self.who, Who::Root(_));
        let identity = (is_root || self.says(&self.identity, true)) && unlimited;
        let to_everyone = self.bucket_allows(|name| matches!(name, ModelPrincipal::Everyone));
        let to_everyone = to_everyone || self.acl == AclGrant::Everyone;
        let to_account =
            self.bucket_allows(|name| matches!(name, ModelPrincipal::Account(id) if Some(id) == self.account()));
        let to_user = self.bucket_allows(|name| matches!(name, ModelPrincipal::User(id) if self.who == Who::User(id)));
        let is_session = self.who == Who::Session;
        let to_role = is_session && self.bucket_allows(|name| matches!(name, ModelPrincipal::Role));
        let to_session = is_session && self.bucket_allows(|name| matches!(name, ModelPrincipal::Session));
        match self.account() {
            None => to_everyone,
            Some(account) if account == self.owner => {
                let by_bucket = to_user || to_session || (to_everyone && !is_session);
                identity || by_bucket || ((to_role || to_everyone) && unlimited)
            }
            Some(_) => {
                let by_list = self.acl == AclGrant::Account;
                identity && (to_everyone || to_account || to_user || to_role || to_session || by_list)
            }
        }
    }

    /// The same, asked of the evaluator, by way of documents.
    fn decide(&self) -> Decision {
        let caller = match self.who {
            Who::Anonymous => Caller::anonymous(),
            Who::Root(account) => Caller::root(account),
            Who::User(account) => user_of(account, "ann"),
            Who::Session => session_of(OURS, "r"),
        };
        let mut ask = Ask::of(caller);
        (ask.owner, ask.action) = (self.owner, self.action);
        (ask.resource, ask.acl) = (format!("arn:aws:s3:::b/{}", self.resource), self.acl);
        self.keys.iter().for_each(|(key, value)| ask.context.set(key, *value));
        for statement in &self.identity {
            ask = ask.identity(&render(statement, false));
        }
        if let Some(boundary) = &self.boundary {
            ask = ask.boundary(&render_all(boundary, false));
        }
        if let Some(session) = &self.session {
            ask = ask.session(&render_all(session, false));
        }
        if !self.bucket.is_empty() {
            ask = ask.bucket(&render_all(&self.bucket, true));
        }
        ask.decide()
    }
}

fn render_all(statements: &[ModelStatement], is_bucket: bool) -> String {
    statements.iter().map(|statement| render(statement, is_bucket)).collect::<Vec<_>>().join(",")
}

fn render(statement: &ModelStatement, is_bucket: bool) -> String {
    let mut conditions = serde_json::Map::new();
    for condition in &statement.conditions {
        let keys = conditions.entry(condition.operator).or_insert_with(|| serde_json::json!({}));
        keys[condition.key] = serde_json::json!(condition.values);
    }
    let resources: Vec<String> = statement.resources.iter().map(|key| format!("arn:aws:s3:::b/{key}")).collect();
    let mut json = serde_json::json!({
        "Effect": if statement.is_allow { "Allow" } else { "Deny" },
        if statement.not_action { "NotAction" } else { "Action" }: statement.actions,
        if statement.not_resource { "NotResource" } else { "Resource" }: resources,
        "Condition": conditions,
    });
    if is_bucket {
        let (name, value) = match statement.principal {
            ModelPrincipal::Everyone => ("Principal", serde_json::json!("*")),
            ModelPrincipal::Account(account) => ("Principal", serde_json::json!({ "AWS": account })),
            ModelPrincipal::User(account) => ("Principal", serde_json::json!({ "AWS": ann_of(account) })),
            ModelPrincipal::NotUser(account) => ("NotPrincipal", serde_json::json!({ "AWS": ann_of(account) })),
            ModelPrincipal::Role => ("Principal", serde_json::from_str(ROLE).unwrap()),
            ModelPrincipal::Session => ("Principal", serde_json::from_str(SESSION).unwrap()),
        };
        json[name] = value;
    }
    json.to_string()
}

fn ann_of(account: &str) -> String {
    format!("arn:aws:iam::{account}:user/ann")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_evaluator_does_what_the_model_does(world in world()) {
        prop_assert_eq!(world.decide().is_allow(), world.is_allowed(), "{:?}", world.decide());
    }
}

/// The worlds are of both kinds, and for many reasons, or else the comparison would say little.
#[test]
fn the_model_has_all_answers() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::HashMap::new();
    for _ in 0..2000 {
        let answer = match world().new_tree(&mut runner).unwrap().current().decide() {
            Decision::Allow => "allow".to_owned(),
            Decision::Deny(denial) => denial.reason("s3:GetObject"),
        };
        *seen.entry(answer).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
    assert!(seen["allow"] > 200, "{seen:?}");
}
