//! What a bucket is configured to do, and pure functions that say what follows from it.
//!
//! The types are the configuration documents of S3 once they are judged, under the names of the S3 API Reference. They
//! encode to CBOR as the store keeps them: a field is never renumbered, and a new one is optional
//! (`docs/spec/records.md`). There is no IO and no clock here.

mod cors;
mod lifecycle;
mod notification;
mod object_lock;
mod replication;
mod request_payment;
mod tags;
mod versioning;
mod website;

use minicbor::{Decode, Encode};

pub use cors::{CorsConfiguration, CorsMatch, CorsMethod, CorsRule, CrossOriginRequest, MAX_CORS_RULES};
pub use lifecycle::{
    CurrentVersion, DAY_MS, Due, Expiration, FilterForm, LifecycleAction, LifecycleConfiguration, LifecycleFilter,
    LifecycleRule, NoncurrentVersion, NoncurrentVersionExpiration, NoncurrentVersionTransition, Transition,
    TransitionDefaultMinimumObjectSize, TransitionStorageClass, When,
};
pub use notification::{
    DestinationKind, MAX_NOTIFICATION_RULES, NotificationConfiguration, NotificationConflict, NotificationEvent,
    NotificationRule,
};
pub use object_lock::{
    DefaultRetention, ObjectLock, ObjectLockConfiguration, Retention, RetentionMode, RetentionPeriod,
};
pub use replication::{
    ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationMetrics, ReplicationRule,
    SourceSelection,
};
pub use request_payment::Payer;
pub use tags::{InvalidTag, Tag};
pub use versioning::VersioningStatus;
pub use website::{
    MAX_ROUTING_RULES, Protocol, Redirect, RedirectAllRequestsTo, RedirectTo, RoutingCondition, RoutingRule, Site,
    WebsiteConfiguration,
};

/// Everything a bucket is configured to do beyond encryption and access.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq)]
#[cbor(map)]
pub struct BucketSettings {
    /// Versioning; `None`: it was never enabled.
    #[n(0)]
    pub versioning: Option<VersioningStatus>,
    /// Object Lock; `None`: it is not enabled.
    #[n(1)]
    pub object_lock: Option<ObjectLockConfiguration>,
    /// Tags, never none of them; `None`: it has none.
    #[n(2)]
    pub tags: Option<Vec<Tag>>,
    /// Lifecycle rules; `None`: none.
    #[n(3)]
    pub lifecycle: Option<LifecycleConfiguration>,
    /// CORS; `None`: no page of another origin may do anything.
    #[n(4)]
    pub cors: Option<CorsConfiguration>,
    /// Its website; `None`: it is none.
    #[n(5)]
    pub website: Option<WebsiteConfiguration>,
    /// Which events go where; `None`: none go anywhere.
    #[n(6)]
    pub notification: Option<NotificationConfiguration>,
    /// Replication; `None`: nowhere.
    #[n(7)]
    pub replication: Option<ReplicationConfiguration>,
    /// Who pays for requests; `None`: the bucket's owner.
    #[n(8)]
    pub request_payer: Option<Payer>,
}
