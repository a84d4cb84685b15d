//! Each operator, with the key there and absent, with one value and several, and with values that are none.

use serde_json::{Value, json};

use crate::context::{Context, Keys};
use crate::document::conditions_of;
use crate::statement::Effect;

const KEY: &str = "aws:key";

/// The key's values in the request.
fn given(values: &[&str]) -> Context {
    let mut context = Context::new();
    context.set_all("AWS:Key", values.iter().map(|&value| value.to_owned()).collect());
    context
}

fn holds_for(operator: &str, values: &Value, context: &Context, effect: Effect) -> bool {
    let conditions = conditions_of(&json!({ operator: { KEY: values } }).to_string(), true).unwrap();
    let caller = Context::new();
    conditions.iter().all(|condition| condition.holds(&Keys { caller: &caller, request: context }, effect))
}

/// Whether a condition holds, as it has to for both effects.
fn holds(operator: &str, values: &Value, context: &Context) -> bool {
    let [allow, deny] = [Effect::Allow, Effect::Deny].map(|effect| holds_for(operator, values, context, effect));
    assert_eq!(allow, deny, "{operator} {values} {context:?}");
    allow
}

#[track_caller]
fn check(operator: &str, policy: &Value, request: &str, expected: bool) {
    assert_eq!(holds(operator, policy, &given(&[request])), expected, "{operator} {policy} {request}");
}

#[test]
fn strings_are_compared_by_character() {
    for (policy, request, is_equal) in [("AES256", "AES256", true), ("AES256", "aes256", false), ("", "", true)] {
        check("StringEquals", &json!(policy), request, is_equal);
        check("StringNotEquals", &json!(policy), request, !is_equal);
    }
    check("StringEquals", &json!("a*"), "ab", false);
    check("StringEquals", &json!("a*"), "a*", true);
    check("StringEqualsIgnoreCase", &json!("AbC"), "aBc", true);
    check("StringNotEqualsIgnoreCase", &json!("AbC"), "aBc", false);
    check("StringNotEqualsIgnoreCase", &json!("AbC"), "aBd", true);
}

#[test]
fn string_like_knows_wildcards_and_case() {
    for (policy, request, is_like) in
        [("home/*", "home/ann", true), ("home/?", "home/ann", false), ("home/*", "Home/ann", false), ("*", "", true)]
    {
        check("StringLike", &json!(policy), request, is_like);
        check("StringNotLike", &json!(policy), request, !is_like);
    }
}

#[test]
fn several_values_are_one_of_them_or_none_of_them() {
    let values = json!(["a", "b"]);
    check("StringEquals", &values, "b", true);
    check("StringEquals", &values, "c", false);
    check("StringNotEquals", &values, "b", false);
    check("StringNotEquals", &values, "c", true);
}

#[test]
fn numbers_are_decimal() {
    for (operator, policy, request, expected) in [
        ("NumericEquals", json!("10"), "10.0", true),
        ("NumericEquals", json!(10), "10", true),
        ("NumericNotEquals", json!("10"), "10", false),
        ("NumericNotEquals", json!("10"), "11", true),
        ("NumericLessThan", json!("1.2"), "1.1", true),
        ("NumericLessThan", json!("1.2"), "1.2", false),
        ("NumericLessThanEquals", json!(1.2), "1.2", true),
        ("NumericGreaterThan", json!("-1"), "0", true),
        ("NumericGreaterThan", json!("9"), "10", true),
        ("NumericGreaterThanEquals", json!("10"), "9", false),
    ] {
        check(operator, &policy, request, expected);
    }
}

#[test]
fn dates_are_points_in_time() {
    for (operator, policy, request, expected) in [
        ("DateEquals", "2026-01-02T03:04:05Z", "1767323045", true),
        ("DateEquals", "1970-01-01T00:00:00Z", "0", true),
        ("DateEquals", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z", true),
        ("DateEquals", "2026-01-02T05:04:05+0200", "2026-01-02T03:04:05.000Z", true),
        ("DateEquals", "2026-01-01T22:04:05-05:00", "2026-01-02T03:04:05", true),
        ("DateEquals", "2026-01", "2026-01-01T00:00Z", true),
        ("DateEquals", "2000-02-29", "951782400", true),
        ("DateNotEquals", "2026-01-01", "2026-01-02", true),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999Z", true),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", false),
        ("DateLessThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", true),
        ("DateGreaterThan", "2026-01-01", "2026-01-01T00:00:00.000000001Z", true),
        ("DateGreaterThanEquals", "1767323045", "2026-01-02T03:04:04Z", false),
    ] {
        check(operator, &json!(policy), request, expected);
    }
}

