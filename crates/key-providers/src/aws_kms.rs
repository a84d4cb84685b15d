//! The API of AWS KMS, which others speak too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{Key32, sha256};
use coffer_keyring::{GenerationState, RootGeneration, WrapContext};
use coffer_sigv4::{RequestParts, Scope, SecretKey, Signer, Timestamp};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::http::{Answer, Client, Connect, Endpoint};
use crate::provider::{CallError, Encrypted, Kind, Provider, no_sense, pairs, wipe};
use crate::secret_file::SecretFile;

/// How often, and how far apart, it is looked whether a rotation is over.
const LOOKS: u32 = 8;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// The most pages of rotations that are read: a key has at most one rotation a quarter, and 25 on demand.
const MOST_PAGES: usize = 20;

/// Where a KMS key is, and who asks for it.
pub struct AwsKmsSettings {
    /// The server.
    pub endpoint: Endpoint,
    /// The region that requests are signed for.
    pub region: String,
    /// The ARN of the key.
    pub key_arn: String,
    /// Who signs.
    pub credentials: AwsCredentials,
}

/// Who signs.
pub enum AwsCredentials {
    /// What stood in the environment.
    Given(AccessKey),
    /// A file of TOML with `access_key`, `secret_key` and perhaps `session_token`. It is read for each call.
    File(SecretFile),
}

/// An access key. It has no `Debug`.
pub struct AccessKey {
    /// The access key ID.
    pub id: String,
    /// The secret.
    pub secret: SecretKey,
    /// What goes along with temporary credentials.
    pub session_token: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

/// A key of AWS KMS.
pub struct AwsKms {
    client: Client,
    region: String,
    key_arn: String,
    credentials: AwsCredentials,
}

impl AwsKms {
    /// The key that `settings` name. Nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with a setting, as a sentence.
    pub fn new(settings: AwsKmsSettings, connector: Box<dyn Connect>) -> Result<Self, String> {
        let AwsKmsSettings { endpoint, region, key_arn, credentials } = settings;
        // An alias could come to name another key.
        let parts: Vec<&str> = key_arn.splitn(6, ':').collect();
        let is_key = matches!(parts[..], ["arn", _, "kms", _, account, key]
            if !account.is_empty() && key.strip_prefix("key/").is_some_and(|id| !id.is_empty()));
        if !is_key || !key_arn.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("`key_arn` must be the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID".into());
        }
        if region.is_empty() {
            return Err("`region` is empty".to_owned());
        }
        if let AwsCredentials::File(file) = &credentials {
            read_credentials(file)?;
        }
        Ok(Self { client: Client::new(endpoint, connector), region, key_arn, credentials })
    }

