use coffer_configuration::LifecycleConfiguration;

use super::*;
use crate::error::S3Error;

fn parse(rules: &str) -> Result<LifecycleConfiguration, S3Error> {
    let document = format!("<LifecycleConfiguration xmlns='u'>{rules}</LifecycleConfiguration>");
    parse_lifecycle_configuration(document.as_bytes())
}

fn filtered(filter: &str, actions: &str) -> String {
    format!("<Rule><Filter>{filter}</Filter><Status>Enabled</Status>{actions}</Rule>")
}

fn refusal(rules: &str) -> (&'static str, String) {
    let error = parse(rules).unwrap_err();
    (error.code(), error.message().to_owned())
}

fn check(rules: &str, code: &str, message: &str) {
    let refused = refusal(rules);
    assert_eq!((refused.0, refused.1.as_str()), (code, message), "{rules:.300}");
}

fn malformed(rules: &str) {
    assert_eq!(refusal(rules).0, "MalformedXML", "{rules:.300}");
}

const EXPIRES: &str = "<Expiration><Days>1</Days></Expiration>";
const ABORTS: &str =
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
const MARKER: &str = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
const TAG: &str = "<Tag><Key>k</Key><Value>v</Value></Tag>";

#[test]
fn what_was_put_is_answered_in_its_own_form() {
    for rule in [
        format!("<Rule><ID>a &amp; b</ID><Prefix>p/</Prefix><Status>Disabled</Status>{EXPIRES}</Rule>"),
        format!("<Rule><ID>1</ID><Filter/><Status>Enabled</Status>{MARKER}</Rule>"),
        format!("<Rule><ID>1</ID><Filter><Prefix/></Filter><Status>Enabled</Status>{ABORTS}</Rule>"),
        format!("<Rule><ID>1</ID><Filter>{TAG}</Filter><Status>Enabled</Status>{EXPIRES}</Rule>"),
        "<Rule><ID>1</ID><Filter><And><Prefix>p</Prefix><Tag><Key>a</Key><Value/></Tag><Tag><Key>b</Key>\
         <Value>2</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>7</ObjectSizeLessThan>\
         </And></Filter><Status>Enabled</Status><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>\
         <Transition><Date>2029-01-01T00:00:00.000Z</Date><StorageClass>GLACIER</StorageClass></Transition>\
         <NoncurrentVersionExpiration><NoncurrentDays>90</NoncurrentDays>\
         <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration>\
         <NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays><StorageClass>STANDARD_IA</StorageClass>\
         </NoncurrentVersionTransition></Rule>"
            .to_owned(),
    ] {
        let parsed = parse(&rule).unwrap();
        let answer = write_lifecycle_configuration(&parsed);
        assert!(answer.ends_with(&format!("{rule}</LifecycleConfiguration>")), "{answer}");
        assert_eq!(parse_lifecycle_configuration(answer.as_bytes()).unwrap(), parsed);
    }
}

#[test]
fn elements_come_in_any_order() {
    let rule = format!("<Rule>{EXPIRES}<Status> Enabled </Status><Filter/><ID>r</ID></Rule>");
    assert_eq!(parse(&rule).unwrap().rules[0].id, "r");
}

#[test]
fn what_is_not_in_the_schema_is_malformed() {
    for rules in [
        "",
        "<Rule/>",
        "text",
        "<Other/>",
        "<Rule><Filter/><Status>Enabled</Status><Expiration/></Rule>",
        &filtered("", "<Other/>"),
        &filtered("<Other/>", EXPIRES),
        &filtered("", &EXPIRES.repeat(2)),
        &filtered("", "<NoncurrentVersionExpiration/>"),
        &filtered("", "<AbortIncompleteMultipartUpload/>"),
        &filtered("", "<Transition><Days>1</Days></Transition>"),
        &filtered("", "<Transition><StorageClass>GLACIER</StorageClass></Transition>"),
        &filtered("", "<Transition><Days>1</Days><StorageClass>STANDARD</StorageClass></Transition>"),
        &filtered("<Tag><Key>k</Key></Tag>", EXPIRES),
        &format!("<Rule><Filter/><Prefix/><Status>Enabled</Status>{EXPIRES}</Rule>"),
        &format!("<Rule><Status>Enabled</Status>{EXPIRES}</Rule>"),
        &format!("<Rule><Filter/>{EXPIRES}</Rule>"),
        &"<Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>".repeat(1001),
    ] {
        malformed(rules);
    }
    for status in ["enabled", "disabled", "invalid", ""] {
        malformed(&format!("<Rule><Filter/><Status>{status}</Status>{EXPIRES}</Rule>"));
    }
    for days in ["x", "1.5", "", "2147483648", "1 2"] {
        malformed(&filtered("", &format!("<Expiration><Days>{days}</Days></Expiration>")));
    }
}

