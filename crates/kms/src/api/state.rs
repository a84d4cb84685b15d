//! EnableKey, DisableKey and UpdateKeyDescription.

use coffer_iam::ApiError;
use serde::Deserialize;

use super::Asked;
use super::constraints::Constraints;
use crate::records::KeyStateRecord;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    description: Option<String>,
}

impl Asked<'_> {
    /// Lets a key be used again.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`.
    pub(super) async fn enable_key(&self) -> Result<String, ApiError> {
        self.set_state("kms:EnableKey", KeyStateRecord::Enabled).await
    }

    /// Keeps a key from being used.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`.
    pub(super) async fn disable_key(&self) -> Result<String, ApiError> {
        self.set_state("kms:DisableKey", KeyStateRecord::Disabled).await
    }

    async fn set_state(&self, action: &'static str, state: KeyStateRecord) -> Result<String, ApiError> {
        let key_id = self.key_id()?;
        let changed = self.change_key(self.request.context, action, &key_id, |key| {
            self.kms.check_not_pending(key)?;
            key.state = state;
            Ok(())
        });
        changed.await?;
        Ok(String::new())
    }

    /// Changes what is said about a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`.
    pub(super) async fn update_key_description(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        let description = constraints.required("description", parameters.description.as_deref());
        constraints.length("description", Some(description), 0, 8192);
        constraints.check()?;
        let changed = self.change_key(self.request.context, "kms:UpdateKeyDescription", key_id, |key| {
            self.kms.check_not_pending(key)?;
            key.description = description.to_owned();
            Ok(())
        });
        changed.await?;
        Ok(String::new())
    }
}