    /// Calls an action.
    async fn ask(&self, action: &str, mut request: Value) -> Result<Value, CallError> {
        let body = Zeroizing::new(serde_json::to_vec(&request).expect("a value is JSON"));
        wipe(&mut request, "/Plaintext");
        let headers = self.signed(action, &body)?;
        let answer = self.client.send(Method::POST, "/", &headers, body).await?;
        match answer.status {
            StatusCode::OK if answer.body.is_empty() => Ok(Value::Null),
            StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| no_sense()),
            _ => Err(failure(&answer)),
        }
    }

    fn signed(&self, action: &str, body: &[u8]) -> Result<HeaderMap, CallError> {
        let read;
        let key = match &self.credentials {
            AwsCredentials::Given(key) => key,
            AwsCredentials::File(file) => {
                read = read_credentials(file).map_err(CallError::Denied)?;
                &read
            }
        };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let timestamp = i64::try_from(now_s).ok().and_then(Timestamp::from_unix_s);
        let timestamp = timestamp.ok_or_else(|| CallError::unavailable("the clock is wrong"))?;
        let (hash, target) = (hex::encode(sha256(body)), format!("TrentService.{action}"));
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("content-type", b"application/x-amz-json-1.1"),
            ("host", self.client.endpoint().authority().as_bytes()),
            ("x-amz-content-sha256", hash.as_bytes()),
            ("x-amz-date", timestamp.as_str().as_bytes()),
        ];
        if let Some(token) = &key.session_token {
            fields.push(("x-amz-security-token", token.as_bytes()));
        }
        fields.push(("x-amz-target", target.as_bytes()));
        let scope = Scope { date: timestamp.date().into(), region: self.region.clone(), service: "kms".into() };
        let parts = RequestParts { method: "POST", path: "/", query: "", headers: &fields };
        let signed = Signer::new(key.id.clone(), &key.secret, scope).sign_header(&parts);
        let signed = signed.expect("host, date and payload are there, and the date is in the scope");
        let mut headers = HeaderMap::new();
        fields.push(("authorization", signed.authorization.as_bytes()));
        for (name, value) in fields.iter().filter(|(name, _)| *name != "host") {
            let value = HeaderValue::from_bytes(value).map(|mut value| {
                value.set_sensitive(matches!(*name, "authorization" | "x-amz-security-token"));
                value
            });
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the names are lower case");
            headers.insert(name, value.map_err(|_| CallError::Denied("the credentials are no header".to_owned()))?);
        }
        Ok(headers)
    }

    /// Checks that the answer is about our key.
    fn of_our_key(&self, answer: Value) -> Result<Value, CallError> {
        if answer["KeyId"] == self.key_arn { Ok(answer) } else { Err(CallError::WrongKey) }
    }

    /// When the key was rotated, oldest first.
    async fn rotations(&self) -> Result<Vec<Option<u64>>, CallError> {
        let mut rotations = Vec::new();
        let mut marker = None;
        for _ in 0..MOST_PAGES {
            let mut request = json!({ "KeyId": self.key_arn });
            if let Some(marker) = &marker {
                request["Marker"] = Value::clone(marker);
            }
            let answer = self.ask("ListKeyRotations", request).await?;
            let page = answer["Rotations"].as_array().ok_or_else(no_sense)?;
            rotations.extend(page.iter().map(|rotation| seconds(&rotation["RotationDate"])));
            if answer["Truncated"] != true {
                rotations.sort_unstable();
                return Ok(rotations);
            }
            marker = Some(answer["NextMarker"].clone());
        }
        Err(no_sense())
    }

    /// The number of the key's material, from 1: KMS numbers none, and lists the rotations that are over. Where it does
    /// not, or not for us, there is one.
    async fn generation(&self) -> Result<u32, CallError> {
        match self.rotations().await {
            Ok(rotations) => Ok(u32::try_from(rotations.len()).map_err(|_| no_sense())? + 1),
            Err(CallError::Denied(_) | CallError::Unsupported(_)) => Ok(1),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Provider for AwsKms {
    fn kind(&self) -> Kind {
        Kind::AwsKms
    }

    fn key(&self) -> String {
        self.key_arn.clone()
    }

    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        // Before the call: a rotation in between makes the generation look older than it is, and never newer.
        let generation = self.generation().await?;
        let request = json!({
            "KeyId": self.key_arn,
            "Plaintext": STANDARD.encode(key.expose()),
            "EncryptionContext": pairs(context),
        });
        let answer = self.of_our_key(self.ask("Encrypt", request).await?)?;
        let ciphertext = answer["CiphertextBlob"].as_str().and_then(|text| STANDARD.decode(text).ok());
        Ok(Encrypted { ciphertext: ciphertext.ok_or_else(no_sense)?, generation })
    }

    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        let request = json!({
            // KMS then refuses what another key encrypted.
            "KeyId": self.key_arn,
            "CiphertextBlob": STANDARD.encode(ciphertext),
            "EncryptionContext": pairs(context),
        });
        let mut answer = self.of_our_key(self.ask("Decrypt", request).await?)?;
        let plaintext = answer["Plaintext"].as_str().and_then(|text| STANDARD.decode(text).ok());
        wipe(&mut answer, "/Plaintext");
        plaintext.map(Zeroizing::new).and_then(|bytes| Key32::from_slice(&bytes)).ok_or_else(no_sense)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        let rotations = match self.rotations().await {
            Err(CallError::Denied(_) | CallError::Unsupported(_)) => Vec::new(),
            rotations => rotations?,
        };
        let newest = u32::try_from(rotations.len()).map_err(|_| no_sense())? + 1;
        let created = std::iter::once(None).chain(rotations);
        let state = |generation| match generation {
            newest_one if newest_one == newest => GenerationState::Active,
            _ => GenerationState::DecryptOnly,
        };
        Ok((1..=newest)
            .zip(created)
            .map(|(generation, created)| RootGeneration { generation, state: state(generation), created })
            .collect())
    }

    async fn rotate(&self) -> Result<(), CallError> {
        let before = self.rotations().await.map_err(|error| match error {
            CallError::Denied(_) | CallError::Unsupported(_) => CallError::Unsupported(
                "this KMS does not list the rotations of the key, so none can be told from another: rotate it there, \
                 or make a new key and let it take the place of this one",
            ),
            error => error,
        })?;
        self.ask("RotateKeyOnDemand", json!({ "KeyId": self.key_arn })).await?;
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            if self.rotations().await?.len() > before.len() {
                return Ok(());
            }
        }
        Err(CallError::unavailable("the rotation has begun and is not over; look again later"))
    }

    async fn destroy_generation(&self, _: u32) -> Result<(), CallError> {
        Err(CallError::Unsupported(
            "AWS KMS keeps every material of a key as long as the key: make a new key, let it take the place of this \
             one, and schedule the deletion of this one there when nothing is wrapped by it any more",
        ))
    }
}

