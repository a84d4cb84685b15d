//! The names of events.

use minicbor::{Decode, Encode};

use self::NotificationEvent as E;

/// An event, or all those of a kind.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
#[expect(missing_docs, reason = "`name` says it in S3's words")]
pub enum NotificationEvent {
    #[n(0)]
    ObjectCreatedAny,
    #[n(1)]
    ObjectCreatedPut,
    #[n(2)]
    ObjectCreatedPost,
    #[n(3)]
    ObjectCreatedCopy,
    #[n(4)]
    ObjectCreatedCompleteMultipartUpload,
    #[n(5)]
    ObjectRemovedAny,
    #[n(6)]
    ObjectRemovedDelete,
    #[n(7)]
    ObjectRemovedDeleteMarkerCreated,
    #[n(8)]
    ObjectTaggingAny,
    #[n(9)]
    ObjectTaggingPut,
    #[n(10)]
    ObjectTaggingDelete,
    #[n(11)]
    ObjectAclPut,
    #[n(12)]
    LifecycleExpirationAny,
    #[n(13)]
    LifecycleExpirationDelete,
    #[n(14)]
    LifecycleExpirationDeleteMarkerCreated,
    #[n(15)]
    LifecycleTransition,
    #[n(16)]
    IntelligentTiering,
    #[n(17)]
    ReducedRedundancyLostObject,
    #[n(18)]
    ObjectRestoreAny,
    #[n(19)]
    ObjectRestorePost,
    #[n(20)]
    ObjectRestoreCompleted,
    #[n(21)]
    ObjectRestoreDelete,
    #[n(22)]
    ReplicationAny,
    #[n(23)]
    ReplicationOperationFailedReplication,
    #[n(24)]
    ReplicationOperationNotTracked,
    #[n(25)]
    ReplicationOperationMissedThreshold,
    #[n(26)]
    ReplicationOperationReplicatedAfterThreshold,
}

/// Every event, by S3's name.
const NAMES: [(E, &str); 27] = [
    (E::ObjectCreatedAny, "s3:ObjectCreated:*"),
    (E::ObjectCreatedPut, "s3:ObjectCreated:Put"),
    (E::ObjectCreatedPost, "s3:ObjectCreated:Post"),
    (E::ObjectCreatedCopy, "s3:ObjectCreated:Copy"),
    (E::ObjectCreatedCompleteMultipartUpload, "s3:ObjectCreated:CompleteMultipartUpload"),
    (E::ObjectRemovedAny, "s3:ObjectRemoved:*"),
    (E::ObjectRemovedDelete, "s3:ObjectRemoved:Delete"),
    (E::ObjectRemovedDeleteMarkerCreated, "s3:ObjectRemoved:DeleteMarkerCreated"),
    (E::ObjectTaggingAny, "s3:ObjectTagging:*"),
    (E::ObjectTaggingPut, "s3:ObjectTagging:Put"),
    (E::ObjectTaggingDelete, "s3:ObjectTagging:Delete"),
    (E::ObjectAclPut, "s3:ObjectAcl:Put"),
    (E::LifecycleExpirationAny, "s3:LifecycleExpiration:*"),
    (E::LifecycleExpirationDelete, "s3:LifecycleExpiration:Delete"),
    (E::LifecycleExpirationDeleteMarkerCreated, "s3:LifecycleExpiration:DeleteMarkerCreated"),
    (E::LifecycleTransition, "s3:LifecycleTransition"),
    (E::IntelligentTiering, "s3:IntelligentTiering"),
    (E::ReducedRedundancyLostObject, "s3:ReducedRedundancyLostObject"),
    (E::ObjectRestoreAny, "s3:ObjectRestore:*"),
    (E::ObjectRestorePost, "s3:ObjectRestore:Post"),
    (E::ObjectRestoreCompleted, "s3:ObjectRestore:Completed"),
    (E::ObjectRestoreDelete, "s3:ObjectRestore:Delete"),
    (E::ReplicationAny, "s3:Replication:*"),
    (E::ReplicationOperationFailedReplication, "s3:Replication:OperationFailedReplication"),
    (E::ReplicationOperationNotTracked, "s3:Replication:OperationNotTracked"),
    (E::ReplicationOperationMissedThreshold, "s3:Replication:OperationMissedThreshold"),
    (E::ReplicationOperationReplicatedAfterThreshold, "s3:Replication:OperationReplicatedAfterThreshold"),
];

impl NotificationEvent {
    /// S3's name, such as `s3:ObjectCreated:Put`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(event, _)| *event == self);
        named.expect("a test says that every event has a name").1
    }

    /// The event with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(event, _)| *event)
    }

    /// Whether `event` is this one, or of this kind.
    #[must_use]
    pub fn includes(self, event: Self) -> bool {
        self == event || self.name().strip_suffix('*').is_some_and(|kind| event.name().starts_with(kind))
    }

    /// Whether one of the two includes the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.includes(other) || other.includes(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_of_its_own() {
        for (number, (event, name)) in NAMES.iter().enumerate() {
            assert_eq!(*event as usize, number, "{name}");
            assert_eq!((event.name(), NotificationEvent::from_name(name)), (*name, Some(*event)));
        }
        // The number of the last variant is that of the last name: none is left out.
        assert_eq!(E::ReplicationOperationReplicatedAfterThreshold as usize + 1, NAMES.len());
    }

    #[test]
    fn names_are_exact() {
        for name in ["", "s3:ObjectCreated", "s3:objectcreated:put", "ObjectCreated:Put", "s3:*", "s3:TestEvent"] {
            assert_eq!(NotificationEvent::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_wildcard_includes_its_kind_alone() {
        assert!(E::ObjectCreatedAny.includes(E::ObjectCreatedCopy));
        assert!(!E::ObjectCreatedCopy.includes(E::ObjectCreatedAny));
        assert!(E::ObjectCreatedCopy.overlaps(E::ObjectCreatedAny));
        assert!(!E::ObjectRemovedAny.includes(E::LifecycleExpirationDelete));
        assert!(!E::ObjectCreatedPut.includes(E::ObjectCreatedPost));
    }
}
