//! Who sent a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_access::{Caller, NamedPrincipal};
use coffer_crypto::random_array;
use coffer_sigv4::{
    AuthError, AuthKind, ChunkChain, CredentialFault, HeaderFault, ParsedAuth, PayloadHash, QueryFault, RequestParts,
    SecretKey, SignatureMismatch, SigningKeys, check_time, parse_authorization, verify,
};
use http::{HeaderName, HeaderValue};

use crate::error::S3Error;
use crate::route::Operation;
use crate::time::iso8601;

/// Who there is: access keys, accounts, principals.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Finds who has this access key, with the session token that came with it. `now_ms` is in milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// `ServiceUnavailable` or `InternalError` when that cannot be found out.
    async fn identify(&self, access_key: &str, session_token: Option<&str>, now_ms: u64)
    -> Result<Identified, S3Error>;

    /// Notes that somebody has signed a request, for a region.
    fn note_use(&self, identity: &Identity, region: &str, now_ms: u64);

    /// The canonical user ID of an account: 64 hexadecimal digits.
    fn canonical_id(&self, account: &str) -> String;

    /// The account with this canonical user ID, if there is one.
    ///
    /// # Errors
    /// As [`Identities::identify`].
    async fn account_of_canonical_id(&self, canonical_id: &str) -> Result<Option<String>, S3Error>;

    /// The account with this e-mail address, if there is one.
    ///
    /// # Errors
    /// As [`Identities::identify`].
    async fn account_of_email(&self, email: &str) -> Result<Option<String>, S3Error>;

    /// Finds a principal that a policy names: by the ARN of an account's root, a user, a role or a session of a role, or
    /// the number of an account; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Identities::identify`].
    async fn principal(&self, name: &str) -> Result<Option<NamedPrincipal>, S3Error>;

    /// The names under which a policy shows the principals whose ARNs have changed since it was put: the new ARN of who
    /// has been renamed, the unique ID of who is gone. `ids` has the unique IDs, by ARN, and so has the answer the names.
    ///
    /// # Errors
    /// As [`Identities::identify`].
    async fn changed_names(&self, ids: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, S3Error>;
}

/// What an access key and a session token are good for.
pub enum Identified {
    /// Somebody: if the signature is theirs.
    Known(Arc<Identity>),
    /// Nobody has the access key, or it is inactive.
    UnknownAccessKey,
    /// The session token is none, is not of this access key, or should be there and is not.
    InvalidToken,
    /// The session is over.
    ExpiredToken,
}

/// Somebody with an access key.
pub struct Identity {
    access_key: String,
    arn: String,
    caller: Arc<Caller>,
    keys: Arc<SigningKeys>,
}

impl Identity {
    /// The owner of `access_key`, who signs with `keys`.
    #[must_use]
    pub fn new(access_key: String, caller: Arc<Caller>, keys: Arc<SigningKeys>) -> Self {
        let arn = caller.principal.arn();
        Self { access_key, arn, caller, keys }
    }

    /// The access key ID.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The ARN, as error messages and policies name it.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The principal with its policies.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The secret access key, and what is derived from it.
    pub(crate) fn keys(&self) -> &SigningKeys {
        &self.keys
    }
}

/// Who asks.
#[derive(Clone)]
pub enum Principal {
    /// Nobody in particular: the request is not signed.
    Anonymous,
    /// Somebody whose signature was right.
    Identity(Arc<Identity>),
}

impl Principal {
    /// Whether the request is not signed.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }

    /// The account that it belongs to; `None` for nobody in particular.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Identity(identity) => identity.caller().principal.account(),
        }
    }

    /// The value of `aws:userid`.
    #[must_use]
    pub fn user_id(&self) -> String {
        match self {
            Self::Anonymous => coffer_access::Principal::Anonymous.user_id(),
            Self::Identity(identity) => identity.caller().principal.user_id(),
        }
    }

    /// The ARN, as error messages name it.
    #[must_use]
    pub fn arn(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Identity(identity) => identity.arn(),
        }
    }
}

/// How a request was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Where the signature was.
    pub place: SignaturePlace,
    /// `AWS4-HMAC-SHA256`, or `AWS` for Signature Version 2.
    pub version: &'static str,
}

/// Where a signature was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In the `Authorization` header.
    Header,
    /// In the URL.
    Query {
        /// How long ago it was signed, in milliseconds.
        age_ms: u64,
    },
    /// In the form.
    Form,
}

