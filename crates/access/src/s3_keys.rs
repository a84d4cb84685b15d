//! The condition keys of S3, by the actions that have them.

use crate::pattern::Pattern;
use crate::s3_actions::S3_ACTIONS;

/// Keys in lower case, and patterns of the actions that have them. A key that ends with `/` goes on with the key of a
/// tag.
const KEYS: &[(&str, &[&str])] = &[
    ("s3:accessgrantsinstancearn", ALL),
    ("s3:accesspointnetworkorigin", ALL),
    ("s3:accesspointtag/", ALL),
    ("s3:authtype", ALL),
    ("s3:buckettag/", ALL),
    ("s3:dataaccesspointaccount", ALL),
    ("s3:dataaccesspointarn", ALL),
    ("s3:resourceaccount", ALL),
    ("s3:signatureage", ALL),
    ("s3:signatureversion", ALL),
    ("s3:tlsversion", ALL),
    ("s3:x-amz-content-sha256", ALL),
    ("s3:delimiter", LIST),
    ("s3:max-keys", LIST),
    ("s3:prefix", LIST),
    ("s3:existingobjecttag/", OBJECT),
    ("s3:versionid", OBJECT),
    ("s3:if-match", WRITE),
    ("s3:if-none-match", WRITE),
    ("s3:objectcreationoperation", WRITE),
    ("s3:object-lock-legal-hold", LOCK),
    ("s3:object-lock-mode", LOCK),
    ("s3:object-lock-remaining-retention-days", LOCK_OR_BUCKET),
    ("s3:object-lock-retain-until-date", LOCK),
    ("s3:requestobjecttag/", TAG),
    ("s3:requestobjecttagkeys", TAG),
    ("s3:x-amz-acl", ACL),
    ("s3:x-amz-grant-full-control", ACL),
    ("s3:x-amz-grant-read", ACL),
    ("s3:x-amz-grant-read-acp", ACL),
    ("s3:x-amz-grant-write", ACL),
    ("s3:x-amz-grant-write-acp", ACL),
    ("s3:x-amz-object-ownership", &["s3:createbucket"]),
    ("s3:locationconstraint", &["s3:createbucket"]),
    ("s3:x-amz-copy-source", WRITE),
    ("s3:x-amz-metadata-directive", WRITE),
    ("s3:x-amz-server-side-encryption", WRITE),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", WRITE),
    ("s3:x-amz-server-side-encryption-customer-algorithm", WRITE),
    ("s3:x-amz-storage-class", WRITE),
    ("s3:x-amz-website-redirect-location", WRITE),
    ("s3:inventoryaccessibleoptionalfields", &["s3:putinventoryconfiguration"]),
    ("s3:isreplicationpauserequest", &["s3:putreplicationconfiguration", "s3:pausereplication"]),
    ("s3:destinationregion", &["s3:pausereplication"]),
];

const ALL: &[&str] = &["*"];
const LIST: &[&str] = &["s3:listbucket", "s3:listbucketversions"];
const OBJECT: &[&str] = &["s3:*object*", "s3:listmultipartuploadparts", "s3:abortmultipartupload", "s3:replicate*"];
/// Whatever writes an object: an object's encryption is changed like one that is written.
const WRITE: &[&str] = &["s3:putobject", "s3:replicateobject", "s3:updateobjectencryption"];
const LOCK: &[&str] = &["s3:putobject*", "s3:bypassgovernanceretention", "s3:deleteobject*", "s3:replicateobject"];
const LOCK_OR_BUCKET: &[&str] = &["s3:putobject*", "s3:putbucketobjectlockconfiguration", "s3:replicateobject"];
const TAG: &[&str] = &["s3:putobject*", "s3:replicateobject", "s3:replicatetags"];
const ACL: &[&str] = &["s3:putobject*", "s3:putbucketacl", "s3:createbucket", "s3:replicateobject"];

/// Whether S3 has a condition key: one of its own, or one that all services have. `key` is in lower case.
pub(crate) fn is_known(key: &str) -> bool {
    key.strip_prefix("aws:").is_some_and(|rest| !rest.is_empty()) || actions(key).is_some()
}

/// Whether some action for which `is_meant` holds has the key. The keys of all services are never out of place.
pub(crate) fn applies(key: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let Some(patterns) = actions(key) else { return true };
    let patterns: Vec<Pattern> = patterns.iter().map(|pattern| Pattern::parse(pattern)).collect();
    S3_ACTIONS
        .iter()
        .map(|action| action.name.to_ascii_lowercase())
        .any(|action| patterns.iter().any(|pattern| pattern.matches(&action)) && is_meant(&action))
}

fn actions(key: &str) -> Option<&'static [&'static str]> {
    let is_key = |known: &str| match known.strip_suffix('/') {
        Some(_) => key.strip_prefix(known).is_some_and(|tag| !tag.is_empty()),
        None => key == known,
    };
    KEYS.iter().find(|(known, _)| is_key(known)).map(|(_, actions)| *actions)
}
