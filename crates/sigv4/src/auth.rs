//! Reading who signed a request, and how.

use std::borrow::Cow;

use crate::ALGORITHM;
use crate::credential::{Credential, Scope};
use crate::encoding::query_pairs;
use crate::error::{AuthError, DateMismatch, HeaderFault, QueryFault, SignatureMismatch};
use crate::payload::{PayloadHash, decode_hex};
use crate::request::{Field, RequestParts};
use crate::timestamp::Timestamp;

/// The longest a presigned URL may live, in seconds: seven days.
pub const MAX_EXPIRES_S: u32 = 604_800;

/// What a request claims. Nothing of it is true before [`verify`](crate::verify) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAuth {
    /// The access key ID.
    pub access_key: String,
    /// What the signature is for. With the access key, the caller's key for a cache of signing keys.
    pub scope: Scope,
    /// When the request was signed.
    pub timestamp: Timestamp,
    /// The signature.
    pub signature: [u8; 32],
    /// What the signature says about the body.
    pub payload: PayloadHash,
    /// The token of temporary credentials, from `x-amz-security-token`.
    pub session_token: Option<String>,
    /// Where the signature was.
    pub kind: AuthKind,
    /// The names of the signed headers, joined by `;` in the signer's order.
    pub(crate) signed_headers: String,
}

/// Where a signature was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// In the `Authorization` header.
    Header,
    /// In the query string.
    Presigned {
        /// How long the URL is good for, in seconds, at most [`MAX_EXPIRES_S`].
        expires_s: u32,
    },
}

impl ParsedAuth {
    /// The names of the signed headers.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    /// Checks that the request is signed for this region and this service.
    ///
    /// # Errors
    /// [`CredentialFault::Service`](crate::CredentialFault::Service) or
    /// [`CredentialFault::Region`](crate::CredentialFault::Region), in the error for where the signature was.
    pub fn check_scope(&self, region: &str, service: &str) -> Result<(), AuthError> {
        self.scope.check(region, service).map_err(|fault| match self.kind {
            AuthKind::Header => AuthError::HeaderMalformed(fault.into()),
            AuthKind::Presigned { .. } => AuthError::QueryParameters(fault.into()),
        })
    }
}

/// Reads the authentication of `request`, from the `Authorization` header or the query string. `None` when the
/// request is anonymous.
///
/// `host` and every `x-amz-*` header must be signed, so that nobody on the way can add one that means something.
/// What the caller still has to check: the scope, the time, the session token and the signature.
///
/// # Errors
/// Every [`AuthError`] but those of time.
pub fn parse_authorization(request: &RequestParts<'_>) -> Result<Option<ParsedAuth>, AuthError> {
    parse(request, None)
}

/// Reads the authentication of a request to a service other than S3, where the signature always covers the body:
/// `body_sha256` is its SHA-256, whatever `x-amz-content-sha256` says.
///
/// # Errors
/// As [`parse_authorization`], but the header need not be there.
pub fn parse_authorization_over(
    request: &RequestParts<'_>,
    body_sha256: [u8; 32],
) -> Result<Option<ParsedAuth>, AuthError> {
    parse(request, Some(PayloadHash::Sha256(body_sha256)))
}

fn parse(request: &RequestParts<'_>, payload: Option<PayloadHash>) -> Result<Option<ParsedAuth>, AuthError> {
    let query = QueryAuth::gather(request.query);
    let auth = match (request.field("authorization"), query.version_4, query.version_2) {
        (Field::Absent, false, false) => return Ok(None),
        (Field::Absent, true, false) => parse_query(request, &query, payload)?,
        (Field::Absent, false, true) => return Err(AuthError::SignatureVersion2),
        (Field::One(value), false, false) => parse_header(request, value, payload)?,
        _ => return Err(AuthError::SeveralMechanisms),
    };
    if matches!(auth.payload, PayloadHash::StreamingEcdsa { .. }) {
        return Err(AuthError::SignatureVersion4A);
    }
    check_signed_headers(&auth, request)?;
    Ok(Some(auth))
}

