//! ARNs with wildcards and variables: six parts with colons between them, each of which has to match by itself.

use crate::context::Keys;
use crate::template::{Match, Template};

const PARTS: usize = 6;

/// An ARN of a policy; `*` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnTemplate {
    Any,
    /// Six of them, or it is no ARN and matches none.
    Parts(Vec<Template>),
}

impl ArnTemplate {
    /// Reads an ARN of a policy.
    pub(crate) fn new(template: &Template) -> Self {
        if template.is_anything() { Self::Any } else { Self::Parts(template.split_colons(PARTS)) }
    }

    /// Whether `arn` is one of those that are meant. A resource that is `*`, as that of actions on nothing in
    /// particular, is meant by whatever leaves the last part open.
    pub(crate) fn matches(&self, arn: &str, keys: &Keys<'_>) -> Match {
        let parts = match self {
            Self::Any => return Match::Yes,
            Self::Parts(parts) if parts.len() == PARTS => parts,
            Self::Parts(_) => return Match::No,
        };
        if arn == "*" {
            return parts.last().map_or(Match::No, |part| matches(part, arn, keys));
        }
        let given: Vec<&str> = arn.splitn(PARTS, ':').collect();
        if given.len() < PARTS {
            return Match::No;
        }
        Match::all(parts.iter().zip(given).map(|(part, given)| matches(part, given, keys)))
    }

    /// The condition keys that variables stand for, in lower case.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let parts = match self {
            Self::Any => &[],
            Self::Parts(parts) => parts.as_slice(),
        };
        parts.iter().flat_map(Template::keys)
    }

    /// Whether a variable stands for a condition key that starts with `start`, in lower case.
    pub(crate) fn names(&self, start: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Parts(parts) => parts.iter().any(|part| part.names(start)),
        }
    }
}

fn matches(part: &Template, given: &str, keys: &Keys<'_>) -> Match {
    part.pattern(keys).map_or(Match::Unclear, |pattern| Match::from(pattern.matches(given)))
}
