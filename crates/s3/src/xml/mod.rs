//! XML as S3 writes it, and a strict reader of what clients send.

mod access;
mod cors;
mod documents;
mod lifecycle;
mod logging;
mod notification;
mod object;
mod object_lock;
mod read;
mod replication;
mod request_payment;
mod tagging;
mod versioning;
mod website;
mod write;

pub use access::{AccessControlPolicy, parse_ownership_controls, parse_public_access_block, write_acl};
pub use cors::{parse_cors_configuration, write_cors_configuration};
pub use documents::{
    BlockedEncryption, CompletedPart, CreateBucketConfiguration, DefaultEncryption, Delete, ObjectIdentifier,
    ServerSideEncryptionConfiguration, parse_complete_multipart_upload,
};
pub use lifecycle::{parse_lifecycle_configuration, write_lifecycle_configuration};
pub use logging::{LoggingEnabled, parse_bucket_logging_status, write_bucket_logging_status};
pub use notification::{
    DestinationDocument, NotificationDocument, arn_element, parse_notification_configuration,
    write_notification_configuration,
};
pub use object::{
    KmsKeyArn, ObjectEncryption, RestoreRequest, RestoreTier, parse_abac_status, parse_object_encryption,
};
pub use object_lock::{
    parse_legal_hold_document, parse_object_lock_configuration, parse_retention, write_legal_hold,
    write_object_lock_configuration, write_retention,
};
pub use read::XmlReader;
pub use replication::{parse_replication_configuration, write_replication_configuration};
pub use request_payment::{parse_request_payment, write_request_payment};
pub use tagging::{parse_tag_resource, parse_tagging, write_tagging, write_tags_of_resource};
pub use versioning::parse_versioning_configuration;
pub use website::{parse_website_configuration, write_website_configuration};
pub use write::{XmlWriter, document, document_with_text};

/// The namespace of S3's documents.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The `Content-Type` of every XML document S3 answers.
pub const CONTENT_TYPE: &str = "application/xml";
