//! The query protocol of IAM and STS: forms and XML.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};

use super::service::Service;
use crate::error::ApiError;
use crate::params::{Params, malformed_query};
use crate::xml::Xml;

pub(super) const CONTENT_TYPE: &str = "text/xml";

/// The parameters: of the body of a POST, of the query of a GET.
///
/// # Errors
/// `MalformedQueryString`; `InvalidHttpRequest` for other methods.
pub(super) fn params(parts: &Parts, body: &Bytes) -> Result<Params, ApiError> {
    if parts.method == Method::GET {
        return Params::parse(parts.uri.query().unwrap_or_default());
    }
    if parts.method != Method::POST {
        let message = "The HTTP method of the request is not supported.";
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidHttpRequest", message));
    }
    Params::parse(str::from_utf8(body).map_err(|_| malformed_query())?)
}

/// The action that the parameters name.
///
/// # Errors
/// `MissingAction`, `InvalidAction`.
pub(super) fn action(service: Service, params: &Params) -> Result<&'static str, ApiError> {
    let action = params.get("Action").ok_or_else(|| {
        let message = "The request must contain the parameter Action.";
        ApiError::new(StatusCode::BAD_REQUEST, "MissingAction", message)
    })?;
    service.actions().iter().find(|known| **known == action).copied().ok_or_else(|| {
        let version = params.get("Version").unwrap_or("NO_VERSION_SPECIFIED");
        ApiError::invalid_action(action, version)
    })
}

/// The one action that answers with a result that has nothing in it. Others without a result have no element for it.
const EMPTY_RESULT: &str = "UpdateRole";

/// The document of an answer.
pub(super) fn success(service: Service, action: &str, result: &str, request_id: &str) -> String {
    let mut metadata = Xml::new();
    metadata.element("ResponseMetadata", |xml| {
        xml.text("RequestId", request_id);
    });
    let metadata = metadata.into_string();
    let has_result = !result.is_empty() || action == EMPTY_RESULT;
    let result = if has_result { format!("<{action}Result>{result}</{action}Result>") } else { String::new() };
    let namespace = namespace(service);
    format!("<{action}Response xmlns=\"{namespace}\">{result}{metadata}</{action}Response>")
}

/// The document of an error.
pub(super) fn failure(service: Service, error: &ApiError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.element("Error", |xml| {
        xml.text("Type", if error.status().is_server_error() { "Receiver" } else { "Sender" })
            .text("Code", error.code())
            .text("Message", error.message());
    });
    xml.text("RequestId", request_id);
    format!("<ErrorResponse xmlns=\"{}\">{}</ErrorResponse>", namespace(service), xml.into_string())
}

fn namespace(service: Service) -> String {
    format!("https://{}/doc/{}/", service.endpoint(), service.version())
}
