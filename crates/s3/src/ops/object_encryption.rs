//! UpdateObjectEncryption: another key for an object, of a KMS. There is no KMS, so it ends in a refusal, and S3's own
//! refusals come first.

use coffer_store::EncryptionMode;

use super::{S3Operations, version};
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::parse_object_encryption;

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn update_object_encryption(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        if request.signed.as_ref().is_none_or(|signed| signed.version != "AWS4-HMAC-SHA256") {
            return Err(S3Error::encryption_update_not_by_signature_4());
        }
        let target = version::target(request, &key)?;
        let document = self.covered_document(request, MAX_DOCUMENT_LEN).await?;
        let kms_key = parse_object_encryption(&document)?;
        let subject = version::subject(request);
        let info = self.store.object_info(&bucket, target).await.map_err(|error| subject.error(error))?;
        if matches!(info.mode, EncryptionMode::SseC | EncryptionMode::DsseKms) {
            return Err(S3Error::encryption_update_of_customer_key());
        }
        if !info.lock.permits_removal(request.now_ms, false) {
            return Err(S3Error::encryption_update_of_locked_object());
        }
        if kms_key.account() != self.authorizer.owner(&bucket) {
            return Err(S3Error::encryption_update_by_foreign_key());
        }
        Err(S3Error::kms_not_configured())
    }
}
