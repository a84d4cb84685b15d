//! What Block Public Access takes for public.
//!
//! A statement that grants something to everybody is public, unless one of its conditions narrows that to fixed values
//! of a key that says where a request is from or who sends it. A value with a wildcard or a variable is not fixed.

use crate::condition::{Condition, SetOperator, Test};
use crate::statement::{Effect, Statement};
use crate::template::Template;

/// The keys that narrow, in lower case.
const NARROWING: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// The fewest leading bits of a network that is not the world: of IPv4, and of IPv6.
const MIN_BITS: [u32; 2] = [8, 32];

/// Whether a statement grants something to everybody.
pub(crate) fn is_public(statement: &Statement) -> bool {
    let is_grant = statement.effect == Effect::Allow;
    let to_everyone = statement.principals.as_ref().is_some_and(|principals| principals.are_everyone());
    is_grant && to_everyone && !statement.conditions.iter().any(narrows)
}

fn narrows(condition: &Condition) -> bool {
    let operator = condition.operator;
    // An absent key fulfils these.
    if operator.negated || operator.if_exists || operator.set == Some(SetOperator::ForAllValues) {
        return false;
    }
    let key = condition.key.as_str();
    let fits = |value: &Template| match operator.test {
        Test::IpAddress => key == "aws:sourceip" && value.fixed().is_some_and(is_narrow_network),
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Arn => {
            NARROWING.contains(&key) && (value.fixed().is_some() || is_open_end(key, value))
        }
        Test::Bool => key == "aws:principalisawsservice" && value.fixed().is_some_and(is_true),
        Test::Numeric(_) | Test::Date(_) | Test::Binary | Test::Null => false,
    };
    condition.values.iter().all(fits)
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

fn is_narrow_network(text: &str) -> bool {
    let Some((bits, most)) = crate::condition::network_bits(text) else { return false };
    let [v4, v6] = MIN_BITS;
    bits >= if most == 32 { v4 } else { v6 }
}

/// Whether a value is one of the two that AWS takes for fixed although they end with a `*`: the sessions of a role, and
/// the access points of an account.
fn is_open_end(key: &str, value: &Template) -> bool {
    let start = value.fixed_start();
    let is_prefix = !value.has_variable() && value.loosest() == crate::pattern::Pattern::parse(&format!("{start}*"));
    let is_start = match key {
        "aws:userid" => start.ends_with(':') && start.len() > 1,
        "s3:dataaccesspointarn" => {
            let parts: Vec<&str> = start.splitn(6, ':').collect();
            matches!(parts.as_slice(), [_, _, _, _, account, "accesspoint/"] if !account.is_empty())
        }
        _ => false,
    };
    is_prefix && is_start
}
