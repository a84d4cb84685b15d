//! The trust policy of a role.

use super::json::Json;
use super::refuse;
use super::resource::{Resources, Rules};
use crate::policy::PolicyError;
use crate::principals::{PrincipalName, Principals};
use crate::statement::{Effect, Statement};

/// A role.
pub(super) struct Trust;

impl Rules for Trust {
    fn principals(&self, effect: Effect, is_inverted: bool, json: &Json) -> Result<Principals, PolicyError> {
        match (is_inverted, effect) {
            (true, Effect::Allow) => return refuse("Allow with NotPrincipal is not allowed."),
            (true, Effect::Deny) => return refuse("AssumeRole policy must not contain NotPrincipal field."),
            (false, _) => {}
        }
        let Some(members) = json.members() else { return refuse("Principal must be a JSON object.") };
        let mut names = Vec::new();
        for (kind, json) in members {
            let invalid = |text: &str| PolicyError(format!("Invalid principal in policy: \"{kind}\":\"{text}\""));
            let texts = json.texts().ok_or_else(|| PolicyError("Syntax error in policy.".to_owned()))?;
            for text in texts {
                let name = match kind.as_str() {
                    "AWS" => PrincipalName::parse_aws(text),
                    "Service" => PrincipalName::parse_service(text),
                    "Federated" => PrincipalName::parse_federated(text),
                    _ => None,
                };
                names.push(name.ok_or_else(|| invalid(text))?);
            }
        }
        if names.is_empty() {
            return refuse("Missing required field Principal cannot be empty!");
        }
        Ok(Principals { is_inverted, names })
    }

    fn check_action(&self, action: &str) -> Result<(), PolicyError> {
        if action.to_ascii_lowercase().starts_with("sts:") {
            return Ok(());
        }
        refuse("AssumeRole policy may only specify STS AssumeRole actions.")
    }

    fn resources(&self, raw: Option<(bool, &Json)>, _: bool) -> Result<Resources, PolicyError> {
        match raw {
            None => Ok(Resources { selection: None, written: Vec::new() }),
            Some((false, _)) => refuse("Has prohibited field Resource"),
            Some((true, _)) => refuse("AssumeRole policy must not contain resources."),
        }
    }

    fn check(&self, _: &Statement, _: &Resources) -> Result<(), PolicyError> {
        Ok(())
    }
}
