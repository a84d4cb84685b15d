//! The Transit engine of Vault and OpenBao.

mod token;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::Key32;
use coffer_keyring::{GenerationState, Purpose, RootGeneration, WrapContext};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::http::{Answer, Client, Connect, Endpoint};
use crate::provider::{CallError, Encrypted, Kind, Provider, associated_data, no_sense, wipe};
use token::Tokens;
pub use token::TransitAuth;

/// Where a key of Transit is, and who asks for it.
pub struct TransitSettings {
    /// The server.
    pub endpoint: Endpoint,
    /// The namespace, if there are any.
    pub namespace: Option<String>,
    /// Where the engine is mounted, such as `transit`.
    pub mount: String,
    /// The name of the key, which is of the type `aes256-gcm96`.
    pub key: String,
    /// How to get a token.
    pub auth: TransitAuth,
}

/// A key of Transit.
pub struct Transit {
    client: Client,
    namespace: Option<HeaderValue>,
    mount: String,
    key: String,
    tokens: Tokens,
}

impl Transit {
    /// The key that `settings` name. Nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with a setting, as a sentence.
    pub fn new(settings: TransitSettings, connector: Box<dyn Connect>) -> Result<Self, String> {
        let TransitSettings { endpoint, namespace, mount, key, auth } = settings;
        let is_path = |path: &str| {
            !path.is_empty()
                && path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(is_plain))
        };
        if !is_path(&mount) {
            return Err("`mount` must be a path such as transit".to_owned());
        }
        if !is_path(&key) || key.contains('/') {
            return Err("`key` must be the name of a key of Transit".to_owned());
        }
        let namespace = namespace.map(|namespace| {
            HeaderValue::from_str(&namespace).map_err(|_| "`namespace` must be a name of a namespace".to_owned())
        });
        let tokens = Tokens::new(auth)?;
        Ok(Self { client: Client::new(endpoint, connector), namespace: namespace.transpose()?, mount, key, tokens })
    }

    /// Asks with a token; once more, with a new one, if it is refused.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, CallError> {
        let token = self.tokens.get(self).await?;
        let answer = self.send(method.clone(), path, Some(&token), body).await?;
        let answer = match answer.status {
            StatusCode::FORBIDDEN if self.tokens.refused(&token).await => {
                let token = self.tokens.get(self).await?;
                self.send(method, path, Some(&token), body).await?
            }
            _ => answer,
        };
        parsed(&answer, &self.key)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, CallError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let token = HeaderValue::from_str(token).map(|mut token| {
                token.set_sensitive(true);
                token
            });
            headers.insert("x-vault-token", token.map_err(|_| denied("the token is no header"))?);
        }
        if let Some(namespace) = &self.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| serde_json::to_vec(body).expect("a value is JSON")).unwrap_or_default();
        self.client.send(method, path, &headers, Zeroizing::new(body)).await
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/{}/{what}/{}", self.mount, self.key)
    }

    async fn state(&self) -> Result<KeyState, CallError> {
        let answer = self.ask(Method::GET, &self.path("keys"), None).await?;
        let data = &answer["data"];
        let number = |name: &str| data[name].as_u64().and_then(|number| u32::try_from(number).ok());
        let latest = number("latest_version").filter(|latest| (1..=MOST_VERSIONS).contains(latest));
        let Some(latest) = latest else { return Err(no_sense()) };
        Ok(KeyState {
            latest,
            min_decryption: number("min_decryption_version").unwrap_or(0).max(1),
            min_available: number("min_available_version").unwrap_or(0).max(1),
            created: (1..=latest).map(|version| data["keys"][version.to_string()].as_u64()).collect(),
        })
    }
}

struct KeyState {
    latest: u32,
    /// The first version that decrypts.
    min_decryption: u32,
    /// The first version that is kept.
    min_available: u32,
    /// When each version was made, from the first.
    created: Vec<Option<u64>>,
}

#[async_trait]
impl Provider for Transit {
    fn kind(&self) -> Kind {
        Kind::Transit
    }

