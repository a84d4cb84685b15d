//! The document about where a bucket is replicated to.

use std::collections::HashSet;

use coffer_configuration::{
    ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationMetrics, ReplicationRule,
    SourceSelection, Tag,
};
use coffer_crypto::random_array;

use super::documents::once;
use super::read::XmlReader;
use super::tagging::parse_tag;
use crate::error::S3Error;
use crate::storage_class::is_storage_class;

mod write;

pub use write::write_replication_configuration;

/// The most rules of a bucket.
const MOST_RULES: usize = 1000;
/// The most characters of a rule's ID.
const MOST_ID_CHARS: usize = 255;
/// The most characters of a prefix.
const MOST_PREFIX_CHARS: usize = 1024;
/// The only threshold of S3's, in minutes.
const THRESHOLD_MINUTES: u32 = 15;

/// Parses the body of PutBucketReplication: what can be seen in the document alone is as it should be.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument`, `InvalidRequest`, `InvalidStorageClass`; `NotImplemented` for what needs a KMS or
/// promises a time.
pub fn parse_replication_configuration(body: &[u8]) -> Result<ReplicationConfiguration, S3Error> {
    let mut xml = XmlReader::open(body, "ReplicationConfiguration")?;
    let (mut role, mut rules) = (None, Vec::new());
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Role" => once(&mut role, xml.text()?.trim().to_owned())?,
            "Rule" if rules.len() == MOST_RULES => return Err(S3Error::too_many_replication_rules(MOST_RULES)),
            "Rule" => rules.push(parse_rule(&mut xml)?),
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let role = role.ok_or_else(S3Error::malformed_xml)?;
    if rules.is_empty() {
        return Err(S3Error::malformed_xml());
    }
    check_together(&rules)?;
    Ok(ReplicationConfiguration { role, rules })
}

