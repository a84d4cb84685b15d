//! UpdateObjectEncryption: another key for an object, of a KMS. The data stays as it is.

use std::collections::BTreeMap;

use coffer_store::{ChangedBy, EncryptionMode, StoreError};
use http::StatusCode;

use super::sealing::KmsChoice;
use super::{S3Operations, keys, version};
use crate::error::S3Error;
use crate::kms::OnBehalf;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::parse_object_encryption;

/// The most bytes of the document.
pub(super) const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn update_object_encryption(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        if request.signed.is_none_or(|signed| signed.version != coffer_sigv4::ALGORITHM) {
            return Err(S3Error::encryption_update_not_by_signature_4());
        }
        if !request.connection.secure {
            return Err(S3Error::kms_over_http());
        }
        let target = version::target(request, &key)?;
        let document = self.covered_document(request, MAX_DOCUMENT_LEN).await?;
        let update = parse_object_encryption(&document)?;
        let subject = version::subject(request);
        let info = self.store.object_info(&bucket, target).await.map_err(|error| subject.error(error))?;
        if matches!(info.mode, EncryptionMode::SseC | EncryptionMode::DsseKms) {
            return Err(S3Error::encryption_update_of_unsupported_type());
        }
        if !info.lock.permits_removal(request.now_ms, false) {
            return Err(S3Error::encryption_update_of_locked_object());
        }
        if update.key_arn.account() != self.authorizer.owner(&bucket) {
            return Err(S3Error::encryption_update_by_foreign_key());
        }
        let on_behalf = OnBehalf::of(request, &self.kms);
        if let Some(kms) = &info.kms {
            let old = on_behalf.authorize(&["kms:ReEncryptFrom"], Some(&kms.key_arn), &kms.context).await;
            old.map_err(S3Error::kms)?;
        }
        let choice = KmsChoice {
            key: Some(update.key_arn.as_str()),
            bucket_key: update.bucket_key_enabled,
            pairs: BTreeMap::new(),
            further_actions: &["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptTo"],
        };
        let data_key = self.data_key(request, &bucket, choice).await?;
        let origin = request.origin(ChangedBy::Other);
        let updated =
            self.store.update_object_encryption(&bucket, target, keys(None, &on_behalf), &data_key, &origin).await;
        match updated {
            Ok(_) => Ok(S3Response::new(StatusCode::OK)),
            Err(StoreError::ObjectLocked) => Err(S3Error::encryption_update_of_locked_object()),
            Err(error) => Err(subject.error(error)),
        }
    }
}
