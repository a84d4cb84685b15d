//! An identity provider without a network.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value, json};

use super::documents::{DocumentError, Documents};

/// The URL of the provider, without `https://`.
pub(crate) const URL: &str = "idp.example.com/realm";

/// Documents by URL, and which have been asked for.
#[derive(Default)]
pub(crate) struct FakeDocuments {
    documents: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<String>>,
}

impl FakeDocuments {
    pub(crate) fn put(&self, url: &str, document: impl Into<String>) {
        self.documents.lock().unwrap().insert(url.to_owned(), document.into());
    }

    pub(crate) fn remove(&self, url: &str) {
        self.documents.lock().unwrap().remove(url);
    }

    /// How many documents have been asked for, there or not.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Documents for FakeDocuments {
    async fn get(&self, url: &str) -> Result<Bytes, DocumentError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let document = self.documents.lock().unwrap().get(url).cloned();
        document.map(Bytes::from).ok_or_else(|| DocumentError("404".to_owned()))
    }
}

/// Somebody who signs tokens with one key.
pub(crate) struct Signer {
    key: KeyPair,
    id: String,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        Self { key: KeyPair::generate_for(&PKCS_ED25519).unwrap(), id: id.to_owned() }
    }

    /// The key as a provider publishes it.
    pub(crate) fn public(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key_raw());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "use": "sig", "alg": "EdDSA", "x": x })
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": "EdDSA", "kid": self.id, "typ": "JWT" }), claims)
    }

    /// A token with this header, and a good signature.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A part of a token.
pub(crate) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Publishes the provider with these keys.
pub(crate) fn publish(documents: &FakeDocuments, signers: &[&Signer]) {
    let keys = format!("https://{URL}/keys");
    let configuration = json!({ "issuer": format!("https://{URL}"), "jwks_uri": keys });
    documents.put(&format!("https://{URL}/.well-known/openid-configuration"), configuration.to_string());
    let set: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
    documents.put(&keys, json!({ "keys": set }).to_string());
}
