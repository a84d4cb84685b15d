//! CreateKey.

use std::collections::BTreeMap;

use coffer_access::{AclGrant, Decision, Question, evaluate};
use coffer_iam::ApiError;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use crate::error::{access_denied, api_error};
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
        let question = Question {
            caller: request.caller,
            action: "kms:CreateKey",
            resource: "*",
            owner: request.account,
            resource_policy: None,
            acl: AclGrant::None,
            context: request.context,
        };
        if let Decision::Deny(denial) = evaluate(&question) {
            let (who, why) = (request.caller.principal.arn(), denial.reason("kms:CreateKey"));
            let message = format!("User: {who} is not authorized to perform: kms:CreateKey on resource: * {why}");
            return Err(api_error(access_denied(message)));
        }
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