#[test]
fn an_expiration_says_one_thing() {
    let date = "<Date>2030-01-01T00:00:00Z</Date>";
    let marker = "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>";
    for (one, other) in [("<Days>1</Days>", date), (date, marker), (marker, "<Days>1</Days>"), (date, date)] {
        malformed(&filtered("", &format!("<Expiration>{one}{other}</Expiration>")));
    }
}

#[test]
fn conditions_stand_alone_or_together_in_an_and() {
    let prefix = "<Prefix>p</Prefix>";
    let and = |inner: &str| filtered(&format!("<And>{inner}</And>"), EXPIRES);
    malformed(&filtered(&format!("{prefix}{TAG}"), EXPIRES));
    malformed(&filtered(&format!("{prefix}<And>{prefix}{TAG}</And>"), EXPIRES));
    malformed(&filtered(&TAG.repeat(2), EXPIRES));
    malformed(&and(""));
    malformed(&and(prefix));
    malformed(&and(TAG));
    malformed(&and(&format!("{prefix}{prefix}{TAG}")));
    malformed(&and(&format!("<And>{prefix}{TAG}</And>{TAG}")));
    assert!(parse(&and("<Prefix/><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>")).is_ok());
    check(&and(&TAG.repeat(2)), "InvalidRequest", "Duplicate Tag Keys are not allowed.");
}

#[test]
fn ids_are_short_and_different() {
    let rule = |id: &str| format!("<Rule><ID>{id}</ID><Filter/><Status>Enabled</Status>{EXPIRES}</Rule>");
    let (long, limit) = ("é".repeat(256), "é".repeat(255));
    check(&rule(&long), "InvalidArgument", "ID length should not exceed allowed limit of 255");
    assert!(parse(&rule(&limit)).is_ok());
    let message = "Rule ID must be unique. Found same ID for more than one rule";
    check(&rule("a").repeat(2), "InvalidArgument", message);
    assert!(parse(&rule("").repeat(2)).is_ok(), "each gets its own");
}

#[test]
fn a_rule_does_something() {
    check(&filtered("", ""), "InvalidRequest", "At least one action needs to be specified in a rule");
}

#[test]
fn numbers_of_days_are_positive() {
    for days in ["0", "-1"] {
        let expiration = format!("<Expiration><Days>{days}</Days></Expiration>");
        check(&filtered("", &expiration), "InvalidArgument", "'Days' for Expiration action must be a positive integer");
        let noncurrent =
            |inner: &str| filtered("", &format!("<NoncurrentVersionExpiration>{inner}</NoncurrentVersionExpiration>"));
        check(
            &noncurrent(&format!("<NoncurrentDays>{days}</NoncurrentDays>")),
            "InvalidArgument",
            "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
        );
        check(
            &noncurrent(&format!(
                "<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>{days}</NewerNoncurrentVersions>"
            )),
            "InvalidArgument",
            "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer",
        );
        check(
            &filtered("", &ABORTS.replace(">1<", &format!(">{days}<"))),
            "InvalidArgument",
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
        );
    }
    let versions = "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    malformed(&filtered("", versions));
}

#[test]
fn malformed_documents_are_that_whatever_else_is_wrong() {
    malformed(&format!("{}<Rule/>", filtered("", "<Expiration><Days>0</Days></Expiration>")));
}

