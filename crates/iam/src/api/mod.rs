//! From an HTTP request to an action, and back.

mod extension;
mod json;
mod query;
mod service;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use coffer_access::{Caller, Context};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::error::ApiError;
use crate::identify::Credential;
use crate::params::Params;
use crate::settings::Iam;
use crate::signature::invalid_client_token_id;
use crate::time::iso8601;
use crate::{iam, organizations, sts};

pub use extension::{ApiService, ServiceRequest, is_kms_request};
use service::Protocol;
pub(crate) use service::Service;
pub use service::is_api_request;

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub struct ApiConnection {
    /// The client.
    pub peer: IpAddr,
    /// Whether nobody on the way could read the request.
    pub secure: bool,
}

impl ApiConnection {
    /// Refuses an action that shows a secret to whoever listens on the way: over plain HTTP it goes to clients
    /// on this machine only.
    ///
    /// # Errors
    /// `AccessDenied`.
    fn check_secrecy(self, action: &str) -> Result<(), ApiError> {
        if SHOW_SECRETS.contains(&action) { self.refuse_listeners(action) } else { Ok(()) }
    }

    fn refuse_listeners(self, action: &str) -> Result<(), ApiError> {
        if self.secure || self.peer.to_canonical().is_loopback() {
            return Ok(());
        }
        Err(ApiError::access_denied(format!(
            "{action} sends a secret, which goes to another machine over HTTPS only. Use the https:// endpoint of this \
             server."
        )))
    }
}

/// The actions whose answers hold a secret access key.
const SHOW_SECRETS: [&str; 4] = ["AssumeRole", "AssumeRoleWithWebIdentity", "CreateAccessKey", "GetSessionToken"];

/// An answer, and what it answers.
pub struct ApiAnswer {
    /// The answer.
    pub response: Response<Bytes>,
    /// The name of the action, one of AWS's; `Unknown` for anything else.
    pub operation: &'static str,
    /// `iam.amazonaws.com`, `sts.amazonaws.com` ...
    pub service: &'static str,
    /// Who asked; `None` if nobody signed.
    pub caller: Option<Arc<Caller>>,
    /// The access key that signed.
    pub access_key: Option<String>,
    /// The code of the error, if it is one.
    pub error_code: Option<&'static str>,
}

/// A request that is authentic, or unsigned.
pub(crate) struct ApiRequest<'a> {
    pub(crate) iam: &'a Iam,
    /// The name of the action.
    pub(crate) action: &'static str,
    pub(crate) params: Params,
    /// Who asks; anonymous for an unsigned request.
    pub(crate) caller: Arc<Caller>,
    /// What they signed with.
    pub(crate) credential: Option<Arc<Credential>>,
    /// The condition keys of the request.
    pub(crate) context: Context,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
}

impl ApiRequest<'_> {
    /// The account of the caller.
    ///
    /// # Errors
    /// `MissingAuthenticationToken` for an unsigned request.
    pub(crate) fn account(&self) -> Result<&str, ApiError> {
        self.credential.as_ref().map(|credential| credential.account.as_str()).ok_or_else(missing_token)
    }
}

impl Iam {
    /// Answers one request to the APIs. Errors are answers too. `now_ms` is in milliseconds since 1970.
    pub async fn handle(
        &self,
        parts: &Parts,
        body: &Bytes,
        connection: ApiConnection,
        request_id: &str,
        now_ms: u64,
    ) -> ApiAnswer {
        let mut asked = Asked { service: Service::of(parts), action: None, caller: None, access_key: None };
        let outcome = self.answer(parts, body, connection, now_ms, &mut asked).await;
        let (service, action) = (asked.service, asked.action.unwrap_or("Unknown"));
        let (status, error_code, content_type, document) = match (service.protocol(), outcome) {
            (Protocol::Query, Ok(result)) => {
                (StatusCode::OK, None, query::CONTENT_TYPE, query::success(service, action, &result, request_id))
            }
            (Protocol::Query, Err(error)) => {
                let document = query::failure(service, &error, request_id);
                (error.status(), Some(error.code()), query::CONTENT_TYPE, document)
            }
            (Protocol::Json, Ok(result)) => (StatusCode::OK, None, json::CONTENT_TYPE, result),
            (Protocol::Json, Err(error)) => {
                (json::status(&error), Some(json::code(&error)), json::CONTENT_TYPE, json::failure(&error))
            }
        };
        let mut response = Response::new(Bytes::from(document));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        ApiAnswer {
            response,
            operation: action,
            service: service.endpoint(),
            caller: asked.caller,
            access_key: asked.access_key,
            error_code,
        }
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: &Bytes,
        connection: ApiConnection,
        now_ms: u64,
        asked: &mut Asked,
    ) -> Result<String, ApiError> {
        let credential = self.authenticate(parts, body, asked.service.name(), now_ms).await?;
        let (action, params) = match asked.service.protocol() {
            Protocol::Query => {
                let params = query::params(parts, body)?;
                (query::action(asked.service, &params)?, params)
            }
            // Nothing of this protocol is for strangers, nor is the work of reading what they send.
            Protocol::Json if credential.is_none() => return Err(missing_token()),
            Protocol::Json => (json::known_action(asked.service, parts)?, json::params(body)?),
        };
        asked.action = Some(action);
        if let Some(credential) = &credential {
            asked.caller = Some(Arc::clone(&credential.caller));
            asked.access_key = Some(credential.access_key.clone());
            if asked.service == Service::Iam && credential.is_own_session() {
                return Err(invalid_client_token_id());
            }
        } else if !sts::is_unsigned(action) {
            return Err(missing_token());
        }
        connection.check_secrecy(action)?;
        let caller =
            credential.as_ref().map_or_else(|| Arc::new(Caller::anonymous()), |known| Arc::clone(&known.caller));
        let context = context(parts, connection, now_ms);
        let request = ApiRequest { iam: self, action, params, caller, credential, context, now_ms };
        match asked.service {
            Service::Iam => iam::call(&request).await,
            Service::Sts => sts::call(&request).await,
            Service::Organizations => organizations::call(&request).await,
        }
    }
}

/// What is known of a request, for its answer and for the log.
struct Asked {
    service: Service,
    action: Option<&'static str>,
    caller: Option<Arc<Caller>>,
    access_key: Option<String>,
}

/// The condition keys that every request has.
fn context(parts: &Parts, connection: ApiConnection, now_ms: u64) -> Context {
    let text = |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let mut context = Context::new();
    context.set("aws:SourceIp", connection.peer.to_canonical().to_string());
    context.set("aws:SecureTransport", connection.secure.to_string());
    context.set("aws:CurrentTime", iso8601(now_ms));
    context.set("aws:EpochTime", (now_ms / 1000).to_string());
    context.set_if("aws:UserAgent", text(header::USER_AGENT));
    context.set_if("aws:Referer", text(header::REFERER));
    context
}

fn missing_token() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Request is missing Authentication Token")
}

#[cfg(test)]
mod tests;
