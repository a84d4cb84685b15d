//! The policy of a bucket.

use super::json::Json;
use super::refuse;
use super::resource::{Resources, Rules};
use crate::arn::ArnTemplate;
use crate::pattern::Pattern;
use crate::policy::PolicyError;
use crate::principals::{PrincipalName, Principals};
use crate::s3_actions::{S3_ACTIONS, S3Resource};
use crate::s3_keys;
use crate::statement::{Effect, Selection, Statement};
use crate::template::Template;

/// A bucket, by its name.
pub(super) struct Bucket<'a> {
    pub(super) name: &'a str,
}

const INVALID_PRINCIPAL: &str = "Invalid principal in policy";
const INVALID_RESOURCE: &str = "Policy has invalid resource";
const ARN: &str = "arn:aws:s3:::";

impl Rules for Bucket<'_> {
    fn principals(&self, effect: Effect, is_inverted: bool, json: &Json) -> Result<Principals, PolicyError> {
        if is_inverted && effect == Effect::Allow {
            return refuse("Allow with NotPrincipal is not allowed.");
        }
        if json.text() == Some("*") {
            return Ok(Principals { is_inverted, names: vec![PrincipalName::Everyone] });
        }
        let mut names = Vec::new();
        for (kind, json) in json.members().unwrap_or_default() {
            for text in json.texts().unwrap_or_default() {
                let name = match kind.as_str() {
                    "AWS" => PrincipalName::parse_aws(text),
                    "CanonicalUser" => is_canonical(text).then(|| PrincipalName::CanonicalUser(text.to_owned())),
                    "Service" => PrincipalName::parse_service(text),
                    "Federated" => PrincipalName::parse_federated(text),
                    _ => None,
                };
                names.push(name.ok_or_else(|| PolicyError(INVALID_PRINCIPAL.to_owned()))?);
            }
            if !matches!(json.texts(), Some(texts) if !texts.is_empty()) {
                return refuse(INVALID_PRINCIPAL);
            }
        }
        if names.is_empty() { refuse(INVALID_PRINCIPAL) } else { Ok(Principals { is_inverted, names }) }
    }

    fn check_action(&self, action: &str) -> Result<(), PolicyError> {
        let action = action.to_ascii_lowercase();
        let pattern = Pattern::parse(&action);
        let is_known = action.starts_with("s3:") && S3_ACTIONS.iter().any(|known| is_meant(&pattern, known.name));
        if action == "*" || is_known { Ok(()) } else { refuse("Policy has invalid action") }
    }

    fn resources(&self, raw: Option<(bool, &Json)>, has_variables: bool) -> Result<Resources, PolicyError> {
        let Some((is_inverted, json)) = raw else { return refuse("Missing required field Resource") };
        let Some(texts) = json.texts() else { return refuse("Invalid policy syntax.") };
        if texts.is_empty() {
            return refuse("Missing required field Resource cannot be empty!");
        }
        let mut written = Vec::new();
        for text in texts {
            let Some(path) = text.strip_prefix(ARN) else { return refuse(INVALID_RESOURCE) };
            let bucket = Template::parse(path.split('/').next().unwrap_or_default(), has_variables);
            if bucket.fixed_start().is_empty() || !bucket.loosest().matches(self.name) {
                return refuse(INVALID_RESOURCE);
            }
            written.push(Template::parse(text, has_variables));
        }
        let items = written.iter().map(ArnTemplate::new).collect();
        Ok(Resources { selection: Some(Selection { is_inverted, items }), written })
    }

    fn check(&self, statement: &Statement, resources: &Resources) -> Result<(), PolicyError> {
        let actions = &statement.actions;
        let is_meant = |action: &str| actions.is_inverted || actions.items.iter().any(|item| item.matches(action));
        for condition in &statement.conditions {
            if !s3_keys::is_known(&condition.key) {
                return refuse("Policy has an invalid condition key");
            }
            if !s3_keys::applies(&condition.key, is_meant) {
                return refuse("Conditions do not apply to combination of actions and resources in statement");
            }
        }
        let is_inverted = statement.resources.as_ref().is_some_and(|resources| resources.is_inverted);
        if !actions.is_inverted && !is_inverted && !actions.items.iter().all(|item| self.applies(item, resources)) {
            return refuse("Action does not apply to any resource(s) in statement");
        }
        Ok(())
    }
}

impl Bucket<'_> {
    /// Whether one of the actions that a pattern means can be done to one of the resources.
    fn applies(&self, action: &Pattern, resources: &Resources) -> bool {
        let arn = format!("{ARN}{}", self.name);
        let bucket = resources.written.iter().any(|resource| resource.loosest().matches(&arn));
        // A pattern that goes on behind the bucket's name has a slash, or a wildcard that can be one.
        let object = resources.written.iter().any(|resource| {
            let end = resource.fixed_start().strip_prefix(ARN).unwrap_or_default();
            end.contains('/') || resource.fixed().is_none()
        });
        S3_ACTIONS.iter().any(|known| {
            let is_possible = match known.resource {
                S3Resource::Account => false,
                S3Resource::Bucket => bucket,
                S3Resource::Object => object,
            };
            is_possible && is_meant(action, known.name)
        })
    }
}

fn is_meant(pattern: &Pattern, action: &str) -> bool {
    pattern.matches(&action.to_ascii_lowercase())
}

/// Whether a text has the form of a canonical user ID.
fn is_canonical(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