#[test]
fn dates_are_midnights() {
    let date = |date: &str| filtered("", &format!("<Expiration><Date>{date}</Date></Expiration>"));
    for good in ["2017-09-27", "2017-09-27T00:00:00Z", "2017-09-27T00:00:00.000Z", "2017-09-27T00:00:00+00:00"] {
        let parsed = parse(&date(good)).unwrap();
        assert!(write_lifecycle_configuration(&parsed).contains("<Date>2017-09-27T00:00:00.000Z</Date>"), "{good}");
    }
    for late in ["1970-08-22T19:08:21Z", "2017-09-27T00:00:00.001Z"] {
        check(&date(late), "InvalidArgument", "'Date' must be at midnight GMT");
    }
    for bad in
        ["", "20170927", "2017-13-27", "Fri, 01 Jan 2016 00:00:00 GMT", "2017-09-27T00:00:00", "T", "2017-09-27+00:00"]
    {
        malformed(&date(bad));
    }
}

#[test]
fn sizes_are_those_of_objects_and_leave_some() {
    let size = |name: &str, size: &str| filtered(&format!("<{name}>{size}</{name}>"), EXPIRES);
    for bad in ["0", "-1", "1099511627776001"] {
        check(
            &size("ObjectSizeLessThan", bad),
            "InvalidRequest",
            "'ObjectSizeLessThan' should be between 1 and 1099511627776000.",
        );
    }
    check(
        &size("ObjectSizeGreaterThan", "-1"),
        "InvalidRequest",
        "'ObjectSizeGreaterThan' should be between 0 and 1099511627776000.",
    );
    assert!(parse(&size("ObjectSizeGreaterThan", "0")).is_ok());
    malformed(&size("ObjectSizeGreaterThan", "9223372036854775808"));
    let range = |more: u32, less: u32| {
        filtered(
            &format!(
                "<And><ObjectSizeGreaterThan>{more}</ObjectSizeGreaterThan>\
                 <ObjectSizeLessThan>{less}</ObjectSizeLessThan></And>"
            ),
            EXPIRES,
        )
    };
    let message = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.";
    check(&range(5, 5), "InvalidRequest", message);
    assert!(parse(&range(5, 6)).is_ok());
}

#[test]
fn markers_and_uploads_have_neither_tags_nor_sizes() {
    for (actions, name) in [(MARKER, "ExpiredObjectDeleteMarker"), (ABORTS, "AbortIncompleteMultipartUpload")] {
        let (tags, size) = (filtered(TAG, actions), filtered("<ObjectSizeLessThan>1</ObjectSizeLessThan>", actions));
        check(&tags, "InvalidRequest", &format!("{name} cannot be specified with Tags."));
        check(&size, "InvalidRequest", &format!("{name} cannot be specified with Object Size."));
    }
}