fn parse_header(
    request: &RequestParts<'_>,
    value: &[u8],
    payload: Option<PayloadHash>,
) -> Result<ParsedAuth, AuthError> {
    let malformed = AuthError::HeaderMalformed;
    let value = str::from_utf8(value).map_err(|_| AuthError::UnsupportedType)?.trim_ascii();
    let (scheme, components) = value.split_once(' ').ok_or(AuthError::NoScheme)?;
    match scheme {
        ALGORITHM => (),
        ALGORITHM_4A => return Err(AuthError::SignatureVersion4A),
        "AWS" => return Err(AuthError::SignatureVersion2),
        _ => return Err(AuthError::UnsupportedType),
    }
    let components = Components::parse(components).ok_or(malformed(HeaderFault::Components))?;
    let credential = Credential::parse(components.credential).map_err(|fault| malformed(fault.into()))?;
    let timestamp = request_time(request).ok_or(AuthError::MissingDate)?;
    check_date(&credential, &timestamp).map_err(|fault| malformed(fault.into()))?;
    let payload = match (payload, request.field(CONTENT_SHA256)) {
        (Some(payload), _) => payload,
        (None, Field::Absent) => return Err(AuthError::MissingContentSha256),
        (None, Field::One(value)) => PayloadHash::parse(value).ok_or(AuthError::InvalidContentSha256)?,
        (None, Field::Several) => return Err(AuthError::InvalidContentSha256),
    };
    let session_token = match request.field(SECURITY_TOKEN) {
        Field::Absent => None,
        Field::One(value) => Some(str::from_utf8(value).map_err(|_| SignatureMismatch)?.to_owned()),
        Field::Several => return Err(SignatureMismatch.into()),
    };
    Ok(ParsedAuth {
        access_key: credential.access_key,
        scope: credential.scope,
        timestamp,
        signature: decode_hex(components.signature.as_bytes()).ok_or(SignatureMismatch)?,
        payload,
        session_token,
        kind: AuthKind::Header,
        signed_headers: components.signed_headers.to_owned(),
    })
}

/// The three components of the header, each there once and nothing else.
struct Components<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Components<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in text.split(',') {
            let (name, value) = component.trim_ascii().split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let signed_headers = signed_headers.filter(|list| is_header_list(list))?;
        Some(Self { credential: credential?, signed_headers, signature: signature? })
    }
}

fn parse_query(
    request: &RequestParts<'_>,
    query: &QueryAuth<'_>,
    payload: Option<PayloadHash>,
) -> Result<ParsedAuth, AuthError> {
    let wrong = AuthError::QueryParameters;
    if query.repeated {
        return Err(wrong(QueryFault::Parameters));
    }
    let text = |value: &'_ Option<Cow<'_, [u8]>>| -> Result<String, AuthError> {
        let value = value.as_ref().ok_or(wrong(QueryFault::Parameters))?;
        String::from_utf8(value.to_vec()).map_err(|_| wrong(QueryFault::Parameters))
    };
    let algorithm = text(&query.algorithm)?;
    let credential = text(&query.credential)?;
    let signature = text(&query.signature)?;
    let date = text(&query.date)?;
    let signed_headers = text(&query.signed_headers)?;
    let expires = text(&query.expires)?;
    match &*algorithm {
        ALGORITHM => (),
        ALGORITHM_4A => return Err(AuthError::SignatureVersion4A),
        _ => return Err(wrong(QueryFault::Algorithm)),
    }
    let credential = Credential::parse(&credential).map_err(|fault| wrong(fault.into()))?;
    let timestamp = Timestamp::parse(&date).ok_or(wrong(QueryFault::DateFormat))?;
    check_date(&credential, &timestamp).map_err(|fault| wrong(fault.into()))?;
    let expires_s = parse_expires(&expires).map_err(wrong)?;
    if !is_header_list(&signed_headers) {
        return Err(wrong(QueryFault::Parameters));
    }
    let payload = match (payload, &query.content_sha256, request.field(CONTENT_SHA256)) {
        (Some(payload), ..) => payload,
        (None, None, Field::Absent) => PayloadHash::Unsigned,
        (None, Some(value), Field::Absent) => PayloadHash::parse(value).ok_or(AuthError::InvalidContentSha256)?,
        (None, None, Field::One(value)) => PayloadHash::parse(value).ok_or(AuthError::InvalidContentSha256)?,
        (None, Some(_), Field::One(_)) | (None, _, Field::Several) => return Err(AuthError::InvalidContentSha256),
    };
    let session_token = query.session_token.is_some().then(|| text(&query.session_token)).transpose()?;
    Ok(ParsedAuth {
        access_key: credential.access_key,
        scope: credential.scope,
        timestamp,
        signature: decode_hex(signature.as_bytes()).ok_or(SignatureMismatch)?,
        payload,
        session_token,
        kind: AuthKind::Presigned { expires_s },
        signed_headers,
    })
}

