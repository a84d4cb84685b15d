//! PutKeyPolicy, GetKeyPolicy, ListKeyPolicies.

use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use super::constraints::Constraints;
use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{api_error, contention, not_found};
use crate::records::KeyRecord;

/// The one policy that a key has.
const NAME: &str = "default";
const PUT: &str = "kms:PutKeyPolicy";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameters {
    key_id: Option<String>,
    policy_name: Option<String>,
    policy: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

impl Asked<'_> {
    /// Gives a key another policy.
    ///
    /// # Errors
    /// `MalformedPolicyDocumentException`, `AccessDeniedException`, `NotFoundException`.
    pub(crate) async fn put_key_policy(&self) -> Result<String, ApiError> {
        let asked: PutParameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        let policy = constraints.required("policy", asked.policy.as_deref());
        constraints.length("policy", asked.policy.as_deref(), 1, 131_072);
        constraints.one_of("policyName", asked.policy_name.as_deref(), &[NAME]);
        constraints.check()?;
        let (by, bypass) = (self.authority(), asked.bypass_policy_lockout_safety_check.unwrap_or_default());
        let put = self.replace_policy(&by, key_id, policy, bypass).await;
        self.kms.note_change(&by, PUT, key_id, &put);
        put.map(|_| String::new()).map_err(api_error)
    }

    async fn replace_policy(
        &self,
        by: &Authority<'_>,
        key_id: &str,
        text: &str,
        bypass: bool,
    ) -> Result<KeyRecord, KmsError> {
        let (mut key, version) = self.kms.find_own(by, PUT, key_id).await?;
        let wanted = Use::new(PUT, &key).condition("kms:BypassPolicyLockoutSafetyCheck", vec![bypass.to_string()]);
        self.kms.authorize_use(by, &wanted).await?;
        let (policy, principals) = self.kms.read_policy(text).await?;
        if !bypass {
            self.kms.check_lockout(by, &key, &policy).await?;
        }
        (key.policy, key.policy_principals) = (text.to_owned(), principals);
        if self.kms.put_key(&key, version).await? { Ok(key) } else { Err(contention()) }
    }

    /// Returns the policy of a key.
    ///
    /// # Errors
    /// `AccessDeniedException`, `NotFoundException`.
    pub(crate) async fn get_key_policy(&self) -> Result<String, ApiError> {
        let asked: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        constraints.check()?;
        let (key, _) = self.kms.own_key(&self.authority(), "kms:GetKeyPolicy", key_id).await.map_err(api_error)?;
        if asked.policy_name.is_some_and(|name| name != NAME) {
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
        let key_id = self.key_id()?;
        self.kms.own_key(&self.authority(), "kms:ListKeyPolicies", &key_id).await.map_err(api_error)?;
        Ok(json!({ "PolicyNames": [NAME], "Truncated": false }).to_string())
    }
}
