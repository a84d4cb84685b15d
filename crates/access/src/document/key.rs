//! The policy of a KMS key.

use super::json::Json;
use super::refuse;
use super::resource::{Resources, Rules};
use crate::arn::ArnTemplate;
use crate::policy::PolicyError;
use crate::principals::{PrincipalName, Principals};
use crate::statement::{Effect, Selection, Statement};
use crate::template::Template;

/// A key.
pub(super) struct Key;

const INVALID_PRINCIPAL: &str = "Policy contains a statement with one or more invalid principals.";
const ARN: &str = "arn:aws:kms:";

impl Rules for Key {
    fn principals(&self, effect: Effect, is_inverted: bool, json: &Json) -> Result<Principals, PolicyError> {
        if is_inverted && effect == Effect::Allow {
            return refuse("Allow with NotPrincipal is not allowed.");
        }
        if json.text() == Some("*") {
            return Ok(Principals { is_inverted, names: vec![PrincipalName::Everyone] });
        }
        let mut names = Vec::new();
        for (kind, json) in json.members().unwrap_or_default() {
            let texts = json.texts().filter(|texts| !texts.is_empty());
            for text in texts.ok_or_else(|| PolicyError(INVALID_PRINCIPAL.to_owned()))? {
                let name = match kind.as_str() {
                    "AWS" => PrincipalName::parse_aws(text),
                    "Service" => PrincipalName::parse_service(text),
                    _ => None,
                };
                names.push(name.ok_or_else(|| PolicyError(INVALID_PRINCIPAL.to_owned()))?);
            }
        }
        if names.is_empty() { refuse(INVALID_PRINCIPAL) } else { Ok(Principals { is_inverted, names }) }
    }

    fn check_action(&self, action: &str) -> Result<(), PolicyError> {
        let name = action.split_once(':').filter(|(service, _)| service.eq_ignore_ascii_case("kms"));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?".contains(&byte));
        if action == "*" || name.is_some_and(|(_, name)| !name.is_empty() && is_name(name)) {
            return Ok(());
        }
        refuse("Policy has invalid action")
    }

    /// A statement about another key is taken, as on AWS, and has no effect.
    fn resources(&self, raw: Option<(bool, &Json)>, has_variables: bool) -> Result<Resources, PolicyError> {
        let Some((is_inverted, json)) = raw else { return refuse("Missing required field Resource") };
        let Some(texts) = json.texts() else { return refuse("Invalid policy syntax.") };
        if texts.is_empty() {
            return refuse("Missing required field Resource cannot be empty!");
        }
        if texts.iter().any(|text| *text != "*" && !text.starts_with(ARN)) {
            return refuse("Policy has invalid resource");
        }
        let written: Vec<Template> = texts.iter().map(|text| Template::parse(text, has_variables)).collect();
        let items = written.iter().map(ArnTemplate::new).collect();
        Ok(Resources { selection: Some(Selection { is_inverted, items }), written })
    }

    fn check(&self, _: &Statement, _: &Resources) -> Result<(), PolicyError> {
        Ok(())
    }
}
