//! Notifications in S3's words, and the targets that they go to.

use async_trait::async_trait;
use coffer_configuration::NotificationEvent;
use coffer_store::Notification;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::time::iso8601;

/// The targets of notifications that there are. Whoever operates the service makes them; configurations name them by
/// ARN.
#[async_trait]
pub trait EventTargets: Send + Sync {
    /// Whether there is a target `target`, and buckets of `account` may send events to it.
    fn admission(&self, target: &str, account: &str) -> TargetAdmission;

    /// Delivers a message now, and says whether the target took it.
    async fn deliver(&self, target: &str, message: Vec<u8>) -> bool;
}

/// Whether a bucket may send events to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetAdmission {
    /// It may.
    Admitted,
    /// There is no such target.
    Missing,
    /// The target is not for the account of the bucket.
    Forbidden,
}

/// No targets at all.
pub struct NoEventTargets;

#[async_trait]
impl EventTargets for NoEventTargets {
    fn admission(&self, _: &str, _: &str) -> TargetAdmission {
        TargetAdmission::Missing
    }

    async fn deliver(&self, _: &str, _: Vec<u8>) -> bool {
        false
    }
}

/// The message that tells of an event. `first_account` owns the buckets that do not say who does.
#[must_use]
pub fn event_message(notification: &Notification, first_account: &str) -> Vec<u8> {
    let owner = notification.owner.as_deref().unwrap_or(first_account);
    let or_service = |text: &str| if text.is_empty() { SERVICE.to_owned() } else { text.to_owned() };
    let record = json!({
        "eventVersion": event_version(notification.event),
        "eventSource": "aws:s3",
        "awsRegion": notification.region,
        "eventTime": iso8601(notification.time_ms),
        "eventName": notification.event.name().trim_start_matches("s3:"),
        "userIdentity": { "principalId": principal(&notification.principal_id) },
        "requestParameters": { "sourceIPAddress": or_service(&notification.source_ip) },
        "responseElements": {
            "x-amz-request-id": notification.request_id,
            "x-amz-id-2": notification.host_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notification.rule_id,
            "bucket": {
                "name": notification.bucket,
                "ownerIdentity": { "principalId": owner },
                "arn": format!("arn:aws:s3:::{}", notification.bucket),
            },
            "object": object(notification),
        },
    });
    json!({ "Records": [record] }).to_string().into_bytes()
}

/// The message that S3 sends when a configuration names a target.
#[must_use]
pub fn test_message(bucket: &str, now_ms: u64, request_id: &str, host_id: &str) -> Vec<u8> {
    let message = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso8601(now_ms),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": host_id,
    });
    message.to_string().into_bytes()
}

/// What an event says of its object: S3 leaves out what the object does not have any more, and what did not change.
fn object(notification: &Notification) -> Value {
    let mut object = Map::new();
    // As a form has it: blanks are `+`.
    let key = utf8_percent_encode(&notification.object_key, IN_EVENT).to_string().replace("%20", "+");
    object.insert("key".to_owned(), key.into());
    let (has_etag, has_size, has_sequencer) = match kind(notification.event) {
        Kind::Created => (true, true, true),
        Kind::Removed => (false, false, true),
        Kind::MarkerCreated => (true, false, true),
        Kind::Changed => (true, false, false),
    };
    if has_size {
        object.insert("size".to_owned(), notification.size.into());
    }
    if has_etag {
        let etag = if notification.etag.is_empty() { ETAG_OF_NOTHING } else { &notification.etag };
        object.insert("eTag".to_owned(), etag.into());
    }
    if let Some(version_id) = &notification.version_id {
        object.insert("versionId".to_owned(), version_id.as_str().into());
    }
    if has_sequencer {
        object.insert("sequencer".to_owned(), format!("{:016X}", notification.sequencer).into());
    }
    object.into()
}

enum Kind {
    Created,
    Removed,
    MarkerCreated,
    Changed,
}

fn kind(event: NotificationEvent) -> Kind {
    use NotificationEvent as E;
    match event {
        E::ObjectCreatedAny
        | E::ObjectCreatedPut
        | E::ObjectCreatedPost
        | E::ObjectCreatedCopy
        | E::ObjectCreatedCompleteMultipartUpload => Kind::Created,
        E::ObjectRemovedAny | E::ObjectRemovedDelete | E::LifecycleExpirationAny | E::LifecycleExpirationDelete => {
            Kind::Removed
        }
        E::ObjectRemovedDeleteMarkerCreated | E::LifecycleExpirationDeleteMarkerCreated => Kind::MarkerCreated,
        _ => Kind::Changed,
    }
}

