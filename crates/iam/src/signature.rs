//! Who signed a request to an API.

use std::sync::Arc;

use coffer_crypto::sha256;
use coffer_sigv4::{
    AuthError, AuthKind, ParsedAuth, RequestParts, Timestamp, check_time, parse_authorization_over, verify,
};
use http::StatusCode;
use http::request::Parts;

use crate::error::ApiError;
use crate::identify::{Credential, Identified};
use crate::settings::Iam;

/// How far a client's clock may be off, in seconds.
const MAX_SKEW_S: u32 = 900;
/// Where AWS's global endpoints are.
const GLOBAL_REGION: &str = "us-east-1";
/// What SDKs sign for that were told none.
const NO_REGION: &str = "";

impl Iam {
    /// Verifies the signature of a request for `service`, in its header or its URL, and notes the use of the access key.
    /// Returns whose the signature is; `None` for a request without one.
    ///
    /// # Errors
    /// AWS's own, for each way in which a request may not be authentic.
    pub(crate) async fn authenticate(
        &self,
        parts: &Parts,
        body: &[u8],
        service: &'static str,
        now_ms: u64,
    ) -> Result<Option<Arc<Credential>>, ApiError> {
        let headers: Vec<(&str, &[u8])> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let request = RequestParts { method: parts.method.as_str(), path, query, headers: &headers };
        let Some(auth) = parse_authorization_over(&request, sha256(body)).map_err(refusal)? else { return Ok(None) };
        if ![&self.settings().region, GLOBAL_REGION, NO_REGION].contains(&auth.scope.region.as_str()) {
            return Err(mismatch("Credential should be scoped to a valid region. "));
        }
        if auth.scope.service != service {
            return Err(mismatch(format!("Credential should be scoped to correct service: '{service}'. ")));
        }
        check_time(&auth, i64::try_from(now_ms / 1000).unwrap_or(i64::MAX), MAX_SKEW_S)
            .map_err(|_| out_of_time(&auth, now_ms))?;
        let identified = self.identify(&auth.access_key, auth.session_token.as_deref(), now_ms).await?;
        let keys = if let Identified::Known(credential) = &identified { &credential.keys } else { &self.0.nobody };
        let verified = verify(&auth, &request, &keys.key(&auth.scope));
        let credential = match identified {
            Identified::Known(credential) => credential,
            Identified::ExpiredToken => return Err(expired_token()),
            Identified::UnknownAccessKey | Identified::InvalidToken => return Err(invalid_client_token_id()),
        };
        verified.map_err(|_| {
            mismatch(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            )
        })?;
        self.note_use(&auth.access_key, &credential.caller.principal, service, &auth.scope.region, now_ms);
        Ok(Some(credential))
    }
}

/// The answer to a request whose authentication cannot be read.
fn refusal(error: AuthError) -> ApiError {
    match error {
        AuthError::Signature(_) | AuthError::HeadersNotSigned(_) => mismatch(error.to_string()),
        _ => ApiError::new(StatusCode::BAD_REQUEST, "IncompleteSignature", error.to_string()),
    }
}

fn mismatch(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message)
}

/// The security token included in the request is expired.
fn expired_token() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "ExpiredToken", "The security token included in the request is expired")
}

/// Nobody has the access key, or the session token is none.
pub(crate) fn invalid_client_token_id() -> ApiError {
    let message = "The security token included in the request is invalid.";
    ApiError::new(StatusCode::FORBIDDEN, "InvalidClientTokenId", message)
}

/// The answer to a request that is too old or too new.
fn out_of_time(auth: &ParsedAuth, now_ms: u64) -> ApiError {
    let now = i64::try_from(now_ms / 1000).ok().and_then(Timestamp::from_unix_s);
    let now = now.as_ref().map_or("now", Timestamp::as_str);
    match auth.kind {
        AuthKind::Presigned { .. } => mismatch(format!("Signature expired: {} {now}", auth.timestamp.as_str())),
        AuthKind::Header if auth.timestamp.unix_s() * 1000 > i64::try_from(now_ms).unwrap_or(i64::MAX) => {
            mismatch(format!("Signature not yet current: {} is still later than {now}", auth.timestamp.as_str()))
        }
        AuthKind::Header => {
            mismatch(format!("Signature expired: {} is now earlier than {now}", auth.timestamp.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Keys, World, code, root, text};

    #[tokio::test]
    async fn who_signs_is_who_asks() {
        let world = World::new().await;
        let answer = world.root("GetCallerIdentity", &[]).await.unwrap();
        assert_eq!(text(&answer, "Arn"), format!("arn:aws:iam::{ACCOUNT}:root"));
        assert_eq!(text(&answer, "Account"), ACCOUNT);
    }

    #[tokio::test]
    async fn nobody_elses_signature_holds() {
        let world = World::new().await;
        let wrong_secret = Keys { secret_key: "another secret".to_owned(), ..root() };
        let unknown = Keys { access_key: "AKIAUNKNOWN".to_owned(), ..root() };
        let with_token = Keys { session_token: Some("AAAA".to_owned()), ..root() };
        for (keys, expected) in [
            (wrong_secret, "SignatureDoesNotMatch"),
            (unknown, "InvalidClientTokenId"),
            (with_token, "InvalidClientTokenId"),
        ] {
            assert_eq!(code(world.ask(&keys, "GetCallerIdentity", &[]).await), expected);
        }
        assert_eq!(code(world.ask_unsigned("GetCallerIdentity", &[]).await), "MissingAuthenticationToken");
    }
}