/// Refuses rules that contradict each other.
fn check_together(rules: &[ReplicationRule]) -> Result<(), S3Error> {
    for (at, rule) in rules.iter().enumerate() {
        for other in &rules[..at] {
            if other.id == rule.id {
                return Err(S3Error::replication_rule_id_not_unique(&rule.id));
            }
            match (rule.priority, other.priority) {
                (Some(a), Some(b)) if a == b && rule.destination.bucket == other.destination.bucket => {
                    return Err(S3Error::replication_priority_not_unique(a));
                }
                (Some(_), None) | (None, Some(_)) => return Err(S3Error::mixed_replication_schemas()),
                (None, None) if overlap(&rule.filter, &other.filter) => {
                    return Err(S3Error::overlapping_replication_prefixes(other.filter.prefix(), rule.filter.prefix()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn overlap(one: &ReplicationFilter, other: &ReplicationFilter) -> bool {
    one.prefix().starts_with(other.prefix()) || other.prefix().starts_with(one.prefix())
}

/// The elements of a rule as they stand.
#[derive(Default)]
struct Rule {
    id: Option<String>,
    status: Option<bool>,
    priority: Option<u32>,
    prefix: Option<String>,
    filter: Option<ReplicationFilter>,
    delete_markers: Option<bool>,
    existing_objects: Option<bool>,
    source_selection: Option<SourceSelection>,
    destination: Option<ReplicationDestination>,
}

fn parse_rule(xml: &mut XmlReader<'_>) -> Result<ReplicationRule, S3Error> {
    let mut rule = Rule::default();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ID" => once(&mut rule.id, xml.text()?)?,
            "Status" => once(&mut rule.status, parse_status(xml)?)?,
            "Priority" => once(&mut rule.priority, parse_priority(xml)?)?,
            "Prefix" => once(&mut rule.prefix, parse_prefix(xml)?)?,
            "Filter" => once(&mut rule.filter, parse_filter(xml)?)?,
            "DeleteMarkerReplication" => once(&mut rule.delete_markers, parse_inner_status(xml)?)?,
            "ExistingObjectReplication" => once(&mut rule.existing_objects, parse_inner_status(xml)?)?,
            "SourceSelectionCriteria" => once(&mut rule.source_selection, parse_source_selection(xml)?)?,
            "Destination" => once(&mut rule.destination, parse_destination(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    rule.checked()
}

impl Rule {
    /// The rule, if its elements belong to one version of the schema.
    fn checked(self) -> Result<ReplicationRule, S3Error> {
        let (Some(enabled), Some(destination)) = (self.status, self.destination) else {
            return Err(S3Error::malformed_xml());
        };
        let id = self.id.filter(|id| !id.is_empty()).unwrap_or_else(|| hex::encode(random_array::<16>()));
        if id.chars().count() > MOST_ID_CHARS || !id.is_ascii() {
            return Err(S3Error::invalid_replication_rule_id(&id));
        }
        let filter = match (self.prefix, self.filter) {
            (Some(prefix), None) => {
                let later = [
                    ("Priority", self.priority.is_some()),
                    ("DeleteMarkerReplication", self.delete_markers.is_some()),
                    ("ExistingObjectReplication", self.existing_objects.is_some()),
                    ("ReplicationTime", destination.replication_time_minutes.is_some()),
                    ("Metrics", destination.metrics.is_some()),
                ];
                if let Some((element, _)) = later.iter().find(|(_, is_there)| *is_there) {
                    return Err(S3Error::not_in_replication_schema(element));
                }
                ReplicationFilter::RulePrefix(prefix)
            }
            (None, Some(filter)) => {
                for (element, is_there) in
                    [("Priority", self.priority.is_some()), ("DeleteMarkerReplication", self.delete_markers.is_some())]
                {
                    if !is_there {
                        return Err(S3Error::missing_in_replication_schema(element));
                    }
                }
                if !filter.tags().is_empty() && self.delete_markers == Some(true) {
                    return Err(S3Error::delete_markers_have_no_tags());
                }
                filter
            }
            (Some(_), Some(_)) | (None, None) => return Err(S3Error::malformed_xml()),
        };
        Ok(ReplicationRule {
            id,
            enabled,
            priority: self.priority,
            filter,
            delete_markers: self.delete_markers,
            existing_objects: self.existing_objects,
            source_selection: self.source_selection,
            destination,
        })
    }
}

fn parse_status(xml: &mut XmlReader<'_>) -> Result<bool, S3Error> {
    match xml.text()?.trim() {
        "Enabled" => Ok(true),
        "Disabled" => Ok(false),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// An element that holds a status and nothing else.
fn parse_inner_status(xml: &mut XmlReader<'_>) -> Result<bool, S3Error> {
    let mut status = None;
    while let Some(name) = xml.child()? {
        if name != "Status" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut status, parse_status(xml)?)?;
    }
    status.ok_or_else(S3Error::malformed_xml)
}

fn parse_priority(xml: &mut XmlReader<'_>) -> Result<u32, S3Error> {
    const MOST: u32 = i32::MAX as u32;
    let priority = xml.parse::<i64>()?;
    let in_range = u32::try_from(priority).ok().filter(|priority| *priority <= MOST);
    in_range.ok_or_else(|| S3Error::replication_priority_out_of_range(priority))
}

fn parse_prefix(xml: &mut XmlReader<'_>) -> Result<String, S3Error> {
    let prefix = xml.text()?;
    match prefix.chars().count() {
        0..=MOST_PREFIX_CHARS => Ok(prefix),
        _ => Err(S3Error::invalid_argument("The maximum size of a prefix is 1024.", "Prefix", Some(&prefix))),
    }
}

fn parse_filter(xml: &mut XmlReader<'_>) -> Result<ReplicationFilter, S3Error> {
    let mut filter = None;
    while let Some(name) = xml.child()? {
        let named = match name.as_str() {
            "Prefix" => ReplicationFilter::Prefix(parse_prefix(xml)?),
            "Tag" => ReplicationFilter::Tag(parse_filter_tag(xml)?),
            "And" => parse_and(xml)?,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(&mut filter, named)?;
    }
    Ok(filter.unwrap_or(ReplicationFilter::All))
}

/// `And` joins at least two things.
fn parse_and(xml: &mut XmlReader<'_>) -> Result<ReplicationFilter, S3Error> {
    let (mut prefix, mut tags, mut keys) = (None, Vec::<Tag>::new(), HashSet::new());
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Prefix" => once(&mut prefix, parse_prefix(xml)?)?,
            "Tag" => {
                let tag = parse_filter_tag(xml)?;
                if !keys.insert(tag.key.clone()) {
                    return Err(S3Error::duplicate_replication_tag());
                }
                tags.push(tag);
            }
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (prefix.is_some(), tags.len()) {
        (true, 0) | (false, 0 | 1) => Err(S3Error::malformed_xml()),
        _ => Ok(ReplicationFilter::And(prefix, tags)),
    }
}

fn parse_filter_tag(xml: &mut XmlReader<'_>) -> Result<Tag, S3Error> {
    let tag = parse_tag(xml)?;
    tag.check().map_err(|invalid| S3Error::impossible_tag(&tag, invalid))?;
    Ok(tag)
}

fn parse_source_selection(xml: &mut XmlReader<'_>) -> Result<SourceSelection, S3Error> {
    let (mut kms, mut modifications) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "SseKmsEncryptedObjects" => once(&mut kms, parse_inner_status(xml)?)?,
            "ReplicaModifications" => once(&mut modifications, parse_inner_status(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (kms, modifications) {
        (Some(true), _) => Err(S3Error::replication_not_offered("SseKmsEncryptedObjects")),
        (_, Some(true)) => Err(S3Error::replication_not_offered("ReplicaModifications")),
        (None, None) => Err(S3Error::malformed_xml()),
        _ => Ok(SourceSelection { no_kms_objects: kms.is_some(), no_replica_modifications: modifications.is_some() }),
    }
}

fn parse_destination(xml: &mut XmlReader<'_>) -> Result<ReplicationDestination, S3Error> {
    let (mut bucket, mut class, mut account, mut owner) = (None, None, None, None);
    let (mut time, mut metrics) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Bucket" => once(&mut bucket, parse_bucket_arn(xml)?)?,
            "StorageClass" => once(&mut class, parse_storage_class(xml)?)?,
            "Account" => once(&mut account, parse_account(xml)?)?,
            "AccessControlTranslation" => once(&mut owner, parse_owner_translation(xml)?)?,
            "EncryptionConfiguration" => return Err(S3Error::replication_not_offered("EncryptionConfiguration")),
            "ReplicationTime" => once(&mut time, parse_replication_time(xml)?)?,
            "Metrics" => once(&mut metrics, parse_metrics(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    if owner.is_some() && account.is_none() {
        return Err(S3Error::invalid_argument(
            "Account must be specified with AccessControlTranslation",
            "Account",
            None,
        ));
    }
    Ok(ReplicationDestination {
        bucket: bucket.ok_or_else(S3Error::malformed_xml)?,
        storage_class: class,
        account,
        owner_is_destination: owner.is_some(),
        replication_time_minutes: time,
        metrics,
    })
}

const BUCKET_ARN: &str = "arn:aws:s3:::";

fn parse_bucket_arn(xml: &mut XmlReader<'_>) -> Result<String, S3Error> {
    let arn = xml.text()?.trim().to_owned();
    let name = arn.strip_prefix(BUCKET_ARN).filter(|name| coffer_store::BucketName::for_lookup(name).is_some());
    name.map(str::to_owned).ok_or_else(|| S3Error::invalid_argument("Invalid bucket ARN.", "Bucket", Some(&arn)))
}

fn parse_storage_class(xml: &mut XmlReader<'_>) -> Result<String, S3Error> {
    let class = xml.text()?.trim().to_owned();
    if is_storage_class(&class) { Ok(class) } else { Err(S3Error::invalid_storage_class(&class)) }
}

fn parse_account(xml: &mut XmlReader<'_>) -> Result<String, S3Error> {
    let account = xml.text()?.trim().to_owned();
    let is_number = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        Ok(account)
    } else {
        Err(S3Error::invalid_argument("Invalid account id", "Account", Some(&account)))
    }
}

fn parse_owner_translation(xml: &mut XmlReader<'_>) -> Result<(), S3Error> {
    let mut owner = None;
    while let Some(name) = xml.child()? {
        if name != "Owner" || xml.text()?.trim() != "Destination" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut owner, ())?;
    }
    owner.ok_or_else(S3Error::malformed_xml)
}

/// The minutes of a time that nobody promises.
fn parse_replication_time(xml: &mut XmlReader<'_>) -> Result<u32, S3Error> {
    let (mut status, mut minutes) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Status" => once(&mut status, parse_status(xml)?)?,
            "Time" => once(&mut minutes, parse_minutes(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (status, minutes) {
        (Some(true), Some(_)) => Err(S3Error::replication_not_offered("ReplicationTime")),
        (Some(false), Some(minutes)) => Ok(minutes),
        _ => Err(S3Error::malformed_xml()),
    }
}

fn parse_metrics(xml: &mut XmlReader<'_>) -> Result<ReplicationMetrics, S3Error> {
    let (mut status, mut threshold_minutes) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Status" => once(&mut status, parse_status(xml)?)?,
            "EventThreshold" => once(&mut threshold_minutes, parse_minutes(xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (status, threshold_minutes) {
        (Some(true), Some(_)) => Err(S3Error::replication_not_offered("EventThreshold")),
        (Some(enabled), threshold_minutes) => Ok(ReplicationMetrics { enabled, threshold_minutes }),
        (None, _) => Err(S3Error::malformed_xml()),
    }
}

fn parse_minutes(xml: &mut XmlReader<'_>) -> Result<u32, S3Error> {
    let mut minutes = None;
    while let Some(name) = xml.child()? {
        if name != "Minutes" {
            return Err(S3Error::malformed_xml());
        }
        once(&mut minutes, xml.parse::<u32>()?)?;
    }
    match minutes {
        Some(THRESHOLD_MINUTES) => Ok(THRESHOLD_MINUTES),
        Some(other) => Err(S3Error::invalid_argument("Minutes must be 15.", "Minutes", Some(&other.to_string()))),
        None => Err(S3Error::malformed_xml()),
    }
}

#[cfg(test)]
mod tests;