#[test]
fn bool_takes_text_and_json() {
    for policy in [json!("false"), json!(false), json!("False")] {
        check("Bool", &policy, "false", true);
        check("Bool", &policy, "true", false);
    }
}

#[test]
fn binary_is_compared_by_byte() {
    check("BinaryEquals", &json!("QmluYXJ5"), "QmluYXJ5", true);
    check("BinaryEquals", &json!("QmluYXJ5"), "qmluyxj5", false);
}

#[test]
fn addresses_lie_in_networks() {
    for (policy, request, is_inside) in [
        ("203.0.113.0/24", "203.0.113.7", true),
        ("203.0.113.9/24", "203.0.113.7", true),
        ("203.0.113.0/24", "203.0.114.7", false),
        ("203.0.113.7", "203.0.113.7", true),
        ("203.0.113.7", "203.0.113.8", false),
        ("0.0.0.0/0", "203.0.113.7", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "203.0.113.7", false),
        ("203.0.113.0/24", "::ffff:203.0.113.7", true),
        ("203.0.113.7/32", "203.0.113.7", true),
    ] {
        check("IpAddress", &json!(policy), request, is_inside);
        check("NotIpAddress", &json!(policy), request, !is_inside);
    }
}

#[test]
fn arns_are_compared_part_by_part() {
    for (policy, is_like) in [
        ("arn:aws:iam::111122223333:user/*", true),
        ("arn:aws:iam::*:user/ann", true),
        ("arn:aws:iam::111122223333:*", true),
        ("arn:aws:*:*:*:*", true),
        ("arn:aws:iam:*", false),
        ("arn:*:user/ann", false),
        ("arn:aws:iam::11112222333?:user/ann", true),
        ("arn:aws:iam::111122223333:user/Ann", false),
        ("*", true),
        ("ann", false),
    ] {
        for operator in ["ArnEquals", "ArnLike"] {
            check(operator, &json!(policy), "arn:aws:iam::111122223333:user/ann", is_like);
        }
        for operator in ["ArnNotEquals", "ArnNotLike"] {
            check(operator, &json!(policy), "arn:aws:iam::111122223333:user/ann", !is_like);
        }
    }
}

#[test]
fn what_is_no_arn_is_none_of_them() {
    for request in ["", "arn", "arn:aws", "arn:aws:iam::111122223333", "ann"] {
        check("ArnLike", &json!("arn:aws:iam::111122223333:*"), request, false);
        check("ArnNotLike", &json!("arn:aws:iam::111122223333:*"), request, true);
    }
}

#[test]
fn an_absent_key_fulfils_the_negated_operators_only() {
    let absent = Context::new();
    for (operator, value) in [
        ("StringEquals", "a"),
        ("StringEqualsIgnoreCase", "a"),
        ("StringLike", "*"),
        ("NumericEquals", "1"),
        ("NumericLessThan", "1"),
        ("DateGreaterThan", "2026-01-01"),
        ("Bool", "false"),
        ("BinaryEquals", "QQ=="),
        ("IpAddress", "0.0.0.0/0"),
        ("ArnEquals", "*"),
        ("ArnLike", "*"),
    ] {
        assert!(!holds(operator, &json!(value), &absent), "{operator}");
        assert!(holds(&format!("{operator}IfExists"), &json!(value), &absent), "{operator}");
        assert!(!holds(&format!("ForAnyValue:{operator}"), &json!(value), &absent), "{operator}");
        assert!(holds(&format!("ForAllValues:{operator}"), &json!(value), &absent), "{operator}");
    }
    for (operator, value) in [
        ("StringNotEquals", "a"),
        ("StringNotEqualsIgnoreCase", "a"),
        ("StringNotLike", "*"),
        ("NumericNotEquals", "1"),
        ("DateNotEquals", "2026-01-01"),
        ("NotIpAddress", "0.0.0.0/0"),
        ("ArnNotEquals", "*"),
        ("ArnNotLike", "*"),
    ] {
        assert!(holds(operator, &json!(value), &absent), "{operator}");
        assert!(holds(&format!("{operator}IfExists"), &json!(value), &absent), "{operator}");
        assert!(!holds(&format!("ForAnyValue:{operator}"), &json!(value), &absent), "{operator}");
        assert!(holds(&format!("ForAllValues:{operator}"), &json!(value), &absent), "{operator}");
    }
}

