//! ID tokens: JSON Web Tokens (RFC 7519) as OpenID Connect Core 1.0, section 2 has them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_crypto::SignatureAlgorithm;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{ProviderKeys, invalid_token};
use crate::error::ApiError;
use crate::records::OidcProviderRecord;

/// How far the clock of a provider may be ahead, in seconds.
const MAX_SKEW_S: f64 = 300.0;
/// The longest claim that is looked at, in bytes.
const MAX_CLAIM_LEN: usize = 255;
/// Session tags and the source identity, as AWS has providers say them.
const TAGS_CLAIM: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY_CLAIM: &str = "https://aws.amazon.com/source_identity";

/// A token that can be read. Nothing in it is to be believed before [`Token::verify`].
pub(crate) struct Token<'a> {
    algorithm: SignatureAlgorithm,
    algorithm_name: String,
    key_id: Option<String>,
    /// The header and the claims, as they are signed.
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

/// Somebody whom a provider vouches for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WebIdentity {
    /// `sub`
    pub(crate) subject: String,
    /// For whom the token is, as the provider's client IDs name it: `azp` if there is one, else `aud`.
    pub(crate) audience: Vec<String>,
    /// `aud`, when it is not the audience.
    pub(crate) original_audience: Option<Vec<String>>,
    /// `amr`
    pub(crate) methods: Vec<String>,
    /// Session tags.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tags: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// `InvalidIdentityToken`; also for one without a signature, or with a shared secret's.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ApiError> {
        let (signed, signature) = text.rsplit_once('.').ok_or_else(unreadable)?;
        let (header, claims) = signed.split_once('.').ok_or_else(unreadable)?;
        let (header, claims) = (object(header)?, object(claims)?);
        // What this says has to be understood, and nothing is.
        if header.contains_key("crit") {
            return Err(invalid_token("The header of the token has critical extensions that are not supported."));
        }
        let algorithm_name = header.get("alg").and_then(Value::as_str).ok_or_else(unreadable)?.to_owned();
        let algorithm = SignatureAlgorithm::named(&algorithm_name)
            .ok_or_else(|| invalid_token("The token is not signed with an algorithm that is supported."))?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(unreadable()),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable())?;
        Ok(Self { algorithm, algorithm_name, key_id, signed, signature, claims })
    }

    /// `iss`: the URL of the provider.
    ///
    /// # Errors
    /// `InvalidIdentityToken`.
    pub(crate) fn issuer(&self) -> Result<&str, ApiError> {
        self.text("iss")?.ok_or_else(|| missing("iss"))
    }

    /// Verifies the token: it is signed by the provider, for one of its clients, and now is its time.
    ///
    /// # Errors
    /// `InvalidIdentityToken`, `ExpiredTokenException`, `IDPCommunicationError`.
    pub(crate) async fn verify(
        &self,
        provider: &OidcProviderRecord,
        keys: &ProviderKeys,
        now_ms: u64,
    ) -> Result<WebIdentity, ApiError> {
        if self.issuer()?.strip_prefix("https://") != Some(provider.url.as_str()) {
            return Err(invalid_token("The issuer of the token is another one."));
        }
        let keys = keys.of(&provider.url, self.key_id.as_deref(), now_ms).await?;
        let algorithm = (self.algorithm, self.algorithm_name.as_str());
        if !keys.verify(self.key_id.as_deref(), algorithm, self.signed.as_bytes(), &self.signature) {
            let message = "Couldn't retrieve verification key from your identity provider, please reference \
                           AssumeRoleWithWebIdentity documentation for requirements";
            return Err(invalid_token(message));
        }
        self.check_times(now_ms)?;
        let identity = self.identity()?;
        let is_client = |audience: &String| provider.client_ids.contains(audience);
        if !identity.audience.iter().any(is_client) {
            return Err(invalid_token("Incorrect token audience"));
        }
        Ok(identity)
    }

    fn check_times(&self, now_ms: u64) -> Result<(), ApiError> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
        let now_s = now_ms as f64 / 1000.0;
        let expires_s = self.time("exp")?.ok_or_else(|| missing("exp"))?;
        if now_s >= expires_s {
            let message = format!(
                "Token expired: current date/time {} must be before the expiration date/time {expires_s}",
                now_ms / 1000
            );
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "ExpiredTokenException", message));
        }
        let issued_s = self.time("iat")?.ok_or_else(|| missing("iat"))?;
        let starts_s = self.time("nbf")?.unwrap_or(issued_s);
        if issued_s.max(starts_s) > now_s + MAX_SKEW_S {
            return Err(invalid_token("The token is not valid yet."));
        }
        Ok(())
    }

    fn identity(&self) -> Result<WebIdentity, ApiError> {
        let subject = self.text("sub")?.filter(|subject| !subject.is_empty()).ok_or_else(|| missing("sub"))?;
        let aud = self.texts("aud")?.filter(|audience| !audience.is_empty()).ok_or_else(|| missing("aud"))?;
        let (audience, original_audience) = match self.text("azp")? {
            Some(party) => (vec![party.to_owned()], Some(aud)),
            None => (aud, None),
        };
        Ok(WebIdentity {
            subject: subject.to_owned(),
            audience,
            original_audience,
            methods: self.texts("amr")?.unwrap_or_default(),
            tags: self.tags()?,
            transitive_tags: self.transitive_tags()?,
            source_identity: self.text(SOURCE_IDENTITY_CLAIM)?.map(str::to_owned),
        })
    }

    /// The session tags: `{"principal_tags": {"KEY": ["VALUE"]}, ...}`
    fn tags(&self) -> Result<Vec<(String, String)>, ApiError> {
        let Some(tags) = self.tags_claim("principal_tags")? else { return Ok(Vec::new()) };
        let tag = |(key, value): (&String, &Value)| {
            let value = match value {
                Value::Array(values) if values.len() == 1 => &values[0],
                other => other,
            };
            value.as_str().map(|value| (key.clone(), value.to_owned()))
        };
        let tags = tags.as_object().and_then(|tags| tags.iter().map(tag).collect());
        tags.ok_or_else(|| malformed(TAGS_CLAIM))
    }

    /// The tags that go on into further sessions: `{"transitive_tag_keys": ["KEY"], ...}`
    fn transitive_tags(&self) -> Result<Vec<String>, ApiError> {
        let Some(keys) = self.tags_claim("transitive_tag_keys")? else { return Ok(Vec::new()) };
        texts_in(keys).ok_or_else(|| malformed(TAGS_CLAIM))
    }

    fn tags_claim(&self, name: &str) -> Result<Option<&Value>, ApiError> {
        let Some(claim) = self.claims.get(TAGS_CLAIM) else { return Ok(None) };
        Ok(claim.as_object().ok_or_else(|| malformed(TAGS_CLAIM))?.get(name))
    }

    fn text(&self, claim: &str) -> Result<Option<&str>, ApiError> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_CLAIM_LEN => Ok(Some(text)),
            Some(_) => Err(malformed(claim)),
        }
    }

    /// One text or several.
    fn texts(&self, claim: &str) -> Result<Option<Vec<String>>, ApiError> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(Value::String(_)) => Ok(self.text(claim)?.map(|text| vec![text.to_owned()])),
            Some(value) => texts_in(value).map(Some).ok_or_else(|| malformed(claim)),
        }
    }

    /// Seconds since 1970.
    fn time(&self, claim: &str) -> Result<Option<f64>, ApiError> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| malformed(claim)),
        }
    }
}

fn object(part: &str) -> Result<Map<String, Value>, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable())?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(unreadable()),
    }
}

/// A list of texts, each of a length that a claim may have.
fn texts_in(value: &Value) -> Option<Vec<String>> {
    let text = |item: &Value| item.as_str().filter(|text| text.len() <= MAX_CLAIM_LEN).map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}

fn unreadable() -> ApiError {
    invalid_token("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}

fn missing(claim: &str) -> ApiError {
    invalid_token(format!("Missing a required claim: {claim}"))
}

fn malformed(claim: &str) -> ApiError {
    invalid_token(format!("The claim {claim} of the token is not what it should be."))
}
