//! The keys of identity providers, remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde_json::Value;

use super::documents::{DocumentError, Documents};
use super::keys::KeySet;
use crate::error::ApiError;

/// How long keys are remembered, in milliseconds: a key that the provider withdraws is good for that long.
const LIFETIME_MS: u64 = 60 * 60 * 1000;
/// How long it takes until a provider is asked again, for a key that it did not have or because it did not answer, in
/// milliseconds. Anybody can send tokens that name unknown keys.
const PAUSE_MS: u64 = 30 * 1000;
/// The most providers that are remembered.
const MOST: usize = 1000;

/// The keys of every provider, by its URL without `https://`.
pub(crate) struct ProviderKeys {
    documents: Arc<dyn Documents>,
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// When the keys were read.
    read_ms: u64,
    /// When the provider was asked last, whether it answered or not.
    asked_ms: Option<u64>,
}

impl ProviderKeys {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, known: Mutex::default() }
    }

    /// The keys of a provider, read again if there is none of this ID among those that are known.
    ///
    /// # Errors
    /// `IDPCommunicationError`.
    pub(super) async fn of(&self, url: &str, id: Option<&str>, now_ms: u64) -> Result<Arc<KeySet>, ApiError> {
        let known = self.entry(url);
        // Whoever else wants keys of this provider waits, and finds them.
        let mut known = known.lock().await;
        let fresh = known.keys.clone().filter(|_| now_ms.saturating_sub(known.read_ms) < LIFETIME_MS);
        if let Some(keys) = fresh.as_ref().filter(|keys| keys.has(id)) {
            return Ok(Arc::clone(keys));
        }
        if known.asked_ms.is_some_and(|asked_ms| now_ms.saturating_sub(asked_ms) < PAUSE_MS) {
            return fresh.ok_or_else(not_reachable);
        }
        known.asked_ms = Some(now_ms);
        match self.read(url).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                (known.keys, known.read_ms) = (Some(Arc::clone(&keys)), now_ms);
                Ok(keys)
            }
            Err(DocumentError(why)) => {
                tracing::warn!(provider = url, why, "the keys of an identity provider cannot be read");
                fresh.ok_or_else(not_reachable)
            }
        }
    }

    fn entry(&self, url: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(url) {
            known.clear();
        }
        Arc::clone(known.entry(url.to_owned()).or_default())
    }

    /// Reads the keys where the provider's configuration says they are (OpenID Connect Discovery 1.0, section 4).
    async fn read(&self, url: &str) -> Result<KeySet, DocumentError> {
        let issuer = format!("https://{url}");
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let configuration: Value = serde_json::from_slice(&self.documents.get(&place).await?)
            .map_err(|_| DocumentError("the configuration is not JSON".to_owned()))?;
        if configuration.get("issuer").and_then(Value::as_str) != Some(issuer.as_str()) {
            return Err(DocumentError("the configuration is of another issuer".to_owned()));
        }
        let place = configuration.get("jwks_uri").and_then(Value::as_str).unwrap_or_default();
        if !place.starts_with("https://") {
            return Err(DocumentError("the configuration does not say where the keys are, by https".to_owned()));
        }
        KeySet::parse(&self.documents.get(place).await?)
            .ok_or_else(|| DocumentError("the keys are not a JSON Web Key Set".to_owned()))
    }
}

fn not_reachable() -> ApiError {
    let message =
        "The identity provider (IDP) that was asked to verify the incoming identity token could not be reached.";
    ApiError::new(StatusCode::BAD_REQUEST, "IDPCommunicationError", message)
}