/// S3 writes the events that it came to know later with later versions.
fn event_version(event: NotificationEvent) -> &'static str {
    let name = event.name();
    if name.starts_with("s3:ObjectCreated:") || name.starts_with("s3:ObjectRemoved:") {
        "2.1"
    } else if name.starts_with("s3:Replication:") {
        "2.2"
    } else {
        "2.3"
    }
}

fn principal(id: &str) -> String {
    match id {
        "" => SERVICE.to_owned(),
        "anonymous" => "Anonymous".to_owned(),
        id => format!("AWS:{id}"),
    }
}

/// Who does what nobody asked for.
const SERVICE: &str = "s3.amazonaws.com";
/// The MD5 of no bytes, which S3 gives as the ETag of a delete marker.
const ETAG_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
/// What is escaped in the key of an event.
const IN_EVENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(event: NotificationEvent) -> Notification {
        Notification {
            event,
            rule_id: "rule".to_owned(),
            time_ms: 1_800_000_000_123,
            bucket: "photos".to_owned(),
            region: "eu-central-1".to_owned(),
            owner: None,
            object_key: "a b/\u{fc}+\"\n.jpg".to_owned(),
            version_id: None,
            size: 5,
            etag: "0".repeat(32),
            sequencer: 0xABC,
            principal_id: "AIDAEXAMPLE".to_owned(),
            source_ip: "203.0.113.9".to_owned(),
            request_id: "R".to_owned(),
            host_id: "H".to_owned(),
        }
    }

    fn record(notification: &Notification) -> Value {
        let message: Value = serde_json::from_slice(&event_message(notification, "000000000000")).unwrap();
        message["Records"][0].clone()
    }

    #[test]
    fn a_creation_is_told_as_s3_tells_it() {
        let record = record(&notification(NotificationEvent::ObjectCreatedPut));
        let expected = json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventTime": "2027-01-15T08:00:00.123Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "AWS:AIDAEXAMPLE" },
            "requestParameters": { "sourceIPAddress": "203.0.113.9" },
            "responseElements": { "x-amz-request-id": "R", "x-amz-id-2": "H" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "rule",
                "bucket": {
                    "name": "photos",
                    "ownerIdentity": { "principalId": "000000000000" },
                    "arn": "arn:aws:s3:::photos"
                },
                "object": {
                    "key": "a+b/%C3%BC%2B%22%0A.jpg",
                    "size": 5,
                    "eTag": "00000000000000000000000000000000",
                    "sequencer": "0000000000000ABC"
                }
            }
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn what_is_gone_has_neither_size_nor_etag() {
        let removed =
            Notification { version_id: Some("v".to_owned()), ..notification(NotificationEvent::ObjectRemovedDelete) };
        let object = record(&removed)["s3"]["object"].clone();
        let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["key", "sequencer", "versionId"]);
    }

    #[test]
    fn a_delete_marker_has_the_etag_of_nothing() {
        let marker =
            Notification { etag: String::new(), ..notification(NotificationEvent::ObjectRemovedDeleteMarkerCreated) };
        assert_eq!(record(&marker)["s3"]["object"]["eTag"], ETAG_OF_NOTHING);
    }

    #[test]
    fn later_events_have_later_versions() {
        for (event, version) in [
            (NotificationEvent::ObjectRemovedDelete, "2.1"),
            (NotificationEvent::ReplicationOperationNotTracked, "2.2"),
            (NotificationEvent::ObjectTaggingPut, "2.3"),
            (NotificationEvent::ObjectAclPut, "2.3"),
            (NotificationEvent::LifecycleExpirationDelete, "2.3"),
        ] {
            assert_eq!(record(&notification(event))["eventVersion"], version);
        }
        let tagged = record(&notification(NotificationEvent::ObjectTaggingPut))["s3"]["object"].clone();
        let names: Vec<&str> = tagged.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["eTag", "key"]);
    }

    #[test]
    fn what_nobody_asked_for_is_done_by_the_service() {
        let expired = Notification {
            principal_id: String::new(),
            source_ip: String::new(),
            ..notification(NotificationEvent::LifecycleExpirationDelete)
        };
        let record = record(&expired);
        assert_eq!(record["userIdentity"]["principalId"], SERVICE);
        assert_eq!(record["requestParameters"]["sourceIPAddress"], SERVICE);
        let anonymous = Notification { principal_id: "anonymous".to_owned(), ..expired };
        assert_eq!(super::tests::record(&anonymous)["userIdentity"]["principalId"], "Anonymous");
    }
}
