//! Signing requests, as a client does.

use std::sync::Arc;

use crate::ALGORITHM;
use crate::auth::{CONTENT_SHA256, request_time};
use crate::canonical::signature;
use crate::credential::Scope;
use crate::encoding::encode;
use crate::error::{AuthError, DateMismatch, HeaderFault, SignatureMismatch};
use crate::key::{SecretKey, SigningKey};
use crate::payload::{PayloadHash, encode_hex};
use crate::request::{Field, RequestParts};
use crate::timestamp::Timestamp;

/// An access key that signs for one day, region and service.
pub struct Signer {
    access_key: String,
    scope: Scope,
    key: Arc<SigningKey>,
}

/// A signature for the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The value of the header.
    pub authorization: String,
    /// The signature in it: where a [`ChunkChain`](crate::ChunkChain) starts.
    pub signature: [u8; 32],
}

impl Signer {
    /// Derives the signing key.
    #[must_use]
    pub fn new(access_key: impl Into<String>, secret: &SecretKey, scope: Scope) -> Self {
        let key = Arc::new(SigningKey::derive(secret, &scope));
        Self { access_key: access_key.into(), scope, key }
    }

    /// What this signs for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The key it signs with.
    #[must_use]
    pub fn key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    /// Signs `request`, every header of it. `host`, `x-amz-date` and `x-amz-content-sha256` must be there.
    ///
    /// # Errors
    /// What the server would answer: [`AuthError::MissingDate`], [`AuthError::MissingContentSha256`],
    /// [`AuthError::InvalidContentSha256`], [`AuthError::HeadersNotSigned`] without `host`, and a
    /// [`DateMismatch`] when the date is not in the scope.
    pub fn sign_header(&self, request: &RequestParts<'_>) -> Result<SignedHeader, AuthError> {
        let timestamp = request_time(request).ok_or(AuthError::MissingDate)?;
        self.check_date(&timestamp)?;
        let payload = match request.field(CONTENT_SHA256) {
            Field::Absent => return Err(AuthError::MissingContentSha256),
            Field::One(value) => PayloadHash::parse(value).ok_or(AuthError::InvalidContentSha256)?,
            Field::Several => return Err(AuthError::InvalidContentSha256),
        };
        let names = header_names(request)?;
        let signature = self.sign(request, &names, payload, &timestamp)?;
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={}",
            self.access_key,
            self.scope,
            encode_hex(&signature, &mut [0; 64])
        );
        Ok(SignedHeader { authorization, signature })
    }

    /// Returns the query string of a presigned URL for `request`: its own, then the signature's. Every header
    /// of `request`, at least `host`, is signed and has to be sent with the URL. The body is not signed.
    ///
    /// # Errors
    /// [`AuthError::HeadersNotSigned`] without `host`; a [`DateMismatch`] when `timestamp` is not in the scope.
    pub fn presign(
        &self,
        request: &RequestParts<'_>,
        timestamp: &Timestamp,
        expires_s: u32,
    ) -> Result<String, AuthError> {
        self.check_date(timestamp)?;
        let names = header_names(request)?;
        let credential = format!("{}/{}", self.access_key, self.scope);
        let expires = expires_s.to_string();
        let mut query = request.query.as_bytes().to_vec();
        for (name, value) in [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", timestamp.as_str()),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", &names),
        ] {
            if !query.is_empty() {
                query.push(b'&');
            }
            query.extend_from_slice(name.as_bytes());
            query.push(b'=');
            encode(value.as_bytes(), &mut query);
        }
        let mut query = String::from_utf8(query).expect("percent-encoding of UTF-8 is ASCII");
        let request = RequestParts { query: &query, ..*request };
        let signature = self.sign(&request, &names, PayloadHash::Unsigned, timestamp)?;
        query.push_str("&X-Amz-Signature=");
        query.push_str(encode_hex(&signature, &mut [0; 64]));
        Ok(query)
    }

    fn sign(
        &self,
        request: &RequestParts<'_>,
        names: &str,
        payload: PayloadHash,
        timestamp: &Timestamp,
    ) -> Result<[u8; 32], SignatureMismatch> {
        // The names are those of the request, so none is missing.
        signature(request, names, payload, timestamp.as_str(), &self.scope, &self.key).ok_or(SignatureMismatch)
    }

    fn check_date(&self, timestamp: &Timestamp) -> Result<(), AuthError> {
        if self.scope.date == timestamp.date() {
            return Ok(());
        }
        let mismatch = DateMismatch { credential: self.scope.date.clone(), request: timestamp.date().to_owned() };
        Err(AuthError::HeaderMalformed(HeaderFault::Date(mismatch)))
    }
}

/// The names of the headers of `request`, sorted and joined by `;`.
fn header_names(request: &RequestParts<'_>) -> Result<String, AuthError> {
    let mut names: Vec<&str> = request.headers.iter().map(|header| header.0).collect();
    names.sort_unstable();
    names.dedup();
    if !names.contains(&"host") {
        return Err(AuthError::HeadersNotSigned(vec!["host".to_owned()]));
    }
    Ok(names.join(";"))
}
