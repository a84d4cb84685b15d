//! The condition operators.

use std::cmp::Ordering;

use super::value::{binary, boolean, date, network, number};

/// What is compared, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) set: Option<SetOperator>,
    pub(crate) test: Test,
    /// Whether the values must not match.
    pub(crate) negated: bool,
    /// Whether an absent key will do.
    pub(crate) if_exists: bool,
}

/// How the values of a key with several are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    /// `ForAllValues:`
    ForAllValues,
    /// `ForAnyValue:`
    ForAnyValue,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// Characters; `*` is one.
    StringEquals,
    /// Characters, without regard to the case of ASCII letters.
    StringEqualsIgnoreCase,
    /// Characters and wildcards.
    StringLike,
    /// Decimal numbers.
    Numeric(Relation),
    /// Points in time: ISO 8601, or seconds since 1970.
    Date(Relation),
    /// `true` and `false`, in any case.
    Bool,
    /// Bytes, in base64.
    Binary,
    /// An address in a network.
    IpAddress,
    /// An ARN with wildcards in its parts.
    Arn,
    /// Whether the key is absent.
    Null,
}

/// How what the request has lies to what the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operators by name: the test, and whether it is negated.
const OPERATORS: &[(&str, Test, bool)] = &[
    ("ArnEquals", Test::Arn, false),
    ("ArnLike", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnNotLike", Test::Arn, true),
    ("BinaryEquals", Test::Binary, false),
    ("Bool", Test::Bool, false),
    ("DateEquals", Test::Date(Relation::Equal), false),
    ("DateGreaterThan", Test::Date(Relation::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Relation::GreaterOrEqual), false),
    ("DateLessThan", Test::Date(Relation::Less), false),
    ("DateLessThanEquals", Test::Date(Relation::LessOrEqual), false),
    ("DateNotEquals", Test::Date(Relation::Equal), true),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("Null", Test::Null, false),
    ("NumericEquals", Test::Numeric(Relation::Equal), false),
    ("NumericGreaterThan", Test::Numeric(Relation::Greater), false),
    ("NumericGreaterThanEquals", Test::Numeric(Relation::GreaterOrEqual), false),
    ("NumericLessThan", Test::Numeric(Relation::Less), false),
    ("NumericLessThanEquals", Test::Numeric(Relation::LessOrEqual), false),
    ("NumericNotEquals", Test::Numeric(Relation::Equal), true),
    ("StringEquals", Test::StringEquals, false),
    ("StringEqualsIgnoreCase", Test::StringEqualsIgnoreCase, false),
    ("StringLike", Test::StringLike, false),
    ("StringNotEquals", Test::StringEquals, true),
    ("StringNotEqualsIgnoreCase", Test::StringEqualsIgnoreCase, true),
    ("StringNotLike", Test::StringLike, true),
];

impl Operator {
    /// Reads a name such as `ForAnyValue:StringLikeIfExists`; `None` when there is no such operator.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(SetOperator::ForAllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(SetOperator::ForAnyValue), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
        let (_, test, negated) = *OPERATORS.iter().find(|(known, ..)| *known == base)?;
        let is_null = test == Test::Null;
        (!is_null || (set.is_none() && !if_exists)).then_some(Self { set, test, negated, if_exists })
    }
}

impl Test {
    /// Whether `found` lies to `value` as the test wants; `None` when one of them is not of its type.
    ///
    /// The tests that know wildcards compare as if there were none.
    pub(super) fn compare(self, value: &str, found: &str) -> Option<bool> {
        Some(match self {
            Self::StringEquals | Self::StringLike | Self::Arn => value == found,
            Self::StringEqualsIgnoreCase => value.eq_ignore_ascii_case(found),
            Self::Numeric(relation) => relation.holds(number(found)?.partial_cmp(&number(value)?)?),
            Self::Date(relation) => relation.holds(date(found)?.cmp(&date(value)?)),
            Self::Bool | Self::Null => boolean(found)? == boolean(value)?,
            Self::Binary => binary(found)? == binary(value)?,
            Self::IpAddress => network(value)?.contains(found.parse().ok()?),
        })
    }

    /// Whether `value` is of the test's type.
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::StringEquals | Self::StringEqualsIgnoreCase | Self::StringLike | Self::Arn => true,
            Self::Numeric(_) => number(value).is_some(),
            Self::Date(_) => date(value).is_some(),
            Self::Bool | Self::Null => boolean(value).is_some(),
            Self::Binary => binary(value).is_some(),
            Self::IpAddress => network(value).is_some(),
        }
    }
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
