use super::*;

const DESTINATION: &str = "<Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination>";

fn configuration(rules: &str) -> Result<ReplicationConfiguration, S3Error> {
    let document = format!("<ReplicationConfiguration><Role>r</Role>{rules}</ReplicationConfiguration>");
    parse_replication_configuration(document.as_bytes())
}

fn rule(inner: &str) -> String {
    format!(
        "<Rule><Status>Enabled</Status><Priority>1</Priority><DeleteMarkerReplication><Status>Disabled</Status>\
         </DeleteMarkerReplication>{inner}</Rule>"
    )
}

fn code(rules: &str) -> &'static str {
    configuration(rules).map_or_else(|error| error.code(), |_| "accepted")
}

fn check(rules: &str, expected: &str, message: &str) {
    let error = configuration(rules).expect_err(rules);
    assert_eq!(error.code(), expected, "{rules}");
    assert!(error.message().contains(message), "{rules}: {}", error.message());
}

#[test]
fn what_was_put_is_answered() {
    let destination = "<Destination><Bucket>arn:aws:s3:::copy</Bucket><Account>123456789012</Account>\
                       <StorageClass>STANDARD_IA</StorageClass>\
                       <AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>\
                       <ReplicationTime><Status>Disabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>\
                       <Metrics><Status>Enabled</Status></Metrics></Destination>";
    let filter = "<Filter><And><Prefix>a&amp;b</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>";
    let selection = "<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Disabled</Status>\
                     </SseKmsEncryptedObjects></SourceSelectionCriteria>";
    let existing = "<ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication>";
    let read = configuration(&rule(&format!("<ID>one</ID>{destination}{filter}{selection}{existing}"))).unwrap();
    assert_eq!(read.rules[0].filter.prefix(), "a&b");
    assert_eq!(read.rules[0].destination.bucket, "copy");
    let answer = write_replication_configuration(&read);
    assert_eq!(parse_replication_configuration(answer.as_bytes()).unwrap(), read);
    for filter in ["<Filter/>", "<Filter><Prefix/></Filter>", "<Filter><Tag><Key>k</Key><Value/></Tag></Filter>"] {
        let read = configuration(&rule(&format!("{filter}{DESTINATION}"))).unwrap();
        let answer = write_replication_configuration(&read);
        assert_eq!(parse_replication_configuration(answer.as_bytes()).unwrap(), read);
    }
}

#[test]
fn the_first_version_of_the_schema_has_a_prefix_and_no_priority() {
    let first = format!("<Rule><Status>Enabled</Status><Prefix>p</Prefix>{DESTINATION}</Rule>");
    let read = configuration(&first).unwrap();
    assert!(read.rules[0].replicates_delete_markers() && read.rules[0].priority.is_none());
    let answer = write_replication_configuration(&read);
    assert_eq!(parse_replication_configuration(answer.as_bytes()).unwrap(), read);
    let cannot = "cannot be used for this version of Cross Region Replication configuration schema";
    for element in [
        "<Priority>1</Priority>",
        "<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>",
        "<ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication>",
    ] {
        check(&first.replace("<Prefix>", &format!("{element}<Prefix>")), "InvalidRequest", cannot);
    }
}

#[test]
fn a_rule_without_an_id_gets_one() {
    let rules = format!(
        "{}{}",
        rule(&format!("<Filter/>{DESTINATION}")),
        rule(&format!("<ID/><Filter/>{DESTINATION}")).replace(">1<", ">2<")
    );
    let read = configuration(&rules).unwrap();
    assert!(!read.rules[0].id.is_empty() && read.rules[0].id != read.rules[1].id);
}

#[test]
fn rules_that_contradict_each_other_are_refused() {
    let one = rule(&format!("<ID>a</ID><Filter/>{DESTINATION}"));
    let same_id = one.replace("<Priority>1", "<Priority>2");
    check(&format!("{one}{same_id}"), "InvalidArgument", "Rule Id must be unique");
    let same_priority = one.replace("<ID>a", "<ID>b");
    check(&format!("{one}{same_priority}"), "InvalidArgument", "riority");
    assert_eq!(code(&format!("{one}{}", same_priority.replace(":::copy", ":::other"))), "accepted");
    let first = |prefix: &str| format!("<Rule><Status>Enabled</Status><Prefix>{prefix}</Prefix>{DESTINATION}</Rule>");
    check(&format!("{}{}", first("a"), first("ab")), "InvalidRequest", "overlapping");
    assert_eq!(code(&format!("{}{}", first("a"), first("b"))), "accepted");
    assert_eq!(code(&format!("{one}{}", first("a"))), "InvalidRequest");
}

