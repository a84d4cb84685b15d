//! PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption.

use coffer_store::{BucketEncryption, BucketEncryptionChange};
use http::StatusCode;

use super::S3Operations;
use super::store_error::Subject;
use crate::checksum::RequestedChecksums;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{self, BlockedEncryption, ServerSideEncryptionConfiguration};

const AES256: &str = "AES256";
const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_encryption(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        if !RequestedChecksums::parse(&request.headers)?.covers_body() {
            return Err(S3Error::missing_body_digest());
        }
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let configuration = ServerSideEncryptionConfiguration::parse(&document)?;
        let default = match configuration.default {
            None => None,
            Some(default) if default.algorithm == AES256 && default.kms_master_key_id.is_some() => {
                return Err(S3Error::kms_key_not_applicable());
            }
            Some(default) if default.algorithm == AES256 => Some(BucketEncryption {
                algorithm: default.algorithm,
                kms_key_id: None,
                bucket_key_enabled: configuration.bucket_key_enabled.unwrap_or(false),
            }),
            // Whether there is such a key is found out when something is to be sealed under it, as on S3.
            Some(default) => Some(BucketEncryption {
                algorithm: default.algorithm,
                kms_key_id: default.kms_master_key_id,
                bucket_key_enabled: configuration.bucket_key_enabled.unwrap_or(false),
            }),
        };
        let sse_c_blocked = configuration.blocked.map(|blocked| blocked == BlockedEncryption::SseC);
        let change = BucketEncryptionChange { default, sse_c_blocked };
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let changed = self.store.put_bucket_encryption(bucket.name(), &change).await;
        changed.map_err(|error| subject.error(error))?;
        Ok(S3Response::new(StatusCode::OK))
    }

    /// Never a 404 for a bucket that exists: what nobody set is SSE-S3, as on S3 since 2023.
    pub(super) async fn get_bucket_encryption(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let encryption = bucket.encryption();
        Ok(S3Response::xml(xml::document("ServerSideEncryptionConfiguration", |xml| {
            xml.element("Rule", |xml| {
                xml.element("ApplyServerSideEncryptionByDefault", |xml| {
                    xml.text("SSEAlgorithm", encryption.as_ref().map_or(AES256, |set| set.algorithm.as_str()));
                    xml.text_if("KMSMasterKeyID", encryption.as_ref().and_then(|set| set.kms_key_id.as_deref()));
                });
                xml.value("BucketKeyEnabled", encryption.as_ref().is_some_and(|set| set.bucket_key_enabled));
                xml.element("BlockedEncryptionTypes", |xml| {
                    xml.text("EncryptionType", if bucket.sse_c_blocked() { "SSE-C" } else { "NONE" });
                });
            });
        })))
    }

    pub(super) async fn delete_bucket_encryption(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let deleted = self.store.delete_bucket_encryption(bucket.name()).await;
        deleted.map_err(|error| subject.error(error))?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}
