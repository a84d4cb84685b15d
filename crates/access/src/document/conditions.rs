//! The `Condition` of a statement.

use super::json::Json;
use crate::condition::{Condition, Operator, Test};
use crate::template::Template;

/// What is wrong with a condition.
pub(super) enum ConditionFault<'a> {
    /// It is not an object of objects of values.
    Syntax,
    /// There is no such operator.
    Operator(&'a str),
    /// A value is not of the type that the operator compares.
    Value(Test),
}

/// Reads a `Condition`.
pub(super) fn read(json: &Json, has_variables: bool) -> Result<Vec<Condition>, ConditionFault<'_>> {
    let mut conditions = Vec::new();
    for (name, keys) in json.members().ok_or(ConditionFault::Syntax)? {
        let keys = keys.members().ok_or(ConditionFault::Syntax)?;
        let operator = Operator::parse(name).ok_or(ConditionFault::Operator(name))?;
        for (key, values) in keys {
            let values = values_of(values).filter(|values| !values.is_empty()).ok_or(ConditionFault::Syntax)?;
            let has_variable = |value: &str| has_variables && value.contains("${");
            if values.iter().any(|value| !has_variable(value) && !operator.test.takes(value)) {
                return Err(ConditionFault::Value(operator.test));
            }
            let values = values.iter().map(|value| Template::parse(value, has_variables)).collect();
            conditions.push(Condition { operator, key: key.to_ascii_lowercase(), values });
        }
    }
    Ok(conditions)
}

/// The values of a key: texts, numbers and booleans.
fn values_of(json: &Json) -> Option<Vec<String>> {
    let text = |value: &Json| match value {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    };
    json.items().iter().map(text).collect()
}
