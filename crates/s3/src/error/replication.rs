//! Refusals of replication.

use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// Only a bucket that keeps every version can be replicated.
    #[must_use]
    pub fn replication_needs_versioning() -> Self {
        Self::invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    }

    /// A bucket that is replicated keeps every version.
    #[must_use]
    pub fn replicated_bucket_keeps_versions() -> Self {
        let message = "A replication configuration is present on this bucket, so the versioning state cannot be changed. \
                       To change the versioning state, first delete the replication configuration.";
        Self::new(StatusCode::CONFLICT, "InvalidBucketState", message)
    }

    /// The role is none that objects are replicated in.
    #[must_use]
    pub fn invalid_replication_role(role: &str) -> Self {
        Self::invalid_argument("Invalid Role specified in replication configuration", "Role", Some(role))
    }

    /// The bucket that replicas are to go to is not there, or nobody may say so.
    #[must_use]
    pub fn no_such_replication_destination() -> Self {
        Self::invalid_request("Destination bucket must exist.")
    }

    /// The bucket that replicas are to go to does not keep every version.
    #[must_use]
    pub fn replication_destination_needs_versioning() -> Self {
        Self::invalid_request("Destination bucket must have versioning enabled.")
    }

    /// There are too many rules.
    #[must_use]
    pub fn too_many_replication_rules(most: usize) -> Self {
        Self::invalid_request(format!(
            "The number of replication rules must not exceed the allowed limit of {most} rules."
        ))
    }

    /// There are too many destinations.
    #[must_use]
    pub fn too_many_replication_destinations(most: usize) -> Self {
        Self::invalid_request(format!("The number of distinct destination bucket ARNs cannot exceed {most}"))
    }

    /// Two rules have one ID.
    #[must_use]
    pub fn replication_rule_id_not_unique(id: &str) -> Self {
        Self::invalid_argument("Rule Id must be unique", "ID", Some(id))
    }

    /// The ID of a rule is too long, or not ASCII.
    #[must_use]
    pub fn invalid_replication_rule_id(id: &str) -> Self {
        Self::invalid_argument("The maximum length of the rule ID is 255 ASCII characters.", "ID", Some(id))
    }

    /// Two rules for one destination have one priority.
    #[must_use]
    pub fn replication_priority_not_unique(priority: u32) -> Self {
        Self::invalid_argument("Rule Priority must be unique", "Priority", Some(&priority.to_string()))
    }

    /// A priority is none.
    #[must_use]
    pub fn replication_priority_out_of_range(priority: i64) -> Self {
        let message = "Priority must be between 0 and 2147483647.";
        Self::invalid_argument(message, "Priority", Some(&priority.to_string()))
    }

    /// One object would be under two rules of the first version of the schema.
    #[must_use]
    pub fn overlapping_replication_prefixes(one: &str, other: &str) -> Self {
        Self::invalid_request(format!("Found overlapping prefixes '{one}' and '{other}'"))
    }

    /// Rules of both versions of the schema.
    #[must_use]
    pub fn mixed_replication_schemas() -> Self {
        Self::not_in_replication_schema("Filter")
    }

    /// An element belongs to another version of the schema.
    #[must_use]
    pub fn not_in_replication_schema(element: &str) -> Self {
        Self::invalid_request(format!("{element} cannot be used for {SCHEMA}"))
    }

    /// An element is missing.
    #[must_use]
    pub fn missing_in_replication_schema(element: &str) -> Self {
        Self::invalid_request(format!("{element} must be specified for {SCHEMA}"))
    }

    /// A delete marker has no tags, so a rule about tags is not about it.
    #[must_use]
    pub fn delete_markers_have_no_tags() -> Self {
        let message = "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 \
                       Developer Guide for more information.";
        Self::invalid_request(message)
    }

    /// A filter names a tag twice.
    #[must_use]
    pub fn duplicate_replication_tag() -> Self {
        Self::invalid_tag("Duplicate Tag Keys are not allowed.")
    }

    /// S3 has it and this server does not: nobody promises a time, and replicas do not change what they are replicas of.
    #[must_use]
    pub fn replication_not_offered(element: &'static str) -> Self {
        let message = "The replication configuration implies functionality that is not implemented";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message).with("Element", element)
    }
}

const SCHEMA: &str = "this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide \
                      for more information.";
