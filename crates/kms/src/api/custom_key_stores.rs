//! DescribeCustomKeyStores, and why nobody changes them by requests.

use coffer_iam::ApiError;
use coffer_keyring::{KmsError, RootKeys};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::page::PageParameters;
use crate::error::{api_error, key_store_not_found, unsupported};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    custom_key_store_id: Option<String>,
    custom_key_store_name: Option<String>,
    #[serde(flatten)]
    page: PageParameters,
}

impl Asked<'_> {
    /// Lists the custom key stores that the operator has named, and whether they can be reached.
    ///
    /// # Errors
    /// `AccessDeniedException`, `CustomKeyStoreNotFoundException`, `InvalidMarkerException`, `ValidationException`.
    pub(super) async fn describe_custom_key_stores(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let Parameters { custom_key_store_id: id, custom_key_store_name: name, page } = &parameters;
        let mut constraints = Constraints::default();
        constraints.length("customKeyStoreId", id.as_deref(), 1, 64);
        constraints.length("customKeyStoreName", name.as_deref(), 1, 256);
        page.constrain(&mut constraints);
        constraints.check()?;
        if id.is_some() && name.is_some() {
            return Err(api_error(KmsError::new(
                "ValidationException",
                "Only one of CustomKeyStoreId and CustomKeyStoreName can be specified.",
            )));
        }
        let page = page.page(100, 1000)?;
        self.authorize_account("kms:DescribeCustomKeyStores", "*", self.request.context)?;
        let stores = &self.kms.0.settings.key_stores;
        // A store has one name here, which is its ID.
        let only = id.as_ref().or(name.as_ref());
        if let Some(only) = only.filter(|only| !stores.contains_key(*only)) {
            return Err(api_error(key_store_not_found(only)));
        }
        let wanted = stores.iter().filter(|(id, _)| only.is_none_or(|only| *id == only)).collect();
        let mut items = Vec::new();
        for (id, provider) in page.of(wanted, |(id, _)| id.as_bytes().to_vec()) {
            items.push((id.as_bytes().to_vec(), entry(id, provider.as_ref()).await));
        }
        Ok(page.answer("CustomKeyStores", items))
    }

    /// Refuses to make, change, connect, disconnect or delete a custom key store.
    ///
    /// # Errors
    /// Always: `AccessDeniedException`, or `UnsupportedOperationException` to who would be allowed to.
    pub(super) fn change_custom_key_stores(&self, action: &'static str) -> Result<String, ApiError> {
        self.authorize_account(action, "*", self.request.context)?;
        Err(api_error(unsupported("Custom key stores are named in the configuration of this server.")))
    }
}

/// `CustomKeyStoresListEntry`.
async fn entry(id: &str, provider: &dyn RootKeys) -> Value {
    let mut entry = json!({
        "CustomKeyStoreId": id,
        "CustomKeyStoreName": id,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "ConnectionState": "CONNECTED",
    });
    if let Err(error) = provider.generations().await {
        tracing::warn!(%error, key_store = id, "a custom key store cannot be reached");
        entry["ConnectionState"] = "FAILED".into();
        entry["ConnectionErrorCode"] = "NETWORK_ERRORS".into();
    }
    entry
}
