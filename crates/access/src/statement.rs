//! Statements: who may or may not do what to which resources, and when.

use crate::arn::ArnTemplate;
use crate::caller::Caller;
use crate::condition::Condition;
use crate::context::Keys;
use crate::pattern::Pattern;
use crate::principals::{Named, Principals};
use crate::template::Match;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// A list of a statement, or, as that of `NotAction`, all but a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection<T> {
    pub(crate) is_inverted: bool,
    pub(crate) items: Vec<T>,
}

impl<T> Selection<T> {
    /// Whether the element admits what `matches` looks for.
    fn admits(&self, effect: Effect, matches: impl Fn(&T) -> Match) -> bool {
        match Match::any(self.items.iter().map(matches)) {
            Match::Yes => !self.is_inverted,
            Match::No => self.is_inverted,
            Match::Unclear => self.is_inverted && effect == Effect::Deny,
        }
    }
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    /// `None` in the policies of identities, which are about whom they are attached to.
    pub(crate) principals: Option<Principals>,
    /// In lower case.
    pub(crate) actions: Selection<Pattern>,
    /// `None` in trust policies, which are about the role that they are attached to.
    pub(crate) resources: Option<Selection<ArnTemplate>>,
    pub(crate) conditions: Vec<Condition>,
}

/// What is asked, as statements see it.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// In lower case.
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) keys: Keys<'a>,
}

impl Statement {
    /// Whether the statement is about a request, whoever makes it.
    pub(crate) fn applies(&self, request: &Request<'_>) -> bool {
        let keys = &request.keys;
        let admits_resource = |resources: &Selection<ArnTemplate>| {
            resources.admits(self.effect, |arn| arn.matches(request.resource, keys))
        };
        self.actions.admits(self.effect, |action| action.matches(request.action).into())
            && self.resources.as_ref().is_none_or(admits_resource)
            && self.conditions.iter().all(|condition| condition.holds(keys, self.effect))
    }

    /// Whether a condition or a variable names a condition key that starts with `start`, in lower case.
    pub(crate) fn looks_at(&self, start: &str) -> bool {
        let in_condition = |condition: &Condition| {
            condition.key.starts_with(start) || condition.values.iter().any(|value| value.names(start))
        };
        self.conditions.iter().any(in_condition)
            || self.resources.iter().flat_map(|resources| &resources.items).any(|resource| resource.names(start))
    }

    /// How a statement of a resource's policy names the caller.
    pub(crate) fn names(&self, caller: &Caller) -> Named {
        self.principals.as_ref().map_or(Named::No, |principals| match self.effect {
            Effect::Allow => principals.name(&caller.principal),
            Effect::Deny => principals.exclude(caller),
        })
    }
}
