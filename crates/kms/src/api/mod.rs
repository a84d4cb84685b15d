//! The API of AWS KMS: an action by name, a JSON object in, a JSON object out.

mod aliases;
mod blob;
mod constraints;
mod create_key;
mod cryptography;
mod custom_key_stores;
mod data_keys;
mod deletion;
mod describe_key;
mod grants;
mod key_policy;
mod list_grants;
mod list_keys;
mod page;
mod rotation;
mod state;
mod tags;
mod unsupported;

use std::collections::BTreeMap;

use async_trait::async_trait;
use coffer_access::Context;
use coffer_iam::{ApiError, ApiService, ServiceRequest};
use coffer_keyring::KmsError;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::constraints::Constraints;
use crate::authority::Authority;
use crate::error::api_error;
use crate::records::KeyRecord;
use crate::settings::Kms;

/// Every action that there is, by name.
const ACTIONS: &[&str] = &[
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decapsulate",
    "Decrypt",
    "DeleteAlias",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "ListRetirableGrants",
    "PutKeyPolicy",
    "ReEncrypt",
    "ReplicateKey",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "Sign",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateCustomKeyStore",
    "UpdateKeyDescription",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
];

/// The actions that send a secret, or whose answers do.
const SHOW_SECRETS: [&str; 4] = ["Decrypt", "Encrypt", "GenerateDataKey", "GenerateRandom"];

#[async_trait]
impl ApiService for Kms {
    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn shows_secret(&self, action: &str) -> bool {
        SHOW_SECRETS.contains(&action)
    }

    async fn call(&self, request: ServiceRequest<'_>) -> Result<String, ApiError> {
        let asked = Asked { kms: self, request };
        match request.action {
            "CancelKeyDeletion" => asked.cancel_key_deletion().await,
            "ConnectCustomKeyStore" => asked.change_custom_key_stores("kms:ConnectCustomKeyStore"),
            "CreateAlias" => asked.create_alias().await,
            "CreateCustomKeyStore" => asked.change_custom_key_stores("kms:CreateCustomKeyStore"),
            "CreateGrant" => asked.create_grant().await,
            "CreateKey" => asked.create_key().await,
            "Decapsulate" => asked.wrong_usage("kms:Decapsulate").await,
            "Decrypt" => asked.decrypt().await,
            "DeleteAlias" => asked.delete_alias().await,
            "DeleteCustomKeyStore" => asked.change_custom_key_stores("kms:DeleteCustomKeyStore"),
            "DeleteImportedKeyMaterial" => asked.unsupported("kms:DeleteImportedKeyMaterial").await,
            "DeriveSharedSecret" => asked.wrong_usage("kms:DeriveSharedSecret").await,
            "DescribeCustomKeyStores" => asked.describe_custom_key_stores().await,
            "DescribeKey" => asked.describe_key().await,
            "DisableKey" => asked.disable_key().await,
            "DisableKeyRotation" => asked.disable_key_rotation().await,
            "DisconnectCustomKeyStore" => asked.change_custom_key_stores("kms:DisconnectCustomKeyStore"),
            "EnableKey" => asked.enable_key().await,
            "EnableKeyRotation" => asked.enable_key_rotation().await,
            "Encapsulate" => asked.wrong_usage("kms:Encapsulate").await,
            "Encrypt" => asked.encrypt().await,
            "GenerateDataKey" => asked.generate_data_key().await,
            "GenerateDataKeyPair" => asked.unsupported("kms:GenerateDataKeyPair").await,
            "GenerateDataKeyPairWithoutPlaintext" => asked.unsupported("kms:GenerateDataKeyPairWithoutPlaintext").await,
            "GenerateDataKeyWithoutPlaintext" => asked.generate_data_key_without_plaintext().await,
            "GenerateMac" => asked.wrong_usage("kms:GenerateMac").await,
            "GenerateRandom" => asked.generate_random(),
            "GetKeyLastUsage" => asked.unsupported("kms:GetKeyLastUsage").await,
            "GetKeyPolicy" => asked.get_key_policy().await,
            "GetKeyRotationStatus" => asked.get_key_rotation_status().await,
            "GetParametersForImport" => asked.unsupported("kms:GetParametersForImport").await,
            "GetPublicKey" => asked.unsupported("kms:GetPublicKey").await,
            "ImportKeyMaterial" => asked.unsupported("kms:ImportKeyMaterial").await,
            "ListAliases" => asked.list_aliases().await,
            "ListGrants" => asked.list_grants().await,
            "ListKeyPolicies" => asked.list_key_policies().await,
            "ListKeyRotations" => asked.list_key_rotations().await,
            "ListKeys" => asked.list_keys().await,
            "ListResourceTags" => asked.list_resource_tags().await,
            "ListRetirableGrants" => asked.list_retirable_grants().await,
            "PutKeyPolicy" => asked.put_key_policy().await,
            "ReEncrypt" => asked.re_encrypt().await,
            "ReplicateKey" => asked.unsupported("kms:ReplicateKey").await,
            "RetireGrant" => asked.retire_grant().await,
            "RevokeGrant" => asked.revoke_grant().await,
            "RotateKeyOnDemand" => asked.rotate_key_on_demand().await,
            "ScheduleKeyDeletion" => asked.schedule_key_deletion().await,
            "Sign" => asked.wrong_usage("kms:Sign").await,
            "TagResource" => asked.tag_resource().await,
            "UntagResource" => asked.untag_resource().await,
            "UpdateAlias" => asked.update_alias().await,
            "UpdateCustomKeyStore" => asked.change_custom_key_stores("kms:UpdateCustomKeyStore"),
            "UpdateKeyDescription" => asked.update_key_description().await,
            "UpdatePrimaryRegion" => asked.unsupported("kms:UpdatePrimaryRegion").await,
            "Verify" => asked.wrong_usage("kms:Verify").await,
            "VerifyMac" => asked.wrong_usage("kms:VerifyMac").await,
            _ => Err(ApiError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", "")),
        }
    }
}

/// A request to the API, and the keys.
pub(crate) struct Asked<'a> {
    pub(crate) kms: &'a Kms,
    pub(crate) request: ServiceRequest<'a>,
}

