//! The policies of resources: of buckets, of KMS keys, and, as trust policies, of roles. S3 and IAM use the same words
//! about theirs.

use super::conditions::{self, ConditionFault};
use super::json::{Json, JsonError};
use super::raw::{RawFault, RawStatement};
use super::refuse;
use crate::arn::ArnTemplate;
use crate::condition::Test;
use crate::pattern::Pattern;
use crate::policy::PolicyError;
use crate::principals::Principals;
use crate::statement::{Effect, Selection, Statement};
use crate::template::Template;

/// What distinguishes the policies of one kind of resource.
pub(super) trait Rules {
    /// Reads a `Principal` or `NotPrincipal`.
    fn principals(&self, effect: Effect, is_inverted: bool, json: &Json) -> Result<Principals, PolicyError>;

    /// Whether an action is one of the resource's, and what is wrong if not.
    fn check_action(&self, action: &str) -> Result<(), PolicyError>;

    /// Reads a `Resource` or `NotResource`, which may not be there.
    fn resources(&self, raw: Option<(bool, &Json)>, has_variables: bool) -> Result<Resources, PolicyError>;

    /// Whether what a statement says fits together.
    fn check(&self, statement: &Statement, resources: &Resources) -> Result<(), PolicyError>;
}

/// The resources of a statement, and as they are written.
pub(super) struct Resources {
    pub(super) selection: Option<Selection<ArnTemplate>>,
    pub(super) written: Vec<Template>,
}

const SYNTAX: &str = "Invalid policy syntax.";

/// Reads a document.
pub(super) fn read(document: &str, rules: &dyn Rules) -> Result<Vec<Statement>, PolicyError> {
    if !document.starts_with('{') {
        return refuse("Policies must be valid JSON and the first byte must be '{'");
    }
    let json = Json::parse(document).map_err(|error| match error {
        JsonError::Syntax => PolicyError("This policy contains invalid Json".to_owned()),
        JsonError::Repeated(name) => PolicyError(format!("Statement/policy already has instance of {name}")),
    })?;
    let (mut has_variables, mut statements) = (false, None);
    for (name, value) in json.members().unwrap_or_default() {
        match name.as_str() {
            "Version" => match value.text() {
                Some("2012-10-17") => has_variables = true,
                Some("2008-10-17") => {}
                _ => return refuse("The policy must contain a valid version string"),
            },
            "Id" if value.text().is_some() => {}
            "Id" => return refuse(SYNTAX),
            "Statement" => statements = Some(value),
            unknown => return refuse(format!("Unknown field {unknown}")),
        }
    }
    let Some(statements) = statements else { return refuse("Missing required field Statement") };
    if statements.items().is_empty() {
        return refuse("Could not parse the policy: Statement is empty!");
    }
    let mut sids = Vec::new();
    let read = |json| {
        let raw = RawStatement::read(json).map_err(|fault| {
            PolicyError(match fault {
                RawFault::NoObject => SYNTAX.to_owned(),
                RawFault::Unknown(name) => format!("Unknown field {name}"),
                RawFault::Both(name) => format!("Statement/policy already has instance of {name}"),
            })
        })?;
        if let Some(sid) = raw.sid {
            let Some(sid) = sid.text() else { return refuse(SYNTAX) };
            if !sid.is_empty() && sids.contains(&sid) {
                return refuse("The Statement Ids in the policy are not unique");
            }
            sids.push(sid);
        }
        statement(&raw, rules, has_variables)
    };
    statements.items().iter().map(read).collect()
}

fn statement(raw: &RawStatement<'_>, rules: &dyn Rules, has_variables: bool) -> Result<Statement, PolicyError> {
    let effect = match raw.effect {
        Some(Json::Text(effect)) if effect == "Allow" => Effect::Allow,
        Some(Json::Text(effect)) if effect == "Deny" => Effect::Deny,
        Some(Json::Text(effect)) => return refuse(format!("Invalid effect: {effect}")),
        Some(_) => return refuse(SYNTAX),
        None => return refuse("Missing required field Effect"),
    };
    let Some((is_inverted, principals)) = raw.principal else { return refuse("Missing required field Principal") };
    let principals = rules.principals(effect, is_inverted, principals)?;
    let Some((is_inverted, actions)) = raw.action else { return refuse("Missing required field Action") };
    let Some(actions) = actions.texts() else { return refuse(SYNTAX) };
    if actions.is_empty() {
        return refuse("Missing required field Action cannot be empty!");
    }
    actions.iter().try_for_each(|action| rules.check_action(action))?;
    let items = actions.iter().map(|action| Pattern::parse(&action.to_ascii_lowercase())).collect();
    let resources = rules.resources(raw.resource, has_variables)?;
    let conditions = raw.condition.map_or(Ok(Vec::new()), |condition| {
        conditions::read(condition, has_variables).map_err(|fault| {
            PolicyError(match fault {
                ConditionFault::Syntax => SYNTAX.to_owned(),
                ConditionFault::Operator(name) => format!("Invalid Condition type : {name}"),
                ConditionFault::Value(Test::IpAddress) => "Invalid IP address in Conditions".to_owned(),
                ConditionFault::Value(_) => "Invalid value in Conditions".to_owned(),
            })
        })
    })?;
    let statement = Statement {
        effect,
        principals: Some(principals),
        actions: Selection { is_inverted, items },
        resources: resources.selection.clone(),
        conditions,
    };
    rules.check(&statement, &resources)?;
    Ok(statement)
}
