//! The policies of users, groups and roles, permissions boundaries and session policies.

use super::conditions::{self, ConditionFault};
use super::json::Json;
use super::raw::{RawFault, RawStatement};
use super::refuse;
use crate::arn::ArnTemplate;
use crate::condition::Test;
use crate::pattern::Pattern;
use crate::policy::PolicyError;
use crate::statement::{Effect, Selection, Statement};
use crate::template::Template;

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";

/// Reads a document. As IAM does, it looks at the form of all statements before it looks at what is in them.
pub(super) fn read(document: &str) -> Result<Vec<Statement>, PolicyError> {
    let Ok(json) = Json::parse(document) else { return refuse(SYNTAX) };
    let Some(members) = json.members() else { return refuse(SYNTAX) };
    let (mut version, mut statements) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value.text()) {
            ("Version", Some(text @ ("2012-10-17" | "2008-10-17"))) => version = Some(text),
            ("Id", Some(_)) => {}
            ("Statement", _) => statements = Some(value),
            _ => return refuse(SYNTAX),
        }
    }
    let raws: Vec<RawStatement<'_>> =
        statements.map(Json::items).unwrap_or_default().iter().map(form).collect::<Result<_, _>>()?;
    if raws.is_empty() {
        return refuse(SYNTAX);
    }
    if version != Some("2012-10-17") {
        return refuse("Policy document must be version 2012-10-17 or greater.");
    }
    check_sids(&raws)?;
    raws.iter().map(statement).collect()
}

/// Reads the elements of a statement, and whether each has the form that it must have.
fn form(json: &Json) -> Result<RawStatement<'_>, PolicyError> {
    let raw = RawStatement::read(json).map_err(|fault| match fault {
        RawFault::NoObject | RawFault::Unknown(_) | RawFault::Both(_) => PolicyError(SYNTAX.to_owned()),
    })?;
    if raw.principal.is_some() {
        return refuse("Policy document should not specify a principal.");
    }
    let is_text = |json: Option<&Json>| json.is_none_or(|json| json.text().is_some());
    let are_texts = |element: Option<(bool, &Json)>| element.is_none_or(|(_, json)| json.texts().is_some());
    let is_formed = is_text(raw.sid)
        && raw.effect.is_some()
        && is_text(raw.effect)
        && are_texts(raw.action)
        && are_texts(raw.resource);
    if is_formed { Ok(raw) } else { refuse(SYNTAX) }
}

fn check_sids(raws: &[RawStatement<'_>]) -> Result<(), PolicyError> {
    let mut sids: Vec<&str> = raws.iter().filter_map(|raw| raw.sid?.text()).filter(|sid| !sid.is_empty()).collect();
    let count = sids.len();
    sids.sort_unstable();
    sids.dedup();
    if sids.len() < count {
        return refuse("Statement IDs (SID) in a single policy must be unique.");
    }
    Ok(())
}

fn statement(raw: &RawStatement<'_>) -> Result<Statement, PolicyError> {
    let effect = match raw.effect.and_then(Json::text) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(other) if ["allow", "deny"].contains(&other.to_ascii_lowercase().as_str()) => return refuse(LEGACY),
        _ => return refuse(SYNTAX),
    };
    let conditions = raw.condition.map_or(Ok(Vec::new()), |condition| {
        conditions::read(condition, true).map_err(|fault| {
            PolicyError(match fault {
                ConditionFault::Value(Test::Date(_)) => LEGACY.to_owned(),
                ConditionFault::Syntax | ConditionFault::Operator(_) | ConditionFault::Value(_) => SYNTAX.to_owned(),
            })
        })
    })?;
    let (is_inverted, actions) = list(raw.action, "Policy statement must contain actions.")?;
    actions.iter().try_for_each(|action| check_action(action))?;
    let items = actions.iter().map(|action| Pattern::parse(&action.to_ascii_lowercase())).collect();
    let actions = Selection { is_inverted, items };
    let (is_inverted, resources) = list(raw.resource, "Policy statement must contain resources.")?;
    let mut items = Vec::new();
    for resource in resources {
        let template = Template::parse(resource, true);
        check_resource(resource, &template)?;
        items.push(ArnTemplate::new(&template));
    }
    let resources = Some(Selection { is_inverted, items });
    Ok(Statement { effect, principals: None, actions, resources, conditions })
}

/// The texts of an element that may not be empty.
fn list<'a>(element: Option<(bool, &'a Json)>, missing: &str) -> Result<(bool, Vec<&'a str>), PolicyError> {
    match element.and_then(|(is_inverted, json)| Some((is_inverted, json.texts()?))) {
        Some((is_inverted, texts)) if !texts.is_empty() => Ok((is_inverted, texts)),
        _ => refuse(missing),
    }
}

fn check_action(action: &str) -> Result<(), PolicyError> {
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    };
    if name.contains(':') {
        return refuse("Actions/Condition can contain only one colon.");
    }
    let is_vendor =
        !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if is_vendor || vendor == "*" { Ok(()) } else { refuse(format!("Vendor {vendor} is not valid")) }
}

fn check_resource(resource: &str, template: &Template) -> Result<(), PolicyError> {
    if resource == "*" {
        return Ok(());
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or("*");
    if parts.len() < 2 {
        return refuse(format!("Resource {resource} must be in ARN format or \"*\"."));
    }
    if part(1) != "aws" {
        let rest = [2, 3, 4, 5].map(part).join(":");
        let partition = part(1);
        return refuse(format!("Partition \"{partition}\" is not valid for resource \"arn:{partition}:{rest}\"."));
    }
    if parts.len() < 3 || part(2).contains(['*', '?']) && part(2) != "*" {
        return refuse("Resource vendor must be fully qualified and cannot contain regexes.");
    }
    if parts.len() < 6 || part(0) != "arn" || part(2).is_empty() {
        return refuse(LEGACY);
    }
    // Cut like this, since a variable has a colon in it.
    let written = template.split_colons(6);
    let path = written.last().map_or("", |path| if path.is_anything() { "*" } else { path.fixed_start() });
    match (part(2), part(3), path) {
        ("s3", region, path) if !region.is_empty() && !path.starts_with("accesspoint/") => {
            refuse(format!("Resource {resource} can not contain region information."))
        }
        ("iam", region, _) if !region.is_empty() => {
            refuse(format!("IAM resource {resource} cannot contain region information."))
        }
        ("iam", _, path) if path != "*" && path != "root" && !IAM_PATHS.iter().any(|start| path.starts_with(start)) => {
            let starts = IAM_PATHS.join(", ");
            refuse(format!("IAM resource path must either be \"*\", root, or start with {starts}."))
        }
        _ => Ok(()),
    }
}

/// What the ARNs of IAM begin with behind the account.
const IAM_PATHS: &[&str] = &[
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];