fn read_credentials(file: &SecretFile) -> Result<AccessKey, String> {
    let text = file.text().map_err(|error| format!("`credentials_file`: {error}"))?;
    // The parser's own message would quote the file.
    let read: Result<CredentialsFile, _> = toml::from_str(&text);
    let read = read.ok().filter(|read| !read.access_key.is_empty() && !read.secret_key.is_empty());
    let CredentialsFile { access_key, secret_key, session_token } = read.ok_or_else(|| {
        let what = "access_key = \"...\" and secret_key = \"...\", and session_token = \"...\" if there is one";
        format!("`credentials_file`: {}", file.content(what))
    })?;
    let session_token = session_token.map(Zeroizing::new);
    Ok(AccessKey { id: access_key, secret: SecretKey::new(secret_key), session_token })
}

/// Tells the refusals apart, by the names that KMS documents; the server's words are not passed on.
fn failure(answer: &Answer) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["__type"].as_str().or(body["code"].as_str()).unwrap_or_default();
    // Some write a namespace in front.
    let code = code.rsplit('#').next().unwrap_or_default();
    let denied = |why: &str| CallError::Denied(why.to_owned());
    match code {
        "IncorrectKeyException" | "InvalidCiphertextException" => CallError::WrongKey,
        "NotFoundException" => denied("there is no such key"),
        "DisabledException" => denied("the key is disabled"),
        "KMSInvalidStateException" => denied("the key is in a state that allows no use, such as pending deletion"),
        "InvalidKeyUsageException" => denied("the key is not one to encrypt with"),
        "AccessDeniedException" | "NotAuthorized" => denied("the credentials do not allow it"),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => denied("the credentials are not valid"),
        "ExpiredToken" | "ExpiredTokenException" => denied("the credentials have expired"),
        "RequestExpired" | "RequestTimeTooSkewed" => denied("the clocks differ too much"),
        "UnsupportedOperationException" | "UnknownOperationException" | "InvalidAction" | "NotImplemented" => {
            CallError::Unsupported("the KMS does not do that with this key")
        }
        "LimitExceededException" => CallError::Unsupported(
            "the key was rotated on demand as often as AWS KMS allows: make a new key, and let it take the place of this one",
        ),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => {
            CallError::unavailable("there are too many requests for it")
        }
        _ if matches!(answer.status.as_u16(), 401 | 403) => denied("the credentials are not valid"),
        // Moto and others answer so for actions that they do not know.
        _ if matches!(answer.status.as_u16(), 404 | 405 | 501) => {
            CallError::Unsupported("the KMS does not do that with this key")
        }
        "ValidationException" | "SerializationException" | "InvalidArnException" => {
            denied("the request is refused as malformed; is `key_arn` right?")
        }
        _ => CallError::Unavailable(format!("the answer is {}", answer.status.as_u16())),
    }
}

/// Seconds since 1970, which JSON has as a number with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is not negative, and a time")]
    value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
}

#[cfg(test)]
#[path = "aws_kms_tests.rs"]
mod tests;
