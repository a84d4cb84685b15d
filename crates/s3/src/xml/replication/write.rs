//! The document about where a bucket is replicated to, as it is answered.

use coffer_configuration::{ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationRule, Tag};

use super::BUCKET_ARN;
use crate::xml::write::{XmlWriter, document};

/// Writes what GetBucketReplication answers.
#[must_use]
pub fn write_replication_configuration(configuration: &ReplicationConfiguration) -> String {
    document("ReplicationConfiguration", |xml| {
        xml.text("Role", &configuration.role);
        for rule in &configuration.rules {
            xml.element("Rule", |xml| write_rule(rule, xml));
        }
    })
}

fn write_rule(rule: &ReplicationRule, xml: &mut XmlWriter) {
    xml.text("ID", &rule.id);
    if let Some(priority) = rule.priority {
        xml.value("Priority", priority);
    }
    match &rule.filter {
        ReplicationFilter::RulePrefix(prefix) => {
            xml.text("Prefix", prefix);
        }
        filter => {
            xml.element("Filter", |xml| write_filter(filter, xml));
        }
    }
    xml.text("Status", status(rule.enabled));
    if let Some(selection) = rule.source_selection {
        xml.element("SourceSelectionCriteria", |xml| {
            let elements = [
                ("SseKmsEncryptedObjects", selection.no_kms_objects),
                ("ReplicaModifications", selection.no_replica_modifications),
            ];
            for (element, _) in elements.iter().filter(|(_, is_there)| *is_there) {
                write_status(xml, element, Some(false));
            }
        });
    }
    write_status(xml, "DeleteMarkerReplication", rule.delete_markers);
    write_status(xml, "ExistingObjectReplication", rule.existing_objects);
    xml.element("Destination", |xml| write_destination(&rule.destination, xml));
}

fn write_filter(filter: &ReplicationFilter, xml: &mut XmlWriter) {
    match filter {
        ReplicationFilter::RulePrefix(_) | ReplicationFilter::All => {}
        ReplicationFilter::Prefix(prefix) => {
            xml.text("Prefix", prefix);
        }
        ReplicationFilter::Tag(tag) => write_tag(tag, xml),
        ReplicationFilter::And(prefix, tags) => {
            xml.element("And", |xml| {
                xml.text_if("Prefix", prefix.as_ref());
                tags.iter().for_each(|tag| write_tag(tag, xml));
            });
        }
    }
}

fn write_tag(tag: &Tag, xml: &mut XmlWriter) {
    xml.element("Tag", |xml| {
        xml.text("Key", &tag.key).text("Value", &tag.value);
    });
}

fn write_destination(destination: &ReplicationDestination, xml: &mut XmlWriter) {
    xml.text("Bucket", format!("{BUCKET_ARN}{}", destination.bucket));
    xml.text_if("Account", destination.account.as_ref());
    xml.text_if("StorageClass", destination.storage_class.as_ref());
    if destination.owner_is_destination {
        xml.element("AccessControlTranslation", |xml| {
            xml.text("Owner", "Destination");
        });
    }
    if let Some(minutes) = destination.replication_time_minutes {
        xml.element("ReplicationTime", |xml| {
            xml.text("Status", status(false));
            write_minutes(xml, "Time", minutes);
        });
    }
    if let Some(metrics) = destination.metrics {
        xml.element("Metrics", |xml| {
            xml.text("Status", status(metrics.enabled));
            if let Some(minutes) = metrics.threshold_minutes {
                write_minutes(xml, "EventThreshold", minutes);
            }
        });
    }
}

fn write_minutes(xml: &mut XmlWriter, element: &str, minutes: u32) {
    xml.element(element, |xml| {
        xml.value("Minutes", minutes);
    });
}

fn write_status(xml: &mut XmlWriter, element: &str, enabled: Option<bool>) {
    if let Some(enabled) = enabled {
        xml.element(element, |xml| {
            xml.text("Status", status(enabled));
        });
    }
}

fn status(enabled: bool) -> &'static str {
    if enabled { "Enabled" } else { "Disabled" }
}
