//! The condition keys of encryption: the method that a request names, and the KMS key that would be used.

use coffer_store::{EncryptionMode, InstanceId, KmsInfo, ObjectKey, StoreError};

use super::case::Case;
use super::{context, store_error};
use crate::error::S3Error;
use crate::kms::OnBehalf;
use crate::route::Operation;
use crate::sse::{DSSE_KMS, SSE_KMS, names_customer_key};
use crate::xml::parse_object_encryption;

/// The condition key of the method of encryption.
pub(super) const METHOD: &str = "s3:x-amz-server-side-encryption";
/// The condition key of the KMS key.
pub(super) const KMS_KEY: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

/// The values of the two condition keys.
#[derive(Default)]
pub(super) struct Encryption {
    pub(super) method: Option<String>,
    pub(super) kms_key: Option<String>,
}

impl Case<'_> {
    /// Finds the values of the condition keys.
    ///
    /// The method is what the request names, or, where it must not name one, that the upload was begun with: policies
    /// that demand a method would else refuse every part of an upload that was begun with it. The KMS key is the ARN of
    /// the one that would be used, whoever named it and however; of one that cannot be found, what the request calls it.
    pub(super) async fn encryption(&self) -> Result<Encryption, S3Error> {
        let method = context::header(self.request, METHOD_HEADER);
        let named = Encryption { method, kms_key: context::header(self.request, KMS_KEY_HEADER) };
        if !self.is_about_writing() || !(self.looks_at(METHOD) || self.looks_at(KMS_KEY)) {
            return Ok(named);
        }
        Ok(match self.request.route.operation {
            Operation::PutObject | Operation::PostObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
                match self.named_kms_key().filter(|_| self.looks_at(KMS_KEY)) {
                    Some(name) => Encryption { kms_key: self.resolved(name).await, ..named },
                    None => named,
                }
            }
            Operation::UploadPart | Operation::UploadPartCopy | Operation::CompleteMultipartUpload => {
                match self.encryption_of_upload().await? {
                    Some((mode, kms)) => {
                        Encryption { method: method_of(mode).map(str::to_owned), kms_key: kms.map(|kms| kms.key_arn) }
                    }
                    None => named,
                }
            }
            Operation::UpdateObjectEncryption => {
                let document = self.request.admitted.document.as_deref();
                match document.and_then(|document| parse_object_encryption(document).ok()) {
                    Some(update) => Encryption {
                        method: Some(SSE_KMS.to_owned()),
                        kms_key: self.resolved(Some(update.key_arn.as_str().to_owned())).await,
                    },
                    None => named,
                }
            }
            _ => named,
        })
    }

    /// The ARN of the key that is called so, or else what it is called.
    async fn resolved(&self, name: Option<String>) -> Option<String> {
        let resolved = OnBehalf::of(self.request, &self.authorizer.kms).key_arn(name.as_deref()).await;
        resolved.ok().or(name)
    }

    fn is_about_writing(&self) -> bool {
        matches!(self.action, "s3:PutObject" | "s3:UpdateObjectEncryption")
    }

    /// What the key is called that a write would use, by its headers or by the default of the bucket; `None` for `aws/s3`,
    /// and no answer at all if there is none.
    fn named_kms_key(&self) -> Option<Option<String>> {
        match context::header(self.request, METHOD_HEADER).as_deref() {
            Some(SSE_KMS | DSSE_KMS) => Some(context::header(self.request, KMS_KEY_HEADER)),
            None if !names_customer_key(&self.request.headers) => {
                let default = self.target.bucket.encryption()?;
                [SSE_KMS, DSSE_KMS].contains(&default.algorithm.as_str()).then(|| default.kms_key_id.clone())
            }
            _ => None,
        }
    }

    /// How the upload was begun that the request goes on with, if there is one.
    async fn encryption_of_upload(&self) -> Result<Option<(EncryptionMode, Option<KmsInfo>)>, S3Error> {
        let upload_id = self.request.query.get("uploadId").and_then(InstanceId::parse);
        let key = self.target.key.and_then(|key| ObjectKey::new(key).ok());
        let (Some(upload_id), Some(key)) = (upload_id, key) else { return Ok(None) };
        match self.authorizer.store.upload(self.target.bucket, &key, upload_id).await {
            Ok(upload) => Ok(Some((upload.mode, upload.kms))),
            // A completion that is repeated finds the object that it made.
            Err(StoreError::NoSuchUpload) => {
                let object = self.object().await?.filter(|object| object.instance_id == upload_id);
                Ok(object.map(|object| (object.mode, object.kms)))
            }
            Err(error) => Err(store_error(&error)),
        }
    }
}

fn method_of(mode: EncryptionMode) -> Option<&'static str> {
    match mode {
        EncryptionMode::SseS3 => Some("AES256"),
        EncryptionMode::SseKms => Some(SSE_KMS),
        EncryptionMode::DsseKms => Some(DSSE_KMS),
        EncryptionMode::SseC => None,
    }
}

const METHOD_HEADER: &str = "x-amz-server-side-encryption";
const KMS_KEY_HEADER: &str = "x-amz-server-side-encryption-aws-kms-key-id";
