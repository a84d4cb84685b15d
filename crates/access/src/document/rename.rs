//! Documents in which principals go by another name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::json::Json;

/// A document with other names for some of its principals: `names` has the new ones, by the old ones. It is as it was
/// if it names none of them, and without white space otherwise.
pub(crate) fn rename_principals(document: &str, names: &BTreeMap<String, String>) -> String {
    let Ok(mut json) = Json::parse(document) else { return document.to_owned() };
    if !rename_in_statements(&mut json, names) {
        return document.to_owned();
    }
    let mut renamed = String::new();
    write(&json, &mut renamed);
    renamed
}

/// Whether there was something to rename.
fn rename_in_statements(document: &mut Json, names: &BTreeMap<String, String>) -> bool {
    let mut is_renamed = false;
    for statements in members(document, |name| name == "Statement") {
        let statements = match statements {
            Json::List(statements) => statements.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for statement in statements {
            for principals in members(statement, |name| name == "Principal" || name == "NotPrincipal") {
                for values in members(principals, |kind| kind == "AWS") {
                    is_renamed |= rename(values, names);
                }
            }
        }
    }
    is_renamed
}

fn rename(value: &mut Json, names: &BTreeMap<String, String>) -> bool {
    match value {
        Json::Text(text) => match names.get(text) {
            Some(name) => {
                text.clone_from(name);
                true
            }
            None => false,
        },
        Json::List(items) => {
            let mut is_renamed = false;
            for item in items {
                is_renamed |= rename(item, names);
            }
            is_renamed
        }
        _ => false,
    }
}

/// The values of the members with such names; none of what is no object.
fn members(value: &mut Json, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = &mut Json> {
    let members = match value {
        Json::Object(members) => members.as_mut_slice(),
        _ => &mut [],
    };
    members.iter_mut().filter(move |(name, _)| is_meant(name)).map(|(_, value)| value)
}

fn write(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => {
            let _ = write!(text, "{value}");
        }
        Json::Number(number) => text.push_str(number),
        Json::Text(value) => write_text(value, text),
        Json::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(name, text);
                text.push(':');
                write(member, text);
            }
            text.push('}');
        }
    }
}

fn write_text(value: &str, text: &mut String) {
    text.push_str(&serde_json::to_string(value).expect("a string is always JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(document: &str) -> String {
        let names = [("arn:a", "AIDA"), ("arn:\"q\"", "Q\\")];
        rename_principals(document, &names.map(|(old, new)| (old.to_owned(), new.to_owned())).into())
    }

    #[test]
    fn principals_are_renamed_and_nothing_else() {
        let document = r#"{"Statement": [{"Sid": "arn:a", "Principal": {"AWS": ["arn:a", "arn:b"], "Service": "arn:a"},
            "Condition": {"StringEquals": {"AWS": "arn:a", "n": 1, "b": true}}}, {"NotPrincipal": {"AWS": "arn:\"q\""}}]}"#;
        let expected = r#"{"Statement":[{"Sid":"arn:a","Principal":{"AWS":["AIDA","arn:b"],"Service":"arn:a"},"Condition":{"StringEquals":{"AWS":"arn:a","n":1,"b":true}}},{"NotPrincipal":{"AWS":"Q\\"}}]}"#;
        assert_eq!(renamed(document), expected);
        assert_eq!(
            renamed(r#"{"Statement":{"Principal":{"AWS":"arn:a"}}}"#),
            r#"{"Statement":{"Principal":{"AWS":"AIDA"}}}"#
        );
    }

    #[test]
    fn a_document_without_them_is_as_it_was() {
        for document in
            [r#"{ "Statement": [ {"Principal": {"AWS": "arn:b"}} ] }"#, r#"{ "Statement": "arn:a" }"#, "no JSON", "7"]
        {
            assert_eq!(renamed(document), document);
        }
    }
}