#[test]
fn the_second_version_of_the_schema_must_be_whole() {
    let must = "must be specified for this version of Cross Region Replication configuration schema";
    let whole = rule(&format!("<Filter/>{DESTINATION}"));
    check(&whole.replace("<Priority>1</Priority>", ""), "InvalidRequest", must);
    let without = whole.replace("<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>", "");
    check(&without, "InvalidRequest", must);
    let tagged = whole.replace("<Filter/>", "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>");
    assert_eq!(code(&tagged), "accepted");
    check(&tagged.replace("Disabled", "Enabled"), "InvalidRequest", "Delete marker replication is not supported");
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let with =
        |inner: &str| rule(&format!("<Filter/><Destination><Bucket>arn:aws:s3:::copy</Bucket>{inner}</Destination>"));
    let time = "<ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>";
    let key = "<EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID></EncryptionConfiguration>";
    let threshold = "<Metrics><Status>Enabled</Status><EventThreshold><Minutes>15</Minutes></EventThreshold></Metrics>";
    for inner in [time, key, threshold] {
        assert_eq!(code(&with(inner)), "NotImplemented", "{inner}");
    }
    for criterion in ["SseKmsEncryptedObjects", "ReplicaModifications"] {
        let selection = format!(
            "<SourceSelectionCriteria><{criterion}><Status>Enabled</Status></{criterion}></SourceSelectionCriteria>"
        );
        assert_eq!(code(&rule(&format!("<Filter/>{selection}{DESTINATION}"))), "NotImplemented", "{criterion}");
    }
}

#[test]
fn wrong_values_are_refused_in_the_words_of_s3() {
    let whole = rule(&format!("<Filter/>{DESTINATION}"));
    for arn in ["copy", "arn:aws:s3:::", "arn:aws:s3:::UPPER", "arn:aws:iam:::copy", "https://10.0.0.1/copy"] {
        check(&whole.replace("arn:aws:s3:::copy", arn), "InvalidArgument", "Invalid bucket ARN");
    }
    for priority in ["-1", "2147483648"] {
        let wrong = whole.replace("<Priority>1", &format!("<Priority>{priority}"));
        check(&wrong, "InvalidArgument", "Priority must be between 0 and 2147483647");
    }
    let class = whole.replace("</Bucket>", "</Bucket><StorageClass>FAST</StorageClass>");
    assert_eq!(code(&class), "InvalidStorageClass");
    let account = whole.replace("</Bucket>", "</Bucket><Account>me</Account>");
    assert_eq!(code(&account), "InvalidArgument");
    let id =
        whole.replace("<Status>Enabled</Status><P", &format!("<Status>Enabled</Status><ID>{}</ID><P", "i".repeat(256)));
    assert_eq!(code(&id), "InvalidArgument");
    let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
    check(
        &whole.replace("<Filter/>", &format!("<Filter><And>{tag}{tag}</And></Filter>")),
        "InvalidTag",
        "Duplicate Tag Keys are not allowed.",
    );
}

#[test]
fn there_are_at_most_a_thousand_rules() {
    let rules = |count: usize| -> String {
        (0..count).map(|at| rule(&format!("<Filter/>{DESTINATION}")).replace(">1<", &format!(">{at}<"))).collect()
    };
    assert_eq!(code(&rules(1000)), "accepted");
    check(&rules(1001), "InvalidRequest", "1000");
}

#[test]
fn what_is_not_in_the_schema_is_malformed() {
    let whole = rule(&format!("<Filter/>{DESTINATION}"));
    for rules in [
        "",
        "<Rule/>",
        "text",
        "<Other/>",
        &whole.replace("<Filter/>", ""),
        &whole.replace("<Filter/>", "<Filter/><Filter/>"),
        &whole.replace("<Filter/>", "<Filter/><Prefix/>"),
        &whole.replace("<Filter/>", "<Filter><Prefix/><Tag><Key>k</Key><Value/></Tag></Filter>"),
        &whole.replace("<Filter/>", "<Filter><And><Prefix>p</Prefix></And></Filter>"),
        &whole.replace("<Filter/>", "<Filter><Other/></Filter>"),
        &whole.replace("Enabled", "enabled"),
        &whole.replace("<Priority>1", "<Priority>one"),
        &whole.replace(DESTINATION, ""),
        &whole.replace(DESTINATION, "<Destination/>"),
    ] {
        assert_eq!(code(rules), "MalformedXML", "{rules}");
    }
    for document in
        ["", "<ReplicationConfiguration/>", &format!("<ReplicationConfiguration>{whole}</ReplicationConfiguration>")]
    {
        assert!(parse_replication_configuration(document.as_bytes()).is_err(), "{document}");
    }
}