#[test]
fn if_exists_is_the_operator_itself_when_the_key_is_there() {
    check("StringEqualsIfExists", &json!("a"), "b", false);
    check("StringNotEqualsIfExists", &json!("a"), "a", false);
    check("BoolIfExists", &json!("true"), "false", false);
}

#[test]
fn null_asks_whether_the_key_is_absent() {
    let (absent, there, empty) = (Context::new(), given(&["x"]), given(&[""]));
    for (value, for_absent) in
        [(json!("true"), true), (json!(true), true), (json!("false"), false), (json!(false), false)]
    {
        assert_eq!(holds("Null", &value, &absent), for_absent);
        assert_eq!(holds("Null", &value, &there), !for_absent);
        assert_eq!(holds("Null", &value, &empty), !for_absent);
    }
    assert!(holds("Null", &json!(["true", "false"]), &there));
}

#[test]
fn set_operators_take_each_value_of_the_request() {
    let values = json!(["a", "b"]);
    for (operator, request, expected) in [
        ("ForAllValues:StringEquals", &["a", "b", "a"][..], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAllValues:StringEquals", &[], true),
        ("ForAnyValue:StringEquals", &["c", "b"], true),
        ("ForAnyValue:StringEquals", &["c", "d"], false),
        ("ForAnyValue:StringEquals", &[], false),
        ("ForAllValues:StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringNotEquals", &["c", "a"], false),
        ("ForAllValues:StringNotEquals", &[], true),
        ("ForAnyValue:StringNotEquals", &["a", "c"], true),
        ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ("ForAnyValue:StringNotEquals", &[], false),
        ("ForAnyValue:StringLikeIfExists", &["c"], false),
        ("StringEquals", &["c", "b"], true),
        ("StringNotEquals", &["c", "b"], false),
        ("StringNotEquals", &["c", "d"], true),
    ] {
        assert_eq!(holds(operator, &values, &given(request)), expected, "{operator} {request:?}");
    }
}

#[test]
fn for_any_value_if_exists_takes_an_absent_key() {
    assert!(holds("ForAnyValue:StringEqualsIfExists", &json!("a"), &Context::new()));
}

/// What cannot be compared grants nothing, and escapes no denial.
#[test]
fn what_cannot_be_compared_is_no_match_and_no_mismatch() {
    for (operator, negated, value, request) in [
        ("NumericEquals", "NumericNotEquals", "1", "one"),
        ("NumericEquals", "NumericNotEquals", "1", "1e0"),
        ("NumericEquals", "NumericNotEquals", "1", "inf"),
        ("DateEquals", "DateNotEquals", "2026-01-01", "2026-13-01"),
        ("DateEquals", "DateNotEquals", "2026-01-01", "2026-02-30"),
        ("DateEquals", "DateNotEquals", "2026-01-01", "yesterday"),
        ("DateEquals", "DateNotEquals", "2026-01-01", "2026-01-01T24:00:00Z"),
        ("IpAddress", "NotIpAddress", "10.0.0.0/8", "10.0.0"),
        ("IpAddress", "NotIpAddress", "10.0.0.0/8", ""),
        ("StringLike", "StringNotLike", "${aws:nothing}", "x"),
        ("StringEquals", "StringNotEquals", "${aws:nothing}", ""),
        ("ArnLike", "ArnNotLike", "arn:aws:iam::${aws:nothing}:root", "arn:aws:iam::1:root"),
    ] {
        let context = given(&[request]);
        for effect in [Effect::Allow, Effect::Deny] {
            assert!(!holds_for(operator, &json!(value), &context, effect), "{operator} {value} {request}");
        }
        assert!(!holds_for(negated, &json!(value), &context, Effect::Allow), "{negated} {value} {request}");
        assert!(holds_for(negated, &json!(value), &context, Effect::Deny), "{negated} {value} {request}");
    }
    check("Bool", &json!("true"), "yes", false);
    check("Bool", &json!("false"), "", false);
    check("BinaryEquals", &json!("QQ=="), "Q", false);
    check("NumericLessThan", &json!("5"), "NaN", false);
}

#[test]
fn variables_stand_for_other_keys() {
    let mut context = given(&["home/ann"]);
    context.set("aws:username", "ann");
    assert!(holds("StringEquals", &json!("home/${aws:username}"), &context));
    assert!(holds("StringEquals", &json!("home/${AWS:UserName}"), &context));
    assert!(holds("StringLike", &json!("*/${aws:username}"), &context));
    assert!(!holds("StringEquals", &json!("home/${aws:username}x"), &context));
    assert!(holds("StringEquals", &json!("home/${aws:nothing, 'ann'}"), &context));
    assert!(!holds("StringEquals", &json!("home/${aws:username, 'bob'}x"), &context));
}

#[test]
fn the_caller_is_not_what_the_request_says() {
    let conditions = conditions_of(r#"{"StringEquals":{"aws:username":"ann"}}"#, true).unwrap();
    let mut caller = Context::new();
    caller.set("aws:username", "eve");
    let mut request = Context::new();
    request.set("aws:username", "ann");
    assert!(!conditions[0].holds(&Keys { caller: &caller, request: &request }, Effect::Allow));
}

#[test]
fn all_keys_of_all_operators_have_to_hold() {
    let text = r#"{"StringEquals":{"aws:a":"1","aws:b":"2"},"Bool":{"aws:c":"true"}}"#;
    let conditions = conditions_of(text, true).unwrap();
    let caller = Context::new();
    let all = |pairs: &[(&str, &str)]| {
        let mut context = Context::new();
        pairs.iter().for_each(|(key, value)| context.set(key, *value));
        conditions.iter().all(|condition| condition.holds(&Keys { caller: &caller, request: &context }, Effect::Allow))
    };
    assert!(all(&[("aws:a", "1"), ("aws:b", "2"), ("aws:c", "true")]));
    assert!(!all(&[("aws:a", "1"), ("aws:b", "3"), ("aws:c", "true")]));
    assert!(!all(&[("aws:a", "1"), ("aws:b", "2")]));
}

#[test]
fn what_is_no_condition_is_refused() {
    for condition in [
        r#""StringEquals""#,
        "[]",
        r#"{"StringEquals":"a"}"#,
        r#"{"StringEquals":{"aws:key":null}}"#,
        r#"{"StringEquals":{"aws:key":{}}}"#,
        r#"{"StringEquals":{"aws:key":[["a"]]}}"#,
        r#"{"StringEquals":{"aws:key":[]}}"#,
        r#"{"stringequals":{"aws:key":"a"}}"#,
        r#"{"StringEqualsIfExistsIfExists":{"aws:key":"a"}}"#,
        r#"{"ForAnyValue:ForAllValues:StringEquals":{"aws:key":"a"}}"#,
        r#"{"ForEachValue:StringEquals":{"aws:key":"a"}}"#,
        r#"{"NullIfExists":{"aws:key":"true"}}"#,
        r#"{"ForAnyValue:Null":{"aws:key":"true"}}"#,
        r#"{"":{"aws:key":"true"}}"#,
        r#"{"Null":{"aws:key":"maybe"}}"#,
        r#"{"Bool":{"aws:key":"1"}}"#,
        r#"{"NumericEquals":{"aws:key":"ten"}}"#,
        r#"{"NumericEquals":{"aws:key":"1*"}}"#,
        r#"{"NumericEquals":{"aws:key":""}}"#,
        r#"{"DateEquals":{"aws:key":"2026-1-1"}}"#,
        r#"{"DateEquals":{"aws:key":"2026-02-30"}}"#,
        r#"{"DateEquals":{"aws:key":"2026-01-01T00:00:00+2"}}"#,
        r#"{"DateEquals":{"aws:key":"99999999999999999999"}}"#,
        r#"{"IpAddress":{"aws:key":"10.0.0.0/33"}}"#,
        r#"{"IpAddress":{"aws:key":"10.0.0.0/"}}"#,
        r#"{"IpAddress":{"aws:key":"10.0.0.0/+8"}}"#,
        r#"{"IpAddress":{"aws:key":"10.0.0.*"}}"#,
        r#"{"IpAddress":{"aws:key":"::/129"}}"#,
        r#"{"BinaryEquals":{"aws:key":"Q"}}"#,
    ] {
        assert!(conditions_of(condition, true).is_none(), "{condition}");
    }
}

#[test]
fn an_operator_without_keys_says_nothing() {
    assert_eq!(conditions_of(r#"{"StringEquals":{}}"#, true).unwrap(), []);
    assert_eq!(conditions_of("{}", true).unwrap(), []);
}
