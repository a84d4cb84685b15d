//! CreateKey.

use std::collections::BTreeMap;

use coffer_iam::ApiError;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use crate::error::api_error;
use crate::keys::NewKey;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    #[serde(default)]
    description: String,
    #[serde(default)]
    multi_region: bool,
}

impl Asked<'_> {
    /// Makes a key in the caller's account.
    ///
    /// # Errors
    /// `AccessDeniedException`, `SerializationException`; when the provider or the store cannot be asked.
    pub(crate) async fn create_key(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let request = &self.request;
        let by = self.authority();
        self.kms.authorize_in_account(&by, "kms:CreateKey", "*", request.account, &[]).map_err(api_error)?;
        let new = NewKey {
            description: parameters.description,
            multi_region: parameters.multi_region,
            tags: BTreeMap::new(),
            ..NewKey::default()
        };
        let key = self.kms.make_key(request.account, new, None).await.map_err(api_error)?;
        Ok(json!({ "KeyMetadata": self.metadata(&key) }).to_string())
    }
}
