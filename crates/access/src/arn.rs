//! ARNs with wildcards and variables: six parts with colons between them, each of which has to match by itself.

use crate::context::Keys;
use crate::template::{Match, Template};

const PARTS: usize = 6;

/// An ARN of a policy; `*` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArnTemplate {
    /// Six; parts that are not written may be anything.
    parts: Vec<Template>,
}

impl ArnTemplate {
    /// Reads an ARN of a policy.
    pub(crate) fn new(template: &Template) -> Self {
        let mut parts = template.split_colons(PARTS);
        if template.is_anything() {
            parts.clear();
        }
        parts.resize(PARTS, Template::parse("*", false));
        Self { parts }
    }

    /// Whether `arn` is one of those that are meant. A resource that is `*`, as that of actions on nothing in
    /// particular, is meant by whatever leaves the last part open.
    pub(crate) fn matches(&self, arn: &str, keys: &Keys<'_>) -> Match {
        if arn == "*" {
            return self.parts.last().map_or(Match::No, |part| matches(part, arn, keys));
        }
        let given: Vec<&str> = arn.splitn(PARTS, ':').collect();
        if given.len() < PARTS {
            return Match::from(self.parts.iter().all(Template::is_anything));
        }
        Match::all(self.parts.iter().zip(given).map(|(part, given)| matches(part, given, keys)))
    }
}

fn matches(part: &Template, given: &str, keys: &Keys<'_>) -> Match {
    part.pattern(keys).map_or(Match::Unclear, |pattern| Match::from(pattern.matches(given)))
}