/// The parameters of a query string that have to do with signatures.
#[derive(Default)]
struct QueryAuth<'a> {
    algorithm: Option<Cow<'a, [u8]>>,
    credential: Option<Cow<'a, [u8]>>,
    signature: Option<Cow<'a, [u8]>>,
    date: Option<Cow<'a, [u8]>>,
    signed_headers: Option<Cow<'a, [u8]>>,
    expires: Option<Cow<'a, [u8]>>,
    content_sha256: Option<Cow<'a, [u8]>>,
    session_token: Option<Cow<'a, [u8]>>,
    repeated: bool,
    version_4: bool,
    version_2: bool,
}

impl<'a> QueryAuth<'a> {
    fn gather(query: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in query_pairs(query) {
            let place = match &*name {
                b"X-Amz-Algorithm" => &mut found.algorithm,
                b"X-Amz-Credential" => &mut found.credential,
                b"X-Amz-Signature" => &mut found.signature,
                b"X-Amz-Date" => &mut found.date,
                b"X-Amz-SignedHeaders" => &mut found.signed_headers,
                b"X-Amz-Expires" => &mut found.expires,
                b"X-Amz-Content-Sha256" => &mut found.content_sha256,
                b"X-Amz-Security-Token" => &mut found.session_token,
                b"Signature" | b"AWSAccessKeyId" => {
                    found.version_2 = true;
                    continue;
                }
                _ => continue,
            };
            found.repeated |= place.replace(value).is_some();
        }
        found.version_4 = found.algorithm.is_some() || found.credential.is_some() || found.signature.is_some();
        found
    }
}

fn parse_expires(text: &str) -> Result<u32, QueryFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(QueryFault::ExpiresNumber);
    }
    if text.starts_with('-') {
        return Err(QueryFault::ExpiresNegative);
    }
    digits.parse().ok().filter(|expires_s| *expires_s <= MAX_EXPIRES_S).ok_or(QueryFault::ExpiresTooLarge)
}

/// The time of a request signed in its header: `x-amz-date`, or `Date` without one.
pub(crate) fn request_time(request: &RequestParts<'_>) -> Option<Timestamp> {
    match request.field("x-amz-date") {
        Field::One(value) => Timestamp::parse(str::from_utf8(value).ok()?.trim_ascii()),
        Field::Several => None,
        Field::Absent => match request.field("date") {
            Field::One(value) => {
                let text = str::from_utf8(value).ok()?.trim_ascii();
                Timestamp::parse(text).or_else(|| Timestamp::parse_http_date(text))
            }
            Field::Absent | Field::Several => None,
        },
    }
}

fn check_date(credential: &Credential, timestamp: &Timestamp) -> Result<(), DateMismatch> {
    if credential.scope.date == timestamp.date() {
        return Ok(());
    }
    Err(DateMismatch { credential: credential.scope.date.clone(), request: timestamp.date().to_owned() })
}

/// Whether `list` is names joined by `;`. A name that no header can have, such as one in upper case, passes:
/// the request then lacks it.
fn is_header_list(list: &str) -> bool {
    let readable = list.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    readable && list.split(';').all(|name| !name.is_empty()) && list.split(';').count() <= MAX_SIGNED_HEADERS
}

fn check_signed_headers(auth: &ParsedAuth, request: &RequestParts<'_>) -> Result<(), AuthError> {
    let is_signed = |name: &str| auth.signed_headers().any(|signed| signed == name);
    let mut unsigned: Vec<String> = Vec::new();
    if !is_signed("host") {
        unsigned.push("host".to_owned());
    }
    for (name, _) in request.headers {
        let has_a_meaning = MUST_BE_SIGNED.iter().any(|prefix| name.starts_with(prefix));
        if has_a_meaning && !is_signed(name) && !unsigned.iter().any(|known| known == name) {
            unsigned.push((*name).to_owned());
        }
    }
    if unsigned.is_empty() { Ok(()) } else { Err(AuthError::HeadersNotSigned(unsigned)) }
}

/// How the headers start that say what a request is to do: S3's, and those between Coffers. What whoever carries a
/// presigned URL adds to it must not change that.
const MUST_BE_SIGNED: [&str; 2] = ["x-amz-", "x-coffer-"];

pub(crate) const CONTENT_SHA256: &str = "x-amz-content-sha256";
const SECURITY_TOKEN: &str = "x-amz-security-token";
const ALGORITHM_4A: &str = "AWS4-ECDSA-P256-SHA256";
/// Bounds the work of looking for each signed header among all headers.
const MAX_SIGNED_HEADERS: usize = 256;

#[cfg(test)]
mod tests;
