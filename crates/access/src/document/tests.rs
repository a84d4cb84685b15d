//! What documents say, and what is wrong with those that say nothing.

use crate::{Policy, PolicyKind};

fn bucket_error(document: &str) -> String {
    Policy::parse(document, PolicyKind::Bucket { name: "b" }, 20_480).unwrap_err().0
}

fn identity_error(document: &str) -> String {
    Policy::parse(document, PolicyKind::Identity, 6144).unwrap_err().0
}

fn trust_error(document: &str) -> String {
    Policy::parse(document, PolicyKind::Trust, 2048).unwrap_err().0
}

fn takes(document: &str, kind: PolicyKind<'_>) {
    assert_eq!(Policy::parse(document, kind, 20_480).err(), None, "{document}");
}

fn of(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

/// A statement of a bucket's policy with one of its elements replaced; an empty one is left out.
fn bucket_with(name: &str, element: &str) -> String {
    let elements = [
        ("Effect", r#""Effect":"Allow""#),
        ("Principal", r#""Principal":"*""#),
        ("Action", r#""Action":"s3:GetObject""#),
        ("Resource", r#""Resource":"arn:aws:s3:::b/*""#),
        ("", ""),
    ];
    let elements = elements.map(|(own, text)| if own == name { element } else { text });
    of(&format!("{{{}}}", elements.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")))
}

fn identity_with(action: &str, resource: &str) -> String {
    of(&format!(r#"{{"Effect":"Allow","Action":{action},"Resource":{resource}}}"#))
}

const BUCKET: PolicyKind<'_> = PolicyKind::Bucket { name: "b" };
const READ: &str = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;

#[test]
fn a_bucket_policy_is_json_that_begins_with_a_brace() {
    for document in ["", " {}", "[]", "\"policy\"", "x{}", "\u{feff}{}"] {
        assert_eq!(bucket_error(document), "Policies must be valid JSON and the first byte must be '{'", "{document}");
    }
    for document in
        ["{", "{\"Statement\":[", "{} x", "{Statement:[]}", "{\"Version\":\"2012-10-17\",}", "{\"Id\":\"\\ud800\"}"]
    {
        assert_eq!(bucket_error(document), "This policy contains invalid Json", "{document}");
    }
}

#[test]
fn a_name_twice_in_an_object_is_refused() {
    let statement = r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;
    for (name, document) in [
        ("Version", r#"{"Version":"2012-10-17","Version":"2012-10-17"}"#.to_owned()),
        ("Statement", r#"{"Statement":[],"Statement":[]}"#.to_owned()),
        ("Effect", of(&format!(r#"{{"Effect":"Deny",{statement},"Effect":"Allow"}}"#))),
        ("Effect", of(&format!(r#"{{"Effect":"Deny",{statement},"\u0045ffect":"Allow"}}"#))),
        ("AWS", bucket_with("Principal", r#""Principal":{"AWS":"111122223333","AWS":"*"}"#)),
        ("Bool", bucket_with("", r#""Condition":{"Bool":{"aws:a":"true"},"Bool":{"aws:b":"true"}}"#)),
        ("aws:a", bucket_with("", r#""Condition":{"Bool":{"aws:a":"true","aws:a":"false"}}"#)),
    ] {
        assert_eq!(bucket_error(&document), format!("Statement/policy already has instance of {name}"));
        assert_eq!(identity_error(&document), "Syntax errors in policy.");
    }
}

#[test]
fn opposites_do_not_go_together() {
    for (name, element) in [
        ("Principal", r#""NotPrincipal":"*""#),
        ("Action", r#""NotAction":"s3:PutObject""#),
        ("Resource", r#""NotResource":"arn:aws:s3:::b""#),
    ] {
        let message = format!("Statement/policy already has instance of {name}");
        assert_eq!(bucket_error(&bucket_with("", element)), message);
    }
    let both = r#"{"Effect":"Allow","Action":"s3:*","NotAction":"s3:PutObject","Resource":"*"}"#;
    assert_eq!(identity_error(&of(both)), "Syntax errors in policy.");
}

#[test]
fn nesting_is_bounded() {
    for count in [7, 100, 10_000] {
        let condition = format!("{}{}", "[".repeat(count), "]".repeat(count));
        let deep = bucket_with("", &format!(r#""Condition":{condition}"#));
        assert_eq!(bucket_error(&deep), "This policy contains invalid Json");
    }
    assert_eq!(identity_error(&format!("{}1", "[".repeat(6000))), "Syntax errors in policy.");
}

#[test]
fn a_bucket_policy_has_20_kib_as_it_is_sent() {
    let document = bucket_with("", "");
    let padded = format!("{document}{}", " ".repeat(20_480 - document.len()));
    takes(&padded, BUCKET);
    assert_eq!(bucket_error(&format!("{padded} ")), "Policy exceeds the maximum allowed document size.");
}

#[test]
fn a_policy_of_iam_is_measured_without_white_space() {
    let document = of(READ);
    let len = document.len();
    let spaced = document.replace(',', ",\n\t ").replace(':', ": ");
    assert_eq!(Policy::len_of(&spaced), len);
    // The colon in the action is one, too, so that this is another action.
    let spaced = spaced.replace("s3: ", "s3:");
    assert!(Policy::parse(&spaced, PolicyKind::Identity, len).is_ok());
    let error = Policy::parse(&spaced, PolicyKind::Identity, len - 1).unwrap_err();
    assert_eq!(error.0, format!("Cannot exceed quota for PolicySize: {}", len - 1));
    let blank = format!("{document}{}", " ".repeat(131_072));
    assert!(identity_error(&blank).starts_with("Cannot exceed quota"));
}

#[test]
fn the_elements_of_a_bucket_policy_are_checked() {
    const SYNTAX: &str = "Invalid policy syntax.";
    for (document, message) in [
        (r#"{"Version":"2012-10-17"}"#.to_owned(), "Missing required field Statement"),
        (r#"{"Statement":[]}"#.to_owned(), "Could not parse the policy: Statement is empty!"),
        (r#"{"Version":"2012-10-18","Statement":[]}"#.to_owned(), "The policy must contain a valid version string"),
        (r#"{"Version":2012,"Statement":[]}"#.to_owned(), "The policy must contain a valid version string"),
        (r#"{"version":"2012-10-17"}"#.to_owned(), "Unknown field version"),
        (r#"{"Id":1,"Statement":[]}"#.to_owned(), SYNTAX),
        (of("1"), SYNTAX),
        (of("[]"), SYNTAX),
        (of("null"), SYNTAX),
        (bucket_with("", r#""Foo":"bar""#), "Unknown field Foo"),
        (bucket_with("", r#""Sid":1"#), SYNTAX),
        (bucket_with("Effect", ""), "Missing required field Effect"),
        (bucket_with("Effect", r#""Effect":"allow""#), "Invalid effect: allow"),
        (bucket_with("Effect", r#""Effect":true"#), SYNTAX),
        (bucket_with("Principal", ""), "Missing required field Principal"),
        (bucket_with("Action", ""), "Missing required field Action"),
        (bucket_with("Action", r#""Action":[]"#), "Missing required field Action cannot be empty!"),
        (bucket_with("Action", r#""Action":1"#), SYNTAX),
        (bucket_with("Action", r#""Action":["s3:GetObject",1]"#), SYNTAX),
        (bucket_with("Resource", ""), "Missing required field Resource"),
        (bucket_with("Resource", r#""Resource":[]"#), "Missing required field Resource cannot be empty!"),
        (bucket_with("Resource", r#""Resource":{}"#), SYNTAX),
        (bucket_with("", r#""Condition":[]"#), SYNTAX),
        (bucket_with("", r#""Condition":{"Equals":{"aws:a":"b"}}"#), "Invalid Condition type : Equals"),
        (bucket_with("", r#""Condition":{"IpAddress":{"aws:SourceIp":"1"}}"#), "Invalid IP address in Conditions"),
        (bucket_with("", r#""Condition":{"Bool":{"aws:SecureTransport":"no"}}"#), "Invalid value in Conditions"),
    ] {
        assert_eq!(bucket_error(&document), message, "{document}");
    }
}

#[test]
fn a_sid_is_there_once() {
    let statement = |sid: &str| bucket_with("", &format!(r#""Sid":"{sid}""#))[37..].trim_end_matches("]}").to_owned();
    let two = |a: &str, b: &str| of(&format!("{},{}", statement(a), statement(b)));
    takes(&two("a", "b"), BUCKET);
    takes(&two("", ""), BUCKET);
    assert_eq!(bucket_error(&two("a", "a")), "The Statement Ids in the policy are not unique");
    let identity = |sid: &str| format!(r#"{{"Sid":"{sid}","Effect":"Allow","Action":"s3:*","Resource":"*"}}"#);
    let document = of(&format!("{},{}", identity("a"), identity("a")));
    assert_eq!(identity_error(&document), "Statement IDs (SID) in a single policy must be unique.");
}

#[test]
fn principals_of_a_bucket_policy_are_known_kinds() {
    for principal in [
        r#""*""#,
        r#"{"AWS":"*"}"#,
        r#"{"AWS":["111122223333","arn:aws:iam::111122223333:root"]}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/a/b"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:role/r"}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#,
        r#"{"AWS":"AIDAJQABLZS4A3QDU576Q"}"#,
        r#"{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}"#,
        r#"{"Service":"logging.s3.amazonaws.com","AWS":"111122223333"}"#,
        r#"{"Federated":"cognito-identity.amazonaws.com"}"#,
    ] {
        takes(&bucket_with("Principal", &format!(r#""Principal":{principal}"#)), BUCKET);
    }
    for principal in [
        "{}",
        "[]",
        r#"["*"]"#,
        "true",
        r#""111122223333""#,
        r#"{"AWS":[]}"#,
        r#"{"AWS":[1]}"#,
        r#"{"AWS":111122223333}"#,
        r#"{"AWS":""}"#,
        r#"{"AWS":"ann"}"#,
        r#"{"AWS":"11112222333"}"#,
        r#"{"AWS":"1111222233334"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/"}"#,
        r#"{"AWS":"arn:aws:iam::*:root"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:group/g"}"#,
        r#"{"AWS":"arn:aws:iam:us-east-1:111122223333:root"}"#,
        r#"{"AWS":"arn:aws:s3:::b"}"#,
        r#"{"aws":"*"}"#,
        r#"{"AWS":"*","Other":"x"}"#,
        r#"{"CanonicalUser":"*"}"#,
        r#"{"Service":"*"}"#,
        r#"{"Service":"s3.example.com"}"#,
        r#"{"Federated":"*"}"#,
    ] {
        let document = bucket_with("Principal", &format!(r#""Principal":{principal}"#));
        assert_eq!(bucket_error(&document), "Invalid principal in policy", "{principal}");
    }
    let document = bucket_with("Principal", r#""NotPrincipal":{"AWS":"111122223333"}"#);
    assert_eq!(bucket_error(&document), "Allow with NotPrincipal is not allowed.");
    takes(&document.replace("Allow", "Deny"), BUCKET);
}

#[test]
fn actions_of_a_bucket_policy_are_those_of_s3() {
    for action in ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:?etObject", "s3:PutObject*"] {
        takes(&bucket_with("Action", &format!(r#""Action":"{action}""#)), BUCKET);
    }
    for action in
        ["", "s3:", "s3", "GetObject", "s3:NoSuchAction", "ec2:*", "iam:*", "**", "*:*", "s?:GetObject", "s3:Get*Z"]
    {
        let document = bucket_with("Action", &format!(r#""Action":["s3:GetObject","{action}"]"#));
        assert_eq!(bucket_error(&document), "Policy has invalid action", "{action}");
    }
}

#[test]
fn resources_of_a_bucket_policy_are_in_the_bucket() {
    for resource in ["b/*", "b/a b/${aws:username}/?*", "b/", "b/*/x", "b*", "b/*"] {
        takes(&bucket_with("Resource", &format!(r#""Resource":"arn:aws:s3:::{resource}""#)), BUCKET);
    }
    for resource in [
        "*",
        "",
        "b/*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::?",
        "arn:aws:s3:::",
        "arn:aws:s3:::/b",
        "arn:aws:s3:::bb/*",
        "arn:aws:s3:::B/*",
        "arn:aws:s3:::${aws:username}/*",
        "arn:aws:s3:us-east-1::b/*",
        "arn:aws:s3::111122223333:b/*",
        "arn:aws:sqs:::b",
        " arn:aws:s3:::b/*",
    ] {
        let document = bucket_with("Resource", &format!(r#""Resource":["arn:aws:s3:::b/*","{resource}"]"#));
        assert_eq!(bucket_error(&document), "Policy has invalid resource", "{resource}");
    }
}

#[test]
fn actions_of_a_bucket_policy_apply_to_its_resources() {
    const MESSAGE: &str = "Action does not apply to any resource(s) in statement";
    let document = |action: &str, resource: &str| {
        of(&format!(r#"{{"Effect":"Deny","Principal":"*","Action":{action},"Resource":{resource}}}"#))
    };
    let (bucket, objects) = (r#""arn:aws:s3:::b""#, r#""arn:aws:s3:::b/*""#);
    let both = format!("[{bucket},{objects}]");
    for (action, resource) in [
        (r#""s3:GetObject""#, objects),
        (r#""s3:ListBucket""#, bucket),
        (r#""s3:*""#, bucket),
        (r#""s3:*""#, objects),
        (r#""*""#, bucket),
        (r#""s3:Get*""#, objects),
        (r#"["s3:GetObject","s3:ListBucket"]"#, both.as_str()),
        (r#"["s3:GetObject","s3:ListBucket"]"#, r#""arn:aws:s3:::b*""#),
        (r#""s3:GetObject""#, r#""arn:aws:s3:::b/a.txt""#),
    ] {
        takes(&document(action, resource), BUCKET);
    }
    for (action, resource) in [
        (r#""s3:GetObject""#, bucket),
        (r#""s3:ListBucket""#, objects),
        (r#"["s3:GetObject","s3:ListBucket"]"#, objects),
        (r#""s3:ListBucket*""#, objects),
        (r#""s3:ListAllMyBuckets""#, both.as_str()),
    ] {
        assert_eq!(bucket_error(&document(action, resource)), MESSAGE, "{action} {resource}");
    }
    let inverted = r#"{"Effect":"Deny","Principal":"*","NotAction":"s3:ListBucket","Resource":"arn:aws:s3:::b/*"}"#;
    takes(&of(inverted), BUCKET);
    takes(&of(&inverted.replace("\"Resource", "\"NotResource")), BUCKET);
}

#[test]
fn condition_keys_of_a_bucket_policy_go_with_its_actions() {
    let with = |key: &str| bucket_with("", &format!(r#""Condition":{{"StringLike":{{"{key}":"x"}}}}"#));
    for key in ["aws:SourceVpc", "AWS:anything", "s3:ExistingObjectTag/team", "s3:signatureversion", "s3:VersionId"] {
        takes(&with(key), BUCKET);
    }
    for key in ["s3:x-acl", "s3:ExistingObjectTag/", "aws:", "prefix", "ec2:Region", "kms:ViaService"] {
        assert_eq!(bucket_error(&with(key)), "Policy has an invalid condition key", "{key}");
    }
    for key in ["s3:prefix", "s3:x-amz-acl", "s3:x-amz-server-side-encryption", "s3:LocationConstraint"] {
        let message = "Conditions do not apply to combination of actions and resources in statement";
        assert_eq!(bucket_error(&with(key)), message, "{key}");
    }
}

#[test]
fn an_identity_policy_is_refused_in_the_words_of_iam() {
    for (document, message) in [
        ("no policy".to_owned(), "Syntax errors in policy."),
        ("[]".to_owned(), "Syntax errors in policy."),
        (format!(r#"{{"Statement":{READ}}}"#), "Policy document must be version 2012-10-17 or greater."),
        (
            format!(r#"{{"Version":"2008-10-17","Statement":{READ}}}"#),
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (format!(r#"{{"Version":"2013-10-17","Statement":{READ}}}"#), "Syntax errors in policy."),
        (r#"{"Version":"2012-10-17"}"#.to_owned(), "Syntax errors in policy."),
        (of(""), "Syntax errors in policy."),
        (of(r#""afd""#), "Syntax errors in policy."),
        (of(r#"{"Action":"s3:*","Resource":"*"}"#), "Syntax errors in policy."),
        (of(&READ.replace("Allow", "Maybe")), "Syntax errors in policy."),
        (of(&READ.replace("Allow", "allow")), "The policy failed legacy parsing"),
        (of(&READ.replace("Effect", "Extra")), "Syntax errors in policy."),
        (of(r#"{"Effect":"Allow","Resource":"*"}"#), "Policy statement must contain actions."),
        (identity_with("[]", r#""*""#), "Policy statement must contain actions."),
        (of(r#"{"Effect":"Allow","Action":"s3:*"}"#), "Policy statement must contain resources."),
        (identity_with(r#""s3:*""#, "[]"), "Policy statement must contain resources."),
        (
            identity_with(r#""GetObject""#, r#""*""#),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (identity_with(r#""s3:Get:Object""#, r#""*""#), "Actions/Condition can contain only one colon."),
        (identity_with(r#""s 3:GetObject""#, r#""*""#), "Vendor s 3 is not valid"),
        (identity_with(r#""s3:*""#, r#""b""#), r#"Resource b must be in ARN format or "*"."#),
        (
            identity_with(r#""s3:*""#, r#""arn:error:s3:::b""#),
            r#"Partition "error" is not valid for resource "arn:error:s3:::b"."#,
        ),
        (
            identity_with(r#""s3:*""#, r#""arn:aws:s*:::b""#),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            identity_with(r#""s3:*""#, r#""arn:aws:s3:eu-west-1::b""#),
            "Resource arn:aws:s3:eu-west-1::b can not contain region information.",
        ),
        (identity_with(r#""s3:*""#, r#""arn:aws:sqs""#), "The policy failed legacy parsing"),
        (identity_with(r#""s3:*""#, r#""arn:aws:s3::b""#), "The policy failed legacy parsing"),
        (
            identity_with(r#""iam:*""#, r#""arn:aws:iam:eu-west-1:111122223333:user/ann""#),
            "IAM resource arn:aws:iam:eu-west-1:111122223333:user/ann cannot contain region information.",
        ),
        (
            identity_with(r#""iam:*""#, r#""arn:aws:iam::111122223333:ann""#),
            "IAM resource path must either be \"*\", root, or start with user/, federated-user/, role/, group/, \
             instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, \
             access-report/.",
        ),
        (of(&format!(r#"{{"Principal":"*",{}"#, &READ[1..])), "Policy document should not specify a principal."),
        (
            of(&format!(r#"{{"Condition":{{"DateLessThan":{{"aws:CurrentTime":"soon"}}}},{}"#, &READ[1..])),
            "The policy failed legacy parsing",
        ),
        (of(&format!(r#"{{"Condition":{{"Equal":{{"a":"b"}}}},{}"#, &READ[1..])), "Syntax errors in policy."),
    ] {
        assert_eq!(identity_error(&document), message, "{document}");
    }
}

#[test]
fn an_identity_policy_may_be_about_any_service() {
    for (action, resource) in [
        (r#""*""#, r#""*""#),
        (r#"["iam:*","sts:AssumeRole","kms:Decrypt"]"#, r#"["arn:aws:iam::111122223333:*","arn:aws:kms:*:*:key/*"]"#),
        (r#""s3:*""#, r#""arn:aws:s3:::*""#),
        (r#""s3-object-lambda:*""#, r#""arn:aws:s3:eu-west-1:111122223333:accesspoint/p""#),
        (r#""s3:*""#, r#""arn:aws:s3:::home/${aws:username}""#),
        (r#""iam:*""#, r#""arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}""#),
    ] {
        takes(&identity_with(action, resource), PolicyKind::Identity);
    }
    takes(&format!(r#"{{"Version":"2012-10-17","Id":"i","Statement":{READ}}}"#), PolicyKind::Identity);
}

#[test]
fn a_trust_policy_says_who_and_not_what() {
    let trust = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#;
    takes(&of(trust), PolicyKind::Trust);
    takes(&of(trust).replace("2012", "2008"), PolicyKind::Trust);
    let principal = |principal: &str| of(&trust.replace(r#"{"AWS":"111122223333"}"#, principal));
    takes(&principal(r#"{"AWS":"*"}"#), PolicyKind::Trust);
    takes(&principal(r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/id.example"}"#), PolicyKind::Trust);
    let message = |message: &str, document: &str| assert_eq!(trust_error(document), message, "{document}");
    message("Missing required field Principal", &of(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#));
    message("Principal must be a JSON object.", &principal(r#""*""#));
    message("Missing required field Principal cannot be empty!", &principal("{}"));
    message(r#"Invalid principal in policy: "AWS":"ann""#, &principal(r#"{"AWS":"ann"}"#));
    message("Has prohibited field Resource", &of(&trust.replace("{\"Eff", r#"{"Resource":"*","Eff"#)));
    message(
        "AssumeRole policy must not contain resources.",
        &of(&trust.replace("{\"Eff", r#"{"NotResource":"*","Eff"#)),
    );
    let action = "AssumeRole policy may only specify STS AssumeRole actions.";
    message(action, &of(&trust.replace("sts:AssumeRole", "s3:GetObject")));
    message(action, &of(&trust.replace("sts:AssumeRole", "*")));
    message("Allow with NotPrincipal is not allowed.", &of(&trust.replace("Principal", "NotPrincipal")));
    message(
        "AssumeRole policy must not contain NotPrincipal field.",
        &of(&trust.replace("Principal", "NotPrincipal").replace("Allow", "Deny")),
    );
}

#[test]
fn principals_are_told_by_name() {
    let document = bucket_with(
        "Principal",
        r#""Principal":{"AWS":["*","arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/ann","AIDAANN"],
            "Service":"s3.amazonaws.com"}"#,
    );
    let policy = Policy::parse(&document, BUCKET, 20_480).unwrap();
    assert_eq!(policy.named_principals(), ["111122223333", "arn:aws:iam::111122223333:user/ann", "AIDAANN"]);
}