/// What requests about one key say, if they say nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyParameters {
    key_id: Option<String>,
}

impl<'a> Asked<'a> {
    /// In whose name it is asked.
    pub(crate) fn authority(&self) -> Authority<'a> {
        self.authority_with(self.request.context)
    }

    /// In whose name it is asked, with more condition keys than the request has by itself.
    pub(crate) fn authority_with<'b>(&self, context: &'b Context) -> Authority<'b>
    where
        'a: 'b,
    {
        let ServiceRequest { caller, request_id, .. } = self.request;
        Authority::Caller { caller, context, via: None, request_id }
    }

    /// Changes a key of the caller's account: see [`Kms::change_key`].
    ///
    /// # Errors
    /// As that.
    async fn change_key(
        &self,
        context: &Context,
        action: &'static str,
        key_id: &str,
        change: impl Fn(&mut KeyRecord) -> Result<(), KmsError>,
    ) -> Result<KeyRecord, ApiError> {
        self.kms.change_key(&self.authority_with(context), action, key_id, change).await.map_err(api_error)
    }

    /// Refuses an action that is about no key that there is to whom may not do it, and notes that: `resource` is an ARN,
    /// or `*`.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) fn authorize_account(
        &self,
        action: &'static str,
        resource: &str,
        context: &Context,
    ) -> Result<(), ApiError> {
        let by = self.authority_with(context);
        let allowed = self.kms.authorize_in_account(&by, action, resource, self.request.account, &[]);
        if allowed.is_err() {
            self.kms.note(&by, action, resource, &BTreeMap::new(), &allowed);
        }
        allowed.map_err(api_error)
    }

    /// What the request calls the key that it is about.
    ///
    /// # Errors
    /// `ValidationException`, `SerializationException`.
    pub(crate) fn key_id(&self) -> Result<String, ApiError> {
        let parameters: KeyParameters = self.parameters()?;
        let mut constraints = Constraints::default();
        constraints.required("keyId", parameters.key_id.as_deref());
        constraints.check()?;
        Ok(parameters.key_id.unwrap_or_default())
    }

    /// The parameters.
    ///
    /// # Errors
    /// `SerializationException`.
    pub(crate) fn parameters<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let body = if self.request.body.is_empty() { b"{}" } else { &self.request.body[..] };
        // The message of the parser could quote a secret.
        serde_json::from_slice(body).map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "SerializationException", "The request is not what it should be.")
        })
    }
}

#[cfg(test)]
mod tests;
