//! The services that answer here, and which requests are for them.

use http::request::Parts;
use http::{Method, header};

use super::{extension, json};
use crate::{iam, organizations, sts};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
    Organizations,
}

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Forms and XML.
    Query,
    /// JSON, with the action in a header.
    Json,
}

impl Service {
    const ALL: [Self; 3] = [Self::Iam, Self::Sts, Self::Organizations];

    /// As scopes name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Organizations => "organizations",
        }
    }

    /// The service that a request is for: what it is signed for, what its target says, else STS, the one service that
    /// takes unsigned requests.
    pub(super) fn of(parts: &Parts) -> Self {
        let named = |name: String| Self::ALL.into_iter().find(|known| known.name() == name);
        let unsigned = if json::action(parts).is_some() { Self::Organizations } else { Self::Sts };
        signed_service(parts).and_then(named).unwrap_or(unsigned)
    }

    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::Iam => "iam.amazonaws.com",
            Self::Sts => "sts.amazonaws.com",
            Self::Organizations => "organizations.amazonaws.com",
        }
    }

    /// The version of the API, which is in the namespace of its answers.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
            Self::Organizations => "2016-11-28",
        }
    }

    pub(super) const fn protocol(self) -> Protocol {
        match self {
            Self::Iam | Self::Sts => Protocol::Query,
            Self::Organizations => Protocol::Json,
        }
    }

    pub(super) const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Iam => iam::ACTIONS,
            Self::Sts => sts::ACTIONS,
            Self::Organizations => organizations::ACTIONS,
        }
    }
}

/// Whether a request is one for the APIs here, and not one of S3.
///
/// A signed request says so in its scope. Unsigned ones are forms to the root of the server, which S3 never gets, or
/// name an action in a header or the URL.
#[must_use]
pub fn is_api_request(parts: &Parts) -> bool {
    if let Some(service) = signed_service(parts) {
        return Service::ALL.iter().any(|known| known.name() == service) || service == extension::NAME;
    }
    let is_root = parts.uri.path() == "/";
    match parts.method {
        Method::POST => is_root && (is_form(parts) || json::action(parts).is_some() || extension::is_named(parts)),
        Method::GET => is_root && query_has(parts, "Action") && query_has(parts, "Version"),
        _ => false,
    }
}

/// The service in the scope of the signature, in the header or in the URL.
pub(super) fn signed_service(parts: &Parts) -> Option<String> {
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
