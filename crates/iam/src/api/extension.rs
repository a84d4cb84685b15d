//! KMS beside the services here: who asks is found out as for them, what they ask for is another crate's.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_access::{Caller, Context};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::service::signed_service;
use super::{ApiAnswer, ApiConnection, context, json, missing_token};
use crate::error::ApiError;
use crate::settings::Iam;

/// The name of the service in the scope of a signature.
pub(super) const NAME: &str = "kms";
const ENDPOINT: &str = "kms.amazonaws.com";
/// What the names of actions are prefixed with.
const TARGET: &str = "TrentService.";

/// A service that is spoken to as KMS is: an action in a header, JSON objects as parameters and as answers.
#[async_trait]
pub trait ApiService: Send + Sync {
    /// Every action that there is, by name.
    fn actions(&self) -> &'static [&'static str];

    /// Whether an action, or its answer, sends a secret, which goes to other machines over HTTPS only.
    fn shows_secret(&self, action: &str) -> bool;

    /// Does what is asked, and returns the object of the answer; an empty text for actions without one.
    ///
    /// # Errors
    /// The error to answer with.
    async fn call(&self, request: ServiceRequest<'_>) -> Result<String, ApiError>;
}

/// A request that is authentic.
#[derive(Clone, Copy)]
pub struct ServiceRequest<'a> {
    /// The name of the action, one of [`ApiService::actions`].
    pub action: &'static str,
    /// The object of parameters, not yet read.
    pub body: &'a Bytes,
    /// Who asks.
    pub caller: &'a Arc<Caller>,
    /// Their account.
    pub account: &'a str,
    /// The condition keys of the request.
    pub context: &'a Context,
    /// The ID of the request.
    pub request_id: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Whether a request is for KMS: it is signed for it, or unsigned and names one of its actions.
#[must_use]
pub fn is_kms_request(parts: &Parts) -> bool {
    match signed_service(parts) {
        Some(service) => service == NAME,
        None => is_named(parts),
    }
}

pub(super) fn is_named(parts: &Parts) -> bool {
    action(parts).is_some()
}

fn action(parts: &Parts) -> Option<&str> {
    parts.headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET)
}

impl Iam {
    /// Answers one request to `service`. Errors are answers too. `now_ms` is in milliseconds since 1970.
    pub async fn handle_service(
        &self,
        service: &dyn ApiService,
        parts: &Parts,
        body: &Bytes,
        connection: ApiConnection,
        request_id: &str,
        now_ms: u64,
    ) -> ApiAnswer {
        let mut asked = ApiAnswer {
            response: Response::new(Bytes::new()),
            operation: "Unknown",
            service: ENDPOINT,
            caller: None,
            access_key: None,
            error_code: None,
        };
        let outcome = self.answer_service(service, parts, body, connection, request_id, now_ms, &mut asked).await;
        let (status, document) = match outcome {
            Ok(document) => (StatusCode::OK, document),
            Err(error) => {
                let code = code(&error);
                asked.error_code = Some(code);
                (json::status(&error), json!({ "__type": code, "message": error.message() }).to_string())
            }
        };
        asked.response = Response::new(Bytes::from(document));
        *asked.response.status_mut() = status;
        let headers = asked.response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(json::CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate, private"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        asked
    }

    #[expect(clippy::too_many_arguments, reason = "they are what a request is")]
    async fn answer_service(
        &self,
        service: &dyn ApiService,
        parts: &Parts,
        body: &Bytes,
        connection: ApiConnection,
        request_id: &str,
        now_ms: u64,
        asked: &mut ApiAnswer,
    ) -> Result<String, ApiError> {
        let credential = self.authenticate(parts, body, NAME, now_ms).await?.ok_or_else(missing_token)?;
        let known = action(parts).and_then(|action| service.actions().iter().find(|known| **known == action));
        let action = *known.ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", ""))?;
        asked.operation = action;
        asked.caller = Some(Arc::clone(&credential.caller));
        asked.access_key = Some(credential.access_key.clone());
        if service.shows_secret(action) {
            connection.refuse_listeners(action)?;
        }
        let context = context(parts, connection, now_ms);
        let (caller, account) = (&credential.caller, credential.account.as_str());
        service.call(ServiceRequest { action, body, caller, account, context: &context, request_id, now_ms }).await
    }
}

/// The code of an error under the name that KMS has for it.
fn code(error: &ApiError) -> &'static str {
    match error.code() {
        "InvalidInput" | "ValidationError" => "ValidationException",
        "LimitExceeded" => "LimitExceededException",
        "ServiceFailure" => "KMSInternalException",
        _ => json::code(error),
    }
}