#[test]
fn tags_are_such_as_an_object_can_have() {
    let tag = |key: &str, value: &str| filtered(&format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"), EXPIRES);
    assert!(parse(&tag(&"k".repeat(128), &"v".repeat(256))).is_ok());
    for (key, value) in
        [(String::new(), "v".to_owned()), ("k".repeat(129), "v".to_owned()), ("k".to_owned(), "v".repeat(257))]
    {
        assert_eq!(refusal(&tag(&key, &value)).0, "InvalidTag");
    }
}

#[test]
fn filters_and_prefixes_of_rules_do_not_mix() {
    let old = |prefix: &str, actions: &str| {
        format!("<Rule><Prefix>{prefix}</Prefix><Status>Enabled</Status>{actions}</Rule>")
    };
    let new = filtered("", ABORTS);
    let message = "Filter element can only be used in Lifecycle V2.";
    check(&(old("", EXPIRES) + &new), "InvalidRequest", message);
    let message = "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.";
    check(&(new + &old("", EXPIRES)), "InvalidRequest", message);
    let newer = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1\
                 </NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    let message = "NewerNoncurrentVersions element can only be used in Lifecycle V2.";
    check(&old("", newer), "InvalidRequest", message);
    let message = "Found overlapping prefixes '' and 'a' for same action type 'Expiration'";
    check(&(old("a", EXPIRES) + &old("", EXPIRES)), "InvalidRequest", message);
    check(&old("a", EXPIRES).repeat(2), "InvalidRequest", "Found two rules with same prefix 'a'");
    assert!(parse(&(old("a", EXPIRES) + &old("", ABORTS) + &old("b", EXPIRES))).is_ok());
    assert!(parse(&filtered("<Prefix>a</Prefix>", EXPIRES).repeat(2)).is_ok());
}

#[test]
fn a_prefix_is_no_longer_than_a_key() {
    let prefix = |len: usize| filtered(&format!("<Prefix>{}</Prefix>", "p".repeat(len)), EXPIRES);
    assert!(parse(&prefix(1024)).is_ok());
    check(&prefix(1025), "InvalidRequest", "The maximum size of a prefix is 1024.");
}

fn transition(days: i32, class: &str) -> String {
    format!("<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>")
}

#[test]
fn transitions_are_late_enough_and_in_order() {
    let rule = |actions: &str| filtered("<Prefix>p/</Prefix>", actions);
    for class in ["STANDARD_IA", "ONEZONE_IA"] {
        check(
            &rule(&transition(29, class)),
            "InvalidArgument",
            &format!("'Days' in Transition action must be greater than or equal to 30 for storageClass '{class}'"),
        );
    }
    check(&rule(&transition(-1, "GLACIER")), "InvalidArgument", "'Days' in Transition action must be nonnegative");
    for class in ["GLACIER", "GLACIER_IR", "INTELLIGENT_TIERING", "DEEP_ARCHIVE"] {
        assert!(parse(&rule(&transition(0, class))).is_ok(), "{class}");
    }
    check(
        &rule(&(transition(1, "GLACIER") + &transition(2, "GLACIER"))),
        "InvalidRequest",
        "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=p/)'",
    );
    let out_of_order = "'Days' in the Transition action for StorageClass 'GLACIER' for filter '(prefix=p/)' must be \
                        greater than 'Days' in the Transition action for StorageClass 'STANDARD_IA' for filter \
                        '(prefix=p/)'";
    check(&rule(&(transition(30, "GLACIER") + &transition(30, "STANDARD_IA"))), "InvalidArgument", out_of_order);
    assert!(parse(&rule(&(transition(31, "GLACIER") + &transition(30, "STANDARD_IA")))).is_ok());
}

#[test]
fn a_rule_expires_after_its_transitions_and_counts_in_one_way() {
    let expires = |when: &str| format!("<Expiration>{when}</Expiration>");
    let rule = |actions: &str| filtered("", actions);
    check(
        &rule(&(transition(1, "GLACIER") + EXPIRES)),
        "InvalidArgument",
        "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action",
    );
    let date = "<Date>2030-01-01T00:00:00Z</Date>";
    check(
        &rule(&(transition(1, "GLACIER") + &expires(date))),
        "InvalidRequest",
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=)'",
    );
    let dated = format!("<Transition>{date}<StorageClass>DEEP_ARCHIVE</StorageClass></Transition>");
    check(
        &rule(&(transition(1, "GLACIER") + &dated)),
        "InvalidRequest",
        "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter '(prefix=)'",
    );
    check(
        &rule(&(expires(date) + &dated)),
        "InvalidArgument",
        "'Date' in the Expiration action for filter '(prefix=)' must be greater than 'Date' in the Transition action",
    );
    assert!(parse(&rule(&(MARKER.to_owned() + &dated))).is_ok());
}

#[test]
fn noncurrent_transitions_obey_the_same_rules() {
    let to = |days: i32, class: &str| {
        format!(
            "<NoncurrentVersionTransition><NoncurrentDays>{days}</NoncurrentDays><StorageClass>{class}</StorageClass>\
             </NoncurrentVersionTransition>"
        )
    };
    let message = "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for \
                   storageClass 'STANDARD_IA'";
    check(&filtered("", &to(0, "STANDARD_IA")), "InvalidArgument", message);
    let message = "'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative";
    check(&filtered("", &to(-1, "GLACIER")), "InvalidArgument", message);
    let expiration = "<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>";
    let message = "'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '(prefix=)' must be greater \
                   than 'NoncurrentDays' in the NoncurrentVersionTransition action";
    check(&filtered("", &(to(5, "GLACIER") + expiration)), "InvalidArgument", message);
    assert!(parse(&filtered("", &(to(4, "GLACIER") + expiration))).is_ok());
}

#[test]
fn hostile_documents_are_refused() {
    for document in [
        &b""[..],
        b"<LifecycleConfiguration>",
        b"<Other/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><LifecycleConfiguration/>",
        b"<LifecycleConfiguration><Rule><ID>&b;</ID></Rule></LifecycleConfiguration>",
        b"\xff",
    ] {
        assert_eq!(parse_lifecycle_configuration(document).unwrap_err().code(), "MalformedXML");
    }
}