    fn key(&self) -> String {
        let namespace = self.namespace.as_ref().and_then(|namespace| namespace.to_str().ok()).unwrap_or_default();
        format!("{namespace}/{}/{}", self.mount, self.key)
    }

    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        let mut request = json!({
            "plaintext": STANDARD.encode(key.expose()),
            "associated_data": STANDARD.encode(associated_data(context)),
        });
        let answer = self.ask(Method::POST, &self.path("encrypt"), Some(&request)).await;
        wipe(&mut request, "/plaintext");
        let answer = answer?;
        let ciphertext = answer["data"]["ciphertext"].as_str().ok_or_else(no_sense)?;
        let generation = version_of(ciphertext).ok_or_else(no_sense)?;
        Ok(Encrypted { ciphertext: ciphertext.as_bytes().to_vec(), generation })
    }

    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        let ciphertext = std::str::from_utf8(ciphertext).map_err(|_| CallError::WrongKey)?;
        let version = version_of(ciphertext).ok_or(CallError::WrongKey)?;
        let request = json!({ "ciphertext": ciphertext, "associated_data": STANDARD.encode(associated_data(context)) });
        let answer = self.ask(Method::POST, &self.path("decrypt"), Some(&request)).await;
        let mut answer = answer.map_err(|error| match error {
            CallError::UnknownGeneration(_) => CallError::UnknownGeneration(version),
            error => error,
        })?;
        let plaintext = answer["data"]["plaintext"].as_str().and_then(|text| STANDARD.decode(text).ok());
        wipe(&mut answer, "/data/plaintext");
        plaintext.map(Zeroizing::new).and_then(|bytes| Key32::from_slice(&bytes)).ok_or_else(no_sense)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        let state = match self.state().await {
            // A token that may do no more than encrypt and decrypt learns of the newest version by encrypting. What has
            // become of the older ones it cannot know.
            Err(CallError::Denied(_)) => {
                let latest = self.encrypt(&NOTHING, &Key32::generate()).await?.generation;
                KeyState { latest, min_decryption: 1, min_available: 1, created: vec![None; latest as usize] }
            }
            state => state?,
        };
        Ok((1..=state.latest)
            .zip(&state.created)
            .map(|(generation, created)| RootGeneration {
                generation,
                state: match generation {
                    latest if latest == state.latest => GenerationState::Active,
                    kept if kept >= state.min_available => GenerationState::DecryptOnly,
                    _ => GenerationState::Destroyed,
                },
                created: *created,
            })
            .collect())
    }

    async fn rotate(&self) -> Result<(), CallError> {
        let path = format!("{}/rotate", self.path("keys"));
        self.ask(Method::POST, &path, Some(&json!({}))).await.map(drop)
    }

    /// Trims the versions up to this one; older ones have to be gone before, so that no more is destroyed than was
    /// said.
    async fn destroy_generation(&self, generation: u32) -> Result<(), CallError> {
        let state = self.state().await?;
        if state.min_available < generation {
            return Err(CallError::Unsupported(
                "Transit destroys the versions of a key from the oldest on: destroy the older generations first",
            ));
        }
        let first_kept = generation + 1;
        let min_decryption = state.min_decryption.max(first_kept);
        // Trimming demands that the versions that encrypt and decrypt are said, and that they are kept.
        let config = json!({ "min_decryption_version": min_decryption, "min_encryption_version": state.latest });
        self.ask(Method::POST, &format!("{}/config", self.path("keys")), Some(&config)).await?;
        let trim = json!({ "min_available_version": first_kept });
        self.ask(Method::POST, &format!("{}/trim", self.path("keys")), Some(&trim)).await.map(drop)
    }
}

/// What is encrypted to no end.
const NOTHING: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [0; 16], generation: 0 };
/// The most versions of a key that are believed.
const MOST_VERSIONS: u32 = 10_000;

/// The number in `vault:vN:...`, which OpenBao writes as well.
fn version_of(ciphertext: &str) -> Option<u32> {
    let (version, rest) = ciphertext.strip_prefix("vault:v")?.split_once(':')?;
    let is_canonical = !version.starts_with('0') && version.bytes().all(|byte| byte.is_ascii_digit());
    version.parse().ok().filter(|version| is_canonical && !rest.is_empty() && *version <= MOST_VERSIONS)
}

/// Tells the answers apart. The server's words are looked at and not passed on.
fn parsed(answer: &Answer, key: &str) -> Result<Value, CallError> {
    match answer.status {
        StatusCode::NO_CONTENT => return Ok(Value::Null),
        StatusCode::OK => return serde_json::from_slice(&answer.body).map_err(|_| no_sense()),
        StatusCode::FORBIDDEN => return Err(denied("the token is not valid, or its policies do not allow it")),
        StatusCode::NOT_FOUND => return Err(denied("there is no such key, engine or namespace")),
        StatusCode::BAD_REQUEST => {}
        status => return Err(CallError::Unavailable(format!("the answer is {}", status.as_u16()))),
    }
    let text = String::from_utf8_lossy(&answer.body);
    let says = |what: &str| text.contains(what);
    if says("authentication failed") || says("unable to decrypt") || says("invalid ciphertext") {
        Err(CallError::WrongKey)
    } else if says("too old") || says("disallowed by policy") {
        Err(CallError::UnknownGeneration(0))
    } else if says("key not found") {
        Err(CallError::Denied(format!("there is no key {key}")))
    } else {
        Err(denied("the server refuses the request as malformed; is the key of the type aes256-gcm96?"))
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn denied(why: &str) -> CallError {
    CallError::Denied(why.to_owned())
}

#[cfg(test)]
#[path = "transit_tests.rs"]
mod tests;
