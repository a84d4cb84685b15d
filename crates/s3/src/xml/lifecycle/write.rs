//! Writing lifecycle rules.

use coffer_configuration::{
    Expiration, FilterForm, LifecycleConfiguration, LifecycleFilter, LifecycleRule, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, When,
};

use crate::time::iso8601;
use crate::xml::{XmlWriter, document};

/// Writes what GetBucketLifecycleConfiguration answers: each rule in the form in which it was put.
#[must_use]
pub fn write_lifecycle_configuration(configuration: &LifecycleConfiguration) -> String {
    document("LifecycleConfiguration", |xml| {
        for rule in &configuration.rules {
            xml.element("Rule", |xml| write_rule(rule, xml));
        }
    })
}

fn write_rule(rule: &LifecycleRule, xml: &mut XmlWriter) {
    xml.text("ID", &rule.id);
    match rule.filter.form {
        FilterForm::Prefix => write_conditions(&rule.filter, xml),
        FilterForm::Filter if rule.filter == LifecycleFilter::default() => {
            xml.text("Filter", "");
        }
        FilterForm::Filter => {
            xml.element("Filter", |xml| write_conditions(&rule.filter, xml));
        }
        FilterForm::And => {
            xml.element("Filter", |xml| {
                xml.element("And", |xml| write_conditions(&rule.filter, xml));
            });
        }
    }
    xml.text("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    if let Some(expiration) = rule.expiration {
        xml.element("Expiration", |xml| match expiration {
            Expiration::When(when) => write_when(when, xml),
            Expiration::ExpiredObjectDeleteMarker(removes) => {
                xml.value("ExpiredObjectDeleteMarker", removes);
            }
        });
    }
    for to in &rule.transitions {
        xml.element("Transition", |xml| {
            write_when(to.when, xml);
            xml.text("StorageClass", to.storage_class.name());
        });
    }
    if let Some(NoncurrentVersionExpiration { noncurrent_days, newer_noncurrent_versions }) =
        rule.noncurrent_version_expiration
    {
        xml.element("NoncurrentVersionExpiration", |xml| {
            write_noncurrent(noncurrent_days, newer_noncurrent_versions, xml)
        });
    }
    for NoncurrentVersionTransition { noncurrent_days, newer_noncurrent_versions, storage_class } in
        &rule.noncurrent_version_transitions
    {
        xml.element("NoncurrentVersionTransition", |xml| {
            write_noncurrent(*noncurrent_days, *newer_noncurrent_versions, xml);
            xml.text("StorageClass", storage_class.name());
        });
    }
    if let Some(days) = rule.abort_incomplete_multipart_upload_days {
        xml.element("AbortIncompleteMultipartUpload", |xml| {
            xml.value("DaysAfterInitiation", days);
        });
    }
}

fn write_conditions(filter: &LifecycleFilter, xml: &mut XmlWriter) {
    xml.text_if("Prefix", filter.prefix.as_deref());
    for (key, value) in &filter.tags {
        xml.element("Tag", |xml| {
            xml.text("Key", key).text("Value", value);
        });
    }
    if let Some(size) = filter.object_size_greater_than {
        xml.value("ObjectSizeGreaterThan", size);
    }
    if let Some(size) = filter.object_size_less_than {
        xml.value("ObjectSizeLessThan", size);
    }
}

fn write_when(when: When, xml: &mut XmlWriter) {
    match when {
        When::Days(days) => xml.value("Days", days),
        When::Date(date_ms) => xml.text("Date", iso8601(date_ms)),
    };
}

fn write_noncurrent(days: u32, newer: Option<u32>, xml: &mut XmlWriter) {
    xml.value("NoncurrentDays", days);
    if let Some(newer) = newer {
        xml.value("NewerNoncurrentVersions", newer);
    }
}
