//! PutBucketReplication, GetBucketReplication, DeleteBucketReplication.

use std::collections::BTreeSet;

use async_trait::async_trait;
use coffer_access::account_of_arn;
use coffer_configuration::{ReplicationConfiguration, VersioningStatus};
use coffer_store::ReplicationStatus;
use http::StatusCode;

use super::S3Operations;
use super::store_error::Subject;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_replication_configuration, write_replication_configuration};

/// A thousand rules with their tags.
const MAX_DOCUMENT_LEN: usize = 2 << 20;

/// Where objects can be replicated to. A target is named by a role: whoever may pass the role may use the target.
#[async_trait]
pub trait ReplicationTargets: Send + Sync {
    /// Whether a target is configured for the role with this ARN.
    fn has_target(&self, role: &str) -> bool;

    /// Looks at a bucket at the target of a role. `owner` is the account that must own it.
    ///
    /// # Errors
    /// `ServiceUnavailable` when the target cannot be asked.
    async fn look_at(&self, role: &str, bucket: &str, owner: Option<&str>) -> Result<DestinationState, S3Error>;
}

/// What a destination is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationState {
    /// It keeps every version.
    Versioned,
    /// It does not.
    Unversioned,
    /// It is not there, or may not be looked at.
    Missing,
}

/// A server that replicates nowhere.
pub(super) struct NoReplicationTargets;

#[async_trait]
impl ReplicationTargets for NoReplicationTargets {
    fn has_target(&self, _role: &str) -> bool {
        false
    }

    async fn look_at(&self, _role: &str, _bucket: &str, _owner: Option<&str>) -> Result<DestinationState, S3Error> {
        Ok(DestinationState::Missing)
    }
}

impl S3Operations {
    pub(super) async fn put_bucket_replication(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let configuration = parse_replication_configuration(&document)?;
        if bucket.versioning() != Some(VersioningStatus::Enabled) {
            return Err(S3Error::replication_needs_versioning());
        }
        let role = configuration.role.as_str();
        // Else whoever configures a bucket could have another account's credentials used.
        if account_of_arn(role) != Some(self.authorizer.owner(&bucket)) || !self.replication.has_target(role) {
            return Err(S3Error::invalid_replication_role(role));
        }
        self.authorizer.check_pass_role(request, role)?;
        self.check_destinations(&configuration).await?;
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        if configuration.replicates_existing_objects() {
            let begun = self.store.begin_replication_scan(&bucket).await;
            begun.map_err(|error| subject.error(error))?;
        }
        self.configure(request, |now, settings| {
            if now.versioning() != Some(VersioningStatus::Enabled) {
                return Err(S3Error::replication_needs_versioning());
            }
            settings.replication = Some(configuration.clone());
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_replication(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        match request.bucket()?.replication() {
            Some(configuration) => Ok(S3Response::xml(write_replication_configuration(configuration))),
            None => Err(S3Error::replication_configuration_not_found(request.bucket_name())),
        }
    }

    pub(super) async fn delete_bucket_replication(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.configure(request, |_, settings| {
            settings.replication = None;
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    async fn check_destinations(&self, configuration: &ReplicationConfiguration) -> Result<(), S3Error> {
        let destinations: BTreeSet<_> = configuration
            .rules
            .iter()
            .map(|rule| (rule.destination.bucket.as_str(), rule.destination.account.as_deref()))
            .collect();
        if destinations.len() > MOST_DESTINATIONS {
            return Err(S3Error::too_many_replication_destinations(MOST_DESTINATIONS));
        }
        for (bucket, owner) in destinations {
            match self.replication.look_at(&configuration.role, bucket, owner).await? {
                DestinationState::Versioned => {}
                DestinationState::Unversioned => return Err(S3Error::replication_destination_needs_versioning()),
                DestinationState::Missing => return Err(S3Error::no_such_replication_destination()),
            }
        }
        Ok(())
    }
}

/// Every one of them is looked at before the configuration is taken.
const MOST_DESTINATIONS: usize = 28;

/// The word for how far the replication of a version is.
pub(super) fn replication_status(status: ReplicationStatus) -> &'static str {
    match status {
        ReplicationStatus::Pending => "PENDING",
        ReplicationStatus::Completed => "COMPLETED",
        ReplicationStatus::Failed => "FAILED",
        ReplicationStatus::Replica => "REPLICA",
    }
}