impl SignaturePlace {
    /// S3's word for it: `REST-HEADER`, `REST-QUERY-STRING` or `POST`.
    #[must_use]
    pub fn auth_type(self) -> &'static str {
        match self {
            Self::Header => "REST-HEADER",
            Self::Query { .. } => "REST-QUERY-STRING",
            Self::Form => "POST",
        }
    }
}

/// What is known of a request once its signature is verified.
pub struct Authenticated {
    /// Who sent it.
    pub principal: Principal,
    /// How it was signed; `None` for an anonymous request.
    pub signed: Option<Signed>,
    /// What the signature says about the body; `None` for an anonymous request.
    pub payload: Option<PayloadHash>,
    /// Where the signatures of chunks start.
    pub chain: Option<ChunkChain>,
}

/// Who a signature says it is by.
pub(crate) struct Claim<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) session_token: Option<&'a str>,
    /// The region that it is for.
    pub(crate) region: &'a str,
}

/// Verifies signatures.
pub struct Authenticator {
    identities: Arc<dyn Identities>,
    region: String,
    /// The keys that the signature of an unknown access key is held against: it takes as long as a wrong one.
    nobody: SigningKeys,
}

impl Authenticator {
    /// Takes requests that are signed for `region`.
    #[must_use]
    pub fn new(identities: Arc<dyn Identities>, region: String) -> Self {
        let nobody = SigningKeys::new(SecretKey::new(random_array::<32>()));
        Self { identities, region, nobody }
    }

    /// Verifies the signature of a request, in its header or its URL. `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// S3's own, for each way in which a request may not be authentic. None holds a signature, a secret or a
    /// canonical request.
    pub async fn authenticate(
        &self,
        request: &RequestParts<'_>,
        operation: Operation,
        now_ms: u64,
    ) -> Result<Authenticated, S3Error> {
        let anonymous = Authenticated { principal: Principal::Anonymous, signed: None, payload: None, chain: None };
        // A preflight asks about a URL that may be signed for another method.
        if operation == Operation::PreflightObject {
            return Ok(anonymous);
        }
        let refuse = |error| refusal(error, request);
        let Some(auth) = parse_authorization(request).map_err(refuse)? else { return Ok(anonymous) };
        auth.check_scope(self.region_for(&auth, operation), SERVICE).map_err(refuse)?;
        check_time(&auth, unix_s(now_ms), MAX_SKEW_S).map_err(|error| refuse_time(error, &auth, now_ms))?;
        let claim = Claim {
            access_key: &auth.access_key,
            session_token: auth.session_token.as_deref(),
            region: &auth.scope.region,
        };
        let verify = |keys: &SigningKeys| {
            let key = keys.key(&auth.scope);
            verify(&auth, request, &key).map(|()| key)
        };
        let (identity, key) = self.signer(&claim, now_ms, verify).await?;
        Ok(Authenticated {
            signed: Some(signed(&auth, now_ms)),
            payload: Some(auth.payload),
            chain: auth.payload.is_streaming().then(|| ChunkChain::of(&auth, key)),
            principal: Principal::Identity(identity),
        })
    }

    /// Finds who signed: whoever has the access key, if `verify` finds the signature theirs. Returns what that returned,
    /// too.
    ///
    /// # Errors
    /// `InvalidAccessKeyId`, `InvalidToken`, `ExpiredToken`, `SignatureDoesNotMatch`, and what
    /// [`Identities::identify`] fails with.
    pub(crate) async fn signer<T>(
        &self,
        claim: &Claim<'_>,
        now_ms: u64,
        verify: impl FnOnce(&SigningKeys) -> Result<T, SignatureMismatch>,
    ) -> Result<(Arc<Identity>, T), S3Error> {
        let Claim { access_key, session_token, region } = *claim;
        let identified = self.identities.identify(access_key, session_token, now_ms).await?;
        let verified =
            verify(if let Identified::Known(identity) = &identified { identity.keys() } else { &self.nobody });
        let identity = known(identified, access_key)?;
        let verified = verified.map_err(|_| S3Error::signature_does_not_match(Some(access_key)))?;
        self.identities.note_use(&identity, region, now_ms);
        Ok((identity, verified))
    }

    /// The region that scopes must name.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Clients ask in `us-east-1` for what they need to find out the region: AWS's global endpoint is there.
    fn region_for<'a>(&'a self, auth: &ParsedAuth, operation: Operation) -> &'a str {
        let global = matches!(operation, Operation::ListBuckets | Operation::GetBucketLocation);
        if global && auth.scope.region == GLOBAL_REGION { GLOBAL_REGION } else { &self.region }
    }
}

