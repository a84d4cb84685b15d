//! DescribeKey, and what is known of a key as answers show it.

use coffer_iam::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use crate::authorize::Use;
use crate::error::api_error;
use crate::names::key_id_text;
use crate::records::{KeyRecord, KeyStateRecord};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: String,
}

impl Asked<'_> {
    /// Describes a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`.
    pub(crate) async fn describe_key(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let by = self.authority();
        let (key, _) = self.kms.find(&by, &parameters.key_id).await.map_err(api_error)?;
        let wanted = Use::new("kms:DescribeKey", &key).named(Some(&parameters.key_id));
        self.kms.authorize_use(&by, &wanted).await.map_err(api_error)?;
        Ok(json!({ "KeyMetadata": self.metadata(&key) }).to_string())
    }

    /// `KeyMetadata`.
    pub(super) fn metadata(&self, key: &KeyRecord) -> Value {
        let state = match key.state {
            KeyStateRecord::Enabled => "Enabled",
            KeyStateRecord::Disabled => "Disabled",
            KeyStateRecord::PendingDeletion(_) => "PendingDeletion",
        };
        let mut metadata = json!({
            "AWSAccountId": key.account,
            "Arn": self.kms.arn(key),
            "CreationDate": seconds(key.created_ms),
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "Description": key.description,
            "Enabled": key.state == KeyStateRecord::Enabled,
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
        if let Some(store) = &key.key_store {
            metadata["CustomKeyStoreId"] = store.as_str().into();
        }
        metadata
    }
}

/// A time as this protocol writes it: seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
pub(crate) fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1000.0
}
