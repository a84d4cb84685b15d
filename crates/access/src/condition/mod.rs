//! Conditions: what has to be so for a statement to apply.

mod operator;
mod value;

#[cfg(test)]
mod tests;

use crate::arn::ArnTemplate;
use crate::context::Keys;
use crate::statement::Effect;
use crate::template::{Match, Template};

pub(crate) use operator::{Operator, SetOperator, Test};

/// One key of one operator of a `Condition`, with the values that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    /// In lower case.
    pub(crate) key: String,
    pub(crate) values: Vec<Template>,
}

impl Condition {
    /// Whether a statement with this effect may apply, as far as this condition goes.
    ///
    /// An absent key fulfils the negated operators, `IfExists` and `ForAllValues:`, and no other. What cannot be
    /// compared fulfils the negated operators of a denial only.
    pub(crate) fn holds(&self, keys: &Keys<'_>, effect: Effect) -> bool {
        let found = keys.get(&self.key);
        let Operator { set, test, negated, if_exists } = self.operator;
        if test == Test::Null {
            return self.compare(if found.is_none() { "true" } else { "false" }, keys) == Match::Yes;
        }
        let Some(found) = found else {
            return if_exists
                || match set {
                    Some(SetOperator::ForAllValues) => true,
                    Some(SetOperator::ForAnyValue) => false,
                    None => negated,
                };
        };
        let fits = |value: &String| match self.compare(value, keys) {
            Match::Yes => !negated,
            Match::No => negated,
            Match::Unclear => negated && effect == Effect::Deny,
        };
        match set {
            Some(SetOperator::ForAllValues) => found.iter().all(fits),
            Some(SetOperator::ForAnyValue) => found.iter().any(fits),
            None if negated => found.iter().all(fits),
            None => found.iter().any(fits),
        }
    }

    /// Whether `found` is one of the values, whatever the operator makes of that.
    fn compare(&self, found: &str, keys: &Keys<'_>) -> Match {
        Match::any(self.values.iter().map(|value| compare(self.operator.test, value, found, keys)))
    }
}

/// How many leading bits of a network are fixed, and how many bits an address has; `None` when it is no network.
pub(crate) fn network_bits(text: &str) -> Option<(u32, u32)> {
    value::network(text).map(|network| network.width())
}

fn compare(test: Test, value: &Template, found: &str, keys: &Keys<'_>) -> Match {
    if test == Test::Arn {
        return ArnTemplate::new(value).matches(found, keys);
    }
    if test == Test::StringLike {
        return value.pattern(keys).map_or(Match::Unclear, |pattern| Match::from(pattern.matches(found)));
    }
    let Some(value) = value.text(keys) else { return Match::Unclear };
    test.compare(&value, found).map_or(Match::Unclear, Match::from)
}