fn signed(auth: &ParsedAuth, now_ms: u64) -> Signed {
    let place = match auth.kind {
        AuthKind::Header => SignaturePlace::Header,
        AuthKind::Presigned { .. } => {
            let signed_s = u64::try_from(auth.timestamp.unix_s()).unwrap_or(0);
            SignaturePlace::Query { age_ms: now_ms.saturating_sub(signed_s * 1000) }
        }
    };
    Signed { place, version: coffer_sigv4::ALGORITHM }
}

/// Somebody, or the answer to nobody.
fn known(identified: Identified, access_key: &str) -> Result<Arc<Identity>, S3Error> {
    match identified {
        Identified::Known(identity) => Ok(identity),
        Identified::UnknownAccessKey => Err(S3Error::invalid_access_key_id(access_key)),
        Identified::InvalidToken => Err(S3Error::invalid_token()),
        Identified::ExpiredToken => Err(S3Error::expired_token()),
    }
}

/// The answer to a request whose authentication cannot be read.
fn refusal(error: AuthError, request: &RequestParts<'_>) -> S3Error {
    let message = error.to_string();
    match error {
        AuthError::HeaderMalformed(fault) => {
            let error = S3Error::authorization_header_malformed(message);
            match fault {
                HeaderFault::Credential(fault) => with_region(error, &fault),
                HeaderFault::Components | HeaderFault::Date(_) => error,
            }
        }
        AuthError::QueryParameters(fault) => {
            let error = S3Error::authorization_query_parameters(message);
            match fault {
                QueryFault::Credential(fault) => with_region(error, &fault),
                _ => error,
            }
        }
        AuthError::NoScheme | AuthError::UnsupportedType | AuthError::SeveralMechanisms => {
            S3Error::invalid_argument(message, "Authorization", None)
        }
        AuthError::SignatureVersion2 => S3Error::authorization_not_supported(),
        AuthError::SignatureVersion4A => S3Error::new(http::StatusCode::NOT_IMPLEMENTED, "NotImplemented", message),
        AuthError::MissingContentSha256 => S3Error::invalid_request(message),
        AuthError::InvalidContentSha256 => {
            let value = request.headers.iter().find(|(name, _)| *name == CONTENT_SHA256);
            let value = value.and_then(|(_, value)| std::str::from_utf8(value).ok());
            S3Error::invalid_argument(message, CONTENT_SHA256, value)
        }
        AuthError::HeadersNotSigned(names) => S3Error::headers_not_signed(&names),
        AuthError::Signature(_) => S3Error::signature_does_not_match(None),
        AuthError::MissingDate | AuthError::RequestTimeTooSkewed | AuthError::Expired | AuthError::NotYetValid => {
            S3Error::access_denied_because(message)
        }
    }
}

/// Tells the client the right region, so that it can sign again: in a header as well, for HEAD has no body.
fn with_region(error: S3Error, fault: &CredentialFault) -> S3Error {
    match fault {
        CredentialFault::Region { expected, .. } => match HeaderValue::from_str(expected) {
            Ok(region) => error.with("Region", expected).with_header(BUCKET_REGION, region),
            Err(_) => error.with("Region", expected),
        },
        _ => error,
    }
}

/// The answer to a request that is too old or too new.
fn refuse_time(error: AuthError, auth: &ParsedAuth, now_ms: u64) -> S3Error {
    match (&error, auth.kind) {
        (AuthError::Expired, AuthKind::Presigned { expires_s }) => {
            let expired_s = u64::try_from(auth.timestamp.unix_s()).unwrap_or(0) + u64::from(expires_s);
            S3Error::request_has_expired(expires_s.into(), &iso8601(expired_s * 1000), &iso8601(now_ms))
        }
        (AuthError::RequestTimeTooSkewed, _) => {
            S3Error::request_time_too_skewed(auth.timestamp.as_str(), &iso8601(now_ms), u64::from(MAX_SKEW_S) * 1000)
        }
        _ => S3Error::access_denied_because(error.to_string()),
    }
}

fn unix_s(now_ms: u64) -> i64 {
    i64::try_from(now_ms / 1000).unwrap_or(i64::MAX)
}

const SERVICE: &str = "s3";
const GLOBAL_REGION: &str = "us-east-1";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
pub(crate) const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// How far a client's clock may be off.
const MAX_SKEW_S: u32 = 900;

#[cfg(test)]
pub(crate) mod tests;
