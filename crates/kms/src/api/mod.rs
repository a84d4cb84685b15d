//! The API of AWS KMS: an action by name, a JSON object in, a JSON object out.

mod create_key;
mod describe_key;
mod key_policy;

use async_trait::async_trait;
use coffer_iam::{ApiError, ApiService, ServiceRequest};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::authority::Authority;
use crate::settings::Kms;

/// Every action that there is, by name.
const ACTIONS: &[&str] = &["CreateKey", "DescribeKey", "GetKeyPolicy", "ListKeyPolicies", "PutKeyPolicy"];

/// The actions whose answers hold a secret.
const SHOW_SECRETS: [&str; 3] = ["Decrypt", "GenerateDataKey", "GenerateRandom"];

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
            "CreateKey" => asked.create_key().await,
            "DescribeKey" => asked.describe_key().await,
            "GetKeyPolicy" => asked.get_key_policy().await,
            "ListKeyPolicies" => asked.list_key_policies().await,
            "PutKeyPolicy" => asked.put_key_policy().await,
            _ => Err(ApiError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", "")),
        }
    }
}

/// A request to the API, and the keys.
pub(crate) struct Asked<'a> {
    pub(crate) kms: &'a Kms,
    pub(crate) request: ServiceRequest<'a>,
}

impl Asked<'_> {
    /// In whose name it is asked.
    pub(crate) fn authority(&self) -> Authority<'_> {
        let ServiceRequest { caller, context, request_id, .. } = self.request;
        Authority::Caller { caller, context, via: None, request_id }
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
