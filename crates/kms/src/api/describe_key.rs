//! DescribeKey, and what is known of a key as answers show it.

use coffer_iam::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::cryptography::constrain_tokens;
use crate::authorize::Use;
use crate::error::api_error;
use crate::names::{key_id_text, material_id};
use crate::records::{KeyRecord, KeyStateRecord};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    grant_tokens: Option<Vec<String>>,
}

impl Asked<'_> {
    /// Describes a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidGrantTokenException`.
    pub(crate) async fn describe_key(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        constrain_tokens(&mut constraints, parameters.grant_tokens.as_deref());
        constraints.check()?;
        self.check_tokens(parameters.grant_tokens.as_deref()).await?;
        let by = self.authority();
        let (key, _) = self.kms.find(&by, key_id).await.map_err(api_error)?;
        let wanted = Use::new("kms:DescribeKey", &key).named(Some(key_id));
        self.kms.authorize_look(&by, &wanted).await.map_err(api_error)?;
        Ok(json!({ "KeyMetadata": self.metadata(&key) }).to_string())
    }

    /// `KeyMetadata`.
    pub(super) fn metadata(&self, key: &KeyRecord) -> Value {
        let arn = self.kms.arn(key);
        let state = self.state(key);
        let mut metadata = json!({
            "AWSAccountId": key.account,
            "Arn": arn,
            "CreationDate": seconds(key.created_ms),
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "Description": key.description,
            "Enabled": state == "Enabled",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "KeyId": key_id_text(&key.id, key.multi_region),
            "KeyManager": if key.aws_managed { "AWS" } else { "CUSTOMER" },
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyState": state,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "MultiRegion": key.multi_region,
            "Origin": if key.key_store.is_some() { "EXTERNAL_KEY_STORE" } else { "AWS_KMS" },
        });
        if let KeyStateRecord::PendingDeletion(at_ms) = key.state {
            metadata["DeletionDate"] = seconds(at_ms).into();
        }
        if key.multi_region {
            metadata["MultiRegionConfiguration"] = json!({
                "MultiRegionKeyType": "PRIMARY",
                "PrimaryKey": { "Arn": arn, "Region": self.kms.0.settings.region },
                "ReplicaKeys": [],
            });
        }
        match (&key.key_store, key.materials.last()) {
            (Some(store), _) => {
                metadata["CustomKeyStoreId"] = store.as_str().into();
                if let Some(provider) = self.kms.0.settings.key_stores.get(store) {
                    metadata["XksKeyConfiguration"] = json!({ "Id": provider.describe().fingerprint });
                }
            }
            (None, Some(material)) => {
                metadata["CurrentKeyMaterialId"] = material_id(&key.id, material.generation).into();
            }
            (None, None) => {}
        }
        metadata
    }

    /// `KeyState`.
    fn state(&self, key: &KeyRecord) -> &'static str {
        let is_reachable = |store: &String| self.kms.0.settings.key_stores.contains_key(store);
        match key.state {
            KeyStateRecord::Enabled if key.key_store.as_ref().is_none_or(is_reachable) => "Enabled",
            KeyStateRecord::Enabled => "Unavailable",
            KeyStateRecord::Disabled => "Disabled",
            KeyStateRecord::PendingDeletion(_) | KeyStateRecord::Deleted(_) => "PendingDeletion",
        }
    }
}

/// A time as this protocol writes it: seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
pub(crate) fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1000.0
}
