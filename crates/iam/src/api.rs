//! From an HTTP request to an action, and back: the query protocol of IAM and STS.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use coffer_access::{Caller, Context};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::error::ApiError;
use crate::identify::Credential;
use crate::params::Params;
use crate::settings::Iam;
use crate::signature::Signed;
use crate::time::iso8601;
use crate::xml::Xml;
use crate::{iam, sts};

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub struct ApiConnection {
    /// The client.
    pub peer: IpAddr,
    /// Whether nobody on the way could read the request.
    pub secure: bool,
}

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

/// A service of the query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
}

impl Service {
    const ALL: [Self; 2] = [Self::Iam, Self::Sts];

    /// As scopes name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    const fn endpoint(self) -> &'static str {
        match self {
            Self::Iam => "iam.amazonaws.com",
            Self::Sts => "sts.amazonaws.com",
        }
    }

    /// The version of the API, which is in the namespace of its answers.
    const fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }

    const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Iam => iam::ACTIONS,
            Self::Sts => sts::ACTIONS,
        }
    }
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

/// Whether a request is one for the APIs here, and not one of S3.
///
/// A signed request says so in its scope. Unsigned ones are forms to the root of the server, which S3 never gets, or
/// URLs with an `Action`.
#[must_use]
pub fn is_api_request(parts: &Parts) -> bool {
    if let Some(service) = signed_service(parts) {
        return Service::ALL.iter().any(|known| known.name() == service);
    }
    let is_root = parts.uri.path() == "/";
    match parts.method {
        Method::POST => is_root && is_form(parts),
        Method::GET => is_root && query_has(parts, "Action") && query_has(parts, "Version"),
        _ => false,
    }
}

/// The service in the scope of the signature, in the header or in the URL.
fn signed_service(parts: &Parts) -> Option<String> {
    let scope_service = |credential: &str| credential.split('/').nth(3).map(str::to_owned);
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let credential = value.to_str().ok()?.split_once("Credential=")?.1.split([',', ' ']).next()?;
        return scope_service(credential);
    }
    let credential = parts.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
    scope_service(&percent_encoding::percent_decode_str(credential).decode_utf8().ok()?)
}

fn is_form(parts: &Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}

fn query_has(parts: &Parts, name: &str) -> bool {
    parts.uri.query().unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some(name))
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
        let mut asked = Asked { service: Service::Sts, action: None, caller: None, access_key: None };
        let outcome = self.answer(parts, body, connection, now_ms, &mut asked).await;
        let error_code = outcome.as_ref().err().map(ApiError::code);
        let (status, document) = match &outcome {
            Ok(result) => (StatusCode::OK, success(&asked, result, request_id)),
            Err(error) => (error.status(), failure(asked.service, error, request_id)),
        };
        let mut response = Response::new(Bytes::from(document));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        ApiAnswer {
            response,
            operation: asked.action.unwrap_or("Unknown"),
            service: asked.service.endpoint(),
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
        if let Some(service) = signed_service(parts)
            && let Some(service) = Service::ALL.into_iter().find(|known| known.name() == service)
        {
            asked.service = service;
        }
        let signed = self.authenticate(parts, body, now_ms).await?;
        let params = Params::parse(&form(parts, body)?)?;
        let action = params.get("Action").ok_or_else(missing_action)?;
        let Some(action) = asked.service.actions().iter().find(|known| **known == action) else {
            let version = params.get("Version").unwrap_or("NO_VERSION_SPECIFIED");
            return Err(ApiError::invalid_action(action, version));
        };
        asked.action = Some(action);
        let credential = signed.map(|Signed { credential, .. }| credential);
        if let Some(credential) = &credential {
            asked.caller = Some(Arc::clone(&credential.caller));
            asked.access_key = Some(credential.access_key.clone());
        } else if !sts::is_unsigned(action) {
            return Err(missing_token());
        }
        let caller =
            credential.as_ref().map_or_else(|| Arc::new(Caller::anonymous()), |known| Arc::clone(&known.caller));
        let context = context(parts, connection, now_ms);
        let request = ApiRequest { iam: self, action, params, caller, credential, context, now_ms };
        match asked.service {
            Service::Iam => iam::call(&request).await,
            Service::Sts => sts::call(&request).await,
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

/// The form: the body of a POST, the query of a GET.
fn form(parts: &Parts, body: &Bytes) -> Result<String, ApiError> {
    if parts.method == Method::GET {
        return Ok(parts.uri.query().unwrap_or_default().to_owned());
    }
    if parts.method != Method::POST {
        let message = "The HTTP method of the request is not supported.";
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidHttpRequest", message));
    }
    let body = str::from_utf8(body).map_err(|_| {
        ApiError::new(StatusCode::BAD_REQUEST, "MalformedQueryString", "The query string contains a syntax error.")
    })?;
    Ok(body.to_owned())
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

fn success(asked: &Asked, result: &str, request_id: &str) -> String {
    let (action, version) = (asked.action.unwrap_or("Unknown"), asked.service.version());
    let mut metadata = Xml::new();
    metadata.element("ResponseMetadata", |xml| {
        xml.text("RequestId", request_id);
    });
    let metadata = metadata.into_string();
    let result = if result.is_empty() { String::new() } else { format!("<{action}Result>{result}</{action}Result>") };
    let namespace = format!("https://{}/doc/{version}/", asked.service.endpoint());
    format!("<{action}Response xmlns=\"{namespace}\">{result}{metadata}</{action}Response>")
}

fn failure(service: Service, error: &ApiError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.element("Error", |xml| {
        xml.text("Type", if error.status().is_server_error() { "Receiver" } else { "Sender" })
            .text("Code", error.code())
            .text("Message", error.message());
    });
    xml.text("RequestId", request_id);
    let namespace = format!("https://{}/doc/{}/", service.endpoint(), service.version());
    format!("<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>", xml.into_string())
}

fn missing_token() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Request is missing Authentication Token")
}

fn missing_action() -> ApiError {
    let message = "The request must contain the parameter Action.";
    ApiError::new(StatusCode::BAD_REQUEST, "MissingAction", message)
}
