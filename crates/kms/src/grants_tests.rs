//! What grants allow, and how little is left of what nobody made.

use super::*;

fn constraint(is_exact: bool, pairs: &[(&str, &str)]) -> ConstraintRecord {
    ConstraintRecord { is_exact, pairs: context(pairs) }
}

fn context(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn grant(operations: &[&str], constraint: Option<ConstraintRecord>) -> GrantRecord {
    GrantRecord {
        id: [3; 32],
        key_id: [2; 16],
        grantee: GrantedRecord { arn: "arn:aws:iam::000000000000:user/ann".to_owned(), id: "AIDAANN".to_owned() },
        retiring: None,
        operations: operations.iter().map(|&operation| operation.to_owned()).collect(),
        constraint,
        name: String::new(),
        created_ms: 0,
        issuing_account: "000000000000".to_owned(),
    }
}

#[test]
fn a_grant_allows_its_operations_and_no_others() {
    let grant = grant(&["Decrypt", "DescribeKey"], None);
    for (action, expected) in [
        ("kms:Decrypt", true),
        ("kms:DescribeKey", true),
        ("kms:Encrypt", false),
        ("kms:decrypt", false),
        ("Decrypt", false),
        ("kms:", false),
        ("kms:*", false),
    ] {
        assert_eq!(grant.allows(action, Some(&context(&[]))), expected, "{action}");
    }
}

#[test]
fn a_constraint_needs_a_context_that_it_admits() {
    let subset = grant(&["Decrypt", "CreateGrant"], Some(constraint(false, &[("a", "1")])));
    let equals = grant(&["Decrypt"], Some(constraint(true, &[("a", "1")])));
    for (pairs, by_subset, by_equals) in [
        (&[("a", "1")][..], true, true),
        (&[("a", "1"), ("b", "2")], true, false),
        (&[("a", "2")], false, false),
        (&[("A", "1")], false, false),
        (&[], false, false),
    ] {
        assert_eq!(subset.allows("kms:Decrypt", Some(&context(pairs))), by_subset, "{pairs:?}");
        assert_eq!(equals.allows("kms:Decrypt", Some(&context(pairs))), by_equals, "{pairs:?}");
    }
    assert!(!subset.allows("kms:Decrypt", None));
    // It is no action with an encryption context.
    assert!(subset.allows("kms:CreateGrant", None));
}

#[test]
fn a_grant_made_by_a_grant_gives_no_more() {
    let a = || Some(constraint(false, &[("a", "1")]));
    let parent = grant(&["CreateGrant", "Encrypt"], a());
    let operations = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    for (names, constraint, expected) in [
        (&["Encrypt"][..], a(), true),
        (&["CreateGrant", "Encrypt"], Some(constraint(false, &[("a", "1"), ("b", "2")])), true),
        (&["Encrypt"], Some(constraint(true, &[("a", "1")])), true),
        (&["Encrypt"], Some(constraint(true, &[("a", "1"), ("b", "2")])), true),
        (&["Encrypt"], None, false),
        (&["Encrypt"], Some(constraint(false, &[])), false),
        (&["Encrypt"], Some(constraint(false, &[("a", "2")])), false),
        (&["Encrypt"], Some(constraint(true, &[("b", "2")])), false),
        (&["Decrypt"], a(), false),
        (&["Decrypt", "Encrypt"], a(), false),
    ] {
        assert_eq!(parent.covers(&operations(names), constraint.as_ref()), expected, "{names:?} {constraint:?}");
    }
    let exact = grant(&["Encrypt"], Some(constraint(true, &[("a", "1")])));
    assert!(exact.covers(&operations(&["Encrypt"]), Some(&constraint(true, &[("a", "1")]))));
    assert!(!exact.covers(&operations(&["Encrypt"]), Some(&constraint(false, &[("a", "1")]))));
    assert!(!exact.covers(&operations(&["Encrypt"]), Some(&constraint(true, &[("a", "1"), ("b", "2")]))));
}

#[test]
fn a_token_reads_back_and_nothing_else_does() {
    let grant = grant(&["Encrypt"], None);
    assert_eq!(read_token(&token(&grant)), Some((grant.key_id, grant.id)));
    let bytes = STANDARD.decode(token(&grant)).unwrap();
    let other_version = [&[2], &bytes[1..]].concat();
    for other in [&bytes[..48], &[&bytes[..], &[0]].concat(), &other_version, &[]] {
        assert_eq!(read_token(&STANDARD.encode(other)), None);
    }
    assert_eq!(read_token("no base64"), None);
}

#[test]
fn grants_to_one_are_apart_from_those_to_others() {
    let id = |grantee: &str| {
        let mut id = [9; 32];
        id[..16].copy_from_slice(&digest(grantee));
        id
    };
    let ann = grants_to(&[2; 16], "AIDAANN");
    assert!(grant_row(&[2; 16], &id("AIDAANN")).starts_with(&ann));
    assert!(!grant_row(&[2; 16], &id("AIDAANNE")).starts_with(&ann));
    assert!(!grant_row(&[3; 16], &id("AIDAANN")).starts_with(&ann));
}
