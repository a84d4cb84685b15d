//! Actions of KMS that are for keys, or ways of having keys, that there are not here. Each is refused by its name.

use coffer_iam::ApiError;
use coffer_keyring::KmsError;

use super::Asked;
use crate::authorize::Use;
use crate::error::{api_error, unsupported};

impl Asked<'_> {
    /// Refuses an action for keys of another usage: every key here is for ENCRYPT_DECRYPT.
    ///
    /// # Errors
    /// Always: `InvalidKeyUsageException`, or what keeps the caller from the key.
    pub(super) async fn wrong_usage(&self, action: &'static str) -> Result<String, ApiError> {
        let (key_id, by) = (self.key_id()?, self.authority());
        let (key, _) = self.kms.find(&by, &key_id).await.map_err(api_error)?;
        self.kms.authorize_look(&by, &Use::new(action, &key)).await.map_err(api_error)?;
        let (arn, name) = (self.kms.arn(&key), self.request.action);
        let message = format!("{arn} key usage is ENCRYPT_DECRYPT which is not valid for {name}.");
        Err(api_error(KmsError::new("InvalidKeyUsageException", message)))
    }

    /// Refuses an action for imported material, other regions or pairs of keys.
    ///
    /// # Errors
    /// Always: `UnsupportedOperationException`, or what keeps the caller from the key.
    pub(super) async fn unsupported(&self, action: &'static str) -> Result<String, ApiError> {
        let (key_id, by) = (self.key_id()?, self.authority());
        let (key, _) = self.kms.find(&by, &key_id).await.map_err(api_error)?;
        self.kms.authorize_look(&by, &Use::new(action, &key)).await.map_err(api_error)?;
        let (arn, name) = (self.kms.arn(&key), self.request.action);
        Err(api_error(unsupported(format!("{name} is not supported for {arn}."))))
    }
}
