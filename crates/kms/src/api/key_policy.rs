//! PutKeyPolicy, GetKeyPolicy, ListKeyPolicies.

use std::collections::BTreeMap;

use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use coffer_store::{RowChanges, RowTable};
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{api_error, contention, from_store, not_found, validation};
use crate::records::{KeyRecord, key_row};

/// The one policy that a key has.
const NAME: &str = "default";
const PUT: &str = "kms:PutKeyPolicy";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameters {
    key_id: String,
    policy_name: Option<String>,
    policy: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

impl Asked<'_> {
    /// Gives a key another policy.
    ///
    /// # Errors
    /// `MalformedPolicyDocumentException`, `AccessDeniedException`, `NotFoundException`.
    pub(crate) async fn put_key_policy(&self) -> Result<String, ApiError> {
        let parameters: PutParameters = self.parameters()?;
        let by = self.authority();
        let put = self.replace_policy(&by, &parameters).await;
        let arn = put.as_ref().map_or_else(|_| parameters.key_id.clone(), |key| self.kms.arn(key));
        self.kms.note(&by, PUT, &arn, &BTreeMap::new(), &put);
        put.map(|_| String::new()).map_err(api_error)
    }

    async fn replace_policy(&self, by: &Authority<'_>, put: &PutParameters) -> Result<KeyRecord, KmsError> {
        if put.policy_name.as_deref().is_some_and(|name| name != NAME) {
            return Err(validation("PolicyName must be \"default\"."));
        }
        let (mut key, version) = self.kms.find_own(by, PUT, &put.key_id).await?;
        let bypass = put.bypass_policy_lockout_safety_check;
        let wanted = Use::new(PUT, &key).condition("kms:BypassPolicyLockoutSafetyCheck", vec![bypass.to_string()]);
        self.kms.authorize_use(by, &wanted).await?;
        let (policy, principals) = self.kms.read_policy(&put.policy).await?;
        if !bypass {
            self.kms.check_lockout(by, &key, &policy).await?;
        }
        (key.policy, key.policy_principals) = (put.policy.clone(), principals);
        let (store, row) = (&self.kms.0.store, key_row(&key.id));
        let mut changes = RowChanges::new();
        changes.check(RowTable::Kms, &row, version).put(store, RowTable::Kms, &row, &key);
        match store.commit_rows(changes).await {
            Ok(true) => Ok(key),
            Ok(false) => Err(contention()),
            Err(error) => Err(from_store(&error)),
        }
    }

    /// Returns the policy of a key.
    ///
    /// # Errors
    /// `AccessDeniedException`, `NotFoundException`.
    pub(crate) async fn get_key_policy(&self) -> Result<String, ApiError> {
        let Parameters { key_id, policy_name } = self.parameters()?;
        let (key, _) = self.kms.own_key(&self.authority(), "kms:GetKeyPolicy", &key_id).await.map_err(api_error)?;
        if policy_name.is_some_and(|name| name != NAME) {
            return Err(api_error(not_found("No such policy exists".to_owned())));
        }
        let policy = self.kms.shown_policy(&key).await.map_err(api_error)?;
        Ok(json!({ "Policy": policy, "PolicyName": NAME }).to_string())
    }

    /// Returns the name of the policy of a key.
    ///
    /// # Errors
    /// `AccessDeniedException`, `NotFoundException`.
    pub(crate) async fn list_key_policies(&self) -> Result<String, ApiError> {
        let Parameters { key_id, .. } = self.parameters()?;
        self.kms.own_key(&self.authority(), "kms:ListKeyPolicies", &key_id).await.map_err(api_error)?;
        Ok(json!({ "PolicyNames": [NAME], "Truncated": false }).to_string())
    }
}
